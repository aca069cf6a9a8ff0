"""Payloads: a marshmallow base that refuses what it does not know, fields that say what they mean, and a fast dump.

**Loading** is marshmallow's own. Unknown fields are errors; text may hold no NUL, control characters or lone surrogates
(PostgreSQL cannot store the first, readers choke on the rest) and is normalised to NFC, so that two spellings of one
name are one name.

**Dumping** is compiled once per schema into a list of (key, getter, converter): orjson writes datetimes and UUIDs
itself, so most fields are passed through as they are. A test compares it with marshmallow's own dump.
"""

import re
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from enum import Enum
from typing import Any, Final
from uuid import UUID

import marshmallow as ma
from marshmallow import fields, validate

from helpdesk.kernel import rich_text
from helpdesk.kernel.clock import parse_rfc3339, rfc3339
from helpdesk.kernel.money import Money, MoneyError, format_minor
from helpdesk.kernel.pagination import MAX_LIMIT

_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


_UNSEEN: Final = frozenset("\u034f\u115f\u1160\u2800\u3164\uffa0")
"""Letters and marks that show nothing: the grapheme joiner, fillers of Hangul, the empty pattern of Braille."""
_UNSEEN_KINDS: Final = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})
_BREAK: Final = re.compile(r"[ ]*[\t\n\r\x85\u2028\u2029]+[ \t\n\r\x85\u2028\u2029]*")


def is_seen(text: str) -> bool:
    """Whether anything of it can be seen. `text`: stripped, without control characters."""
    return any(not (unicodedata.category(char) in _UNSEEN_KINDS or char in _UNSEEN) for char in text)


class Text(fields.String):
    """Text from a person: stripped, NFC, no control characters but tab and line breaks. Lengths are in characters. What has to
    say something has a character that can be seen.
    """

    default_error_messages = {  # noqa: RUF012  # as marshmallow has it, who calls it no ClassVar
        "control": "Remove control characters (only tabs and line breaks are allowed).",
        "unseen": "Shorter than it looks: nothing of this text can be seen.",
    }

    def __init__(self, *, max_length: int = 500, min_length: int = 1, **kwargs: Any) -> None:
        checks = [validate.Length(min=min_length, max=max_length)]
        extra = kwargs.pop("validate", None)
        super().__init__(validate=[*checks, *([extra] if extra else [])], **kwargs)
        self.says_something = min_length > 0

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        if _FORBIDDEN.search(text):
            raise self.make_error("control")
        text = unicodedata.normalize("NFC", text).strip()
        if self.says_something and text and not is_seen(text):
            raise self.make_error("unseen")
        return text


class Line(Text):
    """A text of one line, as a subject or a name: it stands in lists, mails' headers and CSV. Line breaks and tabs, which come
    along where something is pasted, become a space.
    """

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        return _BREAK.sub(" ", super()._deserialize(value, attr, data, **kwargs))


class Called(Line):
    """What something is called elsewhere: a text of one line, or a whole number, which is its decimal text. No fraction: nobody
    knows how that is written there, and what is beyond 64 bits comes as one.
    """

    bounds: Final = (-(2**63), 2**64 - 1)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        whole = isinstance(value, int) and not isinstance(value, bool)
        return super()._deserialize(str(value) if whole else value, attr, data, **kwargs)


class Html(Text):
    """HTML from a person, kept as it came. Whoever stores it makes a `rich_text.RichText` of it; only that is shown.
    `empty`: it need not say anything yet.
    """

    def __init__(self, *, empty: bool = False, **kwargs: Any) -> None:
        super().__init__(min_length=0 if empty else 1, **kwargs)
        self.empty = empty

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        given: str = fields.String._deserialize(self, value, attr, data, **kwargs)  # noqa: SLF001  # as it came: not NFC
        if _FORBIDDEN.search(given):
            raise self.make_error("control")
        check_html({"": given}, [""], empty=self.empty)
        return given


def check_html(data: Mapping[str, str], names: Iterable[str], *, empty: bool = False) -> None:
    """Raises a validation error that names every one of these texts that cannot be taken as HTML."""
    problems: dict[str, Any] = {}
    for name in names:
        try:
            rich_text.from_html(data[name], empty=empty)
        except rich_text.Unreadable as error:
            problems[name] = [str(error)]
    if problems:
        raise ma.ValidationError(problems.get("", problems))


