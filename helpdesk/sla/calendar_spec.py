"""What a business calendar says: a time zone, the hours of a week, holidays and make-up working days.

A calendar is written in local wall-clock minutes and read in UTC seconds; the only place where one becomes the other is
`wall_clock_to_epoch`. Use `validate` when a calendar is written (a manager edits it, an import brings it), never when
it is read: `business_time` takes any calendar at its word. Pure: no database, no clock of its own.

Rules, all from the domain's conventions:

- A shift belongs to the local date on which it starts. A holiday removes the shifts that start on it, also the part of
  an overnight shift that lies on the next day; the tail of yesterday's overnight shift stays.
- A make-up working day (`working_days`) has the hours of the weekday it is mapped to. It is the more deliberate of the
  two statements, so it wins over a holiday on the same date (holidays usually come from a package, by country).
- The two ends of a shift convert separately, with fold=0 (the first of two equal wall times); a time inside a gap moves
  forward by the gap. A shift whose end then does not lie after its start is empty.
- A local date that the zone skipped (Pacific/Apia 2011-12-30) has no shifts, whatever weekday it would have been.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, lru_cache
from itertools import pairwise
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

MINUTES_PER_DAY = 1_440
SECONDS_PER_DAY = 86_400
COMING_YEAR_DAYS = 366  # a calendar must be open for at least one second within this time
EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_CALLED: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# One day of margin at each end of what `datetime` can name, so that no conversion leaves it.
FIRST_ORDINAL = date.min.toordinal() + 2
LAST_ORDINAL = date.max.toordinal() - 3


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """A shift in local wall-clock minutes after midnight, half-open: `Interval(540, 1020)` is 09:00 up to 17:00.

    An overnight shift has an end not after its start (`Interval(1320, 360)`), or an end beyond 1440
    (`Interval(1320, 1800)`, the same). Equal ends mean 24 hours. At most 24 hours long.
    """

    start_minute: int
    end_minute: int

    @property
    def until_minute(self) -> int:
        """The end counted from the midnight before the start, always greater than the start."""
        return self.end_minute if self.end_minute > self.start_minute else self.end_minute + MINUTES_PER_DAY


@dataclass(frozen=True)
class Calendar:
    """When a team works. Compared and hashed by value, so that equal calendars read twice share one compiled form.

    `weekly_hours`: weekday (0 is Monday, 6 is Sunday) -> shifts that start on it; a missing weekday has none.
    `holidays`: local dates without shifts. `working_days`: make-up working days, local date -> the weekday whose hours
    it has (a Saturday that works as a Monday: `{date(2026, 2, 14): 0}`). `name`: for messages only. `seasons`: what holds
    instead on some local dates; the first that covers a date has it. All are of the one time zone.
    """

    timezone: str
    weekly_hours: Mapping[int, tuple[Interval, ...]]
    holidays: frozenset[date] = frozenset()
    working_days: Mapping[date, int] = field(default_factory=dict)
    name: str = ""
    seasons: tuple["Season", ...] = ()

    def __post_init__(self) -> None:
        # Own copies behind a read-only view: a change after the first use would silently miss the compiled form.
        hours = {weekday: tuple(shifts) for weekday, shifts in self.weekly_hours.items()}
        object.__setattr__(self, "weekly_hours", MappingProxyType(hours))
        object.__setattr__(self, "holidays", frozenset(self.holidays))
        object.__setattr__(self, "working_days", MappingProxyType(dict(self.working_days)))

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[type["Calendar"], tuple[object, ...]]:
        # Read-only views can be neither pickled nor deep-copied; what they show can.
        mappings = dict(self.weekly_hours), self.holidays, dict(self.working_days)
        return Calendar, (self.timezone, *mappings, self.name, self.seasons)

    @property
    def label(self) -> str:
        return self.name or self.timezone

    @cached_property
    def _hash(self) -> int:
        hours, working_days = frozenset(self.weekly_hours.items()), frozenset(self.working_days.items())
        return hash((self.timezone, hours, self.holidays, working_days, self.name, self.seasons))

    def hours_on(self, day: date) -> tuple[Interval, ...]:
        """The shifts that start on this local date, after holidays and make-up working days; empty when none."""
        for season in self.seasons:
            if season.first <= day <= season.last:
                return season.calendar.hours_on(day)
        weekday = self.working_days.get(day)
        if weekday is None:
            if day in self.holidays:
                return ()
            weekday = day.weekday()
        return self.weekly_hours.get(weekday, ())


@dataclass(frozen=True, slots=True)
class Season:
    """Local dates, both ends included, on which another calendar's hours hold: `date.min` and `date.max` are no end."""

    first: date
    last: date
    calendar: Calendar


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a calendar. `pointer` is a JSON Pointer (RFC 6901) into the calendar's fields."""

    pointer: str
    code: str
    message: str


