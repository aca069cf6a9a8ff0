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
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import isfinite
from typing import Literal, NamedTuple, get_args

from helpdesk.sla.calendar_spec import SECONDS_PER_DAY, Calendar
from helpdesk.sla.open_hours import (
    EPOCH,
    LAST_SECOND,
    SEARCH_DAYS,
    SEARCH_SECONDS,
    BusinessTimeError,
    CalendarExhaustedError,
    OpenHours,
    open_hours,
    union,
)

__all__ = [
    "DEFAULT_CONVENTIONS",
    "SEARCH_DAYS",
    "Boundary",
    "BusinessDay",
    "BusinessTimeError",
    "CalendarDay",
    "CalendarExhaustedError",
    "Conventions",
    "InvalidTargetError",
    "Kind",
    "Pauses",
    "Segment",
    "StillPausedError",
    "Target",
    "Unit",
    "add_business_seconds",
    "due_at",
    "elapsed",
    "next_opening",
    "remaining",
    "segments",
    "threshold_at",
    "used_up_at",
    "working_day_before",
]

Unit = Literal["minutes", "business_days", "calendar_days", "weeks"]
Boundary = Literal["earliest", "next_opening"]
BusinessDay = Literal["close_of_nth_day", "same_time_nth_day", "end_of_nth_day"]
CalendarDay = Literal["end_of_nth_day", "same_time"]
Kind = Literal["counted", "paused", "closed"]

Spans = tuple[tuple[int, int], ...]  # half-open stretches of epoch seconds

_NEVER = LAST_SECOND + 1  # the end of a pause that is still running


class InvalidTargetError(BusinessTimeError):
    """The target or the conventions say something that has no meaning; correct the policy."""


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
        # A whole number is finite, and may be greater than what `isfinite` can look at.
        if not (isinstance(self.amount, int) or isfinite(self.amount)) or self.amount < 0:
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
    hours = open_hours(calendar)
    return _instant(_due(hours, _epoch(start), target, _applicable(target, pauses, conventions), conventions))


def add_business_seconds(
    calendar: Calendar, start: datetime, seconds: int, boundary: Boundary = "earliest"
) -> datetime:
    """The instant at which so many business seconds (zero or more) have passed since the start.

    Raises `CalendarExhaustedError`, and `InvalidTargetError` for a negative number.
    """
    if seconds < 0:
        raise InvalidTargetError(f"business seconds are added from zero up, not {seconds}")
    return _instant(_advance(open_hours(calendar), _epoch(start), seconds, (), boundary))


def next_opening(calendar: Calendar, instant: datetime) -> datetime:
    """The first open second at or after the instant: the instant itself when it is open.

    Raises `CalendarExhaustedError`.
    """
    return _instant(open_hours(calendar).next_open(_epoch(instant)))


def elapsed(calendar: Calendar, start: datetime, end: datetime, pauses: Pauses = ()) -> int:
    """Business seconds in `[start, end)` outside the pauses; zero when the end is not after the start.

    Raises `CalendarExhaustedError` when the two are further apart than the bound.
    """
    return _counted(open_hours(calendar), _epoch(start), _epoch(end), _united(pauses))


class Segment(NamedTuple):
    """`[start, end)` of one kind, never empty."""

    kind: Kind
    start: datetime
    end: datetime

    @property
    def seconds(self) -> int:
        return (self.end - self.start) // timedelta(seconds=1)