class Email(fields.Email):
    """An address of at most 254 characters. RFC 5322 would let control characters into a quoted name; we do not."""

    default_error_messages = {"control": "Remove control characters."}  # noqa: RUF012

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(validate=validate.Length(max=254), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        if _FORBIDDEN.search(text):
            raise self.make_error("control")
        return text


class Pattern(validate.Regexp):
    r"""The whole text, as `^...$` in JSON Schema: a `$` of Python's lets a line break through behind it, and its `\Z` is not
    known to readers of the document. `\d` is 0 to 9.
    """

    def __init__(self, expression: str, *, error: str | None = None) -> None:
        super().__init__(re.compile(expression, re.ASCII), error=error)

    def __call__(self, value: Any) -> Any:
        if self.regex.fullmatch(value) is None:
            raise ma.ValidationError(self.error)
        return value


class Whole(fields.Integer):
    """A whole number as JSON Schema has it: 3 and 3.0. Marshmallow's own would make 2 of 2.9, 1 of true and 3 of "3"."""

    def _validated(self, value: Any) -> int:
        if isinstance(value, bool | str) or (isinstance(value, float) and not value.is_integer()):
            raise self.make_error("invalid")
        return super()._validated(value)


class Flag(fields.Boolean):
    """True or false in a JSON body. Marshmallow's own also takes 1, "yes" and "off", which belong into queries."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Timestamp(fields.Field[datetime]):
    """RFC 3339 with an offset; UTC inside. A bare date or a time without a zone is refused."""

    default_error_messages = {"invalid": "Write an RFC 3339 time with an offset, for example 2026-03-01T09:30:00Z."}  # noqa: RUF012

    def _serialize(self, value: datetime | None, *_: Any, **__: Any) -> str | None:
        return None if value is None else rfc3339(value)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> datetime:
        if not isinstance(value, str) or len(value) > 40:
            raise self.make_error("invalid")
        try:
            return parse_rfc3339(value)
        except (ValueError, OverflowError) as error:
            raise self.make_error("invalid") from error


class Choice(fields.String):
    """One of a fixed set of words."""

    def __init__(self, choices: Iterable[str], **kwargs: Any) -> None:
        self.choices = tuple(choices)
        super().__init__(validate=validate.OneOf(self.choices), **kwargs)


class Code(fields.String, ABC):
    """One of a set of words that may change while the program runs. `name`: what the document calls them."""

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.name_of_all = name

    @abstractmethod
    def wrong(self, value: str) -> str | None:
        """Why it is none of them, beginning with "Must be one of"; None where it is one."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        given: str = super()._deserialize(value, attr, data, **kwargs)
        wrong = self.wrong(given)
        if wrong is not None:
            raise ma.ValidationError(wrong)
        return given


MAX_LEVELS: Final = 32


def shallow(value: Any) -> None:
    """For JSON that is kept as it came: what is nested deeper than `MAX_LEVELS` is refused, since what writes JSON again
    stops at some depth. Not by recursion, for the same reason.
    """
    level = [value]
    for _ in range(MAX_LEVELS):
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, Mapping) else item if isinstance(item, list) else ())
            if isinstance(child, Mapping | list)
        ]
        if not level:
            return
    raise ma.ValidationError(f"It is nested more than {MAX_LEVELS} deep.")


