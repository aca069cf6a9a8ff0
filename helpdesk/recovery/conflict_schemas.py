"""Payloads of conflicts of interest, in and out."""

from typing import Any, Final

from marshmallow import ValidationError, fields, validates_schema

from helpdesk.kernel.schemas import Choice, Line, PageQuery, Schema, Text, Timestamp
from helpdesk.recovery.conflict_models import CONFLICT_KINDS

_WITH: Final = ("colleague_id", "complaint", "customer_id")
_NEEDS: Final = {"reports_to": "colleague_id", "subject": "complaint"}


class ConflictIn(Schema):
    agent_id = fields.UUID(metadata={"description": "Whose; the caller's own when absent.", "example": None})
    kind = Choice(
        CONFLICT_KINDS,
        required=True,
        metadata={
            "description": "`reports_to` bars who reports to a colleague from approving what that one drafted, and not the "
            "other way; all others bar both ways. `subject`: the complaint is about them or theirs.",
            "example": "family",
        },
    )
    colleague_id = fields.UUID(metadata={"description": "With this colleague's drafts."})
    complaint = Line(
        max_length=64, metadata={"description": "With this complaint: its reference or id.", "example": None}
    )
    customer_id = fields.UUID(metadata={"description": "With this customer's complaints.", "example": None})
    starts_at = Timestamp(metadata={"description": "At once when absent.", "example": None})
    ends_at = Timestamp(metadata={"description": "For good when absent.", "example": None})
    note = Text(max_length=500, metadata={"example": "Married."})

    @validates_schema
    def _with_one(self, data: dict[str, Any], **_: Any) -> None:
        named = [name for name in _WITH if name in data]
        if not named:
            raise ValidationError({_WITH[0]: ["Missing data for required field: this, complaint or customer_id."]})
        if len(named) > 1:
            raise ValidationError({name: ["Only one of these can be named."] for name in named[1:]})
        needed = _NEEDS.get(data.get("kind", ""))
        if needed is not None and needed not in named:
            raise ValidationError({needed: ["Missing data for required field."]})


class ConflictEndIn(Schema):
    reason = Text(required=True, max_length=500, metadata={"example": "They no longer share the shop."})


class ConflictQuery(PageQuery):
    agent_id = fields.UUID(metadata={"example": None})
    colleague_id = fields.UUID(metadata={"example": None})
    customer_id = fields.UUID(metadata={"example": None})
    kind = Choice(CONFLICT_KINDS, metadata={"example": "family"})
    standing = fields.Boolean(metadata={"description": "Only those that hold now.", "example": True})


class InterestConflict(Schema):
    id = fields.UUID(required=True)
    agent_id = fields.UUID(required=True)
    kind = Choice(CONFLICT_KINDS, required=True, metadata={"example": "family"})
    colleague_id = fields.UUID(required=True, allow_none=True)
    complaint_id = fields.UUID(required=True, allow_none=True, metadata={"example": None})
    customer_id = fields.UUID(required=True, allow_none=True, metadata={"example": None})
    starts_at = Timestamp(required=True)
    ends_at = Timestamp(required=True, allow_none=True, metadata={"example": None})
    note = fields.String(required=True, allow_none=True, metadata={"example": "Married."})
    declared_by = fields.UUID(required=True, allow_none=True)
    end_reason = fields.String(required=True, allow_none=True, metadata={"example": None})
    version = fields.Integer(required=True)
    created_at = Timestamp(required=True)