def wall_clock_to_epoch(zone: ZoneInfo, ordinal: int, second: int) -> int:
    """Local wall time to epoch seconds: fold=0, and a time inside a gap moves forward by the gap.

    `ordinal` is the local date (proleptic, as `date.toordinal`), `second` counts wall-clock seconds from its midnight
    and may exceed a day: 86 400 is the next midnight. PEP 495: fold=0 in a gap gives the offset before the gap, which
    is exactly the shift by the gap's length.
    """
    days, rest = divmod(second, SECONDS_PER_DAY)
    minutes, seconds = divmod(rest, 60)
    hour, minute = divmod(minutes, 60)
    wall = datetime.fromordinal(ordinal + days).replace(hour=hour, minute=minute, second=seconds, tzinfo=zone)
    offset = wall.utcoffset() or timedelta()
    return (ordinal + days - EPOCH_ORDINAL - offset.days) * SECONDS_PER_DAY + rest - offset.seconds


def date_exists(zone: ZoneInfo, ordinal: int) -> bool:
    """Whether the local date has any second: false for a date skipped when a zone crossed the date line."""
    return wall_clock_to_epoch(zone, ordinal + 1, 0) > wall_clock_to_epoch(zone, ordinal, 0)


def shifts_starting_on(calendar: Calendar, zone: ZoneInfo, ordinal: int) -> list[tuple[int, int]]:
    """The non-empty shifts of one local date as half-open epoch seconds, in the calendar's order.

    They may overlap one another or a neighbouring date's where a clock change moved an end; unite them before counting.
    """
    hours = calendar.hours_on(date.fromordinal(ordinal))
    if not hours or not date_exists(zone, ordinal):
        return []
    converted = (
        (
            wall_clock_to_epoch(zone, ordinal, interval.start_minute * 60),
            wall_clock_to_epoch(zone, ordinal, interval.until_minute * 60),
        )
        for interval in hours
    )
    return [(start, end) for start, end in converted if start < end]


@lru_cache(maxsize=1)
def _known_zones() -> frozenset[str]:
    return frozenset(available_timezones()) - {"localtime", "Factory"}


def validate(calendar: Calendar, now: datetime) -> list[Problem]:
    """Everything that is wrong with a calendar, in the order of its fields; empty when it may be used.

    `now` (aware) is the beginning of the coming year in which there must be at least one open second. Overlaps and
    opening are judged only where the single statements they rest on are sound.
    """
    problems, sound = contradictions(calendar)
    return [*problems, *never_open(calendar, now)] if sound else problems


def contradictions(calendar: Calendar) -> tuple[list[Problem], bool]:
    """What is wrong with a calendar whatever the time is, and whether its single statements are sound."""
    problems = [
        *_zone_problems(calendar),
        *_hours_problems(calendar),
        *_holiday_problems(calendar),
        *_working_day_problems(calendar),
    ]
    if problems:
        return problems, False
    return [*_weekly_overlaps(calendar), *_working_day_overlaps(calendar)], True


def never_open(calendar: Calendar, now: datetime) -> list[Problem]:
    """Of a calendar whose single statements are sound: that it has no open second in the coming year."""
    if _opens_in_coming_year(calendar, now):
        return []
    message = f"there is no open second in the {COMING_YEAR_DAYS} days after {now.date()}: add hours"
    return [Problem("/weekly_hours", "never_open", message)]


def _zone_problems(calendar: Calendar) -> Iterator[Problem]:
    # The list of names, not an attempt to open: "America" is a folder, "" and "../x" are paths, "localtime" is a host.
    if calendar.timezone not in _known_zones():
        message = f"{calendar.timezone!r} is not an IANA time zone: use a name such as 'Europe/Berlin'"
        yield Problem("/timezone", "unknown_timezone", message)


def _hours_problems(calendar: Calendar) -> Iterator[Problem]:
    for weekday, intervals in calendar.weekly_hours.items():
        if weekday not in range(7):
            message = "a weekday is a number from 0 (Monday) to 6 (Sunday)"
            yield Problem(f"/weekly_hours/{weekday}", "unknown_weekday", message)
        for index, interval in enumerate(intervals):
            yield from _interval_problems(f"/weekly_hours/{weekday}/{index}", interval)


