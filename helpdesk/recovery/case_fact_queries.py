"""Facts that were recorded of a case, by whoever recorded them, and the time at which they are asked for."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, literal, or_, select
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.recovery.case_fact_models import CaseFacts
from helpdesk.recovery.case_facts import read_kept

_FACTS: Final = CaseFacts.__table__.c
_COMPLAINT: Final = Complaint.__table__.c


@dataclass(frozen=True, slots=True)
class Recorded:
    """`facts`: as their kinds read them, those of merged duplicates of the same customer included; `now`: the database's
    time.
    """

    facts: dict[str, Any]
    now: datetime


def recorded(session: Session, complaint: Complaint) -> Recorded:
    """In one statement. What the complaint says itself goes before what was said of a duplicate, older duplicates first."""
    one = select(literal(1).label("one")).subquery("one")
    merged = select(_COMPLAINT.id).where(
        _COMPLAINT.merged_into_id == complaint.id, _COMPLAINT.customer_id == complaint.customer_id
    )
    mine = or_(_FACTS.complaint_id == complaint.id, _FACTS.complaint_id.in_(merged))
    rows = session.execute(
        select(func.now().label("now"), _FACTS.complaint_id, _FACTS.facts)
        .select_from(one.outerjoin(CaseFacts.__table__, mine))
        .order_by((_FACTS.complaint_id == complaint.id).desc(), _FACTS.complaint_id)
    ).all()
    found: dict[str, Any] = {}
    for row in reversed(rows):
        found |= read_kept(row.facts or {})
    return Recorded(found, rows[0].now)


def own_row(session: Session, complaint_id: UUID) -> CaseFacts | None:
    """Of this complaint alone; whoever changes it holds the complaint's lock."""
    return session.execute(select(CaseFacts).where(CaseFacts.complaint_id == complaint_id)).scalar_one_or_none()


def own_facts(session: Session, complaint_id: UUID) -> dict[str, Any]:
    """As they are kept."""
    found = session.execute(select(_FACTS.facts).where(_FACTS.complaint_id == complaint_id)).scalar_one_or_none()
    return dict(found or {})
