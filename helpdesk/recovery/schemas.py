"""Payloads of offers, in and out."""

from typing import Final

from marshmallow import ValidationError, fields, validate

from helpdesk.kernel.money import currencies
from helpdesk.kernel.schemas import Choice, Flag, Line, MoneyField, PageQuery, Schema, Text, Timestamp, Whole
from helpdesk.recovery.approval_schemas import ApproveIn, OfferApproval, OfferFlag
from helpdesk.recovery.breakdown_schemas import BREAKDOWN, EXAMPLE, PUBLIC_BREAKDOWN, Breakdown, PublicBreakdown
from helpdesk.recovery.counter_schemas import LEFT, OfferCounter, PublicCounter, PublicCounterIn
from helpdesk.recovery.customer_states import CUSTOMER_STATES, DELAYS, VALIDITIES
from helpdesk.recovery.drafting import DEFAULT_VALID_DAYS
from helpdesk.recovery.kinds import KINDS
from helpdesk.recovery.lifecycle import ISSUANCES, LIFECYCLE
from helpdesk.recovery.models import LANGUAGES
from helpdesk.recovery.option_schemas import CHOSEN, DraftTermsIn, OfferOption, PublicOfferOption, option_field
from helpdesk.recovery.override_schemas import OfferOverride, floor_field

_REFERENCE: Final = "7K3M-9QX2-TAM"
_LINK: Final = "https://helpdesk.example.com/offers/WyIwMTkyZjBjMTdkMWU3YzNhIl0.REPLACE-ME"
HEARD_BY: Final = ("phone", "email", "letter", "chat", "in_person")


def known_currency(code: str) -> None:
    if code not in currencies():
        raise ValidationError("Write a current ISO 4217 currency, for example EUR.")


class _SayingIn(Schema):
    """What somebody has to say for whom it is not as it was suggested, or not the first."""

    override_reason = Text(
        max_length=2000,
        metadata={
            "description": "Why it is not what was suggested; the customer does not read it. Required where it has more than any "
            "alternative, less than is owed, or is of another kind.",
            "example": None,
        },
    )
    floor_reason = floor_field()
    allow_duplicate = Flag(
        load_default=False,
        metadata={
            "description": "Draft it though the complaint has a live offer of the same kind and amount, or the same matter was "
            "compensated elsewhere (`GET /complaints/{ref}/compensations`); of the latter say why.",
            "example": False,
        },
    )
    duplicate_reason = Text(
        max_length=2000,
        metadata={
            "description": "Why another compensation for the same matter is right. Kept, and reported "
            "(`GET /reports/duplicate-overrides`).",
            "example": None,
        },
    )


class OfferIn(DraftTermsIn, _SayingIn):
    valid_days = Whole(
        load_default=DEFAULT_VALID_DAYS,
        validate=validate.Range(1, 365),
        metadata={"description": "Days the customer has to answer, from when it is sent.", "example": 30},
    )
    successor_of = fields.UUID(
        metadata={
            "description": "The countered offer that this one is to replace. That one stands until this one is put before the "
            "customer, and is revoked with it.",
            "example": None,
        }
    )


class OfferCopyIn(_SayingIn):
    reason = Text(
        max_length=2000,
        metadata={"description": "For the customer; that of the first one when absent.", "example": None},
    )
    valid_days = Whole(
        validate=validate.Range(1, 365),
        metadata={
            "description": "Days the customer has to answer, from when it is sent; as many as before when absent.",
            "example": 30,
        },
    )


class OfferQuery(PageQuery):
    status = Choice(LIFECYCLE.states, metadata={"example": "pending_approval"})
    kind = Choice(KINDS, metadata={"example": "voucher"})
    issuance = Choice(
        ISSUANCES,
        metadata={
            "description": "How, of those being issued. by_hand: they wait for somebody to do it.",
            "example": "by_hand",
        },
    )
    approved_before = Timestamp(
        metadata={
            "description": "Approved before this time, and not put before the customer yet: its money stays set aside.",
            "example": "2026-03-01T00:00:00Z",
        },
    )
    undelivered_days = fields.Integer(
        validate=validate.Range(0, 3650),
        metadata={
            "description": "Issued so many days ago or longer, and nobody has said that it came.",
            "example": 14,
        },
    )


