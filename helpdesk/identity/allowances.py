"""How much the authority of a role lets one person give away: limits as data, pure. What was given is counted in
`recovery.authority`; the limits that hold now are in `allowances_in_force`.

General limits are nominal: 50 means 50.00 EUR and 50 JPY alike, in the currency of what is given, because a rate that moves
would move people's authority with it. A row may be for one currency, for the complaints of one team, or for both; the most
particular one counts. So amounts are added up over all currencies that go by the general row, as the units that they are: whoever
changes the currency has not got another allowance. What goes by a row of its own currency is counted by itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise, product
from typing import Any, Final
from uuid import UUID

from helpdesk.identity.permissions import AUTHORITIES
from helpdesk.kernel.money import Money

SCOPES: Final = ("case", "customer", "day")
"""For one complaint, for one customer in 365 days, given by one person in a UTC day."""

GIVING: Final = AUTHORITIES[1:]
"""Authorities that may give anything, the least first."""


@dataclass(frozen=True, slots=True)
class Limits:
    """In units of a currency, not minor ones."""

    case: Decimal
    customer: Decimal
    day: Decimal

    def minor(self, scope: str, currency: str) -> int:
        return Money.of(getattr(self, scope), currency).minor


NOTHING: Final = Limits(Decimal(0), Decimal(0), Decimal(0))

Row = tuple[str, str | None, UUID | None]
"""Authority, currency or any, team or any."""


@dataclass(frozen=True, slots=True)
class Allowances:
    """One version of the table. `two_persons`: the least authority of which two together may pass their limits; None: nobody
    may. `delegation_days`: for how long authority may be lent. `splitting_days`: within how many days offers are looked at
    together; 0: they are not. `approval_hours`: until an offer that waits for approval is overdue, by the team's calendar
    where `business_hours`, else on the wall.
    """

    number: int
    rows: Mapping[Row, Limits]
    two_persons: str | None
    delegation_days: int
    splitting_days: int
    approval_hours: int
    business_hours: bool

    @classmethod
    def of(cls, number: int, content: Mapping[str, Any]) -> "Allowances":
        """From a row of the database."""
        rows = {
            (item["authority"], item["currency"], None if item["team_id"] is None else UUID(item["team_id"])): Limits(
                *(Decimal(item[scope]) for scope in SCOPES)
            )
            for item in content["limits"]
        }
        return cls(number, rows, **{name: content[name] for name in RULES})

    def row(self, authority: str, currency: str | None, team_id: UUID | None) -> Row | None:
        """Which row counts for somebody with this authority, in this currency (None: in one that has no row of its own), on
        complaints of this team.
        """
        wanted = ((currency, team_id), (None, team_id), (currency, None), (None, None))
        return next(((authority, *where) for where in wanted if (authority, *where) in self.rows), None)

    def limits(self, authority: str, currency: str, team_id: UUID | None) -> Limits:
        found = self.row(authority, currency, team_id)
        return NOTHING if found is None else self.rows[found]

    def counts_with(self, authority: str, currency: str, team_id: UUID | None, other: str) -> bool:
        """Whether what is given in another currency counts against the limits for this one."""
        if other == currency:
            return True
        rows = (self.row(authority, each, team_id) for each in (currency, other))
        return all(row is None or row[1] is None for row in rows)

    def signs_above(self, authority: str) -> bool:
        """Whether somebody of that authority may pass their limits together with another one."""
        return self.two_persons is not None and AUTHORITIES.index(authority) >= AUTHORITIES.index(self.two_persons)


RULES: Final = ("two_persons", "delegation_days", "splitting_days", "approval_hours", "business_hours")
"""What a version says beside the limits."""

_SHIPPED: Final = {
    "agent": ("50", "150", "500"),
    "senior": ("200", "400", "2000"),
    "manager": ("1000", "2000", "5000"),
    "director": ("10000", "20000", "50000"),
}
SHIPPED: Final[dict[str, Any]] = {
    "limits": [
        {"authority": name, "currency": None, "team_id": None, **dict(zip(SCOPES, amounts, strict=True))}
        for name, amounts in _SHIPPED.items()
    ],
    "two_persons": "director",
    "delegation_days": 31,
    "splitting_days": 7,
    "approval_hours": 8,
    "business_hours": True,
}
"""What a system begins with: version 1."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`at`: a JSON pointer into the content."""

    at: str
    code: str
    detail: str


def faults(allowances: Allowances) -> Iterator[Fault]:
    """What is impossible in a table whose rows stand in the order of the content: every fault, none where it can be."""
    places = {row: place for place, row in enumerate(allowances.rows)}
    for row, limits in allowances.rows.items():
        yield from _within_itself(f"/limits/{places[row]}", limits)
    for authority in GIVING:
        if (authority, None, None) not in places:
            yield Fault("/limits", "missing", f"The general limits of {authority!r} are missing: no currency, no team.")
    yield from dict.fromkeys(_out_of_order(allowances, places))


def _within_itself(at: str, limits: Limits) -> Iterator[Fault]:
    for wider in ("customer", "day"):
        if limits.case > getattr(limits, wider):
            yield Fault(f"{at}/case", "above_wider", f"What is allowed for one complaint is more than for one {wider}.")


def _out_of_order(allowances: Allowances, places: Mapping[Row, int]) -> Iterator[Fault]:
    """An offer that is beyond one authority goes to the next one: it would find nobody there."""
    currencies = {None} | {row[1] for row in places}
    teams = {None} | {row[2] for row in places}
    for (lesser, greater), currency, team_id in product(pairwise(GIVING), currencies, teams):
        below, above = allowances.row(lesser, currency, team_id), allowances.row(greater, currency, team_id)
        if below is None or above is None:
            continue
        at = max(places[below], places[above])
        for scope in SCOPES:
            if getattr(allowances.rows[below], scope) > getattr(allowances.rows[above], scope):
                yield Fault(f"/limits/{at}/{scope}", "order", f"{lesser!r} would be allowed more than {greater!r}.")
