"""What the thread says of answers: whether anybody has answered, and what waits for an answer."""

from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import and_, bindparam, select
from sqlalchemy.orm import Session

from helpdesk.complaints.models import NOTICES, Message

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
_ANSWER: Final = and_(
    _MESSAGE.kind == "public_reply",
    _MESSAGE.purpose.not_in(sorted(NO_ANSWER)),
    _MESSAGE.author_kind.in_(ANSWERING),
    _MESSAGE.created_at >= bindparam("since"),
)
_OF_COMPLAINT: Final = _MESSAGE.complaint_id == bindparam("complaint_id")
_LAST_ANSWER: Final = (
    select(_MESSAGE.id).where(_OF_COMPLAINT, _ANSWER).order_by(_MESSAGE.id.desc()).limit(1).scalar_subquery()
)
_UNANSWERED: Final = (
    select(_MESSAGE.id, _MESSAGE.created_at)
    .where(
        _OF_COMPLAINT,
        _MESSAGE.kind == "inbound",
        _MESSAGE.purpose != MERGED,
        _MESSAGE.created_at >= bindparam("since"),
        _LAST_ANSWER.is_(None) | (_MESSAGE.id > _LAST_ANSWER),
    )
    .order_by(_MESSAGE.id)
    .limit(1)
)
_ANSWERED: Final = select(_MESSAGE.id).where(_OF_COMPLAINT, _ANSWER).limit(1)


class Unanswered(NamedTuple):
    """A message of the complainant."""

    id: UUID
    at: datetime


def oldest_unanswered(session: Session, complaint_id: UUID, since: datetime) -> Unanswered | None:
    """Of those that came since then, after the last answer."""
    row = session.execute(_UNANSWERED, {"complaint_id": complaint_id, "since": since}).one_or_none()
    return None if row is None else Unanswered(row.id, row.created_at)


def is_answered(session: Session, complaint_id: UUID, since: datetime) -> bool:
    """Whether anybody has answered since then."""
    return session.execute(_ANSWERED, {"complaint_id": complaint_id, "since": since}).first() is not None
