"""Every select on tags."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import Row, and_, any_, func, not_, or_, select
from sqlalchemy.orm import Session, aliased

from helpdesk.complaints import list_queries
from helpdesk.complaints.list_queries import Wanted
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.tag_models import ComplaintTag, Tag
from helpdesk.identity.actors import Actor
from helpdesk.kernel.access import existing
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.folding import fold
from helpdesk.kernel.pagination import AnySelect, Count, Listed, Order, Page, listed

_BY_NAME: Final = Order((Tag.key, Tag.id), (str, UUID))
_SHOWN: Final = (
    Tag.id,
    Tag.key,
    Tag.name,
    Tag.colour,
    Tag.description,
    Tag.active,
    Tag.merged_into_id,
    Tag.job_id,
    Tag.version,
    Tag.created_at,
)


class KnownTag(NamedTuple):
    """What somebody means who writes a name: the tag itself, or the one that it was merged into."""

    id: UUID
    name: str
    active: bool


def _meant() -> Any:
    meant = aliased(Tag, name="meant")
    condition = or_(meant.id == Tag.merged_into_id, and_(Tag.merged_into_id.is_(None), meant.id == Tag.id))
    return meant, condition


def ids_of(session: Session, names: Iterable[str]) -> dict[str, UUID]:
    """Folded name -> the tag that is meant; names that there are not are left out."""
    keys = [fold(name) for name in names]
    if not keys:
        return {}
    statement = select(Tag.key, func.coalesce(Tag.merged_into_id, Tag.id)).where(Tag.key.in_(keys))
    return {row[0]: row[1] for row in session.execute(statement)}


def known(session: Session, names: Iterable[str]) -> dict[str, KnownTag]:
    """Folded name -> the tag that is meant. They are locked against being renamed, merged and deleted: what is written of
    them holds until the end of the transaction.
    """
    keys = sorted({fold(name) for name in names})
    if not keys:
        return {}
    meant, condition = _meant()
    statement = (
        select(Tag.key, meant.id, meant.name, meant.active)
        .join(meant, condition)
        .where(Tag.key.in_(keys))
        .order_by(meant.id)
        .with_for_update(read=True, key_share=True, of=meant)
    )
    return {row[0]: KnownTag(*row[1:]) for row in session.execute(statement)}


def tag_for_update(session: Session, _actor: Actor, tag_id: UUID) -> Tag:
    """Locked also against those who are about to use it (see `known`)."""
    return existing(session.scalars(select(Tag).where(Tag.id == tag_id).with_for_update()).one_or_none())


def tag_to_merge(session: Session, _actor: Actor, body: Any, tag_id: UUID) -> Tag:
    """Locked together with the one that the body names, of which nothing is known yet."""
    named = body.get("into_id") if isinstance(body, dict) else None
    found = tags_for_update(session, [tag_id, *_ids_in(named)])
    if tag_id not in found:
        raise NotFound
    return found[tag_id]


def _ids_in(given: Any) -> list[UUID]:
    """The id that was given, if it is one."""
    try:
        return [UUID(given)] if isinstance(given, str) else []
    except ValueError:
        return []


def tags_for_update(session: Session, tag_ids: Sequence[UUID]) -> dict[UUID, Tag]:
    """Both of a merge, in one order: two merges in opposite directions do not wait for each other."""
    statement = select(Tag).where(Tag.id.in_(tag_ids)).order_by(Tag.id).with_for_update()
    statement = statement.execution_options(populate_existing=True)
    return {tag.id: tag for tag in session.scalars(statement)}


def merged_into(session: Session, tag_id: UUID) -> Sequence[Tag]:
    """Tags that lead to this one, locked."""
    return session.scalars(select(Tag).where(Tag.merged_into_id == tag_id).order_by(Tag.id).with_for_update()).all()


def keys_of(session: Session, tag_id: UUID) -> Sequence[str]:
    """Of its name, and of the names that lead to it."""
    return session.scalars(select(Tag.key).where(or_(Tag.id == tag_id, Tag.merged_into_id == tag_id))).all()


def names_now(session: Session, names: Collection[str]) -> dict[str, str]:
    """Of names that a tag had before it was renamed or merged: name as given -> what it is called now. A statement, where there
    are any.
    """
    if not names:
        return {}
    meant = aliased(Tag)
    statement = select(Tag.key, meant.name).join(meant, meant.id == Tag.merged_into_id)
    rows = session.execute(statement.where(Tag.key.in_({fold(name) for name in names})))
    found = {row[0]: row[1] for row in rows}
    return {name: found[fold(name)] for name in names if fold(name) in found}


def names_of_same(session: Session, keys: Collection[str]) -> Sequence[tuple[str, str]]:
    """Folded name -> that of the tag which it means: of every name of the tags that any of these means, in order."""
    named, one, meant = aliased(Tag), aliased(Tag), aliased(Tag)
    wanted = select(func.coalesce(named.merged_into_id, named.id)).where(named.key.in_(keys))
    statement = (
        select(one.key, meant.key)
        .join(meant, meant.id == func.coalesce(one.merged_into_id, one.id))
        .where(or_(one.id.in_(wanted), one.merged_into_id.in_(wanted)))
        .order_by(one.key)
    )
    return [(row[0], row[1]) for row in session.execute(statement)]


def by_key(session: Session, key: str) -> Tag | None:
    return session.scalars(select(Tag).where(Tag.key == key).with_for_update()).one_or_none()


def is_used(session: Session, tag_id: UUID) -> bool:
    return (
        session.execute(select(ComplaintTag.tag_id).where(ComplaintTag.tag_id == tag_id).limit(1)).first() is not None
    )


def detail(session: Session, actor: Actor, tag_id: UUID) -> dict[str, Any]:
    row = session.execute(select(*_SHOWN).where(Tag.id == tag_id)).mappings().one_or_none()
    if row is None:
        raise NotFound
    return _with_counts(session, actor, [row])[0]


def list_tags(session: Session, actor: Actor, page: Page, given: Mapping[str, Any]) -> Listed:
    statement: AnySelect = select(*_SHOWN)
    if "active" in given:
        statement = statement.where(Tag.active == given["active"])
    if "q" in given:
        statement = statement.where(Tag.key.contains(fold(given["q"]), autoescape=True))
    rows, cursor, total = listed(session, page, statement, _BY_NAME, given)
    return _with_counts(session, actor, rows), cursor, total


def _with_counts(session: Session, actor: Actor, rows: Sequence[Mapping[Any, Any]]) -> list[dict[str, Any]]:
    """How many complaints the caller sees that carry each: nobody learns of others by their number."""
    counted = list_queries.counts(session, actor, [Wanted(tags=(row["id"],)) for row in rows])
    return [_shown(row, count) for row, count in zip(rows, counted, strict=True)]


def _shown(row: Mapping[Any, Any], count: Count) -> dict[str, Any]:
    return {**row, "complaints": count.number, "complaints_is_exact": count.exact}


Place = tuple[Any, UUID]
"""`(received_at, complaint_id)`: where a walk through the complaints of a tag stands."""


def carrying(session: Session, tag_id: UUID, after: Place | None, limit: int) -> Sequence[Row[Any]]:
    """Complaints of a tag, as `(received_at, complaint_id)`, in the order of its index."""
    row = ComplaintTag.__table__.c
    statement = select(row.received_at, row.complaint_id).where(row.tag_id == tag_id)
    return session.execute(_walked(statement, after, limit)).all()


def misnamed(session: Session, tag_id: UUID, after: Place | None, limit: int) -> Sequence[Row[Any]]:
    """Of those that carry the tag, the ones that show another name for it."""
    row, complaint = ComplaintTag.__table__.c, Complaint.__table__
    name = select(Tag.name).where(Tag.id == tag_id).scalar_subquery()
    statement = (
        select(row.received_at, row.complaint_id)
        .join(complaint, complaint.c.id == row.complaint_id)
        .where(row.tag_id == tag_id, not_(name == any_(complaint.c.tags)))
    )
    return session.execute(_walked(statement, after, limit)).all()


def _walked(statement: AnySelect, after: Place | None, limit: int) -> AnySelect:
    row = ComplaintTag.__table__.c
    order = Order((row.received_at, row.complaint_id), ())
    if after is not None:
        statement = statement.where(order.after(after))
    return order.apply(statement).limit(limit)


def tags_of(session: Session, complaint_id: UUID) -> Sequence[KnownTag]:
    statement = (
        select(Tag.id, Tag.name, Tag.active)
        .join(ComplaintTag, ComplaintTag.tag_id == Tag.id)
        .where(ComplaintTag.complaint_id == complaint_id)
    )
    return [KnownTag(*row) for row in session.execute(statement)]
