"""Payloads of what a complainant sees and does without an account."""

from marshmallow import fields, validate

from helpdesk.complaints.duplicate_schemas import Duplicate
from helpdesk.complaints.lifecycle import LIFECYCLE, RECORD_TYPES
from helpdesk.complaints.reply_files import MOST
from helpdesk.complaints.schemas import LONG, Complaint
from helpdesk.complaints.taxonomy import ISSUE_OUTCOMES
from helpdesk.complaints.tracking import DELIVERIES
from helpdesk.kernel.schemas import Choice, Line, Schema, Text, Timestamp
from helpdesk.kernel.sniffing import EXTENSIONS

REFERENCE = "7K3M-9QX2-TAM"
SECRET = "0K3M-9QX2-TA5V-0C4E-7WYP-1B2D-XYZ"  # noqa: S105  # an example


class NewComplaint(Complaint):
    tracking_secret = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "For the complainant, who sees the complaint with it and the reference.",
            "example": SECRET,
        },
    )
    possible_duplicates = fields.List(
        fields.Nested(Duplicate),
        required=True,
        metadata={"description": "Of those that the caller may see; nothing follows from it.", "example": []},
    )


class TrackingSecretIn(Schema):
    delivery = Choice(
        DELIVERIES,
        load_default="mail",
        metadata={"description": "Mailed to the complainant, or shown here once.", "example": "show"},
    )


class TrackingSecret(Schema):
    reference = fields.String(required=True, metadata={"example": REFERENCE})
    delivery = Choice(DELIVERIES, required=True, metadata={"example": "show"})
    tracking_secret = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Null where it was mailed, and in the answer to a repeat.", "example": SECRET},
    )


class TrackingIn(Schema):
    reference = Line(required=True, max_length=40, metadata={"example": REFERENCE})
    secret = Text(required=True, max_length=80, metadata={"example": SECRET})


class TrackingSession(Schema):
    token = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "To be sent as `Authorization: Tracking <token>`. Null in the answer to a repeat.",
            "example": "WyIwMTkyZjBjMTdkMWU3YzNhIl0.REPLACE-ME",
        },
    )
    expires_at = Timestamp(required=True)


class TrackedComplaint(Schema):
    reference = fields.String(required=True, metadata={"example": REFERENCE})
    record_type = Choice(RECORD_TYPES, required=True)
    subject = fields.String(required=True, metadata={"example": "Parcel a week late"})
    description = fields.String(required=True, metadata={"example": "My parcel came on Friday."})
    language = fields.String(required=True, allow_none=True, metadata={"example": "en"})
    status = Choice(LIFECYCLE.states, required=True)
    status_text = fields.String(
        required=True,
        metadata={
            "description": "In plain words, in the language of `Accept-Language`, else in that of the complaint.",
            "example": "We have it and are looking into it.",
        },
    )
    waiting_on_you = fields.Boolean(required=True, metadata={"example": False})
    outcome = Choice(ISSUE_OUTCOMES, required=True, allow_none=True, metadata={"example": None})
    handled_by = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "A first name or a team, as this installation has it.", "example": "Ana"},
    )
    received_at = Timestamp(required=True)
    acknowledged_at = Timestamp(required=True, allow_none=True, metadata={"example": None})
    resolved_at = Timestamp(required=True, allow_none=True, metadata={"example": None})
    reopen_until = Timestamp(required=True, allow_none=True, metadata={"example": None})
    can = fields.List(
        Choice(("write", "withdraw", "reopen", "complain_again")),
        required=True,
        metadata={
            "description": "`complain_again`: the time to reopen it is over; a new complaint is linked to it.",
            "example": ["write", "withdraw"],
        },
    )


class TrackedFile(Schema):
    id = fields.UUID(required=True)
    name = fields.String(required=True, metadata={"example": "Invoice March.pdf"})
    type = Choice(tuple(EXTENSIONS), required=True, metadata={"example": "application/pdf"})
    size = fields.Integer(required=True, metadata={"description": "Bytes.", "example": 48_213})


class TrackedMessage(Schema):
    id = fields.UUID(required=True)
    written_by = Choice(("us", "you"), required=True)
    name = fields.String(required=True, allow_none=True, metadata={"example": "Ana"})
    purpose = fields.String(required=True, metadata={"example": "message"})
    body = fields.String(required=True, metadata={"example": "We have found your parcel."})
    body_html = fields.String(required=True, allow_none=True, metadata={"description": "Sanitised.", "example": None})
    redacted = fields.Boolean(required=True, metadata={"example": False})
    attachments = fields.List(fields.Nested(TrackedFile), required=True, metadata={"example": []})
    created_at = Timestamp(required=True)


class TrackedMessageIn(Schema):
    body = Text(required=True, max_length=LONG, metadata={"example": "It came today, and it is damaged."})
    attachment_ids = fields.List(
        fields.UUID(),
        validate=validate.Length(max=MOST),
        metadata={"description": "Files that they sent before, and that go with it.", "example": []},
    )


class RelatedComplaintIn(Schema):
    subject = Line(required=True, max_length=500, metadata={"example": "It broke again"})
    description = Text(required=True, max_length=LONG, metadata={"example": "The new parcel is damaged too."})


class Receipt(Schema):
    """What somebody is told who complains without an account."""

    reference = fields.String(required=True, metadata={"example": REFERENCE})
    tracking_secret = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Shown once. Null in the answer to a repeat.", "example": SECRET},
    )
    received_at = Timestamp(required=True)
    acknowledged = fields.Boolean(required=True)


class TrackedWithdrawIn(Schema):
    reason = Text(max_length=2000, metadata={"example": "The parcel came."})
