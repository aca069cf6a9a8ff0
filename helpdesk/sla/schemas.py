import re
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from helpdesk.complaints.taxonomy import SEVERITIES
from helpdesk.kernel.schemas import Choice, Schema, Timestamp, Whole
from helpdesk.sla.models import CLOCK_STATES, POLICY_KINDS
from helpdesk.sla.specs import DAYS

UNITS = ("minutes", "business_days", "calendar_days", "weeks")
_HOURS_EXAMPLE = {day: [["09:00", "17:00"]] for day in DAYS[:5]}
_TARGETS_EXAMPLE = {
    severity: {kind: [days, "business_days"] for kind in POLICY_KINDS}
    for days, severity in enumerate(SEVERITIES, start=1)
}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class Clock(Schema):
    id = fields.UUID(required=True)
    kind = fields.String(required=True, metadata={"example": "resolve"})
    round = fields.Integer(required=True, metadata={"description": "2 and up after reopening."})
    state = Choice(CLOCK_STATES, required=True)
    severity = Choice(SEVERITIES, required=True, allow_none=True, metadata={"example": "S3"})
    target_amount = fields.Integer(required=True, metadata={"example": 5})
    target_unit = Choice(UNITS, required=True, metadata={"example": "business_days"})
    pausable = fields.Boolean(required=True)
    started_at = Timestamp(required=True)
    due_at = Timestamp(
        required=True,
        allow_none=True,
        metadata={"description": "null while paused.", "example": "2026-03-09T17:00:00Z"},
    )
    remaining_seconds = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "Business seconds left, while paused.", "example": None},
    )
    stopped_at = Timestamp(required=True, allow_none=True, metadata={"example": None})
    breached_at = Timestamp(required=True, allow_none=True, metadata={"example": None})
    elapsed_seconds = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "Business seconds used, once stopped.", "example": None},
    )
    next_alarm_at = Timestamp(required=True, allow_none=True, metadata={"example": "2026-03-05T12:00:00Z"})
    next_threshold = fields.Integer(required=True, allow_none=True, metadata={"example": 50})
    policy_id = fields.UUID(required=True, allow_none=True)
    policy_version = fields.Integer(required=True, allow_none=True)
    calendar_id = fields.UUID(required=True, allow_none=True)
    calendar_version = fields.Integer(required=True, allow_none=True)
    rule_id = fields.String(
        required=True, allow_none=True, metadata={"description": "The regulatory rule.", "example": None}
    )
    generation = fields.Integer(required=True)


class Clocks(Schema):
    items = fields.List(fields.Nested(Clock), required=True)


class PolicyIn(Schema):
    calendar_id = fields.UUID(required=True)
    thresholds = fields.List(
        Whole(validate=validate.Range(1, 99)),
        required=True,
        validate=validate.Length(max=10),
        metadata={"description": "Percent of the time used at which to warn.", "example": [50, 75, 90]},
    )
    targets = fields.Dict(
        keys=Choice(SEVERITIES),
        values=fields.Dict(keys=Choice(POLICY_KINDS), values=fields.Raw()),
        required=True,
        metadata={"description": "severity -> kind -> [amount, unit]", "example": _TARGETS_EXAMPLE},
    )

    @validates_schema
    def _sound(self, data: dict[str, Any], **_: Any) -> None:
        if sorted(set(data["thresholds"])) != data["thresholds"]:
            raise ValidationError("Give thresholds in rising order, each once.", "thresholds")
        for severity, kinds in data["targets"].items():
            for kind, target in kinds.items():
                if not _is_target(target):
                    raise ValidationError(
                        f"{severity}.{kind}: write [amount, unit]; a whole amount up to 100000, units {', '.join(UNITS)}.",
                        "targets",
                    )


def _is_target(target: Any) -> bool:
    if not isinstance(target, list) or len(target) != 2:
        return False
    amount, unit = target
    return isinstance(amount, int) and not isinstance(amount, bool) and 0 <= amount <= 100_000 and unit in UNITS


class Policy(Schema):
    id = fields.UUID(required=True)
    name = fields.String(required=True, metadata={"example": "Default"})
    is_default = fields.Boolean(required=True)
    calendar_id = fields.UUID(required=True)
    thresholds = fields.List(fields.Integer(), required=True, metadata={"example": [50, 75, 90]})
    targets = fields.Dict(required=True, metadata={"example": _TARGETS_EXAMPLE})
    version = fields.Integer(required=True)
    created_at = Timestamp(required=True)


class Rule(Schema):
    id = fields.String(required=True, metadata={"example": "us.cfpb.15"})
    jurisdiction = fields.String(required=True, metadata={"example": "US"})
    sector = fields.String(required=True, metadata={"example": "financial"})
    instrument = fields.String(required=True, metadata={"example": "CFPB Company Portal Manual"})
    milestone = fields.String(required=True, metadata={"example": "company_response"})
    clock_start = fields.String(required=True, metadata={"example": "complaint_sent_to_company"})
    target_amount = fields.Integer(required=True, metadata={"example": 15})
    target_unit = Choice(UNITS, required=True, metadata={"example": "calendar_days"})
    timezone = fields.String(required=True, metadata={"example": "America/New_York"})
    source = fields.String(required=True)
    confidence = fields.String(required=True, metadata={"example": "source-read"})


class Rules(Schema):
    notice = fields.String(required=True, metadata={"example": "Information, not legal advice."})
    items = fields.List(fields.Nested(Rule), required=True)
