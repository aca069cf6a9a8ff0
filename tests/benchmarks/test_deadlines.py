"""How fast a deadline is computed, and whether a longer promise takes longer; beside a loop over the days, in the same run.

The loop is what one writes by hand: local dates one after the other, holidays looked up, each shift's ends converted. It gives
the same answers (asserted), so the two do the same work. Nothing is asserted of the time itself.
"""

import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from datetime import time as wall_time
from functools import partial
from statistics import median
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import pytest

from helpdesk.sla import public_holidays
from helpdesk.sla.business_time import Target, due_at
from helpdesk.sla.calendar_spec import Calendar, Interval

pytestmark = pytest.mark.bench

ROUNDS: Final = 7
STARTS: Final = 4_000
WANTED: Final = 20_000
LENGTHS: Final = (1, 5, 15, 60, 120, 250)
NOON_BREAK: Final = (Interval(9 * 60, 12 * 60), Interval(13 * 60, 17 * 60))


def office() -> Calendar:
    """Two shifts a day in Berlin, with 21 years of its holidays."""
    wanted = {"country": "DE", "subdivision": "BE", "categories": ["public"], "observed": True, "without": []}
    days = public_holidays.expand(wanted, {}, 2026)["holidays"]
    return Calendar(
        "Europe/Berlin", dict.fromkeys(range(5), NOON_BREAK), frozenset(date.fromisoformat(day) for day in days)
    )


def day_by_day(calendar: Calendar, days: int, start: datetime) -> datetime:
    """The close of the Nth working day after the day of receipt."""
    zone = ZoneInfo(calendar.timezone)
    day, left = start.astimezone(zone).date(), days
    while left:
        day += timedelta(days=1)
        if day not in calendar.holidays and calendar.weekly_hours.get(day.weekday()):
            left -= 1
    closes = max(shift.until_minute for shift in calendar.weekly_hours[day.weekday()])
    return datetime.combine(day, wall_time(closes // 60, closes % 60), zone).astimezone(UTC)


def minute_budget(calendar: Calendar, minutes: int, start: datetime) -> datetime:
    """The instant at which so many business minutes are used up, shift by shift."""
    zone = ZoneInfo(calendar.timezone)
    day, left = start.astimezone(zone).date(), minutes * 60
    while True:
        if day not in calendar.holidays:
            for shift in calendar.weekly_hours.get(day.weekday(), ()):
                midnight = datetime.combine(day, wall_time())
                opens, closes = (
                    (midnight + timedelta(minutes=minute)).replace(tzinfo=zone).astimezone(UTC)
                    for minute in (shift.start_minute, shift.until_minute)
                )
                since = max(opens, start)
                there = (closes - since).total_seconds()
                if there >= left:
                    return since + timedelta(seconds=left)
                left -= max(0, int(there))
        day += timedelta(days=1)


def starts() -> list[datetime]:
    """Whole minutes of the years around now, the same in every run."""
    dealt = random.Random(15)
    first = datetime(2024, 1, 1, tzinfo=UTC)
    return [first + timedelta(minutes=dealt.randrange(3 * 365 * 1440)) for _ in range(STARTS)]


def rate(compute: Callable[[datetime], datetime], given: Sequence[datetime]) -> float:
    """Deadlines per second."""
    begun = time.perf_counter()
    for start in given:
        compute(start)
    return len(given) / (time.perf_counter() - begun)


class Row(NamedTuple):
    """One kind of deadline, by us and by the loop."""

    name: str
    target: Target
    loop: Callable[[datetime], datetime]


def rows(calendar: Calendar) -> list[Row]:
    by_days = [
        Row(f"{days} business days", Target(days, "business_days"), partial(day_by_day, calendar, days))
        for days in LENGTHS
    ]
    by_minutes = [
        Row(f"{days * 420} minutes", Target(days * 420, "minutes"), partial(minute_budget, calendar, days * 420))
        for days in LENGTHS
    ]
    return by_days + by_minutes


def test_deadlines_per_second(capsys: pytest.CaptureFixture[str]) -> None:
    """Every row once in each round, so that a slow second of the machine is in all of them alike."""
    calendar, given = office(), starts()
    begun = time.perf_counter()
    due_at(calendar, given[0], Target(250, "business_days"))
    cold = time.perf_counter() - begun
    measured = rows(calendar)
    ours: dict[str, list[float]] = {row.name: [] for row in measured}
    theirs: dict[str, list[float]] = {row.name: [] for row in measured}
    for row in measured:
        for start in given[::40]:
            assert due_at(calendar, start, row.target) == row.loop(start), row.name
    for _ in range(ROUNDS):
        for row in measured:
            ours[row.name].append(rate(partial(_due, calendar, row.target), given))
            theirs[row.name].append(rate(row.loop, given[::40]))
    lines = [f"the first deadline on a calendar: {cold * 1000:.1f} ms"]
    lines.append(f"{'target':>20}{'per second':>12}{'day by day':>12}{'times':>8}")
    for name, found in ours.items():
        ratio = median(one / other for one, other in zip(found, theirs[name], strict=True))
        lines.append(f"{name:>20}{median(found):12,.0f}{median(theirs[name]):12,.0f}{ratio:8.1f}")
    in_days = [median(ours[f"{days} business days"]) for days in LENGTHS]
    lines.append(f"from 1 to 250 business days: the slowest 1, the fastest {max(in_days) / min(in_days):.2f}")
    missed = "" if in_days[LENGTHS.index(15)] >= WANTED else " MISSED"
    lines.append(f"15 business days: wanted >= {WANTED:,}/s{missed}")
    with capsys.disabled():
        print("\n" + "\n".join(lines))


def _due(calendar: Calendar, target: Target, start: datetime) -> datetime:
    return due_at(calendar, start, target)
