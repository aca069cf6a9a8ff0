"""What a ladder does to a complaint, beside the acts that it has others do, whose own events tell of them."""

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from helpdesk.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderEvent(Event):
    """`kind` is the promise; `rung` stands at a share of its time, or before or after its due time."""

    complaint_id: UUID
    reference: str
    clock_id: UUID
    kind: str
    generation: int
    rung: str

    @property
    def subject_id(self) -> UUID:
        return self.complaint_id


@dataclass(frozen=True, slots=True, kw_only=True)
class SlaEscalated(LadderEvent):
    """An action of the rung was done; what it changed is told by an event of its own. Whom it told is in the log of escalations."""

    type: ClassVar[str] = "sla.escalated"
    step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SlaEscalationFailed(LadderEvent):
    """An action of the rung could not be done; the others go on. `reason`: a stable code."""

    type: ClassVar[str] = "sla.escalation_failed"
    step: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SlaOfferWanted(LadderEvent):
    """An offer is to be drafted: as `wanted` says (kind, amount, reason, valid_days), the rest as the playbook suggests."""

    type: ClassVar[str] = "sla.escalation_wants_offer"
    wanted: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SlaEventRaised(LadderEvent):
    """A word for other systems: they read it in the feed of events."""

    type: ClassVar[str] = "sla.escalation_raised_event"
    name: str
    data: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamCalendarChanged(Event):
    """`changes`: field -> [before, after]."""

    type: ClassVar[str] = "sla.team_calendar_changed"
    team_id: UUID
    changes: dict[str, list[Any]]

    @property
    def subject_id(self) -> UUID:
        return self.team_id
