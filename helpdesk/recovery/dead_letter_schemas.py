from marshmallow import fields, validate

from helpdesk.kernel.schemas import Choice, Line, PageQuery, Schema, Text, Timestamp, Whole
from helpdesk.recovery.contradictions import OUTCOMES
from helpdesk.recovery.dead_letter_queries import REASONS
from helpdesk.recovery.reissuing import MOST, STEPS
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
            "description": "The provider's word, or what went wrong; all that it says against what is recorded, of every issuance "
            "of the offer: payments first, the oldest issuance first.",
            "example": "no answer: nothing whole within 10 s",
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


class DeadLetterRetryIn(Schema):
    why = Choice(
        tuple(STEPS),
        load_default=None,
        allow_none=True,
        metadata={
            "description": "Only those that failed, or of which nobody knows; both when absent.",
            "example": "failed",
        },
    )
    after = fields.UUID(
        load_default=None,
        allow_none=True,
        metadata={
            "description": "Only newer offers than this one: the last of the answer before, which had `more`.",
            "example": None,
        },
    )
    limit = Whole(
        load_default=MOST,
        validate=validate.Range(1, MOST),
        metadata={"description": "At most so many, the oldest first.", "example": 50},
    )


class DeadLetterOutcome(Schema):
    place = fields.Integer(required=True, metadata={"description": "From 0, the oldest offer first.", "example": 0})
    offer_id = fields.UUID(required=True)
    why = Choice(REASONS, required=True, metadata={"description": "Why it was listed.", "example": "failed"})
    action = Choice(
        tuple(STEPS.values()),
        required=True,
        allow_none=True,
        metadata={
            "description": "What was tried; null: it is contradicted as well, and to be settled first.",
            "example": "retry",
        },
    )
    status = fields.Integer(
        required=True, metadata={"description": "As if it had been a request of its own.", "example": 200}
    )
    code = fields.String(required=True, allow_none=True, metadata={"example": None})
    detail = fields.String(required=True, allow_none=True, metadata={"example": None})


class DeadLetterRetries(Schema):
    items = fields.List(fields.Nested(DeadLetterOutcome), required=True)
    more = fields.Boolean(
        required=True,
        metadata={"description": "There were more than `limit`; ask for those `after` the last one.", "example": False},
    )


class ContradictionIn(Schema):
    outcome = Choice(
        OUTCOMES,
        required=True,
        metadata={
            "description": "What holds. issued: the customer has got it, once; where it is recorded as failed, that is booked: "
            "issued, and its money spent. not_issued: they have not; what failed can then be tried again, under a new key. "
            "issued_beside: it was issued once more than is recorded; its amount is spent once more, as an `overpay` in the "
            "budget's ledger with reference and reason.",
            "example": "not_issued",
        },
    )
    reference = Line(
        max_length=200,
        metadata={
            "description": "What it is called over there: which of the payments in `last_error` is settled, and of which issuance; the "
            "others wait. None: what `last_error` has first. Another name only where the provider gave none; `issued_beside` not for "
            "what is booked already.",
            "example": "re_1",
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
