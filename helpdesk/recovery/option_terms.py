"""What an offer gives, as its draft says: one remedy, or up to three of which the customer takes one.

Until they have chosen, the offer itself has the terms of the dearest: authority, budget and the complaint's sums know no
options, and what they allow covers whatever is chosen. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from helpdesk.kernel.money import Money
from helpdesk.recovery.kinds import PAYING

MOST: Final = 3
DEFAULT_VOUCHER_DAYS: Final = 365
DEFAULT_POINTS_DAYS: Final = 365
TERMS: Final = ("kind", "amount", "text", "voucher_days", "voucher_partial", "points_days")
"""Fields of a draft that an option has, and that stand in `options` when there are several."""
COLUMNS: Final = ("kind", "amount_minor", "currency", "text", "voucher_days", "voucher_partial", "points_days")
"""Where they are kept, of an option and of an offer alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """`amount` None: it costs nothing. `text`: own words of a letter. `voucher_*`: of a voucher only; `points_days`: of points."""

    kind: str
    amount: Money | None = None
    text: str | None = None
    voucher_days: int | None = None
    voucher_partial: bool = False
    points_days: int | None = None

    @property
    def minor(self) -> int:
        """What it costs, in minor units; 0 for what costs nothing."""
        return 0 if self.amount is None else self.amount.minor

    @property
    def remedy(self) -> tuple[str, Money | None]:
        """Two options that agree in this are one."""
        return self.kind, self.amount

    def columns(self) -> dict[str, Any]:
        amount = self.amount
        return {
            "kind": self.kind,
            "amount_minor": None if amount is None else amount.minor,
            "currency": None if amount is None else amount.currency,
            "text": self.text,
            "voucher_days": self.voucher_days,
            "voucher_partial": self.voucher_partial,
            "points_days": self.points_days,
        }


def options_of(given: Mapping[str, Any]) -> list[tuple[str, Terms]]:
    """The pointer of each option in the draft's body, and the option. Without `options`, the body itself is the only one."""
    items = given.get("options")
    if items is None:
        return [("", _terms(given))]
    return [(f"/options/{place}", _terms(item)) for place, item in enumerate(items)]


def _terms(given: Mapping[str, Any]) -> Terms:
    is_voucher = given["kind"] == "voucher"
    return Terms(
        kind=given["kind"],
        amount=given.get("amount"),
        text=given.get("text"),
        voucher_days=given.get("voucher_days", DEFAULT_VOUCHER_DAYS) if is_voucher else None,
        voucher_partial=given.get("voucher_partial", False),
        points_days=given.get("points_days", DEFAULT_POINTS_DAYS) if given["kind"] == "points" else None,
    )


def dearest(options: Sequence[Terms]) -> Terms:
    """The first of those that cost most; one that is paid before one that is not."""
    return max(options, key=lambda terms: (terms.minor, terms.kind in PAYING))
