from collections.abc import Iterator, Sequence
from typing import Final

from helpdesk.identity import role_queries
from helpdesk.identity.role_events import RoleDeleted
from helpdesk.kernel.unit_of_work import UnitOfWork

_MOST_NAMED: Final = 100
"""Agents who are named as having a role that is to go."""


def role_uses(uow: UnitOfWork, events: Sequence[RoleDeleted]) -> Iterator[dict[str, str]]:
    """Agents who have a role, and identity providers that give it."""
    for event in events:
        for row in role_queries.agents_with(uow.session, event.name, _MOST_NAMED):
            yield {"what": "agent", "id": str(row.id), "name": row.name}
        for row in role_queries.providers_giving(uow.session, event.name):
            yield {"what": "identity_provider", "id": str(row.id), "name": row.name}
