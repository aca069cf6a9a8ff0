"""Selects of what a complainant sees of their own complaint, and of what opens it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, case, func, or_, select
from sqlalchemy.orm import Session

from helpdesk.complaints.attachment_queries import of_message, open_to
from helpdesk.complaints.lifecycle import CLOSED
from helpdesk.complaints.models import Complaint, Message, Person, TransitionRow
from helpdesk.complaints.sharing_queries import brought_by_others, of_the_complainant, theirs_beside
from helpdesk.identity.actors import Actor
from helpdesk.identity.models import Agent, Team
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.in_force import REVISION
from helpdesk.kernel.pagination import Listed, Order, Page, listed

_COMPLAINT: Final = Complaint.__table__.c
_MESSAGE: Final = Message.__table__.c
_STEP: Final = TransitionRow.__table__.c

_SECRET: Final = select(
    _COMPLAINT.id,
    _COMPLAINT.merged_into_id,
    func.coalesce(_COMPLAINT.merged_into_id, _COMPLAINT.id).label("goes_on_id"),
    _COMPLAINT.reference,
    _COMPLAINT.language,
    _COMPLAINT.tracking_number,
    _COMPLAINT.tracking_hash,
    func.now().label("seen_at"),
    REVISION.label("revision"),
)
_SECRET_BY_ID: Final = _SECRET.where(_COMPLAINT.id == bindparam("named"))
_SECRET_BY_REFERENCE: Final = _SECRET.where(_COMPLAINT.reference == bindparam("named"))


def secret_of(session: Session, complaint_id: UUID) -> Any:
    """`reference`, `language`, `tracking_number`, `tracking_hash`; for the program itself: no visibility."""
    return session.execute(_SECRET_BY_ID, {"named": complaint_id}).one()


def references_of(session: Session, ids: Sequence[UUID]) -> dict[UUID, str]:
    """For the program itself: no visibility."""
    found = select(_COMPLAINT.id, _COMPLAINT.reference).where(_COMPLAINT.id.in_(ids))
    return {row.id: row.reference for row in session.execute(found)}


def opened(session: Session, complaint_id: UUID) -> Any:
    """The same, and `seen_at`: the moment; None for a complaint that is gone. `goes_on_id`: the complaint in which a merged
    one goes on, else its own.
    """
    return session.execute(_SECRET_BY_ID, {"named": complaint_id}).one_or_none()


def secret_by_reference(session: Session, reference: str) -> Any:
    """The same by reference, None for an unknown one."""
    return session.execute(_SECRET_BY_REFERENCE, {"named": reference}).one_or_none()


def _first_name(name: ColumnElement[str]) -> ColumnElement[str]:
    return func.split_part(name, " ", 1)


_WRITER: Final = (
    select(_first_name(Agent.__table__.c.name).label("first_name"), Team.__table__.c.name.label("team"))
    .select_from(Agent.__table__)
    .join(Complaint.__table__, _COMPLAINT.id == bindparam("complaint_id"))
    .outerjoin(Team.__table__, Team.__table__.c.id == _COMPLAINT.team_id)
    .where(Agent.__table__.c.id == bindparam("agent_id"))
)


def writer(session: Session, agent_id: UUID, complaint_id: UUID) -> Any:
    """`first_name` of an agent who wrote about a complaint, and its `team`; None where either is gone."""
    return session.execute(_WRITER, {"agent_id": agent_id, "complaint_id": complaint_id}).one_or_none()


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
    never was. Of one that goes on in another person's: how that stands, and else what they know.
    """
    row = session.execute(_SEEN, {"complaint_id": actor.id}).mappings().one_or_none()
    if row is None:
        raise NotFound
    if actor.beside_id is None:
        return dict(row)
    known = session.execute(_SEEN, {"complaint_id": actor.beside_id}).mappings().one()
    return dict(row) | {name: known[name] for name in _THEIR_OWN}


_THEIR_OWN: Final = (
    "reference",
    "record_type",
    "subject",
    "description",
    "language",
    "received_at",
    "acknowledged_at",
)


_GIVEN: Final = ("name", "email", "phone", "language", "region", "postcode")
_COMPLAINANT: Final = (
    select(*(Person.__table__.c[name] for name in _GIVEN))
    .where(Person.complaint_id == bindparam("complaint_id"), Person.role == "complainant")
    .order_by(Person.id)
    .limit(1)
)


_BROUGHT_ALONG: Final = (
    select(Person.name, Person.email)
    .where(Person.role == "complainant", theirs_beside(Person.id, bindparam("source_id")))
    .order_by(Person.id)
    .limit(1)
)


def complainant_as_given(session: Session, complaint_id: UUID) -> dict[str, Any]:
    """What is known of the complainant, as intake takes it."""
    row = session.execute(_COMPLAINANT, {"complaint_id": complaint_id}).mappings().one_or_none()
    return {name: value for name, value in (row or {}).items() if value is not None}


def complainant_of_merged(session: Session, source_id: UUID) -> dict[str, Any]:
    """The complainant whom a complaint brought along when it was merged, as they are known by now; empty where they were on
    the other before.
    """
    row = session.execute(_BROUGHT_ALONG, {"source_id": source_id}).mappings().first()
    return {} if row is None else dict(row)


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
    .where(
        Person.complaint_id == _MESSAGE.complaint_id,
        func.lower(Person.email) == func.lower(_MESSAGE.sender_email),
        ~brought_by_others(Person.id),
    )
    .exists()
)
_INBOUND: Final = _MESSAGE.kind == "inbound"
_THEIRS: Final = and_(_INBOUND, or_(_MESSAGE.sender_email.is_(None), _OF_THE_PEOPLE))
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
        _COMPLAINT.record_type,
    )
    .join(Complaint.__table__, _COMPLAINT.id == _MESSAGE.complaint_id)
    .outerjoin(
        Agent.__table__, and_(Agent.__table__.c.id == _MESSAGE.author_id, _MESSAGE.author_kind == "agent", _OURS)
    )
    .outerjoin(Team.__table__, and_(Team.__table__.c.id == _COMPLAINT.team_id, _OURS))
)
_BY_TIME: Final = Order((_MESSAGE.id,), (UUID,))


def thread(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Listed:
    """What was said between them and us, oldest first; never what was noted among ourselves."""
    own = _THEIRS if actor.beside_id is None else _INBOUND
    readable = of_the_complainant(_MESSAGE, actor.beside_id, ours=_OURS, own=own)
    statement = _THREAD.add_columns(_files(actor))
    return listed(session, page, statement.where(_MESSAGE.complaint_id == actor.id, readable), _BY_TIME, given)


def _files(actor: Actor) -> ColumnElement[Any]:
    return of_message(_MESSAGE.id, "id", "name", "type", "size", seen=open_to(actor))


def entry(session: Session, actor: Actor, message_id: UUID) -> dict[str, Any]:
    """One of the thread, for whoever has just written it."""
    # Not by the complaint: it may have been merged in the very moment before, and then it was written where that goes on.
    of_theirs = _THREAD.add_columns(_files(actor)).where(
        _INBOUND, _MESSAGE.author_id == actor.id, _MESSAGE.id == message_id
    )
    return dict(session.execute(of_theirs).mappings().one())
