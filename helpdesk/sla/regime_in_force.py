"""The rules in force with their calendars, as this process knows them (`kernel.in_force`), and every rule in any version."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy.orm import Session

from helpdesk.kernel.in_force import Kept, Known
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import regime_queries
from helpdesk.sla.calendar_spec import Calendar
from helpdesk.sla.regime_counting import Working
from helpdesk.sla.regime_rules import Rule, compiled
from helpdesk.sla.specs import calendar_of
from helpdesk.sla.specs import compiled as compiled_calendar


@dataclass(frozen=True, slots=True, eq=False)
class Regimes:
    """`rules`: the current version of each, by its name; `calendars`: by their codes. Equal to itself only: a quick key."""

    rules: Mapping[str, Rule]
    calendars: Mapping[str, Working]

    def for_complaint(self, jurisdiction: str | None, sector: str | None) -> tuple[Rule, ...]:
        """In the order of their names, also those that are switched off."""
        return _for_complaint(self, jurisdiction, sector)


@lru_cache(maxsize=256)
def _for_complaint(regimes: Regimes, jurisdiction: str | None, sector: str | None) -> tuple[Rule, ...]:
    """Kept: the thousands of an import are of few sectors."""
    return tuple(rule for rule in regimes.rules.values() if rule.is_for(jurisdiction, sector))


def _look(session: Session, known: Known[Regimes] | None) -> Known[Regimes]:
    signature = regime_queries.signature(session)
    if known is not None and known.signature == signature:
        return known
    return Known(signature, _all(session, compiled_calendar))


def as_written(session: Session) -> Regimes:
    """As they stand in the session's own transaction, committed or not. Nothing of it is kept: what is rolled back was never."""
    return _all(session, lambda _id, _version, spec, name: calendar_of(spec, name))


def _all(session: Session, compile_: Callable[[Any, int, Any, str], Calendar]) -> Regimes:
    rules = {row.id: compiled(row.id, row.version, row.spec) for row in regime_queries.current_rules(session)}
    calendars = {
        row.code: Working(row.id, row.version, compile_(row.id, row.version, row.spec, row.name))
        for row in regime_queries.regime_calendars(session)
    }
    return Regimes(rules, calendars)


_kept: Final = Kept(_look)
_versions: dict[tuple[str, int], Rule] = {}


def in_force(session: Session) -> Regimes:
    """A statement at most once a second, and two more after a change."""
    return _kept.compared(session)


def rule_version(session: Session, rule_id: str, version: int) -> Rule:
    """Any version of a rule: the one that made a clock. Raises `NotFound`."""
    key = (rule_id, version)
    if key not in _versions:  # a version never changes
        _versions[key] = compiled(rule_id, version, regime_queries.rule_spec(session, rule_id, version))
    return _versions[key]


def changed(uow: UnitOfWork) -> None:
    """For whoever changes a rule, or a calendar of theirs."""
    _kept.changed(uow)


def forget() -> None:
    """For tests, which put databases back under a process."""
    _kept.forget()
    _versions.clear()
