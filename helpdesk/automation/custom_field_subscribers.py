from collections.abc import Iterator, Sequence

from helpdesk.automation import queries
from helpdesk.complaints.custom_field_events import CustomFieldDeleted
from helpdesk.complaints.custom_field_subscribers import names
from helpdesk.kernel.unit_of_work import UnitOfWork


def uses(uow: UnitOfWork, events: Sequence[CustomFieldDeleted]) -> Iterator[dict[str, str]]:
    """Active triggers that ask for a field, or set it."""
    for row in queries.triggers_in_force(uow.session):
        if any(names([row.spec["condition"], row.spec["actions"]], event.key) for event in events):
            yield {"what": "trigger", "id": str(row.id), "name": row.name}
