"""Payloads of authority that was lent, in and out."""

from typing import Final

from marshmallow import fields

from helpdesk.kernel.schemas import Choice, PageQuery, Pattern, Schema, Text, Timestamp
from helpdesk.recovery.delegation_queries import DELEGATION_STATES

_DECIMAL: Final = Pattern(
    r"^(?=.*[1-9])\d{1,12}(\.\d{1,3})?$", error="Write a plain decimal above zero, for example 150."
)
_WHY: Final = "On leave until the end of the month."


class DelegationIn(Schema):
    delegate_id = fields.UUID(
        required=True, metadata={"description": "Who may approve in the caller's name; their role lets them approve."}
    )
    starts_at = Timestamp(metadata={"description": "At once when absent.", "example": None})
    ends_at = Timestamp(required=True, metadata={"description": "Within the days that the limits allow."})
    up_to = fields.String(
        validate=_DECIMAL,
        metadata={
            "description": "For one offer at most so much, in units of its currency; as far as the authority goes when absent.",
            "example": "500",
        },
    )
    reason = Text(required=True, max_length=500, metadata={"example": _WHY})


class DelegationRevokeIn(Schema):
    reason = Text(required=True, max_length=500, metadata={"example": "Back from leave."})


class DelegationQuery(PageQuery):
    lender_id = fields.UUID(metadata={"example": None})
    delegate_id = fields.UUID(metadata={"example": None})
    state = Choice(DELEGATION_STATES, metadata={"example": "active"})


class Delegation(Schema):
    id = fields.UUID(required=True)
    lender_id = fields.UUID(required=True, metadata={"description": "Whose authority it is."})
    delegate_id = fields.UUID(required=True)
    starts_at = Timestamp(required=True)
    ends_at = Timestamp(required=True)
    up_to = fields.String(required=True, allow_none=True, metadata={"example": "500"})
    reason = fields.String(required=True, metadata={"example": _WHY})
    state = Choice(
        DELEGATION_STATES,
        required=True,
        metadata={"description": "`void`: who lent it is not active any more.", "example": "active"},
    )
    revoked_at = Timestamp(required=True, allow_none=True, metadata={"example": None})
    revoked_by = fields.UUID(required=True, allow_none=True, metadata={"example": None})
    revoke_reason = fields.String(required=True, allow_none=True, metadata={"example": None})
    version = fields.Integer(required=True)
    created_at = Timestamp(required=True)
