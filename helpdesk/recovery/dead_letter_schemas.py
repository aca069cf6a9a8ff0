from marshmallow import fields

from helpdesk.kernel.schemas import Choice, Line, PageQuery, Schema, Text, Timestamp
from helpdesk.recovery.contradictions import OUTCOMES
from helpdesk.recovery.dead_letter_queries import REASONS
from helpdesk.recovery.schemas import OfferAction, OfferSummary


class DeadLetterQuery(PageQuery):
    why = Choice(REASONS, metadata={"description": "Only these.", "example": "unknown"})


class DeadLetter(OfferSummary):
    """An offer whose issuance needs somebody. `id` is the offer's; its actions are `/offers/{id}/actions/{action}`,
    but for `settle`, which is `/recovery/dead-letters/{id}/settle`.
    """

    why = Choice(
        REASONS,
        required=True,
        metadata={
            "description": "failed: it was given up, and nothing was issued; unknown: nobody knows whether the provider has "
            "issued it, and its money stays set aside; contradicted: the provider says something else than what is recorded.",
            "example": "unknown",
        },
    )
    last_error = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "The provider's word, or what went wrong; all that it says against what is recorded, payments first.",
            "example": "no answer: TimeoutError",
        },
    )
    attempts = fields.Integer(required=True, metadata={"description": "How often it was tried.", "example": 40})
    since = Timestamp(required=True)
    provider_id = fields.UUID(required=True, allow_none=True)
    provider_name = fields.String(required=True, allow_none=True, metadata={"example": "Payments"})
    external_id = fields.String(
        required=True, allow_none=True, metadata={"description": "The provider's own id of it.", "example": None}
    )
    allowed_actions = fields.List(fields.Nested(OfferAction), required=True)


class ContradictionIn(Schema):
    outcome = Choice(
        OUTCOMES,
        required=True,
        metadata={
            "description": "What holds. issued: the customer has got it, once; where it is recorded as failed, that is booked: issued, and "
            "its money spent. not_issued: they have not; what failed can then be tried again, under a new key. issued_beside: it was issued once "
            "more than is recorded; its amount is spent once more, as an `overpay` in the budget's ledger with reference and reason.",
            "example": "not_issued",
        },
    )
    reference = Line(
        max_length=200,
        metadata={
            "description": "What it is called over there; where none is given, what the provider said first. With `issued` and `issued_beside`.",
            "example": "bank transfer 9",
        },
    )
    reason = Text(
        required=True,
        max_length=2000,
        metadata={
            "description": "What was found out, and done.",
            "example": "Asked them: it was booked, and returned at once.",
        },
    )
