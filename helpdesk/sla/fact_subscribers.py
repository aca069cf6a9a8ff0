"""Facts of a complaint that become others: the policies may promise something else from then on.

What an act of the lifecycle changes, `subscribers` follows. What changes about a customer concerns all of their complaints, each
of which has a lock of its own: it is a duty (`fact_jobs`), done within a second or two.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

from helpdesk.complaints.events import ComplaintEvent, IssueAdded, IssueChanged, IssueRemoved
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.naming import going
from helpdesk.customers.events import CustomerChanged
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import policies_in_force, policy_facts, policy_queries, regime_in_force, revising
from helpdesk.sla.policy_facts import CUSTOMER_CHANGED, OF_CUSTOMER

TOPIC: Final = CUSTOMER_CHANGED
_COLUMNS: Final = frozenset({"tier", "kind"})
"""Of a customer, that policies may ask for."""


def facts_changed(uow: UnitOfWork, events: Sequence[Any]) -> None:
    """Of events with `changes` of the complaint's own columns: edited, assigned, tagged."""
    for event in events:
        _follow(uow, event, event.changes)


def parts_changed(uow: UnitOfWork, events: Sequence[Any]) -> None:
    """Of events of what belongs to a complaint (an issue, a need), with `complaint_changes`."""
    for event in events:
        born = [(event.category, event.issue)] if isinstance(event, IssueAdded) else []
        issues = isinstance(event, IssueAdded | IssueChanged | IssueRemoved)
        _follow(uow, event, event.complaint_changes, born, issues=issues)


def _follow(
    uow: UnitOfWork,
    event: ComplaintEvent,
    changed: Collection[str],
    born: Sequence[tuple[str | None, str | None]] = (),
    *,
    issues: bool = False,
) -> None:
    wanted = policies_in_force.in_force(uow.session).wanted
    if not policy_facts.touched(changed, wanted, issues=issues):
        return
    complaint = uow.stream_of(event.complaint_id)
    if isinstance(complaint, Complaint):  # one that is being born is promised by all that it is born with
        revising.revise(uow, complaint, born=born)


def customer_changed(uow: UnitOfWork, events: Sequence[CustomerChanged]) -> None:
    if policies_in_force.in_force(uow.session).wanted.isdisjoint(OF_CUSTOMER):
        return
    for event in events:
        if _COLUMNS & event.changes.keys():
            uow.duty(TOPIC, event.customer_id)


def policies_used(uow: UnitOfWork, events: Sequence[Any]) -> Iterator[dict[str, str]]:
    """Active policies whose condition asks for what goes, which would be for nothing from then on, or whose ladders tell it; and
    regulators' rules whose ladders do.
    """
    gone = going(uow.session, events)
    for row in policy_queries.policies_in_force(uow.session) if gone else ():
        told = [row.spec.get("ladder"), row.spec.get("targets"), row.spec.get("tiers")]
        if any(one.is_asked(row.spec["condition"]) or one.is_told(told) for one in gone):
            yield {"what": "sla_policy", "id": str(row.id), "name": row.name}
    for rule in regime_in_force.in_force(uow.session).rules.values() if gone else ():
        if any(one.is_told(list(rule.ladder)) for one in gone):
            yield {"what": "sla_regime", "id": rule.id, "name": rule.instrument}
