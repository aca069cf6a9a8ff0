"""Payloads of budgets and their ledgers, in and out."""

from datetime import date
from typing import Any, Final

from marshmallow import ValidationError, fields, validate, validates_schema

from helpdesk.kernel.schemas import (
    Choice,
    Flag,
    Line,
    MoneyBalance,
    MoneyField,
    PageQuery,
    Schema,
    Text,
    Timestamp,
    Whole,
)
from helpdesk.recovery.budget_arithmetic import DEFAULT_ALERTS, MOST_ALERTS
from helpdesk.recovery.budget_models import ENTRY_KINDS
from helpdesk.recovery.forecast import DEFAULT_DAYS, MOST_DAYS
from helpdesk.recovery.schemas import known_currency

_ID: Final = "0192f0c1-7d1e-7c3a-9a51-2f6f0f6f3a10"


class BudgetQuery(PageQuery):
    team_id = fields.UUID(metadata={"example": None})
    currency = fields.String(validate=known_currency, metadata={"example": "EUR"})
    on = fields.Date(metadata={"description": "Budgets that can pay on this day.", "example": "2026-03-02"})
    closed = fields.Boolean(metadata={"description": "Only those that were closed, or only those that were not."})


def _each_once(percents: list[int]) -> None:
    if len(set(percents)) != len(percents):
        raise ValidationError("Name each threshold once.")


def _alert_percents() -> fields.List[int]:
    return fields.List(
        Whole(validate=validate.Range(1, 100)),
        validate=[validate.Length(max=MOST_ALERTS), _each_once],
        metadata={
            "description": "Who may manage budgets is told when so many percent of the funds are used (set aside or spent). "
            f"{' and '.join(map(str, DEFAULT_ALERTS))} when absent; empty: never.",
            "example": list(DEFAULT_ALERTS),
        },
    )


def _name(**kwargs: Any) -> Line:
    return Line(max_length=200, metadata={"example": "Goodwill 2026"}, **kwargs)


class BudgetIn(Schema):
    name = _name(required=True)
    team_id = fields.UUID(metadata={"description": "Whose; the firm's when absent.", "example": None})
    currency = fields.String(required=True, validate=known_currency, metadata={"example": "EUR"})
    starts_on = fields.Date(required=True, metadata={"description": "First day.", "example": "2026-01-01"})
    ends_on = fields.Date(required=True, metadata={"description": "Last day, included.", "example": "2026-12-31"})
    alert_percents = _alert_percents()

    @validates_schema
    def _period(self, data: dict[str, Any], **_: Any) -> None:
        start, end = data.get("starts_on"), data.get("ends_on")
        if isinstance(start, date) and isinstance(end, date) and end < start:
            raise ValidationError("The last day is before the first.", "ends_on")


class BudgetChangeIn(Schema):
    name = _name()
    alert_percents = _alert_percents()


class AllocationIn(Schema):
    amount = MoneyField(required=True, metadata={"example": {"amount": "1000.00", "currency": "EUR"}})
    note = Text(max_length=500, metadata={"example": "First quarter"})


class WithdrawalIn(Schema):
    amount = MoneyField(required=True, metadata={"example": {"amount": "0.01", "currency": "EUR"}})
    reason = Text(required=True, max_length=500, metadata={"example": "A zero too many on Monday."})


class TransferIn(Schema):
    to_budget_id = fields.UUID(
        required=True, metadata={"description": "An open budget of the same currency.", "example": _ID}
    )
    amount = MoneyField(required=True, metadata={"example": {"amount": "100.00", "currency": "EUR"}})
    reason = Text(required=True, max_length=500, metadata={"example": "The shops have more to make good this month."})


