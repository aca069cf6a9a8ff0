"""Messages that are being written: saved as they grow, seen by colleagues, and gone when they are sent.

What is in a draft is nobody's statement yet, so no event tells of it; the message that it becomes is told like any other.
"""

from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import draft_queries, reply_files, service, template_queries, thread_queries
from helpdesk.complaints.draft_models import Draft
from helpdesk.complaints.draft_queries import Writing
from helpdesk.complaints.errors import ThreadMovedOn
from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import Actor
from helpdesk.kernel.access import require
from helpdesk.kernel.errors import Conflict, FieldError, Forbidden, ValidationFailed
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.rich_text import RichText, from_html, from_text
from helpdesk.kernel.schemas import json_safe
from helpdesk.kernel.unit_of_work import UnitOfWork

MAX_DRAFTS: Final = 20
"""Of one agent on one complaint."""
SHOWN: Final = 50
"""New messages that a refusal names."""


def begin(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: dict[str, Any]) -> UUID:
    """`complaint`: locked. Without `seen_message_id` its writer has seen the thread as it is now."""
    if actor.kind != "agent" or actor.id is None:
        raise Forbidden("Only agents keep drafts.")
    if draft_queries.count_own(uow.session, complaint.id, actor.id) >= MAX_DRAFTS:
        raise Conflict(f"You have {MAX_DRAFTS} drafts on this complaint; send or remove one.")
    row = Draft(id=new_id(), complaint_id=complaint.id, agent_id=actor.id, version=1, created_at=uow.now)
    row.seen_message_id = thread_queries.last_message_id(uow.session, complaint.id)
    _write(uow, actor, row, given)
    uow.session.add(row)
    return row.id


def check_own(_session: Session, actor: Actor, writing: Writing) -> None:
    """Others may read it. Raises `Forbidden`."""
    if writing.draft.agent_id != actor.id:
        raise Forbidden("This is a colleague's draft; write one of your own.")


def check_removal(_session: Session, actor: Actor, writing: Writing) -> None:
    """One's own; what a colleague left lying, with the right to assign."""
    if writing.draft.agent_id != actor.id:
        require(actor, "complaint:assign")


def save(uow: UnitOfWork, actor: Actor, writing: Writing, given: dict[str, Any]) -> UUID:
    """All of it anew. Without `seen_message_id` what its writer has seen stays as it was."""
    _write(uow, actor, writing.draft, given)
    writing.draft.touch()
    return writing.draft.id


def remove(uow: UnitOfWork, writing: Writing) -> None:
    uow.session.delete(writing.draft)


def send(uow: UnitOfWork, actor: Actor, writing: Writing, given: dict[str, Any], *, scanned: bool = False) -> UUID:
    """One act: the message is written and the draft is gone. `writing`: the complaint locked too, the draft one's own.
    `scanned`: there is a scanner for files. Raises `ThreadMovedOn` when somebody else has said something that its writer has not seen.
    """
    draft, complaint = writing.draft, writing.complaint
    if not draft.body:
        raise ValidationFailed(errors=[FieldError.at("", "empty", "There is nothing in this draft yet.")])
    _check_belongs(uow.session, complaint.id, given, "seen_message_id")
    _check_seen(uow.session, actor, writing, given.get("seen_message_id", draft.seen_message_id))
    message: dict[str, Any] = {
        "kind": draft.kind,
        "channel": draft.channel,
        "in_reply_to": draft.in_reply_to,
        "mentions": [UUID(agent_id) for agent_id in draft.mentions],
        "attachment_ids": [UUID(attachment_id) for attachment_id in draft.attachment_ids],
        "canned_reply_id": draft.canned_reply_id,
    }
    message |= {"body": draft.body} if draft.html_given is None else {"body_html": draft.html_given}
    message_id = service.write_message(uow, actor, complaint, message, scanned=scanned)
    uow.session.delete(draft)
    return message_id


def _check_seen(session: Session, actor: Actor, writing: Writing, seen: UUID | None) -> None:
    new = [
        row
        for row in thread_queries.messages_after(session, writing.complaint.id, seen, SHOWN)
        if row.author_id != actor.id
    ]
    if new:
        shown = [json_safe(dict(row._mapping)) for row in new]  # noqa: SLF001  # SQLAlchemy's public name for it
        raise ThreadMovedOn(new_messages=shown, last_message_id=str(new[-1].id))


def _write(uow: UnitOfWork, actor: Actor, row: Draft, given: dict[str, Any]) -> None:
    for name in ("in_reply_to", "seen_message_id"):
        _check_belongs(uow.session, row.complaint_id, given, name)
    _check_reply(uow, actor, given)
    reply_files.check_there(uow.session, row.complaint_id, given.get("attachment_ids") or [])
    said = _said(given)
    row.kind, row.channel, row.in_reply_to = given["kind"], given.get("channel"), given.get("in_reply_to")
    row.body, row.html, row.html_given = said.plain, said.html, said.given
    row.mentions = [str(agent_id) for agent_id in given.get("mentions") or []]
    row.attachment_ids = [str(attachment_id) for attachment_id in given.get("attachment_ids") or []]
    row.canned_reply_id = given.get("canned_reply_id")
    row.seen_message_id = given.get("seen_message_id", row.seen_message_id)
    row.updated_at = uow.now


def _check_belongs(session: Session, complaint_id: UUID, given: dict[str, Any], name: str) -> None:
    message_id = given.get(name)
    if message_id is not None and not thread_queries.belongs(session, complaint_id, message_id):
        text = "There is no such message in this thread."
        raise ValidationFailed(errors=[FieldError.at(f"/{name}", "unknown", text)])


def _check_reply(uow: UnitOfWork, actor: Actor, given: dict[str, Any]) -> None:
    reply_id = given.get("canned_reply_id")
    if reply_id is not None and template_queries.reply_if_usable(uow.session, actor, reply_id) is None:
        text = "There is no such canned reply."
        raise ValidationFailed(errors=[FieldError.at("/canned_reply_id", "unknown", text)])


def _said(given: dict[str, Any]) -> RichText:
    return from_html(given["body_html"], empty=True) if "body_html" in given else from_text(given["body"])
