"""Every select on links. A link is there for whoever may see both of its ends, and for nobody else: not in lists, not in
counts, not in a refusal.
"""

from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Uuid, case, literal, or_, select, text
from sqlalchemy.orm import Session

from helpdesk.complaints.link_models import THERE, Link
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.pair_queries import Pair, lock_together
from helpdesk.complaints.queries import visible_id, visible_to
from helpdesk.identity.actors import Actor
from helpdesk.kernel import advisory
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.pagination import AnySelect, Listed, Order, Page, listed

_BY_LINK: Final = Order((Link.id,), (UUID,))


def links_of(session: Session, actor: Actor, page: Page, given: dict[str, Any], ref: str) -> Listed:
    """Oldest first, each as it is called from `ref`."""
    complaint_id = visible_id(session, actor, ref)
    statement = _seen_from(complaint_id, actor)
    if "kind" in given:
        statement = statement.where(_label(complaint_id) == given["kind"])
    rows, cursor, total = listed(session, page, statement, _BY_LINK, given)
    return [_shown(row) for row in rows], cursor, total


def link_detail(session: Session, actor: Actor, complaint_id: UUID, link_id: UUID) -> dict[str, Any]:
    """For whoever has just made it."""
    row = session.execute(_seen_from(complaint_id, actor).where(Link.id == link_id)).mappings().one()
    return _shown(row)


def _label(complaint_id: UUID) -> Any:
    there = case(THERE, value=Link.kind)
    return case((Link.from_id == literal(complaint_id, Uuid()), Link.kind), else_=there)


def _seen_from(complaint_id: UUID, actor: Actor) -> AnySelect:
    far_id = case((Link.from_id == complaint_id, Link.to_id), else_=Link.from_id)
    return (
        select(
            Link.id,
            _label(complaint_id).label("kind"),
            Link.note,
            Link.created_at,
            Link.created_by,
            Complaint.id.label("far_id"),
            Complaint.reference,
            Complaint.subject,
            Complaint.status,
            Complaint.severity,
        )
        .join(Complaint, Complaint.id == far_id)
        .where(or_(Link.from_id == complaint_id, Link.to_id == complaint_id), visible_to(actor))
    )


def _shown(row: Any) -> dict[str, Any]:
    shown = {name: row[name] for name in ("id", "kind", "note", "created_at", "created_by")}
    far = {name: row[name] for name in ("reference", "subject", "status", "severity")}
    return shown | {"complaint": {"id": row["far_id"], **far}}


@dataclass(frozen=True, slots=True)
class LinkedPair(Pair):
    """A pair with the link between them."""

    link: Link = field(kw_only=True)


def link_for_update(session: Session, actor: Actor, ref: str, link_id: UUID) -> LinkedPair:
    """A link of `ref`, with both of its complaints locked. Raises `NotFound`, also when the far one is out of sight."""
    complaint_id = visible_id(session, actor, ref)
    ends = session.execute(
        select(Link.from_id, Link.to_id).where(
            Link.id == link_id, or_(Link.from_id == complaint_id, Link.to_id == complaint_id)
        )
    ).one_or_none()
    rows = lock_together(session, set(ends or ()), visible_to(actor))
    link = session.scalars(select(Link).where(Link.id == link_id)).one_or_none()
    if link is None or {link.from_id, link.to_id} != set(rows) or complaint_id not in rows:
        raise NotFound
    far = rows[link.to_id if link.from_id == complaint_id else link.from_id]
    return LinkedPair(rows[complaint_id], far, link=link)


def between(session: Session, from_id: UUID, to_id: UUID, kind: str) -> UUID | None:
    statement = select(Link.id).where(Link.from_id == from_id, Link.to_id == to_id, Link.kind == kind)
    return session.execute(statement).scalar_one_or_none()


def parent_of(session: Session, complaint_id: UUID) -> UUID | None:
    statement = select(Link.to_id).where(Link.from_id == complaint_id, Link.kind == "child_of")
    return session.execute(statement).scalar_one_or_none()


MAX_DEPTH: Final = 50
"""Parents above a complaint. Deeper trees are a mistake, and every look upwards has an end."""

_ANCESTORS: Final = text("""
    WITH RECURSIVE above(id, depth) AS (
        SELECT to_id, 1 FROM complaint_link WHERE from_id = :complaint_id AND kind = 'child_of'
        UNION ALL
        SELECT link.to_id, above.depth + 1 FROM above
        JOIN complaint_link link ON link.from_id = above.id AND link.kind = 'child_of'
        WHERE above.depth <= :most
    )
    SELECT id FROM above
""")


def ancestors(session: Session, complaint_id: UUID) -> list[UUID]:
    """Parent, grandparent and so on. Nobody else makes a parent until the transaction ends: two who each add one link
    could close a ring of which neither sees the other's half, and share no complaint that one could lock.
    """
    advisory.lock(session, advisory.Alone.PARENTS)
    return list(session.execute(_ANCESTORS, {"complaint_id": complaint_id, "most": MAX_DEPTH}).scalars())


def touching(session: Session, complaint_id: UUID) -> list[Link]:
    """All links of a complaint, in both directions, in order."""
    either = or_(Link.from_id == complaint_id, Link.to_id == complaint_id)
    return list(session.scalars(select(Link).where(either).order_by(Link.id).with_for_update()))


def links_by_id(session: Session, link_ids: list[UUID]) -> list[Link]:
    return list(session.scalars(select(Link).where(Link.id.in_(link_ids)).order_by(Link.id).with_for_update()))
