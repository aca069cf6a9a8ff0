"""The actor: whoever acts, with what they may do. A frozen value that travels through every act."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from helpdesk.identity.permissions import PERMISSIONS, SCOPES, Rights, rights

_NOBODY: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """`kind` is agent, integration, complainant, automation, system or anonymous. `scope` says which complaints an agent
    sees, `authority` whose limits apply when they give money away (both: `permissions`). `seen_at` is the database's time
    when it was recognised, None when it was not by a request.
    """

    kind: str
    id: UUID | None = None
    name: str = ""
    role: str | None = None
    team_ids: tuple[UUID, ...] = ()
    permissions: frozenset[str] = _NOBODY
    scope: str = "own"
    authority: str = "none"
    owner_id: UUID | None = None
    """Of an integration: the agent who answers for it."""
    seen_at: datetime | None = None
    revision: int | None = None
    """How often anything was changed of what is in force (`kernel.in_force`), as of `seen_at`."""
    session_id: UUID | None = None
    """The session that the request was made with; None where it was a token."""
    beside_id: UUID | None = None
    """Of a complainant whose complaint was merged into another person's, that of `id`: their own."""
    opened_id: UUID | None = None
    """Of a complainant with a session of tracking: the complaint that it is for, that of `id` or one that was merged into it."""

    def may(self, permission: str) -> bool:
        return permission in self.permissions

    @property
    def sees_all(self) -> bool:
        """Every complaint, in whichever team it is."""
        return self.scope == "everything"

    @property
    def person_id(self) -> UUID | None:
        """The agent who does this, or lets a program do it; what nobody may do to their own case, they may not do so either."""
        return self.id if self.kind == "agent" else self.owner_id

    @property
    def rights(self) -> Rights:
        return Rights(self.permissions, self.scope, self.authority)


SYSTEM: Final = Actor(kind="system", name="Helpdesk", permissions=frozenset(PERMISSIONS), scope="everything")
"""The program itself: alarms, issuance, imports started from the command line."""

ANONYMOUS: Final = Actor(kind="anonymous")


def automation_actor(trigger_id: UUID, name: str, permissions: frozenset[str]) -> Actor:
    """A rule that acts by itself: on every complaint, with what its kind of acts needs, and no authority over money."""
    return Actor(kind="automation", id=trigger_id, name=name, permissions=permissions, scope="everything")


def agent_actor(agent_id: UUID, name: str, role: str, held: Rights, team_ids: tuple[UUID, ...]) -> Actor:
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
    )


def recognised(row: Any) -> Actor:
    """The agent of a row of `queries.CALLER`."""
    held = rights(row.permissions, row.scope, row.authority)
    actor = agent_actor(row.id, row.name, row.role, held, tuple(row.team_ids or ()))
    return replace(actor, seen_at=row.seen_at, revision=row.revision)


def recognised_key(row: Any) -> Actor:
    """The integration of a row of `key_queries.caller_with`: what the key gives and its owner holds. It has no authority:
    money is given away by people.
    """
    owner = rights(row.permissions, row.scope, row.authority)
    key = rights(row.key_permissions, row.key_scope, "none")
    scope = min(owner.scope, key.scope, key=SCOPES.index)
    team_ids = set(row.key_team_ids or ()) if key.scope == "teams" else set(row.team_ids or ())
    if owner.scope == "teams":
        team_ids &= set(row.team_ids or ())
    return Actor(
        kind="integration",
        id=row.key_id,
        name=row.key_name,
        team_ids=tuple(sorted(team_ids)),
        permissions=owner.permissions & key.permissions,
        scope=scope,
        owner_id=row.id,
        seen_at=row.seen_at,
        revision=row.revision,
    )


def complainant_actor(
    complaint_id: UUID,
    permissions: frozenset[str],
    seen_at: datetime | None = None,
    *,
    beside_id: UUID | None = None,
    opened_id: UUID | None = None,
) -> Actor:
    """The customer, known only by a signed link to something of one complaint."""
    return Actor(
        kind="complainant",
        id=complaint_id,
        permissions=permissions,
        seen_at=seen_at,
        beside_id=beside_id,
        opened_id=opened_id,
    )
