"""What must hold of everything that follows from alarms."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from helpdesk.kernel.outbox import Duty
from helpdesk.kernel.verification import Violation
from helpdesk.sla import escalations, notices
from helpdesk.sla.escalation_models import Escalation, Notice


def none_is_forgotten(session: Session) -> Iterator[Violation]:
    """For every action that is owed, and for everybody who is still to be told, there is a duty that sees to it."""
    owed = select(Escalation.id, Escalation.rung, Escalation.step).where(
        Escalation.outcome == "owed", ~_seen_to(escalations.TOPIC, Escalation.complaint_id)
    )
    for row in session.execute(owed):
        yield Violation("escalation_forgotten", f"escalation {row.id}", f"{row.step} at {row.rung} is owed by no duty")
    held = select(Notice.id, Notice.agent_id).where(Notice.outcome == "held", ~_seen_to(notices.TOPIC, Notice.id))
    for notice in session.execute(held):
        yield Violation("escalation_forgotten", f"notice {notice.id}", f"agent {notice.agent_id} is told by no duty")


def _seen_to(topic: str, subject_id: Any) -> Any:
    """A dead one counts: it is named by itself, and can be revived."""
    return exists().where(Duty.topic == topic, Duty.subject_id == subject_id, Duty.done_at.is_(None))


CHECKS = (none_is_forgotten,)
