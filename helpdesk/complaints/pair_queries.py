"""Two complaints and more, locked at once and always in the order of their ids: of two callers who want the same ones from
opposite sides, one waits for the other and neither for ever.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import false, or_, select
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.complaints.queries import visible_id, visible_to
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import MovedMeanwhile, NotFound


@dataclass(frozen=True, slots=True)
class Pair:
    """A complaint and the other one that the request names, both locked. `other` is None where it names none, or none that
    the caller may see: the two are not told apart. `beside`: whatever else is locked with them. `by_detour`: the request
    names another one, which was merged into `other`.
    """

    complaint: Complaint
    other: Complaint | None
    beside: tuple[Complaint, ...] = ()
    by_detour: bool = False

    @property
    def version(self) -> int:
        return self.complaint.version

    @property
    def etag(self) -> str:
        return self.complaint.etag


def pair_for_update(session: Session, actor: Actor, ref: str, named: object) -> Pair:
    """`ref` and the complaint that the body names, as somebody typed it; nothing is known of the body yet but that it is
    JSON.
    """
    complaint_id = visible_id(session, actor, ref)
    other_id = _named(session, actor, named)
    rows = lock_together(session, {complaint_id} if other_id is None else {complaint_id, other_id}, visible_to(actor))
    return Pair(_of(rows, complaint_id), rows.get(other_id) if other_id is not None else None)


def merging_pair_for_update(session: Session, actor: Actor, ref: str, named: object) -> Pair:
    """As `pair_for_update`, where the other one is the end of its road (the survivor, if it was merged itself), and beside
    them all that was merged into `ref` before. Raises `MovedMeanwhile` when the road changed while we waited.
    """
    complaint_id = visible_id(session, actor, ref)
    other_id = _named(session, actor, named)
    end_id = None if other_id is None else _end_of(session, actor, other_id)
    wanted: set[Any] = {complaint_id, other_id, end_id} - {None}
    rows = lock_together(session, wanted, visible_to(actor), sources_of=complaint_id)
    end = rows.get(end_id) if end_id is not None else None
    if end is not None and end.merged_into_id is not None and end.id != complaint_id:
        raise MovedMeanwhile
    beside = tuple(row for row in rows.values() if row.merged_into_id == complaint_id)
    if set(session.scalars(select(Complaint.id).where(Complaint.merged_into_id == complaint_id))) - rows.keys():
        raise MovedMeanwhile  # merged into it while we waited; now that it is ours, no more can come
    return Pair(_of(rows, complaint_id), end, beside, by_detour=other_id != end_id)


def _end_of(session: Session, actor: Actor, complaint_id: UUID) -> UUID | None:
    merged_into = session.execute(
        select(Complaint.merged_into_id).where(Complaint.id == complaint_id)
    ).scalar_one_or_none()
    if merged_into is None:
        return complaint_id
    found: UUID | None = session.execute(
        select(Complaint.id).where(Complaint.id == merged_into, visible_to(actor))
    ).scalar_one_or_none()
    return found


def _named(session: Session, actor: Actor, named: object) -> UUID | None:
    if not isinstance(named, str) or "\x00" in named:
        return None
    try:
        return visible_id(session, actor, named)
    except NotFound:
        return None


def lock_together(
    session: Session, ids: Collection[UUID], condition: Any = None, *, sources_of: UUID | None = None
) -> dict[UUID, Complaint]:
    """The complaints by id, those that meet the condition, and all that were merged into `sources_of`, which need not."""
    named = Complaint.id.in_(list(ids))
    wanted = named if condition is None else named & condition
    sources = false() if sources_of is None else Complaint.merged_into_id == sources_of
    statement = select(Complaint).where(or_(wanted, sources)).order_by(Complaint.id).with_for_update()
    return {row.id: row for row in session.scalars(statement)}


def _of(rows: dict[UUID, Complaint], complaint_id: UUID) -> Complaint:
    if complaint_id not in rows:  # it went out of sight while we waited
        raise NotFound
    return rows[complaint_id]
