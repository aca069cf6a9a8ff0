"""What playbooks name, for whoever asks before it goes."""

from collections.abc import Iterator, Sequence
from typing import Any

from helpdesk.complaints.naming import going
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import playbook_queries


def playbooks_used(uow: UnitOfWork, events: Sequence[Any]) -> Iterator[dict[str, str]]:
    """Playbooks that are, or will be, in force and whose condition, or that of a rule, asks for what goes: it would be for
    nothing from then on.
    """
    gone = going(uow.session, events)
    told = set()
    for row in playbook_queries.published(uow.session) if gone else ():
        over = row.valid_until is not None and row.valid_until < uow.now.date()
        conditions = [row.condition, *(rule["condition"] for rule in row.spec["rules"])]
        if over or row.id in told or not any(one.is_asked(item) for one in gone for item in conditions):
            continue
        told.add(row.id)
        yield {"what": "playbook", "id": str(row.id), "name": row.name}
