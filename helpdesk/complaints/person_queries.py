"""Every select on the people of a complaint, and on what they need."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, Row, Uuid, any_, bindparam, func, select
from sqlalchemy.orm import Session

from helpdesk.complaints.merge_models import Merge, MergedRow
from helpdesk.complaints.models import Complaint, Need, Person
from helpdesk.complaints.queries import Part, part_for_update
from helpdesk.identity.actors import Actor

_COMPLAINT: Final = Complaint.__table__.c


class Recipient(NamedTuple):
    """Whom to write to, and how they wish to be written to."""

    role: str
    authority: str | None
    name: str | None
    email: str | None
    language: str | None
    customer_id: UUID | None
    merged_from: str | None
    """The reference under which they know the matter, where it is not the complaint's own."""


_PERSON: Final = Person.__table__.c
_MERGED_FROM: Final = (
    select(_COMPLAINT.reference)
    .join(Merge, Merge.source_id == _COMPLAINT.id)
    .join(MergedRow, MergedRow.merge_id == Merge.id)
    .where(MergedRow.row_id == _PERSON.id, Merge.undone_at.is_(None))
    .order_by(Merge.id)
    .limit(1)
    .correlate(Person.__table__)
    .scalar_subquery()
    .label("merged_from")
)
"""The first of the complaints that a person was moved from."""

_WRITING: Final = (
    select(*(_PERSON[name] for name in Recipient._fields if name != "merged_from"), _MERGED_FROM)
    .where(_PERSON.role.in_(["representative", "complainant"]))
    .order_by(_PERSON.role.desc(), _PERSON.id)
)
_WRITTEN_TO: Final = _WRITING.where(_PERSON.complaint_id == bindparam("complaint_id"))
_MANY_WRITTEN_TO: Final = _WRITING.add_columns(_PERSON.complaint_id).where(
    _PERSON.complaint_id == any_(bindparam("complaint_ids", type_=ARRAY(Uuid())))
)


def complainant_of(session: Session, complaint_id: UUID) -> Recipient | None:
    """Whose complaint it is, to write to: the representative with authority where there is one, else the complainant."""
    return _correspondents(session, complaint_id).get(None)


def complainants_of(session: Session, complaint_ids: Sequence[UUID]) -> dict[UUID, Recipient]:
    """`complainant_of` each of them, where there is one."""
    found: dict[UUID, list[Recipient]] = {}
    for *row, complaint_id in session.execute(_MANY_WRITTEN_TO, {"complaint_ids": list(complaint_ids)}):
        found.setdefault(complaint_id, []).append(Recipient._make(row))
    whose = ((complaint_id, _by_reference(rows).get(None)) for complaint_id, rows in found.items())
    return {complaint_id: person for complaint_id, person in whose if person is not None}


def whose(session: Session, complaint: Any) -> Recipient | None:
    """The same of a row that has `id`, `reference` and `merged_into_id`: the complainant of one that was merged is to be
    found, under its reference, where it goes on.
    """
    found = complainant_of(session, complaint.id)
    if found is not None or complaint.merged_into_id is None:
        return found
    return _correspondents(session, complaint.merged_into_id).get(complaint.reference)


def language_of(session: Session, complaint: Any, address: str) -> str | None:
    """What the person at an address reads, of those who are written to about it: `complaint` as for `whose`."""
    found = dict(_correspondents(session, complaint.id))
    if complaint.merged_into_id is not None:
        found |= _correspondents(session, complaint.merged_into_id)
    return next((one.language for one in found.values() if (one.email or "").casefold() == address.casefold()), None)


def recipients_of(session: Session, complaint_id: UUID) -> list[Recipient]:
    """Everybody who is to read an answer: whose complaint it is, and those of the complaints that were merged into it; each
    person once, at an address.
    """
    found: list[Recipient] = []
    for person in _correspondents(session, complaint_id).values():
        if person.email and not any(_same(person, other) for other in found):
            found.append(person)
    return found


def _same(one: Recipient, other: Recipient) -> bool:
    customers = one.customer_id, other.customer_id
    return (one.email or "").casefold() == (other.email or "").casefold() or (
        customers[0] is not None and customers[0] == customers[1]
    )


def _correspondents(session: Session, complaint_id: UUID) -> dict[str | None, Recipient]:
    """By the reference under which they know the matter, None for the complaint's own, which comes first."""
    rows = map(Recipient._make, session.execute(_WRITTEN_TO, {"complaint_id": complaint_id}))
    return _by_reference(list(rows))


def _by_reference(rows: Sequence[Recipient]) -> dict[str | None, Recipient]:
    found: dict[str | None, Recipient] = {}
    for row in sorted(rows, key=lambda row: row.merged_from or ""):
        if row.role == "complainant" or row.authority:
            found.setdefault(row.merged_from, row)
    return found


def person_for_update(session: Session, actor: Actor, ref: str, person_id: UUID) -> Part[Person]:
    return part_for_update(session, actor, ref, Person, person_id)


def need_for_update(session: Session, actor: Actor, ref: str, need_id: UUID) -> Part[Need]:
    return part_for_update(session, actor, ref, Need, need_id)


def needs_ended(session: Session, limit: int) -> Sequence[Row[UUID, UUID]]:
    """`(complaint_id, need_id)` of needs whose time is over."""
    over = select(Need.complaint_id, Need.id).where(Need.expires_at <= func.now())
    return session.execute(over.order_by(Need.expires_at).limit(limit)).all()


def need_if_free(session: Session, complaint_id: UUID, need_id: UUID) -> Part[Need] | None:
    """For the sweep: None when it is gone, lasts longer by now, or somebody is at work on its complaint."""
    locked = select(Complaint).where(Complaint.id == complaint_id).with_for_update(skip_locked=True)
    complaint = session.scalars(locked).one_or_none()
    need = session.scalars(select(Need).where(Need.id == need_id, Need.expires_at <= func.now())).one_or_none()
    return None if complaint is None or need is None else Part(complaint, need)


def needs_of(session: Session, complaint_id: UUID) -> Sequence[Need]:
    return session.scalars(select(Need).where(Need.complaint_id == complaint_id)).all()


def is_subject(session: Session, complaint_id: UUID, agent_id: UUID) -> bool:
    """Whether the complaint is about this agent."""
    statement = select(Person.id).where(
        Person.complaint_id == complaint_id, Person.role == "subject", Person.agent_id == agent_id
    )
    return session.execute(statement).first() is not None
