"""Payloads of tariffs, in and out."""

from typing import Any, Final

from marshmallow import fields, validate

from helpdesk.kernel.schemas import Choice, Flag, Line, PageQuery, Pattern, Schema, Text, Timestamp, shallow
from helpdesk.recovery.case_fact_schemas import CODE, CaseFactsIn
from helpdesk.recovery.schemas import known_currency
from helpdesk.recovery.tariff_methods import CODES, METHODS
from helpdesk.recovery.tariff_warnings import MOST

_NUMBERS: Final = {"units": {"missed_appointments": "32.31"}}
_CONDITION: Final = {"field": "missed_appointments", "operator": "is_set"}
_ABOUT_NUMBERS: Final = (
    "By method, amounts and hours as decimal strings. `air_passenger`: `bands` of `up_to_km` (null: the last), `amount`, "
    "`halved_up_to_hours`; `within_eu_at_most`, `delay_from_hours`, `last_band_halved_below_hours`; `notice` rows of `from_days`, "
    "`departs_earlier_up_to_hours`, `arrives_later_below_hours`. `fare_multiple`: `none_up_to_hours`; `lower` (`percent`, `at_most`, "
    "`below_hours` of `domestic` and `international`); `higher` (`percent`, `at_most`). `per_unit`: `units`, fact -> amount."
)


class TariffVersionIn(Schema):
    valid_from = fields.Date(
        required=True,
        metadata={"description": "First day on which it counts, of when it happened.", "example": "2026-04-01"},
    )
    valid_until = fields.Date(
        allow_none=True,
        load_default=None,
        metadata={"description": "Last day, included; null: until another begins.", "example": None},
    )
    title = Line(
        required=True,
        max_length=200,
        metadata={"description": "Customers read it, with what it lays down.", "example": "Automatic compensation"},
    )
    source = Text(
        required=True,
        max_length=2000,
        metadata={"description": "Where it says so.", "example": "Ofcom, scheme of 2019."},
    )
    note = Text(allow_none=True, load_default=None, max_length=2000, metadata={"example": None})
    method = Choice(METHODS, required=True, metadata={"example": "per_unit"})
    currency = fields.String(required=True, validate=known_currency, metadata={"example": "GBP"})
    set_off = Flag(
        load_default=False,
        metadata={
            "description": "What it lays down is deducted from what is paid for the same loss.",
            "example": False,
        },
    )
    held_before = Flag(
        load_default=False,
        metadata={
            "description": "Of the first version: it laid something down before `valid_from` too, which is not known here.",
            "example": False,
        },
    )
    condition = fields.Dict(
        required=True,
        validate=shallow,
        metadata={
            "description": "For which cases it is without anybody's naming it: as in playbooks, without what is of the customer (language and needs too) or "
            "judged or decided by us (severity, impact, urgency, fault, root cause, stage, repeat, outcome, reopenings).",
            "example": _CONDITION,
        },
    )
    numbers = fields.Dict(
        required=True, validate=shallow, metadata={"description": _ABOUT_NUMBERS, "example": _NUMBERS}
    )


class TariffIn(TariffVersionIn):
    id = fields.String(
        required=True,
        validate=[
            validate.Length(1, 60),
            Pattern(CODE, error="Write small letters, digits, dots, for example uk.telecom."),
        ],
        metadata={"description": "Its code, for good.", "example": "uk.broadband"},
    )


class TariffVersion(Schema):
    id = fields.String(required=True, metadata={"example": "uk.telecom"})
    version = fields.Integer(required=True)
    valid_from = fields.Date(required=True)
    valid_until = fields.Date(required=True, allow_none=True)
    title = fields.String(required=True, metadata={"example": "UK automatic compensation"})
    source = fields.String(required=True, metadata={"example": "Ofcom, scheme of 2019."})
    note = fields.String(required=True, allow_none=True, metadata={"example": None})
    method = Choice(METHODS, required=True)
    currency = fields.String(required=True, metadata={"example": "GBP"})
    set_off = fields.Boolean(required=True)
    held_before = fields.Boolean(required=True)
    condition = fields.Dict(required=True, metadata={"example": _CONDITION})
    numbers = fields.Dict(required=True, metadata={"example": _NUMBERS})
    shipped = fields.Boolean(required=True, metadata={"description": "It came with the program."})
    created_at = Timestamp(required=True)


