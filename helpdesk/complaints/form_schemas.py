"""Payloads of forms, in and out: of those who make them, and of those who fill them in."""

import re
from typing import Any, Final

from marshmallow import ValidationError, fields, validate, validates_schema

from helpdesk.complaints.challenges import ALGORITHM, LONGEST
from helpdesk.complaints.form_models import DECISIONS
from helpdesk.complaints.forms import FIELDS, NEEDS
from helpdesk.complaints.lifecycle import RECORD_TYPES
from helpdesk.complaints.schemas import LONG, issue_fits_category
from helpdesk.complaints.submissions import TRAP
from helpdesk.complaints.tracking_schemas import REFERENCE
from helpdesk.customers.schemas import LANGUAGE
from helpdesk.kernel.ids import parse_reference
from helpdesk.kernel.schemas import (
    ByName,
    Choice,
    Email,
    Flag,
    Line,
    MoneyField,
    PageQuery,
    Schema,
    Text,
    Timestamp,
    Whole,
)
from helpdesk.taxonomy.term_schemas import TermCode

_KEY: Final = "hdf_REPLACE-WITH-THE-KEY"
_ORIGIN: Final = re.compile(r"https?://[a-z0-9.-]{1,253}(:[0-9]{1,5})?")
_ASKED: Final = {"name": "optional", "email": "required", "category": "optional"}


def _origin(text: str) -> None:
    if not _ORIGIN.fullmatch(text):
        raise ValidationError("Write https://www.example.com, in small letters and without a path.")


class FormPatch(Schema):
    name = Line(max_length=100, metadata={"example": "Website"})
    active = Flag()
    origins = fields.List(
        fields.String(validate=_origin),
        validate=validate.Length(max=20),
        metadata={"description": "Sites whose pages may hold it.", "example": ["https://www.example.com"]},
    )
    channel = TermCode("channel", metadata={"example": "WEB"})
    team_id = fields.UUID(allow_none=True, metadata={"example": None})
    language = Text(max_length=35, validate=LANGUAGE, metadata={"example": "en"})
    record_types = fields.List(
        Choice(RECORD_TYPES),
        validate=validate.Length(1, len(RECORD_TYPES)),
        metadata={"description": "The first is the one where nobody says.", "example": ["complaint", "inquiry"]},
    )
    fields_ = ByName(
        keys=Choice(FIELDS),
        values=Choice(NEEDS),
        data_key="fields",
        attribute="fields",
        metadata={"description": f"Beside subject and description: {', '.join(FIELDS)}.", "example": _ASKED},
    )
    hourly_limit = Whole(validate=validate.Range(1, 100_000), metadata={"example": 100})
    daily_limit = Whole(validate=validate.Range(1, 1_000_000), metadata={"example": 1000})
    difficulty = Whole(
        validate=validate.Range(0, 50),
        metadata={"description": "Thousands of rounds per try of the proof of work; 0: none.", "example": 5},
    )
    acknowledge = Flag(metadata={"description": "Acknowledge receipt at once."})
    acknowledgements = ByName(
        keys=fields.String(validate=LANGUAGE),
        values=Text(max_length=5_000),
        validate=validate.Length(max=50),
        metadata={
            "description": "Language -> text; `{reference}` stands for the reference.",
            "example": {"en": "Thank you. Your reference is {reference}."},
        },
    )

    @validates_schema
    def _each_once(self, data: dict[str, Any], **_: Any) -> None:
        for name in ("origins", "record_types"):
            if len(set(data.get(name, ()))) != len(data.get(name, ())):
                raise ValidationError("Name each once.", name)


