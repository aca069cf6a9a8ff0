"""What the surviving complaint is after others were merged into it, as arithmetic on facts: the worse severity, the higher
level, the larger loss, what one of them lacked from the other. Nothing here knows a row.

Every merge keeps what its source brought, and what it made of the survivor. So undoing one of several puts back no old
values: it combines anew, from what was before it, those merges that stay, and the order in which merges are undone makes
no difference. What somebody changed in between is theirs, and stays; so is what they said again, which no comparison shows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

Facts = Mapping[str, Any]
"""By the complaint's own column names, JSON-safe: money as minor units with its currency, times as RFC 3339 text."""

STAGES: Final = ("1", "2", "external")
_LACKED: Final = ("customer_id", "language", "jurisdiction", "sector", "acknowledged_at")
_AMOUNTS: Final = ("price_minor", "loss_minor")
_MONEY: Final = ("currency", *_AMOUNTS)
_ONCE: Final = frozenset({"acknowledged_at"})
"""What nobody does again who has done it."""
COMBINED: Final = (*_LACKED, "severity", "escalation_level", "stage", "double_deviation", *_MONEY)
"""The columns of a survivor that a merge may change; the currency before the amounts that are in it. A source has the fact
`judged` beside them: severity before triage is a guess, and does not count against a judgement.
"""


@dataclass(frozen=True, slots=True)
class Combining:
    """What one merge did to the survivor's facts."""

    source: Facts
    before: Facts
    after: Facts
    since: Facts = field(default_factory=dict)
    """What somebody made of some of them after it, and before the next one: as it is without the one that is being undone."""


def combine(survivor: Facts, source: Facts) -> Combining:
    before = {name: survivor[name] for name in COMBINED}
    return Combining(source, before, _combined(before, source))


def _combined(survivor: Facts, source: Facts) -> dict[str, Any]:
    found = dict(survivor)
    for name in _LACKED:
        if found[name] is None:
            found[name] = source[name]
    if found["currency"] is None:
        found.update({name: source[name] for name in _MONEY})
    elif found["currency"] == source["currency"]:
        found.update({name: source[name] for name in _AMOUNTS if found[name] is None})
        found["loss_minor"] = max(found["loss_minor"], source["loss_minor"], key=_lost)
    if source["judged"]:
        found["severity"] = min(found["severity"], source["severity"])
    found["escalation_level"] = max(found["escalation_level"], source["escalation_level"])
    found["stage"] = max(found["stage"], source["stage"], key=STAGES.index)
    found["double_deviation"] = found["double_deviation"] or source["double_deviation"]
    return found


def _lost(minor: int | None) -> int:
    """One matter is told twice: the larger loss is that of both, and neither complaint's is lost."""
    return -1 if minor is None else minor


def without(done: Sequence[Combining], place: int, now: Facts) -> tuple[dict[str, Any], list[Combining]]:
    """The survivor's facts after the merge at `place` is undone, and the others as they then stand. `done`: all that were
    not undone, in their order; `now`: the survivor's facts as they are.
    """
    found = {name: now[name] for name in COMBINED}
    rest = [item for number, item in enumerate(done) if number != place]
    for name in COMBINED:
        _undo(name, done[place], rest, place, found)
    if any(found[name] is not None for name in _AMOUNTS):
        found["currency"] = found["currency"] or now["currency"]
    return found, rest


def _undo(name: str, undone: Combining, rest: list[Combining], place: int, found: dict[str, Any]) -> None:
    """One field: follow it from merge to merge, as far as nobody else has changed it, or it is known to what."""
    last, value, expected = undone, undone.before[name], undone.after[name]
    for number in range(place, len(rest) + 1):
        facts = found if number == len(rest) else rest[number].before
        since = _said(last.since, facts)
        if name in since:
            value = value if name in _ONCE and value is not None else since[name]
        elif facts[name] != expected:
            return
        if number < len(rest):
            last = rest[number]
            expected = last.after[name]
            before = {**last.before, name: value}
            value = _combined(before, last.source)[name]
            rest[number] = replace(last, before=before, after={**last.after, name: value})
    found[name] = value


def _said(since: Facts, there: Facts) -> Facts:
    """Who says an amount says its currency."""
    amounts = any(since.get(name) is not None for name in _AMOUNTS)
    return {"currency": there["currency"], **since} if amounts else since
