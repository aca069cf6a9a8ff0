from collections.abc import Iterator, Sequence

from helpdesk.automation import queries
from helpdesk.complaints.closed_team_subscribers import names
from helpdesk.identity.events import TeamChanged
from helpdesk.kernel.unit_of_work import UnitOfWork


def uses(uow: UnitOfWork, events: Sequence[TeamChanged]) -> Iterator[dict[str, str]]:
    """Active triggers that ask for a team, or give to it."""
    closed = [str(event.team_id) for event in events if event.closed]
    for row in queries.triggers_in_force(uow.session) if closed else ():
        if any(names([row.spec["condition"], row.spec["actions"]], team_id) for team_id in closed):
            yield {"what": "trigger", "id": str(row.id), "name": row.name}
