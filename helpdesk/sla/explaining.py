"""Why a clock says what it says: the time until its deadline and the time used, cut into what counted and what did not, with
the versions and conventions by which that was done, in numbers and in a sentence.

The counted seconds until the deadline are the target (while paused: those used and those left are), and those until a clock
was stopped are what it used. Calendar days and weeks count all time on the wall; `elapsed_seconds` of such a clock, which is
in business time, is another number.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.sla import (
    accounts,
    clock_terms,
    explain_queries,
    regime_clocks,
    regime_marks,
    regime_shared_queries,
    telling,
)
from helpdesk.sla.accounts import Account
from helpdesk.sla.calendar_spec import Calendar
from helpdesk.sla.models import Clock
from helpdesk.sla.regime_rules import Rule, counting, notice_number


def explain(session: Session, actor: Actor, ref: str, clock_id: UUID, language: str) -> dict[str, Any]:
    """`language`: one of `telling.LANGUAGES`. Raises `NotFound`."""
    known = explain_queries.known_clock(session, actor, ref, clock_id)
    (clock,) = regime_marks.marked(session, [known.clock], known.now)
    calendar = clock_terms.calendar_of(session, clock)
    numbers = figures(clock, calendar, known.now)
    found = {
        "clock": clock,
        "as_of": known.now,
        "policy": _policy(known),
        "rule": clock.regime,
        "calendar": {
            "id": clock.calendar_id,
            "name": known.calendar or calendar.name,
            "version": clock.calendar_version,
            "timezone": calendar.timezone,
        },
        "conventions": clock_terms.conventions_of(clock),
        **_promised(session, clock, calendar),
        **numbers,
        "joined": explain_queries.joined(session, actor, clock),
        "alarms": explain_queries.alarms_of(session, clock.id),
    }
    return {**found, "language": language, "text": telling.told(found, language)}


def _promised(session: Session, clock: Clock, calendar: Calendar) -> dict[str, Any]:
    """What was promised at first, what notices have made of it since, which of them moved nothing, and whether its time is told in days."""
    amount, unit, extensions = clock.target_amount, str(clock.target_unit), list[dict[str, Any]]()
    void = list[datetime]()
    if clock.rule_id is not None:
        rule = regime_clocks.rule_of(session, clock)
        given_at = regime_shared_queries.notice_times(session, clock) if rule.extensions else {}
        if notice_number(clock.kind) is None and clock.state != "cancelled":
            counts = counting(given_at, clock.extensions)
            void = [at for number, at in sorted(given_at.items()) if number not in counts]
        if clock.extensions:
            amount = int(regime_clocks.counted_first(session, clock).target.amount)
            if (
                len(given_at) >= clock.extensions
            ):  # else one came with the clock from elsewhere, and which is told by the numbers
                given_at = dict(enumerate((at for _, at in sorted(given_at.items())), 1))
            extensions = _extensions(rule, amount, clock.extensions, given_at)
        elif (rule.unit, unit) in _AS_STATED:
            amount, unit = rule.amount, rule.unit
    return {
        "promised": {"amount": amount, "unit": unit},
        "extensions": extensions,
        "void_notices": void,
        "whole_days": _in_whole_days(clock, calendar),
    }


_AS_STATED: Final = frozenset({("months", "calendar_days"), ("hours", "minutes")})
"""Units of a rule and what its clocks keep instead: told as the rule says it."""


def _extensions(rule: Rule, amount: int, number: int, given_at: Mapping[int, datetime]) -> list[dict[str, Any]]:
    found = []
    for place, step in enumerate(rule.extensions[:number], 1):
        to = step.amount(amount)
        found.append({"number": place, "added": to - amount, "amount": to, "given_at": given_at.get(place)})
        amount = to
    return found


def _in_whole_days(clock: Clock, calendar: Calendar) -> bool:
    """Whether days of 24 hours tell its time best: all hours of the days that count do."""
    if clock.target_unit != "business_days":
        return not clock_terms.target_of(clock).can_pause
    shifts = [shift for shifts in calendar.weekly_hours.values() for shift in shifts]
    return all((shift.end_minute - shift.start_minute) % 1440 == 0 for shift in shifts)


def figures(clock: Clock, calendar: Calendar, now: datetime) -> dict[str, Any]:
    """The two accounts and their sums."""
    until = clock.stopped_at or now
    used = _account(clock, calendar, until)
    promised = None if clock.due_at is None else _account(clock, calendar, clock.due_at)
    target = promised.seconds.counted if promised is not None else used.seconds.counted + (clock.remaining_seconds or 0)
    return {
        "target_seconds": target,
        "used_seconds": used.seconds.counted,
        "left_seconds": target - used.seconds.counted,
        "until_due": promised,
        "until_now": used,
    }


def _account(clock: Clock, calendar: Calendar, until: datetime) -> Account:
    if not clock_terms.target_of(clock).can_pause:
        return accounts.by_the_wall(clock.started_at, until)
    return accounts.by_calendar(
        calendar, clock.started_at, until, clock_terms.pauses_of(clock) if clock.pausable else ()
    )


def _policy(known: explain_queries.Known) -> dict[str, Any] | None:
    clock = known.clock
    if clock.policy_id is None:
        return None
    made_by = {"id": clock.policy_id, "name": known.policy, "version": clock.policy_version}
    return {**made_by, "severity": clock.severity, "tier": clock.tier}
