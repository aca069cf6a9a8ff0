"""Clocks of complaints that were one with another, against what is left of that: no start that nobody brought, and no question waited
for where it does not stand.

Some hundreds of complaints at a time.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import Session, aliased

from helpdesk.complaints import merge_queries
from helpdesk.complaints.merge_models import Merge, MergedRow
from helpdesk.complaints.models import OPEN_STATES, Complaint, Message
from helpdesk.kernel.verification import Violation
from helpdesk.sla import (
    beginnings,
    meanwhile,
    queries,
    regime_brought_queries,
    regime_choosing,
    regime_queries,
    thread_queries,
)
from helpdesk.sla.models import Clock
from helpdesk.sla.revising import AT_RECEIPT, NEXT
from helpdesk.sla.rounds import Act, History, Joined, Parted, present_round

_TOGETHER: Final = 300
_EVER: Final = datetime.max.replace(tzinfo=UTC)


def starts_follow_from_merges(session: Session) -> Iterator[Violation]:
    """A clock of a survivor of merges that were undone, kept, broken or open, counts from its own start, or from one that a complaint
    brought which still goes on in it; one that goes on from a round before, from where that does. Not where part of the history was
    erased. What was cancelled has promised nothing, from whenever it counted.
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
    mine = (
        Clock.complaint_id.in_(complaint_ids),
        Clock.policy_id.is_not(None),
        Clock.kind.in_(AT_RECEIPT),
        Clock.state != "cancelled",
    )
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


def promises_follow_from_each_time(session: Session) -> Iterator[Violation]:
    """A clock that a merge had broken goes, since that was undone, by what its complaint was promised until it was broken by itself."""
    last: UUID | None = None
    while some := _survivors(session, last):
        last = some[-1].id
        histories = queries.histories(session, [row.id for row in some])
        for survivor in some:
            if survivor.id in histories:
                yield from _against_each_time(session, survivor, histories[survivor.id])
        session.expunge_all()


def _against_each_time(session: Session, survivor: Complaint, history: History) -> Iterator[Violation]:
    undone = sorted(merge_queries.undone_merges_into(session, survivor.id), key=lambda merge: merge.undone_at or _EVER)
    latest = {
        clock_id: (merge.undone_at, steps)
        for merge in undone
        for clock_id, steps in meanwhile.steps_of(session, merge.id, ended_only=True).items()
    }
    for clock_id, (undone_at, steps) in latest.items():
        clock = session.get(Clock, clock_id)
        since = None if clock is None else queries.went_by_since(session, clock)
        if clock is None or since is None or undone_at is None or since > undone_at:
            continue  # what it goes by since then is told by other checks
        round_ = present_round(history.of_round(clock.round))
        should, is_ = (
            meanwhile.gone_through(session, clock, steps, beginnings.of_clock(clock), round_),
            meanwhile.terms_of(clock),
        )
        if should is not None and not meanwhile.same(should, is_):
            detail = f"goes by {_terms_told(is_)} in round {clock.round}, should by {_terms_told(should)}"
            yield Violation("clock", f"{survivor.reference} {clock.kind}", detail)


def _terms_told(terms: meanwhile.Terms) -> str:
    return f"{terms['target_amount']} {terms['target_unit']} for {terms['severity']} of policy {terms['policy_id']}"


def questions_were_waited_for(session: Session) -> Iterator[Violation]:
    """What the survivor was asked while a question waited that went home since was waited for too."""
    for row in session.execute(_ASKED_BESIDE):
        history = queries.histories(session, [row.complaint_id]).get(row.complaint_id)
        if history is not None and _open_at(history, row.created_at):
            detail = f"nothing waited for the message {row.id}, which came beside one of a merge that was undone"
            yield Violation("clock", f"{row.reference} {NEXT}", detail)


def _open_at(history: History, at: datetime) -> bool:
    before = [act for act in history.happenings if isinstance(act, Act) and act.at <= at]
    return History(history.born, before).closed_at is None


_HOME, _OTHER = aliased(Clock), aliased(Clock)
_WENT_HOME: Final = Message.__table__.alias("went_home")
_ASKED_BESIDE: Final = (
    select(Message.id, Message.created_at, Message.complaint_id, Complaint.reference)
    .join(Complaint, Complaint.id == Message.complaint_id)
    .join(Merge, Merge.survivor_id == Message.complaint_id)
    .join(_HOME, _HOME.complaint_id == Merge.survivor_id)
    .join(_WENT_HOME, _WENT_HOME.c.id == _HOME.subject_id)
    .where(
        Message.kind == "inbound",
        Message.purpose != thread_queries.MERGED,
        Merge.undone_at.is_not(None),
        _WENT_HOME.c.complaint_id == Merge.source_id,
        and_(_HOME.kind == NEXT, _HOME.state == "cancelled"),
        # Taken back by undoing the merge: it had ended by itself otherwise.
        or_(_HOME.stopped_at == Merge.undone_at, _HOME.stopped_at == _HOME.started_at),
        Message.created_at >= Merge.merged_at,
        Message.created_at < Merge.undone_at,
        Message.created_at >= _HOME.started_at,
        ~exists().where(MergedRow.row_id == Message.id),
        ~exists().where(
            _OTHER.complaint_id == Message.complaint_id,
            _OTHER.kind == NEXT,
            _OTHER.id != _HOME.id,
            _OTHER.started_at <= Message.created_at,
            or_(_OTHER.stopped_at.is_(None), _OTHER.stopped_at >= Message.created_at),
        ),
    )
    .distinct()
)


CHECKS = (
    starts_follow_from_merges,
    questions_wait_where_they_stand,
    questions_were_waited_for,
    regulators_have_their_reason,
    promises_follow_from_each_time,
)
