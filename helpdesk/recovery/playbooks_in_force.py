"""Playbooks as they are used: compiled, immutable, and chosen by the facts of a case and the day (`kernel.in_force`).

**First match wins.** A playbook is for the cases for which its condition holds, on the days of its published version; the
default one is for everything, and where none is in force the shipped one is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from helpdesk.complaints import custom_field_queries, tag_names
from helpdesk.complaints.facts import CUSTOM
from helpdesk.kernel.errors import ValidationFailed
from helpdesk.kernel.expressions import ALWAYS, Expression, read
from helpdesk.kernel.facts import Facts, Vocabulary
from helpdesk.kernel.in_force import Kept, Known
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import playbook_queries, rule_facts
from helpdesk.recovery.case_facts import FACTS
from helpdesk.recovery.playbook_spec import Playbook, compiled, default_playbook

log = structlog.get_logger()
FailedBefore = Callable[[int], bool]
"""Whether the same issue failed before within so many days."""
_SETTLED: Final = frozenset(FACTS) | {"fault", "vulnerable", "price", "loss", "severity", "customer_tier"}
"""Facts that whoever asks for a suggestion has at hand."""


@dataclass(frozen=True, slots=True, eq=False)
class InForce:
    """One published version. `condition` None: for every case; `valid_until` None: until another one begins."""

    playbook_id: UUID
    number: int
    condition: Expression | None
    valid_from: date
    valid_until: date | None
    playbook: Playbook

    def is_for(self, values: Mapping[str, Any], day: date, failed: FailedBefore) -> bool:
        if day < self.valid_from or (self.valid_until is not None and day > self.valid_until):
            return False
        if self.condition is None:
            return True
        seen: dict[str, Any] = {"lost": self.playbook.lost_in(values)}
        if "repeat" in self.condition.fields:
            seen["repeat"] = failed(self.playbook.formula.repeat_within_days)
        return self.condition.holds(Facts({**values, **seen}))


@dataclass(frozen=True, slots=True, eq=False)
class Playbooks:
    """In their order. `wanted`: the facts that choosing among them and their rules take, beside those at hand."""

    items: tuple[InForce, ...]
    wanted: frozenset[str]

    def choose(self, values: Mapping[str, Any], day: date, failed: FailedBefore) -> tuple[UUID | None, Playbook]:
        """The playbook's id (None: the shipped one) and its version of that day. `values`: the facts by name; what an issue takes
        from the customer, and within how many days it is a repeat, each playbook says for itself.
        """
        for item in self.items:
            if item.is_for(values, day, failed):
                return item.playbook_id, item.playbook
        return None, default_playbook()


@dataclass(frozen=True, slots=True)
class _Signature:
    rows: tuple[Any, ...]
    own: tuple[Any, ...]
    tags: tuple[tuple[str, str], ...]
    asks_own: bool
    names: frozenset[str]


def _look(session: Session, known: Known[Playbooks] | None) -> Known[Playbooks]:
    rows = playbook_queries.signature(session)
    before = None if known is None else known.signature
    if known is not None and isinstance(before, _Signature) and before.rows == rows:
        own = _own(session, asked=before.asks_own)
        if (own, tag_names.signature(session, before.names)) == (before.own, before.tags):
            return known
    return as_written(session, rows)


def as_written(session: Session, rows: tuple[Any, ...] = ()) -> Known[Playbooks]:
    """As they stand in the session's own transaction."""
    found = playbook_queries.published(session)
    conditions = [condition for row in found for condition in _conditions(row)]
    names, asks_own = tag_names.asked(conditions), CUSTOM in str(conditions)
    own, tags = _own(session, asked=asks_own), tag_names.signature(session, names)
    vocabulary = vocabulary_of(session, own=asks_own, tags=tags)
    items = tuple(item for row in found if (item := _read(row, vocabulary)) is not None)
    asked = {name for item in items if item.condition is not None for name in item.condition.fields}
    wanted = {name for item in items for name in item.playbook.wanted} | asked
    return Known(_Signature(rows, own, tags, asks_own, names), Playbooks(items, frozenset(wanted - _SETTLED)))


def _own(session: Session, *, asked: bool) -> tuple[Any, ...]:
    return tuple(custom_field_queries.versions(session)) if asked else ()


def _conditions(row: Any) -> list[Any]:
    return [row.condition, *(rule["condition"] for rule in row.spec["rules"])]


def vocabulary_of(session: Session, *, own: bool, tags: tuple[tuple[str, str], ...] = ()) -> Vocabulary:
    """What kept conditions are read with."""
    known = rule_facts.vocabulary(session, rule_facts.OF_PLAYBOOKS) if own else rule_facts.OF_PLAYBOOKS
    return tag_names.knowing(known, tags)


def _read(row: Any, vocabulary: Vocabulary) -> InForce | None:
    """None where its condition asks for what is not known any more, which is logged: it is for nothing then."""
    condition: Expression | None = None
    if row.condition != ALWAYS:
        try:
            condition = read(row.condition, vocabulary, kept=True)
        except ValidationFailed as error:
            log.warning("playbook cannot be read", playbook=row.name, problems=[dict(item) for item in error.errors])
            return None
    playbook, unread = compiled(row.name, str(row.number), row.spec, vocabulary)
    if unread:
        log.warning("rules of a playbook cannot be read", playbook=row.name, rules=unread)
    return InForce(row.id, row.number, condition, row.valid_from, row.valid_until, playbook)


def trial(session: Session, playbook_id: UUID, name: str, number: int, spec: Mapping[str, Any]) -> Playbooks:
    """What would be in force if that version were, whatever its days. Raises `ValidationFailed` for a playbook whose condition
    cannot be read any more: for which cases it would be, nobody can say.
    """
    there = in_force(session)
    asked = [rule["condition"] for rule in spec["rules"]]
    tags = tag_names.signature(session, tag_names.asked(asked))
    book, _ = compiled(name, str(number), spec, vocabulary_of(session, own=CUSTOM in str(asked), tags=tags))
    shown = playbook_queries.playbook_detail(session, playbook_id)
    condition = None
    if shown["condition"] != ALWAYS:
        names = tag_names.signature(session, tag_names.asked([shown["condition"]]))
        known = vocabulary_of(session, own=CUSTOM in str(shown["condition"]), tags=names)
        condition = read(shown["condition"], known, kept=True)
    mine = InForce(playbook_id, number, condition, date.min, None, book)
    order = playbook_queries.ids_in_order(session)
    others: dict[UUID, list[InForce]] = {}
    for item in there.items:
        others.setdefault(item.playbook_id, []).append(item)
    items = [item for each in order for item in ([mine] if each == playbook_id else others.get(each, []))]
    wanted = there.wanted | (book.wanted | (condition.fields if condition is not None else frozenset())) - _SETTLED
    return Playbooks(tuple(items), frozenset(wanted))


_kept: Final = Kept(_look)


def in_force(session: Session) -> Playbooks:
    """A statement at most once a second."""
    return _kept.compared(session)


def changed(uow: UnitOfWork) -> None:
    """For whoever changes a playbook."""
    _kept.changed(uow)


def forget() -> None:
    """For tests, which put databases back under a process."""
    _kept.forget()
