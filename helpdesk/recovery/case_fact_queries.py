"""Facts that were recorded of a case, by whoever recorded them, and the time at which they are asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import any_, bindparam, func, literal, select, union_all
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

from helpdesk.complaints import merge_queries
from helpdesk.complaints.merge_models import Merge
from helpdesk.complaints.models import Complaint, Issue
from helpdesk.customers.models import Customer
from helpdesk.kernel.money import Money
from helpdesk.recovery.case_fact_models import CaseFacts
from helpdesk.recovery.case_facts import read_kept

_FACTS: Final = CaseFacts.__table__.c
_COMPLAINT: Final = Complaint.__table__.c
_CUSTOMER: Final = Customer.__table__.c
_ISSUE: Final = Issue.__table__.c


@dataclass(frozen=True, slots=True)
class Told:
    """One of the complaints that go on in one. `facts`: recorded of it alone. `loss`: None also where the one that it was merged into
    has it by now. `instead`: what it says of itself, instead of what another complainant's has said since it was merged into it.
    """

    complaint: Complaint
    facts: dict[str, Any]
    loss: Money | None
    instead: Mapping[str, None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recorded:
    """`facts`: as their kinds read them, those of merged duplicates of the same customer included; `tier`: the customer's, if
    there is one; `now`: the database's time; `issues`: category and code of each of its own, in their order. `mine`: the complaint
    itself, and what was merged into it and is of the same customer; `others`: what is of each other complainant. The older first.
    """

    facts: dict[str, Any]
    tier: str | None
    now: datetime
    issues: tuple[tuple[str | None, str | None], ...]
    mine: tuple[Told, ...]
    others: tuple[tuple[Told, ...], ...]
    merges: tuple[Merge, ...] = ()
    """Into any of these, undone ones too."""

    @property
    def crossed(self) -> bool:
        """Somebody else's complaint was merged into one of them, as it was known then: its offers stayed with it."""
        return any(it.undone_at is None and not it.of_one_customer for it in self.merges)


_PLACE: Final = frozenset({"jurisdiction", "sector"})
"""By which a complaint is read. A merge brings both, for what is owed to regulators; a law of another complainant's is theirs."""
_ONE: Final = select(literal(1).label("one")).subquery("one")
_ASKED: Final = bindparam("complaint_id", type_=_COMPLAINT.id.type)
_DUPLICATE: Final = Complaint.__table__.alias("duplicate")
_IDS: Final = union_all(select(_ASKED), select(_DUPLICATE.c.id).where(_DUPLICATE.c.merged_into_id == _ASKED))
_MINE: Final = _COMPLAINT.id == _ASKED
_TIER: Final = select(_CUSTOMER.tier).where(_CUSTOMER.id == bindparam("customer_id")).scalar_subquery().label("tier")
_ISSUES: Final = (
    select(func.jsonb_agg(aggregate_order_by(func.jsonb_build_array(_ISSUE.category, _ISSUE.issue), _ISSUE.position)))
    .where(_ISSUE.complaint_id == _ASKED)
    .scalar_subquery()
    .label("issues")
)
_RECORDED: Final = (
    select(func.now().label("now"), _TIER, _ISSUES, _COMPLAINT.id, _FACTS.facts)
    .select_from(
        _ONE.outerjoin(Complaint.__table__, _COMPLAINT.id == any_(func.array(_IDS.scalar_subquery())))
        .outerjoin(CaseFacts.__table__, _FACTS.complaint_id == _COMPLAINT.id)
    )
    .order_by(_MINE.desc(), _COMPLAINT.id)
)  # fmt: skip
"""Made once: putting it together takes longer than the database's answer."""


def recorded(session: Session, complaint: Complaint) -> Recorded:
    """In one statement, and two more where others were merged into it, and one for each that brought where it is. What the complaint says itself goes before what was said of a
    duplicate, older duplicates first.
    """
    asked = {"complaint_id": complaint.id, "customer_id": complaint.customer_id}
    rows = session.execute(_RECORDED, asked).all()
    facts = {row.id: read_kept(row.facts or {}) for row in rows}
    merges = merge_queries.all_merges_into_any(session, facts) if len(facts) > 1 else ()
    mine, *others = _by_person(session, complaint, facts, merges)
    issues = tuple((category, issue) for category, issue in rows[0].issues or ())
    return Recorded(together(mine), rows[0].tier, rows[0].now, issues, mine, tuple(others), tuple(merges))


def together(told: Sequence[Told]) -> dict[str, Any]:
    """What the first one says, and what the others say of which it says nothing."""
    found: dict[str, Any] = {}
    for one in reversed(told):
        found |= one.facts
    return found


def _by_person(
    session: Session, complaint: Complaint, facts: dict[UUID, dict[str, Any]], merges: Sequence[Merge]
) -> list[tuple[Told, ...]]:
    """Those of whom the complaint is come first."""
    if len(facts) <= 1:
        return [(Told(complaint, facts.get(complaint.id, {}), _loss(complaint)),)]
    there = {one.id: one for one in session.scalars(select(Complaint).where(_COMPLAINT.id.in_(facts)))}
    standing = [merge for merge in merges if merge.undone_at is None]
    whose = merge_queries.whose(there.values(), standing)
    into = {merge.source_id: there[merge.survivor_id] for merge in standing if _brought_its_loss(merge)}
    borrowed = merge_queries.borrowed(session, there, standing, _PLACE)
    found: dict[UUID, list[Told]] = {}
    for complaint_id, known in facts.items():
        one = there[complaint_id]
        has_it = complaint_id in into and into[complaint_id].currency == one.currency
        instead = dict.fromkeys(borrowed.get(complaint_id, ()))
        told = Told(one, known, None if has_it else _loss(one), instead)
        found.setdefault(whose[complaint_id], []).append(told)
    return [tuple(each) for each in found.values()]


def _brought_its_loss(merge: Merge) -> bool:
    """The survivor has it, or a larger one: whoever says afterwards that it was less, or whose it is, has said it of both."""
    theirs, after = merge.source_facts, merge.facts_after
    losses = theirs["loss_minor"], after["loss_minor"]
    return None not in losses and theirs["currency"] == after["currency"] and losses[0] <= losses[1]


def _loss(complaint: Complaint) -> Money | None:
    return None if complaint.loss_minor is None else Money(complaint.loss_minor, str(complaint.currency))


def own_row(session: Session, complaint_id: UUID) -> CaseFacts | None:
    """Of this complaint alone; whoever changes it holds the complaint's lock."""
    return session.execute(select(CaseFacts).where(CaseFacts.complaint_id == complaint_id)).scalar_one_or_none()
