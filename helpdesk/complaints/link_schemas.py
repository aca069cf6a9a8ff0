from marshmallow import fields, validate

from helpdesk.complaints.lifecycle import LIFECYCLE
from helpdesk.complaints.link_models import BY_HAND, LABELS
from helpdesk.complaints.schemas import REFERENCE
from helpdesk.complaints.taxonomy import SEVERITIES
from helpdesk.kernel.schemas import Choice, PageQuery, Schema, Text, Timestamp


class ComplaintLinkIn(Schema):
    kind = Choice(
        BY_HAND,
        required=True,
        metadata={"description": "What this complaint is to the other one.", "example": "child_of"},
    )
    to = fields.String(
        required=True,
        validate=validate.Length(1, 100),
        metadata={"description": "Reference or id of the other complaint.", "example": REFERENCE},
    )
    note = Text(max_length=2000, metadata={"example": "The same outage."})


class LinkQuery(PageQuery):
    kind = Choice(LABELS, metadata={"example": "parent_of"})


class LinkedComplaint(Schema):
    id = fields.UUID(required=True)
    reference = fields.String(required=True, metadata={"example": REFERENCE})
    subject = fields.String(required=True, metadata={"example": "Parcel a week late"})
    status = Choice(LIFECYCLE.states, required=True)
    severity = Choice(SEVERITIES, required=True, metadata={"example": "S3"})


class ComplaintLink(Schema):
    id = fields.UUID(required=True)
    kind = Choice(
        LABELS, required=True, metadata={"description": "What the complaint in the path is to the other one."}
    )
    complaint = fields.Nested(LinkedComplaint, required=True, metadata={"description": "The other one."})
    note = fields.String(required=True, allow_none=True, metadata={"example": "The same outage."})
    created_at = Timestamp(required=True)
    created_by = fields.UUID(required=True, allow_none=True)