class FormIn(FormPatch):
    name = Line(required=True, max_length=100, metadata={"example": "Website"})
    active = Flag(load_default=True)
    origins = fields.List(
        fields.String(validate=_origin),
        load_default=list,
        validate=validate.Length(max=20),
        metadata={"description": "Sites whose pages may hold it.", "example": ["https://www.example.com"]},
    )
    channel = TermCode("channel", load_default="WEB", metadata={"example": "WEB"})
    team_id = fields.UUID(allow_none=True, load_default=None, metadata={"example": None})
    language = Text(max_length=35, load_default="en", validate=LANGUAGE, metadata={"example": "en"})
    record_types = fields.List(
        Choice(RECORD_TYPES),
        load_default=lambda: ["complaint"],
        validate=validate.Length(1, len(RECORD_TYPES)),
        metadata={"description": "The first is the one where nobody says.", "example": ["complaint", "inquiry"]},
    )
    fields_ = ByName(
        keys=Choice(FIELDS),
        values=Choice(NEEDS),
        data_key="fields",
        attribute="fields",
        load_default=lambda: dict(_ASKED),
        metadata={"description": f"Beside subject and description: {', '.join(FIELDS)}.", "example": _ASKED},
    )
    hourly_limit = Whole(load_default=100, validate=validate.Range(1, 100_000), metadata={"example": 100})
    daily_limit = Whole(load_default=1000, validate=validate.Range(1, 1_000_000), metadata={"example": 1000})
    difficulty = Whole(
        load_default=5,
        validate=validate.Range(0, 50),
        metadata={"description": "Thousands of rounds per try of the proof of work; 0: none.", "example": 5},
    )
    acknowledge = Flag(load_default=True, metadata={"description": "Acknowledge receipt at once."})
    acknowledgements = ByName(
        keys=fields.String(validate=LANGUAGE),
        values=Text(max_length=5_000),
        load_default=dict,
        validate=validate.Length(max=50),
        metadata={
            "description": "Language -> text; `{reference}` stands for the reference.",
            "example": {"en": "Thank you. Your reference is {reference}."},
        },
    )


class RotateIn(Schema):
    overlap_hours = Whole(
        load_default=24,
        validate=validate.Range(0, 720),
        metadata={"description": "How long the key before goes on.", "example": 24},
    )


class Form(Schema):
    id = fields.UUID(required=True)
    name = fields.String(required=True, metadata={"example": "Website"})
    key = fields.String(required=True, metadata={"description": "Public.", "example": _KEY})
    previous_key = fields.String(required=True, allow_none=True, metadata={"example": None})
    previous_key_until = Timestamp(required=True, allow_none=True, metadata={"example": None})
    active = fields.Boolean(required=True)
    origins = fields.List(fields.String(), required=True, metadata={"example": ["https://www.example.com"]})
    channel = TermCode("channel", required=True, metadata={"example": "WEB"})
    team_id = fields.UUID(required=True, allow_none=True, metadata={"example": None})
    language = fields.String(required=True, metadata={"example": "en"})
    record_types = fields.List(Choice(RECORD_TYPES), required=True, metadata={"example": ["complaint"]})
    fields_ = ByName(
        keys=Choice(FIELDS),
        values=Choice(NEEDS),
        required=True,
        data_key="fields",
        attribute="fields",
        metadata={"example": _ASKED},
    )
    hourly_limit = fields.Integer(required=True, metadata={"example": 100})
    daily_limit = fields.Integer(required=True, metadata={"example": 1000})
    difficulty = fields.Integer(required=True, metadata={"example": 5})
    acknowledge = fields.Boolean(required=True)
    acknowledgements = fields.Dict(required=True, metadata={"example": {}})
    quarantined = fields.Integer(
        required=True, metadata={"description": "Submissions that wait to be looked at.", "example": 0}
    )
    version = fields.Integer(required=True)
    created_at = Timestamp(required=True)


class QuarantineQuery(PageQuery):
    form_id = fields.UUID()
    waiting = fields.Boolean(load_default=True, metadata={"description": "Only those that nobody has decided on."})


class QuarantineEntry(Schema):
    id = fields.UUID(required=True)
    form_id = fields.UUID(required=True)
    reference = fields.String(
        required=True, metadata={"description": "What its sender was told.", "example": REFERENCE}
    )
    reason = fields.String(required=True, metadata={"example": TRAP})
    given = fields.Dict(
        required=True,
        allow_none=True,
        metadata={"description": "As it was sent; null once discarded.", "example": {"subject": "Parcel a week late"}},
    )
    decision = Choice(DECISIONS, required=True, allow_none=True, metadata={"example": None})
    decided_at = Timestamp(required=True, allow_none=True, metadata={"example": None})
    decided_by = fields.UUID(required=True, allow_none=True, metadata={"example": None})
    created_at = Timestamp(required=True)


class AskedField(Schema):
    name = Choice(FIELDS, required=True, metadata={"example": "email"})
    required = fields.Boolean(required=True)


class OfferedIssue(Schema):
    code = TermCode("issue", required=True, metadata={"example": "DEL.LATE"})
    label = fields.String(required=True, metadata={"example": "Late delivery"})


