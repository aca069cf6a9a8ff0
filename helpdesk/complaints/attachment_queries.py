"""Every select on attachments. They are seen by whoever sees their complaint; by the complainant, those that are not
internal and those that came from them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Update, and_, func, literal_column, select, text, true, update
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

from helpdesk.complaints import queries, sharing_queries
from helpdesk.complaints.attachment_models import Attachment
from helpdesk.complaints.models import Complaint, Message
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.pagination import Listed, Order, Page, listed

_ATTACHMENT: Final = Attachment.__table__.c
_SHOWN: Final = tuple(
    _ATTACHMENT[name]
    for name in (
        "id",
        "complaint_id",
        "message_id",
        "internal",
        "name",
        "type",
        "declared_type",
        "size",
        "sha256",
        "scan",
        "signature",
        "scanned_at",
        "author_kind",
        "author_id",
        "created_at",
        "redacted_at",
        "redacted_by",
        "redaction_reason",
        "version",
    )
)
_BY_ID: Final = Order((Attachment.id,), (UUID,))


def open_to(actor: Actor) -> ColumnElement[bool]:
    """Of a visible complaint's attachments, those that this actor may see."""
    if actor.kind != "complainant":
        return true()
    own = _ATTACHMENT.author_kind == "complainant"
    ours = and_(_ATTACHMENT.internal.is_(False), ~own)
    return and_(
        sharing_queries.of_the_complainant(_ATTACHMENT, actor.beside_id, ours=ours, own=own),
        _ATTACHMENT.redacted_at.is_(None),
    )


def list_attachments(session: Session, actor: Actor, page: Page, given: Mapping[str, Any], ref: str) -> Listed:
    statement = select(*_SHOWN).where(
        _ATTACHMENT.complaint_id == queries.visible_id(session, actor, ref), open_to(actor)
    )
    if "message_id" in given:
        statement = statement.where(_ATTACHMENT.message_id == given["message_id"])
    return listed(session, page, statement, _BY_ID, given)


def attachment_detail(session: Session, actor: Actor, ref: str, attachment_id: UUID) -> Mapping[str, Any]:
    complaint_id = queries.visible_id(session, actor, ref)
    belongs = select(*_SHOWN).where(
        _ATTACHMENT.id == attachment_id, _ATTACHMENT.complaint_id == complaint_id, open_to(actor)
    )
    return dict(_found(session.execute(belongs).mappings().one_or_none()))


def shown(session: Session, _actor: Actor, attachment_id: UUID) -> Mapping[str, Any]:
    """For whoever has just changed it: no visibility."""
    return dict(session.execute(select(*_SHOWN).where(_ATTACHMENT.id == attachment_id)).mappings().one())


def _found(row: Any) -> Any:
    if row is None:
        raise NotFound
    return row


@dataclass(frozen=True, slots=True)
class Held:
    """An attachment with its complaint, both locked. The version is the attachment's own."""

    complaint: Complaint
    row: Attachment

    @property
    def version(self) -> int:
        return self.row.version

    @property
    def etag(self) -> str:
        return self.row.etag


def attachment_for_update(session: Session, actor: Actor, ref: str, attachment_id: UUID) -> Held:
    complaint = queries.complaint_for_update(session, actor, ref)
    locked = select(Attachment).where(
        Attachment.id == attachment_id, Attachment.complaint_id == complaint.id, open_to(actor)
    )
    return Held(complaint, _found(session.scalars(locked.with_for_update()).one_or_none()))


def attachment_by_id_for_update(session: Session, attachment_id: UUID) -> Held | None:
    """For the program itself; None when it is gone. Complaint first, as everywhere."""
    complaint_id = session.execute(select(Attachment.complaint_id).where(Attachment.id == attachment_id)).scalar()
    if complaint_id is None:
        return None
    complaint = queries.complaint_by_id_for_update(session, complaint_id)
    row = session.scalars(select(Attachment).where(Attachment.id == attachment_id).with_for_update()).one()
    return Held(complaint, row)


class Room(NamedTuple):
    """How much a complaint holds: attachments, their bytes, and how many came from the complainant."""

    number: int
    size: int
    from_complainant: int


def room_taken(session: Session, complaint_id: UUID) -> Room:
    """Under the complaint's lock, so that two who add at once do not both find the last place."""
    kept = select(
        func.count(),
        func.coalesce(func.sum(_ATTACHMENT.size), 0),
        func.count().filter(_ATTACHMENT.author_kind == "complainant"),
    ).where(_ATTACHMENT.complaint_id == complaint_id, _ATTACHMENT.redacted_at.is_(None))
    count, size, theirs = session.execute(kept).one()
    return Room(count, int(size), theirs)


def message_kind(session: Session, complaint_id: UUID, message_id: UUID) -> str | None:
    """Of a message of this complaint; None: it has no such message."""
    found = select(Message.kind).where(Message.id == message_id, Message.complaint_id == complaint_id)
    return session.execute(found).scalar_one_or_none()


