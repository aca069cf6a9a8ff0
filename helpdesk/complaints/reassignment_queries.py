"""Open complaints of agents who have left."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Row, exists, literal_column, select
from sqlalchemy.orm import Session

from helpdesk.complaints.models import OPEN_STATES, Complaint
from helpdesk.identity.models import Agent
from helpdesk.kernel.outbox import Duty

_OPEN: Final[ColumnElement[bool]] = Complaint.status.in_(literal_column(f"'{state}'") for state in OPEN_STATES)
"""Literals, so that the planner takes the index of open complaints by assignee."""


def left_with(session: Session, agent_id: UUID, after: UUID | None, limit: int) -> Sequence[UUID]:
    """Ids of the agent's open complaints, in order of id."""
    theirs = select(Complaint.id).where(Complaint.assignee_id == agent_id, _OPEN)
    if after is not None:
        theirs = theirs.where(Complaint.id > after)
    return session.scalars(theirs.order_by(Complaint.id).limit(limit)).all()


def left_behind(session: Session, topic: str, limit: int) -> Sequence[Row[UUID, UUID, str]]:
    """`(complaint_id, agent_id, reference)` of open complaints whose agent has left and for whom nobody owes that they
    are given on.
    """
    owed = exists().where(
        Duty.subject_id == Agent.id, Duty.topic == topic, Duty.done_at.is_(None), Duty.dead_at.is_(None)
    )
    found = (
        select(Complaint.id, Agent.id, Complaint.reference)
        .join(Agent, Agent.id == Complaint.assignee_id)
        .where(~Agent.active, _OPEN, ~owed)
        .limit(limit)
    )
    return session.execute(found).all()


def instructions(session: Session, topic: str, agent_id: UUID) -> Mapping[str, str]:
    """What was said last about who is to have it: the agent may have come back and left again since."""
    owed = select(Duty.payload).where(
        Duty.topic == topic, Duty.subject_id == agent_id, Duty.done_at.is_(None), Duty.dead_at.is_(None)
    )
    given: dict[str, str] | None = session.execute(owed.order_by(Duty.number.desc()).limit(1)).scalar_one_or_none()
    return given or {}
