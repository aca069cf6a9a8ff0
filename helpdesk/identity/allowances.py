"""How much the authority of a role lets one person give away. What was given is counted in `recovery.authority`.

The limits are nominal: 50 means 50.00 EUR and 50 JPY alike, in the currency of what is given.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from helpdesk.kernel.money import Money


@dataclass(frozen=True, slots=True)
class Limits:
    """Whole units of any currency: for one complaint, for one customer in 365 days, given by one person in a UTC day."""

    case: int
    customer: int
    day: int


LIMITS: Final[dict[str, Limits]] = {
    "agent": Limits(50, 150, 500),
    "senior": Limits(200, 400, 2_000),
    "manager": Limits(1_000, 2_000, 5_000),
    "director": Limits(10_000, 20_000, 50_000),
}
"""By the authority of a role (`identity.permissions.AUTHORITIES`). One that is not here may give nothing."""


def within_case(authority: str, minor: int, currency: str | None) -> bool:
    """Whether somebody of that authority may have given so much (minor units) on one complaint; nothing always may be."""
    if minor <= 0 or currency is None:
        return minor <= 0
    limits = LIMITS.get(authority)
    return limits is not None and minor <= Money.of(Decimal(limits.case), currency).minor
