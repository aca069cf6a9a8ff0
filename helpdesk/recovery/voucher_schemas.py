"""Payloads of vouchers at the till, in and out: nothing of the complaint behind them."""

from typing import Final

from marshmallow import fields

from helpdesk.kernel.schemas import Choice, Line, MoneyField, Schema, Text, Timestamp
from helpdesk.recovery.voucher_models import VOUCHER_ENTRY_KINDS
from helpdesk.recovery.voucher_queries import VOUCHER_STATES

_CODE: Final = "7K3M-9QX2-TA5V-0C4E-0"
_RECEIPT: Final = "shop 12, receipt 4711"


class Voucher(Schema):
    """What a till needs to know."""

    code = fields.String(required=True, metadata={"example": _CODE})
    amount = MoneyField(required=True, metadata={"description": "What it was issued for."})
    balance = MoneyField(required=True, metadata={"description": "What is left on it."})
    partial_use = fields.Boolean(required=True, metadata={"description": "It may be used in parts.", "example": False})
    status = Choice(VOUCHER_STATES, required=True)
    expires_at = Timestamp(required=True)
    redeemed_at = Timestamp(
        required=True, allow_none=True, metadata={"description": "When it was used up.", "example": None}
    )


class RedeemIn(Schema):
    amount = MoneyField(
        metadata={"description": "In the voucher's currency; all that is left on it when absent.", "example": None}
    )
    external_id = Line(
        max_length=200,
        metadata={
            "description": "The till's own reference. The same one from the same caller on the same voucher is the same "
            "redemption, for ever. Required for a voucher that may be used in parts.",
            "example": _RECEIPT,
        },
    )


class Redemption(Schema):
    id = fields.UUID(required=True)
    amount = MoneyField(required=True)
    external_id = fields.String(required=True, allow_none=True, metadata={"example": _RECEIPT})
    at = Timestamp(required=True)
    reversed_at = Timestamp(
        required=True, allow_none=True, metadata={"description": "When it was taken back.", "example": None}
    )


class VoucherUse(Voucher):
    redemption = fields.Nested(Redemption, required=True)


class VoucherEntry(Schema):
    """One line of a voucher's ledger. `reverse` puts back what a `redeem` took; `expire` and `void` take all that is left."""

    id = fields.UUID(required=True)
    kind = Choice(VOUCHER_ENTRY_KINDS, required=True)
    amount = MoneyField(required=True)
    external_id = fields.String(
        required=True, allow_none=True, metadata={"description": "The till's own reference.", "example": _RECEIPT}
    )
    reverses_id = fields.UUID(
        required=True, allow_none=True, metadata={"description": "The redemption that it takes back.", "example": None}
    )
    at = Timestamp(required=True)
    actor_kind = fields.String(required=True, metadata={"example": "integration"})
    actor_id = fields.UUID(required=True, allow_none=True)


class RedemptionReverseIn(Schema):
    reason = Text(required=True, max_length=500, metadata={"example": "Typed for the wrong customer."})


class Liability(Schema):
    """One currency. `issued` is the sum of the four that follow."""

    issued = MoneyField(required=True, metadata={"description": "All that was ever issued."})
    outstanding = MoneyField(required=True, metadata={"description": "Can still be used: what is owed."})
    used = MoneyField(required=True)
    expired = MoneyField(required=True, metadata={"description": "Was not used in time."})
    withdrawn = MoneyField(required=True, metadata={"description": "Taken back with its offer."})
    open = fields.Integer(required=True, metadata={"description": "How many can still be used.", "example": 12})


class Liabilities(Schema):
    items = fields.List(fields.Nested(Liability), required=True)
