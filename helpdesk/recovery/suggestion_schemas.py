"""Payloads of suggestions."""

from marshmallow import fields, validate

from helpdesk.complaints.taxonomy import FAULTS
from helpdesk.kernel.schemas import Choice, MoneyField, Schema
from helpdesk.recovery.case_fact_schemas import DECIMAL, CaseFactsQuery
from helpdesk.recovery.case_facts import ELSEWHERE, LOST
from helpdesk.recovery.kinds import KINDS
from helpdesk.recovery.playbook import LINE_KINDS
from helpdesk.recovery.schemas import known_currency
from helpdesk.recovery.tariff_schemas import TariffOutcome


def _amount(what: str, example: str) -> fields.String:
    return fields.String(
        validate=DECIMAL, metadata={"description": f"{what}, in the complaint's currency.", "example": example}
    )


class SuggestionQuery(CaseFactsQuery):
    """What nobody gives is taken from the record (`recovery-facts`) or the complaint, and where that does not say either, assumed
    (see `assumed`).
    """

    fault = Choice(FAULTS, metadata={"description": "Whose fault; the complaint's finding when absent."})
    weeks_overdue = fields.Integer(
        validate=validate.Range(0, 520), metadata={"description": "Whole weeks past the deadline.", "example": 2}
    )
    repeat = fields.Boolean(
        metadata={
            "description": "The same issue failed before; when absent, looked up among the customer's complaints that were found justified."
        }
    )
    vulnerable = fields.Boolean(metadata={"description": "A vulnerability makes it worse."})
    loss = _amount("Proven loss", "60.00")
    statutory = _amount("What a law or tariff lays down", "0")
    price = _amount("Price of what was bought; no price, no cap", "200.00")
    refunded = _amount("What was refunded already, beside the offers on the complaint", "0")
    fare = _amount("Of one passenger, one way", "320.00")
    currency = fields.String(
        validate=known_currency,
        metadata={
            "description": "Counts only where the complaint has none; else that of a tariff, or EUR.",
            "example": "EUR",
        },
    )


class SuggestionLine(Schema):
    kind = Choice(LINE_KINDS, required=True, metadata={"example": "goodwill"})
    amount = MoneyField(required=True)
    rule = fields.String(required=True, metadata={"example": "goodwill.formula"})
    version = fields.String(
        required=True,
        metadata={"description": "Of the playbook; of a tariff's line that of the tariff.", "example": "1"},
    )
    evidence = fields.Dict(
        required=True,
        metadata={
            "description": "What it was computed from, every factor with its reason.",
            "example": {"before_cap": "108", "cap": "240", "factors": []},
        },
    )


class SuggestionTactic(Schema):
    act = fields.String(required=True, metadata={"example": "apologise"})
    text = fields.String(required=True, metadata={"example": "Say sorry for what happened, without conditions."})


class SuggestionRemedy(Schema):
    kind = Choice(KINDS, required=True, metadata={"example": "voucher"})
    amount = MoneyField(required=True, allow_none=True)
    issuable = fields.Boolean(
        required=True, metadata={"description": "False: the right remedy, to be paid outside Helpdesk for now."}
    )
    why = fields.String(required=True, metadata={"example": "Goodwill on top of what is owed."})


class SuggestionAlternative(Schema):
    name = fields.String(required=True, metadata={"example": "exchange"})
    title = fields.String(required=True, metadata={"example": "A new one, and goodwill as a voucher"})
    lines = fields.List(fields.Nested(SuggestionLine), required=True)
    remedies = fields.List(
        fields.Nested(SuggestionRemedy),
        required=True,
        metadata={"description": "What is to be offered of it yet: none where all of it is."},
    )
    owed = MoneyField(required=True)
    goodwill = MoneyField(required=True)
    total = MoneyField(required=True, metadata={"description": "Of its lines; what is given in kind comes on top."})


def other_complainant_field() -> fields.Boolean:
    return fields.Boolean(
        required=True,
        metadata={"description": "It is somebody else's whose complaint was merged into this one.", "example": False},
    )


