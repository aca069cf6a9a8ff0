"""Money: integer minor units and an ISO 4217 currency. Never a float.

The exponent (cents, yen, dinars of a thousand) comes from CLDR through Babel. Rounding happens in one place,
`Money.of`, half up, the way invoices do; only a limit is rounded down (`Money.up_to`), so that nothing is beyond it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache

from babel.core import get_global
from babel.numbers import get_currency_precision

MAX_MINOR = 2**53
"""Beyond this a JSON reader that uses floating point would lose a cent; the database column is bigint."""

_PLAIN_DECIMAL = re.compile(r"-?\d{1,16}(\.\d{1,8})?", re.ASCII)


class MoneyError(ValueError):
    """The amount or the currency cannot be used; the message says what would be."""


@lru_cache(maxsize=256)
def exponent(currency: str) -> int:
    """Decimal places of an ISO 4217 currency: 2 for EUR, 0 for JPY, 3 for KWD. Raises `MoneyError`.

    Also of one that is no longer in use: what was paid in it is still shown.
    """
    if currency not in get_global("all_currencies"):
        raise MoneyError(f"{currency!r} is not an ISO 4217 currency")
    return get_currency_precision(currency)


@lru_cache(maxsize=1)
def currencies() -> frozenset[str]:
    """Codes that are legal tender somewhere now."""
    in_use: set[str] = set()
    for periods in get_global("territory_currencies").values():
        in_use.update(code for code, _start, end, tender in periods if tender and end is None)
    return frozenset(in_use)


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount in minor units (cents) of a currency. Arithmetic between two currencies is an error, not a guess."""

    minor: int
    currency: str

    @classmethod
    def of(cls, amount: Decimal, currency: str) -> "Money":
        """Round half up to the currency's minor unit."""
        quantum = Decimal(1).scaleb(-exponent(currency))
        return cls(int(amount.quantize(quantum, ROUND_HALF_UP).scaleb(exponent(currency))), currency)

    @classmethod
    def up_to(cls, limit: Decimal, currency: str) -> "Money":
        """The most that is not beyond a limit."""
        return cls(int(limit.scaleb(exponent(currency)).to_integral_value(ROUND_FLOOR)), currency)

    @classmethod
    def parse(cls, amount: str, currency: str) -> "Money":
        """Read `"25.00"` of a currency in use. More decimals than it has are refused, not rounded. Raises `MoneyError`."""
        if currency not in currencies():
            raise MoneyError(f"{currency!r} is not a current ISO 4217 currency; write for example EUR")
        places = exponent(currency)
        if not _PLAIN_DECIMAL.fullmatch(amount):
            raise MoneyError('write the amount as a plain decimal string, for example "25.00"')
        try:
            minor = Decimal(amount).scaleb(places)
        except InvalidOperation as error:
            raise MoneyError("the amount is not a number") from error
        if minor != minor.to_integral_value():
            raise MoneyError(f"{currency} has {places} decimal places; the amount has more")
        if abs(minor) > MAX_MINOR:
            raise MoneyError("the amount is too large")
        return cls(int(minor), currency)

    @property
    def decimal(self) -> Decimal:
        return Decimal(self.minor).scaleb(-exponent(self.currency))

    def __str__(self) -> str:
        return format_minor(self.minor, self.currency)

    def __add__(self, other: "Money") -> "Money":
        return Money(self.minor + self._same(other).minor, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.minor - self._same(other).minor, self.currency)

    def __lt__(self, other: "Money") -> bool:
        return self.minor < self._same(other).minor

    def __le__(self, other: "Money") -> bool:
        return self.minor <= self._same(other).minor

    def _same(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise MoneyError(f"{self.currency} and {other.currency} cannot be combined")
        return other


def nominal(amounts: Iterable[Money], currency: str) -> Money:
    """As many units of `currency` as all of these are units of theirs, whatever they are worth: for limits that count units, and
    never for paying. Rounded up: what is over a limit by less than a minor unit is over.
    """
    units = sum((amount.decimal for amount in amounts), Decimal())
    places = exponent(currency)
    return Money(int(units.quantize(Decimal(1).scaleb(-places), ROUND_CEILING).scaleb(places)), currency)


def format_minor(minor: int, currency: str) -> str:
    """Minor units as the API's decimal string: `format_minor(2500, "EUR") == "25.00"`."""
    places = exponent(currency)
    if not places:
        return str(minor)
    sign, digits = ("-" if minor < 0 else ""), str(abs(minor)).zfill(places + 1)
    return f"{sign}{digits[:-places]}.{digits[-places:]}"
