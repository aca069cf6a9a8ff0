"""The ladder of a promise: its rungs, and when a clock comes to each.

A rung stands at a share of the time (`75%`), or so long before or after the due time (`-30 minutes`, `+1 business_days`):
minutes of business time, or working days at the same time of day. A target's thresholds are rungs too, which tell whoever has
the complaint. There is always one at the due time itself, `100%`: the breach.

Pure. A rung that would lie before the start, or that the calendar never comes to, is not there. Of several at one moment those
before the due time come first, then the breach, then the others, as they are written.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple

from helpdesk.sla.business_time import (
    BusinessTimeError,
    Conventions,
    Pauses,
    Target,
    add_business_seconds,
    due_at,
    elapsed,
    threshold_at,
    used_up_at,
    working_day_before,
)
from helpdesk.sla.calendar_spec import Calendar

BREACH: Final = 100
"""The percentage at which a promise is broken."""
BREACHED: Final = "100%"
MOST_RUNGS: Final = 20
MOST_PERCENT: Final = 1000
MOST_OFFSET: Final[Mapping[str, int]] = {"minutes": 50_000, "business_days": 250}
"""About a hundred working days, and a year of them."""
AT: Final = r"^([1-9]\d{0,3}%|[+-][1-9]\d{0,4} (minutes|business_days))$"

_AT = re.compile(AT, re.ASCII)
_SAME_TIME: Final = Conventions(business_day="same_time_nth_day")

Life = tuple[datetime, datetime]
"""From its start to its due time."""


class Place(NamedTuple):
    """`percent` of the time, or else `amount` of `unit` after the due time; before it, where that is negative."""

    percent: int | None
    amount: int = 0
    unit: str = "minutes"

    @property
    def is_before(self) -> bool:
        """The due time; the breach itself is neither before nor after it."""
        return self.amount < 0 if self.percent is None else self.percent < BREACH


@lru_cache(maxsize=4096)
def place_of(rung: str) -> Place:
    """Raises ValueError with a sentence for whoever wrote it."""
    if _AT.fullmatch(rung) is None:
        raise ValueError('Write a share of the time ("75%"), or a time before or after the due time ("-30 minutes").')
    if rung.endswith("%"):
        percent = int(rung[:-1])
        if percent > MOST_PERCENT:
            raise ValueError(f"At most {MOST_PERCENT}%.")
        return Place(percent)
    amount, _, unit = rung.partition(" ")
    if abs(int(amount)) > MOST_OFFSET[unit]:
        raise ValueError(f"At most {MOST_OFFSET[unit]} {unit}.")
    return Place(None, int(amount), unit)


def share(percent: int) -> str:
    """The rung at that share of the time."""
    return f"{percent}%"


@dataclass(frozen=True, slots=True)
class Rung:
    """`actions`: `{step, given}` each, in their order. `at_any_time`: also outside the working time of whoever is told.
    `implied`: nobody wrote it; it is a threshold, or the breach.
    """

    at: str
    actions: Sequence[Mapping[str, Any]]
    at_any_time: bool = False
    implied: bool = False


TELL_WHO_HAS_IT: Final[tuple[Mapping[str, Any], ...]] = ({"step": "notify", "given": {"to": ["assignee"]}},)
TELL_WHO_ANSWERS: Final[tuple[Mapping[str, Any], ...]] = ({"step": "notify", "given": {"to": ["responsible"]}},)
"""Of a breach: that nobody has the complaint is no reason that nobody hears of it."""


def rungs_of(thresholds: Sequence[int], written: Sequence[Mapping[str, Any]]) -> dict[str, Rung]:
    """Every rung by where it stands. One that is written goes before the threshold that stands in its place."""
    found = {at: Rung(at, TELL_WHO_HAS_IT, implied=True) for at in map(share, thresholds)}
    found[BREACHED] = Rung(BREACHED, TELL_WHO_ANSWERS, implied=True)
    for item in written:
        found[item["at"]] = Rung(item["at"], tuple(item["actions"]), item.get("at_any_time", False))
    return found


def rungs_at(thresholds: Sequence[int], written: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Where the rungs stand: all that a clock has to know of its ladder. The breach is not among them: it is always there."""
    if not written:
        return _shares(tuple(thresholds))
    there = dict.fromkeys([*(share(percent) for percent in thresholds), *(item["at"] for item in written)])
    there.pop(BREACHED, None)
    return tuple(sorted(there, key=lambda at: (place_of(at).percent is None, place_of(at).percent or 0)))


