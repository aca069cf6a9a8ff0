"""What happens to people's authority over offers. What happens to one offer is in `events`."""

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from helpdesk.kernel.events import Event
from helpdesk.recovery.events import OfferEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegationEvent(Event):
    """`changes`: field -> [before, after]."""

    personal: ClassVar[frozenset[str]] = frozenset({"reason"})
    delegation_id: UUID
    lender_id: UUID
    delegate_id: UUID
    reason: str
    changes: dict[str, list[Any]]

    @property
    def subject_id(self) -> UUID:
        return self.delegation_id


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityLent(DelegationEvent):
    type: ClassVar[str] = "authority.lent"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityTakenBack(DelegationEvent):
    """Before its time was over."""

    type: ClassVar[str] = "authority.taken_back"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictEvent(Event):
    """`changes`: field -> [before, after]."""

    personal: ClassVar[frozenset[str]] = frozenset({"changes", "reason"})
    conflict_id: UUID
    agent_id: UUID
    reason: str | None
    changes: dict[str, list[Any]]

    @property
    def subject_id(self) -> UUID:
        return self.conflict_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictDeclared(ConflictEvent):
    type: ClassVar[str] = "conflict.declared"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictEnded(ConflictEvent):
    type: ClassVar[str] = "conflict.ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferFlagged(OfferEvent):
    """Together with `others` earlier offers it comes to more than one person may give on one complaint (`person_id`: who).
    Which they are stands in the flag: they may be on complaints that not everybody sees. `refused`: they wanted to approve it, and
    were refused for that.
    """

    type: ClassVar[str] = "offer.flagged"
    flag_id: UUID
    person_id: UUID | None
    pattern: str
    others: int
    total_minor: int
    limit_minor: int
    refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalOverdue(OfferEvent):
    """It waits longer than it should. `level`: the authority that was asked; `escalated_to`: the one that was told."""

    type: ClassVar[str] = "offer.approval_overdue"
    due_at: str
    level: str
    escalated_to: str
