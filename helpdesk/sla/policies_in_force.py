"""The policies in force, as this process knows them (`kernel.in_force`): what a new complaint is promised costs no statement for
what decides it, and a change of a policy or of a calendar holds for what begins after it, in every process.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import structlog
from sqlalchemy.orm import Session

from helpdesk.complaints import tag_names
from helpdesk.complaints.facts import signature_of
from helpdesk.kernel.errors import ValidationFailed
from helpdesk.kernel.expressions import ALWAYS, Expression, read
from helpdesk.kernel.facts import Vocabulary
from helpdesk.kernel.in_force import Kept, Known
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import policy_facts, policy_queries
from helpdesk.sla.calendar_spec import Calendar
from helpdesk.sla.errors import NoPolicy
from helpdesk.sla.policy_spec import TIER, Calendars, Policies, Policy, compiled_targets, day_of, remember
from helpdesk.sla.specs import calendar_of, compiled

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Signature:
    """`rows`: of policies, calendars and custom fields. `names`: of tags, in conditions; `tags`: what they mean."""

    rows: tuple[Any, ...]
    names: frozenset[str]
    tags: tuple[tuple[str, str], ...]


def _look(session: Session, known: Known[Policies] | None) -> Known[Policies]:
    rows = policy_queries.signature(session)
    before = None if known is None else known.signature
    if known is not None and isinstance(before, _Signature):
        now = replace(before, rows=rows, tags=tag_names.signature(session, before.names))
        if now == before:
            return known
    names = tag_names.asked(row.spec["condition"] for row in policy_queries.policies_in_force(session))
    return Known(_Signature(rows, names, tag_names.signature(session, names)), _all(session, compiled))


def as_written(session: Session) -> Policies:
    """As they stand in the session's own transaction, committed or not. Nothing of it is kept: what is rolled back was never."""
    return _all(session, lambda _id, _version, spec, name: calendar_of(spec, name), kept=False)


def as_of(session: Session, at: datetime) -> Policies:
    """Those of another time, on the calendars of now: for whoever asks which was for a complaint then."""
    return _compiled(session, policy_queries.policies_as_of(session, at), compiled, kept=False)


def _all(session: Session, compile_: Callable[[Any, int, Any, str], Calendar], *, kept: bool = True) -> Policies:
    return _compiled(session, policy_queries.policies_in_force(session), compile_, kept=kept)


def _compiled(
    session: Session, rows: Sequence[Any], compile_: Callable[[Any, int, Any, str], Calendar], *, kept: bool
) -> Policies:
    calendars: Calendars = {
        row.id: (row.version, compile_(row.id, row.version, row.spec, row.name))
        for row in policy_queries.calendars_in_force(session)
    }
    words = signature_of(session, rows).vocabulary(session, policy_facts.VOCABULARY, policy_facts.vocabulary)
    items = tuple(policy for row in rows if (policy := _read(row, calendars, words, kept=kept)) is not None)
    wanted = {name for policy in items if policy.condition is not None for name in policy.condition.fields}
    by_tier = any(policy.tiers for policy in items)
    return Policies(items, frozenset(wanted | {TIER} if by_tier else wanted), by_tier)


def _read(row: Any, calendars: Calendars, words: Vocabulary, *, kept: bool) -> Policy | None:
    """None where its condition asks for what is not known any more, which is logged: it is for nothing then."""
    condition: Expression | None = None
    if row.spec["condition"] != ALWAYS:
        try:
            condition = read(row.spec["condition"], words, kept=True)
        except ValidationFailed as error:
            log.warning("SLA policy cannot be read", policy=str(row.id), problems=[dict(item) for item in error.errors])
            return None
    if kept:
        remember(row.id, row.version, row.spec)
    targets, tiers = compiled_targets(row.spec, row.calendar_id, calendars)
    return Policy(
        id=row.id,
        version=row.version,
        name=row.name,
        is_default=row.is_default,
        calendar=calendars[row.calendar_id][1],
        targets=targets,
        tiers=tiers,
        condition=condition,
        valid_from=day_of(row.spec["valid_from"]),
        valid_until=day_of(row.spec["valid_until"]),
    )


_kept: Final = Kept(_look)


def in_force(session: Session) -> Policies:
    """In their order, the default last; a statement at most once a second. Raises `NoPolicy`."""
    found = _kept.compared(session)
    if not found.items or not found.items[-1].is_default:
        raise NoPolicy
    return found


def default_policy(session: Session) -> Policy:
    """Raises `NoPolicy`."""
    return in_force(session).default


def changed(uow: UnitOfWork) -> None:
    """For whoever changes a policy or a calendar."""
    _kept.changed(uow)


def forget() -> None:
    """For tests, which put databases back under a process."""
    _kept.forget()
