from marshmallow import fields

from helpdesk.kernel.schemas import Choice, PageQuery, Schema, Timestamp
from helpdesk.sla.escalation_models import OUTCOMES, TOLD
from helpdesk.sla.ladder_schemas import BODIES


class EscalationQuery(PageQuery):
    clock_id = fields.UUID(metadata={"description": "Of one clock.", "example": None})


class Told(Schema):
    agent_id = fields.UUID(required=True)
    outcome = Choice(
        TOLD,
        required=True,
        metadata={
            "description": "`held`: until they are at work; `superseded`: a later alarm of the same clock told them.",
            "example": "held",
        },
    )
    reason = fields.String(
        required=True, allow_none=True, metadata={"description": "Why not, or how.", "example": None}
    )
    until = Timestamp(required=True, allow_none=True, metadata={"description": "While held.", "example": None})
    settled_at = Timestamp(required=True, allow_none=True, metadata={"example": "2026-03-05T12:00:01Z"})


class EscalationAction(Schema):
    step = Choice(BODIES, required=True, metadata={"example": "notify"})
    given = fields.Dict(required=True, metadata={"example": {"to": ["assignee"]}})
    outcome = Choice(
        OUTCOMES,
        required=True,
        metadata={
            "description": "`dropped`: by its time there was nothing to do any more.",
            "example": "done",
        },
    )
    reason = fields.String(
        required=True, allow_none=True, metadata={"description": "Why it failed or was dropped.", "example": None}
    )
    detail = fields.String(required=True, allow_none=True, metadata={"example": None})
    settled_at = Timestamp(required=True, allow_none=True, metadata={"example": "2026-03-05T12:00:01Z"})
    told = fields.List(fields.Nested(Told), required=True, metadata={"description": "Of `notify`: each who was meant."})


class EscalationEntry(Schema):
    """A clock came to a rung of its ladder."""

    clock_id = fields.UUID(required=True)
    kind = fields.String(required=True, metadata={"description": "The promise.", "example": "resolve"})
    round = fields.Integer(required=True, metadata={"example": 1})
    generation = fields.Integer(
        required=True, metadata={"description": "How often the clock was counted anew.", "example": 1}
    )
    rung = fields.String(required=True, metadata={"example": "90%"})
    threshold = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "Where the rung is a share of the time.", "example": 90},
    )
    planned_for = Timestamp(required=True)
    fired_at = Timestamp(required=True, metadata={"description": "When it rang."})
    late_seconds = fields.Integer(required=True, metadata={"example": 0})
    actions = fields.List(
        fields.Nested(EscalationAction),
        required=True,
        metadata={"description": "In their order. None for a threshold while nobody had the complaint."},
    )


class TeamCalendarIn(Schema):
    calendar_id = fields.UUID(
        required=True,
        allow_none=True,
        metadata={"description": "null: none of its own."},
    )


class TeamCalendar(Schema):
    team_id = fields.UUID(required=True)
    calendar_id = fields.UUID(required=True, allow_none=True)
    version = fields.Integer(required=True, metadata={"description": "0 where nothing was said yet.", "example": 1})
