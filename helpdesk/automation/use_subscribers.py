from collections.abc import Iterator, Sequence
from typing import Any

from helpdesk.automation import queries
from helpdesk.complaints.naming import going
from helpdesk.kernel.unit_of_work import UnitOfWork


def uses(uow: UnitOfWork, events: Sequence[Any]) -> Iterator[dict[str, str]]:
    """Active triggers that wait for what goes, or give it."""
    gone = going(uow.session, events)
    for row in queries.triggers_in_force(uow.session) if gone else ():
        if any(one.is_asked(row.spec["condition"]) or one.is_given(row.spec["actions"]) for one in gone):
            yield {"what": "trigger", "id": str(row.id), "name": row.name}