def files_to_bind(session: Session, actor: Actor, complaint_id: UUID, ids: Sequence[UUID]) -> Sequence[Any]:
    """Of a locked complaint: `id`, `message_id`, `internal` and `scan` of those that this actor may put on a message, locked."""
    names = ("id", "message_id", "internal", "scan")
    theirs = _ATTACHMENT.author_kind == "complainant" if actor.kind == "complainant" else true()
    found = select(*(_ATTACHMENT[name] for name in names)).where(
        _ATTACHMENT.id.in_(ids),
        _ATTACHMENT.complaint_id == complaint_id,
        _ATTACHMENT.redacted_at.is_(None),
        open_to(actor),
        theirs,
    )
    return session.execute(found.order_by(_ATTACHMENT.id).with_for_update(of=Attachment.__table__)).all()


def files_there(session: Session, complaint_id: UUID, ids: Sequence[UUID]) -> set[UUID]:
    """Those of a complaint's files that were not redacted."""
    there = select(_ATTACHMENT.id).where(
        _ATTACHMENT.id.in_(ids), _ATTACHMENT.complaint_id == complaint_id, _ATTACHMENT.redacted_at.is_(None)
    )
    return set(session.scalars(there))


def bound_to(message_id: UUID, ids: Sequence[UUID], *, internal: bool) -> Update:
    return (
        update(Attachment.__table__)
        .where(_ATTACHMENT.id.in_(ids))
        .values(message_id=message_id, internal=internal, version=_ATTACHMENT.version + 1)
    )


def files_to_send(session: Session, ids: Sequence[UUID]) -> Sequence[Any]:
    """For the program itself: what a mail's files are by now, in the order in which they are named, with the language of their
    complaint.
    """
    names = ("id", "complaint_id", "file_id", "name", "type", "size", "scan", "redacted_at", "internal")
    found = (
        select(*(_ATTACHMENT[name] for name in names), Complaint.language, func.now().label("now"))
        .join(Complaint.__table__, Complaint.id == _ATTACHMENT.complaint_id)
        .where(_ATTACHMENT.id.in_(ids))
    )
    rows = {row.id: row for row in session.execute(found)}
    return [rows[attachment_id] for attachment_id in ids if attachment_id in rows]


def of_message(message_id: Any, *shown: str, seen: ColumnElement[bool] | None = None) -> ColumnElement[Any]:
    """The files of a message as a list, to be asked for with it. `seen`: only those."""
    pairs: list[ColumnElement[Any]] = []
    for name in shown:
        pairs += (literal_column(f"'{name}'"), _ATTACHMENT[name])
    each = func.json_agg(aggregate_order_by(func.json_build_object(*pairs), _ATTACHMENT.id))
    found = select(func.coalesce(each, func.json_build_array())).where(_ATTACHMENT.message_id == message_id)
    return (found if seen is None else found.where(seen)).scalar_subquery().label("attachments")


def to_be_scanned(session: Session, limit: int) -> Sequence[UUID]:
    """Attachments that came while there was no scanner."""
    waiting = select(Attachment.id).where(Attachment.scan == "unscanned", Attachment.redacted_at.is_(None))
    return session.scalars(waiting.order_by(Attachment.id).limit(limit)).all()


_INFECTED: Final = text("complaint_attachment.scan = 'infected' AND complaint_attachment.redacted_at IS NULL")
"""The very text of the partial index, so that the planner sees that it serves."""


def infected_since(session: Session, age: timedelta, limit: int) -> Sequence[UUID]:
    """Attachments in which a virus was found so long ago, and that are still kept."""
    over = select(Attachment.id).where(_INFECTED, Attachment.scanned_at < func.now() - age)
    return session.scalars(over.order_by(Attachment.scanned_at).limit(limit)).all()


def file_to_scan(session: Session, attachment_id: UUID) -> Any:
    """`file_id` and `scan`; None when it is gone."""
    return session.execute(
        select(Attachment.file_id, Attachment.scan).where(Attachment.id == attachment_id)
    ).one_or_none()


def file_to_give(session: Session, actor: Actor, complaint_id: UUID, attachment_id: UUID) -> Mapping[str, Any]:
    """For a link that is used: the attachment as it is now, if this actor may still see it. Raises `NotFound`."""
    ref = str(queries.visible_id(session, actor, str(complaint_id)))
    attachment_detail(session, actor, ref, attachment_id)
    names = ("file_id", "size", "sha256", "name", "type", "scan")
    given = select(*(_ATTACHMENT[name] for name in names)).where(
        _ATTACHMENT.id == attachment_id, _ATTACHMENT.redacted_at.is_(None)
    )
    return dict(_found(session.execute(given).mappings().one_or_none()))


def attachments_of(session: Session, complaint_id: UUID) -> Sequence[Mapping[str, Any]]:
    """All of a complaint, oldest first, with where their bytes are; for the program itself."""
    statement = select(*_SHOWN, _ATTACHMENT.file_id).where(_ATTACHMENT.complaint_id == complaint_id)
    return [dict(row) for row in session.execute(statement.order_by(_ATTACHMENT.id)).mappings()]


NOW: Final = select(func.now())
"""The database's time, for a link that nobody's token came with."""
