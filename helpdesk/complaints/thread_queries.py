"""Every select on the thread: messages, with what became of their mail."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, case, func, select
from sqlalchemy.orm import Session

from helpdesk.complaints.attachment_queries import of_message
from helpdesk.complaints.models import Complaint, Message
from helpdesk.complaints.queries import visible_id
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.mail import OutboundMail, state_of
from helpdesk.kernel.pagination import AnySelect, Listed, Order, Page, listed

_WRITTEN, _POSTED = Message.__table__.c, OutboundMail.__table__.c
_SHOWN: Final[AnySelect] = select(
    _WRITTEN.id,
    _WRITTEN.complaint_id,
    _WRITTEN.kind,
    _WRITTEN.purpose,
    _WRITTEN.channel,
    _WRITTEN.author_kind,
    _WRITTEN.author_id,
    _WRITTEN.body,
    _WRITTEN.html.label("body_html"),
    _WRITTEN.in_reply_to,
    _WRITTEN.mentions,
    _WRITTEN.sender_name,
    _WRITTEN.sender_email,
    _WRITTEN.redactions,
    _WRITTEN.redacted_at,
    _WRITTEN.redacted_whole,
    _WRITTEN.created_at,
    _WRITTEN.mail_id,
    _POSTED.recipient,
    _POSTED.sent_at,
    _POSTED.failed_at,
    _POSTED.cancelled_at,
    _POSTED.failure,
    of_message(_WRITTEN.id, "id", "name", "type", "size", "scan", "internal"),
).outerjoin(OutboundMail.__table__, _POSTED.id == _WRITTEN.mail_id)
_ONE: Final = _SHOWN.where(_WRITTEN.id == bindparam("message_id"))
_ONE_OF: Final = _ONE.where(_WRITTEN.complaint_id == bindparam("complaint_id"))
_ORDERS: Final = {
    "created_at": Order((_WRITTEN.id,), (UUID,)),
    "-created_at": Order((_WRITTEN.id,), (UUID,), descending=True),
}
SORTS: Final = tuple(_ORDERS)
"""By the id, which grows with the time and is unique."""


def shown(row: Any) -> dict[str, Any]:
    """A message as it is answered; `row`: a mapping with the columns of a message and its mail."""
    answer = dict(row)
    name, email = answer.pop("sender_name"), answer.pop("sender_email")
    answer["sender"] = {"name": name, "email": email} if name or email else None
    recipient, reason, sent_at = answer.pop("recipient"), answer.pop("failure"), answer.pop("sent_at")
    state = state_of(sent_at=sent_at, cancelled_at=answer.pop("cancelled_at"), failed_at=answer.pop("failed_at"))
    answer["delivery"] = None
    if answer.pop("mail_id") is not None:
        answer["delivery"] = {"state": state, "recipient": recipient, "sent_at": sent_at, "reason": reason}
    count, at, whole = (answer.pop(key) for key in ("redactions", "redacted_at", "redacted_whole"))
    answer["redacted"] = {"at": at, "whole": whole, "times": count} if count else None
    return answer


_OF_MAIL: Final = (
    select(
        _POSTED.reason,
        _POSTED.subject_id,
        Complaint.id.label("complaint_id"),
        _WRITTEN.id.label("message_id"),
        case((_WRITTEN.author_kind == "agent", _WRITTEN.author_id)).label("author_id"),
    )
    .outerjoin(Message.__table__, _WRITTEN.mail_id == _POSTED.id)
    .outerjoin(Complaint, Complaint.id == func.coalesce(_WRITTEN.complaint_id, _POSTED.subject_id))
    .where(_POSTED.id == bindparam("mail_id"))
)


def of_mail(session: Session, mail_id: UUID) -> Any:
    """`reason` and `subject_id` of a mail, the complaint that it is about (None where that is something else), and its
    `message_id` and `author_id`, where it is in a thread and an agent wrote it.
    """
    return session.execute(_OF_MAIL, {"mail_id": mail_id}).one()


def message(session: Session, message_id: UUID) -> dict[str, Any]:
    """One entry of a thread, for whoever has just written it: no visibility."""
    return shown(session.execute(_ONE, {"message_id": message_id}).mappings().one())


def messages(session: Session, message_ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """`message` of several, in the order of the thread."""
    if not message_ids:
        return []
    rows = session.execute(_SHOWN.where(_WRITTEN.id.in_(message_ids)).order_by(_WRITTEN.id)).mappings()
    return [shown(row) for row in rows]


_LAST: Final = (
    select(_WRITTEN.id).where(_WRITTEN.complaint_id == bindparam("complaint_id")).order_by(_WRITTEN.id.desc()).limit(1)
)


def last_message_id(session: Session, complaint_id: UUID) -> UUID | None:
    found: UUID | None = session.execute(_LAST, {"complaint_id": complaint_id}).scalar_one_or_none()
    return found


def messages_after(session: Session, complaint_id: UUID, message_id: UUID | None, limit: int) -> Sequence[Any]:
    """What was said after a message (None: from the beginning): id, kind, author and time, oldest first."""
    later = select(_WRITTEN.id, _WRITTEN.kind, _WRITTEN.author_kind, _WRITTEN.author_id, _WRITTEN.created_at).where(
        _WRITTEN.complaint_id == complaint_id
    )
    if message_id is not None:
        later = later.where(_WRITTEN.id > message_id)
    return session.execute(later.order_by(_WRITTEN.id).limit(limit)).all()


def message_of(session: Session, actor: Actor, ref: str, message_id: UUID) -> dict[str, Any]:
    """Raises `NotFound`, also for a message of another complaint."""
    named = {"message_id": message_id, "complaint_id": visible_id(session, actor, ref)}
    row = session.execute(_ONE_OF, named).mappings().one_or_none()
    if row is None:
        raise NotFound
    return shown(row)


def list_messages(session: Session, actor: Actor, page: Page, given: dict[str, Any], ref: str) -> Listed:
    statement = _SHOWN.where(_WRITTEN.complaint_id == visible_id(session, actor, ref))
    rows, cursor, total = listed(session, page, statement, _ORDERS[given["sort"]], given)
    return [shown(row) for row in rows], cursor, total


def belongs(session: Session, complaint_id: UUID, message_id: UUID) -> bool:
    """Whether the message is of the complaint's thread."""
    found = select(_WRITTEN.id).where(_WRITTEN.id == message_id, _WRITTEN.complaint_id == complaint_id)
    return session.execute(found).first() is not None
