from typing import Any, Final

from marshmallow import fields, post_load, validate

from helpdesk.complaints.choosing import LEVELS, REASONS, STRATEGIES
from helpdesk.complaints.profile_schemas import MAX_SKILLS, SKILL
from helpdesk.complaints.routing import CAUSES, OUTCOMES
from helpdesk.kernel.expressions import ALWAYS
from helpdesk.kernel.positions import LARGEST
from helpdesk.kernel.schemas import Choice, Flag, Line, PageQuery, Schema, Text, Timestamp, Whole

CONDITION: Final = (
    '`{"all": [...]}`, `{"any": [...]}`, `{"not": ...}` or `{"field": ..., "operator": ..., "value": ...}`, nested up to 8 '
    "deep. Fields and operators: `GET /routing/vocabulary`. Everything, when absent."
)
_EXAMPLE: Final = {"all": [{"field": "category", "operator": "in", "value": ["DEL", "BIL"]}]}


class RoutingResult(Schema):
    """Where a complaint goes, and how its handler is chosen."""

    team_id = fields.UUID(
        allow_none=True,
        load_default=None,
        metadata={"description": "null: it stays with the team that it has.", "example": None},
    )
    strategy = Choice(
        STRATEGIES,
        allow_none=True,
        load_default=None,
        metadata={
            "description": "`least_loaded`: whose open complaints weigh least. `round_robin`: whose turn was longest ago. "
            "`longest_idle`: first who has nothing open. `queue_only`: nobody; they take it themselves. null: as the rules of "
            "that team say.",
            "example": "least_loaded",
        },
    )
    required_skills = fields.List(
        Text(max_length=64, validate=SKILL),
        load_default=list,
        validate=validate.Length(max=MAX_SKILLS),
        metadata={"example": []},
    )
    match_category = Flag(
        load_default=False,
        metadata={"description": "The complaint's category is a skill that its handler must have.", "example": True},
    )
    match_language = Choice(
        LEVELS,
        allow_none=True,
        load_default=None,
        metadata={"description": "How well its handler must know the complaint's language.", "example": "good"},
    )


def _whole(data: dict[str, Any]) -> dict[str, Any]:
    if "result" in data:
        data["result"]["required_skills"] = list(dict.fromkeys(data["result"]["required_skills"]))
    return data


class RoutingRulePatch(Schema):
    """What is left out stays."""

    name = Line(max_length=200, metadata={"example": "Deliveries"})
    team_id = fields.UUID(
        allow_none=True, metadata={"description": "Whose complaints it is for; null: everybody's.", "example": None}
    )
    position = Whole(
        validate=validate.Range(0, LARGEST),
        metadata={"description": "Smaller ones are asked first. At the end, when absent.", "example": 10},
    )
    active = Flag(metadata={"example": True})
    condition = fields.Dict(metadata={"description": CONDITION, "example": _EXAMPLE})
    result = fields.Nested(RoutingResult)

    @post_load
    def _each_skill_once(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return _whole(data)


class RoutingRuleIn(RoutingRulePatch):
    name = Line(required=True, max_length=200, metadata={"example": "Deliveries"})
    active = Flag(load_default=True, metadata={"example": True})
    condition = fields.Dict(load_default=lambda: dict(ALWAYS), metadata={"description": CONDITION, "example": _EXAMPLE})
    result = fields.Nested(RoutingResult, required=True)


class RoutingRuleQuery(PageQuery):
    team_id = fields.UUID(metadata={"description": "Whose rules."})


class RoutingRuleVersion(Schema):
    version = fields.Integer(required=True)
    name = fields.String(required=True, metadata={"example": "Deliveries"})
    team_id = fields.UUID(required=True, allow_none=True, metadata={"example": None})
    position = fields.Integer(required=True, metadata={"example": 10})
    active = fields.Boolean(required=True)
    condition = fields.Dict(required=True, metadata={"example": _EXAMPLE})
    result = fields.Nested(RoutingResult, required=True)
    created_at = Timestamp(required=True)


class RoutingRule(RoutingRuleVersion):
    id = fields.UUID(required=True)
    removed_at = Timestamp(required=True, allow_none=True, metadata={"example": None})


class Candidate(Schema):
    agent_id = fields.UUID(required=True)
    taken = fields.Boolean(required=True)
    reasons = fields.List(
        Choice(REASONS), required=True, metadata={"description": "Why not; empty: they could.", "example": []}
    )
    load_ = fields.Integer(
        required=True,
        data_key="load",
        attribute="load",
        metadata={"description": "What their open complaints weighed.", "example": 3},
    )
    capacity = fields.Integer(required=True, allow_none=True, metadata={"example": 20})


class RoutingPreview(Schema):
    rule_id = fields.UUID(required=True, allow_none=True)
    rule_version = fields.Integer(required=True, allow_none=True, metadata={"example": 2})
    rule_name = fields.String(required=True, allow_none=True, metadata={"example": "Deliveries"})
    strategy = Choice(STRATEGIES, required=True, allow_none=True)
    outcome = Choice((*OUTCOMES, "no_rule"), required=True, metadata={"example": "assigned"})
    reason = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Why nobody has it: `nobody_ready`, `queue_only`, `no_team`.", "example": None},
    )
    team_id = fields.UUID(required=True, allow_none=True)
    assignee_id = fields.UUID(required=True, allow_none=True)
    required_skills = fields.List(fields.String(), required=True, metadata={"example": ["DEL", "lang:zh:good"]})
    candidates = fields.List(
        fields.Nested(Candidate),
        required=True,
        allow_none=True,
        metadata={"description": "At most 50, the taken one first. null for whoever may not see agents."},
    )
    considered = fields.Integer(required=True, metadata={"description": "How many there were.", "example": 4})


class RoutingDecision(RoutingPreview):
    sequence = fields.Integer(required=True, metadata={"description": "Its place in the timeline.", "example": 2})
    at = Timestamp(required=True)
    cause = Choice(CAUSES, required=True)
    outcome = Choice(OUTCOMES, required=True, metadata={"example": "assigned"})
