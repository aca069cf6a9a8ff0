"""Where the time between two instants went: what counted, what was paused, what was closed, adding up to the second.

Pure, as `business_time` is. However long the time was, the account is short: beyond `MOST` segments the ones in the middle
are summed up, so that a clock that nobody stopped for years is no answer of a megabyte.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from helpdesk.sla.business_time import SEARCH_DAYS, Kind, Pauses, Segment, segments
from helpdesk.sla.calendar_spec import Calendar

MOST: Final = 60
_AT_EACH_END: Final = MOST // 2
_STRETCH: Final = timedelta(days=SEARCH_DAYS)


@dataclass(slots=True)
class Seconds:
    """How much there was of each kind."""

    counted: int = 0
    paused: int = 0
    closed: int = 0

    def add(self, segment: Segment) -> None:
        setattr(self, segment.kind, getattr(self, segment.kind) + segment.seconds)


@dataclass(slots=True)
class LeftOut:
    """Segments that are not listed, which follow each other, and what they come to."""

    after: int
    """How many of the listed ones stand before them."""
    segments: int
    start: datetime
    end: datetime
    seconds: Seconds


@dataclass(slots=True)
class Account:
    """`[start, end)`; the listed segments and what was left out have no gaps and add up to `seconds`."""

    start: datetime
    end: datetime
    seconds: Seconds = field(default_factory=Seconds)
    segments: list[Segment] = field(default_factory=list)
    left_out: LeftOut | None = None


def by_calendar(calendar: Calendar, start: datetime, end: datetime, pauses: Pauses) -> Account:
    """What counts by a calendar's hours outside the pauses, as `business_time.elapsed` counts it."""
    start, end = _whole(start, end)
    return _told(start, end, _one_after_another(_cut(calendar, start, end, pauses)))


def by_the_wall(start: datetime, end: datetime) -> Account:
    """All of it counts: calendar days and weeks know no opening hours."""
    start, end = _whole(start, end)
    return _told(start, end, [Segment("counted", start, end)] if end > start else [])


def _whole(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """In whole seconds, as business time is; an end before the start is the start."""
    return start.replace(microsecond=0), max(start, end).replace(microsecond=0)


def _cut(calendar: Calendar, start: datetime, end: datetime, pauses: Pauses) -> Iterator[Segment]:
    """In stretches, none longer than one look at a calendar may be."""
    while start < end:
        until = min(end, start + _STRETCH)
        yield from segments(calendar, start, until, pauses)
        start = until


def _one_after_another(found: Iterable[Segment]) -> Iterator[Segment]:
    """With neighbours of one kind, which meet where two stretches do, made one."""
    last: Segment | None = None
    for segment in found:
        if last is not None and last.kind == segment.kind:
            last = last._replace(end=segment.end)
            continue
        if last is not None:
            yield last
        last = segment
    if last is not None:
        yield last


def _told(start: datetime, end: datetime, found: Iterable[Segment]) -> Account:
    account = Account(start, end)
    tail: deque[Segment] = deque()
    for segment in found:
        account.seconds.add(segment)
        if len(account.segments) < _AT_EACH_END:
            account.segments.append(segment)
            continue
        tail.append(segment)
        if len(tail) > _AT_EACH_END:
            account.left_out = _leave_out(account.left_out, tail.popleft())
    account.segments += tail
    return account


def _leave_out(so_far: LeftOut | None, segment: Segment) -> LeftOut:
    if so_far is None:
        so_far = LeftOut(_AT_EACH_END, 0, segment.start, segment.end, Seconds())
    so_far.segments += 1
    so_far.end = segment.end
    so_far.seconds.add(segment)
    return so_far


KINDS: Final[tuple[Kind, ...]] = ("counted", "paused", "closed")
