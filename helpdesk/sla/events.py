from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from helpdesk.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockEvent(Event):
    """`kind` is the promise (`resolve`, `us.cfpb.15`); the complaint is the subject. `about_id`: what the clock is about where there
    can be several of a kind: the message that waits for an answer, the offer that is to be delivered. It goes by a version of a
    policy or of a regulator's rule.
    """

    complaint_id: UUID
    clock_id: UUID
    kind: str
    round: int
    about_id: UUID | None
    policy_id: UUID | None
    policy_version: int | None
    rule_id: str | None
    rule_version: int | None
    generation: int
    due_at: datetime

    @property
    def subject_id(self) -> UUID:
        return self.complaint_id


@dataclass(frozen=True, slots=True, kw_only=True)
class SlaWarned(ClockEvent):
    """It came to a rung of its ladder (`75%`, `-30 minutes`) before it was due: `threshold` percent of the time is used. Said
    `late_seconds` after it should have been.
    """

    type: ClassVar[str] = "sla.warned"
    rung: str
    threshold: int
    planned_for: datetime
    late_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SlaBreached(ClockEvent):
    """The time was over; noticed `late_seconds` after, by the sweep or when the clock was stopped."""

    type: ClassVar[str] = "sla.breached"
    late_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SlaOverdue(ClockEvent):
    """Broken, and not done yet: it came to a rung after its due time (`+60 minutes`, `150%`). Said `late_seconds` after it should
    have been.
    """

    type: ClassVar[str] = "sla.overdue"
    rung: str
    planned_for: datetime
    late_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarChanged(Event):
    """Also that it is there at all: version 1. `spec` as it is now. `changes`: field -> [before, after]."""

    type: ClassVar[str] = "sla.calendar_changed"
    calendar_id: UUID
    version: int
    spec: dict[str, Any]
    changes: dict[str, list[Any]]

    @property
    def subject_id(self) -> UUID:
        return self.calendar_id


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChanged(Event):
    """Also that it is there at all: version 1. `spec` as it is now. `changes`: field -> [before, after]."""

    type: ClassVar[str] = "sla.policy_changed"
    policy_id: UUID
    version: int
    spec: dict[str, Any]
    changes: dict[str, list[Any]]

    @property
    def subject_id(self) -> UUID:
        return self.policy_id


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRemoved(Event):
    """One that no clock was made by. `changes`: field -> [before, after]."""

    type: ClassVar[str] = "sla.policy_removed"
    policy_id: UUID
    version: int
    changes: dict[str, list[Any]]

    @property
    def subject_id(self) -> UUID:
        return self.policy_id
