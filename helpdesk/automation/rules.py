"""Triggers in force, as this process knows them.

Each process keeps them and looks for others at most once a second, as it does with routing rules: so what happens to a
complaint costs no statement for triggers, and a change holds everywhere within a second.

**Order.** By position, then by age. For one event each trigger whose condition holds fires in a transaction of its own, and
the next one is asked about the complaint as that one left it.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from helpdesk.automation import facts, queries
from helpdesk.automation.actions import RIGHTS
from helpdesk.automation.timing import Timer
from helpdesk.complaints import custom_field_queries
from helpdesk.complaints.facts import CUSTOM
from helpdesk.identity.actors import Actor, automation_actor
from helpdesk.kernel.errors import ValidationFailed
from helpdesk.kernel.expressions import Expression, read
from helpdesk.kernel.facts import Vocabulary

log = structlog.get_logger()

LOOKED_FOR_AGAIN: Final = 1.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A trigger as it acts. `actions`: as they are written, checked when they were."""

    id: UUID
    version: int
    name: str
    created_at: datetime
    events: frozenset[str]
    timer: Timer | None
    condition: Expression
    told: frozenset[str]
    """Facts whose values the log may keep."""
    actions: Sequence[Mapping[str, Any]]
    stop_after: bool
    own_changes: bool
    imports: bool

    @property
    def actor(self) -> Actor:
        return automation_actor(self.id, self.name, RIGHTS)


@dataclass(frozen=True, slots=True)
class InForce:
    """`listening`: by type of event, in order."""

    listening: Mapping[str, tuple[Rule, ...]]
    timed: tuple[Rule, ...]


_NONE: Final = InForce({}, ())


@dataclass(slots=True)
class _Kept:
    looked_at: float
    signature: tuple[tuple[UUID, int], ...]
    """Of triggers, and of custom fields where any of them asks for one: of another type it is read otherwise."""
    found: InForce


_kept: dict[str, _Kept] = {}
_lock = threading.Lock()


def in_force(session: Session) -> InForce:
    """A statement at most once a second, and another where custom fields are asked for."""
    bind = session.get_bind()
    name = str((bind if isinstance(bind, Engine) else bind.engine).url)
    kept = _kept.get(name)
    if kept is not None and monotonic() < kept.looked_at + LOOKED_FOR_AGAIN:
        return kept.found
    looked_at = monotonic()
    rows = queries.triggers_in_force(session)
    asked_for_own = any(CUSTOM in str(row.spec["condition"]) for row in rows)
    own = custom_field_queries.versions(session) if asked_for_own else ()
    signature = (*((row.id, row.version) for row in rows), *own)
    if kept is None or kept.signature != signature:
        known = facts.vocabulary(session) if asked_for_own else facts.SHIPPED
        kept = _Kept(looked_at, signature, _sorted(_readable(rows, known)) if rows else _NONE)
    with _lock:
        kept.looked_at = looked_at
        _kept[name] = kept
    return kept.found


def forget() -> None:
    """Look again at once. For whoever has changed them, and for tests, which put databases back under a process."""
    _kept.clear()


def _readable(rows: Sequence[Any], known: Vocabulary) -> Iterable[Rule]:
    for row in rows:
        rule = rule_of(row, known)
        if rule is not None:
            yield rule


def can_be_read(condition: Any, known: Vocabulary) -> bool:
    try:
        read(condition, known, kept=True)
    except ValidationFailed:
        return False
    return True


def rule_of(row: Any, known: Vocabulary) -> Rule | None:
    """From a row; None where its condition asks for what is not known any more, which is logged."""
    try:
        condition = read(row.spec["condition"], known, kept=True)
    except ValidationFailed as error:
        log.warning("trigger cannot be read", trigger=str(row.id), problems=[dict(item) for item in error.errors])
        return None
    timer = row.spec["on"].get("time")
    return Rule(
        id=row.id,
        version=row.version,
        name=row.name,
        created_at=row.created_at,
        events=frozenset(row.spec["on"].get("events") or ()),
        timer=None if timer is None else Timer.of(timer),
        condition=condition,
        told=facts.tellable(condition.fields, known),
        actions=tuple(row.spec["actions"]),
        stop_after=row.spec["stop_after"],
        own_changes=row.spec["own_changes"],
        imports=row.spec.get("imports", False),  # an older release, which runs on while this one starts, writes none
    )


def _sorted(rules: Iterable[Rule]) -> InForce:
    listening: dict[str, list[Rule]] = {}
    timed = []
    for rule in rules:
        for name in rule.events:
            listening.setdefault(name, []).append(rule)
        if rule.timer is not None:
            timed.append(rule)
    return InForce({name: tuple(found) for name, found in listening.items()}, tuple(timed))
