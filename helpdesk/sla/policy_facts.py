"""What the condition of a policy may ask of a complaint: what it is about, whose it is and who has it.

Left out of the facts that triggers may ask for is what follows from the clocks themselves (a promise cannot depend on when it is
due), what passes by itself (ages), and what happens while the clocks run (acknowledged, waiting, answered): the clocks follow
that already.
"""

from collections.abc import Collection, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import facts
from helpdesk.complaints.intake import NewComplaint
from helpdesk.complaints.models import Complaint
from helpdesk.customers import queries as customers
from helpdesk.kernel.facts import Facts, Vocabulary
from helpdesk.kernel.unit_of_work import UnitOfWork

NAMES: Final = (
    "severity",
    "impact",
    "urgency",
    "category",
    "issue",
    "categories",
    "issues",
    "channel",
    "track",
    "stage",
    "escalation_level",
    "language",
    "jurisdiction",
    "sector",
    "source",
    "tags",
    "team_id",
    "assignee_id",
    "customer_id",
    "customer_tier",
    "customer_kind",
    "vulnerable",
    "safety",
    "regulator",
    "double_deviation",
    "reopened_count",
    "issue_count",
    "price",
    "loss",
)
VOCABULARY: Final[Vocabulary] = {name: facts.VOCABULARY[name] for name in NAMES}
NOT_KNOWN: Final = Facts({})
OF_HANDLER: Final = frozenset({"team_id", "assignee_id"})
"""What routing decides, after a complaint has come in."""
OF_CUSTOMER: Final = frozenset({"customer_tier", "customer_kind"})
CUSTOMER_CHANGED: Final = "sla.customer_changed"
"""Topic of the duty to hold the complaints of a customer against the policies; its subject is the customer."""
_OF_ISSUES: Final = frozenset({"category", "issue", "categories", "issues"})
_TOLD_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "price_minor": ("price",),
    "loss_minor": ("loss",),
    "currency": ("price", "loss"),
    "channel": ("channel", "regulator"),
    "customer_id": ("customer_id", *sorted(OF_CUSTOMER)),
}
"""Columns of a complaint that have facts of other names."""


def vocabulary(session: Session) -> Vocabulary:
    """All that can be asked for now, with the operator's own fields; one statement."""
    known = facts.vocabulary(session)
    return {name: field for name, field in known.items() if name in VOCABULARY or name.startswith(facts.CUSTOM)}


def of_new(uow: UnitOfWork, born: Sequence[NewComplaint], wanted: frozenset[str]) -> Mapping[UUID, Facts]:
    """Of complaints that are just being taken in, by id. One statement for all of their customers, where it matters."""
    if not wanted:
        return {each.id: NOT_KNOWN for each in born}
    known: Mapping[UUID, Any] = {}
    if wanted & OF_CUSTOMER:
        known = customers.kinds_of(uow.session, {each.row["customer_id"] for each in born} - {None})
    found = {}
    for each in born:
        row = SimpleNamespace(**each.row)
        values = facts.on_the_row(row, uow.now) | facts.of_issues(each.issues)
        if row.customer_id is not None and wanted & OF_CUSTOMER:
            values |= facts.of_customer(known.get(row.customer_id, facts.NEW_CUSTOMER))
        found[each.id] = Facts(values)
    return found


def of_complaint(
    uow: UnitOfWork,
    complaint: Complaint,
    wanted: frozenset[str],
    born: Sequence[tuple[str | None, str | None]] = (),
) -> Facts:
    """As it is now. Nothing is looked up that is not wanted. `born`: category and code of issues that are not written yet."""
    if not wanted:
        return NOT_KNOWN
    found = facts.facts_of(uow.session, complaint, wanted, uow.now)
    if not (born and wanted & _OF_ISSUES):
        return found
    values = dict(found.values)
    values["categories"] = [*values["categories"], *(category for category, _ in born if category is not None)]
    values["issues"] = [*values["issues"], *(issue for _, issue in born if issue is not None)]
    return Facts(values)


def touched(changed: Collection[str], wanted: frozenset[str], *, issues: bool = False) -> bool:
    """Whether any of the wanted facts may be another. `changed`: columns of the complaint; `issues`: any of its issues too."""
    if not wanted:
        return False
    names = {name for column in changed for name in _TOLD_BY.get(column, (column,))}
    if "custom_fields" in names and any(name.startswith(facts.CUSTOM) for name in wanted):
        return True
    return not wanted.isdisjoint(names) or (issues and not wanted.isdisjoint(_OF_ISSUES))
