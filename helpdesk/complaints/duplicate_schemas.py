from marshmallow import fields, validate

from helpdesk.complaints.duplicates import MOST, WINDOW_DAYS
from helpdesk.complaints.lifecycle import LIFECYCLE, RECORD_TYPES
from helpdesk.kernel.schemas import Choice, Schema, Timestamp

MATCHES = ("customer", "email", "phone", "external_id", "issue")


class DuplicateQuery(Schema):
    days = fields.Integer(
        load_default=WINDOW_DAYS,
        validate=validate.Range(1, 3650),
        metadata={"description": "How far apart they may have been received, 1 to 3650.", "example": 90},
    )
    limit = fields.Integer(
        load_default=10,
        validate=validate.Range(1, MOST),
        metadata={"description": f"How many at most, 1 to {MOST}.", "example": 10},
    )


class Duplicate(Schema):
    id = fields.UUID(required=True)
    reference = fields.String(required=True, metadata={"example": "7K3M-9QX2-TAM"})
    record_type = Choice(RECORD_TYPES, required=True)
    status = Choice(LIFECYCLE.states, required=True)
    subject = fields.String(required=True, metadata={"example": "Parcel a week late"})
    received_at = Timestamp(required=True)
    team_id = fields.UUID(required=True, allow_none=True, metadata={"example": None})
    assignee_id = fields.UUID(required=True, allow_none=True, metadata={"example": None})
    score = fields.Integer(
        required=True, metadata={"description": "0 to 100, from all of what follows.", "example": 82}
    )
    matches = fields.List(
        Choice(MATCHES), required=True, metadata={"description": "What they have in common.", "example": ["customer"]}
    )
    likeness = fields.Integer(
        required=True, metadata={"description": "How alike the texts are, 0 to 100.", "example": 74}
    )
    shared_words = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "Words of both, or pairs of characters, the longest first.", "example": ["parcel"]},
    )
    days_apart = fields.Integer(required=True, metadata={"example": 2})


class Duplicates(Schema):
    items = fields.List(fields.Nested(Duplicate), required=True)
