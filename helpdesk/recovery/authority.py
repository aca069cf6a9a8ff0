"""How much one person may give away: per case, per customer in twelve months, per day. Never one's own draft beyond that.

The limits are data (`identity.allowances`). Sums count what was granted and not undone, in every currency that goes by the same
limits as the offer's, in units. Above the limits of the authority that the table names, two persons are needed, neither of whom
drafted it. Pure: the sums come from `approval_queries`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from helpdesk.identity.allowances import SCOPES, Allowances, Limits
from helpdesk.kernel.money import Money, nominal

CUSTOMER_DAYS: Final = 365


@dataclass(frozen=True, slots=True)
class Granted:
    """What was granted before and still stands, in minor units of the offer's currency, without the offer itself."""

    case: int = 0
    customer: int = 0
    day: int = 0


@dataclass(frozen=True, slots=True)
class Sums:
    """What was granted before, as `Granted`: minor units by their currency."""

    case: Mapping[str, int] = field(default_factory=dict)
    customer: Mapping[str, int] = field(default_factory=dict)
    day: Mapping[str, int] = field(default_factory=dict)

    def granted(self, currency: str, counts: Callable[[str], bool]) -> Granted:
        """`counts`: whether a currency does (`Allowances.counts_with`)."""
        return Granted(
            *(
                nominal(
                    (Money(minor, each) for each, minor in getattr(self, name).items() if counts(each)), currency
                ).minor
                for name in SCOPES
            )
        )


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


def excesses(limits: Limits, amount: Money, granted: Granted) -> list[Excess]:
    """Every limit that would be passed; empty: within authority. A limit may be reached, not passed."""
    found = []
    for name in SCOPES:
        allowed = Money(limits.minor(name, amount.currency), amount.currency)
        would_be = Money(getattr(granted, name) + amount.minor, amount.currency)
        if allowed < would_be:
            found.append(Excess(name, allowed, would_be))
    return found


def judge(allowances: Allowances, held: str, over: Sequence[Excess], *, endorsed: bool) -> Verdict:
    """`held`: the authority. `over`: from `excesses`. `endorsed`: another who signs above the limits has approved it already."""
    if not over:
        return Verdict.ENOUGH
    if not allowances.signs_above(held):
        return Verdict.NOT_ENOUGH
    return Verdict.ENOUGH if endorsed else Verdict.SECOND_NEEDED