class OfferNoteIn(Schema):
    note = Text(max_length=2000, metadata={"example": None})


class OfferOnwardIn(OfferNoteIn):
    floor_reason = floor_field()


class OfferReasonIn(Schema):
    reason = Text(required=True, max_length=2000, metadata={"example": "The amount does not fit the delay."})


class OfferRevokeIn(OfferReasonIn):
    floor_reason = floor_field()


class OfferAnswerIn(Schema):
    """An agent answers for the customer, and says how the customer said so."""

    said_by = Choice(HEARD_BY, required=True, metadata={"description": "How the customer told us.", "example": "phone"})
    note = Text(max_length=2000, metadata={"example": "Called at ten; glad to take it."})


class OfferAcceptIn(OfferAnswerIn):
    option = option_field()


class OfferCounterIn(PublicCounterIn, OfferAnswerIn):
    """An agent says it for the customer."""


class OfferProlongIn(OfferNoteIn):
    days = Whole(
        required=True,
        validate=validate.Range(1, 90),
        metadata={"description": "Days from now that the customer has to answer.", "example": 60},
    )


class OfferDeclineIn(OfferAnswerIn):
    reason = Text(max_length=2000, metadata={"example": "Wants the money back instead."})


class OfferIssuedIn(OfferNoteIn):
    reference = Line(
        required=True,
        max_length=200,
        metadata={
            "description": "What it is called outside: of the payment, the parcel, the booking.",
            "example": "bank transfer 2026-03-02/17",
        },
    )


BODIES: Final[dict[str, type[Schema]]] = {
    "submit": OfferOnwardIn,
    "approve": ApproveIn,
    "refuse": OfferReasonIn,
    "withdraw": OfferNoteIn,
    "offer": OfferOnwardIn,
    "accept": OfferAcceptIn,
    "counter": OfferCounterIn,
    "keep": OfferNoteIn,
    "take_back_counter": OfferAnswerIn,
    "prolong": OfferProlongIn,
    "send_again": OfferNoteIn,
    "decline": OfferDeclineIn,
    "record_issued": OfferIssuedIn,
    "fail": OfferReasonIn,
    "ask_again": OfferNoteIn,
    "post_letter": OfferNoteIn,
    "send_letter_again": OfferNoteIn,
    "confirm_delivery": OfferAnswerIn,
    "report_undelivered": OfferAnswerIn,
    "retry": OfferNoteIn,
    "revoke": OfferRevokeIn,
    "reverse": OfferRevokeIn,
}
"""The body of each action that has a route."""


class OfferNeed(Schema):
    code = fields.String(required=True, metadata={"example": "beyond_authority"})
    detail = fields.String(required=True, metadata={"example": "The amount is beyond your authority"})


class OfferAction(Schema):
    action = fields.String(required=True, metadata={"example": "approve"})
    supplies = fields.List(fields.String(), required=True, metadata={"example": []})
    missing = fields.List(fields.Nested(OfferNeed), required=True, metadata={"example": []})


class OfferSummary(Schema):
    id = fields.UUID(required=True)
    complaint_id = fields.UUID(required=True)
    complaint_reference = fields.String(required=True, metadata={"example": _REFERENCE})
    kind = Choice(KINDS, required=True)
    amount = MoneyField(required=True, allow_none=True, metadata={"example": EXAMPLE})
    status = Choice(LIFECYCLE.states, required=True, metadata={"example": "offered"})
    issuance = Choice(
        ISSUANCES,
        required=True,
        allow_none=True,
        metadata={
            "description": "How it is issued, while it is: `by_hand` waits for a person, `unknown` for somebody to find out.",
            "example": None,
        },
    )
    delivered_at = Timestamp(
        required=True,
        allow_none=True,
        metadata={
            "description": "Since when the customer has it: a letter, or a voucher's code, when the mail server took it, or it "
            "was posted or read out, a code also when it was seen by the link or used; what is sent or done, when that was "
            "confirmed.",
            "example": None,
        },
    )
    valid_until = Timestamp(required=True, allow_none=True)
    drafted_by = fields.UUID(required=True, allow_none=True)
    version = fields.Integer(required=True)
    created_at = Timestamp(required=True)


