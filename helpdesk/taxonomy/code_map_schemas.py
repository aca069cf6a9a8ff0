"""Payloads of code maps."""

from typing import Final

from marshmallow import fields, validate

from helpdesk.kernel.schemas import Choice, Flag, Line, PageQuery, Pattern, Schema, Text, Timestamp
from helpdesk.taxonomy.code_maps import MOST
from helpdesk.taxonomy.terms import KINDS

_SYSTEM: Final = Pattern(
    "^[a-z][a-z0-9_-]{0,39}$", error="Write small letters, digits, - and _, beginning with a letter."
)


class ExternalCodeIn(Schema):
    kind = Choice(KINDS, required=True, metadata={"example": "issue"})
    external = Text(
        required=True,
        max_length=300,
        metadata={"description": "Their word, as it stands.", "example": "Billing disputes"},
    )
    code = Text(required=True, max_length=62, metadata={"description": "Ours; in force.", "example": "BIL.OVER"})
    preferred = Flag(
        metadata={
            "description": "Of several words for one code: what they are told. The first, where none is said to be.",
            "example": True,
        }
    )


class CodeMapPut(Schema):
    """The whole: what is left out is gone."""

    title = Line(required=True, max_length=200, metadata={"example": "US CFPB Consumer Complaint Database"})
    codes = fields.List(fields.Nested(ExternalCodeIn), required=True, validate=validate.Length(max=MOST))


class CodeMapIn(CodeMapPut):
    system = Text(
        required=True,
        max_length=40,
        validate=_SYSTEM,
        metadata={"description": "How import mappings name it; stays what it is.", "example": "cfpb-2026"},
    )


class ExternalCode(Schema):
    kind = Choice(KINDS, required=True, metadata={"example": "issue"})
    external = fields.String(required=True, metadata={"example": "Billing disputes"})
    code = fields.String(required=True, metadata={"example": "BIL.OVER"})
    preferred = fields.Boolean(required=True)


class CodeMapSummary(Schema):
    id = fields.UUID(required=True)
    system = fields.String(required=True, metadata={"example": "cfpb"})
    title = fields.String(required=True, metadata={"example": "US CFPB Consumer Complaint Database"})
    count = fields.Integer(required=True, metadata={"description": "Words in it.", "example": 69})
    created_at = Timestamp(required=True)
    version = fields.Integer(required=True)


class CodeMap(Schema):
    id = fields.UUID(required=True)
    system = fields.String(required=True, metadata={"example": "cfpb"})
    title = fields.String(required=True, metadata={"example": "US CFPB Consumer Complaint Database"})
    codes = fields.List(fields.Nested(ExternalCode), required=True)
    created_at = Timestamp(required=True)
    version = fields.Integer(required=True)


class CodeMapQuery(PageQuery):
    system = Text(max_length=40, metadata={"example": "cfpb"})


class ExternalCodeQuery(PageQuery):
    kind = Choice(KINDS, metadata={"example": "issue"})
    external = Text(max_length=300, metadata={"description": "A word of theirs.", "example": None})
    code = Text(max_length=62, metadata={"description": "A code of ours.", "example": "BIL.OVER"})
    preferred = fields.Boolean(metadata={"description": "Only what they are told.", "example": True})
