"""Payloads of playbooks, in and out."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from marshmallow import ValidationError, fields, validate, validates_schema

from helpdesk.complaints.fact_schemas import Vocabulary
from helpdesk.complaints.taxonomy import FAULTS, SEVERITIES
from helpdesk.customers.models import TIERS
from helpdesk.kernel.expressions import ALWAYS
from helpdesk.kernel.jobs_api import JobOut
from helpdesk.kernel.schemas import ByName, Choice, Flag, Line, Pattern, Schema, Text, Timestamp, Whole, shallow
from helpdesk.recovery.case_fact_schemas import DECIMAL
from helpdesk.recovery.case_facts import LOST, plain
from helpdesk.recovery.playbook_models import LAST, STATES
from helpdesk.recovery.playbook_spec import ACTS, GOODWILL_KINDS, IN_KIND, MOST_CHANGED, SHARES, WHEN

__all__ = ["JobOut", "Vocabulary"]

_CONDITION: Final = {"field": "category", "operator": "is", "value": "DEL"}
_NAME: Final = Pattern(
    r"^[a-z0-9][a-z0-9_.-]{0,59}$", error="Write small letters, digits, `_`, `.` or `-`, at most 60."
)
MOST_BAND: Final = 1_000_000
_CODE: Final = Pattern(r"^[A-Z0-9]{1,20}([._-][A-Z0-9_]{1,30})*$", error="Write a code of a category or an issue.")


class Number(fields.String):
    """A decimal as a string, from 0 to `most`."""

    def __init__(self, most: int, *, metadata: dict[str, Any] | None = None, **kwargs: Any) -> None:
        said = metadata or {}
        bounds = f"From 0 to {most}."
        text = f"{said['description']} {bounds}" if "description" in said else bounds
        super().__init__(validate=DECIMAL, metadata={**said, "description": text}, **kwargs)
        self._most = most

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, *args, **kwargs)
        DECIMAL(text)
        if Decimal(text) > self._most:
            raise ValidationError(f"Must be less than or equal to {self._most}.")
        return plain(Decimal(text))


def _factor(**kwargs: Any) -> Number:
    return Number(100, metadata={"example": "1.5"}, **kwargs)


class EachOf(ByName):
    """A value for every one of these names."""

    def __init__(self, names: Iterable[str], **kwargs: Any) -> None:
        self._names = tuple(names)
        super().__init__(keys=Choice(self._names), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        found = super()._deserialize(value, attr, data, **kwargs)
        missing = {name: ["Missing data for required field."] for name in self._names if name not in found}
        if missing:
            raise ValidationError(missing)
        return found


class PlaybookDelay(Schema):
    per_week = _factor(required=True)
    most_weeks = Whole(required=True, validate=validate.Range(0, 520), metadata={"example": 4})


class PlaybookRepeat(Schema):
    factor = _factor(required=True)
    within_days = Whole(required=True, validate=validate.Range(1, 3650), metadata={"example": 180})


class PlaybookFactor(Schema):
    factor = _factor(required=True)


class PlaybookTier(Schema):
    factors = ByName(keys=Choice(TIERS), values=_factor(), required=True, metadata={"example": {"key": "1.2"}})
    not_at = fields.List(
        Choice(SEVERITIES),
        load_default=list,
        validate=validate.Length(max=5),
        metadata={"description": "Severities at which no tier counts.", "example": ["S1"]},
    )


class PlaybookCap(Schema):
    of_price = _factor(required=True)


class PlaybookFormula(Schema):
    """`goodwill = band[severity] * fault * delay * repeat * vulnerability * tier`, up to the cap."""

    band = EachOf(
        SEVERITIES,
        values=Number(MOST_BAND),
        required=True,
        metadata={
            "description": "Whole units of the complaint's currency.",
            "example": {"S1": "300", "S2": "120", "S3": "40", "S4": "10", "S5": "0"},
        },
    )
    fault = EachOf(
        FAULTS,
        values=_factor(),
        required=True,
        metadata={"example": {"firm": "1", "shared": "0.5", "none": "0"}},
    )
    delay = fields.Nested(PlaybookDelay, required=True)
    repeat = fields.Nested(PlaybookRepeat, required=True)
    vulnerability = fields.Nested(PlaybookFactor, required=True)
    tier = fields.Nested(PlaybookTier, required=True)
    cap = fields.Nested(
        PlaybookCap, required=True, allow_none=True, metadata={"description": "Null: goodwill has no cap."}
    )


class PlaybookFormulaPart(Schema):
    """What a rule sets: of bands, faults and tiers those that it names."""

    band = ByName(keys=Choice(SEVERITIES), values=Number(MOST_BAND), metadata={"example": {"S3": "60"}})
    fault = ByName(keys=Choice(FAULTS), values=_factor(), metadata={"example": None})
    delay = fields.Nested(PlaybookDelay, metadata={"example": None})
    repeat = fields.Nested(PlaybookFactor, metadata={"example": None})
    vulnerability = fields.Nested(PlaybookFactor, metadata={"example": None})
    tier = fields.Nested(PlaybookTier, metadata={"example": None})
    cap = fields.Nested(PlaybookCap, metadata={"example": None})


class PlaybookTactic(Schema):
    act = Choice(ACTS, required=True, metadata={"example": "apologise"})
    text = Text(required=True, max_length=500, metadata={"example": "Say sorry, without conditions."})
    when = Choice(
        WHEN,
        load_default="always",
        metadata={"description": "named: only where a rule names it.", "example": "at_fault"},
    )


class PlaybookLine(Schema):
    """So much, or a share of something."""

    text = Line(required=True, max_length=200, metadata={"example": "For the second appointment"})
    fixed = Number(MOST_BAND, metadata={"description": "Whole units of the complaint's currency.", "example": "10"})
    percent = Number(1_000, metadata={"example": None})
    of = Choice(SHARES, metadata={"description": "goodwill: what the formula gives.", "example": None})

    @validates_schema
    def _one_way(self, data: dict[str, Any], **_: Any) -> None:
        if ("fixed" in data) == ("percent" in data):
            raise ValidationError("Write either `fixed` or `percent`.", "fixed")
        if ("percent" in data) != ("of" in data):
            raise ValidationError("`percent` and `of` stand together.", "of")


class PlaybookRule(Schema):
    name = fields.String(required=True, validate=_NAME, metadata={"example": "late-deliveries"})
    condition = fields.Dict(
        required=True,
        validate=shallow,
        metadata={"description": "See `GET /playbooks/vocabulary`.", "example": _CONDITION},
    )
    set_ = fields.Nested(
        PlaybookFormulaPart, data_key="set", attribute="set", metadata={"example": {"band": {"S3": "60"}}}
    )
    factor = _factor()
    lines = fields.List(fields.Nested(PlaybookLine), validate=validate.Length(max=10))
    tactics = fields.List(Choice(ACTS), validate=validate.Length(max=20), metadata={"example": ["apologise"]})
    alternatives = fields.List(
        fields.String(validate=_NAME),
        validate=validate.Length(max=3),
        metadata={
            "description": "Names of those to give, in their order, whatever was lost and whosever fault it was.",
            "example": ["larger_voucher"],
        },
    )
    stop = Flag(metadata={"description": "No later rule is looked at.", "example": False})


class PlaybookGoodwill(Schema):
    kind = Choice(GOODWILL_KINDS, required=True, metadata={"example": "voucher"})
    factor = Number(
        10,
        load_default="1",
        metadata={"description": "Of the goodwill; the cap holds all the same.", "example": "1.25"},
    )


class PlaybookAlternative(Schema):
    name = fields.String(required=True, validate=_NAME, metadata={"example": "larger_voucher"})
    title = Line(required=True, max_length=200, metadata={"example": "Goodwill as a larger voucher"})
    lost = fields.List(
        Choice(LOST),
        load_default=list,
        validate=validate.Length(max=4),
        metadata={"description": "What it is for; empty: for anything.", "example": []},
    )
    in_kind = Choice(
        IN_KIND, allow_none=True, load_default=None, metadata={"description": "Beside the money.", "example": None}
    )
    goodwill = fields.Nested(PlaybookGoodwill, required=True)


class PlaybookSpec(Schema):
    """All of a version. What is owed is in no playbook: it is part of every alternative."""

    formula = fields.Nested(PlaybookFormula, required=True)
    lost = ByName(
        keys=fields.String(validate=_CODE),
        values=Choice(LOST),
        load_default=dict,
        validate=validate.Length(max=500),
        metadata={
            "description": "Category or issue -> what its failure takes.",
            "example": {"DEL": "product", "DEL.LATE": "service"},
        },
    )
    tactics = fields.List(fields.Nested(PlaybookTactic), required=True, validate=validate.Length(1, 50))
    alternatives = fields.List(fields.Nested(PlaybookAlternative), required=True, validate=validate.Length(1, 20))
    rules = fields.List(fields.Nested(PlaybookRule), load_default=list, validate=validate.Length(max=100))


def _position(about: str) -> Whole:
    return Whole(validate=validate.Range(0, LAST - 1), metadata={"description": about, "example": 10})


def _condition(about: str, **kwargs: Any) -> fields.Dict:
    example = {"field": "sector", "operator": "is", "value": "airline"}
    return fields.Dict(validate=shallow, metadata={"description": about, "example": example}, **kwargs)


class PlaybookPatch(Schema):
    name = Line(max_length=100, metadata={"example": "Airline"})
    position = _position("Smaller ones are asked first.")
    condition = _condition("Of the cases that it is for.")


class PlaybookIn(Schema):
    name = Line(required=True, max_length=100, metadata={"example": "Airline"})
    position = _position("Smaller ones are asked first. At the end, before the default one, when absent.")
    condition = _condition(
        "Of the cases that it is for; for every case when absent.", load_default=lambda: dict(ALWAYS)
    )


class Playbook(Schema):
    id = fields.UUID(required=True)
    name = fields.String(required=True, metadata={"example": "default"})
    position = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "Null: the default one, which stands last.", "example": 10},
    )
    condition = fields.Dict(required=True, metadata={"example": {"all": []}})
    is_default = fields.Boolean(required=True)
    in_force = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "Number of the version that holds today (UTC).", "example": 1},
    )
    version = fields.Integer(required=True, metadata={"description": "Of the playbook itself, not of its numbers."})
    created_at = Timestamp(required=True)


class PlaybookDraftIn(Schema):
    """Either all of it, or the number of the version to begin from."""

    spec = fields.Nested(PlaybookSpec)
    from_version = Whole(validate=validate.Range(1, 1_000_000), metadata={"example": None})
    note = Text(allow_none=True, load_default=None, max_length=2000, metadata={"example": "Larger bands from May on."})

    @validates_schema
    def _one_way(self, data: dict[str, Any], **_: Any) -> None:
        if ("spec" in data) == ("from_version" in data):
            raise ValidationError("Write either `spec` or `from_version`.", "spec")


class PlaybookDraftEdit(Schema):
    spec = fields.Nested(PlaybookSpec, required=True)
    note = Text(allow_none=True, load_default=None, max_length=2000, metadata={"example": None})


class PlaybookPublishIn(Schema):
    valid_from = fields.Date(
        metadata={"description": "First day, in UTC, today or later; today when absent.", "example": None}
    )
    valid_until = fields.Date(
        allow_none=True,
        load_default=None,
        metadata={"description": "Last day; until another begins when null.", "example": None},
    )


class PlaybookRetireIn(Schema):
    reason = Text(required=True, max_length=2000, metadata={"example": "The bands were meant for another brand."})


class PlaybookWarning(Schema):
    pointer = fields.String(required=True, metadata={"example": "/spec/rules/2"})
    code = fields.String(required=True, metadata={"example": "unreachable"})
    detail = fields.String(required=True, metadata={"example": "An earlier rule stops wherever this one would hold."})


class PlaybookVersion(Schema):
    playbook_id = fields.UUID(required=True)
    number = fields.Integer(required=True)
    state = Choice(STATES, required=True)
    in_force = fields.Boolean(required=True, metadata={"description": "Today, in UTC."})
    spec = fields.Dict(required=True, metadata={"description": "As in the body of a draft.", "example": {"rules": []}})
    warnings = fields.List(fields.Nested(PlaybookWarning), required=True)
    note = fields.String(required=True, allow_none=True, metadata={"example": None})
    valid_from = fields.Date(required=True, allow_none=True)
    valid_until = fields.Date(required=True, allow_none=True)
    version = fields.Integer(required=True, metadata={"description": "Of the row, for `If-Match`."})
    created_at = Timestamp(required=True)
    created_by = fields.UUID(required=True, allow_none=True)
    published_at = Timestamp(required=True, allow_none=True)
    published_by = fields.UUID(required=True, allow_none=True)
    retired_at = Timestamp(required=True, allow_none=True)
    retired_by = fields.UUID(required=True, allow_none=True)
    retired_because = fields.String(required=True, allow_none=True, metadata={"example": None})


class PlaybookDiffQuery(Schema):
    against = fields.Integer(
        validate=validate.Range(1, 1_000_000),
        metadata={
            "description": "The other version; the one in force when absent, and where there is none the shipped one.",
            "example": 1,
        },
    )


class PlaybookChange(Schema):
    path = fields.String(required=True, metadata={"example": "/formula/band/S3"})
    kind = Choice(("added", "removed", "changed", "moved"), required=True)
    sides = fields.Dict(
        data_key="values",
        required=True,
        metadata={"description": "`before` and `after`; null: not there.", "example": {"before": "40", "after": "50"}},
    )
    words = fields.String(required=True, metadata={"example": "Band S3: 40 becomes 50."})


class PlaybookDiff(Schema):
    playbook_id = fields.UUID(required=True)
    number = fields.Integer(required=True)
    against = fields.Integer(required=True, allow_none=True, metadata={"description": "Null: the shipped one."})
    changes = fields.List(fields.Nested(PlaybookChange), required=True)


class PlaybookDryRunIn(Schema):
    since = Timestamp(
        required=True, metadata={"description": "Complaints received from then on.", "example": "2026-01-01T00:00:00Z"}
    )
    until = Timestamp(metadata={"description": "And before then; until now when absent.", "example": None})
    limit = Whole(
        load_default=10_000,
        validate=validate.Range(1, 100_000),
        metadata={"description": "At most so many, the newest.", "example": 10_000},
    )


_SUM: Final = {"amount": "40.00", "currency": "EUR"}


class PlaybookTrialSide(Schema):
    total = fields.Dict(required=True, metadata={"example": _SUM})
    median = fields.Dict(
        required=True,
        metadata={"description": "Between two values the mean, rounded half up to the minor unit.", "example": _SUM},
    )
    p90 = fields.Dict(
        required=True, metadata={"description": "The smallest that nine in ten do not exceed.", "example": _SUM}
    )


class PlaybookTrialFigures(Schema):
    complaints = fields.Integer(required=True, metadata={"example": 120})
    more = fields.Integer(required=True, metadata={"description": "With a larger suggestion.", "example": 20})
    less = fields.Integer(required=True, metadata={"example": 4})
    same = fields.Integer(required=True, metadata={"example": 96})
    before = fields.Nested(PlaybookTrialSide, required=True, metadata={"description": "By what is in force."})
    after = fields.Nested(PlaybookTrialSide, required=True, metadata={"description": "By the version that is tried."})
    difference = fields.Dict(
        required=True, metadata={"description": "Of the totals; below zero it costs less.", "example": _SUM}
    )


class PlaybookTrialBySeverity(PlaybookTrialFigures):
    severity = Choice(SEVERITIES, required=True, metadata={"example": "S3"})


class PlaybookTrialByTier(PlaybookTrialFigures):
    tier = Choice(TIERS, required=True, metadata={"example": "ordinary"})


class PlaybookTrialChange(Schema):
    complaint_id = fields.UUID(required=True)
    reference = fields.String(required=True, metadata={"example": "7K3M-9QX2-TAM"})
    before = fields.Dict(required=True, metadata={"example": _SUM})
    after = fields.Dict(required=True, metadata={"example": _SUM})


class PlaybookTrialCurrency(PlaybookTrialFigures):
    currency = fields.String(required=True, metadata={"example": "EUR"})
    by_severity = fields.List(fields.Nested(PlaybookTrialBySeverity), required=True)
    by_tier = fields.List(fields.Nested(PlaybookTrialByTier), required=True)
    changed_most = fields.List(
        fields.Nested(PlaybookTrialChange),
        required=True,
        metadata={
            "description": f"Of the complaints that whoever began it sees, the {MOST_CHANGED} whose suggestion changes most."
        },
    )


class PlaybookTrialResult(Schema):
    """Amounts are whole suggestions: what is owed and goodwill."""

    playbook_id = fields.UUID(required=True)
    number = fields.Integer(required=True, metadata={"description": "Of the version.", "example": 2})
    looked_at = fields.Integer(required=True, metadata={"example": 130})
    tried = fields.Integer(required=True, metadata={"example": 120})
    other_playbook = fields.Integer(
        required=True, metadata={"description": "Another playbook is for them.", "example": 10}
    )
    failed = fields.Integer(required=True, metadata={"description": "Could not be reckoned.", "example": 0})
    currencies = fields.List(fields.Nested(PlaybookTrialCurrency), required=True)


class PlaybookTrialJob(JobOut):
    result = fields.Nested(
        PlaybookTrialResult,
        required=True,
        allow_none=True,
        metadata={"description": "Null until it is done; then in `GET /jobs/{id}`.", "example": None},
    )