class SuggestionTariff(TariffOutcome):
    counted = fields.Boolean(
        required=True, metadata={"description": "It is part of `owed`. False also where it is in another currency."}
    )
    other_complainant = other_complainant_field()
    complaint_reference = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "By whose facts, where that is a complaint that was merged into this one and that the caller sees.",
            "example": None,
        },
    )


class SuggestionElsewhere(Schema):
    what = Choice(
        ELSEWHERE,
        required=True,
        metadata={
            "description": "`statutory`: what was recorded as laid down; `loss`: of a merged duplicate.",
            "example": "tariff",
        },
    )
    amount = MoneyField(required=True)
    tariff = fields.String(
        required=True, allow_none=True, metadata={"description": "Which one lays it down.", "example": "eu.261"}
    )
    other_complainant = other_complainant_field()


class SuggestionOffered(Schema):
    owed = MoneyField(required=True, metadata={"description": "Of what is owed."})
    goodwill = MoneyField(
        required=True,
        metadata={
            "description": "All else that is no thing in kind: money beyond what is owed, vouchers, points, gifts."
        },
    )
    in_kind = MoneyField(required=True, metadata={"description": "What replacements and new performances cost us."})


class SuggestionLeft(Schema):
    owed = MoneyField(required=True)
    goodwill = MoneyField(required=True, metadata={"description": "Of `goodwill`; an alternative may have more."})
    offer = MoneyField(required=True, metadata={"description": "Their sum."})


class Suggestion(Schema):
    playbook = fields.String(required=True, metadata={"example": "default"})
    version = fields.String(required=True, metadata={"example": "1"})
    lines = fields.List(fields.Nested(SuggestionLine), required=True)
    owed = MoneyField(required=True, metadata={"description": "Restitution and statutory: the floor."})
    goodwill = MoneyField(required=True)
    cap = MoneyField(required=True, allow_none=True, metadata={"description": "For goodwill; null: no price known."})
    offer = MoneyField(required=True, metadata={"description": "Owed and goodwill, whatever is offered already."})
    already_offered = fields.Nested(
        SuggestionOffered,
        required=True,
        metadata={
            "description": "By offers on this complaint that have not come to nothing, drafts and what merges have brought "
            "included; of what the customer chooses from, as much as they may take."
        },
    )
    remaining = fields.Nested(SuggestionLeft, required=True, metadata={"description": "What is to be offered yet."})
    tactics = fields.List(fields.Nested(SuggestionTactic), required=True)
    remedies = fields.List(
        fields.Nested(SuggestionRemedy), required=True, metadata={"description": "What is to be offered yet."}
    )
    rules = fields.List(
        fields.String(), required=True, metadata={"description": "The playbook's rules that held.", "example": []}
    )
    lost = Choice(
        LOST,
        required=True,
        allow_none=True,
        metadata={"description": "What was lost; null: not known.", "example": "product"},
    )
    statutory = MoneyField(
        required=True, metadata={"description": "The part of `owed` that a law or tariff lays down."}
    )
    alternatives = fields.List(
        fields.Nested(SuggestionAlternative),
        required=True,
        metadata={"description": "Up to three ways to make it right, each with all that is owed."},
    )
    tariffs = fields.List(
        fields.Nested(SuggestionTariff),
        required=True,
        metadata={"description": "Every tariff that was looked at, and why."},
    )
    other_currencies = fields.List(
        fields.Nested(SuggestionElsewhere),
        required=True,
        metadata={
            "description": "What is in another currency than this is reckoned in. It is owed, or was refunded, all the same, and not "
            "added up: nobody here knows a rate."
        },
    )
    facts = fields.Dict(
        required=True,
        metadata={
            "description": "Of the case: given, or recorded on the complaint.",
            "example": {"delay_hours": "3.5"},
        },
    )
    playbook_id = fields.UUID(
        required=True, allow_none=True, metadata={"description": "Null: the shipped one; no other is in force."}
    )
    assumed = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "Facts that nobody has stated.", "example": ["weeks_overdue"]},
    )
