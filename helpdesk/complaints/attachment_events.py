from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID

from helpdesk.complaints.events import ComplaintEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentEvent(ComplaintEvent):
    """The file's name stands in its row alone: an event outlives a redaction."""

    attachment_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentAdded(AttachmentEvent):
    """`size` in bytes; `sha256` of them, in hex."""

    type: ClassVar[str] = "complaint.attachment_added"
    message_id: UUID | None
    internal: bool
    media_type: str
    size: int
    sha256: str
    scan: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentChanged(AttachmentEvent):
    """`changes`: field of the attachment -> [before, after]."""

    type: ClassVar[str] = "complaint.attachment_changed"
    changes: dict[str, list[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentBound(AttachmentEvent):
    """A file that was there goes with a message. `changes`: field of the attachment -> [before, after]."""

    type: ClassVar[str] = "complaint.attachment_bound"
    message_id: UUID
    changes: dict[str, list[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentScanned(AttachmentEvent):
    """`changes`: field of the attachment -> [before, after]; `signature` names what was found."""

    type: ClassVar[str] = "complaint.attachment_scanned"
    changes: dict[str, list[Any]]
    signature: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentRedacted(AttachmentEvent):
    """Its bytes and its name are gone, and what it was called is not said once more; size and digest stay with the row.
    `changes`: field of the attachment -> [before, after].
    """

    type: ClassVar[str] = "complaint.attachment_redacted"
    personal: ClassVar[frozenset[str]] = frozenset({"reason"})
    reason: str
    sha256: str
    changes: dict[str, list[Any]] = field(default_factory=dict)
