"""Triggers in force, as this process knows them.

Each process keeps them (`kernel.in_force`), so that what happens to a complaint costs no statement for triggers.

**Order.** By position, then by age. For one event each trigger whose condition holds fires in a transaction of its own, and
the next one is asked about the complaint as that one left it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from helpdesk.automation import facts, queries
from helpdesk.automation.actions import RIGHTS
from helpdesk.automation.timing import Timer
from helpdesk.complaints import facts as conditions
from helpdesk.identity.actors import Actor, automation_actor
from helpdesk.kernel.errors import ValidationFailed
from helpdesk.kernel.expressions import Expression, read
from helpdesk.kernel.facts import Vocabulary
from helpdesk.kernel.in_force import Kept, Known
from helpdesk.kernel.unit_of_work import UnitOfWork

log = structlog.get_logger()


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


def _look(session: Session, known: Known[InForce] | None) -> Known[InForce]:
    rows = queries.triggers_in_force(session)
    signature = conditions.signature_of(session, rows)
    if known is not None and known.signature == signature:
        return known
    words = signature.vocabulary(session, facts.SHIPPED, facts.vocabulary)
    return Known(signature, _sorted(_readable(rows, words)) if rows else _NONE)


_kept: Final = Kept(_look)


def in_force(session: Session) -> InForce:
    """A statement at most once a second, and another where custom fields are asked for."""
    return _kept.compared(session)


def changed(uow: UnitOfWork) -> None:
    """For whoever changes one."""
    _kept.changed(uow)


def look_again() -> None:
    """For whoever has changed them."""
    _kept.look_again()


def forget() -> None:
    """For tests, which put databases back under a process."""
    _kept.forget()


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
