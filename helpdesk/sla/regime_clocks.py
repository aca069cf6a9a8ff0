"""Regulators' clocks: made by a version of a rule, and stopped by facts. They never pause, and severity is nothing to them.

The row has all that the deadline follows from: start, target, zone, calendar version. Another version of the rule moves no
clock that there is; days that were proclaimed, or entered late, do (`recount`), unless whoever enters them leaves the clocks alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import alarms, clock_terms, clocks, regime_in_force, transitions
from helpdesk.sla.business_time import BusinessTimeError, Conventions
from helpdesk.sla.ladder import rungs_at
from helpdesk.sla.models import Clock, clock_values, rings_next
from helpdesk.sla.policy_spec import Promise
from helpdesk.sla.regime_counting import Counted, count
from helpdesk.sla.regime_in_force import Regimes
from helpdesk.sla.regime_rules import Rule

log = structlog.get_logger()


def add(uow: UnitOfWork, rows: Sequence[dict[str, Any]]) -> None:
    """New clocks of a complaint that is there already. At once: what is chosen anew in the same unit of work finds them."""
    clocks_ = [Clock(**row) for row in rows]
    transitions.begun(uow, clocks_)
    uow.session.add_all(clocks_)
    uow.session.flush()


def rule_of(session: Session, clock: Clock) -> Rule:
    """The version that made it. Raises LookupError for a clock of a policy."""
    if clock.rule_id is None or clock.rule_version is None:
        raise LookupError(f"clock {clock.id} is no regulator's")
    return regime_in_force.rule_version(session, clock.rule_id, clock.rule_version)


def counted_first(session: Session, clock: Clock) -> Counted:
    """What the version of the rule that made the clock gives from its start, before any notice moved it."""
    calendars = regime_in_force.in_force(session).calendars
    return count(rule_of(session, clock), clock.started_at, clock.timezone or "UTC", calendars)


def terms(
    regimes: Regimes,
    rule: Rule,
    start: datetime,
    now: datetime,
    jurisdiction: str | None,
    *,
    given: Mapping[int, datetime] = MappingProxyType({}),
) -> dict[str, Any] | None:
    """What a new clock of the rule promises: see `clock_terms.new_clock`. None where it cannot be computed: settings refuse that
    (`regime_limits`), and one that is there all the same keeps no complaint from being taken in. `helpdesk verify clocks` names it.
    `given`: see `extended`.
    """
    start = start.replace(microsecond=0)
    try:
        counted = count(rule, start, rule.zone(jurisdiction), regimes.calendars)
        number, counted = extended(rule, counted, start, given)
        return _columns(rule, counted, start, now) | {"extensions": number}
    except BusinessTimeError:
        log.exception("a regulator's clock cannot be computed", rule=rule.id, version=rule.version)
        return None


def extended(rule: Rule, counted: Counted, start: datetime, given: Mapping[int, datetime]) -> tuple[int, Counted]:
    """What notices make of what a rule counts from a start: how many count, and until when. `given`: number of the notice -> when it
    was given; one that came after the deadline as it was then moves nothing, nor do those after it.
    """
    number, target = 0, counted.target
    for _, at in sorted(given.items()):
        promise = _promised(rule, replace(counted, target=target))
        due = clock_terms.standing(promise, start.replace(microsecond=0), waits=(), now=start)["due_at"]
        if number == len(rule.extensions) or at >= due:
            break
        target = replace(target, amount=rule.extensions[number].amount(int(target.amount)))
        number += 1
    return number, replace(counted, target=target)


def _promised(rule: Rule, counted: Counted) -> Promise:
    working = counted.working
    return Promise(
        counted.target,
        Conventions(pausable=False),
        rungs_at(rule.thresholds, rule.ladder),
        None if working is None else working.id,
        None if working is None else working.version,
        counted.calendar,
    )


def _columns(rule: Rule, counted: Counted, start: datetime, now: datetime) -> dict[str, Any]:
    promise = _promised(rule, counted)
    return clock_values(
        kind=rule.id,
        rule_id=rule.id,
        rule_version=rule.version,
        timezone=counted.timezone,
        started_at=start,
        **clock_terms.as_columns(promise),
        **clock_terms.standing(promise, start, waits=(), now=now),
    )


def stopped(uow: UnitOfWork, row: dict[str, Any], at: datetime) -> dict[str, Any]:
    """A new row that is stopped already: what ended it was known before it was found to count. Late, it was broken, which is
    said with the beginning. The complaint is locked, or is being born.
    """
    transitions.begun(uow, [row])
    counted_on = clock_terms.calendar_of(uow.session, Clock(**row))
    due: datetime = row["due_at"]
    used = clocks.used_between(counted_on, row["started_at"], at)
    row = {**row, "stopped_at": at, "elapsed_seconds": used, **rings_next(None, None)}
    if at <= due:
        return {**row, "state": "met"}
    alarms.note_breach(uow, Clock(**row), due, uow.now, owed=False)
    transitions.is_told(uow, {**row, "state": "breached", "breached_at": due})
    return {**row, "state": "breached", "breached_at": due}


def carried_over(session: Session, clock: Clock, complaint_id: UUID, round_: int, now: datetime) -> dict[str, Any]:
    """The same promise, from its old start, as it was extended, as a new row: for another round, or another complaint."""
    promise = clock_terms.promise_of(session, clock)
    same = {name: getattr(clock, name) for name in ("kind", "rule_id", "rule_version", "timezone", "extensions")}
    stands = clock_terms.standing(promise, clock.started_at, waits=(), now=now)
    terms = clock_values(**same, started_at=clock.started_at, **clock_terms.as_columns(promise), **stands)
    return clock_terms.new_clock(complaint_id, terms, round_)


def extensions_of(uow: UnitOfWork, clock: Clock, start: datetime, given: Mapping[int, datetime]) -> int:
    """How many of these notices count of a clock that counts from then."""
    return extended(rule_of(uow.session, clock), _counted_from(uow, clock, start), start, given)[0]


def _counted_from(uow: UnitOfWork, clock: Clock, start: datetime) -> Counted:
    calendars = regime_in_force.in_force(uow.session).calendars
    return count(rule_of(uow.session, clock), start, clock.timezone or "UTC", calendars)


def restart(uow: UnitOfWork, clock: Clock, start: datetime, given: Mapping[int, datetime] | None = None) -> None:
    """`clocks.restart` of a regulator's clock, with what its rule gives from there. `given`: the notices that are to count, see
    `extended`; None: those that did.
    """
    transitions.watch(uow, clock)
    clocks.ring(uow, clock, uow.now)
    if given is None:
        _retarget(uow, clock, start)
    else:
        number, counted = extended(rule_of(uow.session, clock), _counted_from(uow, clock, start), start, given)
        clock.extensions = 0
        _retarget(uow, clock, start)
        clock.extensions = number
        clock.target_amount, clock.target_unit = int(counted.target.amount), counted.target.unit
    clocks.restart(uow, clock, start, (), uow.now)


def recount(uow: UnitOfWork, clock: Clock, regimes: Regimes) -> None:
    """By its calendar of now, and by the version of its rule that made it. An open clock that would not be broken by that runs
    again.
    """
    clocks.ring(uow, clock, uow.now)
    if clock.stopped_at is not None or clock.state not in {"running", "breached"}:
        return
    promise = _promise_now(uow.session, clock, regimes)
    if promise == clock_terms.promise_of(uow.session, clock):
        return
    due = clock_terms.standing(promise, clock.started_at, waits=(), now=uow.now)["due_at"]
    if clock.state == "running" or due > uow.now:
        clocks.go_by(uow, clock, promise, (), uow.now)


def _promise_now(session: Session, clock: Clock, regimes: Regimes) -> Promise:
    """What notices extended stays so, in the days that they gave."""
    rule, zone = rule_of(session, clock), clock.timezone or "UTC"
    present = clock_terms.promise_of(session, clock)
    if not clock.extensions:
        return _promised(rule, count(rule, clock.started_at, zone, regimes.calendars))
    working = regimes.calendars.get(rule.calendar or "")
    if clock.calendar_id is None or working is None or working.id != clock.calendar_id:
        return present
    return _promised(rule, Counted(present.target, working, zone))


def _retarget(uow: UnitOfWork, clock: Clock, start: datetime) -> None:
    """Let the row say what its rule gives from another start: months are other days, and hours may end on a day off. What it
    was extended by stays. Its calendar stays in the version that it has.
    """
    rule = rule_of(uow.session, clock)
    if clock.extensions or rule.unit not in {"months", "hours", "minutes"}:
        return
    regimes = regime_in_force.in_force(uow.session)
    counted = count(rule, start, clock.timezone or "UTC", regimes.calendars)
    clock.target_amount, clock.target_unit = int(counted.target.amount), counted.target.unit
    clock.calendar_id = None if counted.working is None else counted.working.id
    clock.calendar_version = None if counted.working is None else counted.working.version
