"""Payloads of the guards: their rules, a claim's score, reviews, and what the same matter was compensated with."""

from typing import Final

from marshmallow import ValidationError, fields, validate

from helpdesk.kernel.schemas import Choice, MoneyField, PageQuery, Pattern, Schema, Text, Timestamp, Whole
from helpdesk.recovery.guard_models import DECISIONS, REVIEW_STATES
from helpdesk.recovery.guard_rules import LINES, MOST_LIMIT, MOST_POINTS, NUMBERS, SHIPPED
from helpdesk.recovery.kinds import KINDS
from helpdesk.recovery.lifecycle import LIFECYCLE

_KEY: Final = Pattern(r"^[a-z][a-z0-9_]{0,49}$", error="Write the key of a custom field.")
_REFERENCE: Final = "7K3M-9QX2-TAM"


class GuardLine(Schema):
    code = Choice(
        LINES,
        required=True,
        metadata={"description": " ".join(f"{code}: {kind.about}." for code, kind in LINES.items())},
    )
    points = Whole(
        required=True,
        validate=validate.Range(0, MOST_POINTS),
        metadata={"description": "0: it is not looked at.", "example": 20},
    )
    limit = Whole(
        required=True,
        validate=validate.Range(0, MOST_LIMIT),
        metadata={
            "description": "Of "
            + "; of ".join(f"{code}: {kind.limit}" for code, kind in LINES.items() if kind.limit is not None)
            + ". Of the others 0.",
            "example": 80,
        },
    )


def _number(name: str, about: str) -> Whole:
    value, least, most = NUMBERS[name]
    return Whole(required=True, validate=validate.Range(least, most), metadata={"description": about, "example": value})


def _once(names: list[str]) -> None:
    if len(set(names)) < len(names):
        raise ValidationError("Name each field once.")


class _Rules(Schema):
    lines = fields.List(
        fields.Nested(GuardLine),
        required=True,
        validate=validate.Length(min=1, max=len(LINES)),
        metadata={"description": "Every code once.", "example": SHIPPED["lines"]},
    )
    threshold = _number("threshold", "The score from which somebody has a look.")
    window_days = _number("window_days", "How far back other complaints of the same person are looked at.")
    duplicate_days = _number(
        "duplicate_days", "How far back compensation for the same matter is looked for; 0: not at all."
    )
    reference_fields = fields.List(
        fields.String(validate=_KEY),
        required=True,
        validate=[validate.Length(max=10), _once],
        metadata={
            "description": "Custom fields that name an order, a booking, an invoice: the same value is the same matter, "
            "another one another. One that is not there is refused (`unknown`), but for those that stood here before.",
            "example": ["order_number"],
        },
    )
    purchase_date_field = fields.String(
        required=True,
        allow_none=True,
        validate=_KEY,
        metadata={"description": "The custom field that says when it was bought.", "example": "purchase_date"},
    )


class GuardRulesIn(_Rules):
    reason = Text(required=True, max_length=2000, metadata={"example": "Purchases are not dated reliably yet."})


class GuardRulesVersion(_Rules):
    id = fields.UUID(required=True)
    number = fields.Integer(required=True, metadata={"example": 2})
    reason = fields.String(required=True, metadata={"example": "As shipped."})
    actor_kind = fields.String(required=True, metadata={"example": "agent"})
    actor_id = fields.UUID(required=True, allow_none=True)
    created_at = Timestamp(required=True)


class GuardRules(GuardRulesVersion):
    version = fields.Integer(required=True, metadata={"example": 2})


class NamedComplaint(Schema):
    id = fields.UUID(required=True)
    reference = fields.String(required=True, metadata={"example": _REFERENCE})


class ScoreReason(Schema):
    code = Choice(LINES, required=True)
    points = fields.Integer(
        required=True, metadata={"description": "Below zero: it speaks for the claim.", "example": 20}
    )
    because = fields.String(required=True, metadata={"example": "The words of 2 earlier complaints, 93 % alike."})
    evidence = fields.Dict(required=True, metadata={"example": {"likeness": 93}})
    complaints = fields.List(
        fields.Nested(NamedComplaint),
        required=True,
        metadata={"description": "Where it was found, of the complaints that you see."},
    )
    hidden = fields.Integer(required=True, metadata={"description": "Others where it was found.", "example": 0})


class ClaimScore(Schema):
    scored = fields.Boolean(required=True)
    why_not = Choice(
        ("protected",),
        required=True,
        allow_none=True,
        metadata={
            "description": "Somebody on it may be harmed by it: a need or a danger is recorded, here or on another complaint "
            "of theirs. They are not scored at all.",
            "example": None,
        },
    )
    score = fields.Integer(
        required=True, allow_none=True, metadata={"description": "0 to 100; no probability.", "example": 65}
    )
    threshold = fields.Integer(required=True, allow_none=True, metadata={"example": 60})
    rules = fields.Integer(
        required=True, allow_none=True, metadata={"description": "Number of their version.", "example": 1}
    )
    review = fields.Boolean(
        required=True, allow_none=True, metadata={"description": "An offer beyond what is owed will wait for a review."}
    )
    reasons = fields.List(fields.Nested(ScoreReason), required=True)


