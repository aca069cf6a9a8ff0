"""An agent's working hours: local wall times of a week in a zone. Pure; only asks "now?" and "when next?".

For "is somebody at their desk" this is enough. Deadlines are computed on the calendars of the SLA domain, which know
holidays and count business time.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo, available_timezones

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MAX_INTERVALS: Final = 10
_PLAIN = re.compile(r"\d\d:\d\d", re.ASCII)
MIDNIGHT: Final = "24:00"


def is_working(hours: Mapping[str, Any], now: datetime) -> bool:
    """`hours`: as `check` lets through. `now`: with a zone, any."""
    local = now.astimezone(ZoneInfo(hours["timezone"]))
    clock = local.time().replace(tzinfo=None)
    today = hours["weekly"].get(DAYS[local.weekday()], [])
    return any(_time(start) <= clock and (end == MIDNIGHT or clock < _time(end)) for start, end in today)


def next_working(hours: Mapping[str, Any], now: datetime) -> datetime | None:
    """The first moment from `now` on at which they are at work: `now` itself where they are; None: never. In UTC."""
    if is_working(hours, now):
        return now
    zone = ZoneInfo(hours["timezone"])
    today = now.astimezone(zone).date()
    for day in range(8):  # a week on, the same day of the week comes again, with what was past of it today
        date = today + timedelta(days=day)
        for start, _ in sorted(hours["weekly"].get(DAYS[date.weekday()], [])):
            begins = datetime.combine(date, _time(start), zone).astimezone(UTC)
            if begins > now:
                return begins
    return None


def check(timezone: str, weekly: Mapping[str, Sequence[Sequence[str]]]) -> dict[str, str]:
    """What is wrong: place (a JSON pointer below the hours) -> sentence; empty when nothing."""
    wrong = {}
    if timezone not in _zones():
        wrong["/timezone"] = "Write an IANA zone, for example Europe/Berlin."
    for day, intervals in weekly.items():
        for place, interval in enumerate(intervals):
            if not _is_interval(interval):
                wrong[f"/weekly/{day}/{place}"] = (
                    'Write ["09:00", "17:00"], the end after the start, at latest "24:00"; a night shift is two intervals.'
                )
    return wrong


def _is_interval(interval: Sequence[str]) -> bool:
    if len(interval) != 2:  # a start and an end
        return False
    start, end = interval
    try:
        begins = _time(start)
        return end == MIDNIGHT or begins < _time(end)
    except ValueError:
        return False


def _time(text: str) -> time:
    if not _PLAIN.fullmatch(text):  # `fromisoformat` alone takes a zone, or half a time
        raise ValueError(text)
    return time.fromisoformat(text)


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
