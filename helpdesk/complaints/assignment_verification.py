"""What must hold of every complaint's handler."""

from collections.abc import Iterator

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from helpdesk.complaints.models import OPEN_STATES, Complaint
from helpdesk.kernel.verification import Violation


def assigned_since_a_time(session: Session) -> Iterator[Violation]:
    """Whoever has a complaint has it since a time; who was given something last is told by it."""
    wrong = select(Complaint.reference, Complaint.assignee_id).where(
        Complaint.assignee_id.is_(None) != Complaint.assigned_at.is_(None)
    )
    for row in session.execute(wrong):
        who = (
            "nobody has it, but since a time" if row.assignee_id is None else f"{row.assignee_id} has it since no time"
        )
        yield Violation("assigned_at", f"complaint {row.reference}", who)


def only_what_is_open_and_free_waits(session: Session) -> Iterator[Violation]:
    wrong = select(Complaint.reference, Complaint.status).where(
        Complaint.awaits_agent, or_(Complaint.assignee_id.is_not(None), Complaint.status.not_in(OPEN_STATES))
    )
    for row in session.execute(wrong):
        yield Violation("awaits_agent", f"complaint {row.reference}", f"is {row.status}, or somebody has it, and waits")


CHECKS = (assigned_since_a_time, only_what_is_open_and_free_waits)
