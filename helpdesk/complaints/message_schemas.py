"""Payloads of the thread of a complaint."""

from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from helpdesk.complaints.attachment_models import SCAN_STATES
from helpdesk.complaints.models import MESSAGE_KINDS
from helpdesk.complaints.reply_files import MOST
from helpdesk.complaints.schemas import LONG
from helpdesk.complaints.thread_queries import SORTS as MESSAGE_SORTS
from helpdesk.kernel.mail import STATES as DELIVERY_STATES
from helpdesk.kernel.schemas import (
    Choice,
    Email,
    Html,
    Line,
    PageQuery,
    Schema,
    Text,
    Timestamp,
)
from helpdesk.kernel.sniffing import EXTENSIONS
from helpdesk.taxonomy.term_schemas import TermCode


class SenderIn(Schema):
    name = Line(max_length=200, metadata={"example": "Li Wei"})
    email = Email(metadata={"example": "li.wei@example.com"})


class MessageIn(Schema):
    kind = Choice(MESSAGE_KINDS, required=True)
    body = Text(
        max_length=LONG,
        metadata={"description": "In plain words. This or `body_html`.", "example": "We have found your parcel."},
    )
    body_html = Html(
        max_length=LONG,
        metadata={
            "description": "HTML instead of `body`, which is then made from it. What can do anything is taken out.",
            "example": None,
        },
    )
    channel = TermCode("channel", metadata={"example": "EMAIL"})
    in_reply_to = fields.UUID(metadata={"description": "A message of this thread that it answers.", "example": None})
    mentions = fields.List(
        fields.UUID(),
        validate=validate.Length(max=20),
        metadata={
            "description": "Of an internal note: agents whom it is for, who are told. `@handle` in the text does the same: "
            "an e-mail address, what stands before its @, or the name with dots for blanks.",
            "example": [],
        },
    )
    sender = fields.Nested(
        SenderIn,
        metadata={"description": "Of an inbound message: who said it, if not the complainant.", "example": None},
    )

    attachment_ids = fields.List(
        fields.UUID(),
        validate=validate.Length(max=MOST),
        metadata={
            "description": "Files of this complaint that go with it, and belong to no message yet. One that is internal is shown "
            "to the complainant by a reply; a note takes internal ones only.",
            "example": [],
        },
    )
    canned_reply_id = fields.UUID(
        metadata={
            "description": "The canned reply that was used. Without a text of its own the message is that reply, in the "
            "language of who is written to.",
            "example": None,
        }
    )

    @validates_schema
    def _one_text(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("canned_reply_id") is None or {"body", "body_html"} <= data.keys():
            one_text(data)
        if "sender" in data and data.get("kind") not in {None, "inbound"}:
            raise ValidationError("Only an inbound message has a sender.", "sender")
        if data.get("mentions") and data.get("kind") not in {None, "internal_note"}:
            raise ValidationError("Only an internal note mentions agents.", "mentions")


def one_text(data: dict[str, Any]) -> None:
    """Plain or HTML."""
    if "body" in data and "body_html" in data:
        raise ValidationError("Give `body` or `body_html`; the other is made from it.", "body_html")
    if "body" not in data and "body_html" not in data:
        raise ValidationError(fields.Field.default_error_messages["required"], "body")


class MessageQuery(PageQuery):
    sort = Choice(
        MESSAGE_SORTS, load_default="created_at", metadata={"description": "Oldest first, or newest (`-`) first."}
    )


class Delivery(Schema):
    state = Choice(DELIVERY_STATES, required=True)
    recipient = fields.String(required=True, metadata={"example": "li.wei@example.com"})
    sent_at = Timestamp(required=True, allow_none=True, metadata={"example": None})
    reason = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Why the last try failed, or all of them.", "example": None},
    )


class Sender(Schema):
    name = fields.String(required=True, allow_none=True, metadata={"example": "Li Wei"})
    email = fields.String(required=True, allow_none=True, metadata={"example": "li.wei@example.com"})


class Redacted(Schema):
    at = Timestamp(required=True, metadata={"description": "The last time."})
    whole = fields.Boolean(required=True, metadata={"description": "Nothing of the text is left."})
    times = fields.Integer(required=True)


class MessageFile(Schema):
    id = fields.UUID(required=True)
    name = fields.String(
        required=True, allow_none=True, metadata={"description": "null once redacted.", "example": "Invoice March.pdf"}
    )
    type = Choice(tuple(EXTENSIONS), required=True, metadata={"example": "application/pdf"})
    size = fields.Integer(required=True, metadata={"description": "Bytes.", "example": 48_213})
    scan = Choice(SCAN_STATES, required=True, metadata={"example": "clean"})
    internal = fields.Boolean(required=True, metadata={"example": False})


class Message(Schema):
    id = fields.UUID(required=True)
    kind = Choice(MESSAGE_KINDS, required=True)
    purpose = fields.String(required=True, metadata={"example": "message"})
    channel = fields.String(required=True, allow_none=True, metadata={"example": "EMAIL"})
    author_kind = fields.String(required=True, metadata={"example": "agent"})
    author_id = fields.UUID(required=True, allow_none=True)
    body = fields.String(
        required=True,
        metadata={"description": "Always there, in plain words.", "example": "We have found your parcel."},
    )
    body_html = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "Sanitised: tags without attributes but links, and nothing that could be executed or loaded.",
            "example": None,
        },
    )
    in_reply_to = fields.UUID(required=True, allow_none=True, metadata={"example": None})
    mentions = fields.List(fields.UUID(), required=True, metadata={"example": []})
    attachments = fields.List(fields.Nested(MessageFile), required=True, metadata={"example": []})
    sender = fields.Nested(
        Sender, required=True, allow_none=True, metadata={"description": "Of an inbound message.", "example": None}
    )
    delivery = fields.Nested(
        Delivery,
        required=True,
        allow_none=True,
        metadata={"description": "The mail of a public reply; null where there was no address.", "example": None},
    )
    redacted = fields.Nested(
        Redacted, required=True, allow_none=True, metadata={"description": "null: never.", "example": None}
    )
    created_at = Timestamp(required=True)
