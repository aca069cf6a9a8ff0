from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from helpdesk.complaints.lifecycle import MAX_ISSUES
from helpdesk.complaints.schemas import LONG, REFERENCE, Complaint
from helpdesk.kernel.schemas import Flag, Line, Schema, Text, Timestamp

MOST_MESSAGES = 200


class MergeSide(Schema):
    id = fields.UUID(required=True)
    reference = fields.String(required=True, metadata={"example": REFERENCE})
    subject = fields.String(required=True, metadata={"example": "Parcel a week late"})


class Merge(Schema):
    id = fields.UUID(required=True)
    source = fields.Nested(MergeSide, required=True, metadata={"description": "The duplicate."})
    survivor = fields.Nested(MergeSide, required=True, metadata={"description": "The one that goes on."})
    merged_at = Timestamp(required=True)
    merged_by = fields.UUID(required=True, allow_none=True)
    reason = fields.String(required=True, metadata={"example": "The same parcel, written about by mail and phone."})
    undo_until = Timestamp(required=True, metadata={"description": "Until then it can be undone."})
    undone_at = Timestamp(required=True, allow_none=True, metadata={"example": None})
    undone_by = fields.UUID(required=True, allow_none=True, metadata={"example": None})


class Stayed(Schema):
    messages = fields.List(fields.UUID(), required=True)
    issues = fields.List(fields.UUID(), required=True, metadata={"example": []})
    people = fields.List(fields.UUID(), required=True, metadata={"example": []})
    needs = fields.List(fields.UUID(), required=True, metadata={"example": []})
    facts = fields.List(
        fields.UUID(),
        required=True,
        metadata={
            "description": "Regulatory facts. One that is the other's too is recorded there again, with the time (`at`) that it has here.",
            "example": [],
        },
    )


class WentOn(Schema):
    messages = fields.List(fields.UUID(), required=True, metadata={"example": []})
    issues = fields.List(fields.UUID(), required=True, metadata={"example": []})


class Unmerge(Schema):
    complaint = fields.Nested(Complaint, required=True, metadata={"description": "As it goes on by itself."})
    survivor = fields.Nested(MergeSide, required=True)
    returned = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        required=True,
        metadata={"description": "Kind of row -> how many went back.", "example": {"complaint_message": 2}},
    )
    stayed = fields.Nested(
        Stayed,
        required=True,
        metadata={"description": "Ids of what came to the survivor since the merge, and stays there; the first 500."},
    )
    elsewhere = fields.Nested(
        WentOn,
        required=True,
        metadata={
            "description": "Ids of what the merge had brought and a split took on to a third complaint since. It stays there, and so "
            "does what is owed for it: a question is waited for where it stands."
        },
    )


class SplitIn(Schema):
    issues = fields.List(
        fields.UUID(),
        required=True,
        validate=validate.Length(1, MAX_ISSUES - 1),
        metadata={"description": "The issues that go; at least one stays."},
    )
    move_messages = fields.List(
        fields.UUID(),
        validate=validate.Length(max=MOST_MESSAGES),
        metadata={
            "description": "Messages that are about these alone: they go with them, and so do their files.",
            "example": [],
        },
    )
    copy_messages = fields.List(
        fields.UUID(),
        validate=validate.Length(max=MOST_MESSAGES),
        metadata={"description": "Messages that are about both.", "example": []},
    )
    subject = Line(max_length=500, metadata={"example": "Rude answer on the phone"})
    description = Text(max_length=LONG, metadata={"example": "When I called about the parcel, I was shouted at."})
    reason = Text(required=True, max_length=2000, metadata={"example": "The phone call is another team's."})
    silent = Flag(load_default=False, metadata={"description": "Do not tell the complainant.", "example": False})

    @validates_schema
    def _once(self, data: dict[str, Any], **_: Any) -> None:
        issues = data["issues"]
        if len(set(issues)) < len(issues):
            raise ValidationError("Name each issue once.", "issues")
        messages = [*data.get("move_messages", ()), *data.get("copy_messages", ())]
        if len(set(messages)) < len(messages):
            raise ValidationError("Name each message once, to be moved or to be copied.", "move_messages")
