"""Payloads of custom fields."""

import re
from collections.abc import Mapping
from typing import Any, Final

from marshmallow import ValidationError, fields, validate, validates_schema

from helpdesk.complaints.custom_field_models import FIELD_TYPES
from helpdesk.complaints.custom_values import FOUND_TO, LONGEST
from helpdesk.complaints.lifecycle import LIFECYCLE
from helpdesk.kernel.schemas import Choice, CommaList, Flag, Line, PageQuery, Pattern, Schema, Text, Timestamp, Whole

_KEY: Final = Pattern(
    r"^[a-z][a-z0-9_]{0,39}$", error="Write lower-case letters, digits and underscores, a letter first; 40 at most."
)
_CODE: Final = Pattern(
    r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$", error="Write letters, digits, underscores, dots and hyphens; 40 at most."
)
_CURRENCY: Final = Pattern(r"^[A-Z]{3}$", error="Write an ISO 4217 currency, for example EUR.")
MOST_OPTIONS: Final = 200
MOST_VALUES: Final = 100
"""Values that one request may bring."""

_CONDITION: Final = re.compile(r'([a-z][a-z0-9_]{0,39}):("(?:[^"])*"|[^,"]+)')
MOST_CONDITIONS: Final = 5
CONDITION_LENGTH: Final = 300


class Conditions(CommaList):
    """`key:value` and `key:from..to`, several separated by commas; a value in double quotes may hold commas. In Python a
    list of them, without the quotes.
    """

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> list[str]:
        found, place = [], 0
        while place < len(value):
            one = _CONDITION.match(value, place)
            if one is None or (one.end() < len(value) and value[one.end()] != ","):
                raise ValidationError("Write key:value or key:from..to, several separated by commas.")
            found.append(f"{one[1]}:{one[2].strip().strip(chr(34))}")
            place = one.end() + 1
        return checked_conditions(found)


def checked_conditions(found: list[str]) -> list[str]:
    """Raises `ValidationError` for too many, or what nobody can look for."""
    if not 1 <= len(found) <= MOST_CONDITIONS:
        raise ValidationError(f"Give 1 to {MOST_CONDITIONS} conditions.")
    for one in found:
        key, colon, value = one.partition(":")
        if not colon or not key or not value or len(one) > CONDITION_LENGTH or "\x00" in one:
            raise ValidationError(f"Write key:value or key:from..to, {CONDITION_LENGTH} characters at most.")
    return found