@lru_cache(maxsize=1024)
def _shares(thresholds: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(share(percent) for percent in thresholds)


class _Sorted(NamedTuple):
    """`plain`: the ones before the due time are rising shares of the time, so that they come in that order."""

    before: tuple[str, ...]
    after: tuple[str, ...]
    plain: bool


@lru_cache(maxsize=1024)
def _sorted(rungs: tuple[str, ...]) -> _Sorted:
    before = tuple(at for at in rungs if place_of(at).is_before)
    after = tuple(at for at in rungs if not place_of(at).is_before)
    return _Sorted(before, after, all(place_of(at).percent is not None for at in before))


def moment(calendar: Calendar, life: Life, pauses: Pauses, rung: str) -> datetime | None:
    """When a clock comes to a rung; None: never. `pauses`: those that made the due time."""
    place = place_of(rung)
    try:
        if place.percent is not None:
            return _at_share(calendar, life, pauses, place.percent)
        if place.unit == "business_days":
            return _at_working_day(calendar, life, place.amount)
        if place.amount > 0:
            return add_business_seconds(calendar, life[1], place.amount * 60)
        return used_up_at(calendar, life, place.amount * 60, pauses)
    except (BusinessTimeError, OverflowError):
        return None


def _at_share(calendar: Calendar, life: Life, pauses: Pauses, percent: int) -> datetime:
    start, due = life
    if percent <= BREACH:
        return threshold_at(calendar, start, due, percent, pauses)
    budget, beyond = elapsed(calendar, start, due, pauses), percent - BREACH
    if budget == 0:
        whole = (due - start) // timedelta(seconds=1)
        return due + timedelta(seconds=-(-whole * beyond // 100))
    return add_business_seconds(calendar, due, -(-budget * beyond // 100))


def _at_working_day(calendar: Calendar, life: Life, days: int) -> datetime | None:
    start, due = life
    if days > 0:
        return due_at(calendar, due, Target(days, "business_days"), (), _SAME_TIME)
    at = working_day_before(calendar, due, -days)
    return at if at >= start else None


def first_ahead(
    calendar: Calendar, rungs: tuple[str, ...], life: Life, pauses: Pauses, now: datetime
) -> tuple[str, datetime]:
    """The first rung up to the breach that is still ahead. What was past before the clock existed here (a complaint entered late,
    an import of old ones) is no warning any more; that it is overdue is said once, as the breach it is.
    """
    if life[1] > now:
        for at, rung in _before(calendar, rungs, life, pauses):
            if at > now:
                return rung, at
    return BREACHED, life[1]


def next_before(
    calendar: Calendar, rungs: tuple[str, ...], life: Life, pauses: Pauses, rang: str
) -> tuple[str, datetime]:
    """The rung that follows one before the due time."""
    coming = _before(calendar, rungs, life, pauses, None if not _sorted(rungs).plain else rang)
    for _, rung in coming:
        if rung == rang:
            break
    return next(((rung, at) for at, rung in coming), (BREACHED, life[1]))


def _before(
    calendar: Calendar, rungs: tuple[str, ...], life: Life, pauses: Pauses, since: str | None = None
) -> Iterator[tuple[datetime, str]]:
    """In order. Those that are plainly in order are computed one by one, since mostly the first is asked for. `since`: begin
    there.
    """
    known = _sorted(rungs)
    if known.plain:
        for rung in known.before[known.before.index(since) if since in known.before else 0 :]:
            at = moment(calendar, life, pauses, rung)
            if at is not None:
                yield at, rung
        return
    found = ((moment(calendar, life, pauses, rung), place, rung) for place, rung in enumerate(known.before))
    yield from ((at, rung) for at, _, rung in sorted((at, place, rung) for at, place, rung in found if at is not None))


def after_breach(calendar: Calendar, rungs: tuple[str, ...], life: Life, pauses: Pauses) -> list[tuple[datetime, str]]:
    """The rungs after the due time, in order; a clock that is broken and not stopped comes to them."""
    found = ((moment(calendar, life, pauses, rung), place, rung) for place, rung in enumerate(_sorted(rungs).after))
    return [(at, rung) for at, _, rung in sorted((at, place, rung) for at, place, rung in found if at is not None)]


def has_after(rungs: tuple[str, ...]) -> bool:
    return bool(_sorted(rungs).after)
