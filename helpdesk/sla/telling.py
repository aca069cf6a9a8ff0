"""A clock's explanation in a sentence or a few, in the languages we have it in; the words are data (`data/explanations.json`)."""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from importlib import resources
from typing import Any, Final
from zoneinfo import ZoneInfo

from helpdesk.complaints.phrases import in_language
from helpdesk.sla import clock_terms
from helpdesk.sla.business_time import Target
from helpdesk.sla.models import Clock
from helpdesk.sla.regime_rules import notice_number

LANGUAGES: Final = ("en", "zh")
_BETWEEN: Final = {"en": " ", "zh": ""}
_PARTS: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


@lru_cache(maxsize=1)
def _phrases() -> dict[str, dict[str, str]]:
    text = resources.files("helpdesk.sla").joinpath("data/explanations.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def _said(name: str, language: str, /, **values: Any) -> str:
    return in_language(_phrases()[name], language).format(**values)


def told(found: Mapping[str, Any], language: str) -> str:
    """`found` as `explaining.explain` puts it together."""
    clock, zone = found["clock"], ZoneInfo(found["calendar"]["timezone"])
    whole_days, promised = found["whole_days"], found["promised"]
    values = {
        "kind": _kind(found, language),
        "amount": promised["amount"],
        "unit": _unit(promised["amount"], _unit_of(found), language),
        "start": _time(clock.started_at, zone),
        "due": _time(clock.due_at, zone),
        "stopped": _time(clock.stopped_at, zone),
        "since": _time(_last_pause(clock), zone),
        "calendar": found["calendar"]["name"],
        "zone": found["calendar"]["timezone"],
        "target": duration(found["target_seconds"], language, days=whole_days),
        "used": duration(found["used_seconds"], language, days=whole_days),
        "left": duration(abs(found["left_seconds"]), language, days=whole_days),
        "pauses": len(clock.pauses),
        "paused": duration(found["until_now"].seconds.paused, language),
    }
    said = [_said("promise_on_the_wall" if _on_the_wall(found) else "promise", language, **values)]
    said += _extended(found, language, zone)
    names = [*_made_by(found, values), *_reopened(found), *_joined(found)]
    names += ["pauses"] if clock.pausable and clock.pauses else []
    wait = _wait_over_due(clock)
    if wait is not None:
        names.append("due_in_wait")
        values |= {"wait_since": _time(wait[0], zone), "wait_until": _time(wait[1], zone)}
    said += [_said(name, language, **values) for name in [*names, _standing(found), *_not_moved(clock)]]
    return _BETWEEN[language].join(said)


def _on_the_wall(found: Mapping[str, Any]) -> bool:
    """Whether all time counts, open or not."""
    clock = found["clock"]
    return not Target(clock.target_amount, clock.target_unit).can_pause or _counts_every_minute(found)


def _counts_every_minute(found: Mapping[str, Any]) -> bool:
    """Of a regulator's hours and minutes."""
    return found["rule"] is not None and found["clock"].target_unit == "minutes"


def _unit_of(found: Mapping[str, Any]) -> str:
    unit = str(found["promised"]["unit"])
    return "elapsed_minutes" if unit == "minutes" and _counts_every_minute(found) else unit


def _extended(found: Mapping[str, Any], language: str, zone: ZoneInfo) -> list[str]:
    """A sentence for each notice, also for one that moved nothing."""
    said = []
    for item in found["extensions"]:
        given_at, amount = item["given_at"], item["amount"]
        values = {
            "added": item["added"],
            "extended": amount,
            "extended_unit": _unit(amount, _unit_of(found), language),
            "given": "" if given_at is None else f"{given_at.astimezone(zone):%Y-%m-%d}",
        }
        said.append(_said("extended" if given_at is not None else "extended_before", language, **values))
    void = (given_at.astimezone(zone) for given_at in found["void_notices"])
    return said + [_said("extended_by_none", language, given=f"{given_at:%Y-%m-%d}") for given_at in void]


def _made_by(found: Mapping[str, Any], values: dict[str, Any]) -> list[str]:
    """The phrase for who promises it; what it needs goes into `values`."""
    if found["rule"] is not None:
        rule = found["rule"]
        values.update({name: rule[name] for name in ("instrument", "stated", "review_by")})
        values["rule"], values["version"] = rule["id"], rule["version"]
        marks = {"by_default": rule["default"], "review_overdue": rule["review_overdue"]}
        return ["by_rule", *(name for name, holds in marks.items() if holds)]
    values.update({name: found["policy"][name] for name in ("name", "version", "severity")})
    return ["by_policy"]


def _reopened(found: Mapping[str, Any]) -> list[str]:
    clock = found["clock"]
    if clock.on_reopen is None:
        return []
    return [f"reopened_{clock.on_reopen}" + ("" if clock.pausable or clock.carried is None else "_whole")]


def _joined(found: Mapping[str, Any]) -> list[str]:
    if found["joined"] is None:
        return []
    return ["joined_whole" if found["joined"]["own_start"] is None else "joined"]


def _wait_over_due(clock: Clock) -> tuple[datetime, datetime] | None:
    """The wait in which its due time lies: in closed hours then, for of any others the wait would have put it off."""
    due = clock.due_at
    pairs = ((since, until) for since, until in clock_terms.ended_pauses(clock) if until is not None)
    return next((pair for pair in pairs if due is not None and pair[0] < due < pair[1]), None)


def _not_moved(clock: Clock) -> list[str]:
    """Of one that waits, and whose due time comes before the next opening."""
    has_none_left = clock.state == "paused" and clock.remaining_seconds == 0 and clock.target_unit == "business_days"
    return ["waits_past_hours"] if has_none_left else []


def _standing(found: Mapping[str, Any]) -> str:
    """The phrase for how it stands."""
    clock = found["clock"]
    if clock.state == "breached" and clock.stopped_at is not None:
        return "breached" if clock.elapsed_seconds is not None else "breached_ended"
    if clock.state == "breached":
        return "breached_open"
    if clock.state == "cancelled" and notice_number(clock.kind) is not None:
        return "notice_void"
    if clock.state == "running" and found["as_of"] > clock.due_at:
        return "breached_open"  # the alarm is yet to ring; the facts say it already
    return str(clock.state)


def _kind(found: Mapping[str, Any], language: str) -> str:
    """A promise that has no words of its own is called by its name."""
    rule, kind = found["rule"], found["clock"].kind
    called = kind if rule is None else str(rule["milestone"])
    name = f"kind_{kind}" if rule is None else f"milestone_{called}"
    told = _said(name, language) if name in _phrases() else called.replace("_", " ")
    number = None if rule is None else notice_number(kind)
    return told if number is None else _said("kind_notice", language, number=number, milestone=told)


def _unit(amount: int, unit: str, language: str) -> str:
    return _said(f"unit_{unit}" if amount != 1 else f"unit_{unit}_one", language)


def _last_pause(clock: Any) -> datetime | None:
    return datetime.fromisoformat(clock.pauses[-1][0]) if clock.pauses else None


def _time(at: datetime | None, zone: ZoneInfo) -> str:
    """On the wall where the calendar is; seconds only where there are any."""
    if at is None:
        return ""
    there = at.astimezone(zone)
    return f"{there:%Y-%m-%d %H:%M:%S}" if there.second else f"{there:%Y-%m-%d %H:%M}"


def duration(seconds: int, language: str, *, days: bool = False) -> str:
    """`7 h 30 min`; with `days` also those, of 24 hours. Nothing is `0 s`, or `0 d`."""
    parts = []
    for name, size in _PARTS if days else _PARTS[1:]:
        number, seconds = divmod(seconds, size)
        if number:
            parts.append(_said(f"span_{name}", language, number=number))
    return " ".join(parts) or _said("span_day" if days else "span_second", language, number=0)
