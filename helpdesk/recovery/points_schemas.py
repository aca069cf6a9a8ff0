"""Payloads of points, in and out."""

from typing import Final

from marshmallow import fields

from helpdesk.kernel.schemas import Choice, Line, MoneyField, Schema, Text, Timestamp
from helpdesk.recovery.points_models import POINTS_ENTRY_KINDS

_RECEIPT: Final = "shop 12, receipt 4711"


class PointsBalance(Schema):
    """Of one currency. One point is one minor unit of it."""

    balance = MoneyField(required=True, metadata={"description": "What can be used now."})
    next_expiry = Timestamp(
        required=True, allow_none=True, metadata={"description": "When the next of it expires.", "example": None}
    )
    expires_next = MoneyField(required=True, allow_none=True, metadata={"description": "How much that is."})


class PointsBalances(Schema):
    items = fields.List(fields.Nested(PointsBalance), required=True)


class PointsEntry(Schema):
    id = fields.UUID(required=True)
    kind = Choice(POINTS_ENTRY_KINDS, required=True)
    amount = MoneyField(required=True)
    offer_id = fields.UUID(required=True, allow_none=True, metadata={"description": "Whose points: of one lot."})
    external_id = fields.String(required=True, allow_none=True, metadata={"example": _RECEIPT})
    reverses_id = fields.UUID(required=True, allow_none=True)
    at = Timestamp(required=True)
    actor_kind = fields.String(required=True, metadata={"example": "agent"})
    actor_id = fields.UUID(required=True, allow_none=True)
    note = fields.String(required=True, allow_none=True, metadata={"example": None})


class PointsBurnIn(Schema):
    amount = MoneyField(required=True, metadata={"example": {"amount": "1.00", "currency": "EUR"}})
    external_id = Line(
        required=True,
        max_length=200,
        metadata={
            "description": "The caller's own reference. The same one from the same caller for the same customer is the same "
            "burning, for ever.",
            "example": _RECEIPT,
        },
    )


class PointsBurnReverseIn(Schema):
    reason = Text(required=True, max_length=500, metadata={"example": "Typed for the wrong customer."})


class PointsBurn(Schema):
    id = fields.UUID(required=True)
    customer_id = fields.UUID(required=True)
    amount = MoneyField(required=True)
    external_id = fields.String(required=True, metadata={"example": _RECEIPT})
    at = Timestamp(required=True)
    reversed_at = Timestamp(
        required=True, allow_none=True, metadata={"description": "When it was taken back.", "example": None}
    )
    balance = MoneyField(required=True, metadata={"description": "What the customer can use now."})
