"""Payloads of approvals, decisions and flags, in and out."""

from typing import Any, Final

from marshmallow import ValidationError, fields, validates_schema

from helpdesk.identity.allowances import GIVING
from helpdesk.identity.permissions import AUTHORITIES
from helpdesk.kernel.schemas import Choice, MoneyField, PageQuery, Schema, Text, Timestamp
from helpdesk.recovery.decision_models import DECISIONS
from helpdesk.recovery.kinds import ISSUABLE
from helpdesk.recovery.lifecycle import LIFECYCLE
from helpdesk.recovery.override_schemas import floor_field
from helpdesk.recovery.structuring import PATTERNS, RELATIONS

_REFERENCE: Final = "7K3M-9QX2-TAM"
_AGENT: Final = "0192f0c1-7d1e-7c3a-9a51-2f6f0f6f3a10"


class ApproveIn(Schema):
    reason = Text(
        max_length=2000,
        metadata={
            "description": "Why it is right; kept with the decision. Required, unless a `note` stands in its place.",
            "example": "Four days late, and the second time.",
        },
    )
    note = Text(max_length=2000, metadata={"description": "Taken as the reason where there is none.", "example": None})
    floor_reason = floor_field()
    in_name_of = fields.UUID(
        metadata={
            "description": "Whose lent authority is used; the caller's own where that is enough, else the first that is, when "
            "absent.",
            "example": None,
        }
    )

    @validates_schema
    def _says_why(self, data: dict[str, Any], **_: Any) -> None:
        if "reason" not in data and "note" not in data:
            raise ValidationError("Missing data for required field.", "reason")


class OfferApproval(Schema):
    agent_id = fields.String(required=True, allow_none=True, metadata={"example": _AGENT})
    in_name_of = fields.String(
        allow_none=True, metadata={"description": "Whose authority it was, where that was lent.", "example": None}
    )
    at = fields.String(required=True, metadata={"example": "2026-03-02T09:30:00Z"})


class ApprovalQuery(PageQuery):
    overdue = fields.Boolean(metadata={"description": "Only what is overdue, or only what is not.", "example": True})


class WaitingOffer(Schema):
    offer_id = fields.UUID(required=True)
    complaint_id = fields.UUID(required=True)
    complaint_reference = fields.String(required=True, metadata={"example": _REFERENCE})
    kind = Choice(ISSUABLE, required=True)
    amount = MoneyField(required=True, allow_none=True)
    drafted_by = fields.UUID(required=True, allow_none=True)
    asked_at = Timestamp(required=True)
    due_at = Timestamp(required=True)
    overdue = fields.Boolean(required=True, metadata={"example": False})
    level = Choice(
        GIVING,
        required=True,
        metadata={"description": "The least authority that was enough when it was submitted.", "example": "senior"},
    )
    escalated_to = Choice(
        GIVING,
        required=True,
        allow_none=True,
        metadata={"description": "Who was told that it is overdue.", "example": None},
    )
    second_needed = fields.Boolean(
        required=True,
        metadata={"description": "The caller would be the first of two.", "example": False},
    )
    in_name_of = fields.UUID(
        required=True,
        allow_none=True,
        metadata={"description": "By whose lent authority the caller could; null: by their own.", "example": None},
    )
    flagged = fields.Boolean(
        required=True, metadata={"description": "It belongs together with others; see the offer.", "example": False}
    )
    review_open = fields.Boolean(
        required=True,
        metadata={
            "description": "Its claim is under review: beyond what is owed it is not approved before that is settled.",
            "example": False,
        },
    )


class ApprovalCounts(Schema):
    waiting = fields.Integer(required=True, metadata={"example": 4})
    overdue = fields.Integer(required=True, metadata={"example": 1})
    second_needed = fields.Integer(required=True, metadata={"example": 0})
    flagged = fields.Integer(required=True, metadata={"example": 0})
    next_due_at = Timestamp(required=True, allow_none=True, metadata={"description": "Of what is not overdue yet."})


class Sums(Schema):
    case = MoneyField(required=True)
    customer = MoneyField(required=True)
    day = MoneyField(required=True)


