from typing import Any, Final
from zoneinfo import available_timezones

from marshmallow import ValidationError, fields, validate, validates_schema

from helpdesk.kernel.schemas import Choice, Line, Pattern, Schema, Text, Timestamp, Whole
from helpdesk.sla.ladder_schemas import LADDER_META, Ladder, Thresholds
from helpdesk.sla.recompute_schemas import Recomputed, Recomputing
from helpdesk.sla.regime_rules import NOTICE, UNITS

RULE: Final = "uk.housing.s1"
DECIDED_BY: Final = ("record", "person", "everything")
BECAUSE: Final = ("always", "presumed", "condition", "decided", "replaced", "not_in_force", "off")
_NOTICE: Final = {"description": "What all of it is.", "example": NOTICE}
_COUNTRY: Final = Pattern("^[A-Z]{2,3}$", error="Write an ISO 3166 country code, EU or INT.")


class Extension(Schema):
    to = fields.Integer(
        required=True, allow_none=True, metadata={"description": "From the start, in the rule's unit.", "example": None}
    )
    add = fields.Integer(required=True, allow_none=True, metadata={"description": "Beside the amount.", "example": 10})
    condition = fields.String(
        required=True, allow_none=True, metadata={"description": "When it is allowed.", "example": None}
    )
    requires = fields.String(
        required=True, allow_none=True, metadata={"example": "reason+date+Ombudsman contact before deadline"}
    )


class RuleInForce(Schema):
    """What a version of a rule says."""

    notice = fields.String(required=True, metadata=_NOTICE)
    id = fields.String(required=True, metadata={"example": RULE})
    version = fields.Integer(required=True, metadata={"description": "Of the rule, as it is kept here.", "example": 1})
    jurisdiction = fields.String(
        required=True,
        metadata={"description": "A country, EU with its members, or INT: whichever it is.", "example": "GB"},
    )
    sectors = fields.List(fields.String(), required=True, metadata={"example": ["social_housing"]})
    instrument = fields.String(required=True, metadata={"example": "Housing Ombudsman Complaint Handling Code 2024"})
    milestone = fields.String(required=True, metadata={"example": "stage1_response"})
    clock_start = fields.String(
        required=True, metadata={"description": "The fact with which it starts.", "example": "acknowledgement_sent"}
    )
    starts_after = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The rule whose clock stops when this one's starts.", "example": "uk.housing.ack"},
    )
    stops_on = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "Facts any of which stops it.", "example": ["stage1_response_sent"]},
    )
    target_amount = fields.Integer(required=True, metadata={"example": 10})
    target_unit = Choice(UNITS, required=True, metadata={"example": "business_days"})
    counting = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Where it is another than from the day after the start.", "example": None},
    )
    calendar = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Code of the calendar that has its working days.", "example": "GB-ENG"},
    )
    calendar_id = fields.UUID(
        required=True, allow_none=True, metadata={"description": "Of that calendar, whose days are yours to set."}
    )
    calendar_name = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Whose days off they are: those of TARGET, say.", "example": "Regulatory: England"},
    )
    timezone = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "In which its days begin and end, for complaints of every country that it is for; null: in that of the "
            "complaint's country.",
            "example": None,
        },
    )
    default = fields.Boolean(
        required=True,
        metadata={
            "description": "The amount is a default: the source gives none that can be counted.",
            "example": False,
        },
    )
    default_reason = fields.String(required=True, allow_none=True, metadata={"example": None})
    stated = fields.String(
        required=True, allow_none=True, metadata={"description": "What the source says instead.", "example": None}
    )
    applies_if = fields.String(
        required=True, allow_none=True, metadata={"description": "In the words of the source.", "example": None}
    )
    decided_by = Choice(
        DECIDED_BY,
        required=True,
        metadata={
            "description": "Whether it applies: the record tells (`condition`), a person does, or it is for everything.",
            "example": "everything",
        },
    )
    condition = fields.Dict(required=True, allow_none=True, metadata={"example": None})
    presumed = fields.Boolean(
        required=True, metadata={"description": "What is taken until a person says it.", "example": True}
    )
    replaces = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "Rules that do not apply where it does.", "example": []},
    )
    extensions = fields.List(
        fields.Nested(Extension), required=True, metadata={"description": "By notices, in their order."}
    )
    on_breach = fields.String(required=True, allow_none=True, metadata={"example": "CHFO"})
    effective_from = fields.Date(required=True, allow_none=True, metadata={"example": None})
    effective_to = fields.Date(
        required=True, allow_none=True, metadata={"description": "The last day.", "example": None}
    )
    notes = fields.String(required=True, allow_none=True, metadata={"example": None})
    source = fields.String(required=True, metadata={"description": "Where it was read.", "example": "s6.3"})
    confidence = fields.String(
        required=True, metadata={"description": "How sure the reading is.", "example": "source-read"}
    )
    owner = fields.String(required=True, metadata={"description": "Who looks at it again.", "example": "Compliance"})
    review_by = fields.Date(required=True, metadata={"example": "2027-06-30"})
    review_overdue = fields.Boolean(
        required=True, metadata={"description": "Nobody has looked at it since its review date.", "example": False}
    )
    off_because = fields.String(
        required=True, allow_none=True, metadata={"description": "Why it starts no clocks.", "example": None}
    )
    thresholds = fields.List(fields.Integer(), required=True, metadata={"example": [50, 75, 90]})
    ladder = fields.List(fields.Dict(), required=True, metadata=LADDER_META)


