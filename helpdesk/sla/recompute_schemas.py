from typing import Final

from marshmallow import fields

from helpdesk.kernel.schemas import Flag, Schema
from helpdesk.sla.outcomes import OUTCOMES

_COUNT: Final = {
    "unchanged": "Open clocks that stay as they are.",
    "later": "That are due later, or have more time left.",
    "earlier": "That are due earlier, or have less time left.",
    "started": "That are promised for the first time, or again.",
    "cancelled": "That are not promised any more.",
    "overdue": "Of all that are open afterwards: those that become overdue by it.",
    "saved": "Of those that are broken and not stopped: those that would not be by what is promised then, and run again.",
}


class Recomputing(Schema):
    """Of an edit that open deadlines may follow."""

    recompute = Flag(
        load_default=True,
        metadata={
            "description": "Whether open clocks follow. Otherwise they go on by the version that made them, until a fact of their "
            "complaint changes.",
            "example": True,
        },
    )


class Recompute(Recomputing):
    """Where an edit has no other body."""


class Recomputed(Schema):
    recompute_job_id = fields.UUID(
        required=True,
        allow_none=True,
        metadata={
            "description": "The job that recomputes the open clocks that the edit concerns (`GET /jobs/{id}`: how far it is, and what "
            "became of them); null where it concerns none, or they were to be left.",
            "example": None,
        },
    )


class RecomputeIn(Schema):
    """Nothing to choose."""


def _count(name: str, example: int) -> fields.Integer:
    return fields.Integer(required=True, metadata={"description": _COUNT[name], "example": example})


class ClockCounts(Schema):
    unchanged = _count("unchanged", 60)
    later = _count("later", 9)
    earlier = _count("earlier", 4)
    started = _count("started", 0)
    cancelled = _count("cancelled", 0)
    overdue = _count("overdue", 1)
    saved = _count("saved", 2)


class CountsOfKind(ClockCounts):
    kind = fields.String(required=True, metadata={"description": "What was promised.", "example": "resolve"})


class CountsOfTeam(ClockCounts):
    team_id = fields.UUID(required=True, allow_none=True, metadata={"description": "null: of no team."})


class OutcomeExamples(Schema):
    outcome = fields.String(
        required=True, metadata={"description": f"{', '.join(OUTCOMES[1:])}, overdue or saved.", "example": "later"}
    )
    references = fields.List(fields.String(), required=True, metadata={"example": ["7K3M-9QX2-TAM"]})


class DeadlineDryRunResult(Schema):
    looked_at = fields.Integer(
        required=True, metadata={"description": "Complaints that the edit may concern.", "example": 31}
    )
    failed = fields.Integer(
        required=True, metadata={"description": "Of these, those that could not be computed.", "example": 0}
    )
    complaints = fields.Integer(required=True, metadata={"description": "Whose deadlines it moves.", "example": 12})
    clocks = fields.Nested(ClockCounts, required=True)
    by_kind = fields.List(fields.Nested(CountsOfKind), required=True)
    by_team = fields.List(fields.Nested(CountsOfTeam), required=True)
    examples = fields.List(
        fields.Nested(OutcomeExamples), required=True, metadata={"description": "Of those that you see, a few of each."}
    )


class DeadlineDryRun(Schema):
    job_id = fields.UUID(
        required=True,
        allow_none=True,
        metadata={"description": "Where it takes longer: the job whose `result` it will be.", "example": None},
    )
    result = fields.Nested(DeadlineDryRunResult, required=True, allow_none=True)
