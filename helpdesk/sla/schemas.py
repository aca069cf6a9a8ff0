from marshmallow import fields

from helpdesk.complaints.taxonomy import SEVERITIES
from helpdesk.customers.models import TIERS
from helpdesk.kernel.schemas import Choice, Schema, Timestamp
from helpdesk.sla.computing import CHOICES
from helpdesk.sla.models import CLOCK_STATES
from helpdesk.sla.policy_schemas import UNITS
from helpdesk.sla.policy_spec import ON_REOPEN
from helpdesk.sla.regime_schemas import ClockRegime


class ClockConventions(Schema):
    """As in `helpdesk sla compute`."""

    boundary = Choice(CHOICES["boundary"], required=True, metadata={"example": "earliest"})
    business_day = Choice(CHOICES["business_day"], required=True, metadata={"example": "close_of_nth_day"})
    calendar_day = Choice(CHOICES["calendar_day"], required=True, metadata={"example": "end_of_nth_day"})


class Clock(Schema):
    id = fields.UUID(required=True)
    kind = fields.String(required=True, metadata={"example": "resolve"})
    round = fields.Integer(required=True, metadata={"description": "2 and up after reopening."})
    on_reopen = Choice(
        ON_REOPEN,
        required=True,
        allow_none=True,
        metadata={
            "description": "What reopening has made of it: `restart`, the whole time anew; `continue`, what was left of it. null of "
            "one that has begun since, or in the first round, and of a regulator's, which always counts on.",
            "example": None,
        },
    )
    state = Choice(CLOCK_STATES, required=True)
    subject_id = fields.UUID(
        required=True,
        allow_none=True,
        metadata={
            "description": "What it is about: the message that waits for an answer, the offer to be delivered.",
            "example": None,
        },
    )
    severity = Choice(SEVERITIES, required=True, allow_none=True, metadata={"example": "S3"})
    tier = Choice(
        TIERS,
        required=True,
        allow_none=True,
        metadata={"description": "Of the customer, where the policies ask for it.", "example": None},
    )
    target_amount = fields.Integer(required=True, metadata={"example": 5})
    target_unit = Choice(UNITS, required=True, metadata={"example": "business_days"})
    pausable = fields.Boolean(required=True)
    conventions = fields.Nested(ClockConventions, required=True)
    started_at = Timestamp(required=True)
    due_at = Timestamp(
        required=True,
        allow_none=True,
        metadata={"description": "null while paused.", "example": "2026-03-09T17:00:00Z"},
    )
    remaining_seconds = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "Business seconds left, while paused.", "example": None},
    )
    stopped_at = Timestamp(required=True, allow_none=True, metadata={"example": None})
    breached_at = Timestamp(required=True, allow_none=True, metadata={"example": None})
    elapsed_seconds = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "Business seconds used, once stopped.", "example": None},
    )
    next_alarm_at = Timestamp(required=True, allow_none=True, metadata={"example": "2026-03-05T12:00:00Z"})
    next_rung = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "Of its ladder, at which it rings next: a share of the time, or a time before or after the due time.",
            "example": "-30 minutes",
        },
    )
    next_threshold = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "Where that is a share of the time: percent.", "example": None},
    )
    policy_id = fields.UUID(required=True, allow_none=True)
    policy_version = fields.Integer(required=True, allow_none=True)
    calendar_id = fields.UUID(required=True, allow_none=True)
    calendar_version = fields.Integer(required=True, allow_none=True)
    rule_id = fields.String(
        required=True, allow_none=True, metadata={"description": "The regulatory rule.", "example": None}
    )
    rule_version = fields.Integer(required=True, allow_none=True, metadata={"example": None})
    timezone = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Of a regulator's clock: whose local days count.", "example": None},
    )
    extensions = fields.Integer(
        required=True, metadata={"description": "How often a notice has moved it.", "example": 0}
    )
    regime = fields.Nested(
        ClockRegime,
        required=True,
        allow_none=True,
        metadata={"description": "What the rule says; null for a clock of a policy.", "example": None},
    )
    generation = fields.Integer(required=True)


class Clocks(Schema):
    items = fields.List(fields.Nested(Clock), required=True)
