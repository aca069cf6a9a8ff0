from typing import Any

from marshmallow import ValidationError, fields, validates_schema

from helpdesk.complaints.schemas import Requirement
from helpdesk.complaints.severity_models import CAUSES
from helpdesk.complaints.taxonomy import SEVERITIES, TRACKS
from helpdesk.kernel.schemas import Choice, PageQuery, Schema, Timestamp
from helpdesk.taxonomy.term_schemas import TermCode


class SeverityEvidence(Schema):
    """What a rule found; of what it did not ask for there is nothing."""

    impact = fields.Integer(metadata={"example": 3})
    urgency = fields.Integer(metadata={"example": 2})
    issues = fields.List(TermCode("issue"), metadata={"example": ["DEL.LATE"]})
    channels = fields.List(TermCode("channel"), metadata={"example": []})
    need_ids = fields.List(fields.UUID(), metadata={"description": "Of needs on the complaint.", "example": []})
    references = fields.List(
        fields.String(),
        metadata={"description": "Of earlier complaints, as far as you may see them.", "example": ["7K3M-9QX2-TAM"]},
    )
    count = fields.Integer(metadata={"description": "How many complaints, seen by you or not.", "example": 1})
    days = fields.Integer(metadata={"example": 90})
    hours = fields.Integer(metadata={"example": 24})


class SeverityReason(Schema):
    rule = fields.String(
        required=True,
        metadata={
            "description": "matrix (impact and urgency), repeat, burst, or one of the rules in `GET /taxonomy/severity`.",
            "example": "repeat",
        },
    )
    severity = Choice(
        SEVERITIES,
        required=True,
        allow_none=True,
        metadata={"description": "What it asks for at least; null: it is a flag, or there is nothing to raise yet."},
    )
    evidence = fields.Nested(SeverityEvidence, required=True)


class SeverityAssessment(Schema):
    id = fields.UUID(required=True)
    cause = Choice(CAUSES, required=True, metadata={"example": "triaged"})
    severity = Choice(SEVERITIES, required=True, metadata={"example": "S2"})
    before = Choice(SEVERITIES, required=True, allow_none=True, metadata={"example": "S3"})
    judged = Choice(
        SEVERITIES,
        required=True,
        allow_none=True,
        metadata={
            "description": "What the rules gave; another than `severity` where somebody set it.",
            "example": "S2",
        },
    )
    reasons = fields.List(fields.Nested(SeverityReason), required=True)
    systemic = fields.Boolean(required=True, metadata={"example": False})
    rules_version = fields.Integer(required=True, metadata={"example": 1})
    taxonomy_version = fields.Integer(
        required=True, metadata={"description": "In which these rules stood.", "example": 1}
    )
    reason = fields.String(
        required=True, allow_none=True, metadata={"description": "Of whoever set it.", "example": None}
    )
    actor_kind = fields.String(required=True, metadata={"example": "agent"})
    actor_id = fields.UUID(required=True, allow_none=True)
    created_at = Timestamp(required=True)


class SeverityOverride(SeverityAssessment):
    complaint_id = fields.UUID(required=True)
    reference = fields.String(required=True, metadata={"example": "7K3M-9QX2-TAM"})


class SeverityOverrideQuery(PageQuery):
    set_from = Timestamp(metadata={"description": "Set at or after."})
    set_before = Timestamp(metadata={"description": "Set before."})

    @validates_schema
    def _a_span(self, data: dict[str, Any], **_: Any) -> None:
        if "set_from" in data and "set_before" in data and data["set_from"] > data["set_before"]:
            raise ValidationError("The span ends before it begins.", "set_before")


class OnTheSpotCheck(Schema):
    code = fields.String(required=True, metadata={"example": "too_severe"})
    detail = fields.String(required=True, metadata={"example": "on the spot only severity S3 or milder."})
    met = fields.Boolean(required=True)


class OnTheSpot(Schema):
    allowed = fields.Boolean(required=True, metadata={"description": "By you, and now."})
    reasons = fields.List(
        fields.Nested(Requirement), required=True, metadata={"description": "Against it; none: allowed.", "example": []}
    )
    checks = fields.List(fields.Nested(OnTheSpotCheck), required=True, metadata={"description": "The whole rule."})


class Triage(Schema):
    complaint_id = fields.UUID(required=True)
    reference = fields.String(required=True, metadata={"example": "7K3M-9QX2-TAM"})
    severity = Choice(SEVERITIES, required=True, metadata={"example": "S2"})
    impact = fields.Integer(required=True, allow_none=True, metadata={"example": 3})
    urgency = fields.Integer(required=True, allow_none=True, metadata={"example": 2})
    track = Choice(TRACKS, required=True, allow_none=True)
    triaged_at = Timestamp(required=True, allow_none=True)
    provisional = fields.Boolean(required=True, metadata={"description": "Nothing has told yet how severe it is."})
    assessment = fields.Nested(
        SeverityAssessment,
        required=True,
        allow_none=True,
        metadata={"description": "How the present severity came about."},
    )
    judged_now = Choice(
        SEVERITIES,
        required=True,
        allow_none=True,
        metadata={"description": "What the rules would give now; null: nobody judged it, and no rule holds."},
    )
    reasons_now = fields.List(fields.Nested(SeverityReason), required=True)
    systemic = fields.Boolean(required=True, metadata={"description": "Many like it are open now."})
    rules_version = fields.Integer(required=True, metadata={"example": 1})
    taxonomy_version = fields.Integer(
        required=True, metadata={"description": "In which these rules stood.", "example": 1}
    )
    on_the_spot = fields.Nested(OnTheSpot, required=True)
    category_suggestions = fields.String(
        required=True,
        metadata={
            "description": "Where to ask which categories its text speaks for, and why.",
            "example": "/api/v1/complaints/7K3M-9QX2-TAM/category-suggestions",
        },
    )
