"""What a clock promises and how it stands by that: the terms of a new one, and of one that is kept. Deadlines are computed here
and nowhere else, always from the same facts: start, target, calendar version, pauses. Nothing here changes a clock; `clocks`
does.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.kernel.clock import parse_rfc3339, rfc3339
from helpdesk.kernel.ids import new_id
from helpdesk.sla import ladders, regime_in_force
from helpdesk.sla.business_time import Conventions, Target, due_at, remaining
from helpdesk.sla.calendar_spec import Calendar
from helpdesk.sla.calendar_versions import kept_calendar
from helpdesk.sla.ladder import first_ahead
from helpdesk.sla.models import Clock, clock_values, conventions_as_kept, rings_next
from helpdesk.sla.policy_spec import Policy, Promise, forget_known
from helpdesk.sla.regime_counting import calendar_in
from helpdesk.sla.specs import forget_compiled

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
            **rings_next(None, None),
        }
    rung, at = first_ahead(calendar, promise.rungs, (start, due), ended, now)
    return {
        "state": "running",
        "pauses": _written(ended),
        "due_at": due,
        "remaining_seconds": None,
        **rings_next(rung, at),
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


def calendar_of(session: Session, clock: Clock) -> Calendar:
    """The calendar version that made the clock."""
    if clock.calendar_id is None or clock.calendar_version is None:
        if clock.timezone is None:
            raise LookupError(f"clock {clock.id} has no calendar")
        return calendar_in(None, clock.timezone)
    calendar = kept_calendar(session, clock.calendar_id, clock.calendar_version)
    return calendar if clock.timezone is None else calendar_in(calendar, clock.timezone)


def promise_of(session: Session, clock: Clock) -> Promise:
    """What the clock was made by."""
    return Promise(
        target_of(clock),
        conventions_of(clock),
        ladders.places(session, clock),
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


def carried_by(clock: Clock) -> list[tuple[datetime, datetime | None]]:
    """The waits of the rounds before, for one that goes on from there."""
    return waits_in(clock.carried)


def waits_in(carried: Sequence[Sequence[str]] | None) -> list[tuple[datetime, datetime | None]]:
    """As `Clock.carried` keeps them; none where it is None."""
    return [(parse_rfc3339(since), parse_rfc3339(until)) for since, until in carried or ()]


def carried_on(before: Clock, at: datetime) -> list[list[str]]:
    """What a clock carries that goes on from a stopped one of the round before: its pauses, and the time since, in which nothing was
    owed.
    """
    waited = [pause for pause in pauses_of(before) if pause[1] is not None]
    return [[rfc3339(since), rfc3339(until or at)] for since, until in [*waited, (before.stopped_at or at, at)]]


def _written(pauses: Pauses) -> list[list[str | None]]:
    return [[rfc3339(since), rfc3339(until) if until else None] for since, until in pauses]


def ended_pauses(clock: Clock) -> list[tuple[datetime, datetime | None]]:
    """Those that have an end; none where the clock cannot pause."""
    return [pause for pause in pauses_of(clock) if pause[1] is not None] if clock.pausable else []
