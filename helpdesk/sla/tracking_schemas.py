from marshmallow import fields

from helpdesk.kernel.schemas import Choice, Schema, Timestamp
from helpdesk.sla.milestones import MILESTONES


class Milestone(Schema):
    kind = Choice(MILESTONES, required=True, metadata={"example": "resolve"})
    text = fields.String(required=True, metadata={"example": "We give you our answer"})
    notice = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "What goes with a regulator's deadline; null with a promise of ours.",
            "example": None,
        },
    )
    due_at = Timestamp(
        required=True, allow_none=True, metadata={"description": "Null while we wait for the complainant."}
    )
    overdue = fields.Boolean(required=True, metadata={"example": False})


class Milestones(Schema):
    items = fields.List(fields.Nested(Milestone), required=True)
