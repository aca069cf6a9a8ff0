"""What a clock's explanation is made of, for who may see its complaint."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from helpdesk.complaints import merge_queries
from helpdesk.complaints import queries as complaints
from helpdesk.identity.actors import Actor
from helpdesk.kernel.clock import parse_rfc3339
from helpdesk.kernel.errors import NotFound
from helpdesk.sla import queries
from helpdesk.sla.models import Alarm, Clock, SlaCalendar, SlaPolicy

_BOOK: Final = "sla_clock"


@dataclass(frozen=True, slots=True)
class Known:
    """A clock with the names of what made it; `now` is the moment as of which it is told."""

    clock: Clock
    policy: str | None
    calendar: str | None
    now: datetime


def known_clock(session: Session, actor: Actor, ref: str, clock_id: UUID) -> Known:
    """Raises `NotFound`, also for a clock of another complaint."""
    complaint_id = complaints.visible_id(session, actor, ref)
    row = session.execute(
        select(Clock, SlaPolicy.name, SlaCalendar.name, func.clock_timestamp())
        .outerjoin(SlaPolicy, SlaPolicy.id == Clock.policy_id)
        .outerjoin(SlaCalendar, SlaCalendar.id == Clock.calendar_id)
        .where(and_(Clock.id == clock_id, Clock.complaint_id == complaint_id))
    ).one_or_none()
    if row is None:
        raise NotFound
    return Known(*row)


def alarms_of(session: Session, clock_id: UUID) -> Sequence[Alarm]:
    """In the order in which they rang; the last hundred."""
    newest = (
        select(Alarm)
        .where(Alarm.clock_id == clock_id)
        .order_by(Alarm.generation.desc(), Alarm.fired_at.desc(), Alarm.planned_for.desc(), Alarm.threshold.desc())
        .limit(100)
    )
    return session.scalars(newest).all()[::-1]


def joined(session: Session, actor: Actor, clock: Clock) -> dict[str, Any] | None:
    """What merges did to the clock, or to one of an earlier round that it goes on from: `own_start`, its start without them (None where
    it is there only because of them), and `with`, those of the merged complaints that the actor may see. None where they did nothing
    to it.
    """
    own: list[str | None] = []
    others: list[dict[str, Any]] = []
    merges = merge_queries.merges_into(session, clock.complaint_id)
    books = [(merge, merge_queries.ledger_of(session, merge.id, _BOOK)) for merge in merges]
    for clock_id in _gone_on_from(session, clock) if merges else ():
        for merge, noted in books:
            if clock_id in noted:
                own.append(noted[clock_id]["own"])
                other = complaints.reference_of(session, actor, merge.source_id)
                others += [] if other is None else [other]
    start = parse_rfc3339(own[0]) if own and own[0] is not None else None
    if not own or start == clock.started_at:
        return None
    return {"own_start": start, "with": others}


def _gone_on_from(session: Session, clock: Clock) -> list[UUID]:
    """The clocks that it goes on from, the oldest first, and it itself."""
    found, carried = [clock.id], clock.carried is not None
    for before in queries.clocks_before(session, clock) if carried else ():
        found.append(before.id)
        if before.carried is None:
            break
    return found[::-1]
