from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from helpdesk.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentEvent(Event):
    agent_id: UUID

    @property
    def subject_id(self) -> UUID:
        return self.agent_id


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentCreated(AgentEvent):
    type: ClassVar[str] = "agent.created"
    personal: ClassVar[frozenset[str]] = frozenset({"email", "name"})
    email: str
    name: str
    role: str
    team_ids: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentChanged(AgentEvent):
    """`changes`: field -> [before, after]. `reassign_to`: of one who has left, `{"agent_id": ...}` or `{"team_id": ...}` that
    is to have their open complaints; without it, each goes back to its queue. `even_if_named`: of one who left though settings
    name them.
    """

    type: ClassVar[str] = "agent.changed"
    personal: ClassVar[frozenset[str]] = frozenset({"changes"})
    changes: dict[str, list[object]]
    reassign_to: dict[str, str] = field(default_factory=dict)
    even_if_named: bool = False

    @property
    def left(self) -> bool:
        """Deactivated by this very change."""
        return self.changes.get("active") == [True, False]


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamCreated(Event):
    type: ClassVar[str] = "team.created"
    team_id: UUID
    name: str

    @property
    def subject_id(self) -> UUID:
        return self.team_id


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamChanged(Event):
    """`changes`: field -> [before, after]."""

    type: ClassVar[str] = "team.changed"
    team_id: UUID
    changes: dict[str, list[object]]

    @property
    def subject_id(self) -> UUID:
        return self.team_id

    @property
    def closed(self) -> bool:
        """Deactivated by this very change."""
        return self.changes.get("active") == [True, False]


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamMembersChanged(Event):
    """`agent_ids`: all of them by now. `changes`: agent_ids -> [before, after]."""

    type: ClassVar[str] = "team.members_changed"
    team_id: UUID
    agent_ids: list[str]
    changes: dict[str, list[object]]

    @property
    def subject_id(self) -> UUID:
        return self.team_id


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCreated(AgentEvent):
    type: ClassVar[str] = "token.created"
    token_id: UUID
    name: str
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRevoked(AgentEvent):
    """`changes`: revoked_at -> [null, when]."""

    type: ClassVar[str] = "token.revoked"
    token_id: UUID
    changes: dict[str, list[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRestored(AgentEvent):
    """The token of the environment counts again. `changes`: revoked_at -> [when, null]."""

    type: ClassVar[str] = "token.restored"
    token_id: UUID
    changes: dict[str, list[object]]
