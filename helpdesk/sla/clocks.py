"""What one can do with clocks: start, pause, resume, stop, cancel, recompute; and when each rings next.

Whoever calls holds the lock of the complaint, so that of two who change one clock at once the second sees what the
first did. Deadlines are computed here and nowhere else, always from the same facts: start, target, calendar version,
pauses.

The sweep may be late. So whoever stops, pauses or moves a clock first rings what was due by then: what one learns of a
promise must not depend on which of the two came first.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from helpdesk.kernel.clock import parse_rfc3339, rfc3339
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import lateness, policy_queries, queries, regime_in_force
from helpdesk.sla.business_time import SEARCH_DAYS, Conventions, Target, due_at, elapsed, remaining, threshold_at
from helpdesk.sla.calendar_spec import Calendar
from helpdesk.sla.events import SlaBreached, SlaWarned
from helpdesk.sla.models import BREACH, Alarm, Clock, clock_values, conventions_as_kept
from helpdesk.sla.policy_spec import Policy, Promise, forget_known, remember, remembered, thresholds_in
from helpdesk.sla.regime_counting import calendar_in
from helpdesk.sla.specs import already_compiled, compiled, forget_compiled

REGULATORY_THRESHOLDS: Final = (50, 75, 90)
_STRETCH: Final = timedelta(days=SEARCH_DAYS)

Pauses = Sequence[tuple[datetime, datetime | None]]


def new_clock(complaint_id: UUID, terms: Mapping[str, Any], round_: int = 1) -> dict[str, Any]:
    """A row for `uow.add_rows`. Complaints that start at one time may share the terms, which are never changed."""
    return {**terms, "id": new_id(), "complaint_id": complaint_id, "round": round_}


def policy_terms(
    policy: Policy, *, kind: str, severity: str, tier: str | None, start: datetime, now: datetime, waits: Pauses = ()
) -> dict[str, Any] | None:
    """What a new clock of the policy promises, None where that is nothing.

    `waits`: when somebody else was waited for since the start, or before it; the last may have no end.
    """
    promise = policy.promise(kind, severity, tier)
    if promise is None:
        return None
    start = start.replace(microsecond=0)  # business time is in whole seconds; a part of one would be owed to nobody
    return clock_values(
        kind=kind,
        policy_id=policy.id,
        policy_version=policy.version,
        severity=severity,
        tier=tier,
        started_at=start,
        **as_columns(promise),
        **standing(promise, start, waits=waits, now=now),
    )


def as_columns(promise: Promise) -> dict[str, Any]:
    """What a clock keeps of it."""
    return {
        "calendar_id": promise.calendar_id,
        "calendar_version": promise.calendar_version,
        "target_amount": int(promise.target.amount),
        "target_unit": promise.target.unit,
        "pausable": promise.pausable,
        "conventions": conventions_as_kept(promise.conventions),
    }


def standing(promise: Promise, start: datetime, *, waits: Pauses, now: datetime) -> dict[str, Any]:
    """How a promise stands by the facts: the columns `state`, `pauses`, `due_at`, `remaining_seconds` and the next alarm.

    A wait that began when the time was used up already pauses nothing; of one that began before the clock did counts what
    lies in its life.
    """
    calendar, target = promise.calendar, promise.target
    pauses = list(_within(waits, start)) if promise.pausable else []
    ended = [pause for pause in pauses if pause[1] is not None]
    due = _due(promise, start, ended)
    since = pauses[-1][0] if pauses and pauses[-1][1] is None else None
    if since is not None and since < due:
        left = remaining(calendar, start, target, since, ended, conventions=promise.conventions)
        return {
            "state": "paused",
            "pauses": _written(pauses),
            "due_at": None,
            "remaining_seconds": left,
            "next_threshold": None,
            "next_alarm_at": None,
        }
    threshold, at = first_alarm(calendar, promise.thresholds, (start, due), ended, now)
    return {
        "state": "running",
        "pauses": _written(ended),
        "due_at": due,
        "remaining_seconds": None,
        "next_threshold": threshold,
        "next_alarm_at": at,
    }


def _within(waits: Pauses, start: datetime) -> Iterator[tuple[datetime, datetime | None]]:
    for since, until in waits:
        if until is None or until > start:
            yield max(since, start), until


def _due(promise: Promise, start: datetime, pauses: Pauses) -> datetime:
    """By the pauses that have ended."""
    if pauses:
        return due_at(promise.calendar, start, promise.target, pauses, promise.conventions)
    return _unpaused_due(promise.calendar, start, promise.target, promise.conventions)


@lru_cache(maxsize=8192)
def _unpaused_due(calendar: Calendar, start: datetime, target: Target, conventions: Conventions) -> datetime:
    """Kept, because many complaints have one start: an import's dates are days, and the calendars are few."""
    return due_at(calendar, start, target, (), conventions)


