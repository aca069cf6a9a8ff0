"""Facts that were recorded of a case, by whoever recorded them, and the time at which they are asked for."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import any_, bindparam, func, literal, select, union_all
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

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
class Merged:
    """A duplicate that was merged into a complaint. `other`: somebody else's, who is owed what they are owed. `facts`: its own."""

    complaint_id: UUID
    other: bool
    loss: Money | None
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Recorded:
    """`facts`: as their kinds read them, those of merged duplicates of the same customer included; `tier`: the customer's, if
    there is one; `now`: the database's time; `merged`: what was merged into it, the older first; `issues`: category and code of
    each of its own, in their order.
    """

    facts: dict[str, Any]
    tier: str | None
    now: datetime
    merged: tuple[Merged, ...]
    issues: tuple[tuple[str | None, str | None], ...]


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
    select(
        func.now().label("now"), _TIER, _ISSUES, _COMPLAINT.id, _COMPLAINT.currency, _COMPLAINT.loss_minor, _FACTS.facts,
        _COMPLAINT.customer_id.is_distinct_from(bindparam("customer_id")).label("other"),
    )
    .select_from(
        _ONE.outerjoin(Complaint.__table__, _COMPLAINT.id == any_(func.array(_IDS.scalar_subquery())))
        .outerjoin(CaseFacts.__table__, _FACTS.complaint_id == _COMPLAINT.id)
    )
    .order_by(_MINE.desc(), _COMPLAINT.id)
)  # fmt: skip
"""Made once: putting it together takes longer than the database's answer."""


def recorded(session: Session, complaint: Complaint) -> Recorded:
    """In one statement. What the complaint says itself goes before what was said of a duplicate, older duplicates first."""
    asked = {"complaint_id": complaint.id, "customer_id": complaint.customer_id}
    rows = session.execute(_RECORDED, asked).all()
    found: dict[str, Any] = {}
    for row in reversed(rows):
        if row.id == complaint.id or not row.other:
            found |= read_kept(row.facts or {})
    merged = tuple(_merged(row) for row in rows if row.id != complaint.id)
    issues = tuple((category, issue) for category, issue in rows[0].issues or ())
    return Recorded(found, rows[0].tier, rows[0].now, merged, issues)


def _merged(row: Any) -> Merged:
    loss = None if row.loss_minor is None else Money(row.loss_minor, row.currency)
    return Merged(row.id, row.other, loss, read_kept(row.facts or {}))


def own_row(session: Session, complaint_id: UUID) -> CaseFacts | None:
    """Of this complaint alone; whoever changes it holds the complaint's lock."""
    return session.execute(select(CaseFacts).where(CaseFacts.complaint_id == complaint_id)).scalar_one_or_none()