def _interval_problems(pointer: str, interval: Interval) -> Iterator[Problem]:
    start, end = interval.start_minute, interval.end_minute
    # `range` also refuses what is not a whole minute.
    sound = True
    if start not in range(MINUTES_PER_DAY):
        sound = False
        yield Problem(f"{pointer}/start_minute", "bad_time", "a shift starts at a whole minute from 0 to 1439")
    if end not in range(2 * MINUTES_PER_DAY):
        sound = False
        yield Problem(f"{pointer}/end_minute", "bad_time", "a shift ends at a whole minute from 0 to 2879")
    if sound and interval.until_minute - start > MINUTES_PER_DAY:
        yield Problem(f"{pointer}/end_minute", "too_long", "a shift is at most 24 hours long: split it")


def beyond_computing(day: date) -> str | None:
    """Why a day cannot be named, None where it can. The neighbours of a day are looked at too, and each in UTC; those at the ends of
    what `date` can name have none.
    """
    if FIRST_ORDINAL <= day.toordinal() <= LAST_ORDINAL:
        return None
    first, last = date.fromordinal(FIRST_ORDINAL), date.fromordinal(LAST_ORDINAL)
    return f"{day} is beyond what can be computed: name a day from {first} to {last}"


def _holiday_problems(calendar: Calendar) -> Iterator[Problem]:
    for day in sorted(calendar.holidays):
        beyond = beyond_computing(day)
        if beyond is not None:
            yield Problem("/holidays", "out_of_range", beyond)


def _working_day_problems(calendar: Calendar) -> Iterator[Problem]:
    for day, weekday in sorted(calendar.working_days.items()):
        pointer = f"/working_days/{day}"
        beyond = beyond_computing(day)
        if beyond is not None:
            yield Problem(pointer, "out_of_range", beyond)
        if weekday not in range(7):
            yield Problem(pointer, "unknown_weekday", "a weekday is a number from 0 (Monday) to 6 (Sunday)")
        elif not calendar.weekly_hours.get(weekday):
            message = f"it works as a {_CALLED[weekday]}, which has no hours: name another weekday"
            yield Problem(pointer, "no_hours", message)


def _weekly_overlaps(calendar: Calendar) -> Iterator[Problem]:
    """Shifts that begin before an earlier one has ended, also over midnight and from Sunday to Monday."""
    week = 7 * MINUTES_PER_DAY
    shifts = sorted(
        (weekday * MINUTES_PER_DAY + interval.start_minute, interval.until_minute - interval.start_minute, pointer)
        for weekday, intervals in calendar.weekly_hours.items()
        for pointer, interval in ((f"/weekly_hours/{weekday}/{index}", each) for index, each in enumerate(intervals))
    )
    # What still runs from the week before: no shift is longer than a day, so looking at each end is enough.
    busy_until = max((start + length - week for start, length, _ in shifts), default=0)
    for start, length, pointer in shifts:
        if start < busy_until:
            yield Problem(pointer, "overlap", "it begins before an earlier shift has ended: join or shorten them")
        busy_until = max(busy_until, start + length)


def _working_day_overlaps(calendar: Calendar) -> Iterator[Problem]:
    """Make-up working days whose hours run into those of the day before or after."""
    for day in sorted(calendar.working_days):
        shifts = sorted(
            (interval.start_minute + days * MINUTES_PER_DAY, interval.until_minute + days * MINUTES_PER_DAY, days)
            for days in (-1, 0, 1)
            for interval in calendar.hours_on(day + timedelta(days=days))
        )
        if any(later[0] < earlier[1] and earlier[2] != later[2] for earlier, later in pairwise(shifts)):
            message = "its hours overlap those of the day before or after: name another weekday"
            yield Problem(f"/working_days/{day}", "overlap", message)


def _opens_in_coming_year(calendar: Calendar, now: datetime) -> bool:
    zone = ZoneInfo(calendar.timezone)
    begin = int(now.astimezone(UTC).timestamp())
    end = begin + COMING_YEAR_DAYS * SECONDS_PER_DAY
    # From two days before: an overnight shift may still be running; the local date may be ahead of or behind UTC.
    first = max(now.astimezone(UTC).toordinal() - 2, FIRST_ORDINAL)
    last = min(first + COMING_YEAR_DAYS + 4, LAST_ORDINAL)
    return any(
        opens < end and closes > begin
        for ordinal in range(first, last + 1)
        for opens, closes in shifts_starting_on(calendar, zone, ordinal)
    )
