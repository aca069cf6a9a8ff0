from collections.abc import Iterator, Sequence

from helpdesk.automation import queries
from helpdesk.complaints.term_uses import gives, names
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.taxonomy.events import TermRetired


def uses(uow: UnitOfWork, events: Sequence[TermRetired]) -> Iterator[dict[str, str]]:
    """Active triggers that wait for a code, or give it."""
    for row in queries.triggers_in_force(uow.session):
        if any(
            names(row.spec["condition"], event.kind, event.code) or gives(row.spec["actions"], event.kind, event.code)
            for event in events
        ):
            yield {"what": "trigger", "id": str(row.id), "name": row.name}
