"""Selects on alarms that rang."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from helpdesk.sla.models import Alarm


def rang(session: Session, clock_ids: Collection[UUID]) -> Sequence[Any]:
    """`(clock_id, generation, rung)` of every alarm of these clocks that rang in an earlier unit of work."""
    statement = select(Alarm.clock_id, Alarm.generation, Alarm.rung).where(Alarm.clock_id.in_(clock_ids))
    return session.execute(statement).all()
