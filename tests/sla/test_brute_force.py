"""The brute-force oracle over many zones: a few hundred random cases in the ordinary run, 20 000 in the long one (`make
test-fire ARGS="-k long_agreement"`).
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpdesk.sla.business_time import (
    Boundary,
    BusinessDay,
    CalendarDay,
    Conventions,
    Target,
    due_at,
    elapsed,
    remaining,
    segments,
    threshold_at,
)
from helpdesk.sla.calendar_spec import Calendar, Interval, Season
from tests.sla.oracle import BeyondTheTableError, Oracle

# The oracle: examples per zone.

EXAMPLES = 8
MANY = 550  # of 37 zones: 20 350
DAYS = 18  # looked at minute by minute
ZONES = [
    "Africa/Cairo", "Africa/Casablanca", "America/Asuncion", "America/Caracas", "America/Havana", "America/Los_Angeles",
    "America/New_York", "America/Nuuk", "America/Santiago", "America/Sao_Paulo", "America/Scoresbysund",
    "America/St_Johns", "Antarctica/Troll", "Asia/Amman", "Asia/Beirut", "Asia/Dhaka", "Asia/Gaza", "Asia/Kathmandu",
    "Asia/Kolkata", "Asia/Pyongyang", "Asia/Shanghai", "Asia/Tehran", "Atlantic/Azores", "Australia/Lord_Howe",
    "Australia/Sydney", "Europe/Berlin", "Europe/Dublin", "Europe/Istanbul", "Europe/London", "Europe/Moscow",
    "Europe/Volgograd", "Pacific/Apia", "Pacific/Auckland", "Pacific/Chatham", "Pacific/Easter", "Pacific/Kiritimati",
    "UTC",
]  # fmt: skip


@lru_cache(maxsize=64)
def clock_changes(zone_name: str) -> list[date]:
    zone = ZoneInfo(zone_name)
    days = [date(2005, 1, 1) + timedelta(days=number) for number in range(33 * 365)]
    offsets = [datetime.combine(day, time(), UTC).astimezone(zone).utcoffset() for day in days]
    return [day for day, (before, after) in zip(days, pairwise(offsets), strict=False) if before != after]


@dataclass(frozen=True)
class Case:
    calendar: Calendar
    first_day: date
    start: int
    end: int
    breaks: list[tuple[int, int]]

    @property
    def pauses(self) -> list[tuple[datetime, datetime | None]]:
        return [(at(start), at(end)) for start, end in self.breaks]


def at(epoch: int) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)


minute_of_day = st.one_of(st.integers(0, 47).map(lambda half: half * 30), st.integers(0, 1439), st.integers(0, 240))
length = st.one_of(st.integers(1, 1440), st.integers(1, 24).map(lambda hours: hours * 60), st.integers(1, 90))


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    """Up to 24 hours long, overnight in both notations."""
    start = draw(minute_of_day)
    end = start + draw(length)
    return Interval(start, end - 1440 if end > 1440 and draw(st.booleans()) else end)


@st.composite
def cases(draw: st.DrawFn, zone: str) -> Case:
    """A calendar (shifts may even overlap: they are united), preferably near a change of its zone's clock."""
    changes = clock_changes(zone)
    if changes and draw(st.integers(0, 4)) > 0:
        change, days_before = draw(st.tuples(st.sampled_from(changes), st.integers(4, 8)))
        first_day = change - timedelta(days=days_before)
    else:
        first_day = draw(st.dates(date(2005, 1, 1), date(2037, 1, 1)))
    near = st.dates(first_day + timedelta(days=2), first_day + timedelta(days=DAYS - 2))
    shifts = st.one_of(*(st.tuples(*[intervals()] * count) for count in (1, 2, 3)))
    hours = st.dictionaries(st.integers(0, 6), shifts, min_size=3)
    holidays, working_days = st.sets(near, max_size=3), st.dictionaries(near, st.integers(0, 6), max_size=2)
    calendar = Calendar(zone, draw(hours), frozenset(draw(holidays)), draw(working_days))
    if draw(st.integers(0, 3)) == 0:
        first, last = sorted(draw(st.tuples(near, near)))
        season = Season(first, last, replace(calendar, weekly_hours=draw(hours), holidays=frozenset(draw(holidays))))
        calendar = replace(calendar, seasons=(season,))
    base = int(datetime.combine(first_day, time(), UTC).timestamp())
    moment = st.one_of(st.integers(3 * 86400, 8 * 86400), st.integers(6 * 1440, 16 * 1440).map(lambda half: half * 30))
    start = base + draw(moment)
    end = start + draw(st.integers(0, 5 * 86400))
    pause = st.tuples(st.integers(-7200, 4 * 86400), st.integers(0, 86400)).map(
        lambda pair: (start + pair[0], start + pair[0] + pair[1])
    )
    return Case(calendar, first_day, start, end, draw(st.lists(pause, max_size=3)))


