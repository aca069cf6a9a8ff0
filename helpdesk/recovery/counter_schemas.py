"""Payloads of counter-offers, in and out."""

from typing import Any, Final

from marshmallow import fields, validate

from helpdesk.complaints.redaction_schemas import MessageRedactionIn
from helpdesk.kernel.schemas import Choice, MoneyField, Schema, Text, Timestamp, Whole
from helpdesk.recovery.kinds import KINDS
from helpdesk.recovery.lifecycle import COUNTER_OUTCOMES, MOST_COUNTERS

LEFT: Final[dict[str, Any]] = {
    "description": f"How often they can still ask for something else; {MOST_COUNTERS} times of one offer.",
    "example": MOST_COUNTERS,
}


class PublicCounterIn(Schema):
    words = Text(
        required=True,
        max_length=2000,
        metadata={"description": "What they ask for, and why.", "example": "I should like my money back instead."},
    )
    kind = Choice(KINDS, metadata={"description": "The remedy they ask for, where it has a name.", "example": "refund"})
    amount = MoneyField(metadata={"description": "And how much of it."})


class CounterRedactionIn(MessageRedactionIn):
    number = Whole(
        required=True,
        validate=validate.Range(1, MOST_COUNTERS),
        metadata={"description": "Which of the offer's `counters`.", "example": 1},
    )
    strings = fields.List(
        Text(max_length=1000),
        validate=validate.Length(1, 50),
        metadata={
            "description": "Every occurrence of these, in whatever capitals and line breaks.",
            "example": ["money"],
        },
    )


class PublicCounter(Schema):
    """What the customer asked for instead."""

    words = fields.String(required=True, metadata={"example": "I should like my money back instead."})
    kind = Choice(KINDS, required=True, allow_none=True)
    amount = MoneyField(required=True, allow_none=True)
    at = Timestamp(required=True)
    outcome = Choice(
        tuple(COUNTER_OUTCOMES.values()),
        required=True,
        allow_none=True,
        metadata={"description": "Null: nobody has answered yet.", "example": None},
    )


class OfferCounter(PublicCounter):
    number = fields.Integer(required=True, metadata={"example": 1})
    said_by = fields.String(required=True, metadata={"description": "`link`: themselves.", "example": "link"})
    settled_at = Timestamp(required=True, allow_none=True, metadata={"example": None})