class CustomValues(fields.Dict):
    """Values by the key of their field. Definitions are data, so what each may hold is not in this document."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(keys=fields.String(), **kwargs)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> dict[str, Any]:
        found: dict[str, Any] = super()._deserialize(value, attr, data, **kwargs)  # type: ignore[no-untyped-call]
        if len(found) > MOST_VALUES:
            raise ValidationError(f"Longer than maximum length {MOST_VALUES}.")
        return found


EXAMPLE: Final = {"order_number": "A-1042", "refund_by": "2026-03-01"}
DESCRIPTION: Final = (
    "By the key of each field (GET /custom-fields): a string, a decimal text, a day, a code, a list of codes, "
    "an amount, or true and false."
)


class OptionIn(Schema):
    code = Text(required=True, max_length=40, validate=_CODE, metadata={"example": "courier"})
    label = Line(required=True, max_length=200, metadata={"example": "By courier"})
    label_zh = Line(max_length=200, allow_none=True, load_default=None, metadata={"example": "快递"})
    active = Flag(load_default=True, metadata={"description": "false: retired, and chosen no more."})


class _Definition(Schema):
    """What an addition and a change have in common."""

    label_zh = Line(max_length=200, allow_none=True, metadata={"example": "订单号"})
    description = Text(max_length=1000, allow_none=True, metadata={"example": "As on the invoice."})
    options = fields.List(
        fields.Nested(OptionIn),
        validate=validate.Length(max=MOST_OPTIONS),
        metadata={"description": "Of a choice. A code is retired, not taken away.", "example": []},
    )
    currency = Text(max_length=3, validate=_CURRENCY, allow_none=True, metadata={"example": None})
    minimum = Text(
        max_length=40,
        allow_none=True,
        metadata={"description": "Of a number, a day or an amount, written as its values are.", "example": None},
    )
    maximum = Text(max_length=40, allow_none=True, metadata={"example": None})
    max_length = Whole(
        validate=validate.Range(1, LONGEST),
        allow_none=True,
        metadata={"description": f"Characters of a text; {FOUND_TO} when absent.", "example": 20},
    )
    mask = Text(
        max_length=50,
        allow_none=True,
        metadata={
            "description": "What a text looks like: # a digit, ? a letter, * either, all else itself.",
            "example": "?-####",
        },
    )
    required_for = fields.List(
        Choice(LIFECYCLE.actions),
        validate=validate.Length(max=len(LIFECYCLE.actions)),
        metadata={"description": "Actions that wait for a value.", "example": ["resolve"]},
    )
    filterable = Flag(metadata={"description": "Whether lists can be asked for its values."})
    position = Whole(
        validate=validate.Range(0, 10_000), metadata={"description": "Its place among the others.", "example": 10}
    )


class CustomFieldIn(_Definition):
    key = Text(
        required=True,
        max_length=40,
        validate=_KEY,
        metadata={"description": "Stable; what values are found under.", "example": "order_number"},
    )
    label = Line(required=True, max_length=200, metadata={"example": "Order number"})
    type = Choice(FIELD_TYPES, required=True, metadata={"example": "text"})


class CustomFieldPatch(_Definition):
    label = Line(max_length=200, metadata={"example": "Order number"})
    type = Choice(FIELD_TYPES, metadata={"description": "Stays while there are values.", "example": "text"})
    active = Flag(metadata={"description": "false: values stay where they are, and none is written any more."})
    even_if_named = Flag(
        metadata={
            "description": "Also where settings name the field that do not go together with the change (409 "
            "`custom_field_named`): they do nothing, or are refused, until they are mended.",
            "example": None,
        }
    )

    @validates_schema
    def _a_change(self, data: dict[str, Any], **_: Any) -> None:
        if data.keys() == {"even_if_named"}:
            raise ValidationError("It goes with a change of the definition.", "even_if_named")


class CustomFieldQuery(PageQuery):
    active = fields.Boolean()


class Option(Schema):
    code = fields.String(required=True, metadata={"example": "courier"})
    label = fields.String(required=True, metadata={"example": "By courier"})
    label_zh = fields.String(required=True, allow_none=True, metadata={"example": "快递"})
    active = fields.Boolean(required=True)


class CustomField(Schema):
    id = fields.UUID(required=True)
    key = fields.String(required=True, metadata={"example": "order_number"})
    label = fields.String(required=True, metadata={"example": "Order number"})
    label_zh = fields.String(required=True, allow_none=True, metadata={"example": "订单号"})
    description = fields.String(required=True, allow_none=True, metadata={"example": None})
    type = Choice(FIELD_TYPES, required=True)
    options = fields.List(fields.Nested(Option), required=True, metadata={"example": []})
    currency = fields.String(required=True, allow_none=True, metadata={"example": None})
    minimum = fields.String(required=True, allow_none=True, metadata={"example": None})
    maximum = fields.String(required=True, allow_none=True, metadata={"example": None})
    max_length = fields.Integer(required=True, allow_none=True, metadata={"example": 20})
    mask = fields.String(required=True, allow_none=True, metadata={"example": "?-####"})
    required_for = fields.List(Choice(LIFECYCLE.actions), required=True, metadata={"example": ["resolve"]})
    filterable = fields.Boolean(required=True)
    active = fields.Boolean(required=True)
    position = fields.Integer(required=True, metadata={"example": 10})
    version = fields.Integer(required=True)
    created_at = Timestamp(required=True)
