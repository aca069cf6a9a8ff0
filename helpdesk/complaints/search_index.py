"""Keeps the index of complaints in step with their text, in the same transaction.

A new complaint brings its row with it, a message is put at the end of the last one; whatever else changes (the subject, a
name, a tag, a redaction) makes the complaint's rows anew when the unit of work has written everything. So an act need not know
what is indexed: it calls `text_changed`, or an event of it is listed in `wiring.SUBSCRIBERS`.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, delete, func, update
from sqlalchemy.dialects.postgresql import TSVECTOR, insert

from helpdesk.complaints import search_queries
from helpdesk.complaints.search_models import SearchSegment, Unsearched
from helpdesk.complaints.search_text import (
    GAP,
    MAX_LEXEMES,
    MAX_PLACES,
    TAGGED,
    Segment,
    Weighted,
    digits,
    segments,
    tokens,
)
from helpdesk.complaints.search_text_queries import Texts, texts_of
from helpdesk.kernel.unit_of_work import UnitOfWork

_WEIGHT_SUBJECT: Final = "A"
_WEIGHT_TAGS: Final = "B"
_WEIGHT_PEOPLE: Final = "B"
_WEIGHT_DESCRIPTION: Final = "C"
_WEIGHT_THREAD: Final = "D"

PERSON: Final = ("name", "email", "phone")


def index_received(
    uow: UnitOfWork,
    row: Mapping[str, Any],
    people: Iterable[Mapping[str, Any]],
    details: Iterable[str | None],
) -> None:
    """A complaint that is being born: `row` as for its table, with its tags in it, `details` of its issues."""
    uow.add_rows(SearchSegment, received_rows(row, people, details))


def received_rows(
    row: Mapping[str, Any], people: Iterable[Mapping[str, Any]], details: Iterable[str | None]
) -> list[dict[str, Any]]:
    head = _head(row["subject"], row["reference"], row["external_id"], row["tags"], people)
    body = [Weighted(text, _WEIGHT_DESCRIPTION) for text in (row["description"], *details) if text]
    return _rows(row["id"], row["received_at"], segments(head, body))


_TABLE: Final = SearchSegment.__table__.c
APPEND: Final = (
    update(SearchSegment.__table__)
    .where(
        _TABLE.complaint_id == bindparam("of"),
        _TABLE.segment == search_queries.LAST_SEGMENT,
        _TABLE.places + bindparam("more") <= MAX_PLACES,
        func.length(_TABLE.vector) <= MAX_LEXEMES,
    )
    .values(vector=_TABLE.vector.op("||")(bindparam("said", type_=TSVECTOR)), places=_TABLE.places + bindparam("more"))
)


def index_message(uow: UnitOfWork, complaint_id: UUID, text: str) -> None:
    """A message is found as soon as it is there. Where the last segment is full, or is being born in this very unit of
    work, all are made anew.
    """
    given = appended(complaint_id, text)
    if given is None:
        return
    if given["more"] > MAX_PLACES or uow.session.execute(APPEND, given).rowcount == 0:  # type: ignore[attr-defined]
        text_changed(uow, complaint_id)


def appended(complaint_id: UUID, text: str) -> dict[str, Any] | None:
    """The values of `APPEND` for a message; None when there is no word in it."""
    said = Segment()
    for token in tokens(text, GAP):
        said.put(token.text, token.place, _WEIGHT_THREAD)
    return {"of": complaint_id, "more": said.last, "said": said.vector} if said.places else None


def text_changed(uow: UnitOfWork, complaint_id: UUID) -> None:
    """Make the complaint's rows anew, once, when all of this unit of work is written. The complaint is locked."""
    uow.at_end(("search", complaint_id), partial(rebuild, complaint_ids=[complaint_id]))


def rebuild(uow: UnitOfWork, complaint_ids: Sequence[UUID]) -> None:
    """From the text as it is written now."""
    session = uow.session
    session.execute(delete(SearchSegment).where(SearchSegment.complaint_id.in_(complaint_ids)))
    rows = []
    for found in texts_of(session, complaint_ids):
        rows += _rows(found.id, found.received_at, segments_of(found))
    if rows:
        session.execute(SearchSegment.__table__.insert(), rows)
    session.execute(delete(Unsearched).where(Unsearched.complaint_id.in_(complaint_ids)))


def forget_all(uow: UnitOfWork) -> int:
    """Every complaint is to be indexed anew, by the sweep; how many. Until then each is found by what is there."""
    uow.session.execute(
        insert(Unsearched).from_select(["complaint_id"], search_queries.EVERY_COMPLAINT).on_conflict_do_nothing()
    )
    return search_queries.how_many_unsearched(uow.session)  # the driver does not tell of an INSERT


def segments_of(found: Texts) -> list[Segment]:
    head = _head(found.subject, found.reference, found.external_id, found.tags, found.people)
    body = [Weighted(text, _WEIGHT_DESCRIPTION) for text in (found.description, *found.details) if text]
    return segments(head, [*body, *(Weighted(text, _WEIGHT_THREAD) for text in found.messages)])


def _head(
    subject: str,
    reference: str,
    external_id: str | None,
    tags: Iterable[str],
    people: Iterable[Mapping[str, Any]],
) -> list[Weighted]:
    head = [Weighted(subject, _WEIGHT_SUBJECT), Weighted(reference, _WEIGHT_SUBJECT)]
    if external_id:
        head.append(Weighted(external_id, _WEIGHT_SUBJECT))
    head += [Weighted(tag, _WEIGHT_TAGS, TAGGED) for tag in tags]  # before the people, whose names may leave no room
    for person in people:
        said = [person[name] for name in PERSON if person[name]]
        if person["phone"]:
            said.append(digits(person["phone"]))
        head += [Weighted(text, _WEIGHT_PEOPLE) for text in said if text]
    return head


def _rows(complaint_id: UUID, received_at: datetime, found: Sequence[Segment]) -> list[dict[str, Any]]:
    return [
        {
            "complaint_id": complaint_id,
            "segment": number,
            "received_at": received_at,
            "several": len(found) > 1,
            "places": segment.last,
            "vector": segment.vector,
        }
        for number, segment in enumerate(found, start=1)
    ]
