"""Selects on the texts of complaints: all that is indexed, and what is shown of those that were found."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, bindparam, func, literal_column, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint, Issue, Message, Person

_COMPLAINT, _MESSAGE = Complaint.__table__.c, Message.__table__.c


class Texts(NamedTuple):
    """All of a complaint's text that is found. `people`: name, email, phone of each."""

    id: UUID
    received_at: datetime
    reference: str
    external_id: str | None
    subject: str
    description: str
    tags: Sequence[str]
    people: Sequence[Mapping[str, Any]]
    details: Sequence[str]
    messages: Sequence[str]


def _gathered(model: type[Any], what: Any, order: Any, *conditions: ColumnElement[bool]) -> Any:
    rows = (
        select(func.json_agg(aggregate_order_by(what, order)))
        .where(model.complaint_id == Complaint.id, *conditions)
        .correlate(Complaint)
        .scalar_subquery()
    )
    return func.coalesce(rows, literal_column("'[]'::json"))


_PERSON: Final = func.json_build_object(
    literal_column("'name'"),
    Person.name,
    literal_column("'email'"),
    Person.email,
    literal_column("'phone'"),
    Person.phone,
)
_TEXTS: Final = select(
    Complaint.id,
    Complaint.received_at,
    Complaint.reference,
    Complaint.external_id,
    Complaint.subject,
    Complaint.description,
    Complaint.tags,
    _gathered(Person, _PERSON, Person.id),
    _gathered(Issue, Issue.detail, Issue.position, Issue.detail.is_not(None)),
    _gathered(Message, Message.body, Message.id),
)


def texts_of(session: Session, complaint_ids: Sequence[UUID]) -> list[Texts]:
    return [Texts(*row) for row in session.execute(_TEXTS.where(Complaint.id.in_(complaint_ids)))]


_MESSAGES_SHOWN: Final = 20
_SHOWN_LENGTH: Final = 20_000
"""Of each complaint's thread, the newest; of each text, the beginning: what is looked through for fragments. A match
beyond is found all the same, and shown without one.
"""

_NEWEST_MESSAGES: Final = (
    select(_MESSAGE.id, func.left(_MESSAGE.body, _SHOWN_LENGTH).label("body"))
    .where(_MESSAGE.complaint_id == _COMPLAINT.id)
    .order_by(_MESSAGE.id.desc())
    .limit(_MESSAGES_SHOWN)
    .correlate(Complaint)
    .subquery()
)
_SHOWN: Final = select(
    _COMPLAINT.id,
    _COMPLAINT.subject,
    _COMPLAINT.tags,
    func.left(_COMPLAINT.description, _SHOWN_LENGTH).label("description"),
    _gathered(Person, func.concat_ws(" ", Person.name, Person.email, Person.phone), Person.id).label("people"),
    select(
        func.coalesce(
            func.json_agg(
                func.json_build_object(
                    literal_column("'id'"), _NEWEST_MESSAGES.c.id, literal_column("'body'"), _NEWEST_MESSAGES.c.body
                )
            ),
            literal_column("'[]'::json"),
        )
    )
    .scalar_subquery()
    .label("messages"),
).where(_COMPLAINT.id == func.any(bindparam("ids", type_=ARRAY(Uuid()))))


def shown_texts(session: Session, complaint_ids: Sequence[UUID]) -> Sequence[Any]:
    return session.execute(_SHOWN, {"ids": complaint_ids}).all()
