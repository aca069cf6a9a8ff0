"""What the thread says of answers: whether anybody has answered, and what waits for an answer."""

from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import and_, bindparam, exists, func, select, tuple_
from sqlalchemy.orm import Session

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
_UNANSWERED: Final = (
    select(_MESSAGE.id, _MESSAGE.created_at)
    .where(
        _MESSAGE.complaint_id == bindparam("complaint_id"),
        _MESSAGE.kind == "inbound",
        _MESSAGE.purpose != MERGED,
        _MESSAGE.created_at >= bindparam("since"),
        ~exists().where(_ANSWER, _AFTER),
    )
    .order_by(_MESSAGE.created_at, _MESSAGE.id)
    .limit(1)
)
_LAST_OF_WHOLE: Final = select(func.max(_REPLY.created_at)).where(
    _REPLY.complaint_id == bindparam("whole"), _BY_ANYBODY, _REPLY.created_at <= bindparam("split_at")
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
    given = {"complaint_id": complaint_id, "both": _both(complaint_id, beside), "since": since}
    row = session.execute(_UNANSWERED, given).one_or_none()
    return None if row is None else Unanswered(row.id, row.created_at)


def is_answered(session: Session, complaint_id: UUID, since: datetime, *, beside: UUID | None = None) -> bool:
    """Whether anybody has answered since then; `beside`: as above."""
    given = {"both": _both(complaint_id, beside), "since": since}
    return session.execute(_ANSWERED, given).first() is not None


def answered_before_split(session: Session, complaint_id: UUID, since: datetime) -> datetime | None:
    """Of a part: when the complaint that it comes from was last answered before the split, since then; None of what is no part. That
    answer is one to what went over, wherever it stands.
    """
    found, split = list[datetime](), queries.split_of(session, complaint_id)
    while split is not None:
        whole, split_at = split
        given = {"whole": whole, "since": since, "split_at": split_at}
        last = session.execute(_LAST_OF_WHOLE, given).scalar_one()
        found += [] if last is None else [last]
        split = queries.split_of(session, whole)
    return max(found, default=None)


def _both(complaint_id: UUID, beside: UUID | None) -> list[UUID]:
    return [complaint_id] if beside is None else [complaint_id, beside]


def written_at(session: Session, message_id: UUID | None) -> datetime | None:
    """None where there is no such message any more."""
    return session.execute(select(_MESSAGE.created_at).where(_MESSAGE.id == message_id)).scalar_one_or_none()
