from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from helpdesk.complaints.events import ComplaintEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceEvent(ComplaintEvent):
    evidence_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRequested(EvidenceEvent):
    """Somebody asked for a pack of all there is. `needs`, `offers`, `attachments`: whether these are in it."""

    type: ClassVar[str] = "complaint.evidence_requested"
    personal: ClassVar[frozenset[str]] = frozenset({"reason"})
    reason: str
    needs: bool
    offers: bool
    attachments: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceMade(EvidenceEvent):
    """`size` in bytes; `sha256` of the pack, in hex. `chain_count` and `chain_head`: the end of the chain that is in it."""

    type: ClassVar[str] = "complaint.evidence_made"
    size: int
    sha256: str
    chain_count: int
    chain_head: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceExpired(EvidenceEvent):
    """Its time is over, and its bytes are gone."""

    type: ClassVar[str] = "complaint.evidence_expired"
