"""What an entry does to a budget's sums, and which alerts stand at given sums. Pure; integers in minor units throughout.

A budget's funds are what was put in: allocated less withdrawn, and what came less what went to other budgets. What is used of them is set
aside or spent. What is available is the rest, less what lapsed when the budget was closed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Effect:
    """How often the amount of one entry counts in each sum."""

    allocated: int = 0
    transferred: int = 0
    lapsed: int = 0
    reserved: int = 0
    committed: int = 0


EFFECTS: Final[dict[str, Effect]] = {
    "allocate": Effect(allocated=1),
    "withdraw": Effect(allocated=-1),
    "reserve": Effect(reserved=1),
    "commit": Effect(reserved=-1, committed=1),
    "release": Effect(reserved=-1),
    "reverse": Effect(committed=-1),
    "reduce": Effect(reserved=-1),
    "transfer_out": Effect(transferred=-1),
    "transfer_in": Effect(transferred=1),
    "carry_out": Effect(transferred=-1, reserved=-1),
    "carry_in": Effect(transferred=1, reserved=1),
    "lapse": Effect(lapsed=1),
    "overpay": Effect(committed=1),
}
"""`reduce` frees a part of a reservation: the customer took what costs less. `carry_out` and `carry_in` move a reservation together
with its money; `lapse` takes what a closed budget has left. `overpay`: spent without having been set aside, beside what the
offer's own entries spend: its provider has paid once more.
"""

OFFER_KINDS: Final = ("reserve", "commit", "release", "reverse", "reduce", "carry_out", "carry_in", "overpay")
"""Entries for an offer."""
PAIRED_KINDS: Final = ("transfer_out", "transfer_in", "carry_out", "carry_in")
"""Entries that are one of two, in two budgets."""

DEFAULT_ALERTS: Final = (80, 100)
"""Percent of the funds."""
MOST_ALERTS: Final = 10


def standing(percents: Sequence[int], used: int, funds: int) -> list[int]:
    """The thresholds that the use has reached, in ascending order. None of an empty budget."""
    return sorted(percent for percent in set(percents) if funds > 0 and used * 100 >= percent * funds)
