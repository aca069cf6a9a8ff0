"""What one can do with clocks: start, pause, resume, stop, cancel, recompute; and when each rings next.

Whoever calls holds the lock of the complaint, so that of two who change one clock at once the second sees what the
first did. Where a deadline lies says `clock_terms`.

The sweep may be late. So whoever stops, pauses or moves a clock first rings what was due by then: what one learns of a
promise must not depend on which of the two came first.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import alarms, ladders, transitions
from helpdesk.sla.business_time import SEARCH_DAYS, elapsed
from helpdesk.sla.calendar_spec import Calendar
from helpdesk.sla.clock_terms import (
    Pauses,
    as_columns,
    calendar_of,
    carried_by,
    ended_pauses,
    pauses_of,
    promise_of,
    standing,
)
from helpdesk.sla.ladder import BREACHED, Life, after_breach, has_after, next_before
from helpdesk.sla.models import Clock, rings_next
from helpdesk.sla.policy_spec import Policy, Promise

_STRETCH: Final = timedelta(days=SEARCH_DAYS)


def _disarm(clock: Clock) -> None:
    _arm(clock, None, None)


def _arm(clock: Clock, rung: str | None, at: datetime | None) -> None:
    for name, value in rings_next(rung, at).items():
        setattr(clock, name, value)


def stop(uow: UnitOfWork, clock: Clock, at: datetime) -> None:
    """The promise was kept or came too late; the facts decide, whatever was said before: what was done in time, and is known only
    after the breach rang, was kept. A pause that still runs ends here.
    """
    transitions.watch(uow, clock)
    resume(uow, clock, at)
    ring(uow, clock, at)
    _stopped(uow, clock, at)


def stopped_then(uow: UnitOfWork, clock: Clock, at: datetime) -> None:
    """A clock that has stopped did so at another time than was thought: its verdict is given anew, by that time. A breach that was
    said stays in the log; one that is found now is said now, also where one was said before and taken back.
    """
    transitions.watch(uow, clock)
    if clock.state != "breached" and clock.due_at is not None and at > clock.due_at:
        if alarms.has_rung(uow, clock, BREACHED):
            clock.generation += 1  # in which nothing has rung: one generation says it once
        clock.state, clock.breached_at = "breached", clock.due_at
        alarms.note_breach(uow, clock, clock.due_at, uow.now, owed=False)
        transitions.is_told(uow, clock)
    _stopped(uow, clock, at)


def is_misjudged(clock: Clock) -> bool:
    """One that has stopped in time, and is said to be broken: of a release that went by what had been said."""
    stopped_at, due_at_ = clock.stopped_at, clock.due_at
    return clock.state == "breached" and stopped_at is not None and due_at_ is not None and stopped_at <= due_at_


def _stopped(uow: UnitOfWork, clock: Clock, at: datetime) -> None:
    """However old the clock is: what it used is added up in stretches, none longer than one look at a calendar may be."""
    calendar = calendar_of(uow.session, clock)
    clock.elapsed_seconds = used_between(calendar, clock.started_at, at, ended_pauses(clock))
    clock.stopped_at = at
    if clock.state != "breached" or (clock.due_at is not None and at <= clock.due_at):
        clock.state, clock.breached_at = "met", None
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
    transitions.watch(uow, clock)
    resume(uow, clock, at)
    ring(uow, clock, at)
    clock.stopped_at = at
    if clock.state == "running":
        clock.state = "cancelled"
    _disarm(clock)


def is_cut_off(clock: Clock) -> bool:
    """Whether it is broken, and ended because nothing was owed any more, and not by what it had promised."""
    return clock.state == "breached" and clock.stopped_at is not None and clock.elapsed_seconds is None


def count_on(uow: UnitOfWork, clock: Clock) -> None:
    """One that `is_cut_off` is owed again: it stays broken, and is open until what it promised is done. Rungs after its due time
    ring as if it had been open all the while, each once.
    """
    transitions.watch(uow, clock)
    clock.stopped_at = None
    _arm_after(uow, clock, BREACHED)


def annul(uow: UnitOfWork, clock: Clock, at: datetime) -> None:
    """It should never have been: the reason for it was none. Nothing rings any more; a breach that was said stays in the log, and is
    taken back.
    """
    transitions.watch(uow, clock)
    clock.state, clock.stopped_at = "cancelled", at
    clock.breached_at = clock.elapsed_seconds = None
    _disarm(clock)


def take_back(uow: UnitOfWork, clock: Clock, at: datetime) -> None:
    """It is owed elsewhere, and has been, or was only ever promised by a slip: here nothing of it is open, kept or broken. The clock that
    counts elsewhere, if any, tells what became of it.
    """
    if clock.state == "cancelled":
        return
    resume(uow, clock, at)
    ring(uow, clock, at)
    # Broken or kept, it was not open for a moment: what is cancelled was so before it was due.
    annul(uow, clock, at if clock.state == "running" else clock.started_at)


def restart(uow: UnitOfWork, clock: Clock, start: datetime, waits: Pauses, at: datetime) -> None:
    """The promise counts from another start, as if it had always done so: two matters were found to be one, or one to be two.
    A breach that was said stays in the log; whether the promise is broken is decided anew.
    """
    transitions.watch(uow, clock)
    ring(uow, clock, at)
    clock.started_at = start.replace(microsecond=0)
    clock.stopped_at = clock.breached_at = clock.elapsed_seconds = None
    clock.generation += 1
    _stand(uow, clock, [*carried_by(clock), *waits], at)


def pause(uow: UnitOfWork, clock: Clock, at: datetime) -> None:
    """Only a running, pausable clock pauses, and only one that has time left: nothing is given back of what is used up."""
    if clock.state != "running" or not clock.pausable:
        return
    ring(uow, clock, at)
    if clock.state == "running" and clock.due_at is not None and at < clock.due_at:
        transitions.watch(uow, clock)
        _stand(uow, clock, [*ended_pauses(clock), (at, None)], at)


def resume(uow: UnitOfWork, clock: Clock, at: datetime) -> None:
    if clock.state != "paused":
        return
    transitions.watch(uow, clock)
    *before, (since, _) = pauses_of(clock)
    clock.generation += 1
    _stand(uow, clock, [*before, (since, at)], at)


def retarget(
    uow: UnitOfWork,
    clock: Clock,
    policy: Policy,
    severity: str,
    tier: str | None,
    *,
    waits: Pauses,
    at: datetime,
    saved: bool = False,
) -> None:
    """Other facts, or another policy, promise another time from the same start, and what was used stays used; or nothing of
    this kind any more, which cancels the clock, or something again. A version of the policy that promises the same is not taken
    over: a clock keeps the one that made it.

    `waits`: when somebody else was waited for since the start, or before it; the last may have no end. `saved`: for whoever carries
    out an edit, and has found (`promising.Promised.follow_edit`) that an open clock which is broken would not be by it (a holiday that
    nobody had entered, a target that was a slip, a policy that was switched off by one): it goes by what is promised now as if it had
    never been; that the breach was said stays in the log. Other facts save nothing.
    """
    if clock.policy_id is None:
        return  # a regulator's clock has its own rule
    ring(uow, clock, at)
    if clock.state == "met":
        return
    broken = clock.state == "breached"
    if broken and (clock.stopped_at is not None or not saved):
        return  # a promise that was broken stays the one that was made
    waits = [*carried_by(clock), *waits]
    promise = policy.promise(clock.kind, severity, tier)
    if promise is None:
        if broken:
            take_back(uow, clock, at)
        elif clock.stopped_at is None:
            cancel(uow, clock, at)
        return
    same = not broken and clock.stopped_at is None and promise == promise_of(uow.session, clock)
    if same and (clock.policy_id, clock.severity, clock.tier) == (policy.id, severity, tier):
        if not ladders.same_by(uow.session, clock, policy):
            transitions.watch(uow, clock)
            clock.policy_version = policy.version
        return
    transitions.watch(uow, clock)
    clock.policy_id, clock.policy_version = policy.id, policy.version
    clock.severity, clock.tier = severity, tier
    if not same:
        go_by(uow, clock, promise, waits, at)


def is_over(clock: Clock, at: datetime) -> bool:
    """Whether it is open, and broken by the facts: its alarm may be yet to ring."""
    return clock.stopped_at is None and (clock.state == "breached" or (clock.due_at is not None and clock.due_at < at))


def would_hold(uow: UnitOfWork, clock: Clock, promise: Promise, waits: Pauses, at: datetime) -> bool:
    """Whether an open clock that is broken by what was promised would not be by another promise from the same start. `waits`: as of
    `retarget`.
    """
    if promise == promise_of(uow.session, clock):
        return False
    due = standing(promise, clock.started_at, waits=[*carried_by(clock), *waits], now=at)["due_at"]
    return due is None or due > at


def go_by(uow: UnitOfWork, clock: Clock, promise: Promise, waits: Pauses, at: datetime) -> None:
    """Count by another promise from the same start. The generation stays where the deadline does and what rings next: then its
    alarms have nothing to say anew.
    """
    transitions.watch(uow, clock)
    before = {name: getattr(clock, name) for name in _STANDING}
    for name, value in as_columns(promise).items():
        setattr(clock, name, value)
    stands = standing(promise, clock.started_at, waits=waits, now=at)
    clock.stopped_at = clock.breached_at = None
    for name, value in stands.items():
        setattr(clock, name, value)
    if {name: getattr(clock, name) for name in _STANDING} != before:
        clock.generation += 1


_STANDING: Final = (
    "state",
    "due_at",
    "remaining_seconds",
    "next_threshold",
    "next_offset",
    "next_alarm_at",
    "stopped_at",
    "breached_at",
)
"""What alarms are about."""


def recompute(uow: UnitOfWork, clock: Clock, at: datetime) -> None:
    """After its target was changed, and was watched before that: from the same start, with the same pauses. What was due before
    has rung.
    """
    clock.generation += 1
    _stand(uow, clock, ended_pauses(clock), at)


def _stand(uow: UnitOfWork, clock: Clock, waits: Pauses, at: datetime) -> None:
    """Let the row say how its promise stands."""
    columns = standing(promise_of(uow.session, clock), clock.started_at, waits=waits, now=at)
    for name, value in columns.items():
        setattr(clock, name, value)


def breach(uow: UnitOfWork, clock: Clock, at: datetime) -> bool:
    """Say once that the promise was broken, at its due time. False when it had been said."""
    if clock.due_at is None or clock.next_alarm_at is None:
        return False
    said = alarms.note_breach(uow, clock, clock.due_at, at)
    clock.state = "breached"
    clock.breached_at = clock.due_at
    _arm_after(uow, clock, BREACHED)
    transitions.is_told(uow, clock)
    return said


def ring(uow: UnitOfWork, clock: Clock, at: datetime) -> int:
    """Everything of an open clock that is due by `at`, in order, each once; how many rang.

    The sweep's act, and it looks again: a clock that was paused, stopped or moved meanwhile has nothing due.
    """
    rang = 0
    while clock.next_alarm_at is not None and clock.next_alarm_at <= at and clock.due_at is not None:
        rung, planned = str(clock.next_rung), clock.next_alarm_at
        if clock.state != "running":
            rang += alarms.note_overdue(uow, clock, rung, planned, at)
            _arm_after(uow, clock, rung)
        elif rung == BREACHED:
            if at <= clock.due_at:
                break  # at the due time itself the promise can still be kept
            rang += breach(uow, clock, at)
        else:
            life, pauses, calendar = _life(clock), ended_pauses(clock), calendar_of(uow.session, clock)
            rang += alarms.note_warning(uow, clock, rung, planned, at, used=_used(calendar, life, pauses, planned))
            _arm(clock, *next_before(calendar, ladders.places(uow.session, clock), life, pauses, rung))
    return rang


def _arm_after(uow: UnitOfWork, clock: Clock, rang: str) -> None:
    """For the rung that follows after the due time. What was past before the complaint was entered does not ring: that it is
    overdue is said, once.
    """
    _disarm(clock)
    rungs = ladders.places(uow.session, clock)
    if not has_after(rungs):
        return
    entered: Any = uow.stream_of(clock.complaint_id)
    coming = after_breach(calendar_of(uow.session, clock), rungs, _life(clock), ended_pauses(clock))
    there = [rung for _, rung in coming]
    for at, rung in coming[there.index(rang) + 1 if rang in there else 0 :]:
        if at > entered.created_at:
            _arm(clock, rung, at)
            return


def _life(clock: Clock) -> Life:
    if clock.due_at is None:
        raise LookupError(f"clock {clock.id} is paused")
    return clock.started_at, clock.due_at


def _used(calendar: Calendar, life: Life, pauses: Pauses, planned: datetime) -> int:
    """Percent of the budget that is used up by then."""
    budget = elapsed(calendar, *life, pauses)
    used = elapsed(calendar, life[0], planned, pauses)
    return used * 100 // budget if budget else int((planned - life[0]) * 100 / (life[1] - life[0]))
