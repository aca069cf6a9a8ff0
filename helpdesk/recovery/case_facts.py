"""What suggestions need to know of a case and no complaint says: how far the flight was, how late it came, how many days
without service, what was lost.

Given with a request or recorded on the complaint; what is given goes before what is recorded. Each fact has a kind, a
unit (in its name or its summary) and a range; a fact that is out of its range is refused where it is written, so that
every formula may rely on it. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from helpdesk.kernel.facts import CODE, DAY, DECIMAL, FLAG, MONEY, TEXT, WHOLE, Field, Vocabulary
from helpdesk.kernel.schemas import json_safe

CAUSES: Final = ("delay", "cancellation", "denied_boarding")
ALONE: Final = 1
"""Passengers where nobody says how many."""
LOST: Final = ("money", "product", "service", "attention")
"""What a failure took from the customer: what it is made good with is of the same kind."""


@dataclass(frozen=True, slots=True)
class Range:
    least: int
    most: int


FACTS: Final[Vocabulary] = {
    "tariff": Field(CODE, "the tariff that lays down what is owed, by its code"),
    "happened_on": Field(DAY, "the day on which it went wrong: whose version of a tariff counts; else that of the receipt"),
    "cause": Field(CODE, "of a flight: why it is a case for a tariff", CAUSES),
    "distance_km": Field(DECIMAL, "great-circle kilometres to the last destination"),
    "within_eu": Field(FLAG, "the flight begins and ends in the Union"),
    "delay_hours": Field(DECIMAL, "hours by which the last destination was reached, or would be, after the planned time"),
    "notice_days": Field(WHOLE, "days before departure on which the cancellation was told"),
    "rerouted": Field(FLAG, "other transport was offered"),
    "departs_earlier_hours": Field(DECIMAL, "hours by which the other transport leaves before the planned time; 0: not earlier"),
    "extraordinary": Field(FLAG, "extraordinary circumstances, which could not have been avoided"),
    "passengers": Field(WHOLE, "people whose case it is; 1 when not said"),
    "fare": Field(MONEY, "of one passenger, one way"),
    "international": Field(FLAG, "the flight leaves the country"),
    "days_without_service": Field(WHOLE, "calendar days without service after two full working days"),
    "days_of_delayed_start": Field(WHOLE, "calendar days by which a service began late, the promised one counted"),
    "missed_appointments": Field(WHOLE, "appointments missed, or called off within 24 hours"),
    "failed_standards": Field(WHOLE, "guaranteed standards that were failed"),
    "late_payments": Field(WHOLE, "payments for a failed standard that came late themselves"),
    "lost": Field(CODE, "what was lost; what the issue says when not said", LOST),
    "product": Field(TEXT, "the product or service that it is about"),
    "weeks_overdue": Field(WHOLE, "whole weeks past the deadline"),
    "repeat": Field(FLAG, "the same issue failed before; looked up among what was found justified when not said"),
    "statutory": Field(MONEY, "what a law or tariff lays down, beside the tariffs that are known here"),
    "refunded": Field(MONEY, "what was refunded already, beside the offers on the complaint"),
}  # fmt: skip

RANGES: Final[Mapping[str, Range]] = {
    "distance_km": Range(0, 25_000),
    "delay_hours": Range(0, 10_000),
    "notice_days": Range(0, 1_000),
    "departs_earlier_hours": Range(0, 10_000),
    "passengers": Range(1, 1_000),
    "days_without_service": Range(0, 10_000),
    "days_of_delayed_start": Range(0, 10_000),
    "missed_appointments": Range(0, 1_000),
    "failed_standards": Range(0, 1_000),
    "late_payments": Range(0, 1_000),
    "weeks_overdue": Range(0, 520),
}
"""Of numbers, both ends included. Amounts of money are never below zero."""

COUNTED: Final = (
    "days_without_service",
    "days_of_delayed_start",
    "missed_appointments",
    "failed_standards",
    "late_payments",
)
"""Facts that a tariff may pay by."""

ELSEWHERE: Final = ("loss", "statutory", "tariff", "refunded")
"""What may be in another currency than a case is reckoned in; `statutory`: what somebody recorded as laid down; `loss`: of a duplicate."""

SPLIT_OFF: Final = frozenset({"happened_on", "product", "weeks_overdue"})
"""Facts that go along when a part of a complaint becomes one of its own: when it happened, what it is about, how late the answer
is. The others are about the first one's matter, or lay down what is owed: like amounts and offers they stay, so that nothing is
owed twice.
"""

Known = Mapping[str, Any]
"""Facts as their kinds read them; what is not there is not known."""


def read_kept(kept: Mapping[str, Any]) -> dict[str, Any]:
    """From the JSON that is kept. What this version of the program does not know is left out."""
    return {name: FACTS[name].kind.read(value) for name, value in kept.items() if name in FACTS and value is not None}


def as_kept(known: Known) -> dict[str, Any]:
    """As JSON: decimals as plain strings, money with its currency."""
    return {name: plain(value) if isinstance(value, Decimal) else json_safe(value) for name, value in known.items()}


def plain(value: Decimal) -> str:
    """`1.50` as `1.5` and `120` as `120`, never `1.2E+2`."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
