"""Payloads of overrides of suggestions."""

from marshmallow import fields

from helpdesk.kernel.schemas import Choice, MoneyField, PageQuery, Schema, Text, Timestamp
from helpdesk.recovery.kinds import KINDS
from helpdesk.recovery.lifecycle import LIFECYCLE
from helpdesk.recovery.override_models import DIRECTIONS


class OfferOverride(Schema):
    """How an offer differs from what was suggested, and why."""

    direction = Choice(DIRECTIONS, required=True, metadata={"example": "over"})
    suggested = MoneyField(required=True, metadata={"description": "What would have been no override."})
    by = MoneyField(required=True, metadata={"description": "What was offered less that; below zero: less was."})
    reason = fields.String(required=True, allow_none=True, metadata={"example": "She had to take a day off."})
    floor_reason = fields.String(
        required=True, allow_none=True, metadata={"description": "Why less than what is laid down.", "example": None}
    )


def floor_field() -> Text:
    """Of whatever brings an offer on."""
    return Text(
        max_length=2000,
        metadata={
            "description": "Why less than a law or tariff lays down is offered, for who may (`offer:below_floor`).",
            "example": None,
        },
    )


class OverrideQuery(Schema):
    since = Timestamp(metadata={"description": "Offers drafted from then on.", "example": "2026-01-01T00:00:00Z"})
    until = Timestamp(metadata={"description": "And before then.", "example": None})
    team_id = fields.UUID(metadata={"description": "On complaints of this team.", "example": None})


class OverridesByDirection(Schema):
    direction = Choice(DIRECTIONS, required=True, metadata={"example": "over"})
    currency = fields.String(required=True, metadata={"example": "EUR"})
    count = fields.Integer(required=True, metadata={"example": 3})
    total = MoneyField(required=True, metadata={"description": "Of what they differ by, without its sign."})
    median = MoneyField(required=True)
    p90 = MoneyField(required=True)


class OverridesByAgent(Schema):
    agent_id = fields.UUID(required=True, allow_none=True, metadata={"description": "Null: the program."})
    name = fields.String(required=True, allow_none=True, metadata={"example": "Mei Chen"})
    offers = fields.Integer(required=True, metadata={"description": "That they drafted.", "example": 40})
    overrides = fields.Integer(
        required=True,
        metadata={
            "description": "That they decided, by themselves or with a key of theirs: they drafted it so, or brought it on, or took back what "
            "covered it, with less than is laid down.",
            "example": 3,
        },
    )
    over = fields.Integer(required=True, metadata={"example": 2})
    under = fields.Integer(required=True, metadata={"example": 0})
    kind = fields.Integer(required=True, metadata={"example": 1})
    below_floor = fields.Integer(required=True, metadata={"example": 0})


class Overrides(Schema):
    offers = fields.Integer(required=True, metadata={"example": 120})
    overrides = fields.Integer(required=True, metadata={"example": 9})
    share = fields.Float(required=True, allow_none=True, metadata={"description": "Null: no offers.", "example": 0.075})
    by_direction = fields.List(fields.Nested(OverridesByDirection), required=True)
    by_agent = fields.List(fields.Nested(OverridesByAgent), required=True)


class OverridesQuery(OverrideQuery, PageQuery):
    agent_id = fields.UUID(
        metadata={"description": "Decided by this agent, who said why, or with a key of theirs.", "example": None}
    )
    direction = Choice(DIRECTIONS, metadata={"example": "over"})


class SuggestionOverride(OfferOverride):
    """What was said once of an offer that differs from what was suggested."""

    counts = fields.Boolean(
        required=True,
        metadata={
            "description": "False: something was said of the offer later, and the report counts that.",
            "example": True,
        },
    )

    given = MoneyField(required=True, metadata={"description": "What was offered of it."})
    offer_id = fields.UUID(required=True)
    complaint_id = fields.UUID(required=True)
    complaint_reference = fields.String(required=True, metadata={"example": "7K3M-9QX2-TAM"})
    kind = Choice(KINDS, required=True, metadata={"description": "Of the offer."})
    status = Choice(LIFECYCLE.states, required=True, metadata={"description": "Of the offer, now."})
    at = Timestamp(required=True)
    actor_kind = fields.String(required=True, metadata={"example": "agent"})
    actor_id = fields.UUID(required=True, allow_none=True)
    actor_name = fields.String(
        required=True, allow_none=True, metadata={"description": "Of an agent.", "example": "Mei Chen"}
    )