def segments(calendar: Calendar, start: datetime, end: datetime, pauses: Pauses = ()) -> list[Segment]:
    """`[start, end)` cut where business time begins or ends to count, in order and without gaps; no two neighbours are of
    one kind. What is counted adds up to `elapsed`. Empty when the end is not after the start.

    Raises `CalendarExhaustedError` when the two are further apart than the bound.
    """
    hours, begin, until = open_hours(calendar), _epoch(start), _epoch(end)
    found: list[tuple[Kind, int, int]] = []
    for kind, since, to in _pieces(hours.open_spans(begin, until), begin, until, _united(pauses)):
        if since >= to:
            continue
        if found and found[-1][0] == kind:
            found[-1] = (kind, found[-1][1], to)
        else:
            found.append((kind, since, to))
    return [Segment(kind, _instant(since), _instant(to)) for kind, since, to in found]


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
    hours, begin, moment = open_hours(calendar), _epoch(start), _epoch(now)
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
    hours, begin, end = open_hours(calendar), _epoch(start), _epoch(due)
    if percent == 100 or end <= begin:
        return _instant(end)
    breaks = _cut_off(_united(pauses), end)
    budget = _counted(hours, begin, end, breaks)
    if budget == 0:
        return _instant(begin - (begin - end) * percent // 100)
    return _instant(_advance(hours, begin, -(-budget * percent // 100), breaks, "earliest"))


def used_up_at(
    calendar: Calendar, life: tuple[datetime, datetime], seconds: int, pauses: Pauses = ()
) -> datetime | None:
    """The first instant at which only `-seconds` (they are negative) of the budget between the start and the due time are left; None
    where it never had that much. The budget is that of `threshold_at`.

    Raises `CalendarExhaustedError` beyond the bound.
    """
    hours, begin, end = open_hours(calendar), _epoch(life[0]), _epoch(life[1])
    breaks = _cut_off(_united(pauses), end)
    budget = _counted(hours, begin, end, breaks)
    if budget == 0:
        return _instant(end + seconds) if end + seconds >= begin else None
    if budget + seconds < 0:
        return None
    return _instant(_advance(hours, begin, budget + seconds, breaks, "earliest"))


def working_day_before(calendar: Calendar, instant: datetime, days: int) -> datetime:
    """The same time of day on the Nth working day (N from one) before the local date of an instant.

    Raises `CalendarExhaustedError` where it is further away than the bound.
    """
    hours, begin = open_hours(calendar), _epoch(instant)
    ordinal, time_of_day = hours.wall_clock(begin)
    return _instant(hours.at(hours.nth_working_day_before(begin, ordinal, days), time_of_day))


# Below: epoch seconds only.


def _epoch(instant: datetime) -> int:
    if instant.tzinfo is None:
        raise BusinessTimeError(f"{instant} has no time zone: business time needs aware instants")
    since = instant - EPOCH
    return since.days * SECONDS_PER_DAY + since.seconds


def _instant(epoch: int) -> datetime:
    return EPOCH + timedelta(seconds=epoch)


def _united(pauses: Pauses) -> Spans:
    """Pauses in order, without overlap and without empty ones; a running one ends at `_NEVER`."""
    if not pauses:
        return ()
    return tuple(union((_epoch(start), _NEVER if end is None else _epoch(end)) for start, end in pauses))


def _applicable(target: Target, pauses: Pauses, conventions: Conventions) -> Spans:
    return _united(pauses) if conventions.pausable and target.can_pause else ()


def _cut_off(breaks: Spans, moment: int) -> Spans:
    return tuple((start, min(end, moment)) for start, end in breaks if start < moment)


def _pieces(spans: Sequence[tuple[int, int]], begin: int, end: int, breaks: Spans) -> Iterator[tuple[Kind, int, int]]:
    """In order; some are empty."""
    at, first = begin, 0
    for opens, closes in spans:
        yield "closed", at, opens
        at = opens
        while first < len(breaks) and breaks[first][1] <= opens:
            first += 1
        index = first
        while index < len(breaks) and breaks[index][0] < closes:
            since, until = breaks[index]
            yield "counted", at, since
            at = max(at, since)
            yield "paused", at, min(until, closes)
            at = min(until, closes)
            index += 1
        yield "counted", at, closes
        at = closes
    yield "closed", at, end


def _due(hours: OpenHours, begin: int, target: Target, breaks: Spans, conventions: Conventions) -> int:
    if target.unit == "minutes":
        return _advance(hours, begin, target.business_seconds, breaks, conventions.boundary)
    if target.unit == "business_days":
        due = _business_day_due(hours, begin, target.days, conventions.business_day)
        paused = sum(hours.open_seconds(max(start, begin), min(end, due)) for start, end in breaks if start < due)
        return _advance(hours, due, paused, breaks, "earliest")
    return _calendar_day_due(hours, begin, target.days, conventions.calendar_day)


def _advance(hours: OpenHours, begin: int, seconds: int, breaks: Spans, boundary: Boundary) -> int:
    """The instant at which so many counted seconds have passed since `begin`."""
    due = _use_up(hours, begin, seconds, breaks) if seconds else begin
    return _next_counted(hours, due, breaks) if boundary == "next_opening" else due


def _use_up(hours: OpenHours, begin: int, seconds: int, breaks: Spans) -> int:
    at, limit = begin, begin + SEARCH_SECONDS
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


def _next_counted(hours: OpenHours, at: int, breaks: Spans) -> int:
    at = hours.next_open(at)
    for start, end in breaks:
        if start <= at < end:
            at = hours.next_open(_resumed(end))
    return at


def _resumed(end: int) -> int:
    if end == _NEVER:
        raise StillPausedError("the clock is paused and nobody knows until when: it has no due time yet")
    return end


def _counted(hours: OpenHours, begin: int, end: int, breaks: Spans) -> int:
    paused = sum(hours.open_seconds(max(start, begin), min(stop, end)) for start, stop in breaks)
    return hours.open_seconds(begin, end) - paused


def _business_day_due(hours: OpenHours, begin: int, days: int, convention: BusinessDay) -> int:
    received, time_of_day = hours.wall_clock(begin)
    # Zero days: the day of receipt if it is a working day, else the first one after.
    day = hours.nth_working_day(begin, received, days) if days else hours.nth_working_day(begin, received - 1, 1)
    if convention == "end_of_nth_day":
        return max(begin, hours.at(day + 1, 0))
    if convention == "same_time_nth_day":
        return begin if day == received else max(begin, hours.at(day, time_of_day))
    close = hours.close_of(day)
    return close if close >= begin else hours.close_of(hours.nth_working_day(begin, day, 1))


def _calendar_day_due(hours: OpenHours, begin: int, days: int, convention: CalendarDay) -> int:
    received, time_of_day = hours.wall_clock(begin)
    day = hours.nth_local_day(begin, received, days) if days else received
    if convention == "end_of_nth_day":
        return max(begin, hours.at(day + 1, 0))
    return max(begin, hours.at(day, time_of_day)) if days else begin
