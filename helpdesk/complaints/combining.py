"""What the surviving complaint is after others were merged into it, as arithmetic on facts: the worse severity, the higher
level, what one of them lacked from the other. Nothing here knows a row.

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
_MONEY: Final = ("price_minor", "loss_minor", "currency")
_TOGETHER: Final = (
    *((name,) for name in (*_LACKED, "severity", "escalation_level", "stage", "double_deviation")),
    _MONEY,
)
"""Fields that change together."""
_ONCE: Final = frozenset({"acknowledged_at"})
"""What nobody does again who has done it."""
COMBINED: Final = tuple(name for names in _TOGETHER for name in names)
"""The columns of a survivor that a merge may change. A source has the fact `judged` beside them: severity before triage is
a guess, and does not count against a judgement.
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
    if source["judged"]:
        found["severity"] = min(found["severity"], source["severity"])
    found["escalation_level"] = max(found["escalation_level"], source["escalation_level"])
    found["stage"] = max(found["stage"], source["stage"], key=STAGES.index)
    found["double_deviation"] = found["double_deviation"] or source["double_deviation"]
    return found


def without(done: Sequence[Combining], place: int, now: Facts) -> tuple[dict[str, Any], list[Combining]]:
    """The survivor's facts after the merge at `place` is undone, and the others as they then stand. `done`: all that were
    not undone, in their order; `now`: the survivor's facts as they are.
    """
    found = {name: now[name] for name in COMBINED}
    rest = [item for number, item in enumerate(done) if number != place]
    for names in _TOGETHER:
        _undo(names, done[place], rest, place, found)
    return found, rest


def _undo(names: Sequence[str], undone: Combining, rest: list[Combining], place: int, found: dict[str, Any]) -> None:
    """One group of fields: follow them from merge to merge, as far as nobody else has changed them, or it is known to what."""
    last, value, expected = undone, _of(undone.before, names), _of(undone.after, names)
    for number in range(place, len(rest) + 1):
        there = _of(found if number == len(rest) else rest[number].before, names)
        if last.since.keys() & set(names):
            value = _theirs(value, there, last.since)
        elif there != expected:
            return
        if number < len(rest):
            last = rest[number]
            expected = _of(last.after, names)
            before = {**last.before, **value}
            value = _of(_combined(before, last.source), names)
            rest[number] = replace(last, before=before, after={**last.after, **value})
    found.update(value)


def _theirs(value: Facts, there: Facts, since: Facts) -> dict[str, Any]:
    """`value`: what it would be had nobody done anything."""
    made = {name: since.get(name, there[name]) for name in there}
    return {name: value[name] if name in _ONCE and value[name] is not None else made[name] for name in made}


def _of(facts: Facts, names: Sequence[str]) -> dict[str, Any]:
    return {name: facts[name] for name in names}
