"""Business time by brute force: every UTC minute is looked at once, and every second at which a pause begins or ends.

Shares no arithmetic with `helpdesk.sla.business_time`: it never turns a wall time into UTC. It walks UTC minute by
minute, asks the zone what the clock on the wall shows, and decides from that whether the minute is open.

The documented semantics are that a shift is `[utc(start), utc(end))`, fold=0, gap times moved forward by the gap. Said
for somebody who watches the wall clock:

- A wall time is reached (fold=0) when the clock first shows it or more. So what counts is not the time shown but the
  latest time shown so far: while an hour repeats, the watcher's clock stands still.
- A wall time that is never shown lies in a gap; it means the time shown as long after the gap as it lies inside.
- A date that is never shown has no shifts.

Only for zones and dates with whole-minute offsets (everything after 1972).
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from itertools import accumulate, groupby
from typing import Literal
from zoneinfo import ZoneInfo

from helpdesk.sla.business_time import Boundary, BusinessDay, CalendarDay
from helpdesk.sla.calendar_spec import Calendar, Interval

Breaks = list[tuple[int, int]]
Kind = Literal["counted", "paused", "closed"]


class BeyondTheTableError(Exception):
    """The answer lies after the last minute looked at."""


@dataclass(frozen=True)
class WallClock:
    """What the wall shows at each UTC minute from `first` on, in minutes since year 1, and the latest shown so far."""

    first: int
    shown: list[int]
    latest: list[int]
    first_seen: dict[int, int]

    def meant(self, wall_minute: int) -> int:
        """The minute itself, or where it moves to when it is never shown."""
        if wall_minute in self.first_seen:
            return wall_minute
        after = self.latest[bisect_left(self.latest, wall_minute)]
        before = self.latest[bisect_left(self.latest, wall_minute) - 1] + 1
        return wall_minute + (after - before)


def minutes_of(day: date) -> int:
    return day.toordinal() * 1440


@lru_cache(maxsize=16)  # 4 MB each
def watch(timezone: str, first_day: date, days: int) -> WallClock:
    first = int(datetime(first_day.year, first_day.month, first_day.day, tzinfo=UTC).timestamp()) // 60
    shown = [now for day in range(days) for now in watch_a_day(timezone, first + day * 1440)]
    first_seen: dict[int, int] = {}
    for minute, now in enumerate(shown):
        first_seen.setdefault(now, minute)
    return WallClock(first, shown, list(accumulate(shown, max)), first_seen)


@lru_cache(maxsize=1024)
def watch_a_day(timezone: str, first: int) -> list[int]:
    """What the wall shows at each minute of a UTC day."""
    zone = ZoneInfo(timezone)
    walls = (datetime.fromtimestamp((first + minute) * 60, zone) for minute in range(1440))
    return [wall.toordinal() * 1440 + wall.hour * 60 + wall.minute for wall in walls]


def shifts_on(calendar: Calendar, day: date) -> tuple[Interval, ...]:
    """Said without the program's own `hours_on`."""
    holding = [season.calendar for season in calendar.seasons if season.first <= day <= season.last]
    said = holding[0] if holding else calendar
    if day in said.working_days:
        return said.weekly_hours.get(said.working_days[day], ())
    return () if day in said.holidays else said.weekly_hours.get(day.weekday(), ())


