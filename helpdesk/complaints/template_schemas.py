from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from helpdesk.complaints import macros, wording
from helpdesk.complaints.message_schemas import Message, one_text
from helpdesk.complaints.schemas import Complaint
from helpdesk.complaints.scoped_models import SCOPES
from helpdesk.complaints.steps import STEPS, StepIn
from helpdesk.customers.schemas import LANGUAGE
from helpdesk.kernel.schemas import Choice, Flag, Html, Line, PageQuery, Pattern, Schema, Text, Timestamp

_LONGEST = 20_000
_SHORTCUT = Pattern(r"^[a-z0-9][a-z0-9_-]{0,39}$", error="Small letters, digits, - and _; at most 40.")
_PLACES = (
    "`{{complaint.reference}}`, or with a word for when there is none: `{{complainant.name|there}}`. There are "
    + (", ".join(f"`{name}`" for name in wording.VARIABLES) + ".")
)


class ScopeIn(Schema):
    scope = Choice(SCOPES, load_default="own", metadata={"example": "own"})
    team_id = fields.UUID(metadata={"description": "Of the scope `team`: whose.", "example": None})

    @validates_schema
    def _of_a_team(self, data: dict[str, Any], **_: Any) -> None:
        if (data.get("scope") == "team") != ("team_id" in data):
            raise ValidationError("A team's has a team, and nobody else's.", "team_id")


class VariantIn(Schema):
    language = Text(required=True, max_length=35, validate=LANGUAGE, metadata={"example": "en"})
    body = Text(
        max_length=_LONGEST,
        metadata={
            "description": f"Plain text with places for values: {_PLACES}",
            "example": "Dear {{complainant.name|customer}},\n\nwe look into {{complaint.reference}}.",
        },
    )
    body_html = Html(
        max_length=_LONGEST, metadata={"description": "HTML instead, with the same places.", "example": None}
    )

    @validates_schema
    def _sound(self, data: dict[str, Any], **_: Any) -> None:
        one_text(data)
        name = "body" if "body" in data else "body_html"
        wrong = wording.faults(data[name])
        if wrong:
            raise ValidationError([detail for _, detail in wrong], name)


class CannedReplyIn(ScopeIn):
    title = Line(required=True, max_length=200, metadata={"example": "We look into it"})
    shortcut = Text(max_length=40, validate=_SHORTCUT, metadata={"example": "look"})
    variants = fields.List(
        fields.Nested(VariantIn),
        required=True,
        validate=validate.Length(1, 10),
        metadata={"description": "One text per language; the first is for everybody else."},
    )

    @validates_schema
    def _one_per_language(self, data: dict[str, Any], **_: Any) -> None:
        tags = [item["language"].lower() for item in data.get("variants", []) if "language" in item]
        if len(tags) != len(set(tags)):
            raise ValidationError("One text per language.", "variants")


class Variant(Schema):
    language = fields.String(required=True, metadata={"example": "en"})
    body = fields.String(required=True, allow_none=True, metadata={"example": "We look into {{complaint.reference}}."})
    body_html = fields.String(required=True, allow_none=True, metadata={"example": None})


class Template(Schema):
    id = fields.UUID(required=True)
    scope = Choice(SCOPES, required=True, metadata={"example": "own"})
    agent_id = fields.UUID(required=True, allow_none=True)
    team_id = fields.UUID(required=True, allow_none=True, metadata={"example": None})
    uses = fields.Integer(required=True, metadata={"description": "How often it was used.", "example": 12})
    last_used_at = Timestamp(required=True, allow_none=True, metadata={"example": None})
    version = fields.Integer(required=True)
    created_at = Timestamp(required=True)


class CannedReply(Template):
    title = fields.String(required=True, metadata={"example": "We look into it"})
    shortcut = fields.String(required=True, allow_none=True, metadata={"example": "look"})
    variants = fields.List(fields.Nested(Variant), required=True)


class TemplateQuery(PageQuery):
    scope = Choice(SCOPES)
    team_id = fields.UUID()


class CannedReplyQuery(TemplateQuery):
    shortcut = Text(max_length=40, metadata={"example": "look"})


class PreviewIn(Schema):
    language = Text(
        max_length=35,
        validate=LANGUAGE,
        metadata={"description": "Instead of that of who is written to.", "example": None},
    )


class Preview(Schema):
    canned_reply_id = fields.UUID(required=True)
    language = fields.String(required=True, metadata={"example": "en"})
    body = fields.String(required=True, metadata={"example": "We look into 7K3M-9QX2-TAM."})
    body_html = fields.String(required=True, allow_none=True, metadata={"example": None})
    missing = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "Values that are not known; their places stand as they are.", "example": []},
    )


class MacroStepIn(StepIn):
    canned_reply_id = fields.UUID(
        metadata={
            "description": f"A canned reply as the step's text; for {', '.join(macros.TEXT_OF)}.",
            "example": None,
        }
    )


class MacroIn(ScopeIn):
    name = Line(required=True, max_length=200, metadata={"example": "Take it and say so"})
    description = Text(max_length=2000, metadata={"example": "For parcels that are late by less than a week."})
    steps = fields.List(fields.Nested(MacroStepIn), required=True, validate=validate.Length(1, macros.MAX_STEPS))


class MacroStep(Schema):
    step = Choice(STEPS, required=True, metadata={"example": "assign"})
    given = fields.Dict(required=True, metadata={"example": {"assignee_id": None}})
    canned_reply_id = fields.UUID(required=True, allow_none=True, metadata={"example": None})


class Macro(Template):
    name = fields.String(required=True, metadata={"example": "Take it and say so"})
    description = fields.String(required=True, allow_none=True, metadata={"example": None})
    steps = fields.List(fields.Nested(MacroStep), required=True)


class ApplyIn(Schema):
    preview = Flag(load_default=False, metadata={"description": "Only say what it would do.", "example": False})


class Happened(Schema):
    type = fields.String(required=True, metadata={"example": "complaint.assigned"})
    changes = fields.Dict(
        required=True, metadata={"description": "Field -> [before, after].", "example": {"team_id": [None, None]}}
    )


class MacroOutcome(Schema):
    macro_id = fields.UUID(required=True)
    macro_version = fields.Integer(required=True)
    preview = fields.Boolean(required=True, metadata={"description": "Nothing of it has been done.", "example": False})
    happened = fields.List(fields.Nested(Happened), required=True)
    messages = fields.List(fields.Nested(Message), required=True)
    complaint = fields.Nested(Complaint, required=True)
