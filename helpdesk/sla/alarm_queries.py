"""Selects on alarms that rang."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from helpdesk.sla.models import Alarm, Clock


def rang(session: Session, clock_ids: Collection[UUID]) -> Sequence[Any]:
    """`(clock_id, generation, rung)` of every alarm of these clocks that rang in an earlier unit of work, in the generation in which
    they were then.
    """
    this = and_(Clock.id == Alarm.clock_id, Clock.generation == Alarm.generation)
    statement = select(Alarm.clock_id, Alarm.generation, Alarm.rung).join(Clock, this)
    return session.execute(statement.where(Alarm.clock_id.in_(clock_ids))).all()
