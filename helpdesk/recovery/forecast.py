"""How long a budget will last, by what was spent of it lately. Pure.

What was spent on each day of the window, the first and the last included, makes a rate per day. Until the budget's last day
it is taken to go on like that. Where nothing was spent there is no rate, and nothing is foretold: an unknown is None, never
zero. Everything is reckoned from the exact rate, and rounded once, half up, to the minor unit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_CEILING, ROUND_HALF_UP, Context, Decimal
from typing import Final

DEFAULT_DAYS: Final = 28
MOST_DAYS: Final = 366

_CONTEXT: Final = Context(prec=60)
_WHOLE: Final = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Purse:
    """A budget as far as it is looked at. `begins_on`: its first day, or that on which it was made, if later. `remaining`: what is
    not spent yet, whether it is set aside or not. `closed_on`: when it was closed.
    """

    begins_on: date
    ends_on: date
    closed_on: date | None
    committed: int
    remaining: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """`spent`: (day, minor units) of each day of the window, none where the budget has not begun. `entries`: on how many the
    rate rests. `days_left`: after today, or all of them where it has not begun. `rate`, `projected`: minor units. `exhausted_on`:
    the day that uses up what remains, None where that is after its last day (then `lasts`) or not known (then `lasts` is None too).
    """

    spent: tuple[tuple[date, int], ...]
    entries: int
    days_left: int
    rate: int | None
    exhausted_on: date | None
    lasts: bool | None
    projected: int | None

    @property
    def days(self) -> int:
        return len(self.spent)


def window(purse: Purse, today: date, days: int) -> tuple[date, date]:
    """First and last day of the window; the first is after the last where there is none yet."""
    last = min(today, purse.ends_on, purse.closed_on or today)
    return date.fromordinal(max(last.toordinal() - days + 1, purse.begins_on.toordinal())), last


def forecast(purse: Purse, today: date, days: int, found: Mapping[date, tuple[int, int]]) -> Forecast:
    """`found`: (minor units, entries) by day, of days that have any. `days`: the window's length."""
    first, last = window(purse, today, days)
    length = max((last - first).days + 1, 0)
    every = tuple(first + timedelta(days=offset) for offset in range(length))
    spent = tuple((day, found.get(day, (0, 0))[0]) for day in every)
    entries = sum(found[day][1] for day in every if day in found)
    ended = purse.closed_on is not None or today > purse.ends_on
    left = 0 if ended else min((purse.ends_on - today).days, (purse.ends_on - purse.begins_on).days + 1)
    if entries == 0:
        return Forecast(
            spent=spent, entries=0, days_left=left, rate=None, exhausted_on=None, lasts=None, projected=None
        )
    total = sum(amount for _, amount in spent)
    exhausted_on = _exhausted_on(purse, last, total, length, left)
    return Forecast(
        spent=spent,
        entries=entries,
        days_left=left,
        rate=_rounded(total, 1, length),
        exhausted_on=exhausted_on,
        lasts=exhausted_on is None,
        projected=purse.committed + _rounded(max(total, 0), left, length),
    )


def _exhausted_on(purse: Purse, today: date, total: int, length: int, left: int) -> date | None:
    """`today`: the last day that was looked at."""
    if purse.remaining <= 0:
        return today
    if total <= 0:
        return None
    needed = _CONTEXT.divide(Decimal(purse.remaining) * length, Decimal(total))
    whole = int(needed.to_integral_value(ROUND_CEILING))
    return today + timedelta(days=whole) if whole <= left else None


def _rounded(total: int, times: int, length: int) -> int:
    exact = _CONTEXT.divide(_CONTEXT.multiply(Decimal(total), Decimal(times)), Decimal(length))
    return int(exact.quantize(_WHOLE, ROUND_HALF_UP, _CONTEXT))