class OfferDecision(Schema):
    number = fields.Integer(required=True, metadata={"description": "Of the offer's step.", "example": 2})
    action = Choice(DECISIONS, required=True, metadata={"example": "approve"})
    from_status = Choice(LIFECYCLE.states, required=True, metadata={"example": "pending_approval"})
    to_status = Choice(LIFECYCLE.states, required=True, metadata={"example": "approved"})
    at = Timestamp(required=True)
    actor_kind = fields.String(required=True, metadata={"example": "agent"})
    actor_id = fields.UUID(required=True, allow_none=True)
    in_name_of = fields.UUID(
        required=True, allow_none=True, metadata={"description": "Whose authority it was, where that was lent."}
    )
    delegation_id = fields.UUID(required=True, allow_none=True, metadata={"example": None})
    reason = fields.String(required=True, allow_none=True, metadata={"example": "Four days late, and the second time."})
    authority = Choice(
        AUTHORITIES, required=True, allow_none=True, metadata={"description": "By which.", "example": "senior"}
    )
    team_id = fields.UUID(required=True, allow_none=True, metadata={"description": "Of the complaint then."})
    limit_version = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "Of the limits; null: it costs nothing, or there were no versions yet.", "example": 3},
    )
    judged_at = Timestamp(required=True, allow_none=True, metadata={"description": "By what held then."})
    amount = MoneyField(required=True, allow_none=True, metadata={"description": "Of the offer then."})
    granted = fields.Nested(
        Sums,
        required=True,
        allow_none=True,
        metadata={"description": "What had been granted before, without this offer."},
    )
    limits = fields.Nested(Sums, required=True, allow_none=True, metadata={"description": "What was allowed."})
    together = MoneyField(
        required=True,
        allow_none=True,
        metadata={"description": "With the offers that it belongs together with; null: none.", "example": None},
    )


class FlaggedWith(Schema):
    offer_id = fields.UUID(required=True)
    complaint_id = fields.UUID(required=True)
    complaint_reference = fields.String(required=True, metadata={"example": _REFERENCE})
    status = Choice(LIFECYCLE.states, required=True, metadata={"description": "Now.", "example": "issued"})
    relation = Choice(RELATIONS, required=True, metadata={"example": "same_customer"})
    amount = MoneyField(required=True)
    drafted_by = fields.String(required=True, allow_none=True, metadata={"example": _AGENT})
    signed_by = fields.List(fields.String(), required=True, metadata={"example": [_AGENT]})
    granted_at = fields.String(required=True, metadata={"example": "2026-03-02T09:30:00Z"})


class OfferFlag(Schema):
    """Several offers that are together more than one person may give on one complaint: a reason to look, and no proof."""

    id = fields.UUID(required=True)
    number = fields.Integer(required=True, metadata={"description": "Of the offer's step.", "example": 1})
    refused = fields.Boolean(
        required=True,
        metadata={
            "description": "Somebody wanted to approve it, and was refused for that (`together`); `number` is then of the step before.",
            "example": False,
        },
    )
    at = Timestamp(required=True)
    pattern = Choice(
        PATTERNS,
        required=True,
        metadata={"description": "`pair`: of two who approve for each other.", "example": "one_person"},
    )
    person_id = fields.UUID(required=True, allow_none=True, metadata={"description": "Whose limit is passed."})
    authority = Choice(AUTHORITIES, required=True, metadata={"example": "agent"})
    limit_version = fields.Integer(required=True, metadata={"example": 3})
    days = fields.Integer(required=True, metadata={"description": "Looked at together.", "example": 7})
    total = MoneyField(required=True)
    limit = MoneyField(required=True)
    offers = fields.List(
        fields.Nested(FlaggedWith), required=True, metadata={"description": "The earlier ones that the caller sees."}
    )
    hidden = fields.Integer(required=True, metadata={"description": "How many more there are.", "example": 0})


class ListedFlag(OfferFlag):
    offer_id = fields.UUID(required=True)
    offer_status = Choice(LIFECYCLE.states, required=True, metadata={"example": "pending_approval"})
    complaint_id = fields.UUID(required=True)
    complaint_reference = fields.String(required=True, metadata={"example": _REFERENCE})


class FlagQuery(PageQuery):
    person_id = fields.UUID(metadata={"description": "Whose limit was passed.", "example": None})
    offer_id = fields.UUID(metadata={"example": None})
    offer_status = Choice(LIFECYCLE.states, metadata={"example": "pending_approval"})
    pattern = Choice(PATTERNS, metadata={"example": "pair"})
    refused = fields.Boolean(
        metadata={
            "description": "Only of those who were refused an approval for it, or only the others.",
            "example": None,
        }
    )
    flagged_from = Timestamp(metadata={"example": "2026-03-01T00:00:00Z"})
    flagged_before = Timestamp(metadata={"example": "2026-04-01T00:00:00Z"})