class OfferIssuing(Schema):
    attempts = fields.Integer(
        required=True,
        metadata={"description": "How often it was tried since somebody last asked for it.", "example": 12},
    )
    last_error = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The provider's word, or what went wrong the last time.", "example": "answered 500"},
    )
    next_try_at = Timestamp(
        required=True,
        allow_none=True,
        metadata={
            "description": "When it is tried next, at the latest; while that is being done, when it would be taken up anew. "
            "`ask_again` brings it forward.",
            "example": "2026-03-02T10:15:00Z",
        },
    )
    provider_id = fields.UUID(required=True, allow_none=True)
    provider_name = fields.String(required=True, allow_none=True, metadata={"example": "Payments"})


class Offer(OfferSummary):
    reason = fields.String(
        required=True,
        metadata={"description": "Shown to the customer.", "example": "Your order came four days late."},
    )
    text = fields.String(required=True, allow_none=True, metadata={"example": None})
    language = Choice(LANGUAGES, required=True)
    valid_days = fields.Integer(required=True, metadata={"example": 30})
    options = fields.List(
        fields.Nested(OfferOption),
        required=True,
        metadata={
            "description": "What the customer can choose from. Until they have, the offer's own kind and amount are those of "
            "the dearest."
        },
    )
    chosen_option = fields.Integer(required=True, allow_none=True, metadata=CHOSEN)
    breakdown = fields.Nested(Breakdown, required=True, allow_none=True, metadata=BREAKDOWN)
    counters = fields.List(
        fields.Nested(OfferCounter),
        required=True,
        metadata={"description": "What the customer asked for instead, oldest first."},
    )
    successor_of = fields.UUID(
        required=True,
        allow_none=True,
        metadata={"description": "The countered offer that this one is to replace.", "example": None},
    )
    successor_id = fields.UUID(
        required=True,
        allow_none=True,
        metadata={"description": "The last offer that was drafted to replace this one.", "example": None},
    )
    copied_from = fields.UUID(
        required=True,
        allow_none=True,
        metadata={"description": "The offer that came to nothing, of which this one is a copy.", "example": None},
    )
    reminded_at = Timestamp(
        required=True,
        allow_none=True,
        metadata={"description": "When the customer was written that it ends soon.", "example": None},
    )
    reported_at = Timestamp(
        required=True,
        allow_none=True,
        metadata={"description": "When the customer said that it did not come.", "example": None},
    )
    voucher_days = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "Days that the voucher is good from its issuance.", "example": 365},
    )
    voucher_partial = fields.Boolean(
        required=True, metadata={"description": "The voucher may be used in parts.", "example": False}
    )
    points_days = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "Days that the points are good from their issuance.", "example": None},
    )
    status_reason = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Why the last step was taken, where somebody said.", "example": None},
    )
    approvals = fields.List(fields.Nested(OfferApproval), required=True)
    under_review = fields.Boolean(
        required=True,
        metadata={"description": "It goes beyond what is owed, and waits for a reviewer's word.", "example": False},
    )
    flags = fields.List(
        fields.Nested(OfferFlag),
        required=True,
        metadata={"description": "Others that it belongs together with, when that was noticed."},
    )
    issuing = fields.Nested(
        OfferIssuing,
        required=True,
        allow_none=True,
        metadata={"description": "How far its issuing is, while Helpdesk or its provider is at it."},
    )
    budget_id = fields.UUID(required=True, allow_none=True)
    round = fields.Integer(
        required=True, metadata={"description": "Counts issuances asked for: 1, and one more per retry."}
    )
    issued_reference = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "The voucher's code (only for who may send offers), the letter's id, or what it is called outside.",
            "example": None,
        },
    )
    link = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "The customer's signed link, while it is before them, for who may send offers.",
            "example": _LINK,
        },
    )
    suggestion = fields.Dict(
        required=True,
        metadata={
            "description": "What the playbook said when it was drafted.",
            "example": {"playbook": "default", "version": "1"},
        },
    )
    override = fields.Nested(
        OfferOverride,
        required=True,
        allow_none=True,
        metadata={"description": "How it differs from what was suggested; null: it does not."},
    )
    allowed_actions = fields.List(fields.Nested(OfferAction), required=True)