class ReviewQuery(PageQuery):
    state = Choice(REVIEW_STATES, metadata={"example": "open"})


class ReviewIn(Schema):
    decision = Choice(
        DECISIONS,
        required=True,
        metadata={
            "description": "cleared: there is nothing to it. concern_noted: there is; offers can be approved all the same, by "
            "whoever approves them, who may read why."
        },
    )
    reason = Text(
        required=True, max_length=2000, metadata={"example": "Three parcels really came late; see the carrier."}
    )


class ClaimReview(Schema):
    id = fields.UUID(required=True)
    complaint_id = fields.UUID(required=True)
    complaint_reference = fields.String(required=True, metadata={"example": _REFERENCE})
    offer_id = fields.UUID(required=True, metadata={"description": "With whose submission it was opened."})
    state = Choice(
        REVIEW_STATES,
        required=True,
        metadata={
            "description": "dropped: nobody is to be scored there any more, or the complaint ended undecided; the score is forgotten."
        },
    )
    score = fields.Integer(required=True, allow_none=True, metadata={"description": "As it was then.", "example": 65})
    rules = fields.Integer(required=True, metadata={"description": "Number of their version.", "example": 1})
    reasons = fields.List(fields.Nested(ScoreReason), required=True)
    decision = Choice(DECISIONS, required=True, allow_none=True)
    reason = fields.String(required=True, allow_none=True, metadata={"example": None})
    settled_at = Timestamp(required=True, allow_none=True, metadata={"example": None})
    settled_by = fields.UUID(required=True, allow_none=True, metadata={"example": None})
    version = fields.Integer(required=True)
    created_at = Timestamp(required=True)


class SameMatterOffer(Schema):
    offer_id = fields.UUID(required=True)
    complaint_id = fields.UUID(required=True)
    complaint_reference = fields.String(required=True, metadata={"example": _REFERENCE})
    kind = Choice(KINDS, required=True)
    amount = fields.Dict(required=True, metadata={"example": {"amount": "25.00", "currency": "EUR"}})
    status = Choice(LIFECYCLE.states, required=True)
    drafted_at = fields.String(required=True, metadata={"example": "2026-03-02T09:30:00Z"})
    shares = fields.List(
        fields.String(),
        required=True,
        metadata={
            "description": "What its complaint has in common with this one: customer, email, phone, reference, duplicate, "
            "merged; split and was_merged (it was drafted before the two were parted); and `issue:` with its code, of now or "
            "of when it was drafted.",
            "example": ["customer", "issue:DEL.LATE"],
        },
    )


class SameMatter(Schema):
    offers = fields.List(fields.Nested(SameMatterOffer), required=True)
    hidden = fields.Integer(
        required=True, metadata={"description": "Others, on complaints that you do not see.", "example": 0}
    )
    given = fields.Dict(
        required=True,
        metadata={
            "description": "What those of them come to that are in the currency of what is owed here; those in others are in `sums`.",
            "example": {"amount": "25.00", "currency": "EUR"},
        },
    )
    sums = fields.List(
        fields.Dict(),
        required=True,
        metadata={
            "description": "What all of them come to, in each currency.",
            "example": [{"amount": "25.00", "currency": "EUR"}],
        },
    )
    owed = fields.Dict(
        required=True,
        metadata={
            "description": "What the playbook finds to be owed on this complaint; up to it nothing counts as given twice.",
            "example": {"amount": "60.00", "currency": "EUR"},
        },
    )


class OverrideQuery(PageQuery):
    since = Timestamp(metadata={"description": "Drafted at or after.", "example": None})
    before = Timestamp(metadata={"description": "Drafted before.", "example": None})


class DuplicateOverride(Schema):
    id = fields.UUID(required=True)
    offer_id = fields.UUID(required=True)
    complaint_id = fields.UUID(required=True)
    complaint_reference = fields.String(required=True, metadata={"example": _REFERENCE})
    kind = Choice(KINDS, required=True)
    amount = MoneyField(required=True, allow_none=True)
    status = Choice(LIFECYCLE.states, required=True)
    reason = fields.String(required=True, metadata={"example": "Another parcel."})
    offers = fields.Integer(required=True, metadata={"description": "Found for the same matter then.", "example": 1})
    shares = fields.List(fields.String(), required=True, metadata={"example": ["customer", "issue:DEL.LATE"]})
    given = MoneyField(required=True, allow_none=True, metadata={"description": "What those in its currency came to."})
    at = Timestamp(required=True)
    actor_kind = fields.String(required=True, metadata={"example": "agent"})
    actor_id = fields.UUID(required=True, allow_none=True)
