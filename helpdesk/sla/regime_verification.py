"""What must hold of every regulator's clock, beside what holds of all clocks (`verification`)."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.kernel.verification import Violation
from helpdesk.sla import clock_terms, queries, regime_clocks, regime_held_queries, regime_in_force, regime_queries
from helpdesk.sla.models import Clock
from helpdesk.sla.regime_choosing import GONE, Verdict, judged_of
from helpdesk.sla.regime_counting import Working, count
from helpdesk.sla.regime_limits import uncomputable
from helpdesk.sla.regime_rules import Rule, counting, notice_kind

_TOGETHER: Final = 300


def rules_are_kept_in_every_version(session: Session) -> Iterator[Violation]:
    """The version of the rule that made a clock can be read."""
    for row in regime_queries.clocks_without_their_rule(session):
        detail = f"was made by version {row.rule_version} of {row.rule_id}, which is not kept"
        yield Violation("regime", f"clock {row.id}", detail)


def targets_follow_from_rules(session: Session) -> Iterator[Violation]:
    """An open clock counts what its version of the rule says, moved as often as notices have moved it."""
    gone = {row.id for row in regime_queries.clocks_without_their_rule(session)}
    for clock in regime_queries.open_rule_clocks(session):
        if clock.id in gone or clock.rule_id is None or clock.rule_version is None:
            continue
        rule = regime_in_force.rule_version(session, clock.rule_id, clock.rule_version)
        expected = None if rule.counting is not None else _amount(session, rule, clock)
        if expected is not None and expected != clock.target_amount:
            detail = f"counts {clock.target_amount} {clock.target_unit}, but its rule gives {expected}"
            yield Violation("regime", f"clock {clock.id}", detail)


def _amount(session: Session, rule: Rule, clock: Clock) -> int:
    """-1 where the rule does not allow that many extensions."""
    if clock.extensions > len(rule.extensions):
        return -1
    amount = int(regime_clocks.counted_first(session, clock).target.amount)
    for step in rule.extensions[: clock.extensions]:
        amount = step.amount(amount)
    return amount


def rules_can_be_counted(session: Session) -> Iterator[Violation]:
    """A rule that starts clocks can compute them."""
    regimes, now = regime_in_force.in_force(session), queries.clock_time(session)
    for rule in regimes.rules.values():
        why = None if rule.off is not None else uncomputable(rule, now, regimes.calendars)
        if why is not None:
            yield Violation("regime", f"rule {rule.id}", f"starts no clocks: {why}")


def ends_follow_from_facts(session: Session) -> Iterator[Violation]:
    """A clock of the present round counts from the fact that starts it, moved by the notices that came in time by that, and stopped at
    the first of the facts that stop it, or runs where there is none. Some hundreds of complaints at a time; not those that were merged,
    which share their facts, or of which something was erased.
    """
    unreadable = {row.id for row in regime_queries.clocks_without_their_rule(session)}
    now = queries.clock_time(session)
    last: UUID | None = None
    while some := regime_held_queries.regulated(session, GONE, last, _TOGETHER):
        last = some[-1].id
        known = regime_held_queries.known_of_each(session, [complaint.id for complaint in some])
        clocks = regime_held_queries.rule_clocks(session, list(known))
        notices = regime_held_queries.notices_of_each(session, list(known))
        for complaint in some:
            mine = {clock.kind: clock for clock in clocks.get(complaint.id, ()) if clock.id not in unreadable}
            if mine:
                judged = judged_of(session, complaint, mine, known[complaint.id], now)
                yield from _against_their_facts(complaint, judged, mine)
                yield from _against_their_notices(session, mine, notices.get(complaint.id, {}))
        session.expunge_all()


def _against_their_facts(
    complaint: Complaint, judged: Iterable[Verdict], clocks: Mapping[str, Clock]
) -> Iterator[Violation]:
    for verdict in judged:
        clock = clocks.get(verdict.rule.id)
        if clock is None or not verdict.applies:
            continue
        if clock.round <= complaint.reopened_count:
            yield from _against_going_on(clock, verdict)
            continue
        if clock.stopped_at is not None and clock.elapsed_seconds is None:
            yield from _against_being_owed(clock, verdict)
            continue  # nothing was owed any more
        start = None if verdict.starts_at is None else verdict.starts_at.replace(microsecond=0)
        if start is not None and clock.started_at != start:
            detail = f"counts from {clock.started_at.isoformat()}, but its facts start it at {start.isoformat()}"
            yield Violation("regime", f"clock {clock.id}", detail)
        if verdict.starts_at is not None and clock.stopped_at != verdict.stops_at:
            is_ = "not stopped" if clock.stopped_at is None else f"stopped at {clock.stopped_at.isoformat()}"
            stop = verdict.stops_at
            should = "no fact stops it" if stop is None else f"its facts stop it at {stop.isoformat()}"
            yield Violation("regime", f"clock {clock.id}", f"is {is_}, but {should}")


def _against_going_on(clock: Clock, verdict: Verdict) -> Iterator[Violation]:
    """What was not done in an earlier round, and there is a reason for, counts on in the present one."""
    if verdict.starts_at is not None and clock.stopped_at is not None and clock.elapsed_seconds is None:
        detail = f"was cut off in round {clock.round}, and does not go on in the present one"
        yield Violation("regime", f"clock {clock.id}", detail)


def _against_being_owed(clock: Clock, verdict: Verdict) -> Iterator[Violation]:
    """One that there was a reason for, and that was cancelled after its time, was broken."""
    stopped_at, due_at = clock.stopped_at, clock.due_at
    late = stopped_at is not None and due_at is not None and stopped_at > due_at
    if clock.state == "cancelled" and late and verdict.starts_at is not None:
        detail = f"is cancelled, but was stopped at {stopped_at}, and due at {due_at}"
        yield Violation("regime", f"clock {clock.id}", detail)


def _against_their_notices(
    session: Session, clocks: Mapping[str, Clock], notices: Mapping[str, Mapping[int, datetime]]
) -> Iterator[Violation]:
    """By the days of the calendar version that the clock counts on."""
    for kind, given in notices.items():
        clock = clocks.get(kind)
        if clock is None or clock.state == "cancelled":
            continue
        rule = regime_clocks.rule_of(session, clock)
        known = dict(regime_in_force.in_force(session).calendars)
        if rule.calendar is not None and clock.calendar_id is not None and clock.calendar_version is not None:
            days = clock_terms.calendar_of(session, clock)
            known[rule.calendar] = Working(clock.calendar_id, clock.calendar_version, days)
        counted = count(rule, clock.started_at, clock.timezone or "UTC", known)
        number, _ = regime_clocks.extended(rule, counted, clock.started_at, given)
        if clock.extensions != number:
            detail = f"is extended by {clock.extensions} notices, but {number} came in time"
            yield Violation("regime", f"clock {clock.id}", detail)
        for place in given:
            letter = clocks.get(notice_kind(kind, place))
            should = "met" if place in counting(given, clock.extensions) else "cancelled"
            if letter is not None and letter.state != should:
                yield Violation("regime", f"clock {letter.id}", f"is {letter.state}, but its notice makes it {should}")


CHECKS = (rules_are_kept_in_every_version, targets_follow_from_rules, rules_can_be_counted, ends_follow_from_facts)
