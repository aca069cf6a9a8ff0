"""Payloads of the people of a complaint, and of what they need."""

from typing import Any

from marshmallow import ValidationError, fields, validates_schema

from helpdesk.customers.schemas import LANGUAGE
from helpdesk.kernel.schemas import (
    Email,
    Flag,
    Line,
    Schema,
    Text,
    Timestamp,
)
from helpdesk.taxonomy.term_schemas import TermCode


class PersonIn(Schema):
    name = Line(max_length=200, metadata={"example": "Li Wei"})
    email = Email(metadata={"example": "li.wei@example.com"})
    phone = Line(max_length=50, metadata={"example": "+86 10 5555 0100"})
    language = Text(max_length=35, validate=LANGUAGE, metadata={"example": "zh-CN"})
    region = Line(max_length=100, metadata={"example": "Beijing"})
    postcode = Line(max_length=20, metadata={"example": "100000"})


class RepresentativeIn(PersonIn):
    authority = Line(
        required=True,
        max_length=1000,
        metadata={"description": "How their authority is recorded.", "example": "Signed letter of 2 March, on file."},
    )


class PersonPatch(Schema):
    """What is left out stays; null forgets it."""

    name = Line(max_length=200, allow_none=True, metadata={"example": "Li Wei"})
    email = Email(allow_none=True, metadata={"example": "li.wei@example.com"})
    phone = Line(max_length=50, allow_none=True, metadata={"example": "+86 10 5555 0100"})
    language = Text(max_length=35, validate=LANGUAGE, allow_none=True, metadata={"example": "zh-CN"})
    region = Line(max_length=100, allow_none=True, metadata={"example": "Beijing"})
    postcode = Line(max_length=20, allow_none=True, metadata={"example": "100000"})
    authority = Line(
        max_length=1000,
        allow_none=True,
        metadata={"description": "A representative's; nobody else has it.", "example": "Signed letter of 2 March."},
    )


class SubjectIn(Schema):
    agent_id = fields.UUID(required=True, metadata={"description": "The agent whom the complaint is about."})


class NeedIn(Schema):
    flag = TermCode("vulnerability", required=True, metadata={"example": "hearing"})
    adjustment = Text(max_length=1000, metadata={"example": "Write, do not call."})
    consent = Flag(load_default=False, metadata={"description": "Whether they agreed that this is recorded."})
    ground = Text(max_length=500, metadata={"description": "Why it is recorded without consent.", "example": None})
    expires_at = Timestamp(metadata={"example": None})

    @validates_schema
    def _lawful(self, data: dict[str, Any], **_: Any) -> None:
        if not data.get("consent") and not data.get("ground"):
            raise ValidationError("Give consent, or the ground on which it is recorded without.", "ground")


class Person(Schema):
    id = fields.UUID(required=True)
    role = fields.String(required=True, metadata={"example": "complainant"})
    name = fields.String(required=True, allow_none=True, metadata={"example": "Li Wei"})
    email = fields.String(required=True, allow_none=True, metadata={"example": "li.wei@example.com"})
    phone = fields.String(required=True, allow_none=True, metadata={"example": None})
    language = fields.String(required=True, allow_none=True, metadata={"example": "zh-CN"})
    region = fields.String(required=True, allow_none=True, metadata={"example": None})
    postcode = fields.String(required=True, allow_none=True, metadata={"example": None})
    authority = fields.String(required=True, allow_none=True, metadata={"example": None})
    customer_id = fields.UUID(required=True, allow_none=True)
    agent_id = fields.UUID(required=True, allow_none=True, metadata={"example": None})


class Need(Schema):
    id = fields.UUID(required=True)
    flag = TermCode("vulnerability", required=True, metadata={"example": "hearing"})
    adjustment = fields.String(required=True, allow_none=True, metadata={"example": "Write, do not call."})
    consent = fields.Boolean(required=True)
    ground = fields.String(required=True, allow_none=True, metadata={"example": None})
    expires_at = Timestamp(required=True, allow_none=True, metadata={"example": None})