class Oracle:
    """One calendar over `days` UTC days from `first_day`; of the last three it knows nothing for sure."""

    def __init__(self, calendar: Calendar, first_day: date, days: int) -> None:
        self.clock = watch(calendar.timezone, first_day, days)
        self.open = [False] * len(self.clock.shown)
        self.closing: dict[date, int] = {}  # working day -> first second after its last open minute
        self.days = [date.fromordinal(ordinal) for ordinal in sorted({wall // 1440 for wall in self.clock.shown})]
        owners: dict[int, list[tuple[int, int, date]]] = {}
        for day in self.days:
            for interval in shifts_on(calendar, day):
                # "End not after start" and "end beyond 1440" said without the program's own helper.
                overnight = 1440 if interval.end_minute <= interval.start_minute else 0
                opens = minutes_of(day) + interval.start_minute
                closes = minutes_of(day) + interval.end_minute + overnight
                if closes <= self.clock.latest[-1]:
                    owners.setdefault(day.toordinal(), []).append(
                        (self.clock.meant(opens), self.clock.meant(closes), day)
                    )
        today, candidates = 0, []
        for index, wall in enumerate(self.clock.latest):
            if wall // 1440 != today:
                today = wall // 1440
                # Hours of the date shown and of those before it: a night shift, one over a skipped date.
                candidates = [owner for ordinal in range(today - 2, today + 1) for owner in owners.get(ordinal, ())]
            for opens, closes, day in candidates:
                if opens <= wall < closes:
                    self.open[index] = True
                    self.closing[day] = (self.clock.first + index + 1) * 60
        self.working_days = sorted(self.closing)
        # A shift that closes beyond the table is not in it, and may begin days before its end.
        self.known = len(self.open) - 3 * 1440

    def kinds(self, begin: int, end: int, breaks: Breaks) -> Iterator[tuple[int, int, Kind]]:
        """Stretches of one kind, at most a minute each, in order."""
        at = begin
        edges = sorted({edge for pause in breaks for edge in pause})
        while at < end:
            minute = at // 60
            if minute - self.clock.first >= self.known:
                raise BeyondTheTableError
            while edges and edges[0] <= at:
                edges.pop(0)
            upto = min((minute + 1) * 60, end, *edges[:1])
            if not self.open[minute - self.clock.first]:
                yield at, upto, "closed"
            elif any(pause <= at < resume for pause, resume in breaks):
                yield at, upto, "paused"
            else:
                yield at, upto, "counted"
            at = upto

    def elapsed(self, begin: int, end: int, breaks: Breaks) -> int:
        return sum(upto - at for at, upto, kind in self.kinds(begin, end, breaks) if kind == "counted")

    def stretches(self, begin: int, end: int, breaks: Breaks) -> list[tuple[int, int, Kind]]:
        runs = [list(run) for _, run in groupby(self.kinds(begin, end, breaks), key=lambda piece: piece[2])]
        return [(run[0][0], run[-1][1], run[0][2]) for run in runs]

    def advance(self, begin: int, seconds: int, breaks: Breaks, boundary: Boundary) -> int:
        due = begin
        for at, upto, kind in self._onwards(begin, breaks) if seconds else ():
            if kind == "counted":
                due = at + min(upto - at, seconds)
                seconds -= due - at
                if not seconds:
                    break
        if boundary == "earliest":
            return due
        return next(at for at, _, kind in self._onwards(due, breaks) if kind == "counted")

    def business_days(self, begin: int, days: int, breaks: Breaks, convention: BusinessDay) -> int:
        """Days from one up."""
        received = date.fromordinal(self._shown(begin) // 1440)
        later = [day for day in self.working_days if day > received]
        # The last date's close may lie beyond the table: do not answer from it.
        if len(later) <= days:
            raise BeyondTheTableError
        day = later[days - 1]
        if convention == "close_of_nth_day":
            due = self.closing[day]
        elif convention == "same_time_nth_day":
            due = self._same_time(begin, day)
        else:
            due = self._after(day)
        used = [self.elapsed(begin, due, breaks), self.elapsed(begin, due, [])]
        return self.advance(due, used[1] - used[0], breaks, "earliest")

    def calendar_days(self, begin: int, days: int, convention: CalendarDay) -> int:
        """Days from one up."""
        received = date.fromordinal(self._shown(begin) // 1440)
        later = [day for day in self.days if day > received]
        if len(later) <= days:
            raise BeyondTheTableError
        day = later[days - 1]
        return self._after(day) if convention == "end_of_nth_day" else self._same_time(begin, day)

    def _shown(self, at: int) -> int:
        return self.clock.shown[at // 60 - self.clock.first]

    def _onwards(self, begin: int, breaks: Breaks) -> Iterator[tuple[int, int, Kind]]:
        return self.kinds(begin, 1 << 62, breaks)

    def _same_time(self, begin: int, day: date) -> int:
        wall = minutes_of(day) + self._shown(begin) % 1440
        return (self.clock.first + self.clock.first_seen[self.clock.meant(wall)]) * 60 + begin % 60

    def _after(self, day: date) -> int:
        """The first minute at which the wall has shown the end of the day."""
        return (self.clock.first + bisect_left(self.clock.latest, minutes_of(day) + 1440)) * 60
