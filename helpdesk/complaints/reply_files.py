"""Files that go with a message: named when it is written, bound to it, and sent with its mail.

Only what is named goes out. A file that was kept among ourselves and is named in a reply is shown to the complainant from then
on; one that they see is not put on a note, which would take it away from them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import attachment_queries
from helpdesk.complaints.attachment_events import AttachmentBound
from helpdesk.complaints.attachments import is_clean
from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.unit_of_work import UnitOfWork

MOST: Final = 20
"""With one message."""

NOTE: Final = "internal_note"


@dataclass(frozen=True, slots=True)
class Chosen:
    """Attachments that may go with a message, locked. `rows`: id, internal, of each, in the order in which they were named."""

    rows: Sequence[Any] = ()

    @property
    def ids(self) -> list[UUID]:
        return [row.id for row in self.rows]


def choose(
    session: Session, actor: Actor, complaint: Complaint, kind: str, ids: Sequence[UUID], *, scanned: bool
) -> Chosen:
    """Of a locked complaint, for a message of that kind. `scanned`: there is a scanner, and what it has not seen is not
    clean. A complainant has the files that they sent. Raises `ValidationFailed` that names every bad place at once.
    """
    if not ids:
        return Chosen()
    found = {row.id: row for row in attachment_queries.files_to_bind(session, actor, complaint.id, ids)}
    problems = [
        FieldError.at(f"/attachment_ids/{place}", code, text)
        for place, attachment_id in enumerate(ids)
        for code, text in _faults(found.get(attachment_id), kind, scanned=scanned)
    ]
    if problems:
        raise ValidationFailed(errors=problems)
    return Chosen([found[attachment_id] for attachment_id in dict.fromkeys(ids)])


def _faults(row: Any, kind: str, *, scanned: bool) -> Iterator[tuple[str, str]]:
    if row is None:
        yield "unknown", "There is no such file on this complaint."
    elif row.message_id is not None:
        yield "taken", "It belongs to another message."
    elif kind == NOTE and not row.internal:
        yield "shown", "The complainant sees this file; a note is for ourselves."
    elif not is_clean(row.scan, scanned=scanned):
        yield "not_clean", f"It is not known to be clean: {row.scan}."


def check_there(session: Session, complaint_id: UUID, ids: Sequence[UUID]) -> None:
    """For what is still being written. Raises `ValidationFailed`."""
    known = attachment_queries.files_there(session, complaint_id, ids) if ids else set()
    text = "There is no such file on this complaint."
    problems = [
        FieldError.at(f"/attachment_ids/{place}", "unknown", text)
        for place, attachment_id in enumerate(ids)
        if attachment_id not in known
    ]
    if problems:
        raise ValidationFailed(errors=problems)


def bind(uow: UnitOfWork, complaint: Complaint, message_id: UUID, kind: str, chosen: Chosen) -> None:
    """They are of this message from now on; whoever sees the message has them."""
    if not chosen.rows:
        return
    internal = kind == NOTE
    for row in chosen.rows:
        changes: dict[str, list[Any]] = {"message_id": [None, str(message_id)]}
        if row.internal != internal:
            changes["internal"] = [row.internal, internal]
        uow.record(
            AttachmentBound(
                complaint_id=complaint.id,
                reference=complaint.reference,
                attachment_id=row.id,
                message_id=message_id,
                changes=changes,
            ),
            stream=complaint,
        )
    uow.at_end(("files of", message_id), partial(_write, message_id=message_id, ids=chosen.ids, internal=internal))


def _write(uow: UnitOfWork, *, message_id: UUID, ids: Sequence[UUID], internal: bool) -> None:
    """When the message is there, which they refer to."""
    uow.session.execute(attachment_queries.bound_to(message_id, ids, internal=internal))
