from marshmallow import fields

from helpdesk.complaints.lifecycle import LIFECYCLE, WAITING_ON
from helpdesk.complaints.taxonomy import SEVERITIES
from helpdesk.kernel.schemas import Choice, PageQuery, Schema, Timestamp
from helpdesk.taxonomy.term_schemas import TermCode


class Queue(Schema):
    """Of what is open, and of that only what the caller may see."""

    team_id = fields.UUID(required=True, allow_none=True, metadata={"description": "null: what no team has."})
    team_name = fields.String(required=True, allow_none=True, metadata={"example": "Complaints"})
    open = fields.Integer(required=True, metadata={"example": 12})
    unassigned = fields.Integer(required=True, metadata={"example": 4})
    mine = fields.Integer(required=True, metadata={"description": "Assigned to the caller.", "example": 3})
    waiting_on_us = fields.Integer(required=True, metadata={"example": 7})
    overdue = fields.Integer(required=True, metadata={"description": "A promise is broken already.", "example": 1})
    urgent_unassigned = fields.Integer(
        required=True, metadata={"description": "Of severity S1 or S2, and nobody has it.", "example": 1}
    )
    next_due_at = Timestamp(required=True, allow_none=True, metadata={"description": "The earliest open promise."})
    oldest_received_at = Timestamp(required=True, allow_none=True)


class QueueQuery(PageQuery):
    unassigned = fields.Boolean(
        metadata={"description": "true: only what nobody has; false: only what somebody has.", "example": True}
    )


class QueueItem(Schema):
    id = fields.UUID(required=True)
    reference = fields.String(required=True, metadata={"example": "7K3M-9QX2-TAM"})
    status = Choice(LIFECYCLE.states, required=True)
    channel = TermCode("channel", required=True, metadata={"example": "EMAIL"})
    subject = fields.String(required=True, metadata={"example": "Parcel a week late"})
    severity = Choice(SEVERITIES, required=True, metadata={"example": "S2"})
    waiting_on = Choice(WAITING_ON, required=True)
    language = fields.String(required=True, allow_none=True, metadata={"example": "en"})
    team_id = fields.UUID(required=True, allow_none=True)
    assignee_id = fields.UUID(required=True, allow_none=True, metadata={"example": None})
    assigned_at = Timestamp(required=True, allow_none=True, metadata={"example": None})
    received_at = Timestamp(required=True)
    acknowledged_at = Timestamp(required=True, allow_none=True, metadata={"example": None})
    next_due_at = Timestamp(
        required=True,
        allow_none=True,
        metadata={"description": "The earliest open promise; past: it is broken. null: none runs."},
    )
    escalation_level = fields.Integer(required=True, metadata={"example": 0})
    vulnerable = fields.Boolean(required=True, metadata={"example": False})
    awaits_agent = fields.Boolean(
        required=True, metadata={"description": "Routing looks for somebody who can take it.", "example": False}
    )
    required_skills = fields.List(
        fields.String(), required=True, allow_none=True, metadata={"description": "By routing.", "example": ["DEL"]}
    )
    version = fields.Integer(required=True)