class PublicOffer(Schema):
    """What the customer sees."""

    complaint_reference = fields.String(required=True, metadata={"example": _REFERENCE})
    kind = Choice(KINDS, required=True)
    amount = MoneyField(
        required=True,
        allow_none=True,
        metadata={"description": "What they get in money's worth, where it is that.", "example": EXAMPLE},
    )
    reason = fields.String(required=True, metadata={"example": "Your order came four days late."})
    status = Choice(
        CUSTOMER_STATES,
        required=True,
        metadata={"description": "`accepted` until it is issued.", "example": "offered"},
    )
    valid_until = Timestamp(required=True, allow_none=True)
    voucher_code = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Once it is issued, while it is good.", "example": None},
    )
    voucher_expires_at = Timestamp(
        required=True,
        allow_none=True,
        metadata={
            "description": "Once it is issued, until it is used up: until when it is, or was, good.",
            "example": None,
        },
    )
    voucher_balance = MoneyField(
        required=True,
        allow_none=True,
        metadata={"description": "What is left on it, once it is issued and while it is good.", "example": None},
    )
    points_expires_at = Timestamp(
        required=True,
        allow_none=True,
        metadata={"description": "Once they are issued: until when they are, or were, good.", "example": None},
    )
    validity = Choice(
        VALIDITIES,
        required=True,
        allow_none=True,
        metadata={
            "description": "Of a voucher or points, once issued. valid: they can be used; used: all of it was; expired: what was left is past "
            "its time. Null: of anything else, or it was taken back.",
            "example": None,
        },
    )
    voucher_partial = fields.Boolean(
        required=True, metadata={"description": "It may be used in parts.", "example": False}
    )
    options = fields.List(
        fields.Nested(PublicOfferOption), required=True, metadata={"description": "What they can choose from."}
    )
    chosen_option = fields.Integer(required=True, allow_none=True, metadata=CHOSEN)
    breakdown = fields.Nested(PublicBreakdown, required=True, allow_none=True, metadata=PUBLIC_BREAKDOWN)
    counter = fields.Nested(
        PublicCounter,
        required=True,
        allow_none=True,
        metadata={"description": "What they asked for instead, the last time that they did.", "example": None},
    )
    counters_left = fields.Integer(required=True, metadata=LEFT)
    replaced = fields.Boolean(
        required=True,
        metadata={"description": "Another offer was put before them instead of this one.", "example": False},
    )
    delayed = fields.Boolean(
        required=True,
        metadata={
            "description": "What they accepted could not be issued so far, or nobody knows whether it was; somebody sees to it.",
            "example": False,
        },
    )
    delayed_because = Choice(
        DELAYS,
        required=True,
        allow_none=True,
        metadata={
            "description": "failed: it could not be issued so far; unknown: nobody knows yet whether its provider has done it, so that "
            "it may have been. Null: it is not `delayed`.",
            "example": None,
        },
    )
    delivered_at = Timestamp(
        required=True, allow_none=True, metadata={"description": "Since when they have it.", "example": None}
    )
    version = fields.Integer(required=True)


class PublicDeclineIn(Schema):
    reason = Text(max_length=2000, metadata={"example": "I should like my money back instead."})


class PublicNoteIn(Schema):
    note = Text(max_length=2000, metadata={"example": "The neighbours have nothing either."})