class OfferedCategory(Schema):
    code = TermCode("category", required=True, metadata={"example": "DEL"})
    label = fields.String(required=True, metadata={"example": "Delivery"})
    issues = fields.List(fields.Nested(OfferedIssue), required=True)


class PublicForm(Schema):
    key = fields.String(required=True, metadata={"example": _KEY})
    name = fields.String(required=True, metadata={"example": "Website"})
    language = fields.String(required=True, metadata={"example": "en"})
    record_types = fields.List(Choice(RECORD_TYPES), required=True, metadata={"example": ["complaint"]})
    fields_ = fields.List(fields.Nested(AskedField), required=True, data_key="fields", attribute="asked")
    categories = fields.List(
        fields.Nested(OfferedCategory), required=True, metadata={"description": "Empty where it is not asked."}
    )
    challenge = fields.Boolean(required=True, metadata={"description": "Whether it asks for a proof of work."})
    trap = fields.String(
        required=True, metadata={"description": "A field to hide from people and to send empty.", "example": TRAP}
    )


class ChallengeIn(Schema):
    form = Text(required=True, max_length=100, metadata={"example": _KEY})


class ChallengeParameters(Schema):
    algorithm = fields.String(required=True, metadata={"example": ALGORITHM})
    nonce = fields.String(required=True, metadata={"example": "0f" * 16})
    salt = fields.String(required=True, metadata={"example": "f0" * 16})
    cost = fields.Integer(required=True, metadata={"example": 5000})
    key_length = fields.Integer(required=True, data_key="keyLength", attribute="keyLength", metadata={"example": 32})
    key_prefix = fields.String(required=True, data_key="keyPrefix", attribute="keyPrefix", metadata={"example": "00"})
    expires_at = fields.Integer(
        required=True, data_key="expiresAt", attribute="expiresAt", metadata={"example": 1772444400}
    )
    data = fields.Dict(required=True, metadata={"example": {"form": "0192f0c1-7d1e-7c3a-9a51-2f6f0f6f3a10"}})


class Challenge(Schema):
    """Altcha's own words: it goes to the widget as it stands."""

    parameters = fields.Nested(ChallengeParameters, required=True)
    signature = fields.String(required=True, metadata={"example": "ab" * 32})


class SubmittedNeed(Schema):
    flag = TermCode("vulnerability", required=True, metadata={"example": "hearing"})
    adjustment = Text(max_length=1000, metadata={"example": "Write, do not call."})


class Submitted(Schema):
    """What is asked beside subject and description, the form says; anything else is refused."""

    subject = Line(required=True, max_length=500, metadata={"example": "Parcel a week late"})
    description = Text(required=True, max_length=LONG, metadata={"example": "My parcel came on Friday."})
    record_type = Choice(RECORD_TYPES, metadata={"example": None})
    name = Line(max_length=200, metadata={"example": "Li Wei"})
    email = Email(metadata={"example": "li.wei@example.com"})
    phone = Line(max_length=50, metadata={"example": None})
    language = Text(max_length=35, validate=LANGUAGE, metadata={"example": None})
    region = Line(max_length=100, metadata={"example": None})
    postcode = Line(max_length=20, metadata={"example": None})
    category = TermCode("category", metadata={"example": "DEL"})
    issue = TermCode("issue", metadata={"example": None})
    price = MoneyField(metadata={"example": None})
    needs = fields.List(fields.Nested(SubmittedNeed), validate=validate.Length(max=20), metadata={"example": None})
    related_to = Text(max_length=40, metadata={"description": "The reference of an earlier one.", "example": None})

    @validates_schema
    def _belongs(self, data: dict[str, Any], **_: Any) -> None:
        issue_fits_category(data)
        if "related_to" in data and parse_reference(data["related_to"]) is None:
            raise ValidationError("This is not a reference.", "related_to")


class SubmissionIn(Schema):
    form = Text(required=True, max_length=100, metadata={"example": _KEY})
    altcha = Text(
        max_length=LONGEST,
        metadata={
            "description": "The solved challenge, as the widget gives it.",
            "example": "eyJjaGFsbGVuZ2UiOi4uLn0=",
        },
    )
    website = Text(
        min_length=0,
        max_length=2000,
        load_default="",
        metadata={"description": "Leave it empty: people do not see it.", "example": ""},
    )
    complaint = fields.Nested(Submitted, required=True)
