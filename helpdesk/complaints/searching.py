"""Searching complaints: what was typed is read, looked up, and shown with the places where it stands."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import filtering, search_queries, tag_queries
from helpdesk.complaints.search_highlights import Finder, Source
from helpdesk.complaints.search_language import Query, also_called, read, tags_named
from helpdesk.complaints.search_text import TAGGED
from helpdesk.complaints.search_text_queries import shown_texts
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import ValidationFailed
from helpdesk.kernel.pagination import Page


def search(session: Session, actor: Actor, page: Page, text: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """One page. Raises `ValidationFailed` for a text in which there is nothing to look for."""
    try:
        query = read(text)
    except ValueError as error:
        raise ValidationFailed(errors=[_parameter("q", str(error))]) from error
    query = also_called(query, tag_queries.names_now(session, tags_named(query)))
    found = search_queries.search(session, actor, page, query, filtering.wanted(session, given))
    shown = _fragments(session, [row["id"] for row in found.rows], query)
    return {
        "items": [{"complaint": row, "fragments": shown.get(row["id"], [])} for row in found.rows],
        "next_cursor": found.next_cursor,
        "total": found.total,
        "ranked": found.ranked,
    }


def _parameter(name: str, detail: str) -> Any:
    return {"parameter": name, "code": "nothing_to_look_for", "detail": detail}


def _fragments(session: Session, complaint_ids: Sequence[UUID], query: Query) -> dict[UUID, list[Any]]:
    if not complaint_ids or not query.wanted:
        return {}
    finder = Finder(query)
    found = {}
    for row in shown_texts(session, complaint_ids):
        sources = [Source("subject", "A", row.subject)]
        sources += [Source("tag", TAGGED, tag) for tag in row.tags]
        sources += [Source("person", "B", text) for text in row.people if text]
        sources.append(Source("description", "C", row.description))
        sources += [Source("message", "D", item["body"], UUID(item["id"])) for item in row.messages]
        found[row.id] = finder.fragments(sources)
    return found
