"""Calendars and policies as they are kept (JSON) and as they are used (compiled, immutable, cached by version)."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib import resources
from typing import Any, Final
from uuid import UUID

from helpdesk.sla.business_time import Target
from helpdesk.sla.calendar_spec import Calendar, Interval

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

ALWAYS: Final = Calendar("UTC", {day: (Interval(0, 1440),) for day in range(7)}, name="always")


@dataclass(frozen=True, slots=True)
class Policy:
    """One version of a policy with the version of its calendar: what a new clock is made by."""

    id: UUID
    version: int
    calendar_id: UUID
    calendar_version: int
    calendar: Calendar
    thresholds: tuple[int, ...]
    targets: Mapping[str, Mapping[str, Target]]
    """severity -> kind -> target"""


@dataclass(frozen=True, slots=True)
class Rule:
    """One regulatory deadline. Its calendar gives the zone; it is open always, for regulatory time never pauses."""

    id: str
    jurisdiction: str
    sector: str
    instrument: str
    milestone: str
    clock_start: str
    target: Target
    calendar: Calendar
    source: str
    confidence: str


def minute_of(text: str) -> int:
    """`"09:30"` -> 570; `"24:00"` is the end of the day. Raises ValueError."""
    hours, _, minutes = text.partition(":")
    if len(hours) != 2 or len(minutes) != 2 or not (hours + minutes).isascii() or not (hours + minutes).isdigit():
        raise ValueError("write HH:MM")
    value = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or value > 1440:
        raise ValueError("write a time from 00:00 to 24:00")
    return value


def calendar_of(spec: Mapping[str, Any], name: str) -> Calendar:
    """From JSON: timezone, weekly_hours `{"mon": [["09:00", "17:00"]]}`, holidays `["2026-12-25"]`, working_days
    `{"2026-02-14": "mon"}`. Raises ValueError for text that is no time or date; see `validate` for the rest.
    """
    hours = {
        DAYS.index(day): tuple(Interval(minute_of(start), minute_of(end)) for start, end in shifts)
        for day, shifts in spec["weekly_hours"].items()
    }
    holidays = frozenset(date.fromisoformat(day) for day in spec.get("holidays", []))
    made_up = {date.fromisoformat(day): DAYS.index(like) for day, like in spec.get("working_days", {}).items()}
    return Calendar(spec["timezone"], hours, holidays, made_up, name)


_calendars: dict[tuple[UUID, int], Calendar] = {}


def compiled(calendar_id: UUID, version: int, spec: Mapping[str, Any], name: str) -> Calendar:
    """A version never changes, so it is compiled once per process."""
    key = (calendar_id, version)
    if key not in _calendars:
        if len(_calendars) > 1000:
            _calendars.clear()
        _calendars[key] = calendar_of(spec, name)
    return _calendars[key]


def already_compiled(calendar_id: UUID, version: int) -> Calendar | None:
    return _calendars.get((calendar_id, version))


def forget_compiled() -> None:
    _calendars.clear()


def targets_of(spec: Mapping[str, Any]) -> dict[str, dict[str, Target]]:
    return {
        severity: {kind: Target(amount, unit) for kind, (amount, unit) in kinds.items()}
        for severity, kinds in spec["targets"].items()
    }


def _shipped(name: str) -> dict[str, Any]:
    return tomllib.loads(resources.files("helpdesk.sla").joinpath(f"data/{name}").read_text(encoding="utf-8"))


def shipped_policy() -> dict[str, Any]:
    return _shipped("default_policy.toml")


@lru_cache(maxsize=1)
def rules() -> tuple[Rule, ...]:
    """The shipped regulatory deadlines."""
    return tuple(
        Rule(
            id=item["id"],
            jurisdiction=item["jurisdiction"],
            sector=item["sector"],
            instrument=item["instrument"],
            milestone=item["milestone"],
            clock_start=item["clock_start"],
            target=Target(*item["target"]),
            calendar=Calendar(item["timezone"], ALWAYS.weekly_hours, name=item["timezone"]),
            source=item["source"],
            confidence=item["confidence"],
        )
        for item in _shipped("regimes.toml")["rule"]
    )


def rule_by_id(rule_id: str) -> Rule | None:
    return next((rule for rule in rules() if rule.id == rule_id), None)


def rules_for(jurisdiction: str | None, sector: str | None) -> list[Rule]:
    return [rule for rule in rules() if (rule.jurisdiction, rule.sector) == (jurisdiction, sector)]