class Rule(RuleInForce):
    created_at = Timestamp(required=True, metadata={"description": "When this was first kept here."})


class RuleVersion(RuleInForce):
    created_at = Timestamp(required=True, metadata={"description": "Of this version."})


class Rules(Schema):
    notice = fields.String(required=True, metadata=_NOTICE)
    items = fields.List(fields.Nested(Rule), required=True)


class Sector(Schema):
    sector = fields.String(required=True, metadata={"example": "social_housing"})
    jurisdictions = fields.List(fields.String(), required=True, metadata={"example": ["GB"]})
    rules = fields.List(
        fields.String(), required=True, metadata={"description": "Also those that are switched off.", "example": [RULE]}
    )


class Sectors(Schema):
    items = fields.List(fields.Nested(Sector), required=True)


class RuleQuery(Schema):
    jurisdiction = fields.String(
        validate=_COUNTRY, metadata={"description": "Also the rules of a group that it is in.", "example": "GB"}
    )
    sector = Line(max_length=50, metadata={"description": "As in `GET /sla/sectors`.", "example": "social housing"})
    milestone = Text(max_length=100, metadata={"example": "stage1_response"})
    on = fields.Date(metadata={"description": "In force on that day.", "example": "2026-03-02"})
    review_overdue = fields.Boolean(metadata={"example": None})
    switched_off = fields.Boolean(metadata={"example": None})


class RulePatch(Schema):
    """What is left out stays; null puts back what came with the program."""

    amount = Whole(
        allow_none=True,
        validate=validate.Range(0, 10_000),
        metadata={"description": "Only of a default, and with `unit`.", "example": 3},
    )
    unit = Choice(UNITS, allow_none=True, metadata={"example": "business_days"})
    timezone = Text(
        allow_none=True,
        max_length=64,
        metadata={
            "description": "An IANA zone: in it the days of new clocks begin and end, whatever country the complaint is of (one of several zones, "
            "say). Any can be set, also a foreign one; which days are working days stays with its calendar. null: that of the "
            "complaint's country.",
            "example": None,
        },
    )
    owner = Line(allow_none=True, max_length=200, metadata={"example": "Head of compliance"})
    review_by = fields.Date(allow_none=True, metadata={"example": "2027-12-31"})
    thresholds = Thresholds(allow_none=True)
    ladder = Ladder(allow_none=True)

    @validates_schema
    def _zone(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("timezone") is not None and data["timezone"] not in available_timezones():
            raise ValidationError("There is no such time zone.", "timezone")


class Reason(Schema):
    reason = Text(required=True, max_length=2000, metadata={"example": "We do not serve that sector."})


class SwitchOn(Reason, Recomputing):
    """Complaints that are open already follow, or do not."""


class RuleSwitchedOff(Rule):
    open_clocks = fields.Integer(
        required=True,
        metadata={
            "description": "Clocks of the rule that are open, and go on by the version that made them.",
            "example": 12,
        },
    )


class RuleSwitchedOn(Rule, Recomputed):
    """A rule, and what follows from its being switched on."""


class ClockRegime(RuleInForce):
    """Of the version that made the clock; owner and review date are the present ones."""


class RuleVerdict(Schema):
    rule = fields.Nested(RuleInForce, required=True)
    applies = fields.Boolean(required=True, metadata={"example": True})
    because = Choice(
        BECAUSE,
        required=True,
        metadata={
            "description": "It is for every such complaint; it is presumed; the record's facts; a person said so; another rule "
            "applies instead; it was not in force; it is switched off.",
            "example": "always",
        },
    )
    reason = fields.String(required=True, allow_none=True, metadata={"description": "Of who decided.", "example": None})
    starts_at = Timestamp(
        required=True, allow_none=True, metadata={"description": "null: its first fact is not known yet."}
    )
    stops_at = Timestamp(required=True, allow_none=True, metadata={"example": None})


class Regime(Schema):
    notice = fields.String(required=True, metadata=_NOTICE)
    jurisdiction = fields.String(required=True, allow_none=True, metadata={"example": "GB"})
    sector = fields.String(required=True, allow_none=True, metadata={"example": "social housing"})
    items = fields.List(fields.Nested(RuleVerdict), required=True)
