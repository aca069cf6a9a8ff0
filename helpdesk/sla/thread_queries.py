"""What the thread says of answers: whether anybody has answered, and what waits for an answer.

What was answered while a complaint was one with another is answered in both, wherever the answer stands now: in the complaint that a
part was split off from, before that; in the one that a duplicate was merged into, until that was undone.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import and_, bindparam, exists, select, tuple_
from sqlalchemy.orm import Session

from helpdesk.complaints import merge_queries
from helpdesk.complaints.models import NOTICES, Message
from helpdesk.sla import queries

ACKNOWLEDGEMENT: Final = "acknowledgement"
"""The purpose of a message that says no more than that something has come in: it answers nothing."""
NO_ANSWER: Final = NOTICES | {ACKNOWLEDGEMENT}
"""Purposes of public messages that answer nothing, whoever's act sent them."""
ANSWERING: Final = ("agent", "integration")
"""Kinds of actors whose public replies are answers: somebody has written them, be it in another system. What a rule or the system
sends by itself is none."""

MERGED: Final = "merged_complaint"
"""The purpose of a message that repeats a duplicate: what the first response is for."""

_MESSAGE: Final = Message.__table__.c
_REPLY: Final = Message.__table__.alias("reply").c
_BY_ANYBODY: Final = and_(
    _REPLY.kind == "public_reply",
    _REPLY.purpose.not_in(sorted(NO_ANSWER)),
    _REPLY.author_kind.in_(ANSWERING),
    _REPLY.created_at >= bindparam("since"),
)
_ANSWER: Final = and_(_REPLY.complaint_id.in_(bindparam("both", expanding=True)), _BY_ANYBODY)
_AFTER: Final = tuple_(_REPLY.created_at, _REPLY.id) > tuple_(_MESSAGE.created_at, _MESSAGE.id)
"""By their times first: a copy has an id of its own."""
_ASKED: Final = (
    select(_MESSAGE.id, _MESSAGE.created_at)
    .where(
        _MESSAGE.complaint_id == bindparam("complaint_id"),
        _MESSAGE.kind == "inbound",
        _MESSAGE.purpose != MERGED,
        _MESSAGE.created_at >= bindparam("since"),
    )
    .order_by(_MESSAGE.created_at, _MESSAGE.id)
)
_UNANSWERED: Final = _ASKED.where(~exists().where(_ANSWER, _AFTER)).limit(1)
_WAITED: Final = _ASKED.where(
    _MESSAGE.created_at < bindparam("at"), ~exists().where(_ANSWER, _AFTER, _REPLY.created_at < bindparam("at"))
).limit(1)
_OF_OTHER: Final = (
    select(_REPLY.created_at)
    .where(_REPLY.complaint_id == bindparam("other"), _BY_ANYBODY, _REPLY.created_at <= bindparam("until"))
    .order_by(_REPLY.created_at)
)
_ANSWERED: Final = select(_REPLY.id).where(_ANSWER).limit(1)


class Unanswered(NamedTuple):
    """A message of the complainant."""

    id: UUID
    at: datetime


def oldest_unanswered(
    session: Session, complaint_id: UUID, since: datetime, *, beside: UUID | None = None
) -> Unanswered | None:
    """Of those that came since then, after the last answer. `beside`: another complaint whose answers are answers here too: they were
    one until now.
    """
    both = _both(complaint_id, beside)
    elsewhere = [at for each in both for at in answers_elsewhere(session, each, since)]
    given = {"complaint_id": complaint_id, "both": both, "since": max(elsewhere, default=since)}
    row = session.execute(_UNANSWERED, given).one_or_none()
    return None if row is None else Unanswered(row.id, row.created_at)


def waited_at(session: Session, complaint_id: UUID, since: datetime, at: datetime) -> Unanswered | None:
    """`oldest_unanswered` as it was just before then, of what stands in its thread now."""
    elsewhere = [each for each in answers_elsewhere(session, complaint_id, since) if each < at]
    given = {"complaint_id": complaint_id, "both": [complaint_id], "since": max(elsewhere, default=since), "at": at}
    row = session.execute(_WAITED, given).one_or_none()
    return None if row is None else Unanswered(row.id, row.created_at)


def is_answered(session: Session, complaint_id: UUID, since: datetime, *, beside: UUID | None = None) -> bool:
    """Whether anybody has answered since then; `beside`: as above."""
    both = _both(complaint_id, beside)
    if session.execute(_ANSWERED, {"both": both, "since": since}).first() is not None:
        return True
    return any(answers_elsewhere(session, each, since) for each in both)


def answers_elsewhere(session: Session, complaint_id: UUID, since: datetime) -> list[datetime]:
    """When it was answered since then in complaints that it was one with, the earliest first."""
    found, ahead = list[datetime](), _one_with(session, complaint_id, since, None)
    while ahead:
        other, start, until = ahead.pop()
        found += session.scalars(_OF_OTHER, {"other": other, "since": start, "until": until})
        ahead += _one_with(session, other, start, until)
    return sorted(found)


def _one_with(
    session: Session, complaint_id: UUID, since: datetime, until: datetime | None
) -> list[tuple[UUID, datetime, datetime]]:
    """The complaints that it was a part of, or went on in, with the time of that in those bounds. Each step goes back in time, so that
    there is an end to it.
    """
    split = queries.split_of(session, complaint_id)
    whole = [] if split is None else [(split[0], since, split[1])]
    merges = merge_queries.undone_merges_of(session, complaint_id)
    others = [(merge.survivor_id, max(since, merge.merged_at), merge.undone_at or merge.merged_at) for merge in merges]
    bounded = ((other, start, end if until is None else min(end, until)) for other, start, end in [*whole, *others])
    return [(other, start, end) for other, start, end in bounded if start < end]


def standing_in(session: Session, message_ids: Collection[UUID | None], complaint_id: UUID) -> set[UUID]:
    """Of these messages those that stand in its thread."""
    here = select(_MESSAGE.id).where(_MESSAGE.id.in_(message_ids), _MESSAGE.complaint_id == complaint_id)
    return set(session.scalars(here)) if message_ids else set()


def asked_since(session: Session, complaint_id: UUID, since: datetime) -> list[Unanswered]:
    """What the complainant has written in its thread since then, answered or not, the oldest first."""
    rows = session.execute(_ASKED, {"complaint_id": complaint_id, "since": since})
    return [Unanswered(row.id, row.created_at) for row in rows]


def _both(complaint_id: UUID, beside: UUID | None) -> list[UUID]:
    return [complaint_id] if beside is None else [complaint_id, beside]


def written_at(session: Session, message_id: UUID | None) -> datetime | None:
    """None where there is no such message any more."""
    return session.execute(select(_MESSAGE.created_at).where(_MESSAGE.id == message_id)).scalar_one_or_none()
