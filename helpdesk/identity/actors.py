"""The actor: whoever acts, with what they may do. A frozen value that travels through every act."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from helpdesk.identity.permissions import PERMISSIONS, Rights, rights

_NOBODY: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """`kind` is agent, complainant, system or anonymous. `scope` says which complaints an agent sees, `authority` whose
    limits apply when they give money away (both: `permissions`). `seen_at` is the database's time when it was recognised,
    None when it was not by a request.
    """

    kind: str
    id: UUID | None = None
    name: str = ""
    role: str | None = None
    team_ids: tuple[UUID, ...] = ()
    permissions: frozenset[str] = _NOBODY
    scope: str = "own"
    authority: str = "none"
    seen_at: datetime | None = None
    session_id: UUID | None = None
    """The session that the request was made with; None where it was a token."""

    def may(self, permission: str) -> bool:
        return permission in self.permissions

    @property
    def sees_all(self) -> bool:
        """Every complaint, in whichever team it is."""
        return self.scope == "everything"

    @property
    def rights(self) -> Rights:
        return Rights(self.permissions, self.scope, self.authority)


SYSTEM: Final = Actor(kind="system", name="Helpdesk", permissions=frozenset(PERMISSIONS), scope="everything")
"""The program itself: alarms, issuance, imports started from the command line."""

ANONYMOUS: Final = Actor(kind="anonymous")


def agent_actor(
    agent_id: UUID, name: str, role: str, held: Rights, team_ids: tuple[UUID, ...], *, seen_at: datetime | None = None
) -> Actor:
    """`held`: what the role's row gives at this moment."""
    return Actor(
        kind="agent",
        id=agent_id,
        name=name,
        role=role,
        team_ids=team_ids,
        permissions=held.permissions,
        scope=held.scope,
        authority=held.authority,
        seen_at=seen_at,
    )


def recognised(row: Any) -> Actor:
    """The agent of a row of `queries.CALLER`."""
    held = rights(row.permissions, row.scope, row.authority)
    return agent_actor(row.id, row.name, row.role, held, tuple(row.team_ids or ()), seen_at=row.seen_at)


def complainant_actor(complaint_id: UUID, permissions: frozenset[str], seen_at: datetime | None = None) -> Actor:
    """The customer, known only by a signed link to something of one complaint."""
    return Actor(kind="complainant", id=complaint_id, permissions=permissions, seen_at=seen_at)