class CloseIn(Schema):
    reason = Text(required=True, max_length=500, metadata={"example": "End of the year."})
    successor_id = fields.UUID(
        metadata={
            "description": "An open budget of the same currency, to which goes what is left. When absent it lapses.",
            "example": None,
        }
    )
    carry_reservations = Flag(
        metadata={
            "description": "What is set aside for offers on their way goes to the successor too. When absent or false it is "
            "settled in this budget.",
            "example": False,
        }
    )

    @validates_schema
    def _to_whom(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("carry_reservations") and "successor_id" not in data:
            raise ValidationError("Name a successor to carry them into.", "carry_reservations")


class Budget(Schema):
    id = fields.UUID(required=True)
    name = fields.String(required=True, metadata={"example": "Goodwill 2026"})
    team_id = fields.UUID(required=True, allow_none=True, metadata={"example": None})
    starts_on = fields.Date(required=True, metadata={"example": "2026-01-01"})
    ends_on = fields.Date(required=True, metadata={"example": "2026-12-31"})
    currency = fields.String(required=True, metadata={"example": "EUR"})
    allocated = MoneyField(required=True)
    transferred = MoneyBalance(
        required=True,
        metadata={"description": "What came from other budgets less what went to them; may be below zero."},
    )
    lapsed = MoneyField(
        required=True,
        metadata={"description": "What was left when it was closed without a successor, or came back later."},
    )
    reserved = MoneyField(required=True, metadata={"description": "For offers approved and not issued yet."})
    committed = MoneyField(required=True, metadata={"description": "Spent."})
    available = MoneyField(
        required=True, metadata={"description": "Allocated and transferred, less lapsed, reserved and committed."}
    )
    alert_percents = fields.List(
        fields.Integer(),
        required=True,
        metadata={"description": "At which parts of its funds somebody is told.", "example": list(DEFAULT_ALERTS)},
    )
    alerted = fields.List(
        fields.Integer(),
        required=True,
        metadata={"description": "Those that its use has reached now.", "example": []},
    )
    closed_at = Timestamp(required=True, allow_none=True, metadata={"example": None})
    closed_reason = fields.String(required=True, allow_none=True, metadata={"example": None})
    closed_by = fields.UUID(required=True, allow_none=True, metadata={"example": None})
    successor_id = fields.UUID(
        required=True, allow_none=True, metadata={"description": "Where its money went, and goes.", "example": None}
    )
    carries = fields.Boolean(
        required=True,
        metadata={"description": "Its reservations go to the successor as well.", "example": False},
    )
    version = fields.Integer(required=True)
    created_at = Timestamp(required=True)


class BudgetEntry(Schema):
    id = fields.UUID(required=True)
    kind = Choice(
        ENTRY_KINDS,
        required=True,
        metadata={
            "description": "`withdraw` takes out again what was allocated; `transfer_out` and `transfer_in` are the two sides of a "
            "transfer; `carry_out` and `carry_in` those of a reservation that goes on into another budget with its money; `overpay` "
            "is what a provider has paid once more; `lapse` is what a closed budget had left."
        },
    )
    amount = MoneyField(required=True)
    offer_id = fields.UUID(required=True, allow_none=True)
    round = fields.Integer(required=True, allow_none=True)
    transfer_id = fields.UUID(
        required=True, allow_none=True, metadata={"description": "The same on both sides.", "example": None}
    )
    other_budget_id = fields.UUID(
        required=True, allow_none=True, metadata={"description": "The other side's.", "example": None}
    )
    at = Timestamp(required=True)
    actor_kind = fields.String(required=True, metadata={"example": "agent"})
    actor_id = fields.UUID(required=True, allow_none=True)
    note = fields.String(required=True, allow_none=True, metadata={"example": "First quarter"})


class BudgetAlert(Schema):
    id = fields.UUID(required=True)
    percent = fields.Integer(required=True, metadata={"example": 80})
    at = Timestamp(required=True)
    used = MoneyField(required=True, metadata={"description": "Set aside or spent, at that moment."})
    funds = MoneyField(required=True, metadata={"description": "Of how much."})
    told_at = Timestamp(
        required=True,
        allow_none=True,
        metadata={"description": "When who may manage budgets was told.", "example": None},
    )
    fell_at = Timestamp(
        required=True,
        allow_none=True,
        metadata={"description": "When its use was below that again: it is told anew after that.", "example": None},
    )


class ForecastQuery(Schema):
    days = fields.Integer(
        load_default=DEFAULT_DAYS,
        validate=validate.Range(1, MOST_DAYS),
        metadata={"description": "Length of the window, today included.", "example": DEFAULT_DAYS},
    )


class DaySpent(Schema):
    day = fields.Date(required=True, metadata={"description": "In UTC.", "example": "2026-03-02"})
    spent = MoneyBalance(
        required=True, metadata={"description": "Less what came back; below zero where that was more."}
    )


class ForecastRestsOn(Schema):
    days = fields.Integer(
        required=True,
        metadata={"description": "Days of the window on which the budget was there.", "example": 28},
    )
    entries = fields.Integer(required=True, metadata={"description": "Entries of the ledger in them.", "example": 17})


class BudgetForecast(Schema):
    budget_id = fields.UUID(required=True)
    as_of = Timestamp(required=True)
    window_days = fields.Integer(required=True, metadata={"example": DEFAULT_DAYS})
    rests_on = fields.Nested(ForecastRestsOn, required=True)
    spent_by_day = fields.List(
        fields.Nested(DaySpent), required=True, metadata={"description": "Every such day, the oldest first."}
    )
    rate_per_day = MoneyBalance(
        required=True, allow_none=True, metadata={"description": "Null where nothing was spent in the window."}
    )
    committed = MoneyField(required=True, metadata={"description": "Spent so far."})
    remaining = MoneyField(required=True, metadata={"description": "Not spent yet, whether it is set aside or not."})
    exhausted_on = fields.Date(
        required=True,
        allow_none=True,
        metadata={
            "description": "The day that uses up what remains, at this rate; null where it lasts, or nothing is known.",
            "example": "2026-09-17",
        },
    )
    lasts = fields.Boolean(
        required=True,
        allow_none=True,
        metadata={
            "description": "Whether it lasts to its last day, at this rate; null where nothing is known.",
            "example": False,
        },
    )
    days_left = fields.Integer(
        required=True,
        metadata={
            "description": "After today, to its last day; of one that has not begun all of its days.",
            "example": 120,
        },
    )
    projected_total = MoneyBalance(
        required=True,
        allow_none=True,
        metadata={"description": "Spent by its last day, at this rate and if there is enough."},
    )
