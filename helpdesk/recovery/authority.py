"""How much one person may give away: per case, per customer in twelve months, per day. Never one's own draft beyond that.

The limits are nominal: 50 means 50.00 EUR and 50 JPY alike, in the offer's own currency, because a rate that moves
would move people's authority with it. Sums count what was granted and not undone, in that currency. Above the top of the
table two directors are needed, neither of whom drafted it. Pure: the sums come from `queries`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from helpdesk.identity.allowances import LIMITS, Limits
from helpdesk.kernel.money import Money

TOP: Final = "director"
CUSTOMER_DAYS: Final = 365


@dataclass(frozen=True, slots=True)
class Granted:
    """What was granted before and still stands, in minor units of the offer's currency, without the offer itself."""

    case: int = 0
    customer: int = 0
    day: int = 0


class Verdict(StrEnum):
    ENOUGH = "enough"
    SECOND_NEEDED = "second_needed"
    NOT_ENOUGH = "not_enough"


@dataclass(frozen=True, slots=True)
class Excess:
    """One limit that the offer would pass."""

    limit: str
    allowed: Money
    would_be: Money


def excesses(held: str, amount: Money, granted: Granted) -> list[Excess]:
    """Every limit of the authority `held` that would be passed; empty: within authority. A limit may be reached, not passed."""
    limits = LIMITS.get(held, Limits(0, 0, 0))
    found = []
    for name in ("case", "customer", "day"):
        allowed = Money.of(Decimal(getattr(limits, name)), amount.currency)
        would_be = Money(getattr(granted, name) + amount.minor, amount.currency)
        if allowed < would_be:
            found.append(Excess(name, allowed, would_be))
    return found


def judge(held: str, over: Sequence[Excess], *, endorsed: bool) -> Verdict:
    """`over`: from `excesses`. `endorsed`: another director has approved it already."""
    if not over:
        return Verdict.ENOUGH
    if held != TOP:
        return Verdict.NOT_ENOUGH
    return Verdict.ENOUGH if endorsed else Verdict.SECOND_NEEDED
