"""The actor: whoever acts, with what they may do. A frozen value that travels through every act."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from helpdesk.identity.permissions import PERMISSIONS, ROLES

_NOBODY: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """`kind` is agent, complainant, system or anonymous. `seen_at` is the database's time when it was recognised,
    None when it was not by a request.
    """

    kind: str
    id: UUID | None = None
    name: str = ""
    role: str | None = None
    team_ids: tuple[UUID, ...] = ()
    permissions: frozenset[str] = _NOBODY
    seen_at: datetime | None = None

    def may(self, permission: str) -> bool:
        return permission in self.permissions

    @property
    def sees_all(self) -> bool:
        return self.may("complaint:read_all")


SYSTEM: Final = Actor(kind="system", name="Helpdesk", permissions=frozenset(PERMISSIONS))
"""The program itself: alarms, issuance, imports started from the command line."""

ANONYMOUS: Final = Actor(kind="anonymous")


def agent_actor(
    agent_id: UUID, name: str, role: str, team_ids: tuple[UUID, ...], seen_at: datetime | None = None
) -> Actor:
    return Actor(
        kind="agent",
        id=agent_id,
        name=name,
        role=role,
        team_ids=team_ids,
        permissions=ROLES[role],
        seen_at=seen_at,
    )


def complainant_actor(complaint_id: UUID, permissions: frozenset[str], seen_at: datetime | None = None) -> Actor:
    """The customer, known only by a signed link to something of one complaint."""
    return Actor(kind="complainant", id=complaint_id, permissions=permissions, seen_at=seen_at)
