"""The numbers by which the guards look at claims: data, in versions, pure. What holds now is in `guard_queries`.

A **signal** is something that is more often seen where a claim is not what it seems, and is true of most honest people at some
time; a **protection** is what speaks for the claim. Each has points (0: it is not looked at) and a limit, whose unit is said
beside it. None of them says that somebody lies, and nothing is refused by them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Kind:
    """`limit`: what the number beside the points means; None: it has none. `points` and `value`: as shipped."""

    about: str
    points: int
    limit: str | None = None
    value: int = 0


SIGNALS: Final[Mapping[str, Kind]] = {
    "many_claims": Kind("Complaints of the same person in the window", 15, "at least so many others", 4),
    "mostly_compensated": Kind(
        "Nearly all of their decided complaints brought money", 10, "percent of three or more", 80
    ),
    "above_price": Kind("The loss that they claim is more than the price", 15, "percent of the price", 100),
    "soon_after_purchase": Kind("It came right after the purchase", 5, "days at most", 1),
    "soon_after_remedy": Kind("It came right after an earlier remedy was delivered", 15, "days at most", 30),
    "same_text": Kind("They have used these words before", 20, "percent of likeness", 80),
    "contradiction": Kind("What they told contradicts what they told before, or the calendar", 20),
    "shared_contact": Kind("Several customers share the address or the number", 15, "customers", 3),
}
PROTECTIONS: Final[Mapping[str, Kind]] = {
    "long_standing": Kind("They have been a customer for long", 15, "days", 730),
    "upheld_before": Kind("Earlier complaints of theirs were found justified", 15, "at least so many", 1),
    "firm_at_fault": Kind("It is established that the fault is ours", 40),
    "regulator": Kind("A regulator, an ombudsman or another outside body has the case", 40),
    "documented": Kind("Evidence was found for what they say, or they sent files", 15),
}
LINES: Final[Mapping[str, Kind]] = {**SIGNALS, **PROTECTIONS}

NUMBERS: Final[Mapping[str, tuple[int, int, int]]] = {
    "threshold": (60, 1, 100),
    "window_days": (365, 30, 1_095),
    "duplicate_days": (30, 0, 730),
}
"""Beside the lines: shipped, least and most. `threshold`: the score from which somebody has a look. `window_days`: how far back
claims are looked at. `duplicate_days`: how far back compensation for the same matter is; 0: not at all.
"""
FIELDS: Final = ("reference_fields", "purchase_date_field")
"""Custom fields: by which two complaints are about one order, and when it was bought."""
MOST_POINTS: Final = 100
MOST_LIMIT: Final = 10_000

SHIPPED: Final[dict[str, Any]] = {
    "lines": [{"code": code, "points": kind.points, "limit": kind.value} for code, kind in LINES.items()],
    **{name: numbers[0] for name, numbers in NUMBERS.items()},
    "reference_fields": ["order_number", "invoice_number", "booking_number"],
    "purchase_date_field": "purchase_date",
}
"""What a system begins with: version 1."""


@dataclass(frozen=True, slots=True)
class Line:
    points: int
    limit: int


@dataclass(frozen=True, slots=True)
class GuardRules:
    """One version. `lines`: every code of `LINES`."""

    number: int
    lines: Mapping[str, Line]
    threshold: int
    window_days: int
    duplicate_days: int
    reference_fields: tuple[str, ...]
    purchase_date_field: str | None

    @classmethod
    def of(cls, number: int, content: Mapping[str, Any]) -> "GuardRules":
        """From a row of the database. A line that a later program has added is as shipped until somebody sets it."""
        given = {item["code"]: Line(item["points"], item["limit"]) for item in content["lines"]}
        return cls(
            number=number,
            lines={code: given.get(code, Line(kind.points, kind.value)) for code, kind in LINES.items()},
            reference_fields=tuple(content["reference_fields"]),
            purchase_date_field=content["purchase_date_field"],
            **{name: content[name] for name in NUMBERS},
        )