class MoneyField(fields.Field[Money]):
    """`{"amount": "25.00", "currency": "EUR"}`. In Python a `Money`, or a pair (minor units, currency)."""

    default_error_messages = {  # noqa: RUF012
        "invalid": 'Write {{"amount": "25.00", "currency": "EUR"}}; amounts are decimal strings.'  # goes through `format`
    }

    def __init__(self, *, positive: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.positive = positive

    def _serialize(self, value: Any, *_: Any, **__: Any) -> dict[str, str] | None:
        return dump_money(value)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Money:
        if not isinstance(value, dict) or set(value) != {"amount", "currency"}:
            raise self.make_error("invalid")
        amount, currency = value["amount"], value["currency"]
        if not isinstance(amount, str) or not isinstance(currency, str):
            raise self.make_error("invalid")
        try:
            money = Money.parse(amount, currency)
        except MoneyError as error:
            raise ma.ValidationError(str(error)) from error
        if money.minor < 0 or (self.positive and money.minor == 0):
            raise ma.ValidationError("The amount must be more than zero." if self.positive else "Not below zero.")
        return money


class MoneyBalance(MoneyField):
    """In answers only: may be below zero, as what went out is."""


def dump_money(value: Any) -> dict[str, str] | None:
    if value is None:
        return None
    minor, currency = (value.minor, value.currency) if isinstance(value, Money) else value
    return {"amount": format_minor(minor, currency), "currency": currency}


class BinaryFile(fields.Field[bytes]):
    """A file in a form. Only for the document: it is read as it comes, not as a value."""


class CommaList(fields.Field[list[str]]):
    """Several values in one parameter, separated by commas; at most so many."""

    def __init__(self, *, most: int = 200, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.most = most

    def _serialize(self, value: Any, *_: Any, **__: Any) -> Any:
        return value

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> list[str]:
        if "\x00" in value:
            raise ma.ValidationError("Remove control characters.")
        found = [part.strip() for part in str(value).split(",") if part.strip()]
        if not 1 <= len(found) <= self.most:
            raise ma.ValidationError(f"Give 1 to {self.most} values, separated by commas.")
        return found


class Several(fields.List[Any]):
    """One value or several of the same kind: a parameter that may be repeated, and in a payload the value itself or a list. One
    is loaded as itself, several as a list, in order; so is a list in a payload, be it of one.
    """

    def __init__(self, inner: fields.Field[Any], *, most: int = 20, in_payload: bool = False, **kwargs: Any) -> None:
        super().__init__(inner, **kwargs)
        self.each = inner
        self.most = most
        self.in_payload = in_payload

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(value, list):
            return self.each.deserialize(value)
        found: list[Any] = super()._deserialize(value, *args, **kwargs)
        if not 1 <= len(found) <= self.most:
            raise ma.ValidationError(f"Give 1 to {self.most} values.")
        if len(set(found)) < len(found):
            raise ma.ValidationError("Give each value once.")
        return found if len(found) > 1 or self.in_payload else found[0]  # what is kept is shown as it was given


SPARSE: Final = "application/vnd.helpdesk.sparse+json"
"""The media type of an answer that has only the fields that were asked for: it is not what the schema of the whole says."""


class Names(CommaList):
    """Some of a fixed set of words, separated by commas; each once, in the order in which they were given."""

    def __init__(self, names: Iterable[str], **kwargs: Any) -> None:
        self.names = tuple(names)
        super().__init__(**kwargs)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> list[str]:
        found = list(dict.fromkeys(super()._deserialize(value, *args, **kwargs)))
        if not set(found) <= set(self.names):
            raise ma.ValidationError(f"Must be one of: {', '.join(self.names)}.")
        return found


class ByName(fields.Dict):
    """Names of one kind, each with a value of its own. A problem is told where it stands: marshmallow puts `key` or `value` between."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        try:
            return super()._deserialize(value, attr, data, **kwargs)  # type: ignore[no-untyped-call]  # marshmallow's
        except ma.ValidationError as error:
            if not isinstance(error.messages, dict):
                raise
            told = {name: each.get("key") or each["value"] for name, each in error.messages.items()}
            raise ma.ValidationError(told) from error


class Schema(ma.Schema):
    """Base of every payload. Unknown fields are refused when loading."""

    class Meta:
        unknown = ma.RAISE

    _compiled: list[tuple[str, str, Callable[[Any], Any] | None]]

    def dump(self, obj: Any, *, many: bool | None = None) -> Any:
        """Rows, mappings or objects as JSON-ready values. Datetimes and UUIDs stay as they are, for orjson."""
        if many or (many is None and self.many):
            return [self._one(item) for item in obj]
        return self._one(obj)

    def _one(self, obj: Any) -> dict[str, Any]:
        try:
            plan = self._compiled
        except AttributeError:
            plan = self._compiled = _compile(self)
        out: dict[str, Any] = {}
        if isinstance(obj, Mapping):
            obj = dict(obj)  # a database row's mapping looks for each name anew, which cost more than all the rest
            for key, name, convert in plan:
                if name in obj:
                    value = obj[name]
                    out[key] = value if convert is None or value is None else convert(value)
            return out
        for key, name, convert in plan:
            value = getattr(obj, name)
            out[key] = value if convert is None or value is None else convert(value)
        return out


def _compile(schema: ma.Schema) -> list[tuple[str, str, Callable[[Any], Any] | None]]:
    return [
        (field.data_key or name, field.attribute or name, _converter(field))
        for name, field in schema.dump_fields.items()
    ]


_AS_IS = (
    fields.String,
    fields.Integer,
    fields.Boolean,
    fields.UUID,
    fields.Raw,
    fields.Dict,
    fields.Date,
    fields.Float,
    Timestamp,
)


def _converter(field: Any) -> Callable[[Any], Any] | None:
    if isinstance(field, fields.Nested):
        return _nested(field)
    if isinstance(field, fields.List):
        inner = _converter(field.inner)
        return None if inner is None else lambda values: [inner(value) for value in values]
    if isinstance(field, MoneyField):
        return dump_money
    if isinstance(field, _AS_IS):
        return None
    raise TypeError(f"no dump for {type(field).__name__}")


def _nested(field: fields.Nested) -> Callable[[Any], Any]:
    # Resolved at the first use: a nested schema may name its own, and instances are made per field.
    def convert(value: Any) -> Any:
        return field.schema.dump(value, many=bool(field.many))

    return convert


class PageQuery(Schema):
    """What every list takes."""

    limit = fields.Integer(
        load_default=25,
        validate=validate.Range(1, MAX_LIMIT),
        metadata={"description": "Rows per page, 1 to 200.", "example": 25},
    )
    cursor = fields.String(
        validate=validate.Length(1, 2000),
        metadata={"description": "`next_cursor` of the page before.", "example": None},
    )
    count = fields.Boolean(
        load_default=False, metadata={"description": "Also count all rows that match.", "example": False}
    )


def problems_of(messages: Any, pointer: str = "") -> list[dict[str, str]]:
    """Marshmallow's tree of messages as a flat list of `{pointer, code, detail}`, in the order of the tree. The pointer
    to the whole is empty (RFC 6901).
    """
    if isinstance(messages, Mapping):
        found = []
        for key, value in messages.items():
            step = "" if key == "_schema" else "/" + str(key).replace("~", "~0").replace("/", "~1")
            found += problems_of(value, pointer + step)
        return found
    if isinstance(messages, str):
        messages = [messages]
    return [{"pointer": pointer, "code": _code_of(text), "detail": text} for text in map(str, messages)]


_CODES = (
    ("Missing data", "required"),
    ("Unknown field", "unknown_field"),
    ("may not be null", "null"),
    ("Must be one of", "choice"),
    ("Length must", "length"),
    ("Longer than", "length"),
    ("Shorter than", "length"),
    ("Must be greater", "range"),
    ("Must be less", "range"),
    ("Must be equal", "length"),
)


def _code_of(text: str) -> str:
    return next((code for part, code in _CODES if part in text), "invalid")


def example_of(schema: ma.Schema, *, loading: bool) -> dict[str, Any]:
    """An example payload, put together from each field's `metadata["example"]` and its kind."""
    items = schema.load_fields if loading else schema.dump_fields
    shown: dict[str, Any] = {}
    for name, field in items.items():
        if "example" in field.metadata and field.metadata["example"] is None:
            if not loading:
                shown[field.data_key or name] = None
            continue
        shown[field.data_key or name] = _example(field, loading)
    return shown


def _example(field: Any, loading: bool) -> Any:
    if "example" in field.metadata:
        return field.metadata["example"]
    if isinstance(field, fields.Nested):
        inner = example_of(field.schema, loading=loading)
        return [inner] if field.many else inner
    if isinstance(field, fields.List):
        return [_example(field.inner, loading)]
    if isinstance(field, Choice):
        return field.choices[0]
    for kind, value in _EXAMPLES:
        if isinstance(field, kind):
            return value
    raise TypeError(f"no example for {type(field).__name__}")


_EXAMPLES: tuple[tuple[Any, Any], ...] = (
    (MoneyField, {"amount": "25.00", "currency": "EUR"}),
    (Timestamp, "2026-03-02T09:30:00Z"),
    (fields.UUID, "0192f0c1-7d1e-7c3a-9a51-2f6f0f6f3a10"),
    (fields.Boolean, True),
    (fields.Integer, 1),
    (fields.Float, 0.5),
    (fields.Date, "2026-03-02"),
    (CommaList, "text"),
    (fields.Email, "li.wei@example.com"),
    (fields.Url, "https://example.com/"),
    (fields.String, "text"),
    (fields.Raw, {}),
    (fields.Dict, {}),
)


def json_safe(value: Any) -> Any:
    """Values for places that go through plain `json` (problem documents, event payloads built by hand)."""
    if isinstance(value, Mapping):
        return {str(key): json_safe(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [json_safe(item) for item in value]
    for kind, convert in _PLAIN:
        if isinstance(value, kind):
            return convert(value)
    return value


_PLAIN: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (datetime, rfc3339),
    (date, date.isoformat),
    (UUID, str),
    (Enum, lambda item: item.value),
    (Money, dump_money),
)
