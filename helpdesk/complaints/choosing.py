"""Who takes a complaint: pure. From those who might, with what is known of each, to one of them or nobody, and for every
one of them why, or why not.

Every strategy ends with the agent's id, so that the same facts always give the same answer.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

STRATEGIES: Final = ("least_loaded", "round_robin", "longest_idle", "queue_only")
LEVELS: Final = ("basic", "good", "native")
"""How well somebody knows a language, the least first."""

_NEVER: Final = datetime(1, 1, 1, tzinfo=UTC)

CANNOT: Final = "may_not_handle"
SUBJECT: Final = "complaint_is_about_them"
AWAY: Final = "away"
ABSENT: Final = "out_of_office"
OFF_HOURS: Final = "outside_working_hours"
UNSKILLED: Final = "skill_missing"
FULL: Final = "at_capacity"
INACTIVE: Final = "not_active"
REASONS: Final = (CANNOT, SUBJECT, AWAY, ABSENT, OFF_HOURS, UNSKILLED, FULL, INACTIVE)
"""Why somebody was not taken."""


@dataclass(frozen=True, slots=True)
class Handler:
    """An active agent as one who might take a complaint. `load`: what their open complaints weigh, without this one.

    `newest_open`: when they were given the newest of those; `last_given`: when they were given the newest of all that are
    still theirs, closed ones too.
    """

    id: UUID
    may_handle: bool = True
    is_subject: bool = False
    away: bool = False
    absent: bool = False
    off_hours: bool = False
    abilities: frozenset[str] = frozenset()
    capacity: int | None = None
    weights: Mapping[str, int] = field(default_factory=dict)
    load: int = 0
    newest_open: datetime | None = None
    last_given: datetime | None = None
    substitute_id: UUID | None = None

    def weight(self, severity: str) -> int:
        return self.weights.get(severity, 1)

    def has_room(self, severity: str) -> bool:
        return self.capacity is None or self.load + self.weight(severity) <= self.capacity

    def unready(self) -> list[str]:
        """Why they take nothing at the moment, whatever it is."""
        told = ((AWAY, self.away), (ABSENT, self.absent), (OFF_HOURS, self.off_hours))
        return [reason for reason, holds in told if holds]

    def reasons(self, severity: str, required: Sequence[str]) -> list[str]:
        """Why not this one; empty: they can take it."""
        told = ((CANNOT, not self.may_handle), (SUBJECT, self.is_subject))
        found = [reason for reason, holds in told if holds] + self.unready()
        if not self.abilities.issuperset(required):
            found.append(UNSKILLED)
        if not self.has_room(severity):
            found.append(FULL)
        return found


def abilities(skills: Sequence[str], languages: Sequence[Mapping[str, str]]) -> frozenset[str]:
    """Skills as they are, and languages as what `language_skill` asks for: somebody native in `zh-CN` has `lang:zh:basic`,
    `lang:zh:good` and `lang:zh:native`.
    """
    found = set(skills)
    for language in languages:
        known = LEVELS[: LEVELS.index(language["level"]) + 1]
        found |= {language_skill(language["tag"], level) for level in known}
    return frozenset(found)


def language_skill(tag: str, level: str) -> str:
    """By the primary subtag: who writes `zh-CN` is understood by whoever knows `zh`."""
    return f"lang:{primary(tag)}:{level}"


def primary(tag: str) -> str:
    return tag.partition("-")[0].lower()


@dataclass(frozen=True, slots=True)
class Choice:
    taken: Handler | None
    candidates: list[dict[str, Any]]
    """`{agent_id, taken, reasons, load, capacity}` of each, the taken one first, then those who could, then the others."""


def choose(handlers: Sequence[Handler], strategy: str, severity: str, required: Sequence[str]) -> Choice:
    reasons = {handler.id: handler.reasons(severity, required) for handler in handlers}
    ready = [handler for handler in handlers if not reasons[handler.id]]
    order = _ORDERS[strategy]
    taken = min(ready, key=order, default=None)
    shown = sorted(handlers, key=lambda handler: (handler is not taken, bool(reasons[handler.id]), *order(handler)))
    return Choice(taken, [_candidate(handler, reasons[handler.id], handler is taken) for handler in shown])


def _candidate(handler: Handler, reasons: list[str], taken: bool) -> dict[str, Any]:
    return {
        "agent_id": handler.id,
        "taken": taken,
        "reasons": reasons,
        "load": handler.load,
        "capacity": handler.capacity,
    }


def _by_load(handler: Handler) -> tuple[Any, ...]:
    return handler.load, handler.last_given or _NEVER, handler.id


def _by_turn(handler: Handler) -> tuple[Any, ...]:
    return handler.last_given or _NEVER, handler.id


def _by_idleness(handler: Handler) -> tuple[Any, ...]:
    busy = handler.newest_open is not None
    return busy, handler.newest_open or handler.last_given or _NEVER, handler.id


_ORDERS: Final[Mapping[str, Callable[[Handler], tuple[Any, ...]]]] = {
    "least_loaded": _by_load,
    "round_robin": _by_turn,
    "longest_idle": _by_idleness,
}
"""`least_loaded`: whose open complaints weigh least. `round_robin`: whose turn was longest ago. `longest_idle`: first those
with nothing open, then whose newest open one is oldest.
"""
