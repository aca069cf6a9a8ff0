from marshmallow import fields, validate

from helpdesk.complaints.attachment_models import SCAN_STATES
from helpdesk.kernel.schemas import Choice, Flag, PageQuery, Pattern, Schema, Text, Timestamp, Whole
from helpdesk.kernel.sniffing import EXTENSIONS

LINK_SECONDS = 120
_NAME = "Invoice March.pdf"
_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


class AttachmentIn(Schema):
    """The fields beside the file."""

    message_id = fields.UUID(metadata={"description": "The message it belongs to.", "example": None})
    internal = fields.Boolean(
        truthy={"true", "True", True},  # a form has no other than text; a generated client shows a Boolean
        falsy={"false", "False", False},
        metadata={
            "description": "Not for the complainant. True when absent, except on a message that they can read.",
            "example": True,
        },
    )
    sha256 = fields.String(
        validate=Pattern("^[0-9A-Fa-f]{64}$", error="Write 64 hexadecimal digits."),
        metadata={"description": "Digest of the file: refused where another one arrives.", "example": None},
    )


class PublicAttachmentIn(Schema):
    """The fields beside the file."""

    sha256 = fields.String(
        validate=Pattern("^[0-9A-Fa-f]{64}$", error="Write 64 hexadecimal digits."),
        metadata={"description": "Digest of the file: refused where another one arrives.", "example": None},
    )


class AttachmentPatch(Schema):
    internal = Flag(metadata={"description": "Whether it is kept from the complainant.", "example": False})


class AttachmentQuery(PageQuery):
    message_id = fields.UUID(metadata={"description": "Those of one message."})


class Attachment(Schema):
    id = fields.UUID(required=True)
    message_id = fields.UUID(required=True, allow_none=True, metadata={"example": None})
    internal = fields.Boolean(required=True)
    name = fields.String(
        required=True, allow_none=True, metadata={"description": "null once redacted.", "example": _NAME}
    )
    type = Choice(
        tuple(EXTENSIONS),
        required=True,
        metadata={"description": "As it is given out: told from its content.", "example": "application/pdf"},
    )
    declared_type = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "As the sender called it.", "example": "application/pdf"},
    )
    size = fields.Integer(required=True, metadata={"description": "Bytes.", "example": 48_213})
    sha256 = fields.String(required=True, metadata={"example": _SHA256})
    scan = Choice(SCAN_STATES, required=True, metadata={"example": "clean"})
    signature = fields.String(
        required=True, allow_none=True, metadata={"description": "What the scanner found.", "example": None}
    )
    scanned_at = Timestamp(required=True, allow_none=True)
    author_kind = fields.String(required=True, metadata={"example": "agent"})
    author_id = fields.UUID(required=True, allow_none=True)
    created_at = Timestamp(required=True)
    redacted_at = Timestamp(required=True, allow_none=True, metadata={"example": None})
    redacted_by = fields.UUID(required=True, allow_none=True, metadata={"example": None})
    redaction_reason = fields.String(required=True, allow_none=True, metadata={"example": None})
    version = fields.Integer(required=True)


class PublicAttachment(Schema):
    """As the complainant sees it."""

    id = fields.UUID(required=True)
    name = fields.String(required=True, metadata={"example": _NAME})
    type = Choice(tuple(EXTENSIONS), required=True, metadata={"example": "application/pdf"})
    size = fields.Integer(required=True, metadata={"description": "Bytes.", "example": 48_213})
    sha256 = fields.String(required=True, metadata={"example": _SHA256})
    scan = Choice(SCAN_STATES, required=True, metadata={"example": "clean"})
    created_at = Timestamp(required=True)


class RedactionIn(Schema):
    reason = Text(required=True, max_length=1000, metadata={"example": "It shows somebody else's passport."})


class LinkIn(Schema):
    seconds = Whole(
        load_default=LINK_SECONDS,
        validate=validate.Range(60, 300),
        metadata={"description": "How long the link is good for.", "example": LINK_SECONDS},
    )


class FileLink(Schema):
    url = fields.String(
        required=True, metadata={"example": "https://help.example.com/api/v1/public/files/WyJhIiwiMDE5MmYwYzEiXQ.sig"}
    )
    expires_at = Timestamp(required=True)
