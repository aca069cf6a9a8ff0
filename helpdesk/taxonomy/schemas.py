"""Payloads of the taxonomy, in and out."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from marshmallow import ValidationError, fields, validate, validates_schema

from helpdesk.customers.schemas import LANGUAGE
from helpdesk.kernel.schemas import Choice, Flag, Line, PageQuery, Pattern, Schema, Text, Timestamp, Whole
from helpdesk.taxonomy.severities import IMPACTS, SEVERITIES, URGENCIES, milder_cells
from helpdesk.taxonomy.term_schemas import LabelChanges, Labels, TermCode
from helpdesk.taxonomy.terms import KINDS

LABELS: Final = {"en": "late or missed promise", "zh": "延误或未按承诺送达"}
OWN_RULES: Final = ("matrix", "repeat", "burst", "person")
"""Names that reasons have by themselves."""
RULE_NAME: Final = Pattern(
    "^[a-z][a-z0-9_]{0,39}$", error="Write small letters, digits and _, beginning with a letter."
)
_WORD: Final = Pattern("^[a-z][a-z0-9_]{0,39}$", error="Write small letters, digits and _.")


class Traits(Schema):
    """What else is known of a term; each kind has its own."""

    safety = Flag(metadata={"description": "Of an issue: a complaint with it is about safety.", "example": False})
    regulator = Flag(
        metadata={"description": "Of a channel: what comes that way comes through a regulator.", "example": None}
    )
    layer = Line(max_length=40, validate=_WORD, metadata={"description": "Of a root cause.", "example": None})
    justice = Text(max_length=40, validate=_WORD, metadata={"description": "Of a remedy.", "example": None})
    resource = Text(max_length=40, validate=_WORD, metadata={"description": "Of a remedy.", "example": None})
    driver = Text(max_length=40, validate=_WORD, metadata={"description": "Of a vulnerability.", "example": None})
    closes = Flag(metadata={"description": "Of an outcome.", "example": None})
    upheld_percent = Whole(
        allow_none=True,
        validate=validate.Range(0, 100),
        metadata={
            "description": "Of an outcome: how much of it counts as upheld; null: it counts neither way.",
            "example": None,
        },
    )


_POSITION: Final = {"description": "Smaller ones come first. At the end, when absent.", "example": 6}


class TermIn(Schema):
    kind = Choice(KINDS, required=True, metadata={"example": "issue"})
    code = Text(
        required=True,
        max_length=62,
        metadata={
            "description": "Stays what it is for ever. An issue's begins with its category's.",
            "example": "DEL.THEFT",
        },
    )
    labels = Labels(required=True, metadata={"description": "Language -> text; English at least.", "example": LABELS})
    traits = fields.Nested(Traits, load_default=dict)
    position = Whole(validate=validate.Range(0, 1_000_000), metadata=_POSITION)


class TermPatch(Schema):
    """What is left out stays, a language of the labels too; traits are given whole."""

    labels = LabelChanges(
        metadata={
            "description": "Language -> text; null takes that language away (English stays). Languages that are left out stay.",
            "example": {"zh": LABELS["zh"]},
        }
    )
    traits = fields.Nested(Traits)
    position = Whole(validate=validate.Range(0, 1_000_000), metadata={"example": 6})
    retired = Flag(
        metadata={
            "description": "Nothing new gets it any more; what has it keeps it. false brings it back.",
            "example": False,
        }
    )


class TermSummary(Schema):
    id = fields.UUID(required=True)
    kind = Choice(KINDS, required=True, metadata={"example": "issue"})
    code = fields.String(required=True, metadata={"example": "DEL.LATE"})
    labels = fields.Dict(keys=fields.String(), values=fields.String(), required=True, metadata={"example": LABELS})
    traits = fields.Dict(required=True, metadata={"description": "As in `TermIn`.", "example": {"safety": False}})
    position = fields.Integer(required=True)
    retired_at = Timestamp(required=True, allow_none=True, metadata={"example": None})
    created_at = Timestamp(required=True)
    version = fields.Integer(required=True)


class TermDetail(TermSummary):
    code_maps = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "Systems that have a word for it (`GET /code-maps`).", "example": ["cfpb"]},
    )


class TermQuery(PageQuery):
    kind = Choice(KINDS, metadata={"example": "issue"})
    code = Text(max_length=62, metadata={"example": "DEL.LATE"})
    retired = fields.Boolean(metadata={"description": "Only those that are, or are not.", "example": False})


class TaxonomyQuery(Schema):
    language = Text(
        max_length=35,
        validate=LANGUAGE,
        metadata={"description": "Of the labels; by `Accept-Language` when absent.", "example": "zh"},
    )
    retired = fields.Boolean(load_default=False, metadata={"description": "With what is retired.", "example": False})


class LabelledTerm(Schema):
    code = fields.String(required=True, metadata={"example": "RC.HAND"})
    label = fields.String(required=True, metadata={"example": "hand-off failure between teams"})
    retired = fields.Boolean(required=True, metadata={"example": False})
    traits = fields.Dict(required=True, metadata={"example": {"layer": "process"}})


class LabelledCategory(Schema):
    code = fields.String(required=True, metadata={"example": "DEL"})
    label = fields.String(required=True, metadata={"example": "Delivery & fulfilment"})
    retired = fields.Boolean(required=True, metadata={"example": False})
    issues = fields.List(fields.Nested(LabelledTerm), required=True)


class FloorIn(Schema):
    """A severity at least, for complaints with one of these issues, needs or channels."""

    rule = Text(required=True, max_length=40, validate=RULE_NAME, metadata={"example": "breach"})
    at_least = Choice(SEVERITIES, required=True, metadata={"example": "S2"})
    vulnerable = Flag(
        load_default=False,
        metadata={"description": "Only of somebody of whom a need is recorded.", "example": False},
    )
    issues = fields.List(
        TermCode("issue", ever=True),
        load_default=list,
        validate=validate.Length(max=200),
        metadata={"example": ["PRV.BREACH"]},
    )
    needs = fields.List(
        TermCode("vulnerability", ever=True),
        load_default=list,
        validate=validate.Length(max=200),
        metadata={"example": []},
    )
    channels = fields.List(
        TermCode("channel", ever=True), load_default=list, validate=validate.Length(max=200), metadata={"example": []}
    )
    labels = Labels(
        required=True,
        metadata={"description": "What it says, language -> text.", "example": {"en": "personal data was disclosed"}},
    )

    @validates_schema
    def _of_something(self, data: dict[str, Any], **_: Any) -> None:
        if not any(data.get(name) for name in ("issues", "needs", "channels")):
            raise ValidationError("Name an issue, a need or a channel that it is for.", "issues")
        if data.get("rule") in OWN_RULES:
            raise ValidationError(f"These are names of their own: {', '.join(OWN_RULES)}.", "rule")


class RepeatIn(Schema):
    levels = Whole(
        required=True, validate=validate.Range(1, 4), metadata={"description": "How many worse.", "example": 1}
    )
    days = Whole(required=True, validate=validate.Range(1, 3650), metadata={"example": 90})
    labels = Labels(
        required=True, metadata={"example": {"en": "the same customer complained of the same issue before"}}
    )


class BurstIn(Schema):
    count = Whole(required=True, validate=validate.Range(2, 10_000), metadata={"example": 5})
    hours = Whole(required=True, validate=validate.Range(1, 720), metadata={"example": 24})
    labels = Labels(
        required=True, metadata={"example": {"en": "many open complaints of the same issue in a short time"}}
    )


_MATRIX: Final = [
    ["S5", "S5", "S4", "S3"],
    ["S5", "S4", "S4", "S3"],
    ["S4", "S3", "S3", "S2"],
    ["S3", "S3", "S2", "S1"],
    ["S2", "S1", "S1", "S1"],
]


class SeverityRulesIn(Schema):
    """The whole: what is left out is gone."""

    matrix = fields.List(
        fields.List(Choice(SEVERITIES), validate=validate.Length(equal=URGENCIES)),
        required=True,
        validate=validate.Length(equal=IMPACTS),
        metadata={
            "description": "A row for each impact, 1 first; in it a severity for each urgency, 1 first. More impact or urgency "
            "is never milder.",
            "example": _MATRIX,
        },
    )
    rules = fields.List(fields.Nested(FloorIn), required=True, validate=validate.Length(max=50))
    repeat = fields.Nested(
        RepeatIn,
        required=True,
        allow_none=True,
        metadata={"description": "The same issue of the same customer again, within these days; null: no such rule."},
    )
    burst = fields.Nested(
        BurstIn,
        required=True,
        allow_none=True,
        metadata={"description": "Many open complaints of one issue within these hours: a flag, which raises nothing."},
    )

    @validates_schema
    def _sound(self, data: dict[str, Any], **_: Any) -> None:
        wrong: dict[str, Any] = {}
        milder = list(milder_cells(data["matrix"]))
        if milder:
            text = "Milder than with less impact or urgency."
            rows: dict[int, dict[int, list[str]]] = {}
            for row, place in milder:
                rows.setdefault(row, {})[place] = [text]
            wrong["matrix"] = rows
        twice = list(_repeated(data["rules"]))
        if twice:
            wrong["rules"] = {place: {"rule": ["Another rule has this name."]} for place in twice}
        if wrong:
            raise ValidationError(wrong)


def _repeated(rules: list[Mapping[str, Any]]) -> Iterator[int]:
    seen: set[str] = set()
    for place, rule in enumerate(rules):
        if rule["rule"] in seen:
            yield place
        seen.add(rule["rule"])


class Floor(Schema):
    rule = fields.String(required=True, metadata={"example": "breach"})
    at_least = Choice(SEVERITIES, required=True, metadata={"example": "S2"})
    vulnerable = fields.Boolean(required=True, metadata={"example": False})
    issues = fields.List(TermCode("issue"), required=True, metadata={"example": ["PRV.BREACH"]})
    needs = fields.List(TermCode("vulnerability"), required=True, metadata={"example": []})
    channels = fields.List(TermCode("channel"), required=True, metadata={"example": []})
    labels = fields.Dict(required=True, metadata={"example": {"en": "personal data was disclosed"}})


class RepeatRule(Schema):
    levels = fields.Integer(required=True)
    days = fields.Integer(required=True, metadata={"example": 90})
    labels = fields.Dict(required=True, metadata={"example": {"en": "the same issue again"}})


class BurstRule(Schema):
    count = fields.Integer(required=True, metadata={"example": 5})
    hours = fields.Integer(required=True, metadata={"example": 24})
    labels = fields.Dict(required=True, metadata={"example": {"en": "many open complaints of the same issue"}})


class SeverityRules(Schema):
    version = fields.Integer(required=True, metadata={"description": "Of the rules."})
    matrix = fields.List(fields.List(Choice(SEVERITIES)), required=True, metadata={"example": _MATRIX})
    rules = fields.List(fields.Nested(Floor), required=True)
    repeat = fields.Nested(RepeatRule, required=True, allow_none=True)
    burst = fields.Nested(BurstRule, required=True, allow_none=True)


class Taxonomy(Schema):
    version = fields.Integer(required=True, metadata={"description": "Of the whole."})
    valid_from = Timestamp(required=True)
    valid_until = Timestamp(
        required=True, allow_none=True, metadata={"description": "null: it is in force.", "example": None}
    )
    language = fields.String(
        required=True, metadata={"description": "Of the labels, where they are in it.", "example": "en"}
    )
    categories = fields.List(fields.Nested(LabelledCategory), required=True)
    root_causes = fields.List(fields.Nested(LabelledTerm), required=True)
    outcomes = fields.List(fields.Nested(LabelledTerm), required=True)
    remedies = fields.List(fields.Nested(LabelledTerm), required=True)
    channels = fields.List(fields.Nested(LabelledTerm), required=True)
    vulnerabilities = fields.List(fields.Nested(LabelledTerm), required=True)
    severity = fields.Nested(SeverityRules, required=True)


class TaxonomyVersion(Schema):
    version = fields.Integer(required=True)
    valid_from = Timestamp(required=True)
    valid_until = Timestamp(required=True, allow_none=True, metadata={"example": None})
    actor_kind = fields.String(required=True, metadata={"example": "agent"})
    actor_id = fields.UUID(required=True, allow_none=True)
