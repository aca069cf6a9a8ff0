"""Payloads of what of an offer's money is owed, and what is goodwill."""

from typing import Any, Final

from marshmallow import fields

from helpdesk.kernel.schemas import Choice, MoneyField, Schema
from helpdesk.recovery.breakdown import BASES

EXAMPLE: Final = {"amount": "290.00", "currency": "EUR"}
"""The amount of which the examples below are the parts."""
_EUR: Final = {"currency": "EUR"}
_STATUTORY: Final[dict[str, Any]] = {
    "basis": "statutory",
    "amount": {"amount": "250.00", **_EUR},
    "law": "Regulation (EC) No 261/2004, article 7",
    "net_of_tariffs": False,
}
_GOODWILL: Final[dict[str, Any]] = {
    "basis": "goodwill",
    "amount": {"amount": "40.00", **_EUR},
    "law": None,
    "net_of_tariffs": False,
}
_SUMS: Final[dict[str, Any]] = {"owed": {"amount": "250.00", **_EUR}, "goodwill": {"amount": "40.00", **_EUR}}


class PublicBreakdownLine(Schema):
    basis = Choice(
        BASES,
        required=True,
        metadata={
            "description": "statutory: a law or tariff lays it down; restitution: it makes good what was lost; goodwill: it is given "
            "beyond what is owed.",
            "example": "statutory",
        },
    )
    amount = MoneyField(required=True)
    law = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "Name of the law or scheme that lays it down, in the language of the offer where the program knows it in that; "
            "null: of a basis that is none, or nobody named it.",
            "example": _STATUTORY["law"],
        },
    )
    net_of_tariffs = fields.Boolean(
        required=True,
        metadata={
            "description": "Of restitution: what a law or tariff pays for the same loss is taken off already.",
            "example": False,
        },
    )


class BreakdownLine(PublicBreakdownLine):
    tariff = fields.String(
        required=True, allow_none=True, metadata={"description": "Its code, where it is one.", "example": "eu.261"}
    )
    tariff_version = fields.Integer(required=True, allow_none=True, metadata={"example": 1})
    source = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "Where the tariff says so.",
            "example": "Regulation (EC) No 261/2004, art. 4, 5, 7 and 12",
        },
    )


class PublicBreakdown(Schema):
    owed = MoneyField(required=True, metadata={"description": "Statutory and restitution."})
    goodwill = MoneyField(
        required=True, allow_none=True, metadata={"description": "Null: what the rest is, is not known."}
    )
    lines = fields.List(fields.Nested(PublicBreakdownLine), required=True)


class Breakdown(PublicBreakdown):
    lines = fields.List(fields.Nested(BreakdownLine), required=True)


PUBLIC_BREAKDOWN: Final = {
    "description": "What of the amount is owed to them, and what is goodwill, as it was when the offer was put before them. Declining, asking "
    "for something else or not answering loses nothing that is owed. Of several offers that stand only one tells a sum as owed. Null: it is no "
    "money, it is not known, or the offer has ended.",
    "example": {**_SUMS, "lines": [_STATUTORY, _GOODWILL]},
}
_TARIFF: Final = {"tariff": "eu.261", "tariff_version": 1, "source": "Regulation (EC) No 261/2004, art. 4, 5, 7 and 12"}
BREAKDOWN: Final = {
    "description": "What of the amount is owed, and by what, and what is goodwill: as the customer was told, or, before that, as they would be "
    "told now. Money pays what is owed first; what other offers that stand have told is not told again. Null: it is no money, or it is not "
    "known for sure, for example since a tariff lacks facts, or less than what is laid down is offered for a reason (`floor_reason`).",
    "example": {
        **_SUMS,
        "lines": [_STATUTORY | _TARIFF, _GOODWILL | dict.fromkeys(_TARIFF)],
    },
}
