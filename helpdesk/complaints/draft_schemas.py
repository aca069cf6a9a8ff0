from typing import Any

from marshmallow import fields, validate, validates_schema

from helpdesk.complaints.draft_models import DRAFT_KINDS
from helpdesk.complaints.message_schemas import one_text
from helpdesk.complaints.reply_files import MOST
from helpdesk.complaints.schemas import LONG
from helpdesk.kernel.schemas import Choice, Html, PageQuery, Schema, Text, Timestamp
from helpdesk.taxonomy.term_schemas import TermCode


class DraftIn(Schema):
    """All of it; what is left out is empty."""

    kind = Choice(DRAFT_KINDS, required=True, metadata={"example": "public_reply"})
    body = Text(
        min_length=0,
        max_length=LONG,
        metadata={"description": "Plain text, as far as it goes. This or `body_html`.", "example": "We have found"},
    )
    body_html = Html(max_length=LONG, empty=True, metadata={"example": None})
    channel = TermCode("channel", metadata={"example": "EMAIL"})
    in_reply_to = fields.UUID(metadata={"example": None})
    mentions = fields.List(
        fields.UUID(),
        validate=validate.Length(max=20),
        metadata={"description": "Of a note: checked when it is sent.", "example": []},
    )
    attachment_ids = fields.List(
        fields.UUID(),
        validate=validate.Length(max=MOST),
        metadata={"description": "Files of this complaint that go with it; judged when it is sent.", "example": []},
    )
    canned_reply_id = fields.UUID(metadata={"description": "Which one it began with.", "example": None})
    seen_message_id = fields.UUID(
        metadata={"description": "The last message of the thread that its writer has seen.", "example": None}
    )

    @validates_schema
    def _one_text(self, data: dict[str, Any], **_: Any) -> None:
        one_text(data)


class SendIn(Schema):
    seen_message_id = fields.UUID(
        metadata={
            "description": "The last message that was seen; needed when somebody wrote since the draft was begun.",
            "example": None,
        }
    )


class DraftQuery(PageQuery):
    mine = fields.Boolean(metadata={"description": "true: one's own only; false: those of others."})


class Draft(Schema):
    id = fields.UUID(required=True)
    complaint_id = fields.UUID(required=True)
    agent_id = fields.UUID(required=True)
    agent_name = fields.String(required=True, metadata={"example": "Ana Souza"})
    kind = Choice(DRAFT_KINDS, required=True)
    body = fields.String(required=True, metadata={"example": "We have found"})
    body_html = fields.String(required=True, allow_none=True, metadata={"example": None})
    channel = fields.String(required=True, allow_none=True, metadata={"example": "EMAIL"})
    in_reply_to = fields.UUID(required=True, allow_none=True, metadata={"example": None})
    mentions = fields.List(fields.UUID(), required=True, metadata={"example": []})
    attachment_ids = fields.List(fields.UUID(), required=True, metadata={"example": []})
    canned_reply_id = fields.UUID(required=True, allow_none=True, metadata={"example": None})
    seen_message_id = fields.UUID(required=True, allow_none=True, metadata={"example": None})
    created_at = Timestamp(required=True)
    updated_at = Timestamp(required=True)
    version = fields.Integer(required=True)
