"""An alarm rings: the record that it did, what is said of it in the complaint's story, and how late it was.

Who calls holds the complaint's lock and has its stream, and moves the clock on; here nothing of the clock changes. What rang
before is looked up once for all clocks that ring together, so that a sweep writes the alarms of its batch in one statement.

An alarm may be late, and ring in the very act that brings its clock under other terms. So what its rung owes is noted as it rings,
by what the clock went by until then.
"""

from collections.abc import Collection, MutableMapping
from datetime import datetime
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import alarm_queries, ladders, lateness, transitions
from helpdesk.sla.events import ClockEvent, SlaBreached, SlaOverdue, SlaWarned
from helpdesk.sla.ladder import BREACHED, Rung, place_of
from helpdesk.sla.models import Alarm, Clock

Rang = tuple[UUID, int, str]
"""Clock, generation, rung."""
_known: MutableMapping[UnitOfWork, dict[UUID, set[Rang]]] = WeakKeyDictionary()
_rungs: MutableMapping[UnitOfWork, dict[Rang, Rung | None]] = WeakKeyDictionary()


def look_up(uow: UnitOfWork, clock_ids: Collection[UUID]) -> None:
    """What rang of these clocks, for all of them in one statement. Needed by nobody: who does not say it has it asked one by one."""
    known = _known.setdefault(uow, {})
    unknown = [clock_id for clock_id in clock_ids if clock_id not in known]
    if unknown:
        known.update({clock_id: set() for clock_id in unknown})
        for row in alarm_queries.rang(uow.session, unknown):
            known[row.clock_id].add((row.clock_id, row.generation, row.rung))


def note_warning(uow: UnitOfWork, clock: Clock, rung: str, planned: datetime, at: datetime, *, used: int) -> bool:
    """`used`: percent of the time. False when it rang before, as of all of these."""
    if not _rings(uow, clock, rung, planned, at):
        return False
    late = late_by(planned, at)
    _say(uow, SlaWarned(**_of(clock), rung=rung, threshold=used, planned_for=planned, late_seconds=late))
    lateness.note(uow, clock.complaint_id, "warned", planned, at)
    return True


def note_breach(uow: UnitOfWork, clock: Clock, due: datetime, at: datetime, *, owed: bool = True) -> bool:
    """`owed`: whether anybody could have rung it at its time."""
    if not _rings(uow, clock, BREACHED, due, at):
        return False
    _say(uow, SlaBreached(**_of(clock), late_seconds=late_by(due, at)))
    if owed:
        lateness.note(uow, clock.complaint_id, "breached", due, at)
    return True


def note_overdue(uow: UnitOfWork, clock: Clock, rung: str, planned: datetime, at: datetime) -> bool:
    if not _rings(uow, clock, rung, planned, at):
        return False
    _say(uow, SlaOverdue(**_of(clock), rung=rung, planned_for=planned, late_seconds=late_by(planned, at)))
    lateness.note(uow, clock.complaint_id, "overdue", planned, at)
    return True


def has_rung(uow: UnitOfWork, clock: Clock, rung: str) -> bool:
    """Whether this rung of the clock rang before, in its present generation."""
    look_up(uow, [clock.id])
    return (clock.id, clock.generation, rung) in _known[uow][clock.id]


def rung_of(uow: UnitOfWork, rang: Rang) -> Rung | None:
    """Of an alarm of this unit of work, with its actions; None where the ladder had none there any more when it rang
    (`ladders.rung`).
    """
    return _rungs[uow][rang]


def late_by(planned: datetime, at: datetime) -> int:
    """In seconds."""
    return max(0, int((at - planned).total_seconds()))


def _rings(uow: UnitOfWork, clock: Clock, rung: str, planned: datetime, at: datetime) -> bool:
    """The row is the record that it rang; its primary key would let no second one in."""
    if has_rung(uow, clock, rung):
        return False
    rang = clock.id, clock.generation, rung
    _known[uow][clock.id].add(rang)
    _rungs.setdefault(uow, {})[rang] = ladders.rung(uow.session, clock, rung)
    row = {
        "clock_id": clock.id,
        "generation": clock.generation,
        "rung": rung,
        "threshold": place_of(rung).percent,
        "planned_for": planned,
        "fired_at": at,
        "late_seconds": late_by(planned, at),
    }
    uow.add_rows(Alarm, [row])
    return True


def _of(clock: Clock) -> dict[str, Any]:
    return {**transitions.told(clock), "due_at": clock.due_at}


def _say(uow: UnitOfWork, event: ClockEvent) -> None:
    """Whoever's unit of work comes upon it first: that the time passed is nobody's act."""
    transitions.tell_begun(uow, event.complaint_id)
    uow.record(event, stream=uow.stream_of(event.complaint_id), actor=SYSTEM)
