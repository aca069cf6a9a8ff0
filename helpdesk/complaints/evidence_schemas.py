from marshmallow import fields

from helpdesk.complaints.evidence_models import EVIDENCE_STATES
from helpdesk.complaints.summaries import LANGUAGES
from helpdesk.kernel.schemas import Choice, Flag, Schema, Text, Timestamp


class EvidenceIn(Schema):
    reason = Text(required=True, max_length=1000, metadata={"example": "Asked for by the ombudsman, FOS-2026-0099."})
    language = Choice(
        LANGUAGES,
        load_default=LANGUAGES[0],
        metadata={"description": "Of the texts in it for people.", "example": "en"},
    )
    attachments = Flag(load_default=True, metadata={"description": "Whether the files themselves are in it."})
    needs = Flag(
        load_default=False,
        metadata={
            "description": "Whether it tells what makes somebody vulnerable; needs `evidence:needs`.",
            "example": False,
        },
    )


class Evidence(Schema):
    id = fields.UUID(required=True)
    state = Choice(EVIDENCE_STATES, required=True, metadata={"example": "ready"})
    job_id = fields.UUID(required=True)
    reason = fields.String(required=True, metadata={"example": "Asked for by the ombudsman, FOS-2026-0099."})
    language = Choice(LANGUAGES, required=True)
    attachments = fields.Boolean(required=True)
    needs = fields.Boolean(required=True, metadata={"example": False})
    offers = fields.Boolean(
        required=True, metadata={"description": "Whether it tells of offers, as the one who asked may read them."}
    )
    asked_by = fields.UUID(required=True, allow_none=True)
    created_at = Timestamp(required=True)
    made_at = Timestamp(required=True, allow_none=True)
    expires_at = Timestamp(required=True, allow_none=True)
    size = fields.Integer(required=True, allow_none=True, metadata={"description": "Bytes.", "example": 181_204})
    sha256 = fields.String(required=True, allow_none=True, metadata={"example": "9f2c" * 16})
    entries = fields.Integer(required=True, allow_none=True, metadata={"description": "Files in it.", "example": 17})
