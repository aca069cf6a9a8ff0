"""How a rule's time is counted from a start: what the clock's target, calendar and zone are. Pure.

- From the day after the start; due at the end of the last local day in the zone of the jurisdiction. Nothing pauses.
- Business days: working days of the rule's calendar of public holidays. Calendar days, and weeks of seven of them, do not
  roll over holidays.
- Months: the same day of the month, or its last one where it has no such day; kept as the calendar days that these are.
- Hours and minutes: elapsed time, closed days or not. `elapsed_or_business_day`: where they end on a day off, as many
  business days instead (24 hours from a Friday afternoon are Monday).
"""

import calendar as months
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from helpdesk.sla.business_time import Target
from helpdesk.sla.calendar_spec import Calendar
from helpdesk.sla.regime_rules import Rule
from helpdesk.sla.specs import ALWAYS

ELAPSED_OR_BUSINESS_DAY: Final = "elapsed_or_business_day"


@dataclass(frozen=True, slots=True)
class Working:
    """One version of a calendar whose days are a rule's working days."""

    id: UUID
    version: int
    calendar: Calendar


@dataclass(frozen=True, slots=True)
class Counted:
    """What a clock is made of. `working` None: every day counts."""

    target: Target
    working: Working | None
    timezone: str

    @property
    def calendar(self) -> Calendar:
        return calendar_in(None if self.working is None else self.working.calendar, self.timezone)


@lru_cache(maxsize=1024)
def calendar_in(calendar: Calendar | None, timezone: str) -> Calendar:
    """A calendar's days in another zone; without one, every second of every day."""
    if calendar is None:
        return Calendar(timezone, ALWAYS.weekly_hours, name=timezone)
    if calendar.timezone == timezone:
        return calendar
    seasons = tuple(replace(item, calendar=replace(item.calendar, timezone=timezone)) for item in calendar.seasons)
    return replace(calendar, timezone=timezone, seasons=seasons)


def count(rule: Rule, start: datetime, timezone: str, calendars: Mapping[str, Working]) -> Counted:
    """`calendars`: by their codes. Raises LookupError for a rule whose calendar is not there."""
    if rule.unit == "business_days":
        return Counted(Target(rule.amount, "business_days"), _working(rule, calendars), timezone)
    if rule.unit in {"hours", "minutes"}:
        return _elapsed(rule, start, timezone, calendars)
    if rule.unit == "months":
        first = start.astimezone(ZoneInfo(timezone)).date()
        days = (months_after(first, rule.amount) - first).days
        return Counted(Target(days, "calendar_days"), None, timezone)
    return Counted(Target(rule.amount, "weeks" if rule.unit == "weeks" else "calendar_days"), None, timezone)


def _elapsed(rule: Rule, start: datetime, timezone: str, calendars: Mapping[str, Working]) -> Counted:
    minutes = rule.amount * (60 if rule.unit == "hours" else 1)
    if rule.counting == ELAPSED_OR_BUSINESS_DAY:
        working = _working(rule, calendars)
        ends_on = (start + timedelta(minutes=minutes)).astimezone(ZoneInfo(timezone)).date()
        if not calendar_in(working.calendar, timezone).hours_on(ends_on):
            return Counted(Target(max(1, -(-minutes // 1440)), "business_days"), working, timezone)
    return Counted(Target(minutes, "minutes"), None, timezone)


def _working(rule: Rule, calendars: Mapping[str, Working]) -> Working:
    if rule.calendar is None or rule.calendar not in calendars:
        raise LookupError(f"the rule {rule.id} counts working days of a calendar {rule.calendar!r} that is not there")
    return calendars[rule.calendar]


def months_after(day: date, number: int) -> date:
    """`months_after(date(2026, 1, 31), 1)` is 28 February."""
    year, month = divmod(day.month - 1 + number, 12)
    year, month = day.year + year, month + 1
    return date(year, month, min(day.day, months.monthrange(year, month)[1]))
