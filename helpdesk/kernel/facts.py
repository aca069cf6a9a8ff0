"""Facts by name, each of a kind: what conditions (`expressions`) may ask for, and how a value of it is read.

A kind reads a value in whichever form it comes: from a row (a `UUID`, a `datetime`, a `Money`) or from JSON (a condition
in a payload, the before and after of an event). What it makes of them can be compared; what is no value of the kind
raises ValueError with a sentence for whoever wrote it.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from helpdesk.kernel.clock import parse_rfc3339, rfc3339
from helpdesk.kernel.money import Money, MoneyError, format_minor

MAX_TEXT: Final = 500
MAX_WHOLE: Final = 2**53
"""Beyond this a JSON reader that uses floating point would lose a unit."""

_EQUAL: Final = ("is", "is_not", "in", "not_in")
_ORDERED: Final = ("lt", "le", "gt", "ge")
SET: Final = ("is_set", "is_unset")
CHANGES: Final = ("changed", "changed_to", "changed_from")
OPERATORS: Final = (*_EQUAL, *_ORDERED, "contains", "starts_with", *SET, *CHANGES)


@dataclass(frozen=True, slots=True)
class Kind:
    """`read`: from any form to a value that can be compared. `show`: back to JSON. `many`: the fact is a set, and a
    condition names members of it.
    """

    name: str
    operators: tuple[str, ...]
    read: Callable[[Any], Any]
    show: Callable[[Any], Any]
    many: bool = False


def _plain(text: Any) -> str:
    if not isinstance(text, str):
        raise ValueError("Write a text.")  # noqa: TRY004  # every reader says what it wants in one way
    if len(text) > MAX_TEXT:
        raise ValueError(f"Write at most {MAX_TEXT} characters.")
    if any(unicodedata.category(char) in {"Cc", "Cs"} and char not in "\t\n\r" for char in text):
        raise ValueError("Remove control characters.")
    return unicodedata.normalize("NFC", text)


def _code(value: Any) -> str:
    code = _plain(value)
    if not code:
        raise ValueError("Write a code; `is_unset` asks for none.")
    return code


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("Write true or false.")  # noqa: TRY004
    return value


def _whole(value: Any) -> int:
    if isinstance(value, bool | str) or not isinstance(value, int | float) or value % 1:
        raise ValueError("Write a whole number.")
    if abs(value) > MAX_WHOLE:
        raise ValueError("The number is too large.")
    return int(value)


_NUMBER: Final = 'Write a number, or a decimal string such as "12.50".'
_PLAIN_DECIMAL = re.compile(r"-?\d{1,18}(\.\d{1,20})?", re.ASCII)
_PLACES: Final = 20
_PLAIN_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def _decimal(value: Any) -> Decimal:
    """A float is taken for the shortest decimal that reads as it, which is what stood in the JSON."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError(_NUMBER)  # noqa: TRY004
    if isinstance(value, str) and not _PLAIN_DECIMAL.fullmatch(value):
        raise ValueError(_NUMBER)
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite() or abs(number) >= 10**18 or abs(int(number.as_tuple().exponent)) > _PLACES:
        raise ValueError("The number is too large, or has too many places.")
    return number


def _id(value: Any) -> UUID:
    if isinstance(value, UUID):
        return value
    try:
        return UUID(value)
    except (ValueError, TypeError, AttributeError):
        raise ValueError("Write an id (a UUID).") from None


def _time(value: Any) -> datetime:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    if not isinstance(value, str) or len(value) > 40:
        raise ValueError("Write an RFC 3339 time with an offset, for example 2026-03-01T09:30:00Z.")
    try:
        return parse_rfc3339(value)
    except OverflowError as error:
        raise ValueError("That time is out of reach.") from error


def _day(value: Any) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _PLAIN_DAY.fullmatch(value):
        raise ValueError("Write a day, for example 2026-03-01.")
    return date.fromisoformat(value)


def _money(value: Any) -> Money:
    if isinstance(value, Money):
        return value
    if not isinstance(value, Mapping) or set(value) != {"amount", "currency"}:
        raise ValueError('Write {"amount": "25.00", "currency": "EUR"}; amounts are decimal strings.')
    amount, currency = value["amount"], value["currency"]
    if not isinstance(amount, str) or not isinstance(currency, str):
        raise ValueError('Write {"amount": "25.00", "currency": "EUR"}; amounts are decimal strings.')  # noqa: TRY004
    try:
        return Money.parse(amount, currency)
    except MoneyError as error:
        raise ValueError(f"{error}.") from error


def _show_money(value: Money) -> dict[str, str]:
    return {"amount": format_minor(value.minor, value.currency), "currency": value.currency}


def _as_it_is(value: Any) -> Any:
    return value


TEXT: Final = Kind("text", (*_EQUAL, "contains", "starts_with", *SET, *CHANGES), _plain, _as_it_is)
"""Compared without regard to case."""
CODE: Final = Kind("code", (*_EQUAL, *_ORDERED, "starts_with", *SET, *CHANGES), _code, _as_it_is)
"""A stable word. The comparisons of order only where the field's choices have one."""
CODES: Final = Kind("codes", (*_EQUAL, "contains", *SET, *CHANGES), _code, _as_it_is, many=True)
"""A set of stable words. `is`: that one and no other; `in`: any of these; `not_in`: none of these; `contains`: that one
among them; `changed_to`: it was added; `changed_from`: it was taken away."""
ID: Final = Kind("id", (*_EQUAL, *SET, *CHANGES), _id, str)
WHOLE: Final = Kind("integer", (*_EQUAL, *_ORDERED, *SET, *CHANGES), _whole, _as_it_is)
DECIMAL: Final = Kind("decimal", (*_EQUAL, *_ORDERED, *SET, *CHANGES), _decimal, str)
MONEY: Final = Kind("money", (*_EQUAL, *_ORDERED, *SET, *CHANGES), _money, _show_money)
"""Amounts in different currencies are neither more nor less nor the same."""
FLAG: Final = Kind("flag", ("is", "is_not", *SET, *CHANGES), _flag, _as_it_is)
DAY: Final = Kind("date", (*_EQUAL, *_ORDERED, *SET, *CHANGES), _day, date.isoformat)
TIME: Final = Kind("time", (*_ORDERED, *SET, *CHANGES), _time, rfc3339)


@dataclass(frozen=True, slots=True)
class Field:
    """A fact that a condition may name. `choices`: the only values it has; with `ordered` the first is the least. `meant`: of
    values that have several names the one to compare by; it is asked of what is wanted and of what is found.
    """

    kind: Kind
    summary: str
    choices: tuple[str, ...] | None = None
    ordered: bool = False
    meant: Callable[[Any], Any] | None = None

    @property
    def operators(self) -> tuple[str, ...]:
        if self.kind is CODE and not self.ordered:
            return tuple(name for name in self.kind.operators if name not in _ORDERED)
        return self.kind.operators


Vocabulary = Mapping[str, Field]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known. `values`: by the field's name; None, or no entry, is not known. `changes`: before and after, of the
    fields that the event at hand changed.
    """

    values: Mapping[str, Any]
    changes: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    read: dict[tuple[str, str], Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What conditions have read so far, by the field's name and its kind's: a hundred rules ask for the same few values."""
