from marshmallow import fields

from helpdesk.kernel.schemas import Choice, Schema, Timestamp
from helpdesk.sla import schemas
from helpdesk.sla.accounts import KINDS
from helpdesk.sla.regime_rules import UNITS
from helpdesk.sla.regime_schemas import ClockRegime


class Seconds(Schema):
    counted = fields.Integer(required=True, metadata={"example": 28_800})
    paused = fields.Integer(required=True, metadata={"example": 0})
    closed = fields.Integer(required=True, metadata={"example": 57_600})


class Segment(Schema):
    kind = Choice(KINDS, required=True)
    start = Timestamp(required=True, data_key="from")
    end = Timestamp(required=True, data_key="to", metadata={"example": "2026-03-02T17:00:00Z"})
    seconds = fields.Integer(required=True, metadata={"example": 27_000})


class LeftOut(Schema):
    after = fields.Integer(
        required=True, metadata={"description": "How many of the listed segments stand before them.", "example": 30}
    )
    segments = fields.Integer(required=True, metadata={"example": 12})
    start = Timestamp(required=True, data_key="from")
    end = Timestamp(required=True, data_key="to")
    seconds = fields.Nested(Seconds, required=True)


class Account(Schema):
    start = Timestamp(required=True, data_key="from")
    end = Timestamp(required=True, data_key="to", metadata={"example": "2026-03-09T17:00:00Z"})
    seconds = fields.Nested(Seconds, required=True)
    segments = fields.List(
        fields.Nested(Segment),
        required=True,
        metadata={"description": "In order and without gaps; of many, the first and the last thirty."},
    )
    left_out = fields.Nested(
        LeftOut, required=True, allow_none=True, metadata={"description": "Those in the middle.", "example": None}
    )


class ByPolicy(Schema):
    id = fields.UUID(required=True)
    name = fields.String(required=True, metadata={"example": "Default"})
    version = fields.Integer(required=True)
    severity = fields.String(required=True, allow_none=True, metadata={"example": "S3"})
    tier = fields.String(
        required=True, allow_none=True, metadata={"description": "Of the customer, where targets differ by it."}
    )


class ByCalendar(Schema):
    id = fields.UUID(
        required=True, allow_none=True, metadata={"description": "None for a regulator's clock that counts every day."}
    )
    name = fields.String(required=True, metadata={"example": "Office hours"})
    version = fields.Integer(required=True, allow_none=True)
    timezone = fields.String(required=True, metadata={"example": "Europe/Berlin"})


class Conventions(Schema):
    boundary = fields.String(required=True, metadata={"example": "earliest"})
    business_day = fields.String(required=True, metadata={"example": "close_of_nth_day"})
    calendar_day = fields.String(required=True, metadata={"example": "end_of_nth_day"})
    pausable = fields.Boolean(required=True)


class MergedWith(Schema):
    id = fields.UUID(required=True)
    reference = fields.String(required=True, metadata={"example": "7K3M-9QX2-TAM"})


class Joined(Schema):
    own_start = Timestamp(
        required=True,
        allow_none=True,
        metadata={"description": "Its start without the merges; null where it is there only because of them."},
    )
    others = fields.List(
        fields.Nested(MergedWith),
        required=True,
        data_key="with",
        attribute="with",
        metadata={"description": "The merged complaints, as far as you may see them."},
    )


class RangAlarm(Schema):
    generation = fields.Integer(required=True)
    rung = fields.String(required=True, metadata={"example": "50%"})
    threshold = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "null: a time before or after the due time.", "example": 50},
    )
    planned_for = Timestamp(required=True)
    fired_at = Timestamp(required=True)
    late_seconds = fields.Integer(required=True, metadata={"example": 0})


class Promised(Schema):
    amount = fields.Integer(required=True, metadata={"example": 10})
    unit = Choice(UNITS, required=True, metadata={"example": "business_days"})


class Extended(Schema):
    number = fields.Integer(required=True, metadata={"example": 1})
    added = fields.Integer(required=True, metadata={"description": "In the clock's unit.", "example": 10})
    amount = fields.Integer(required=True, metadata={"description": "From the start, since then.", "example": 20})
    given_at = Timestamp(
        required=True,
        allow_none=True,
        metadata={"description": "Of the notice; null where nobody knows any more."},
    )


class Explanation(Schema):
    text = fields.String(
        required=True,
        metadata={
            "description": "All of it in words; times on the wall where the calendar is.",
            "example": "Promised: to resolve within 5 business days, counted from 2026-03-02 09:30 by the calendar "
            "“Office hours” (UTC). It is due at 2026-03-09 17:00: 1 h of 39 h 30 min are used, 38 h 30 min are left.",
        },
    )
    language = fields.String(required=True, metadata={"example": "en"})
    as_of = Timestamp(required=True)
    target_seconds = fields.Integer(
        required=True,
        metadata={
            "description": "Counted seconds until the deadline; while paused, those used and those left.",
            "example": 142_200,
        },
    )
    used_seconds = fields.Integer(
        required=True, metadata={"description": "Counted until now, or until it was stopped.", "example": 3_600}
    )
    left_seconds = fields.Integer(
        required=True, metadata={"description": "Below zero: so much over.", "example": 138_600}
    )
    until_due = fields.Nested(
        Account, required=True, allow_none=True, metadata={"description": "null while paused: there is no deadline."}
    )
    until_now = fields.Nested(
        Account, required=True, metadata={"description": "From the start until now, or until it was stopped."}
    )
    clock = fields.Nested(schemas.Clock, required=True)
    policy = fields.Nested(ByPolicy, required=True, allow_none=True)
    rule = fields.Nested(ClockRegime, required=True, allow_none=True, metadata={"example": None})
    calendar = fields.Nested(ByCalendar, required=True)
    conventions = fields.Nested(Conventions, required=True)
    promised = fields.Nested(
        Promised,
        required=True,
        metadata={"description": "Before any notice extended it, as whoever promised it says it."},
    )
    extensions = fields.List(
        fields.Nested(Extended), required=True, metadata={"description": "What notices added to that, in their order."}
    )
    joined = fields.Nested(
        Joined, required=True, allow_none=True, metadata={"description": "What merges did to it.", "example": None}
    )
    alarms = fields.List(fields.Nested(RangAlarm), required=True, metadata={"description": "Those that rang."})
