"""Files on a complaint: added, shown or kept from the complainant, looked at for viruses, given out, redacted.

The bytes are in the store before any of this begins (`kernel.uploads`), and every act holds the complaint's lock.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import attachment_queries as queries
from helpdesk.complaints import file_links
from helpdesk.complaints.attachment_errors import (
    AttachmentNotClean,
    AttachmentRedactedAlready,
    ScannerNotConfigured,
    TooManyAttachments,
)
from helpdesk.complaints.attachment_events import (
    AttachmentAdded,
    AttachmentChanged,
    AttachmentRedacted,
    AttachmentScanned,
)
from helpdesk.complaints.attachment_models import Attachment
from helpdesk.complaints.attachment_queries import Held
from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import Actor
from helpdesk.kernel import files
from helpdesk.kernel.differences import differences
from helpdesk.kernel.downloads import Download
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.scanning import Finding
from helpdesk.kernel.schemas import json_safe
from helpdesk.kernel.settings import Settings
from helpdesk.kernel.sniffing import ACCEPTED
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.kernel.uploads import Terms, Upload

SCAN: Final = "complaints.scan_attachment"
"""Topic of the duty to have an attachment scanned; its subject is the attachment."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a complaint may hold. `from_complainant`: attachments that came from them; None for everybody else."""

    count: int
    size: int
    from_complainant: int | None = None

    @classmethod
    def of(cls, settings: Settings, actor: Actor) -> "Bounds":
        theirs = settings.max_public_attachments if actor.kind == "complainant" else None
        return cls(settings.max_attachments, settings.max_attachments_bytes, theirs)


def terms_for(settings: Settings, actor: Actor) -> Terms:
    """From the complainant less is taken: smaller files, and only what is known for what it is."""
    if actor.kind == "complainant":
        return Terms(settings.max_public_attachment_bytes, ACCEPTED)
    return Terms(settings.max_attachment_bytes)


def check_room(session: Session, complaint: Complaint, bounds: Bounds, more: int = 0) -> None:
    """Raises `TooManyAttachments`, also where `more` bytes would be too many."""
    taken = queries.room_taken(session, complaint.id)
    if taken.number >= bounds.count or (
        bounds.from_complainant is not None and taken.from_complainant >= bounds.from_complainant
    ):
        raise TooManyAttachments(f"It has {taken.number} attachments.")
    if taken.size + more > bounds.size:
        raise TooManyAttachments(f"Its attachments may have {bounds.size:,} bytes together, and have {taken.size:,}.")


def add(
    uow: UnitOfWork,
    actor: Actor,
    complaint: Complaint,
    upload: Upload,
    given: Mapping[str, Any],
    *,
    bounds: Bounds,
    scanned: bool,
) -> UUID:
    """Put a received file on a locked complaint. `given`: message_id, internal. `scanned`: there is a scanner to ask.

    Raises `TooManyAttachments`, and `ValidationFailed` for a message that is not this complaint's.
    """
    check_room(uow.session, complaint, bounds, upload.size)
    internal = _internal(uow.session, complaint, given)
    upload.claim(uow)
    row: dict[str, Any] = {
        "id": new_id(),
        "complaint_id": complaint.id,
        "message_id": given.get("message_id"),
        "internal": internal,
        "name": upload.name,
        "type": upload.type,
        "declared_type": upload.declared_type,
        "size": upload.size,
        "sha256": upload.sha256,
        "file_id": upload.file_id,
        "scan": "scanning" if scanned else "unscanned",
        "author_kind": actor.kind,
        "author_id": actor.id if actor.kind != "complainant" else None,
        "created_at": uow.now,
        "version": 1,
    }
    uow.add_rows(Attachment, [row])
    complaint.changed_at(uow.now)
    uow.record(
        AttachmentAdded(
            complaint_id=complaint.id,
            reference=complaint.reference,
            attachment_id=row["id"],
            message_id=row["message_id"],
            internal=internal,
            media_type=upload.type,
            size=upload.size,
            sha256=upload.sha256,
            scan=row["scan"],
        ),
        stream=complaint,
        actor=actor,
    )
    if scanned:
        uow.duty(SCAN, row["id"])
    added: UUID = row["id"]
    return added


def _internal(session: Session, complaint: Complaint, given: Mapping[str, Any]) -> bool:
    """What is on an internal note is internal; what is on a message that the complainant reads is for them, unless said
    otherwise; anything else is internal until somebody says that it is not.
    """
    message_id, wish = given.get("message_id"), given.get("internal")
    if message_id is None:
        return True if wish is None else wish
    kind = queries.message_kind(session, complaint.id, message_id)
    if kind is None:
        text = "There is no such message on this complaint."
        raise ValidationFailed(errors=[FieldError.at("/message_id", "unknown", text)])
    if kind == "internal_note" and wish is False:
        raise _of_a_note()
    return kind == "internal_note" if wish is None else wish


