from collections.abc import Sequence

from helpdesk.automation import queries
from helpdesk.complaints.custom_field_errors import FieldNamed
from helpdesk.complaints.custom_field_events import CustomFieldDeleted
from helpdesk.complaints.custom_field_subscribers import names
from helpdesk.kernel.unit_of_work import UnitOfWork


def refuse_named(uow: UnitOfWork, events: Sequence[CustomFieldDeleted]) -> None:
    """Raises `FieldNamed` for a field that an active trigger asks for, or sets."""
    found = [
        {"what": "trigger", "id": str(row.id), "name": row.name}
        for event in events
        for row in queries.triggers_in_force(uow.session)
        if names([row.spec["condition"], row.spec["actions"]], event.key)
    ]
    if found:
        raise FieldNamed(uses=found)