def check_spans(case: Case, oracle: Oracle) -> None:
    found = segments(case.calendar, at(case.start), at(case.end), case.pauses)
    expected_spans = oracle.stretches(case.start, case.end, case.breaks)
    assert [(each.start, each.end, each.kind) for each in found] == [
        (at(a), at(b), kind) for a, b, kind in expected_spans
    ]
    for since, until, kind in expected_spans:
        expected = until - since if kind == "counted" else 0
        assert elapsed(case.calendar, at(since), at(until), case.pauses) == expected
    counted = elapsed(case.calendar, at(case.start), at(case.end), case.pauses)
    assert counted == oracle.elapsed(case.start, case.end, case.breaks)


def check_minutes(case: Case, oracle: Oracle, seconds: int, boundary: Boundary) -> None:
    target, conventions = Target(Decimal(seconds) / 60, "minutes"), Conventions(boundary)
    expected = oracle.advance(case.start, seconds, case.breaks, boundary)
    due = due_at(case.calendar, at(case.start), target, case.pauses, conventions)
    assert due == at(expected)
    assert elapsed(case.calendar, at(case.start), due, case.pauses) == seconds
    used = oracle.elapsed(case.start, case.end, case.breaks)
    now = at(case.end)
    assert remaining(case.calendar, at(case.start), target, now, case.pauses, conventions=conventions) == seconds - used
    for percent in (50, 75, 90) if seconds else ():
        share = -(-seconds * percent // 100)
        alarm = threshold_at(case.calendar, at(case.start), due, percent, case.pauses)
        assert alarm == at(oracle.advance(case.start, share, case.breaks, "earliest"))


def check_business_days(case: Case, oracle: Oracle, days: int, conventions: Conventions) -> None:
    breaks = case.breaks if conventions.pausable else []
    expected = oracle.business_days(case.start, days, breaks, conventions.business_day)
    target = Target(days, "business_days")
    assert due_at(case.calendar, at(case.start), target, case.pauses, conventions) == at(expected)


def check_calendar_days(case: Case, oracle: Oracle, days: int, conventions: Conventions) -> None:
    expected = oracle.calendar_days(case.start, days, conventions.calendar_day)
    target = Target(days, "calendar_days")
    assert due_at(case.calendar, at(case.start), target, case.pauses, conventions) == at(expected)


CONVENTIONS = st.builds(
    Conventions,
    st.sampled_from(get_args(Boundary)),
    st.sampled_from(get_args(BusinessDay)),
    st.sampled_from(get_args(CalendarDay)),
    st.booleans(),
)


def agreements(zone: str, examples: int) -> int:
    """Compare so many random cases of a zone; how many there were."""
    seen = 0

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(cases(zone), st.integers(0, 3 * 86400), st.integers(1, 6), CONVENTIONS)
    def agrees(case: Case, seconds: int, days: int, conventions: Conventions) -> None:
        nonlocal seen
        seen += 1
        oracle = Oracle(case.calendar, case.first_day, DAYS)
        check_spans(case, oracle)
        # Where the answer lies beyond the oracle's table there is nothing to compare.
        with suppress(BeyondTheTableError):
            check_minutes(case, oracle, seconds, conventions.boundary)
        with suppress(BeyondTheTableError):
            check_business_days(case, oracle, days, conventions)
        with suppress(BeyondTheTableError):
            check_calendar_days(case, oracle, days, conventions)

    agrees()
    return seen


class TestAgainstBruteForce:
    @pytest.mark.parametrize("zone", ZONES)
    def test_agrees(self, zone: str) -> None:
        agreements(zone, EXAMPLES)

    @pytest.mark.fire
    @pytest.mark.timeout(3600)
    @pytest.mark.parametrize("zone", ZONES)
    def test_long_agreement(self, zone: str) -> None:
        assert agreements(zone, MANY) >= MANY
