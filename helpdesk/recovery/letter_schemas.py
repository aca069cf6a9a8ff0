from marshmallow import fields

from helpdesk.kernel.mail import STATES
from helpdesk.kernel.schemas import Choice, PageQuery, Schema, Timestamp
from helpdesk.recovery.models import LANGUAGES


class LetterQuery(PageQuery):
    to_be_posted = fields.Boolean(
        metadata={"description": "Only those that still are, or only the others.", "example": True}
    )


class LetterDocumentQuery(Schema):
    format = Choice(
        ("json", "html"),
        load_default="json",
        metadata={"description": "html: the document alone, to be saved.", "example": "json"},
    )


class LetterSummary(Schema):
    id = fields.UUID(required=True)
    offer_id = fields.UUID(required=True)
    complaint_id = fields.UUID(required=True)
    complaint_reference = fields.String(required=True, metadata={"example": "7K3M-9QX2-TAM"})
    language = Choice(LANGUAGES, required=True)
    subject = fields.String(required=True, metadata={"example": "Our apology: complaint 7K3M-9QX2-TAM"})
    mailed = fields.Boolean(
        required=True, metadata={"description": "There was an address, and the mail server has taken its last mail."}
    )
    mail_delivery = Choice(
        STATES,
        required=True,
        allow_none=True,
        metadata={
            "description": "Of its last mail; null: there was no address. failed: it was refused or given up; cancelled: no mail "
            "server is configured.",
            "example": "sent",
        },
    )
    to_be_posted = fields.Boolean(
        required=True,
        metadata={
            "description": "It cannot be mailed (no address; failed; cancelled), and nobody has posted it (`post_letter`).",
            "example": False,
        },
    )
    posted_at = Timestamp(required=True, allow_none=True, metadata={"example": None})
    created_at = Timestamp(required=True)


class Letter(LetterSummary):
    body = fields.String(required=True, metadata={"description": "As it was written.", "example": "Dear Li Wei, ..."})
    document = fields.String(
        required=True,
        metadata={
            "description": "The same as a page of its own (HTML, UTF-8), to be printed or kept.",
            "example": "<!doctype html>...",
        },
    )
    file_name = fields.String(required=True, metadata={"example": "letter-7K3M-9QX2-TAM.html"})
