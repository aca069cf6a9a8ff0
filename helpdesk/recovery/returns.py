"""What recovery brings, pure. Source: reference formulas, with their worked examples in the tests.

Both are only as good as what goes in: nobody here knows what a customer is worth, or who would have left. Whoever asks says so.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from helpdesk.kernel.money import Money

_PLACES: Final = Decimal("0.0001")


def recovery_return(retained: Money, cost: Money) -> Decimal | None:
    """`(retained value - cost) / cost`, to four places, half up; None where it cost nothing: there is no return on nothing.

    8 000 retained for 2 500: 2.2.
    """
    if cost.minor == 0:
        return None
    return (Decimal((retained - cost).minor) / cost.minor).quantize(_PLACES, ROUND_HALF_UP)


def retained_value(customers: int, share: Decimal, value: Money) -> Money:
    """So many customers, of whom that share (0 to 1) stays, each worth `value`; rounded once."""
    return Money.of(customers * share * value.decimal, value.currency)


@dataclass(frozen=True, slots=True)
class Risk:
    """Shares are between 0 and 1. `problems`: of customers who have one; `complain`: of these, who say so; `satisfied`: of
    those, whom the answer satisfies; `lost_complaining`: of those whom it does not, who leave; `lost_silent`: of those who
    said nothing, who leave.
    """

    customers: int
    problems: Decimal
    complain: Decimal
    satisfied: Decimal
    lost_complaining: Decimal
    lost_silent: Decimal


def customers_at_risk(risk: Risk) -> Decimal:
    """`N p [s (1 - rho) Lc + (1 - s) Ln]`."""
    unsatisfied = risk.complain * (1 - risk.satisfied) * risk.lost_complaining
    return risk.customers * risk.problems * (unsatisfied + (1 - risk.complain) * risk.lost_silent)


def value_at_risk(risk: Risk, value: Money) -> Money:
    """What the customers who leave are worth; 10 000, .05, .3, .6, .5, .4, 200: 34 000."""
    return Money.of(customers_at_risk(risk) * value.decimal, value.currency)
