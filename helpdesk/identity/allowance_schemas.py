"""Payloads of the table of limits, in and out."""

from typing import Final

from marshmallow import ValidationError, fields, validate

from helpdesk.identity.allowances import GIVING, SHIPPED
from helpdesk.kernel.money import currencies
from helpdesk.kernel.schemas import Choice, Flag, Pattern, Schema, Text, Timestamp, Whole

MOST_ROWS: Final = 200
_DECIMAL: Final = Pattern(
    r"^\d{1,12}(\.\d{1,3})?$", error="Write a plain decimal of at most 12 digits, for example 150."
)


def _known_currency(code: str) -> None:
    if code not in currencies():
        raise ValidationError("Write a current ISO 4217 currency, for example EUR.")


def _amount(what: str, example: str) -> fields.String:
    return fields.String(required=True, validate=_DECIMAL, metadata={"description": what, "example": example})


class AuthorityLimit(Schema):
    """Amounts are nominal: in units of whatever currency is given."""

    authority = Choice(GIVING, required=True, metadata={"description": "As roles have it.", "example": "senior"})
    currency = fields.String(
        load_default=None,
        allow_none=True,
        validate=_known_currency,
        metadata={"description": "null: any that has no row of its own.", "example": None},
    )
    team_id = fields.UUID(
        load_default=None,
        allow_none=True,
        metadata={"description": "Of this team's complaints; null: of any that has no row.", "example": None},
    )
    case = _amount("For one complaint.", "200")
    customer = _amount("For one customer in 365 days, over all their complaints.", "400")
    day = _amount("Given by one person in a day, in UTC.", "2000")


class _Rules(Schema):
    two_persons = Choice(
        GIVING,
        required=True,
        allow_none=True,
        metadata={
            "description": "The least authority of which two persons together may pass their limits; null: nobody may.",
            "example": "director",
        },
    )
    delegation_days = Whole(
        required=True,
        validate=validate.Range(1, 366),
        metadata={"description": "For how many days authority is lent at most.", "example": 31},
    )
    splitting_days = Whole(
        required=True,
        validate=validate.Range(0, 90),
        metadata={
            "description": "Within how many days offers of one person to one customer, or on complaints that are linked, "
            "are looked at together; 0: they are not.",
            "example": 7,
        },
    )
    approval_hours = Whole(
        required=True,
        validate=validate.Range(1, 24 * 60),
        metadata={"description": "Until an offer that waits for approval is overdue.", "example": 8},
    )
    business_hours = Flag(
        required=True,
        metadata={
            "description": "Counted by the calendar of the complaint's team; false: on the wall.",
            "example": True,
        },
    )


class AuthorityLimitsIn(_Rules):
    limits = fields.List(
        fields.Nested(AuthorityLimit),
        required=True,
        validate=validate.Length(min=1, max=MOST_ROWS),
        metadata={
            "description": "The whole table. Each authority has a general row; the most particular row counts: of team and "
            "currency, of the team, of the currency, the general one.",
            "example": SHIPPED["limits"],
        },
    )
    valid_from = Timestamp(metadata={"description": "At once when absent.", "example": None})
    reason = Text(required=True, max_length=2000, metadata={"example": "Parcels cost more before Christmas."})


class AuthorityLimitsVersion(_Rules):
    id = fields.UUID(required=True)
    number = fields.Integer(required=True, metadata={"example": 3})
    valid_from = Timestamp(required=True)
    limits = fields.List(fields.Nested(AuthorityLimit), required=True)
    reason = fields.String(required=True, metadata={"example": "Parcels cost more before Christmas."})
    actor_kind = fields.String(required=True, metadata={"example": "agent"})
    actor_id = fields.UUID(required=True, allow_none=True)
    created_at = Timestamp(required=True)


class ComingLimits(Schema):
    number = fields.Integer(required=True, metadata={"example": 4})
    valid_from = Timestamp(required=True)


class AuthorityLimits(Schema):
    in_force = fields.Nested(AuthorityLimitsVersion, required=True, metadata={"description": "What holds now."})
    coming = fields.List(
        fields.Nested(ComingLimits), required=True, metadata={"description": "Written for later, the next one first."}
    )
    version = fields.Integer(required=True, metadata={"description": "Number of the newest version.", "example": 4})
