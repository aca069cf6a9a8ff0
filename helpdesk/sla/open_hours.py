"""A calendar's open hours as sorted epoch seconds: what `business_time` counts with.

Nothing else needs it: ask `business_time`. Every search ends `SEARCH_DAYS` after its start.

Speed: local dates are converted in blocks of 128 and united in windows of 2**23 seconds (97 days) with running sums, so
that a warm call is a few bisections. Blocks are cached by calendar value; building one twice in two threads is harmless.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from helpdesk.sla.calendar_spec import (
    EPOCH_ORDINAL,
    FIRST_ORDINAL,
    LAST_ORDINAL,
    SECONDS_PER_DAY,
    Calendar,
    date_exists,
    shifts_starting_on,
    wall_clock_to_epoch,
)

SEARCH_DAYS = 14_610  # forty years: longer than any promise, short enough to answer at once
SEARCH_SECONDS = SEARCH_DAYS * SECONDS_PER_DAY
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST_SECOND = int(datetime.max.replace(tzinfo=UTC, microsecond=0).timestamp())

T = TypeVar("T")

_BLOCK_BITS = 7  # local dates per block: 128
_WINDOW_BITS = 23  # seconds per window: 97 days
_MAX_CACHED = 256  # blocks and windows kept per calendar: more than the widest search touches


class BusinessTimeError(ValueError):
    """Base of what this module refuses."""


class CalendarExhaustedError(BusinessTimeError):
    """The answer lies beyond the bound of the search: the calendar is (nearly) never open, or the amount is absurd."""

    def __init__(self, calendar: Calendar, after: int) -> None:
        self.calendar = calendar.label
        self.bound_days = SEARCH_DAYS
        begin = EPOCH + timedelta(seconds=after)
        super().__init__(
            f"{f'calendar {calendar.name!r}' if calendar.name else 'the calendar'} gives no answer within {SEARCH_DAYS} days after {begin:%Y-%m-%d %H:%M:%S} UTC:"
            " check its hours, its holidays and the amount of the target"
        )


def union(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """In order, joined where they touch or overlap, empty ones dropped."""
    united: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if start >= end:
            continue
        if united and start <= united[-1][1]:
            united[-1] = (united[-1][0], max(end, united[-1][1]))
        else:
            united.append((start, end))
    return united


class _Block(NamedTuple):
    """128 local dates, by ordinal: those that exist, those that work, when each of these closes, and all shifts."""

    local_days: list[int]
    working_days: list[int]
    closes: dict[int, int]
    shifts: list[tuple[int, int]]


class _Window(NamedTuple):
    """The open stretches within 2**23 seconds, and the open seconds of the window up to each one's start and end."""

    starts: list[int]
    ends: list[int]
    before: list[int]
    after: list[int]

    @property
    def total(self) -> int:
        return self.after[-1] if self.after else 0

    def open_until(self, at: int) -> int:
        index = bisect_right(self.starts, at) - 1
        return self.before[index] + min(at, self.ends[index]) - self.starts[index] if index >= 0 else 0


