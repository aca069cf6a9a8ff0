"""Every open clock, recomputed from the facts: the version of the policy or rule that made it, the version of the calendar, and the
history of its complaint. Each difference is named by the complaint's reference and the kind of promise, with what is and what should be.

A few hundred complaints at a time, so that any number of them takes the memory of those.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.verification import Violation
from helpdesk.sla import (
    carried_verification,
    clock_terms,
    ladders,
    owed_verification,
    parted_verification,
    policy_queries,
    queries,
    regime_clocks,
    regime_in_force,
)
from helpdesk.sla.ladder import BREACHED, moment
from helpdesk.sla.models import Clock
from helpdesk.sla.policy_spec import terms_of, written_target
from helpdesk.sla.regime_counting import ELAPSED_OR_BUSINESS_DAY, Working, count
from helpdesk.sla.rounds import Round, present_round

_TOGETHER: Final = 500
_FROM_THE_ROUND: Final = frozenset({"acknowledge", "investigate", "resolve"})
"""Kinds that begin when the round does; answers begin with a message, remedies with an offer, and a regulator's where its
rule says.
"""


@dataclass(frozen=True, slots=True)
class _Held:
    """An open clock with what it is held against. `round`: None where part of the history was erased."""

    clock: Clock
    reference: str
    severity: str
    round: Round | None
    now: datetime


def clocks_follow_from_facts(session: Session) -> Iterator[Violation]:
    """What an open clock promises, since when, how much of it is left and when it rings are what the facts say."""
    versions: dict[tuple[UUID, int], tuple[UUID, Mapping[str, Any]]] = {}
    for held in _open(session):
        for what in _differences(session, held, versions):
            yield Violation("clock", f"{held.reference} {held.clock.kind}", what)


def _open(session: Session) -> Iterator[_Held]:
    now, last = queries.clock_time(session), None
    while True:
        some = select(Clock.complaint_id).where(Clock.stopped_at.is_(None)).distinct()
        some = some if last is None else some.where(Clock.complaint_id > last)
        ids: Sequence[UUID] = session.scalars(some.order_by(Clock.complaint_id).limit(_TOGETHER)).all()
        if not ids:
            return
        rounds = {complaint_id: present_round(told) for complaint_id, told in queries.histories(session, ids).items()}
        rows = session.execute(
            select(Clock, Complaint.reference, Complaint.severity)
            .join(Complaint, Complaint.id == Clock.complaint_id)
            .where(Clock.complaint_id.in_(ids), Clock.stopped_at.is_(None))
            .order_by(Clock.complaint_id, Clock.id)
        )
        for clock, reference, severity in rows:
            yield _Held(clock, reference, severity, rounds.get(clock.complaint_id), now)
        session.expunge_all()
        last = ids[-1]


def _differences(session: Session, held: _Held, versions: dict[tuple[UUID, int], Any]) -> Iterator[str]:
    clock = held.clock
    try:
        clock_terms.calendar_of(session, clock)
    except LookupError as error:
        yield str(error)
        return
    if clock.policy_id is not None and clock.policy_version is not None:
        key = (clock.policy_id, clock.policy_version)
        if key not in versions:
            row = policy_queries.version_spec(session, *key)
            versions[key] = (row.calendar_id, row.spec)
        yield from _against_the_policy(clock, *versions[key])
    if clock.rule_id is not None:
        yield from _against_the_rule(session, clock)
    if clock.state not in {"running", "paused"}:
        yield from _against_the_alarm(session, clock)
        return  # a promise that was broken stays the one that was made
    if clock.policy_id is not None:
        if clock.severity != held.severity:
            yield f"is for severity {clock.severity}, should be for {held.severity}"
        yield from _against_the_history(session, held)
    yield from _against_the_alarm(session, clock)


def _against_the_policy(clock: Clock, calendar_id: UUID, spec: Mapping[str, Any]) -> Iterator[str]:
    written = written_target(spec, clock.kind, clock.severity, clock.tier)
    if written is None:
        yield f"is promised, but version {clock.policy_version} of its policy promises nothing of the kind for {clock.severity}"
        return
    terms = terms_of(written)
    if clock_terms.target_of(clock) != terms.target:
        is_, should = clock_terms.target_of(clock), terms.target
        yield f"has {is_.amount} {is_.unit}, should have {should.amount} {should.unit}"
    pausable = terms.conventions.pausable and terms.target.can_pause
    if clock.pausable != pausable:
        yield f"is {'' if clock.pausable else 'not '}pausable, should {'' if pausable else 'not '}be"
    kept = clock_terms.conventions_of(clock)
    for name in ("boundary", "business_day", "calendar_day"):
        if getattr(kept, name) != getattr(terms.conventions, name):
            yield f"has {name} {getattr(kept, name)}, should have {getattr(terms.conventions, name)}"
    if clock.calendar_id != (terms.calendar_id or calendar_id):
        yield f"counts on calendar {clock.calendar_id}, should on {terms.calendar_id or calendar_id}"


def _against_the_rule(session: Session, clock: Clock) -> Iterator[str]:
    """A regulator's, as its rule counts from its start; what notices extended is another matter, and so are hours that a day off
    makes days: which days are off may be known otherwise by now.
    """
    try:
        rule = regime_clocks.rule_of(session, clock)
    except NotFound:
        yield f"was made by version {clock.rule_version} of the rule {clock.rule_id}, which is not there"
        return
    if clock.extensions or rule.counting == ELAPSED_OR_BUSINESS_DAY:
        return
    known = dict(regime_in_force.in_force(session).calendars)
    if rule.calendar is not None and clock.calendar_id is not None and clock.calendar_version is not None:
        known[rule.calendar] = Working(
            clock.calendar_id, clock.calendar_version, clock_terms.calendar_of(session, clock)
        )
    try:
        should = count(rule, clock.started_at, clock.timezone or "UTC", known)
    except LookupError as error:
        yield str(error)
        return
    if clock_terms.target_of(clock) != should.target:
        is_ = clock_terms.target_of(clock)
        yield f"has {is_.amount} {is_.unit}, should have {should.target.amount} {should.target.unit}"
    if (clock.calendar_id is None) != (should.working is None):
        yield f"counts {'every day' if clock.calendar_id is None else 'working days'}, should the other"


def _against_the_history(session: Session, held: _Held) -> Iterator[str]:
    """Of what is not due yet: what is, and has not rung, is about to be another."""
    clock, present = held.clock, held.round
    if present is None or (clock.due_at is not None and clock.due_at <= held.now):
        return
    began = present.began.replace(microsecond=0)
    if clock.carried is not None:
        yield from carried_verification.against_the_rounds_before(session, clock)
    elif clock.kind in _FROM_THE_ROUND and clock.started_at != began:
        yield f"began at {_told(clock.started_at)}, should have at {_told(began)}"
        return
    promise = clock_terms.promise_of(session, clock)
    waits = [*clock_terms.carried_by(clock), *present.waits]
    should = clock_terms.standing(promise, clock.started_at, waits=waits, now=held.now)
    if should["due_at"] is not None and should["due_at"] <= held.now:
        return
    if clock.state != should["state"]:
        yield f"is {clock.state}, should be {should['state']}"
    elif clock.due_at != should["due_at"]:
        yield f"is due at {_told(clock.due_at)}, should be at {_told(should['due_at'])}"
    elif clock.remaining_seconds != should["remaining_seconds"]:
        yield f"has {clock.remaining_seconds} business seconds left, should have {should['remaining_seconds']}"


def _against_the_alarm(session: Session, clock: Clock) -> Iterator[str]:
    """It rings at a rung of its ladder, when the facts say that it comes there."""
    if clock.due_at is None or clock.state == "paused":
        return
    rung = clock.next_rung
    if rung is None:
        if clock.state == "running":
            yield "runs, but will never ring"
        return
    if rung != BREACHED and rung not in ladders.places(session, clock):
        yield f"rings for {rung}, which is no rung of its ladder"
        return
    pauses = [pause for pause in clock_terms.pauses_of(clock) if pause[1] is not None] if clock.pausable else []
    at = moment(clock_terms.calendar_of(session, clock), (clock.started_at, clock.due_at), pauses, rung)
    if clock.next_alarm_at != at:
        yield f"rings for {rung} at {_told(clock.next_alarm_at)}, should at {_told(at)}"


def _told(at: datetime | None) -> str:
    return "no time" if at is None else at.isoformat()


CHECKS = (clocks_follow_from_facts, *owed_verification.CHECKS, *parted_verification.CHECKS)
