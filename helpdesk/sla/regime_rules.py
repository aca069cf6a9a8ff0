"""A regulator's rule as it is kept (JSON, in versions) and as it is used (frozen, compiled once per version).

Information, not legal advice: wherever a rule shows, so does `NOTICE`, and that nobody has looked at it since its review date.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from importlib import resources
from typing import Any, Final
from zoneinfo import ZoneInfo

from helpdesk.complaints.facts import VOCABULARY
from helpdesk.kernel.expressions import Expression, read
from helpdesk.kernel.facts import CODES, Field, Vocabulary

NOTICE: Final = "Information, not legal advice."
UNITS: Final = ("minutes", "hours", "business_days", "calendar_days", "weeks", "months")
OWN: Final = ("amount", "unit", "timezone", "owner", "review_by", "off", "thresholds", "ladder")
"""What can be set here, beside what came with the program."""
THRESHOLDS: Final = (50, 75, 90)
"""Percent of the time at which whoever has the complaint is told, where nothing else is set."""
REGULATORY_FACTS: Final = "regulatory_facts"
CONDITIONS: Final[Vocabulary] = {
    **VOCABULARY,
    REGULATORY_FACTS: Field(CODES, "regulatory facts that are known of it, by name"),
}
"""What a rule's condition may ask for."""
ANYWHERE: Final = "INT"
ANY_SECTOR: Final = "any"

_APART = re.compile(r"[^a-z0-9]+")
_OF_NOTICE: Final = "/notice."


def sector_code(text: str) -> str:
    """Spellings of one sector as one code: `Credit card` and `credit-card` are `credit_card`."""
    return _APART.sub("_", text.casefold()).strip("_")


@dataclass(frozen=True, slots=True)
class Step:
    """One extension that a rule allows, in its own unit: up to `to` from the start, or `add` more."""

    to: int | None
    add: int | None
    condition: str | None
    requires: str | None

    def amount(self, present: int) -> int:
        return self.to if self.to is not None else present + (self.add or 0)


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One version of a rule. Equal to itself only, so that it is a quick key.

    `default`: why it has an amount though the source gives none that can be counted; `stated` is what that says.
    `presumed`: whether it is taken to apply until somebody says so, where no `condition` decides. `off`: why it starts no
    clocks. `timezone` None: that of the complaint's country.
    """

    id: str
    version: int
    jurisdiction: str
    sectors: tuple[str, ...]
    instrument: str
    milestone: str
    clock_start: str
    starts_after: str | None
    stops_on: frozenset[str]
    amount: int
    unit: str
    counting: str | None
    calendar: str | None
    timezone: str | None
    default: str | None
    stated: str | None
    applies_if: str | None
    condition: Expression | None
    presumed: bool
    replaces: frozenset[str]
    extensions: tuple[Step, ...]
    on_breach: str | None
    effective_from: date | None
    effective_to: date | None
    notes: str | None
    source: str
    confidence: str
    owner: str
    review_by: date
    off: str | None
    thresholds: tuple[int, ...]
    ladder: tuple[Mapping[str, Any], ...]
    """As in a policy: see `ladder`."""

    def is_for(self, jurisdiction: str | None, sector: str | None) -> bool:
        """Whether its jurisdiction and sector are a complaint's. Without a jurisdiction nothing is regulated."""
        if jurisdiction is None:
            return False
        here = self.jurisdiction in {jurisdiction, ANYWHERE} or jurisdiction in members(self.jurisdiction)
        return here and (ANY_SECTOR in self.sectors or (sector is not None and sector_code(sector) in self.sectors))

    def zone(self, jurisdiction: str | None) -> str:
        """Whose local days count for a complaint of that jurisdiction."""
        return self.timezone or zones().get(jurisdiction or "") or zones().get(self.jurisdiction) or "UTC"

    def in_force_at(self, start: datetime, zone: str) -> bool:
        """By the local date on which its clock starts."""
        return self.in_force_on(start.astimezone(ZoneInfo(zone)).date())

    def in_force_on(self, day: date) -> bool:
        return (self.effective_from or date.min) <= day <= (self.effective_to or date.max)

    def review_overdue(self, today: date) -> bool:
        return self.review_by < today


def compiled(rule_id: str, version: int, spec: Mapping[str, Any]) -> Rule:
    """From a row. `spec`: `shipped` and `own`."""
    said = {**spec["shipped"], **spec["own"]}
    condition = said.get("condition")
    return Rule(
        id=rule_id,
        version=version,
        jurisdiction=said["jurisdiction"],
        sectors=tuple(said["sectors"]),
        instrument=said["instrument"],
        milestone=said["milestone"],
        clock_start=said["clock_start"],
        starts_after=said.get("starts_after"),
        stops_on=frozenset(said["stops_on"]),
        amount=said["amount"],
        unit=said["unit"],
        counting=said.get("counting"),
        calendar=said.get("calendar"),
        timezone=said.get("timezone"),
        default=said.get("default"),
        stated=said.get("stated"),
        applies_if=said.get("applies_if"),
        condition=None if condition is None else read(condition, CONDITIONS, kept=True),
        presumed=said.get("presumed", True),
        replaces=frozenset(said.get("replaces", ())),
        extensions=tuple(
            Step(step.get("to"), step.get("add"), step.get("condition"), step.get("requires"))
            for step in said.get("extensions", ())
        ),
        on_breach=said.get("on_breach"),
        effective_from=_day(said.get("effective_from")),
        effective_to=_day(said.get("effective_to")),
        notes=said.get("notes"),
        source=said["source"],
        confidence=said["confidence"],
        owner=said["owner"],
        review_by=date.fromisoformat(said["review_by"]),
        off=said.get("off"),
        thresholds=tuple(said.get("thresholds", THRESHOLDS)),
        ladder=tuple(said.get("ladder", ())),
    )


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def notice_kind(kind: str, number: int) -> str:
    """The kind of the clock that says that the notice by which one of `kind` was extended was sent in time."""
    return f"{kind}{_OF_NOTICE}{number}"


def rule_of_kind(kind: str) -> str:
    """The id of the rule that clocks of a kind are of, if they are a regulator's: of its own, or of its notices."""
    return kind if notice_number(kind) is None else kind.partition(_OF_NOTICE)[0]


def notice_number(kind: str) -> int | None:
    """Of a clock that says that a notice was sent in time: which notice. None of any other."""
    number = kind.partition(_OF_NOTICE)[2]
    return int(number) if number.isdecimal() else None


def counting(numbers: Iterable[int], extensions: int) -> frozenset[int]:
    """Which of the notices of these numbers count of a clock that is extended so often: the first of them. One is missing where it was
    given to a complaint that was merged, and is not any more.
    """
    return frozenset(sorted(set(numbers))[:extensions])


@lru_cache(maxsize=1)
def shipped() -> dict[str, Any]:
    """The data as it comes with the program: `edition`, `zones`, `members`, `calendars`, and `rule`, a list."""
    return tomllib.loads(resources.files("helpdesk.sla").joinpath("data/regimes.toml").read_text(encoding="utf-8"))


def zones() -> Mapping[str, str]:
    """Country or group of countries -> the time zone in which its deadlines end, unless a rule says another."""
    found: Mapping[str, str] = shipped()["zones"]
    return found


@lru_cache(maxsize=64)
def members(group: str) -> frozenset[str]:
    """The countries of a group of countries; none of one country."""
    return frozenset(shipped()["members"].get(group, ()))