def first_alarm(
    calendar: Calendar,
    thresholds: Sequence[int],
    life: tuple[datetime, datetime],
    pauses: Pauses,
    now: datetime,
) -> tuple[int, datetime]:
    """The first threshold that is still ahead. What was past before the clock existed here (a complaint entered late,
    an import of old ones) is no warning any more; that it is overdue is said once, as the breach it is.
    """
    start, due = life
    if due <= now:
        return BREACH, due
    for threshold in thresholds:
        at = threshold_at(calendar, start, due, threshold, pauses)
        if at > now:
            return threshold, at
    return BREACH, due


def calendar_of(session: Session, clock: Clock) -> Calendar:
    """The calendar version that made the clock."""
    if clock.calendar_id is None or clock.calendar_version is None:
        if clock.timezone is None:
            raise LookupError(f"clock {clock.id} has no calendar")
        return calendar_in(None, clock.timezone)
    calendar = _kept_calendar(session, clock.calendar_id, clock.calendar_version)
    return calendar if clock.timezone is None else calendar_in(calendar, clock.timezone)


def _kept_calendar(session: Session, calendar_id: UUID, version: int) -> Calendar:
    known = already_compiled(calendar_id, version)
    if known is not None:
        return known
    row = queries.calendar_version(session, calendar_id, version)
    return compiled(calendar_id, version, row.spec, row.name)


def thresholds_of(session: Session, clock: Clock) -> tuple[int, ...]:
    if clock.policy_id is None or clock.policy_version is None:
        return REGULATORY_THRESHOLDS
    spec = remembered(clock.policy_id, clock.policy_version)
    if spec is None:
        row = policy_queries.version_spec(session, clock.policy_id, clock.policy_version)
        spec = remember(clock.policy_id, clock.policy_version, row.spec)
    return thresholds_in(spec, clock.kind, clock.severity, clock.tier)


def promise_of(session: Session, clock: Clock) -> Promise:
    """What the clock was made by."""
    return Promise(
        target_of(clock),
        conventions_of(clock),
        thresholds_of(session, clock),
        clock.calendar_id,
        clock.calendar_version,
        calendar_of(session, clock),
    )


def forget_versions() -> None:
    """Drop what was compiled. Needed only where a database is put back under a running process, as tests do: there a
    version that cannot change has changed.
    """
    forget_known()
    forget_compiled()
    regime_in_force.forget()


def target_of(clock: Clock) -> Target:
    return Target(clock.target_amount, clock.target_unit)


def conventions_of(clock: Clock) -> Conventions:
    kept: Any = clock.conventions
    return Conventions(**kept, pausable=clock.pausable)


def pauses_of(clock: Clock) -> list[tuple[datetime, datetime | None]]:
    return [(parse_rfc3339(str(since)), parse_rfc3339(until) if until else None) for since, until in clock.pauses]


def _written(pauses: Pauses) -> list[list[str | None]]:
    return [[rfc3339(since), rfc3339(until) if until else None] for since, until in pauses]