class OpenHours:
    """A calendar compiled on demand into sorted epoch seconds.

    Safe in threads without a lock: an entry is complete before it is stored and never changed after; losing a race
    or an entry costs a rebuild.
    """

    def __init__(self, calendar: Calendar) -> None:
        self.calendar = calendar
        self.zone = ZoneInfo(calendar.timezone)
        self._blocks: dict[int, _Block] = {}
        self._windows: dict[int, _Window] = {}

    def wall_clock(self, at: int) -> tuple[int, int]:
        """The local date (ordinal) and the wall-clock seconds since its midnight."""
        if not FIRST_ORDINAL < at // SECONDS_PER_DAY + EPOCH_ORDINAL < LAST_ORDINAL:
            raise CalendarExhaustedError(self.calendar, at)
        wall = datetime.fromtimestamp(at, self.zone)
        return wall.toordinal(), wall.hour * 3600 + wall.minute * 60 + wall.second

    def at(self, ordinal: int, second: int) -> int:
        return wall_clock_to_epoch(self.zone, ordinal, second)

    def open_seconds(self, begin: int, end: int) -> int:
        """Open seconds in `[begin, end)`; zero when that is empty."""
        if begin >= end:
            return 0
        self._check_bound(begin, end)
        first, last = begin >> _WINDOW_BITS, end >> _WINDOW_BITS
        whole = sum(self._window(index).total for index in range(first, last))
        return whole + self._window(last).open_until(end) - self._window(first).open_until(begin)

    def open_spans(self, begin: int, end: int) -> list[tuple[int, int]]:
        """The open stretches of `[begin, end)`, in order."""
        if begin >= end:
            return []
        self._check_bound(begin, end)
        windows = (self._window(index) for index in range(begin >> _WINDOW_BITS, (end >> _WINDOW_BITS) + 1))
        return union(
            (max(opens, begin), min(closes, end))
            for window in windows
            for opens, closes in zip(window.starts, window.ends, strict=True)
        )

    def use_up(self, begin: int, seconds: int) -> int:
        """The earliest instant at which so many (at least one) open seconds have passed since `begin`."""
        index = begin >> _WINDOW_BITS
        window = self._window(index)
        left = seconds + window.open_until(begin)
        while left > window.total:
            left -= window.total
            index += 1
            self._check_bound(begin, index << _WINDOW_BITS)
            window = self._window(index)
        found = bisect_left(window.after, left)
        return self._check_bound(begin, window.starts[found] + left - window.before[found])

    def next_open(self, begin: int) -> int:
        index = begin >> _WINDOW_BITS
        while True:
            window = self._window(index)
            found = bisect_right(window.ends, begin)
            if found < len(window.ends):
                return self._check_bound(begin, max(begin, window.starts[found]))
            index += 1
            self._check_bound(begin, index << _WINDOW_BITS)

    def nth_working_day(self, begin: int, ordinal: int, count: int) -> int:
        """The Nth working day (N from one) after a local date; `begin` is where the whole search began."""
        return self._nth(begin, ordinal, count, lambda block: block.working_days)

    def nth_working_day_before(self, begin: int, ordinal: int, count: int) -> int:
        """The Nth working day (N from one) before a local date; `begin` is where the whole search began."""
        index, days = ordinal >> _BLOCK_BITS, self._block(ordinal >> _BLOCK_BITS).working_days
        there, left = bisect_left(days, ordinal), count
        while left > there:
            left -= there
            index -= 1
            if ((index + 1) << _BLOCK_BITS) < max(ordinal - SEARCH_DAYS, FIRST_ORDINAL):
                raise CalendarExhaustedError(self.calendar, begin)
            days = self._block(index).working_days
            there = len(days)
        return days[there - left]

    def nth_local_day(self, begin: int, ordinal: int, count: int) -> int:
        """The Nth local date (N from one) after a local date, not counting those that the zone skipped."""
        return self._nth(begin, ordinal, count, lambda block: block.local_days)

    def close_of(self, working_day: int) -> int:
        return self._block(working_day >> _BLOCK_BITS).closes[working_day]

    def _nth(self, begin: int, ordinal: int, count: int, days_of: Callable[[_Block], list[int]]) -> int:
        index = ordinal >> _BLOCK_BITS
        days = days_of(self._block(index))
        left = count + bisect_right(days, ordinal)
        while left > len(days):
            left -= len(days)
            index += 1
            if (index << _BLOCK_BITS) > ordinal + SEARCH_DAYS:
                raise CalendarExhaustedError(self.calendar, begin)
            days = days_of(self._block(index))
        found = days[left - 1]
        if found > ordinal + SEARCH_DAYS:
            raise CalendarExhaustedError(self.calendar, begin)
        return found

    def _check_bound(self, begin: int, reached: int) -> int:
        if reached > min(begin + SEARCH_SECONDS, LAST_SECOND):
            raise CalendarExhaustedError(self.calendar, begin)
        return reached

    def _block(self, index: int) -> _Block:
        block = self._blocks.get(index)
        return block if block is not None else _remember(self._blocks, index, self._build_block(index))

    def _window(self, index: int) -> _Window:
        window = self._windows.get(index)
        return window if window is not None else _remember(self._windows, index, self._build_window(index))

    def _build_block(self, index: int) -> _Block:
        block = _Block([], [], {}, [])
        first = max(index << _BLOCK_BITS, FIRST_ORDINAL)
        last = min((index + 1) << _BLOCK_BITS, LAST_ORDINAL + 1)
        for ordinal in range(first, last):
            if not date_exists(self.zone, ordinal):
                continue
            block.local_days.append(ordinal)
            shifts = shifts_starting_on(self.calendar, self.zone, ordinal)
            if shifts:
                block.working_days.append(ordinal)
                block.closes[ordinal] = max(closes for _, closes in shifts)
                block.shifts.extend(shifts)
        return block

    def _build_window(self, index: int) -> _Window:
        begin, end = index << _WINDOW_BITS, (index + 1) << _WINDOW_BITS
        # A shift that reaches into the window starts on a local date at most three days off the UTC date of its edges:
        # a day for the zone, a day for the night shift, a day for a skipped date.
        first = (begin // SECONDS_PER_DAY + EPOCH_ORDINAL - 3) >> _BLOCK_BITS
        last = (end // SECONDS_PER_DAY + EPOCH_ORDINAL + 3) >> _BLOCK_BITS
        open_spans = union(
            (max(opens, begin), min(closes, end))
            for number in range(first, last + 1)
            for opens, closes in self._block(number).shifts
        )
        after = list(accumulate(closes - opens for opens, closes in open_spans))
        return _Window(
            starts=[opens for opens, _ in open_spans],
            ends=[closes for _, closes in open_spans],
            before=[0, *after[:-1]] if after else [],
            after=after,
        )


def _remember(cache: dict[int, T], index: int, made: T) -> T:
    if len(cache) >= _MAX_CACHED:
        cache.clear()
    cache[index] = made
    return made


@lru_cache(maxsize=256)
def open_hours(calendar: Calendar) -> OpenHours:
    return OpenHours(calendar)
