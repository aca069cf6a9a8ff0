"""What people say of a complaint's regime: facts, whether a rule applies, notices of extension."""

from marshmallow import fields

from helpdesk.complaints.schemas import REFERENCE
from helpdesk.kernel.schemas import Choice, Flag, Schema, Text, Timestamp
from helpdesk.sla.regime_facts import KINDS
from helpdesk.sla.regime_schemas import RULE


def _own() -> fields.Boolean:
    return fields.Boolean(
        required=True,
        metadata={
            "description": "false: of another complaint, that was merged into this one or that this one was split off from. It is changed "
            "there.",
            "example": True,
        },
    )


def _whose() -> fields.String:
    return fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "Of the complaint that it was recorded on; null, as are its words, where the caller may not see that.",
            "example": REFERENCE,
        },
    )


class RegulatoryFactIn(Schema):
    kind = Choice(KINDS, required=True, metadata={"example": "escalation_requested"})
    at = Timestamp(metadata={"description": "When it was so; now, when absent.", "example": "2026-03-02T09:30:00Z"})
    note = Text(max_length=2000, metadata={"example": "By telephone."})


class RegulatoryFact(Schema):
    id = fields.UUID(required=True)
    kind = Choice(KINDS, required=True, metadata={"example": "escalation_requested"})
    at = Timestamp(required=True)
    note = fields.String(required=True, allow_none=True, metadata={"example": "By telephone."})
    recorded_at = Timestamp(required=True)
    recorded_by = fields.UUID(required=True, allow_none=True, metadata={"description": "The agent."})
    withdrawn_at = Timestamp(required=True, allow_none=True, metadata={"example": None})
    withdrawn_because = fields.String(required=True, allow_none=True, metadata={"example": None})
    own = _own()
    reference = _whose()


class FactKind(Schema):
    kind = Choice(KINDS, required=True, metadata={"example": "escalation_requested"})
    summary = fields.String(required=True, metadata={"example": KINDS["escalation_requested"]})
    known_by = Choice(
        ("receipt", "acts", "people"),
        required=True,
        metadata={
            "description": "What tells it, unless somebody records it: the receipt, what is done here, or only people.",
            "example": "people",
        },
    )


class FactKinds(Schema):
    items = fields.List(fields.Nested(FactKind), required=True)


class RuleDecisionIn(Schema):
    rule_id = Text(required=True, max_length=100, metadata={"example": RULE})
    applies = Flag(required=True, metadata={"example": False})
    reason = Text(required=True, max_length=2000, metadata={"example": "They are a leaseholder of another landlord."})


class ExtensionNoticeIn(Schema):
    text = Text(
        required=True,
        max_length=20_000,
        metadata={
            "description": "Of the letter.",
            "example": "We need ten more working days, until 27 March, because the surveyor comes on the 20th. You may ask "
            "the Housing Ombudsman.",
        },
    )
    reason = Text(required=True, max_length=2000, metadata={"example": "The surveyor comes on the 20th."})
    send = Flag(
        load_default=True,
        metadata={"description": "false: it went another way, and is kept in the thread only.", "example": True},
    )


class ExtensionNotice(Schema):
    id = fields.UUID(required=True)
    clock_id = fields.UUID(required=True)
    number = fields.Integer(required=True, metadata={"example": 1})
    reason = fields.String(required=True, metadata={"example": "The surveyor comes on the 20th."})
    message_id = fields.UUID(required=True, allow_none=True)
    old_due_at = Timestamp(required=True, metadata={"example": "2026-03-14T00:00:00Z"})
    new_due_at = Timestamp(required=True, metadata={"example": "2026-03-28T00:00:00Z"})
    given_at = Timestamp(required=True)
    given_by = fields.UUID(required=True, allow_none=True)
    counts = fields.Boolean(
        required=True,
        metadata={
            "description": "Whether it moves the deadline: one that turned out to be too late does not, and of the same number of two "
            "complaints the first does.",
            "example": True,
        },
    )
    own = _own()
    reference = _whose()


class ExtensionNotices(Schema):
    items = fields.List(fields.Nested(ExtensionNotice), required=True)