def _closed(clock: Clock) -> list[tuple[datetime, datetime | None]]:
    return [pause for pause in pauses_of(clock) if pause[1] is not None] if clock.pausable else []


def _disarm(clock: Clock) -> None:
    clock.next_threshold = clock.next_alarm_at = None


def stop(uow: UnitOfWork, clock: Clock, at: datetime) -> None:
    """The promise was kept or came too late; the facts decide. A pause that still runs ends here.

    However old the clock is: what it used is added up in stretches, none longer than one look at a calendar may be.
    """
    calendar = calendar_of(uow.session, clock)
    resume(uow, clock, at)
    ring(uow, clock, at)
    clock.elapsed_seconds = used_between(calendar, clock.started_at, at, _closed(clock))
    clock.stopped_at = at
    if clock.state == "running":
        clock.state = "met"
    _disarm(clock)


def used_between(calendar: Calendar, start: datetime, end: datetime, pauses: Pauses = ()) -> int:
    """`elapsed` without its bound on how far the two may be apart."""
    used = 0
    while end - start > _STRETCH:
        used += elapsed(calendar, start, start + _STRETCH, pauses)
        start += _STRETCH
    return used + elapsed(calendar, start, end, pauses)


def cancel(uow: UnitOfWork, clock: Clock, at: datetime) -> None:
    """Nothing is owed any more. What was broken before stays broken."""
    resume(uow, clock, at)
    ring(uow, clock, at)
    clock.stopped_at = at
    if clock.state == "running":
        clock.state = "cancelled"
    _disarm(clock)


def revive(uow: UnitOfWork, clock: Clock, at: datetime) -> None:
    """A cancelled promise holds again, as if it had never been cancelled."""
    if clock.state != "cancelled":
        return
    clock.stopped_at = None
    clock.generation += 1
    _stand(uow, clock, _closed(clock), at)


def restart(uow: UnitOfWork, clock: Clock, start: datetime, waits: Pauses, at: datetime) -> None:
    """The promise counts from another start, as if it had always done so: two matters were found to be one, or one to be two.
    A breach that was said stays in the log; whether the promise is broken is decided anew.
    """
    ring(uow, clock, at)
    clock.started_at = start.replace(microsecond=0)
    clock.stopped_at = clock.breached_at = clock.elapsed_seconds = None
    clock.generation += 1
    _stand(uow, clock, waits, at)


def pause(uow: UnitOfWork, clock: Clock, at: datetime) -> None:
    """Only a running, pausable clock pauses, and only one that has time left: nothing is given back of what is used up."""
    if clock.state != "running" or not clock.pausable:
        return
    ring(uow, clock, at)
    if clock.state == "running" and clock.due_at is not None and at < clock.due_at:
        _stand(uow, clock, [*_closed(clock), (at, None)], at)


def resume(uow: UnitOfWork, clock: Clock, at: datetime) -> None:
    if clock.state != "paused":
        return
    *before, (since, _) = pauses_of(clock)
    clock.generation += 1
    _stand(uow, clock, [*before, (since, at)], at)


def retarget(
    uow: UnitOfWork, clock: Clock, policy: Policy, severity: str, tier: str | None, *, waits: Pauses, at: datetime
) -> None:
    """Other facts, or another policy, promise another time from the same start, and what was used stays used; or nothing of
    this kind any more, which cancels the clock, or something again. What is promised as before stays in its generation: its
    alarms have nothing to say anew.

    `waits`: when somebody else was waited for since the start, or before it; the last may have no end.
    """
    if clock.policy_id is None:
        return  # a regulator's clock has its own rule
    ring(uow, clock, at)
    if clock.state in {"met", "breached"}:
        return  # a promise that was kept or broken stays the one that was made
    promise = policy.promise(clock.kind, severity, tier)
    if promise is None:
        if clock.stopped_at is None:
            cancel(uow, clock, at)
        return
    same = clock.stopped_at is None and promise == promise_of(uow.session, clock)
    clock.policy_id, clock.policy_version = policy.id, policy.version
    clock.severity, clock.tier = severity, tier
    if same:
        return
    for name, value in as_columns(promise).items():
        setattr(clock, name, value)
    clock.stopped_at = None
    clock.generation += 1
    _stand(uow, clock, waits, at)


