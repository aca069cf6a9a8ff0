from datetime import timedelta
from typing import Any, Final

from marshmallow import ValidationError, fields, validate, validates_schema

from helpdesk.complaints.taxonomy import SEVERITIES
from helpdesk.kernel.schemas import Choice, Names, Schema, Text, Timestamp
from helpdesk.sla.report_queries import MOST_DAYS

MOST_HOURS: Final = 168
PERIODS: Final = ("day", "week", "month", "quarter", "year")
DIMENSIONS: Final = ("kind", "team", "severity", "period")
_KIND: Final = {"description": "Only promises of this kind: `resolve`, `us.cfpb.15`.", "example": None}
_TEAM: Final = {"description": "Only complaints that this team has now.", "example": None}


class ForecastQuery(Schema):
    hours = fields.Integer(
        load_default=24,
        validate=validate.Range(1, MOST_HOURS),
        metadata={"description": "How far to look ahead, 1 to 168.", "example": 24},
    )
    team_id = fields.UUID(metadata=_TEAM)
    kind = Text(max_length=100, metadata=_KIND)


class ForecastHour(Schema):
    hour = Timestamp(
        required=True, metadata={"description": "Its beginning, in UTC.", "example": "2026-03-02T16:00:00Z"}
    )
    clocks = fields.Integer(required=True, metadata={"example": 3})
    complaints = fields.Integer(required=True, metadata={"example": 2})


class ForecastTeam(Schema):
    team_id = fields.UUID(required=True, allow_none=True, metadata={"description": "null: no team has them."})
    team = fields.String(required=True, allow_none=True, metadata={"example": "Deliveries"})
    clocks = fields.Integer(required=True, metadata={"example": 3})
    hours = fields.List(
        fields.Nested(ForecastHour), required=True, metadata={"description": "Those in which something comes due."}
    )


class Forecast(Schema):
    as_of = Timestamp(required=True)
    until = Timestamp(required=True, metadata={"example": "2026-03-03T09:30:00Z"})
    clocks = fields.Integer(required=True, metadata={"example": 3})
    items = fields.List(
        fields.Nested(ForecastTeam), required=True, metadata={"description": "By team; most promises first."}
    )


class AttainmentQuery(Schema):
    by = Names(
        DIMENSIONS,
        metadata={
            "description": f"What to tell apart, separated by commas: {', '.join(DIMENSIONS)}.",
            "example": "kind",
        },
    )
    period = Choice(
        PERIODS, load_default="month", metadata={"description": "How long a period is; in UTC, weeks from Monday."}
    )
    due_from = Timestamp(
        metadata={
            "description": "Promises that came due at or after; by itself until now. Without it the 30 days before `due_before`.",
            "example": None,
        }
    )
    due_before = Timestamp(metadata={"description": "Came due before; now.", "example": None})
    stopped_from = Timestamp(
        metadata={"description": "Instead: promises that were kept, broken and ended, or cancelled, at or after."}
        | {"example": None}
    )
    stopped_before = Timestamp(metadata={"example": None})
    kind = Text(max_length=100, metadata=_KIND)
    team_id = fields.UUID(metadata=_TEAM)
    severity = Choice(SEVERITIES, metadata={"example": None})

    @validates_schema
    def _one_span(self, data: dict[str, Any], **_: Any) -> None:
        if {"due_from", "due_before"} & data.keys() and {"stopped_from", "stopped_before"} & data.keys():
            raise ValidationError("Give a span of due times or of stops, not both.", "stopped_from")
        check_span(data, "due")
        check_span(data, "stopped")


def check_span(data: dict[str, Any], name: str) -> None:
    """Of two that are there the second is later, and not too much."""
    since, before = data.get(f"{name}_from"), data.get(f"{name}_before")
    if since is None or before is None:
        return
    if before <= since:
        raise ValidationError(f"It must be after {name}_from.", f"{name}_before")
    if before - since > timedelta(days=MOST_DAYS):
        raise ValidationError(f"A span has at most {MOST_DAYS} days.", f"{name}_before")


class Counts(Schema):
    met = fields.Integer(required=True, metadata={"example": 45})
    breached = fields.Integer(required=True, metadata={"example": 5})
    cancelled = fields.Integer(required=True, metadata={"example": 2})
    open = fields.Integer(required=True, metadata={"description": "Still to be kept.", "example": 0})
    percentage = fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "Met, of met and breached, to a tenth; null where there is neither.", "example": 90.0},
    )
    median_seconds = fields.Integer(
        required=True,
        allow_none=True,
        metadata={
            "description": "Business time that those which were met or broken used until they were stopped (nearest rank).",
            "example": 14_400,
        },
    )
    p90_seconds = fields.Integer(
        required=True, allow_none=True, metadata={"description": "Nine of ten used at most so much.", "example": 61_200}
    )


class AttainmentGroup(Counts):
    kind = fields.String(required=True, allow_none=True, metadata={"example": "resolve"})
    team_id = fields.UUID(required=True, allow_none=True, metadata={"example": None})
    team = fields.String(required=True, allow_none=True, metadata={"example": None})
    severity = fields.String(required=True, allow_none=True, metadata={"example": None})
    period = fields.Date(
        required=True, allow_none=True, metadata={"description": "Its first day.", "example": "2026-03-01"}
    )


class Attainment(Schema):
    window = Choice(("due", "stopped"), required=True, metadata={"description": "What the span is of."})
    since = Timestamp(required=True, data_key="from")
    before = Timestamp(required=True, metadata={"example": "2026-04-01T00:00:00Z"})
    by = fields.List(fields.String(), required=True, metadata={"example": ["kind"]})
    items = fields.List(
        fields.Nested(AttainmentGroup),
        required=True,
        metadata={"description": "What is not told apart is null, and so is what a promise does not have."},
    )
    total = fields.Nested(Counts, required=True)