def _is_of_a_note(session: Session, complaint: Complaint, message_id: UUID | None) -> bool:
    return message_id is not None and queries.message_kind(session, complaint.id, message_id) == "internal_note"


def _of_a_note() -> ValidationFailed:
    text = "It belongs to an internal note, which the complainant does not see."
    return ValidationFailed(errors=[FieldError.at("/internal", "internal_note", text)])


def change(uow: UnitOfWork, held: Held, given: Mapping[str, Any]) -> UUID:
    """Show it to the complainant, or keep it from them. Raises `AttachmentRedactedAlready`."""
    check_there(uow.session, None, held)
    row, complaint = held.row, held.complaint
    if "internal" in given and given["internal"] != row.internal:
        if not given["internal"] and _is_of_a_note(uow.session, complaint, row.message_id):
            raise _of_a_note()
        changes = {"internal": [row.internal, given["internal"]]}
        row.internal = given["internal"]
        row.touch()
        complaint.changed_at(uow.now)
        uow.record(AttachmentChanged(**_about(held), changes=changes), stream=complaint)
    return row.id


def _about(held: Held) -> dict[str, Any]:
    return {
        "complaint_id": held.complaint.id,
        "reference": held.complaint.reference,
        "attachment_id": held.row.id,
    }


def check_there(_session: Any, _actor: Any, held: Held) -> None:
    if held.row.redacted_at is not None:
        raise AttachmentRedactedAlready


def redact(uow: UnitOfWork, actor: Actor, held: Held, reason: str) -> UUID:
    """Its bytes and its name go, for good; that it was there stays, with its digest. Raises `AttachmentRedactedAlready`."""
    check_there(uow.session, actor, held)
    row, complaint = held.row, held.complaint
    file_id, row.file_id, row.name = row.file_id, None, None
    row.redacted_at, row.redacted_by, row.redaction_reason = uow.now, actor.id, reason
    row.touch()
    complaint.changed_at(uow.now)
    if file_id is not None:
        files.let_go(uow, file_id)
    changes = {"redacted_at": json_safe([None, row.redacted_at]), "redacted_by": json_safe([None, row.redacted_by])}
    uow.record(
        AttachmentRedacted(**_about(held), reason=reason, sha256=row.sha256, changes=changes),
        stream=complaint,
        actor=actor,
    )
    return row.id


def scan_anew(uow: UnitOfWork, held: Held, *, scanned: bool) -> UUID:
    """Ask the scanner once more, after it failed, or because there was none when the file came. Raises
    `AttachmentRedactedAlready`, `ScannerNotConfigured`.
    """
    check_there(uow.session, None, held)
    if not scanned:
        raise ScannerNotConfigured
    if held.row.scan in {"unscanned", "failed", "clean"}:
        note_scan(uow, held, "scanning")
        uow.duty(SCAN, held.row.id)
    return held.row.id


def note_scan(uow: UnitOfWork, held: Held, scan: str, finding: Finding | None = None) -> None:
    """How the scan of a locked attachment stands. The complaint's version stays: nothing changed that an agent edits."""
    row = held.row
    before = {name: getattr(row, name) for name in ("scan", "signature", "scanned_at")}
    row.scan = scan
    row.signature = None if finding is None else finding.signature
    row.scanned_at = None if finding is None else uow.now
    row.touch()
    changes = differences(before, {name: getattr(row, name) for name in before})
    uow.record(
        AttachmentScanned(**_about(held), changes=changes, signature=row.signature),
        stream=held.complaint,
    )


def link(
    key: str, actor: Actor, row: Mapping[str, Any], seconds: int, now: datetime, *, scanned: bool
) -> file_links.Linked:
    """The right of this actor to this attachment of this complaint, for a short time. `row`: of
    `queries.attachment_detail`. Raises `AttachmentRedactedAlready`, `AttachmentNotClean`.
    """
    if row["redacted_at"] is not None:
        raise AttachmentRedactedAlready
    _check_clean(row["scan"], scanned=scanned)
    return file_links.seal("attachment", key, actor, (row["complaint_id"], row["id"]), now + timedelta(seconds=seconds))


def is_clean(scan: str, *, scanned: bool) -> bool:
    """Whether a file may be given out. `scanned`: there is a scanner, which has to have seen it."""
    return scan == "clean" or (scan == "unscanned" and not scanned)


def _check_clean(scan: str, *, scanned: bool) -> None:
    if not is_clean(scan, scanned=scanned):
        raise AttachmentNotClean(f"It is {scan}.", scan=scan)


def given_out(session: Session, actor: Actor, complaint_id: UUID, attachment_id: UUID, *, scanned: bool) -> Download:
    """What a link leads to now. Raises `NotFound`, `AttachmentNotClean`."""
    row = queries.file_to_give(session, actor, complaint_id, attachment_id)
    _check_clean(row["scan"], scanned=scanned)
    return Download(row["file_id"], row["size"], row["sha256"], row["name"], row["type"])