class Tariff(Schema):
    id = fields.String(required=True, metadata={"example": "uk.telecom"})
    version = fields.Integer(required=True, metadata={"description": "Number of the newest version."})
    on = fields.Date(required=True, metadata={"description": "The day that `in_force` is of."})
    in_force = fields.Nested(
        TariffVersion, required=True, allow_none=True, metadata={"description": "Null: no version holds on that day."}
    )
    created_at = Timestamp(required=True)


class TariffWarning(Schema):
    pointer = fields.String(required=True, metadata={"example": "/condition"})
    code = fields.String(
        required=True,
        metadata={
            "description": "`changes_past`, `past_not_known` (of days that are over), or `owed_beside` another tariff.",
            "example": "owed_beside",
        },
    )
    detail = fields.String(
        required=True, metadata={"example": "uk.telecom (version 6) is for such cases too: both are owed."}
    )


class TariffMade(Tariff):
    warnings = fields.List(
        fields.Nested(TariffWarning),
        required=True,
        metadata={"description": f"Of the version that was made; at most {MOST}."},
    )


class TariffQuery(PageQuery):
    on = fields.Date(metadata={"description": "The day, in UTC; today when absent.", "example": "2026-03-02"})


class TariffOn(Schema):
    on = fields.Date(metadata={"description": "The day, in UTC; today when absent.", "example": "2026-03-02"})


class TariffFacts(CaseFactsIn):
    on = fields.Date(
        metadata={
            "description": "The day on which it happened; `happened_on`, then today, when absent.",
            "example": None,
        }
    )


class TariffStep(Schema):
    step = fields.String(required=True, metadata={"example": "distance"})
    value = fields.String(required=True, metadata={"example": "400"})
    because = fields.String(required=True, metadata={"example": "1840 km"})


class TariffOutcome(Schema):
    """What a tariff lays down in a case, and why, or why it lays down nothing."""

    tariff = fields.String(required=True, metadata={"example": "eu.261"})
    tariff_version = fields.Integer(required=True, allow_none=True)
    title = fields.String(required=True, allow_none=True, metadata={"example": "EU air passengers"})
    source = fields.String(required=True, allow_none=True, metadata={"example": "Regulation (EC) No 261/2004"})
    valid_from = fields.String(required=True, allow_none=True, metadata={"example": "2005-02-17"})
    valid_until = fields.String(required=True, allow_none=True, metadata={"example": None})
    day = fields.String(required=True, metadata={"description": "Whose version counts.", "example": "2026-03-02"})
    applies = fields.Boolean(
        required=True,
        allow_none=True,
        metadata={
            "description": "Null: it cannot be told; see `missing`, or `because` where it holds and its amounts are not known.",
            "example": True,
        },
    )
    code = Choice(CODES, required=True, metadata={"example": "owed"})
    because = fields.String(required=True, metadata={"example": "The delay was long enough."})
    missing = fields.List(
        fields.String(),
        required=True,
        metadata={
            "description": "All facts that it needs by what is stated; which more may depend on what these are.",
            "example": [],
        },
    )
    steps = fields.List(fields.Nested(TariffStep), required=True)
    amount = fields.Dict(required=True, allow_none=True, metadata={"example": {"amount": "400.00", "currency": "EUR"}})
    set_off = fields.Boolean(required=True)


def facts_of(given: dict[str, Any]) -> dict[str, Any]:
    """The facts in a body, without what is null."""
    return {name: value for name, value in given.items() if value is not None and name != "on"}
