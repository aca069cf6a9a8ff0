"""Arithmetic on business time: when a target is due, and how much of it has been used.

Use it for every promise about time. Do not add hours to a datetime anywhere else: opening hours, holidays, clock
changes and pauses are all here, once. Pure functions of immutable facts, so that a deadline can always be recomputed.

Instants are aware datetimes; results are in UTC. Arithmetic is in whole epoch seconds: microseconds of the arguments
are dropped. Intervals are half-open. Durations are seconds of business time unless a name says otherwise.

Decisions, where the domain's conventions leave room:

- `minutes` are business minutes. Fractions are rounded to the nearest second, halves up. Zero is due at the start
  (`earliest`) or at the first second that counts (`next_opening`).
- `boundary` speaks of `minutes` and `add_business_seconds` only; with `next_opening` a due time at which nothing counts
  (closed, or paused) moves to the next second that counts.
- Working days: local dates on which a non-empty shift starts. The day of receipt is the local date of the start, open
  or not, and is not counted. Close of business is the end of that date's last shift, possibly the next morning. Zero
  business days: the day of receipt or, when that is no working day (or its close is past), the first one after.
- `end_of_nth_day` is the first instant of the following local day (days are half-open). Zero calendar days: the end of
  the day of receipt. A week is seven local days. A date that the zone skipped is not counted.
- `same_time` keeps the wall-clock time, also one outside opening hours.
- Pauses may overlap (they are united), may reach outside the clock's life (cut off) and may be empty (ignored). A pause
  without an end is still running. Closed time inside a pause is closed, not paused.
- A pausable `business_days` target is extended by the business seconds paused between the start and the due time,
  including those in the extension itself. A pause that has used no business time before the due time moves nothing.
- `calendar_days` and `weeks` (regulatory) never pause.
- No due time lies before its start. Every search ends `SEARCH_DAYS` after its start.

Speed: local dates are converted in blocks of 128 and united in windows of 2**23 seconds (97 days) with running sums, so
that a warm call is a few bisections. Blocks are cached by calendar value; building one twice in two threads is harmless.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate
from math import isfinite
from typing import Literal, NamedTuple, TypeVar, get_args
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

Unit = Literal["minutes", "business_days", "calendar_days", "weeks"]
Boundary = Literal["earliest", "next_opening"]
BusinessDay = Literal["close_of_nth_day", "same_time_nth_day", "end_of_nth_day"]
CalendarDay = Literal["end_of_nth_day", "same_time"]

SEARCH_DAYS = 14_610  # forty years: longer than any promise, short enough to answer at once

T = TypeVar("T")

Spans = tuple[tuple[int, int], ...]  # half-open stretches of epoch seconds

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SEARCH_SECONDS = SEARCH_DAYS * SECONDS_PER_DAY
_LAST_SECOND = int(datetime.max.replace(tzinfo=UTC, microsecond=0).timestamp())
_NEVER = _LAST_SECOND + 1  # the end of a pause that is still running
_BLOCK_BITS = 7  # local dates per block: 128
_WINDOW_BITS = 23  # seconds per window: 97 days
_MAX_CACHED = 256  # blocks and windows kept per calendar: more than the widest search touches


class BusinessTimeError(ValueError):
    """Base of what this module refuses."""


class InvalidTargetError(BusinessTimeError):
    """The target or the conventions say something that has no meaning; correct the policy."""


class CalendarExhaustedError(BusinessTimeError):
    """The answer lies beyond the bound of the search: the calendar is (nearly) never open, or the amount is absurd."""

    def __init__(self, calendar: Calendar, after: int) -> None:
        self.calendar = calendar.label
        self.bound_days = SEARCH_DAYS
        begin = _EPOCH + timedelta(seconds=after)
        super().__init__(
            f"calendar {self.calendar!r} gives no answer within {SEARCH_DAYS} days after {begin:%Y-%m-%d %H:%M:%S} UTC:"
            " check its hours, its holidays and the amount of the target"
        )


class StillPausedError(BusinessTimeError):
    """There is no due time yet: a pause without an end began before the target was used up. Ask for `remaining`."""


@dataclass(frozen=True, slots=True)
class Target:
    """How long something may take: `Target(90, "minutes")`, `Target(3, "business_days")`.

    Minutes are business minutes and may be fractional; other units are whole. Zero is allowed.
    Raises `InvalidTargetError` for negative, infinite or fractional amounts and for unknown units.
    """

    amount: float | Decimal
    unit: Unit

    def __post_init__(self) -> None:
        if self.unit not in get_args(Unit):
            raise InvalidTargetError(f"unknown unit {self.unit!r}: use one of {', '.join(get_args(Unit))}")
        if not isfinite(self.amount) or self.amount < 0:
            raise InvalidTargetError(f"an amount is a number from zero up, not {self.amount}")
        if self.unit != "minutes" and self.amount != int(self.amount):
            raise InvalidTargetError(f"{self.unit} are whole, not {self.amount}: use minutes for parts of a day")

    @property
    def business_seconds(self) -> int:
        """The amount of a `minutes` target in business seconds, to the nearest second, halves up."""
        if isinstance(self.amount, int):
            return self.amount * 60
        return int(Fraction(self.amount) * 60 + Fraction(1, 2))

    @property
    def days(self) -> int:
        """The amount of any other target in days of its own kind."""
        return int(self.amount) * (7 if self.unit == "weeks" else 1)

    @property
    def can_pause(self) -> bool:
        """Regulatory time (calendar days and weeks) runs on whatever one waits for."""
        return self.unit in {"minutes", "business_days"}


@dataclass(frozen=True, slots=True)
class Conventions:
    """How to count where the field disagrees; the defaults are the domain's. See the module's docstring.

    `pausable=False` makes every function ignore the pauses it is given. Raises `InvalidTargetError` for unknown names.
    """

    boundary: Boundary = "earliest"
    business_day: BusinessDay = "close_of_nth_day"
    calendar_day: CalendarDay = "end_of_nth_day"
    pausable: bool = True

    def __post_init__(self) -> None:
        for name, value, known in (
            ("boundary", self.boundary, get_args(Boundary)),
            ("business_day", self.business_day, get_args(BusinessDay)),
            ("calendar_day", self.calendar_day, get_args(CalendarDay)),
        ):
            if value not in known:
                raise InvalidTargetError(f"unknown {name} {value!r}: use one of {', '.join(known)}")


DEFAULT_CONVENTIONS = Conventions()


Pauses = Sequence[tuple[datetime, datetime | None]]
"""Times that do not count: `[start, end)`. No end: still running."""


def due_at(
    calendar: Calendar,
    start: datetime,
    target: Target,
    pauses: Pauses = (),
    conventions: Conventions = DEFAULT_CONVENTIONS,
) -> datetime:
    """The instant at which the target is used up. What happens before it is in time; so is what happens at it.

    Raises `CalendarExhaustedError`, and `StillPausedError` where a running pause leaves the due time open.
    """
    hours = _open_hours(calendar)
    return _instant(_due(hours, _epoch(start), target, _applicable(target, pauses, conventions), conventions))


def add_business_seconds(
    calendar: Calendar, start: datetime, seconds: int, boundary: Boundary = "earliest"
) -> datetime:
    """The instant at which so many business seconds (zero or more) have passed since the start.

    Raises `CalendarExhaustedError`, and `InvalidTargetError` for a negative number.
    """
    if seconds < 0:
        raise InvalidTargetError(f"business seconds are added from zero up, not {seconds}")
    return _instant(_advance(_open_hours(calendar), _epoch(start), seconds, (), boundary))


def next_opening(calendar: Calendar, instant: datetime) -> datetime:
    """The first open second at or after the instant: the instant itself when it is open.

    Raises `CalendarExhaustedError`.
    """
    return _instant(_open_hours(calendar).next_open(_epoch(instant)))


def elapsed(calendar: Calendar, start: datetime, end: datetime, pauses: Pauses = ()) -> int:
    """Business seconds in `[start, end)` outside the pauses; zero when the end is not after the start.

    Raises `CalendarExhaustedError` when the two are further apart than the bound.
    """
    return _counted(_open_hours(calendar), _epoch(start), _epoch(end), _united(pauses))


def remaining(
    calendar: Calendar,
    start: datetime,
    target: Target,
    now: datetime,
    pauses: Pauses = (),
    *,
    conventions: Conventions = DEFAULT_CONVENTIONS,
) -> int:
    """Business seconds left of the target at `now`; negative once overdue, by the business seconds since.

    Only what has happened by `now` is looked at, so a running pause is no obstacle: this is the number to keep while a
    clock is paused. For `minutes` it is the budget less `elapsed`; for the other units, the business seconds between
    `now` and the due time (zero when the calendar has none there, though the due time may still be ahead: compare it
    with `now` where that matters). Wall time left is `due_at(...) - now`.

    Raises `CalendarExhaustedError`.
    """
    hours, begin, moment = _open_hours(calendar), _epoch(start), _epoch(now)
    breaks = _cut_off(_applicable(target, pauses, conventions), moment)
    if target.unit == "minutes":
        return target.business_seconds - _counted(hours, begin, moment, breaks)
    due = _due(hours, begin, target, breaks, conventions)
    return hours.open_seconds(moment, due) if moment <= due else -_counted(hours, due, moment, breaks)


def threshold_at(calendar: Calendar, start: datetime, due: datetime, percent: int, pauses: Pauses = ()) -> datetime:
    """The first instant at which `percent` of the budget between the start and the due time is used up: when to alarm.

    The budget is the business seconds between the two outside the pauses, whatever the unit of the target, so that
    an alarm falls into working time; where the calendar has none there, wall-clock seconds. Parts of a second count
    upwards: never before the share is used up. At 0 the start, at 100 the due time itself. Pass the pauses that made
    the due time (none for a target that does not pause), each with its end or cut off by the due time.

    Raises `InvalidTargetError` for a percentage outside 0..100, `CalendarExhaustedError` beyond the bound.
    """
    if not 0 <= percent <= 100:
        raise InvalidTargetError(f"a threshold is a percentage from 0 to 100, not {percent}")
    hours, begin, end = _open_hours(calendar), _epoch(start), _epoch(due)
    if percent == 100 or end <= begin:
        return _instant(end)
    breaks = _cut_off(_united(pauses), end)
    budget = _counted(hours, begin, end, breaks)
    if budget == 0:
        return _instant(begin - (begin - end) * percent // 100)
    return _instant(_advance(hours, begin, -(-budget * percent // 100), breaks, "earliest"))


# Below: epoch seconds only.


def _epoch(instant: datetime) -> int:
    if instant.tzinfo is None:
        raise BusinessTimeError(f"{instant} has no time zone: business time needs aware instants")
    since = instant - _EPOCH
    return since.days * SECONDS_PER_DAY + since.seconds


def _instant(epoch: int) -> datetime:
    return _EPOCH + timedelta(seconds=epoch)


def _united(pauses: Pauses) -> Spans:
    """Pauses in order, without overlap and without empty ones; a running one ends at `_NEVER`."""
    if not pauses:
        return ()
    return tuple(_union((_epoch(start), _NEVER if end is None else _epoch(end)) for start, end in pauses))


def _applicable(target: Target, pauses: Pauses, conventions: Conventions) -> Spans:
    return _united(pauses) if conventions.pausable and target.can_pause else ()


def _cut_off(breaks: Spans, moment: int) -> Spans:
    return tuple((start, min(end, moment)) for start, end in breaks if start < moment)


def _union(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
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


def _due(hours: "_OpenHours", begin: int, target: Target, breaks: Spans, conventions: Conventions) -> int:
    if target.unit == "minutes":
        return _advance(hours, begin, target.business_seconds, breaks, conventions.boundary)
    if target.unit == "business_days":
        due = _business_day_due(hours, begin, target.days, conventions.business_day)
        paused = sum(hours.open_seconds(max(start, begin), min(end, due)) for start, end in breaks if start < due)
        return _advance(hours, due, paused, breaks, "earliest")
    return _calendar_day_due(hours, begin, target.days, conventions.calendar_day)


def _advance(hours: "_OpenHours", begin: int, seconds: int, breaks: Spans, boundary: Boundary) -> int:
    """The instant at which so many counted seconds have passed since `begin`."""
    due = _use_up(hours, begin, seconds, breaks) if seconds else begin
    return _next_counted(hours, due, breaks) if boundary == "next_opening" else due


def _use_up(hours: "_OpenHours", begin: int, seconds: int, breaks: Spans) -> int:
    at, limit = begin, begin + _SEARCH_SECONDS
    for start, end in breaks:
        if end <= at:
            continue
        if start > at:
            available = hours.open_seconds(at, min(start, limit))
            if seconds <= available or start > limit:
                break
            seconds -= available
        at = _resumed(end)
    return hours.use_up(at, seconds)


def _next_counted(hours: "_OpenHours", at: int, breaks: Spans) -> int:
    at = hours.next_open(at)
    for start, end in breaks:
        if start <= at < end:
            at = hours.next_open(_resumed(end))
    return at


def _resumed(end: int) -> int:
    if end == _NEVER:
        raise StillPausedError("the clock is paused and nobody knows until when: it has no due time yet")
    return end


def _counted(hours: "_OpenHours", begin: int, end: int, breaks: Spans) -> int:
    paused = sum(hours.open_seconds(max(start, begin), min(stop, end)) for start, stop in breaks)
    return hours.open_seconds(begin, end) - paused


def _business_day_due(hours: "_OpenHours", begin: int, days: int, convention: BusinessDay) -> int:
    received, time_of_day = hours.wall_clock(begin)
    # Zero days: the day of receipt if it is a working day, else the first one after.
    day = hours.nth_working_day(begin, received, days) if days else hours.nth_working_day(begin, received - 1, 1)
    if convention == "end_of_nth_day":
        return max(begin, hours.at(day + 1, 0))
    if convention == "same_time_nth_day":
        return begin if day == received else max(begin, hours.at(day, time_of_day))
    close = hours.close_of(day)
    return close if close >= begin else hours.close_of(hours.nth_working_day(begin, day, 1))


def _calendar_day_due(hours: "_OpenHours", begin: int, days: int, convention: CalendarDay) -> int:
    received, time_of_day = hours.wall_clock(begin)
    day = hours.nth_local_day(begin, received, days) if days else received
    if convention == "end_of_nth_day":
        return max(begin, hours.at(day + 1, 0))
    return max(begin, hours.at(day, time_of_day)) if days else begin


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


class _OpenHours:
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
        if reached > min(begin + _SEARCH_SECONDS, _LAST_SECOND):
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
        open_spans = _union(
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
def _open_hours(calendar: Calendar) -> _OpenHours:
    return _OpenHours(calendar)
