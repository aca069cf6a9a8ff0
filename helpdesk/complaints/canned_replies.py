"""Answers that are written once and used often, in several languages, with places for what differs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from babel import Locale, UnknownLocaleError
from babel.dates import format_date

from helpdesk.complaints import person_queries, template_queries, wording
from helpdesk.complaints.errors import ShortcutTaken
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.scoped import Shelf
from helpdesk.complaints.template_events import CannedReplyChanged, CannedReplyCreated, CannedReplyDeleted
from helpdesk.complaints.template_models import CannedReply
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.rich_text import RichText, from_text, plain_text, sanitised
from helpdesk.kernel.unit_of_work import UnitOfWork

SHARE: Final = "template:share"


@dataclass(frozen=True, slots=True)
class Filled:
    """A canned reply read for one complaint. `missing`: names that had neither a value nor a word for when there is none."""

    language: str
    text: RichText
    missing: list[str]


def _write(uow: UnitOfWork, _actor: Actor, row: CannedReply, given: Mapping[str, Any]) -> None:
    row.title, row.shortcut = given["title"], given.get("shortcut")
    if row.shortcut is not None and template_queries.shortcut_taken(uow.session, row):
        raise ShortcutTaken
    row.variants = [_variant(item) for item in given["variants"]]


SHELF: Final = Shelf(
    kind=CannedReply,
    share=SHARE,
    told=("title", "shortcut", "variants"),
    write=_write,
    created=lambda row_id, changes: CannedReplyCreated(template_id=row_id, changes=changes),
    changed=lambda row_id, changes: CannedReplyChanged(template_id=row_id, changes=changes),
    deleted=lambda row_id, changes: CannedReplyDeleted(template_id=row_id, changes=changes),
)
"""What somebody keeps for themselves may name one that was thrown away; it says so when it is used."""


def _variant(item: dict[str, Any]) -> dict[str, Any]:
    html = sanitised(item["body_html"]) if "body_html" in item else None
    return {"language": item["language"], "body": item.get("body"), "body_html": html}


def fill(
    uow: UnitOfWork, actor: Actor, complaint: Complaint, reply: CannedReply, language: str | None = None
) -> Filled:
    """The text for this complaint, in the language of who is written to unless another is asked for."""
    session = uow.session
    person = person_queries.complainant_of(session, complaint.id)
    variant = wording.choose(reply.variants, (language, person.language if person else None, complaint.language))
    text = variant["body"] or variant["body_html"]
    values: dict[str, str | None] = {
        "complaint.reference": complaint.reference,
        "complaint.subject": complaint.subject,
        "complaint.received_on": _day(complaint.received_at, variant["language"]),
        "complainant.name": person.name if person else None,
        "agent.name": None if actor.kind == "automation" else actor.name,  # the name of a rule is none of theirs
        "today": _day(uow.now, variant["language"]),
    }
    if complaint.team_id is not None and "team.name" in wording.names_in(text):
        values["team.name"] = template_queries.team_name(session, complaint.team_id)
    if variant["body"] is not None:
        filled, missing = wording.fill(text, values)
        return Filled(variant["language"], from_text(filled), missing)
    filled, missing = wording.fill_html(text, values)
    html = sanitised(filled)
    return Filled(variant["language"], RichText(plain_text(html), html, filled), missing)


def _day(at: datetime, language: str) -> str:
    """In words; days are those of UTC, since the reader's zone is not known."""
    try:
        return format_date(at.date(), "long", Locale.parse(language.replace("-", "_")))
    except (UnknownLocaleError, ValueError):
        return format_date(at.date(), "long", "en")


def used(
    uow: UnitOfWork, actor: Actor, complaint: Complaint, reply_id: UUID, *, pointer: str, written: RichText | None
) -> RichText:
    """The use of a canned reply in a message, counted: what was `written` with its help, or the text as it is. Raises
    `ValidationFailed` at `pointer` for one that is not there for the caller, or lacks a value: nothing with holes goes out.
    """
    reply = template_queries.reply_if_usable(uow.session, actor, reply_id)
    if reply is None:
        raise ValidationFailed(errors=[FieldError.at(pointer, "unknown", "There is no such canned reply.")])
    if written is None:
        filled = fill(uow, actor, complaint, reply)
        if filled.missing:
            text = f"{', '.join(filled.missing)}: not known here; write the text yourself."
            raise ValidationFailed(errors=[FieldError.at(pointer, "missing_value", text)])
        written = filled.text
    template_queries.count_use(uow.session, CannedReply, reply_id)
    return written
