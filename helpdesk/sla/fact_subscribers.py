"""Facts of a complaint that become others: the policies may promise something else from then on.

What an act of the lifecycle changes, `subscribers` follows. What changes about a customer concerns all of their complaints, each
of which has a lock of its own: it is a duty (`fact_jobs`), done within a second or two.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

from helpdesk.complaints import term_uses
from helpdesk.complaints.closed_team_subscribers import names as names_team
from helpdesk.complaints.custom_field_events import CustomFieldDeleted
from helpdesk.complaints.custom_field_subscribers import names
from helpdesk.complaints.events import ComplaintEvent, IssueAdded, IssueChanged, IssueRemoved
from helpdesk.complaints.models import Complaint
from helpdesk.customers.events import CustomerChanged
from helpdesk.identity.events import TeamChanged
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import policies_in_force, policy_facts, policy_queries, revising
from helpdesk.sla.policy_facts import OF_CUSTOMER
from helpdesk.taxonomy.events import TermRetired

TOPIC: Final = "sla.customer_changed"
"""Of the duty to hold the complaints of a customer against the policies; its subject is the customer."""
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


def terms_used(uow: UnitOfWork, events: Sequence[TermRetired]) -> Iterator[dict[str, str]]:
    """Active policies that wait for a code."""
    for row in policy_queries.policies_in_force(uow.session):
        if any(term_uses.names(row.spec["condition"], event.kind, event.code) for event in events):
            yield {"what": "sla_policy", "id": str(row.id), "name": row.name}


def teams_used(uow: UnitOfWork, events: Sequence[TeamChanged]) -> Iterator[dict[str, str]]:
    """Active policies that ask for a team which is being closed."""
    closed = [str(event.team_id) for event in events if event.closed]
    for row in policy_queries.policies_in_force(uow.session) if closed else ():
        if any(names_team(row.spec["condition"], team_id) for team_id in closed):
            yield {"what": "sla_policy", "id": str(row.id), "name": row.name}


def fields_used(uow: UnitOfWork, events: Sequence[CustomFieldDeleted]) -> Iterator[dict[str, str]]:
    """Active policies that ask for a field: one that is not there would make them be for nothing."""
    for row in policy_queries.policies_in_force(uow.session):
        if any(names(row.spec["condition"], event.key) for event in events):
            yield {"what": "sla_policy", "id": str(row.id), "name": row.name}
