"""Payloads of budgets and their ledgers, in and out."""

from datetime import date
from typing import Any

from marshmallow import ValidationError, fields, validates_schema

from helpdesk.kernel.schemas import Choice, Line, MoneyField, PageQuery, Schema, Text, Timestamp
from helpdesk.recovery.models import ENTRY_KINDS
from helpdesk.recovery.schemas import known_currency


class BudgetQuery(PageQuery):
    team_id = fields.UUID(metadata={"example": None})
    currency = fields.String(validate=known_currency, metadata={"example": "EUR"})
    on = fields.Date(metadata={"description": "Budgets that can pay on this day.", "example": "2026-03-02"})


class BudgetIn(Schema):
    name = Line(required=True, max_length=200, metadata={"example": "Goodwill 2026"})
    team_id = fields.UUID(metadata={"description": "Whose; the firm's when absent.", "example": None})
    currency = fields.String(required=True, validate=known_currency, metadata={"example": "EUR"})
    starts_on = fields.Date(required=True, metadata={"description": "First day.", "example": "2026-01-01"})
    ends_on = fields.Date(required=True, metadata={"description": "Last day, included.", "example": "2026-12-31"})

    @validates_schema
    def _period(self, data: dict[str, Any], **_: Any) -> None:
        start, end = data.get("starts_on"), data.get("ends_on")
        if isinstance(start, date) and isinstance(end, date) and end < start:
            raise ValidationError("The last day is before the first.", "ends_on")


class AllocationIn(Schema):
    amount = MoneyField(required=True, metadata={"example": {"amount": "1000.00", "currency": "EUR"}})
    note = Text(max_length=500, metadata={"example": "First quarter"})


class Budget(Schema):
    id = fields.UUID(required=True)
    name = fields.String(required=True, metadata={"example": "Goodwill 2026"})
    team_id = fields.UUID(required=True, allow_none=True, metadata={"example": None})
    starts_on = fields.Date(required=True, metadata={"example": "2026-01-01"})
    ends_on = fields.Date(required=True, metadata={"example": "2026-12-31"})
    currency = fields.String(required=True, metadata={"example": "EUR"})
    allocated = MoneyField(required=True)
    reserved = MoneyField(required=True, metadata={"description": "For offers approved and not issued yet."})
    committed = MoneyField(required=True, metadata={"description": "Spent."})
    available = MoneyField(required=True, metadata={"description": "Allocated less reserved less committed."})
    version = fields.Integer(required=True)
    created_at = Timestamp(required=True)


class BudgetEntry(Schema):
    id = fields.UUID(required=True)
    kind = Choice(ENTRY_KINDS, required=True)
    amount = MoneyField(required=True)
    offer_id = fields.UUID(required=True, allow_none=True)
    round = fields.Integer(required=True, allow_none=True)
    at = Timestamp(required=True)
    actor_kind = fields.String(required=True, metadata={"example": "agent"})
    actor_id = fields.UUID(required=True, allow_none=True)
    note = fields.String(required=True, allow_none=True, metadata={"example": "First quarter"})