def recompute(uow: UnitOfWork, clock: Clock, at: datetime) -> None:
    """After its target was changed: from the same start, with the same pauses. What was due before has rung."""
    clock.generation += 1
    _stand(uow, clock, _closed(clock), at)


def _stand(uow: UnitOfWork, clock: Clock, waits: Pauses, at: datetime) -> None:
    """Let the row say how its promise stands."""
    columns = standing(promise_of(uow.session, clock), clock.started_at, waits=waits, now=at)
    for name, value in columns.items():
        setattr(clock, name, value)


def breach(uow: UnitOfWork, clock: Clock, at: datetime) -> bool:
    """Say once that the promise was broken, at its due time. False when it had been said."""
    if clock.due_at is None or clock.next_alarm_at is None:
        return False
    due = clock.due_at
    if not _ring_once(uow, clock, BREACH, due, at):
        return False
    clock.state = "breached"
    clock.breached_at = due
    _disarm(clock)
    uow.record(
        SlaBreached(
            complaint_id=clock.complaint_id,
            clock_id=clock.id,
            kind=clock.kind,
            generation=clock.generation,
            due_at=due,
            late_seconds=_late(due, at),
        ),
        stream=uow.stream_of(clock.complaint_id),
    )
    return True


def ring(uow: UnitOfWork, clock: Clock, at: datetime) -> int:
    """Everything of a running clock that is due by `at`, in order, each once; how many rang.

    The sweep's act, and it looks again: a clock that was paused, stopped or moved meanwhile has nothing due.
    """
    rang = 0
    while clock.state == "running" and clock.next_alarm_at is not None and clock.next_alarm_at <= at:
        if clock.next_threshold == BREACH:
            if clock.due_at is not None and at <= clock.due_at:
                break  # at the due time itself the promise can still be kept
            rang += breach(uow, clock, at)
            break
        rang += _warn(uow, clock, at)
    return rang


def _warn(uow: UnitOfWork, clock: Clock, at: datetime) -> int:
    threshold, planned, due = clock.next_threshold, clock.next_alarm_at, clock.due_at
    if threshold is None or planned is None or due is None:
        return 0
    fresh = _ring_once(uow, clock, threshold, planned, at)
    if fresh:
        uow.record(
            SlaWarned(
                complaint_id=clock.complaint_id,
                clock_id=clock.id,
                kind=clock.kind,
                generation=clock.generation,
                due_at=due,
                threshold=threshold,
                late_seconds=_late(planned, at),
            ),
            stream=uow.stream_of(clock.complaint_id),
        )
    later = [item for item in thresholds_of(uow.session, clock) if item > threshold]
    calendar = calendar_of(uow.session, clock)
    clock.next_threshold = later[0] if later else BREACH
    clock.next_alarm_at = threshold_at(calendar, clock.started_at, due, later[0], _closed(clock)) if later else due
    return int(fresh)


def _ring_once(uow: UnitOfWork, clock: Clock, threshold: int, planned: datetime, at: datetime) -> bool:
    """The row is the record that it rang; its primary key lets no second one in."""
    statement = (
        insert(Alarm)
        .values(
            clock_id=clock.id,
            generation=clock.generation,
            threshold=threshold,
            planned_for=planned,
            fired_at=at,
            late_seconds=_late(planned, at),
        )
        .on_conflict_do_nothing()
        .returning(Alarm.clock_id)
    )
    if uow.session.execute(statement).first() is None:
        return False
    lateness.note(uow, clock.complaint_id, "breached" if threshold == BREACH else "warned", planned, at)
    return True


def _late(planned: datetime, at: datetime) -> int:
    return max(0, int((at - planned).total_seconds()))
