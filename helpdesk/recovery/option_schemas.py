"""Payloads of what an offer gives, and of the options of an offer that gives several to choose from."""

from typing import Any, Final

from marshmallow import ValidationError, fields, validate, validates_schema

from helpdesk.kernel.schemas import Choice, Flag, MoneyField, Schema, Text, Whole
from helpdesk.recovery.breakdown_schemas import BREAKDOWN, EXAMPLE, PUBLIC_BREAKDOWN, Breakdown, PublicBreakdown
from helpdesk.recovery.kinds import ISSUABLE, KINDS
from helpdesk.recovery.option_terms import DEFAULT_POINTS_DAYS, DEFAULT_VOUCHER_DAYS, MOST, TERMS

_VOUCHERS_OWN: Final = ("voucher_days", "voucher_partial")
_NUMBER: Final = {"description": "Of the option: 1, 2 or 3.", "example": 1}
_KIND: Final = {"description": f"Can be drafted: {', '.join(ISSUABLE)}.", "example": "voucher"}
_MISSING: Final = "Missing data for required field."


class _TermsIn(Schema):
    amount = MoneyField(
        metadata={
            "description": "What the customer gets; of a replacement, a new performance or a gift what it costs us, which "
            "they are not told. A letter has none."
        }
    )
    text = Text(
        max_length=20_000,
        metadata={"description": "Own words of an apology letter; a standard text when absent.", "example": None},
    )
    voucher_days = Whole(
        validate=validate.Range(1, 3650),
        metadata={
            "description": f"Days that the voucher is good from its issuance; {DEFAULT_VOUCHER_DAYS} when absent. Of a "
            "voucher only.",
            "example": DEFAULT_VOUCHER_DAYS,
        },
    )
    voucher_partial = Flag(
        metadata={"description": "The voucher may be used in parts. Of a voucher only.", "example": True}
    )
    points_days = Whole(
        validate=validate.Range(1, 3650),
        metadata={
            "description": f"Days that the points are good from their issuance; {DEFAULT_POINTS_DAYS} when absent. Of "
            "points only.",
            "example": None,
        },
    )

    @validates_schema
    def _fits_kind(self, data: dict[str, Any], **_: Any) -> None:
        problems = misfits(data)
        if problems:
            raise ValidationError(problems)


def misfits(data: dict[str, Any]) -> dict[str, list[str]]:
    """Fields that this kind of remedy does not have."""
    kind = data.get("kind")
    found: dict[str, list[str]] = {}
    found |= {name: ["Only a voucher has it."] for name in _VOUCHERS_OWN if name in data and kind != "voucher"}
    if "points_days" in data and kind != "points":
        found["points_days"] = ["Only points have it."]
    if "text" in data and kind != "apology_letter":
        found["text"] = ["Only a letter has a text; write `reason` instead."]
    return found


class OfferOptionIn(_TermsIn):
    kind = Choice(KINDS, required=True, metadata=_KIND)


class DraftTermsIn(_TermsIn):
    """One remedy, or `options` to choose from."""

    kind = Choice(KINDS, metadata=_KIND | {"description": f"{_KIND['description']} Required without `options`."})
    reason = Text(
        max_length=2000,
        metadata={
            "description": "Why, in words for the customer: they read it. Required for what is paid.",
            "example": "Your order came four days late, and nobody told you.",
        },
    )
    options = fields.List(
        fields.Nested(OfferOptionIn),
        validate=validate.Length(1, MOST),
        metadata={
            "description": f"Up to {MOST} remedies in one currency, of which the customer takes one; then kind, amount, "
            "text and the terms of a voucher stand there. Authority and budget have to cover the dearest.",
            "example": None,
        },
    )

    @validates_schema
    def _fits_kind(self, data: dict[str, Any], **_: Any) -> None:
        problems: dict[str, list[str]] = {}
        if "options" in data:
            problems |= {name: ["Write it in each of `options`."] for name in TERMS if name in data}
            kinds = [item.get("kind") for item in data["options"]]
        else:
            problems |= misfits(data) if "kind" in data else {"kind": [_MISSING]}
            kinds = [data.get("kind")]
        if not data.get("reason") and any(kind != "apology_letter" for kind in kinds if kind):
            problems["reason"] = [_MISSING]
        if problems:
            raise ValidationError(problems)


class PublicOfferOption(Schema):
    number = fields.Integer(required=True, metadata=_NUMBER)
    kind = Choice(KINDS, required=True)
    amount = MoneyField(
        required=True,
        allow_none=True,
        metadata={"description": "What they get in money's worth, where it is that.", "example": EXAMPLE},
    )
    voucher_days = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "Days that the voucher is good from its issuance.", "example": 365},
    )
    voucher_partial = fields.Boolean(
        required=True, metadata={"description": "The voucher may be used in parts.", "example": False}
    )
    points_days = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "Days that the points are good from their issuance.", "example": None},
    )
    breakdown = fields.Nested(PublicBreakdown, required=True, allow_none=True, metadata=PUBLIC_BREAKDOWN)


class OfferOption(PublicOfferOption):
    amount = MoneyField(required=True, allow_none=True, metadata={"example": EXAMPLE})
    breakdown = fields.Nested(Breakdown, required=True, allow_none=True, metadata=BREAKDOWN)
    text = fields.String(required=True, allow_none=True, metadata={"example": None})


CHOSEN: Final = {"description": "Which option the customer took, where there were several.", "example": None}


def option_field() -> Whole:
    """The answer's."""
    return Whole(
        validate=validate.Range(1, MOST),
        metadata={"description": "Number of the option that is taken; required where there are several.", "example": 1},
    )


class PublicAcceptIn(Schema):
    option = option_field()
