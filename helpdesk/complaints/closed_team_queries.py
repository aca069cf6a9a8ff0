"""Open complaints of teams that are not active."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.complaints.queue_queries import IS_OPEN
from helpdesk.identity.models import Team
from helpdesk.kernel.outbox import Duty


def left_with(session: Session, team_id: UUID, after: UUID | None, limit: int) -> Sequence[UUID]:
    """Ids of the team's open complaints, in order of id."""
    theirs = select(Complaint.id).where(Complaint.team_id == team_id, IS_OPEN)
    if after is not None:
        theirs = theirs.where(Complaint.id > after)
    return session.scalars(theirs.order_by(Complaint.id).limit(limit)).all()


def left_behind(session: Session, topic: str, limit: int) -> Sequence[UUID]:
    """Ids of open complaints of closed teams of which nobody owes that they are given on."""
    owed = exists().where(
        Duty.subject_id == Team.id, Duty.topic == topic, Duty.done_at.is_(None), Duty.dead_at.is_(None)
    )
    found = select(Complaint.id).join(Team, Team.id == Complaint.team_id).where(~Team.active, IS_OPEN, ~owed)
    return session.scalars(found.limit(limit)).all()
