from collections.abc import Sequence

from helpdesk.automation import queries
from helpdesk.complaints.term_uses import gives, names
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.taxonomy.errors import CodeInUse
from helpdesk.taxonomy.events import TermRetired


def refuse_used(uow: UnitOfWork, events: Sequence[TermRetired]) -> None:
    """Raises `CodeInUse` for a code that an active trigger waits for, or gives."""
    found = [
        {"what": "trigger", "id": str(row.id), "name": row.name}
        for event in events
        for row in queries.triggers_in_force(uow.session)
        if names(row.spec["condition"], event.kind, event.code) or gives(row.spec["actions"], event.kind, event.code)
    ]
    if found:
        raise CodeInUse(uses=found)
