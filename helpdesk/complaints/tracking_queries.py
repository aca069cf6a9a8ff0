"""Selects of what a complainant sees of their own complaint, and of what opens it."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, case, func, or_, select
from sqlalchemy.orm import Session, aliased

from helpdesk.complaints.lifecycle import CLOSED
from helpdesk.complaints.models import Complaint, Message, Person, TransitionRow
from helpdesk.identity.actors import Actor
from helpdesk.identity.models import Agent, Team
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.pagination import Listed, Order, Page, listed

_COMPLAINT: Final = Complaint.__table__.c
_MESSAGE: Final = Message.__table__.c
_STEP: Final = TransitionRow.__table__.c

_GOES_ON: Final = aliased(Complaint.__table__)
_SECRET: Final = select(
    _COMPLAINT.id,
    func.coalesce(_COMPLAINT.merged_into_id, _COMPLAINT.id).label("goes_on_id"),
    and_(_GOES_ON.c.customer_id.is_not(None), _GOES_ON.c.customer_id != _COMPLAINT.customer_id).label("of_another"),
    _COMPLAINT.reference,
    _COMPLAINT.language,
    _COMPLAINT.tracking_number,
    _COMPLAINT.tracking_hash,
    func.now().label("seen_at"),
).outerjoin_from(Complaint.__table__, _GOES_ON, _GOES_ON.c.id == _COMPLAINT.merged_into_id)
_SECRET_BY_ID: Final = _SECRET.where(_COMPLAINT.id == bindparam("named"))
_SECRET_BY_REFERENCE: Final = _SECRET.where(_COMPLAINT.reference == bindparam("named"))


def secret_of(session: Session, complaint_id: UUID) -> Any:
    """`reference`, `language`, `tracking_number`, `tracking_hash`; for the program itself: no visibility."""
    return session.execute(_SECRET_BY_ID, {"named": complaint_id}).one()


def opened(session: Session, complaint_id: UUID) -> Any:
    """The same, and `seen_at`: the moment; None for a complaint that is gone. `goes_on_id`: the complaint in which a merged
    one goes on, else its own; `of_another`: that one is another customer's.
    """
    return session.execute(_SECRET_BY_ID, {"named": complaint_id}).one_or_none()


def secret_by_reference(session: Session, reference: str) -> Any:
    """The same by reference, None for an unknown one."""
    return session.execute(_SECRET_BY_REFERENCE, {"named": reference}).one_or_none()


def _first_name(name: ColumnElement[str]) -> ColumnElement[str]:
    return func.split_part(name, " ", 1)


_SEEN: Final = (
    select(
        _COMPLAINT.reference,
        _COMPLAINT.record_type,
        _COMPLAINT.subject,
        _COMPLAINT.description,
        _COMPLAINT.language,
        _COMPLAINT.status,
        _COMPLAINT.waiting_on,
        _COMPLAINT.outcome,
        _COMPLAINT.received_at,
        _COMPLAINT.acknowledged_at,
        _COMPLAINT.resolved_at,
        _first_name(Agent.__table__.c.name).label("first_name"),
        Team.__table__.c.name.label("team"),
        select(func.max(_STEP.at))
        .where(_STEP.complaint_id == _COMPLAINT.id, _STEP.to_status.in_(CLOSED), _STEP.from_status.not_in(CLOSED))
        .scalar_subquery()
        .label("closed_at"),
        func.now().label("seen_at"),
    )
    .outerjoin(Agent.__table__, Agent.__table__.c.id == _COMPLAINT.assignee_id)
    .outerjoin(Team.__table__, Team.__table__.c.id == _COMPLAINT.team_id)
    .where(_COMPLAINT.id == bindparam("complaint_id"))
)


def seen(session: Session, actor: Actor) -> dict[str, Any]:
    """The complaint that the actor's session is for. `closed_at`: when it was last decided or given up, None while it
    never was.
    """
    row = session.execute(_SEEN, {"complaint_id": actor.id}).mappings().one_or_none()
    if row is None:
        raise NotFound
    return dict(row)


_GIVEN: Final = ("name", "email", "phone", "language", "region", "postcode")
_COMPLAINANT: Final = (
    select(*(Person.__table__.c[name] for name in _GIVEN))
    .where(Person.complaint_id == bindparam("complaint_id"), Person.role == "complainant")
    .order_by(Person.id)
    .limit(1)
)


def complainant_as_given(session: Session, complaint_id: UUID) -> dict[str, Any]:
    """What is known of the complainant, as intake takes it."""
    row = session.execute(_COMPLAINANT, {"complaint_id": complaint_id}).mappings().one_or_none()
    return {name: value for name, value in (row or {}).items() if value is not None}


def closed_at(session: Session, complaint_id: UUID) -> datetime | None:
    found: datetime | None = session.execute(
        select(func.max(_STEP.at)).where(
            _STEP.complaint_id == complaint_id, _STEP.to_status.in_(CLOSED), _STEP.from_status.not_in(CLOSED)
        )
    ).scalar_one()
    return found


_OURS: Final = _MESSAGE.kind == "public_reply"
_OF_THE_PEOPLE: Final = (
    select(Person.id)
    .where(Person.complaint_id == _MESSAGE.complaint_id, func.lower(Person.email) == func.lower(_MESSAGE.sender_email))
    .exists()
)
_THEIRS: Final = and_(_MESSAGE.kind == "inbound", or_(_MESSAGE.sender_email.is_(None), _OF_THE_PEOPLE))
"""What somebody else wrote (a carrier who was asked) came in as well, and is not theirs to read."""

_THREAD: Final = (
    select(
        _MESSAGE.id,
        case((_OURS, "us"), else_="you").label("written_by"),
        _first_name(Agent.__table__.c.name).label("first_name"),
        Team.__table__.c.name.label("team"),
        _MESSAGE.purpose,
        _MESSAGE.body,
        _MESSAGE.html.label("body_html"),
        (_MESSAGE.redactions > 0).label("redacted"),
        _MESSAGE.created_at,
    )
    .join(Complaint.__table__, _COMPLAINT.id == _MESSAGE.complaint_id)
    .outerjoin(
        Agent.__table__, and_(Agent.__table__.c.id == _MESSAGE.author_id, _MESSAGE.author_kind == "agent", _OURS)
    )
    .outerjoin(Team.__table__, and_(Team.__table__.c.id == _COMPLAINT.team_id, _OURS))
    .where(or_(_OURS, _THEIRS))
)
_BY_TIME: Final = Order((_MESSAGE.id,), (UUID,))


def thread(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Listed:
    """What was said between them and us, oldest first; never what was noted among ourselves."""
    return listed(session, page, _THREAD.where(_MESSAGE.complaint_id == actor.id), _BY_TIME, given)


def entry(session: Session, actor: Actor, message_id: UUID) -> dict[str, Any]:
    """One of the thread, for whoever has just written it."""
    # Not by the complaint: it may have been merged in the very moment before, and then it was written where that goes on.
    of_theirs = _THREAD.where(_MESSAGE.author_id == actor.id, _MESSAGE.id == message_id)
    return dict(session.execute(of_theirs).mappings().one())
