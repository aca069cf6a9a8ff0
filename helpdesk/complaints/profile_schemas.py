from typing import Any, Final

from marshmallow import ValidationError, fields, validate, validates_schema

from helpdesk.complaints import working_hours
from helpdesk.complaints.choosing import LEVELS
from helpdesk.complaints.profile_models import AVAILABILITIES, MAX_CAPACITY
from helpdesk.complaints.taxonomy import SEVERITIES
from helpdesk.customers.schemas import LANGUAGE
from helpdesk.kernel.schemas import ByName, Choice, Line, Pattern, Schema, Text, Timestamp, Whole

SKILL: Final = Pattern(
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", error="Write a code: letters, digits, dots, dashes, at most 64 characters."
)
MAX_SKILLS: Final = 200
MAX_WEIGHT: Final = 100


class KnownLanguage(Schema):
    tag = Text(required=True, max_length=35, validate=LANGUAGE, metadata={"example": "zh-CN"})
    level = Choice(LEVELS, load_default="good", metadata={"example": "native"})


class Weekly(Schema):
    """Local wall times. A day that is left out is free."""

    mon = fields.List(fields.List(fields.String()), metadata={"example": [["09:00", "17:00"]]})
    tue = fields.List(fields.List(fields.String()), metadata={"example": [["09:00", "17:00"]]})
    wed = fields.List(fields.List(fields.String()), metadata={"example": [["09:00", "17:00"]]})
    thu = fields.List(fields.List(fields.String()), metadata={"example": [["09:00", "17:00"]]})
    fri = fields.List(fields.List(fields.String()), metadata={"example": [["09:00", "12:00"], ["13:00", "15:00"]]})
    sat = fields.List(fields.List(fields.String()), metadata={"example": []})
    sun = fields.List(fields.List(fields.String()), metadata={"example": []})


class WorkingHours(Schema):
    timezone = Text(required=True, max_length=64, metadata={"example": "Europe/Berlin"})
    weekly = fields.Nested(Weekly, required=True)

    @validates_schema
    def _readable(self, data: dict[str, Any], **_: Any) -> None:
        weekly = data.get("weekly", {})
        if any(len(intervals) > working_hours.MAX_INTERVALS for intervals in weekly.values()):
            raise ValidationError(f"At most {working_hours.MAX_INTERVALS} intervals a day.", "weekly")
        wrong = working_hours.check(data.get("timezone", "UTC"), weekly)
        for place, sentence in wrong.items():
            raise ValidationError(sentence, place.split("/")[1])


class ProfilePatch(Schema):
    """What is left out stays."""

    skills = fields.List(
        Text(max_length=64, validate=SKILL),
        validate=validate.Length(max=MAX_SKILLS),
        metadata={"description": "Codes: categories, issues, or skills of your own.", "example": ["DEL", "BIL"]},
    )
    languages = fields.List(fields.Nested(KnownLanguage), validate=validate.Length(max=50))
    capacity = Whole(
        allow_none=True,
        validate=validate.Range(0, MAX_CAPACITY),
        metadata={
            "description": "The most that open complaints may weigh together; 1 each, unless `weights` says otherwise. null: "
            "no limit.",
            "example": 20,
        },
    )
    weights = ByName(
        keys=Choice(SEVERITIES),
        values=Whole(validate=validate.Range(0, MAX_WEIGHT)),
        metadata={
            "description": "What one open complaint of a severity counts; 1 for those left out.",
            "example": {"S1": 3, "S2": 2},
        },
    )
    working_hours = fields.Nested(
        WorkingHours, allow_none=True, metadata={"description": "Outside them nothing is routed to the agent."}
    )

    @validates_schema
    def _once(self, data: dict[str, Any], **_: Any) -> None:
        tags = [language["tag"].lower() for language in data.get("languages", ())]
        if len(set(tags)) < len(tags):
            raise ValidationError("Name each language once.", "languages")


class AvailabilityIn(Schema):
    availability = Choice(AVAILABILITIES, required=True, metadata={"example": "away"})
    away_until = Timestamp(metadata={"description": "Available again from then on, by itself.", "example": None})
    away_reason = Line(max_length=200, metadata={"example": "Training"})

    @validates_schema
    def _only_when_away(self, data: dict[str, Any], **_: Any) -> None:
        for name in ("away_until", "away_reason"):
            if data.get("availability") == "available" and name in data:
                raise ValidationError("Only who is away has it.", name)


class AbsenceIn(Schema):
    starts_at = Timestamp(required=True, metadata={"example": "2099-08-03T00:00:00Z"})
    ends_at = Timestamp(required=True, metadata={"example": "2099-08-24T00:00:00Z"})
    substitute_id = fields.UUID(
        allow_none=True,
        metadata={"description": "Who gets meanwhile what is new on their complaints, or urgent.", "example": None},
    )
    note = Text(max_length=500, allow_none=True, metadata={"example": "Annual leave"})


class AbsencePatch(Schema):
    """What is left out stays."""

    starts_at = Timestamp(metadata={"example": "2099-08-03T00:00:00Z"})
    ends_at = Timestamp(metadata={"example": "2099-08-24T00:00:00Z"})
    substitute_id = fields.UUID(allow_none=True, metadata={"example": None})
    note = Text(max_length=500, allow_none=True, metadata={"example": "Annual leave"})


class Absence(Schema):
    id = fields.UUID(required=True)
    agent_id = fields.UUID(required=True)
    starts_at = Timestamp(required=True)
    ends_at = Timestamp(required=True)
    substitute_id = fields.UUID(required=True, allow_none=True, metadata={"example": None})
    note = fields.String(required=True, allow_none=True, metadata={"example": "Annual leave"})
    version = fields.Integer(required=True)


class Profile(Schema):
    agent_id = fields.UUID(required=True)
    skills = fields.List(fields.String(), required=True, metadata={"example": ["DEL", "BIL"]})
    languages = fields.List(fields.Nested(KnownLanguage), required=True)
    capacity = fields.Integer(required=True, allow_none=True, metadata={"example": 20})
    weights = ByName(
        keys=Choice(SEVERITIES), values=fields.Integer(), required=True, metadata={"example": {"S1": 3, "S2": 2}}
    )
    working_hours = fields.Dict(
        required=True,
        allow_none=True,
        metadata={"example": {"timezone": "Europe/Berlin", "weekly": {"mon": [["09:00", "17:00"]]}}},
    )
    availability = Choice(AVAILABILITIES, required=True)
    away_until = Timestamp(required=True, allow_none=True, metadata={"example": None})
    away_reason = fields.String(required=True, allow_none=True, metadata={"example": None})
    ready = fields.Boolean(
        required=True,
        metadata={"description": "Whether anything is routed to them now; `unready` says why not.", "example": True},
    )
    unready = fields.List(fields.String(), required=True, metadata={"example": []})
    load_ = fields.Integer(
        required=True,
        data_key="load",
        attribute="load",
        metadata={"description": "What their open complaints weigh together.", "example": 7},
    )
    substitute_id = fields.UUID(
        required=True, allow_none=True, metadata={"description": "Who stands in for them now.", "example": None}
    )
    version = fields.Integer(required=True)
