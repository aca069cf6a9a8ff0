"""Values of custom fields: what a definition lets in, and what a value is found by. Pure words and arithmetic.

A value is kept as the API shows it (`json`), exact: numbers and amounts as decimal texts. What is no value of the field
raises `Unfit` with a code and a sentence.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from helpdesk.kernel.folding import fold
from helpdesk.kernel.money import Money, MoneyError, format_minor

LONGEST: Final = 5_000
"""Characters that a text field may allow at most."""
FOUND_TO: Final = 200
"""Characters of a text that is looked for; a longer one is not filterable, since an index holds no pages of prose."""

_DECIMAL: Final = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,10})?")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CONTROL: Final = frozenset({"Cc", "Cs"})


class Unfit(ValueError):
    """`code` is stable, the message says what would be accepted. `place`: of an item in a list."""

    def __init__(self, code: str, detail: str, place: int | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.place = place


@dataclass(frozen=True, slots=True)
class Found:
    """What one value is found by: a row of `complaint_custom_value`."""

    text: str | None
    number: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Value:
    json: Any
    found: tuple[Found, ...]


@dataclass(frozen=True, slots=True)
class Definition:
    """What a value is judged by. `options`: code -> whether it may still be chosen."""

    type: str
    options: Mapping[str, bool]
    currency: str | None = None
    minimum: str | None = None
    maximum: str | None = None
    max_length: int | None = None
    mask: str | None = None


def read(definition: Definition, given: Any, before: Any = None) -> Value:
    """`before`: what the complaint has, as `json`; a choice that was retired may stay. Raises `Unfit`."""
    return _READERS[definition.type](definition, given, before)


def found_by(definition: Definition, words: str) -> Found:
    """What somebody who writes `words` into a filter is looking for. Raises `Unfit`."""
    if definition.type == "money":
        return _amount(_money(words, definition.currency or ""))
    if definition.type == "boolean":
        if words not in {"true", "false"}:
            raise Unfit("invalid", "Write true or false.")
        return Found(words)
    if definition.type in {"choice", "multi_choice"}:
        if words not in definition.options:
            raise Unfit("choice", f"Must be one of: {', '.join(definition.options)}.")
        return Found(words)
    if definition.type == "text":
        return Found(fold(words)[:FOUND_TO])
    return _number(words) if definition.type == "number" else _day(words)


def bound(definition: Definition, words: str) -> Decimal:
    """A bound of a definition or of a span, as the number that it is compared by. Raises `Unfit`."""
    found = found_by(definition, words)
    if found.number is None:
        raise Unfit("invalid", "Values of this type have no order.")
    return found.number


def has_spans(kind: str) -> bool:
    """Whether values of this type have an order that one asks for."""
    return kind in {"number", "date", "money"}


def _text(definition: Definition, given: Any, _before: Any) -> Value:
    if not isinstance(given, str):
        raise Unfit("invalid", "Not a valid string.")
    if any(unicodedata.category(char) in _CONTROL and char not in "\t\n\r" for char in given):
        raise Unfit("invalid", "Remove control characters (only tabs and line breaks are allowed).")
    words = unicodedata.normalize("NFC", given).strip()
    most = definition.max_length or FOUND_TO
    if not 1 <= len(words) <= most:
        raise Unfit("length", f"Length must be between 1 and {most}; null empties it.")
    if definition.mask is not None and not fits_mask(definition.mask, words):
        raise Unfit("mask", f"Write it like {definition.mask} (# a digit, ? a letter, * either).")
    return Value(words, (found_text(words, definition.max_length),))


def found_text(words: str, max_length: int | None) -> Found:
    return Found(fold(words)[:FOUND_TO] if (max_length or FOUND_TO) <= FOUND_TO else None)


def fits_mask(mask: str, words: str) -> bool:
    """`#` stands for a digit 0-9, `?` for a letter A-Z or a-z, `*` for either, all else for itself. It is no regular
    expression, so that nobody can write one that never ends.
    """
    return len(mask) == len(words) and all(
        _MASKED[want](char) if want in _MASKED else want == char for want, char in zip(mask, words, strict=True)
    )


def _is_digit(char: str) -> bool:
    return char.isascii() and char.isdigit()


def _is_letter(char: str) -> bool:
    return char.isascii() and char.isalpha()


_MASKED: Final[Mapping[str, Callable[[str], bool]]] = {
    "#": _is_digit,
    "?": _is_letter,
    "*": lambda char: _is_digit(char) or _is_letter(char),
}


def decimal(given: Any) -> Decimal:
    """A whole number, or a decimal text; a floating-point number is not exact. Raises `Unfit`."""
    if isinstance(given, int) and not isinstance(given, bool):
        given = str(given)
    if not isinstance(given, str) or not _DECIMAL.fullmatch(given):
        text = 'Write a whole number, or a decimal text such as "12.50" (18 digits and 10 places at most).'
        raise Unfit("invalid", text)
    return Decimal(given)


def plain(number: Decimal) -> str:
    """One text for each number: 2.50 is 2.5."""
    written = format(number.normalize(), "f")
    return "0" if written == "-0" else written


def _number(given: Any) -> Found:
    number = decimal(given)
    return Found(plain(number), number)


def _read_number(definition: Definition, given: Any, _before: Any) -> Value:
    found = _number(given)
    _in_bounds(definition, found)
    return Value(found.text, (found,))


def day(given: Any) -> date:
    """Raises `Unfit`."""
    try:
        if isinstance(given, str) and _DAY.fullmatch(given):
            return date.fromisoformat(given)
    except ValueError:
        pass
    raise Unfit("invalid", "Write a day like 2026-03-01.")


def _day(given: Any) -> Found:
    found = day(given)
    return Found(found.isoformat(), Decimal(found.toordinal()))


def _read_day(definition: Definition, given: Any, _before: Any) -> Value:
    found = _day(given)
    _in_bounds(definition, found)
    return Value(found.text, (found,))


def _in_bounds(definition: Definition, found: Found) -> None:
    number = found.number or Decimal(0)
    if definition.minimum is not None and number < bound(definition, definition.minimum):
        raise Unfit("range", f"Must be at least {definition.minimum}.")
    if definition.maximum is not None and number > bound(definition, definition.maximum):
        raise Unfit("range", f"Must be at most {definition.maximum}.")


def _read_money(definition: Definition, given: Any, _before: Any) -> Value:
    example = f'Write {{"amount": "25.00", "currency": "{definition.currency}"}}; amounts are decimal strings.'
    if not isinstance(given, Mapping) or set(given) != {"amount", "currency"}:
        raise Unfit("invalid", example)
    if given["currency"] != definition.currency:
        raise Unfit("currency", f"This field is in {definition.currency}.")
    if not isinstance(given["amount"], str):
        raise Unfit("invalid", example)
    money = _money(given["amount"], given["currency"])
    found = _amount(money)
    _in_bounds(definition, found)
    return Value({"amount": found.text, "currency": money.currency}, (found,))


def _money(amount: str, currency: str) -> Money:
    try:
        return Money.parse(amount, currency)
    except MoneyError as error:
        raise Unfit("invalid", f"{error}.") from error


def _amount(money: Money) -> Found:
    return Found(format_minor(money.minor, money.currency), Decimal(money.minor))


def _choose(definition: Definition, given: Any, before: Sequence[Any]) -> str:
    if not isinstance(given, str) or given not in definition.options:
        still = [code for code, active in definition.options.items() if active]
        raise Unfit("choice", f"Must be one of: {', '.join(still)}.")
    if not definition.options[given] and given not in before:
        raise Unfit("retired", f"{given} is not to be chosen any more.")
    return given


def _read_choice(definition: Definition, given: Any, before: Any) -> Value:
    code = _choose(definition, given, [before])
    return Value(code, (Found(code),))


def _read_choices(definition: Definition, given: Any, before: Any) -> Value:
    if not isinstance(given, list) or not 1 <= len(given) <= len(definition.options):
        raise Unfit("invalid", "Write a list of codes; null empties it.")
    chosen: list[str] = []
    for place, item in enumerate(given):
        try:
            code = _choose(definition, item, before or ())
        except Unfit as error:
            raise Unfit(error.code, error.detail, place) from error
        if code in chosen:
            raise Unfit("repeated", "It stands there already.", place)
        chosen.append(code)
    in_order = [code for code in definition.options if code in chosen]
    return Value(in_order, tuple(Found(code) for code in in_order))


def _read_flag(_definition: Definition, given: Any, _before: Any) -> Value:
    if not isinstance(given, bool):
        raise Unfit("invalid", "Not a valid boolean.")
    return Value(given, (Found("true" if given else "false"),))


_READERS: Final[Mapping[str, Callable[[Definition, Any, Any], Value]]] = {
    "text": _text,
    "number": _read_number,
    "date": _read_day,
    "money": _read_money,
    "choice": _read_choice,
    "multi_choice": _read_choices,
    "boolean": _read_flag,
}
