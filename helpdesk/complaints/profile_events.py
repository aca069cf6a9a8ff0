"""What happens to agents as handlers of complaints."""

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from helpdesk.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileEvent(Event):
    """`changes`: field -> [before, after]."""

    agent_id: UUID
    changes: dict[str, list[Any]]

    @property
    def subject_id(self) -> UUID:
        return self.agent_id


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentProfileChanged(ProfileEvent):
    type: ClassVar[str] = "agent.profile_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentAvailabilityChanged(ProfileEvent):
    type: ClassVar[str] = "agent.availability_changed"
    personal: ClassVar[frozenset[str]] = frozenset({"changes"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentAbsencePlanned(ProfileEvent):
    type: ClassVar[str] = "agent.absence_planned"
    personal: ClassVar[frozenset[str]] = frozenset({"changes"})
    absence_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentAbsenceChanged(ProfileEvent):
    type: ClassVar[str] = "agent.absence_changed"
    personal: ClassVar[frozenset[str]] = frozenset({"changes"})
    absence_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentAbsenceCancelled(ProfileEvent):
    type: ClassVar[str] = "agent.absence_cancelled"
    personal: ClassVar[frozenset[str]] = frozenset({"changes"})
    absence_id: UUID
