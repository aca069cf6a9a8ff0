"""The select that finds what a complaint may be a duplicate of: by index, and never more than so many.

Candidates have somebody in common with it (the customer, an address, a number) or its number in another system. How alike
the texts are, is for `duplicates` to say.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Integer,
    Interval,
    Uuid,
    any_,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    union,
)
from sqlalchemy.orm import Session, aliased

from helpdesk.complaints.likeness import LONGEST
from helpdesk.complaints.models import Complaint, Issue, Person
from helpdesk.complaints.queries import SIGHTS, sight
from helpdesk.identity.actors import Actor
from helpdesk.kernel.pagination import AnySelect

_PER_KEY: Final = 25
_COMPLAINT, _PERSON = Complaint.__table__.c, Person.__table__.c
_ID: Final[Any] = bindparam("complaint_id", type_=Uuid())
_SPAN: Final = cast(func.make_interval(0, 0, 0, bindparam("days", type_=Integer)), Interval)


def _mine(name: str) -> Any:
    """A column of the complaint itself; looked up once."""
    me = Complaint.__table__.alias("me")
    return select(me.c[name]).where(me.c.id == _ID).scalar_subquery()


def _in_time(received_at: ColumnElement[Any]) -> ColumnElement[bool]:
    return received_at.between(_mine("received_at") - _SPAN, _mine("received_at") + _SPAN)


def _same(column: str) -> Any:
    found = Complaint.__table__.alias("found").c
    alike = select(found.id).where(found[column] == _mine(column), found.id != _ID, _in_time(found.received_at))
    return select(alike.order_by(found.received_at.desc()).limit(_PER_KEY).subquery().c.id)


def email_key(email: Any) -> Any:
    return func.lower(email)


def phone_key(phone: Any) -> Any:
    """The last nine digits: the same number with and without the country's code."""
    return func.right(
        func.regexp_replace(phone, literal_column(r"'\D'"), literal_column("''"), literal_column("'g'")), 9
    )


def _keys(name: str, key: Any) -> Any:
    mine = Person.__table__.alias("mine").c
    return select(key(mine[name]).label("key")).where(mine.complaint_id == _ID, mine[name].is_not(None))


def _somebody(name: str, key: Any) -> Any:
    """The latest of each of the complaint's own keys. One look-up per key: for all at once, PostgreSQL would sooner go
    through everybody from the latest on.
    """
    mine = _keys(name, key).distinct().subquery()
    other = Person.__table__.alias("other").c
    reached = select(other.complaint_id).where(key(other[name]) == mine.c.key, other[name].is_not(None))
    latest = reached.order_by(other.id.desc()).limit(_PER_KEY).lateral()
    return select(latest.c.complaint_id).select_from(mine.join(latest, literal_column("true")))


_CANDIDATES: Final = union(
    select(_ID.label("id")),
    _same("customer_id"),
    _same("external_id"),
    _somebody("email", email_key),
    _somebody("phone", phone_key),
).subquery("candidates")


def _shares(name: str, key: Any) -> Any:
    reached = key(_PERSON[name]) == any_(func.array(_keys(name, key).scalar_subquery()))
    return select(_PERSON.id).where(_PERSON.complaint_id == _COMPLAINT.id, reached).exists()


_ISSUES: Final = (
    select(func.array_agg(func.coalesce(Issue.issue, Issue.category)))
    .where(Issue.complaint_id == _COMPLAINT.id)
    .correlate(Complaint.__table__)
    .scalar_subquery()
)
_TEXT: Final = _COMPLAINT.subject + " " + func.left(_COMPLAINT.description, LONGEST)
_FOUND: Final[AnySelect] = select(
    _COMPLAINT.id,
    _COMPLAINT.reference,
    _COMPLAINT.record_type,
    _COMPLAINT.status,
    _COMPLAINT.subject,
    _COMPLAINT.received_at,
    _COMPLAINT.team_id,
    _COMPLAINT.assignee_id,
    _TEXT.label("text"),
    _ISSUES.label("issue_codes"),
    (_COMPLAINT.customer_id == _mine("customer_id")).label("customer"),
    (_COMPLAINT.external_id == _mine("external_id")).label("external_id"),
    _shares("email", email_key).label("email"),
    _shares("phone", phone_key).label("phone"),
)


@cache
def comparing(kind: str) -> AnySelect:
    """The statement of `candidates` for one kind of sight. Kept, as every one of a hot path. The complaint itself comes too,
    since it is compared with the others.
    """
    itself = _COMPLAINT.id == _ID
    return (
        _FOUND.join(_CANDIDATES, _CANDIDATES.c.id == _COMPLAINT.id)
        .where(_in_time(_COMPLAINT.received_at), (SIGHTS[kind] & _COMPLAINT.merged_into_id.is_(None)) | itself)
        .order_by(itself.desc(), _COMPLAINT.received_at.desc(), _COMPLAINT.id)
        .limit(bindparam("most", type_=Integer))
    )


def candidates(session: Session, actor: Actor, complaint_id: UUID, *, days: int, most: int) -> Sequence[Any]:
    """The complaint itself, then those that the actor may see and that may be the same, the latest first."""
    kind, values = sight(actor)
    given = {"complaint_id": complaint_id, "days": days, "most": most + 1, **values}
    return session.execute(comparing(kind), given).all()


_EARLIER: Final = aliased(Complaint, name="earlier")


def of_same_customers(session: Session, complaint_ids: Sequence[UUID], *, days: int, most: int) -> Sequence[Any]:
    """For an import: pairs of a new complaint and another of its customer (`id`, `text`, `other_text`), at most `most` for
    each. For the program itself: no visibility.
    """
    span = func.make_interval(0, 0, 0, days)
    other = (
        select((_EARLIER.subject + " " + func.left(_EARLIER.description, LONGEST)).label("text"))
        .where(
            _EARLIER.customer_id == _COMPLAINT.customer_id,
            _EARLIER.id != _COMPLAINT.id,
            _EARLIER.received_at.between(_COMPLAINT.received_at - span, _COMPLAINT.received_at + span),
        )
        .order_by(_EARLIER.received_at.desc())
        .limit(most)
        .lateral("other")
    )
    statement = (
        select(_COMPLAINT.id, _COMPLAINT.reference, _TEXT.label("text"), other.c.text.label("other_text"))
        .join(other, literal_column("true"))
        .where(_COMPLAINT.id.in_(complaint_ids))
    )
    return session.execute(statement).all()
