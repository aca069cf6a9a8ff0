"""Payloads of outside providers, in and out, and of what they call back."""

from typing import Any, Final

from marshmallow import ValidationError, fields, validate, validates_schema

from helpdesk.kernel.schemas import Called, Choice, Flag, Line, PageQuery, Schema, Text, Timestamp, Whole
from helpdesk.recovery.kinds import OUTSIDE
from helpdesk.recovery.provider_answers import MOST_REFERENCE
from helpdesk.recovery.provider_models import MODES, ORDER_STATES, SAYINGS
from helpdesk.recovery.providers import DEFAULT_OVERLAP, MAX_OVERLAP
from helpdesk.recovery.schemas import known_currency

_KINDS: Final = tuple(sorted(OUTSIDE))
_URL: Final = "https://pay.example.com/helpdesk/remedies"
_ASKED: Final = (
    "Where it is asked: POST to issue, GET below it (`/{key}`) how it stands. None of the recording provider."
)
_WHICH: Final = "What it issues."
_MONEY: Final = "ISO 4217; empty: all."
_TIMEOUT: Final = "Seconds until an answer counts as none."


def _kinds(**kwargs: Any) -> fields.List[str]:
    meta = {"description": _WHICH, "example": ["refund", "partial_refund"]}
    return fields.List(Choice(_KINDS), validate=validate.Length(1, len(_KINDS)), metadata=meta, **kwargs)


def _currencies(**kwargs: Any) -> fields.List[str]:
    meta = {"description": _MONEY, "example": ["EUR"]}
    return fields.List(
        fields.String(validate=known_currency), validate=validate.Length(max=200), metadata=meta, **kwargs
    )


class RemedyProviderQuery(PageQuery):
    enabled = fields.Boolean(
        metadata={"description": "Only those that are asked, or only those that are not.", "example": True}
    )


class RemedyProviderIn(Schema):
    name = Line(required=True, max_length=100, metadata={"example": "Payments"})
    mode = Choice(
        MODES,
        load_default="http",
        metadata={"description": "recording: keeps what it is asked, and moves nothing; for development."},
    )
    url = Text(max_length=500, load_default=None, allow_none=True, metadata={"description": _ASKED, "example": _URL})
    kinds = _kinds(required=True)
    currencies = _currencies(load_default=list)
    timeout_seconds = Whole(
        load_default=10, validate=validate.Range(1, 60), metadata={"description": _TIMEOUT, "example": 10}
    )
    enabled = Flag(load_default=True, metadata={"example": True})


class RemedyProviderPatch(Schema):
    name = Line(max_length=100, metadata={"example": "Payments"})
    mode = Choice(MODES)
    url = Text(max_length=500, allow_none=True, metadata={"description": _ASKED, "example": _URL})
    kinds = _kinds()
    currencies = _currencies()
    timeout_seconds = Whole(validate=validate.Range(1, 60), metadata={"description": _TIMEOUT, "example": 10})
    enabled = Flag(
        metadata={
            "description": "false: nothing new is asked of it; how earlier issuances stand still is.",
            "example": False,
        }
    )


class RemedyProvider(Schema):
    id = fields.UUID(required=True)
    name = fields.String(required=True, metadata={"example": "Payments"})
    mode = Choice(MODES, required=True)
    url = fields.String(required=True, allow_none=True, metadata={"description": _ASKED, "example": _URL})
    kinds = fields.List(Choice(_KINDS), required=True, metadata={"description": _WHICH})
    currencies = fields.List(fields.String(), required=True, metadata={"description": _MONEY, "example": ["EUR"]})
    timeout_seconds = fields.Integer(required=True, metadata={"description": _TIMEOUT, "example": 10})
    enabled = fields.Boolean(required=True)
    previous_until = Timestamp(
        required=True,
        allow_none=True,
        metadata={"description": "Until then the secret before the rotation counts too.", "example": None},
    )
    silences = fields.Integer(
        required=True,
        metadata={"description": "How often in a row it did not answer within `timeout_seconds`.", "example": 0},
    )
    paused_until = Timestamp(
        required=True,
        allow_none=True,
        metadata={
            "description": "Until then nothing is asked of it, since it did not answer in time; then one request at a time, until it "
            "answers. `ask_again` on an offer, or any change here, ends it.",
            "example": None,
        },
    )
    version = fields.Integer(required=True)
    created_at = Timestamp(required=True)


class NewRemedyProvider(RemedyProvider):
    secret = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "Signs requests and callbacks (Standard Webhooks). Shown once.",
            "example": "whsec_REPLACE-WITH-THE-SECRET",
        },
    )


class SecretRotationIn(Schema):
    overlap_seconds = Whole(
        load_default=DEFAULT_OVERLAP,
        validate=validate.Range(0, MAX_OVERLAP),
        metadata={"description": "How long the secret before it still counts; a day when absent.", "example": 3600},
    )


class CallbackIn(Schema):
    """What came of one issuance."""

    idempotency_key = Line(
        required=True,
        max_length=100,
        metadata={"description": "Of the request to issue.", "example": "0192f0c1-7d1e-7c3a-9a51-2f6f0f6f3a10-1"},
    )
    status = Choice(SAYINGS, required=True, metadata={"example": "issued"})
    reference = Called(
        max_length=MOST_REFERENCE,
        metadata={
            "description": "What it is called there; a whole number is kept as its text. Required when issued.",
            "example": "re_4711",
        },
    )
    id = Called(max_length=MOST_REFERENCE, metadata={"description": "The provider's own id of it.", "example": "job-1"})
    reason = Text(
        max_length=300, metadata={"description": "Why it failed. Required when it did.", "example": "Account closed."}
    )

    @validates_schema
    def _whole(self, data: dict[str, Any], **_: Any) -> None:
        needed = {"issued": "reference", "failed": "reason"}.get(data.get("status", ""))
        if needed is not None and not data.get(needed):
            raise ValidationError("Missing data for required field.", needed)


class CallbackTaken(Schema):
    state = Choice(ORDER_STATES, required=True, metadata={"description": "Where the issuance stands here."})
    contradicts = fields.Boolean(
        required=True, metadata={"description": "Something else is recorded; a person sees to it.", "example": False}
    )
