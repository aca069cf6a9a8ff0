"""The sweep: rings what is due. Any number of workers may run it at once, as often as they like.

The select only narrows. Each complaint is then locked (one that somebody is working on is left for the next second),
its clocks are looked at again, and everything due rings in order and once. A batch of complaints shares a transaction,
because a transaction per alarm spends its time on commits; one that fails is repeated complaint by complaint, so that
a bad row holds up nobody.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database, UnitOfWork
from helpdesk.sla import alarms, clocks, queries

log = structlog.get_logger()

_NARROW = 1_000
TOGETHER: Final = 40


def ring_due(database: Database, limit: int = 20_000) -> int:
    """Ring what is due when it begins, or about `limit` alarms; how many. What comes due meanwhile is the next sweep's: taken one by
    one as it comes it would cost a transaction each, and a sweep that never ends never looks again at what it has seen.
    """
    rang = 0
    seen: set[UUID] = set()  # whatever could not ring (locked, or broken) is not taken twice in one sweep
    with database.reader() as session:
        begun = queries.clock_time(session)
    while rang < limit and len(seen) < limit:
        with database.reader() as session:
            complaint_ids = queries.due_complaints(session, _NARROW, seen, begun)
        if not complaint_ids:
            break
        seen.update(complaint_ids)
        for start in range(0, len(complaint_ids), TOGETHER):
            rang += _ring_batch(database, complaint_ids[start : start + TOGETHER])
    return rang


def _ring_batch(database: Database, complaint_ids: Sequence[UUID]) -> int:
    try:
        return _ring(database, complaint_ids)
    except Exception as error:
        if _is_away(error):
            raise
        log.warning("alarms of a batch failed; one by one now", rows=len(complaint_ids), exc_info=True)
    rang = 0
    for complaint_id in complaint_ids:
        try:
            rang += _ring(database, [complaint_id])
        except Exception as error:
            if _is_away(error):
                raise
            log.exception("an alarm cannot ring", name=str(complaint_id))
    return rang


def _is_away(error: Exception) -> bool:
    """The database, and so for every other complaint too: the next sweep goes on where this one stood."""
    return isinstance(error, DBAPIError) and (error.connection_invalidated or error.statement is None)


def _ring(database: Database, complaint_ids: Sequence[UUID]) -> int:
    with database.unit_of_work(SYSTEM) as uow:
        locked = _lock(uow, complaint_ids)
        now = queries.clock_time(uow.session)
        due = [
            clock
            for clock in queries.open_clocks_for_update(uow.session, locked)
            if clock.next_alarm_at is not None and clock.next_alarm_at <= now
        ]
        alarms.look_up(uow, [clock.id for clock in due])
        return sum(clocks.ring(uow, clock, now) for clock in due)


def _lock(uow: UnitOfWork, complaint_ids: Sequence[UUID]) -> list[UUID]:
    rows = queries.free_complaints_for_update(uow.session, complaint_ids)
    for row in rows:
        uow.know_stream(row)
    return [row.id for row in rows]
