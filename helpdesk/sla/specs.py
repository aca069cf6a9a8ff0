"""Calendars as they are kept (JSON) and as they are used (compiled, immutable, cached by version); policies: `policy_spec`."""

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from importlib import resources
from typing import Any, Final
from uuid import UUID

from helpdesk.sla.calendar_spec import Calendar, Interval, Season
from helpdesk.sla.public_holidays import holidays_of, working_days_of

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

ALWAYS: Final = Calendar("UTC", {day: (Interval(0, 1440),) for day in range(7)}, name="always")


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
    """From JSON as it is kept: timezone, weekly_hours `{"mon": [["09:00", "17:00"]]}`, holidays `["2026-12-25"]`, working_days
    `{"2026-02-14": "mon"}`, public_holidays with what they were expanded to, and the dates on which all of that holds
    (valid_from, valid_until) with what holds otherwise. It was read and checked when it was written.
    """
    layers = layers_of(spec)
    *above, lowest = [_own_words(layer, name) for layer in layers]
    if not above:
        return lowest
    return replace(
        lowest, seasons=tuple(Season(*validity_of(layer), own) for layer, own in zip(layers, above, strict=False))
    )


def layers_of(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A version's own words and those that hold where they do not, the first that covers a date being right. The last always
    does.
    """
    own = {name: value for name, value in spec.items() if name != "otherwise"}
    return [own, *spec.get("otherwise", [])]


def validity_of(spec: Mapping[str, Any]) -> tuple[date, date]:
    """The first and the last local date on which a version's own words hold."""
    since, until = spec.get("valid_from"), spec.get("valid_until")
    return date.fromisoformat(since) if since else date.min, date.fromisoformat(until) if until else date.max


def _own_words(spec: Mapping[str, Any], name: str) -> Calendar:
    hours = {
        DAYS.index(day): tuple(Interval(minute_of(start), minute_of(end)) for start, end in shifts)
        for day, shifts in spec["weekly_hours"].items()
    }
    made_up = {day: DAYS.index(like) for day, like in working_days_of(spec).items()}
    return Calendar(spec["timezone"], hours, frozenset(holidays_of(spec)), made_up, name)


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


def _shipped(name: str) -> dict[str, Any]:
    return tomllib.loads(resources.files("helpdesk.sla").joinpath(f"data/{name}").read_text(encoding="utf-8"))


def shipped_policy() -> dict[str, Any]:
    return _shipped("default_policy.toml")
