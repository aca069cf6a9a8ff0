from typing import Any

from marshmallow import ValidationError, fields, validates_schema

from helpdesk.complaints.events import HOW_ASSIGNED
from helpdesk.complaints.schemas import LONG
from helpdesk.kernel.schemas import Choice, Flag, Schema, Text, Timestamp


class ReleaseIn(Schema):
    reason = Text(max_length=2000, metadata={"example": "I am on holiday from tomorrow."})
    note = Text(
        max_length=LONG,
        metadata={
            "description": "For whoever has it next; written to the thread as an internal note.",
            "example": "The carrier has promised its scan by Friday.",
        },
    )


class ClaimIn(Schema):
    override = Flag(
        load_default=False,
        metadata={"description": "Also beyond the capacity, or to somebody away; with a reason.", "example": False},
    )
    reason = Text(max_length=2000, metadata={"example": "I know the customer."})

    @validates_schema
    def _why(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("override") and not data.get("reason"):
            raise ValidationError("Say why the limit is passed over.", "reason")


class AssignmentIn(ClaimIn, ReleaseIn):
    assignee_id = fields.UUID(allow_none=True, metadata={"description": "null releases it.", "example": None})
    team_id = fields.UUID(
        allow_none=True,
        metadata={
            "description": "null: no team. Without `assignee_id`, the present assignee keeps it only as a member.",
            "example": None,
        },
    )


class AssignmentPeriod(Schema):
    sequence = fields.Integer(required=True, metadata={"description": "Its place in the timeline.", "example": 2})
    assignee_id = fields.UUID(required=True, allow_none=True)
    assignee_name = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "null for whoever may not see agents.", "example": "Ana Costa"},
    )
    team_id = fields.UUID(required=True, allow_none=True)
    since = Timestamp(required=True)
    until = Timestamp(required=True, allow_none=True, metadata={"description": "null: still.", "example": None})
    seconds = fields.Integer(
        required=True, allow_none=True, metadata={"description": "How long it was so; null: still.", "example": None}
    )
    how = Choice((*HOW_ASSIGNED, "received"), required=True, metadata={"example": "claimed"})
    actor_kind = fields.String(required=True, metadata={"example": "agent"})
    actor_id = fields.UUID(required=True, allow_none=True)
    reason = fields.String(required=True, allow_none=True, metadata={"example": None})
    override = fields.Boolean(required=True, metadata={"example": False})
