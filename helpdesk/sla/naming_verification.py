"""What a violation is about, in words that whoever reads it can look up: a complaint by its reference, a clock by its complaint's
reference and its kind. Checks name rows by their ids.
"""

import re
from dataclasses import replace
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.kernel.verification import Violation
from helpdesk.sla.models import Clock

_BY_ID: Final = re.compile(r"(clock|complaint) ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


def named(session: Session, violation: Violation) -> Violation:
    """As it is where the row is not there any more."""
    found = _BY_ID.fullmatch(violation.subject)
    if found is None:
        return violation
    what, row_id = found[1], UUID(found[2])
    if what == "complaint":
        reference = session.execute(select(Complaint.reference).where(Complaint.id == row_id)).scalar_one_or_none()
        return violation if reference is None else replace(violation, subject=f"complaint {reference}")
    clock = session.execute(
        select(Complaint.reference, Clock.kind, Clock.round)
        .join(Clock, Clock.complaint_id == Complaint.id)
        .where(Clock.id == row_id)
    ).one_or_none()
    if clock is None:
        return violation
    return replace(violation, subject=f"{clock.reference} {clock.kind}, round {clock.round} (clock {row_id})")
