from collections.abc import Iterator, Sequence
from typing import Any

from helpdesk.automation import queries, rules
from helpdesk.complaints import routing_rules
from helpdesk.complaints.naming import going
from helpdesk.complaints.tag_events import TagChanged, TagMerged
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import policies_in_force


def uses(uow: UnitOfWork, events: Sequence[Any]) -> Iterator[dict[str, str]]:
    """Active triggers that wait for what goes, or give it."""
    gone = going(uow.session, events)
    for row in queries.triggers_in_force(uow.session) if gone else ():
        if any(one.is_asked(row.spec["condition"]) or one.is_given(row.spec["actions"]) for one in gone):
            yield {"what": "trigger", "id": str(row.id), "name": row.name}


def names_mean_another(uow: UnitOfWork, events: Sequence[TagChanged | TagMerged]) -> None:
    """Names of tags that stand in conditions, wherever these are kept, mean another tag, or one that is called otherwise."""
    if any(isinstance(event, TagMerged) or "name" in event.changes for event in events):
        for kept in (routing_rules, policies_in_force, rules):
            kept.changed(uow)
