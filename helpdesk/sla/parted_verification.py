"""Clocks of complaints that were one with another, against what is left of that: no start that nobody brought, and no question waited
for where it does not stand.

Some hundreds of complaints at a time.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import Session

from helpdesk.complaints import merge_queries
from helpdesk.complaints.merge_models import Merge
from helpdesk.complaints.models import OPEN_STATES, Complaint, Message
from helpdesk.kernel.verification import Violation
from helpdesk.sla import beginnings, queries, regime_brought_queries, regime_choosing, regime_queries
from helpdesk.sla.models import Clock
from helpdesk.sla.revising import AT_RECEIPT, NEXT
from helpdesk.sla.rounds import History, Joined, Parted, present_round

_TOGETHER: Final = 300


def starts_follow_from_merges(session: Session) -> Iterator[Violation]:
    """A clock of a survivor of merges that were undone, ended or not, counts from its own start, or from one that a complaint brought
    which still goes on in it; one that goes on from a round before, from where that does. Not where part of the history was erased.
    """
    last: UUID | None = None
    while some := _survivors(session, last):
        last = some[-1].id
        references = {row.id: row.reference for row in some}
        histories = queries.histories(session, list(references))
        for clock in _of_receipt(session, list(histories)):
            wrong = _against_what_is_left(session, clock, histories[clock.complaint_id])
            if wrong is not None:
                yield Violation("clock", f"{references[clock.complaint_id]} {clock.kind}", wrong)
        session.expunge_all()


def _survivors(session: Session, after: UUID | None) -> Sequence[Complaint]:
    parted = exists().where(Merge.survivor_id == Complaint.id, Merge.undone_at.is_not(None))
    statement = select(Complaint).where(parted)
    following = statement if after is None else statement.where(Complaint.id > after)
    return session.scalars(following.order_by(Complaint.id).limit(_TOGETHER)).all()


def _of_receipt(session: Session, complaint_ids: Sequence[UUID]) -> Sequence[Clock]:
    mine = Clock.complaint_id.in_(complaint_ids), Clock.policy_id.is_not(None), Clock.kind.in_(AT_RECEIPT)
    return session.scalars(select(Clock).where(*mine).order_by(Clock.complaint_id, Clock.round, Clock.id)).all()


def _against_what_is_left(session: Session, clock: Clock, history: History) -> str | None:
    noted = beginnings.moved(session, clock.complaint_id).get(clock.id)
    if clock.carried is None:
        brought = [] if noted is None else [each.at for each in noted.theirs]
        may = {at.replace(microsecond=0) for at in (*_beginnings(history, clock.round), *brought)}
        return None if clock.started_at in may else _told(clock, min(may))
    before = queries.clocks_before(session, clock)[:1] if noted is None else ()
    return next((_told(clock, each.started_at) for each in before if each.started_at != clock.started_at), None)


def _told(clock: Clock, should: datetime) -> str:
    return f"began at {clock.started_at.isoformat()} in round {clock.round}, should have at {should.isoformat()}"


def _beginnings(history: History, number: int) -> Iterator[datetime]:
    """When the round began, and that of each complaint that was merged into it then and still is."""
    whole = history.of_round(number)
    yield present_round(whole.joined_by(())).began
    latest = {each.source_id: each for each in history.happenings if isinstance(each, Joined | Parted)}
    for each in whole.happenings[len(history.of_round(number - 1).happenings) if number > 1 else 0 :]:
        if isinstance(each, Joined) and latest[each.source_id] is each:
            yield each.round.began


def questions_wait_where_they_stand(session: Session) -> Iterator[Violation]:
    """What is owed an answer, or was not answered in time, is a message of the complaint's own thread."""
    present = and_(Clock.round == Complaint.reopened_count + 1, Complaint.status.in_(OPEN_STATES))
    statement = (
        select(Complaint.reference, Clock.kind, Clock.state, Message.id)
        .join(Complaint, Complaint.id == Clock.complaint_id)
        .join(Message, Message.id == Clock.subject_id)
        .where(
            Clock.kind == NEXT,
            Message.complaint_id != Clock.complaint_id,
            Complaint.merged_into_id.is_(None),
            Clock.state != "cancelled",
            Clock.elapsed_seconds.is_(None),
            or_(Clock.stopped_at.is_(None), present),
        )
    )
    for row in session.execute(statement):
        detail = f"is {row.state}, but the message {row.id} stands in another complaint"
        yield Violation("clock", f"{row.reference} {row.kind}", detail)


def regulators_have_their_reason(session: Session) -> Iterator[Violation]:
    """A regulator's clock that only a merge had started is gone with it, also where it was kept. By what is known of the complaint and of
    those that go on in it; what was kept before the merge stays.
    """
    last: UUID | None = None
    while some := _survivors(session, last):
        last = some[-1].id
        now = queries.clock_time(session)
        for survivor in some:
            undone = merge_queries.undone_merges_into(session, survivor.id)
            brought = {
                clock_id for merge in undone for clock_id in regime_brought_queries.brought_by(session, merge.id)
            }
            kept = regime_brought_queries.kept_among(session, brought)
            if kept:
                sources = regime_choosing.sources_of(session, survivor)
                known = regime_queries.known_of(session, survivor, sources)
                latest = {clock.kind: clock for clock in kept}
                judged = regime_choosing.judged_of(session, survivor, latest, known, now, sources=sources)
                reasons = {verdict.rule.id for verdict in judged if verdict.applies and verdict.starts_at is not None}
                for clock in kept:
                    if clock.kind not in reasons:
                        detail = f"is {clock.state}, but a merge that was undone had started it, and nothing else does"
                        yield Violation("clock", f"{survivor.reference} {clock.kind}", detail)
        session.expunge_all()


CHECKS = (starts_follow_from_merges, questions_wait_where_they_stand, regulators_have_their_reason)
