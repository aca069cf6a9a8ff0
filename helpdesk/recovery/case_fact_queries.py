"""Facts that were recorded of a case, by whoever recorded them, and the time at which they are asked for."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, func, literal, or_, select
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.customers.models import Customer
from helpdesk.recovery.case_fact_models import CaseFacts
from helpdesk.recovery.case_facts import read_kept

_FACTS: Final = CaseFacts.__table__.c
_COMPLAINT: Final = Complaint.__table__.c
_CUSTOMER: Final = Customer.__table__.c


@dataclass(frozen=True, slots=True)
class Recorded:
    """`facts`: as their kinds read them, those of merged duplicates of the same customer included; `tier`: the customer's, if
    there is one; `now`: the database's time.
    """

    facts: dict[str, Any]
    tier: str | None
    now: datetime


_ONE: Final = select(literal(1).label("one")).subquery("one")
_MERGED: Final = select(_COMPLAINT.id).where(
    _COMPLAINT.merged_into_id == bindparam("complaint_id"),
    _COMPLAINT.customer_id.is_not_distinct_from(bindparam("customer_id")),
)
_MINE: Final = _FACTS.complaint_id == bindparam("complaint_id")
_TIER: Final = select(_CUSTOMER.tier).where(_CUSTOMER.id == bindparam("customer_id")).scalar_subquery().label("tier")
_RECORDED: Final = (
    select(func.now().label("now"), _TIER, _FACTS.facts)
    .select_from(_ONE.outerjoin(CaseFacts.__table__, or_(_MINE, _FACTS.complaint_id.in_(_MERGED))))
    .order_by(_MINE.desc(), _FACTS.complaint_id)
)
"""Made once: putting it together takes longer than the database's answer."""


def recorded(session: Session, complaint: Complaint) -> Recorded:
    """In one statement. What the complaint says itself goes before what was said of a duplicate, older duplicates first."""
    asked = {"complaint_id": complaint.id, "customer_id": complaint.customer_id}
    rows = session.execute(_RECORDED, asked).all()
    found: dict[str, Any] = {}
    for row in reversed(rows):
        found |= read_kept(row.facts or {})
    return Recorded(found, rows[0].tier, rows[0].now)


def own_row(session: Session, complaint_id: UUID) -> CaseFacts | None:
    """Of this complaint alone; whoever changes it holds the complaint's lock."""
    return session.execute(select(CaseFacts).where(CaseFacts.complaint_id == complaint_id)).scalar_one_or_none()
