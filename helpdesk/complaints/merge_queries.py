"""Every select on merges, and the way to hold all that undoing one needs."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, or_, select, text
from sqlalchemy.orm import Session, aliased

from helpdesk.complaints.events import ComplaintEdited
from helpdesk.complaints.link_events import DuplicateMerged, DuplicateParted
from helpdesk.complaints.merge_models import Merge, MergedRow
from helpdesk.complaints.models import Complaint, Issue, Message, Need, Person
from helpdesk.complaints.notification_models import Watcher
from helpdesk.complaints.pair_queries import Pair, lock_together
from helpdesk.complaints.queries import is_visible, visible_id, visible_to
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import MovedMeanwhile, NotFound
from helpdesk.kernel.event_log import EventRow
from helpdesk.kernel.pagination import AnySelect, Listed, Order, Page, listed


@dataclass(frozen=True, slots=True)
class Merged(Pair):
    """A complaint that was merged, its survivor as `other`, those that went with it `beside`, and the merge; None and
    nobody where it was not merged. `in_time`: it can still be undone, by the clock.
    """

    merge: Merge | None = field(default=None, kw_only=True)
    in_time: bool = field(default=False, kw_only=True)
    sees_both: bool = field(default=False, kw_only=True)


def merged_for_update(session: Session, actor: Actor, ref: str) -> Merged:
    """Raises `NotFound`, and `MovedMeanwhile` when another merge, or undoing this one, came first."""
    complaint_id = visible_id(session, actor, ref)
    found = session.execute(_active(complaint_id)).one_or_none()
    if found is None:
        rows = lock_together(session, [complaint_id], visible_to(actor))
        if complaint_id not in rows:
            raise NotFound
        if rows[complaint_id].merged_into_id is not None:
            raise MovedMeanwhile
        return Merged(rows[complaint_id], None)
    merge, in_time = found
    with_it = session.scalars(_rows_of(merge.id, "complaint")).all()
    rows = lock_together(session, {complaint_id, merge.survivor_id, *with_it})
    session.refresh(merge, with_for_update=True)
    if merge.undone_at is not None:
        raise MovedMeanwhile
    return Merged(
        rows[complaint_id],
        rows[merge.survivor_id],
        tuple(rows[row_id] for row_id in with_it),
        merge=merge,
        in_time=in_time,
        sees_both=is_visible(session, actor, str(merge.survivor_id)),
    )


def _active(complaint_id: UUID) -> AnySelect:
    in_time = (Merge.undo_until >= func.now()).label("in_time")
    return select(Merge, in_time).where(Merge.source_id == complaint_id, Merge.undone_at.is_(None))


def _rows_of(merge_id: UUID, kind: str) -> Any:
    statement = select(MergedRow.row_id).where(MergedRow.merge_id == merge_id, MergedRow.kind == kind)
    return statement.order_by(MergedRow.row_id)


def merges_into(session: Session, survivor_id: UUID) -> Sequence[Merge]:
    """Those that were not undone, in their order."""
    statement = select(Merge).where(Merge.survivor_id == survivor_id, Merge.undone_at.is_(None)).order_by(Merge.id)
    return session.scalars(statement).all()


def sources_of(session: Session, merges: Sequence[Merge]) -> dict[Merge, Complaint]:
    """In the order of the merges."""
    if not merges:
        return {}
    wanted = select(Complaint).where(Complaint.id.in_([merge.source_id for merge in merges]))
    found = {complaint.id: complaint for complaint in session.scalars(wanted)}
    return {merge: found[merge.source_id] for merge in merges}


def merges_into_any(session: Session, survivor_ids: Collection[UUID]) -> Sequence[Merge]:
    """`merges_into` of several."""
    into = Merge.survivor_id.in_(survivor_ids), Merge.undone_at.is_(None)
    return session.scalars(select(Merge).where(*into).order_by(Merge.id)).all() if survivor_ids else ()


def all_merges_into_any(session: Session, survivor_ids: Collection[UUID]) -> Sequence[Merge]:
    """Undone ones too."""
    return session.scalars(select(Merge).where(Merge.survivor_id.in_(survivor_ids)).order_by(Merge.id)).all()


def whose(complaints: Collection[Complaint], merges: Collection[Merge]) -> dict[UUID, UUID]:
    """Complaint -> its customer, or itself where nobody knows whose it is: also where it has a customer only since a merge brought
    another complainant's. `merges`: those of `merges_into_any` into these.
    """
    found = {one.id: one.customer_id or one.id for one in complaints}
    for merge in merges:
        brought = merge.source_facts["customer_id"] if merge.facts_before["customer_id"] is None else None
        if brought is not None and found.get(merge.survivor_id) == UUID(brought):
            found[merge.survivor_id] = merge.survivor_id
    return found


def borrowed(
    session: Session, complaints: Mapping[UUID, Complaint], merges: Collection[Merge], names: Collection[str]
) -> dict[UUID, set[str]]:
    """Complaint -> which of these facts of it (of `combining.COMBINED`) are another complainant's, since a merge brought them, by however
    many steps, and nobody has said them of it since. `merges`: those of `merges_into_any` into these, in their order.
    """
    whose_is, found = whose(complaints.values(), merges), dict[UUID, set[str]]()
    for merge in merges:
        source, survivor = merge.source_id, merge.survivor_id
        before, after = merge.facts_before, merge.facts_after
        brought = {name for name in names if before[name] is None and after[name] is not None}
        if whose_is.get(source) == whose_is[survivor]:
            brought &= found.get(source, set())
        brought = {name for name in brought if getattr(complaints[survivor], name) == after[name]}
        if brought:
            brought -= _said_since(session, survivor, merge.survivor_sequence)
            found.setdefault(survivor, set()).update(brought)
    return found


def _said_since(session: Session, complaint_id: UUID, sequence: int) -> set[str]:
    """Fields that somebody changed after that place of its story."""
    names = func.jsonb_object_keys(EventRow.payload["changes"])
    later = EventRow.stream_id == complaint_id, EventRow.stream_seq > sequence, EventRow.type == ComplaintEdited.type
    return set(session.scalars(select(names).where(*later)))


def undone_merges_of(session: Session, source_id: UUID) -> Sequence[Merge]:
    """Those of a complaint into others, in their order."""
    undone = Merge.source_id == source_id, Merge.undone_at.is_not(None)
    return session.scalars(select(Merge).where(*undone).order_by(Merge.id)).all()


def undone_merges_into(session: Session, survivor_id: UUID) -> Sequence[Merge]:
    """Those of others into a complaint, in their order."""
    undone = Merge.survivor_id == survivor_id, Merge.undone_at.is_not(None)
    return session.scalars(select(Merge).where(*undone).order_by(Merge.id)).all()


def merge_by_id(session: Session, merge_id: UUID) -> Merge:
    """One that an event has named."""
    return session.get_one(Merge, merge_id)


def went_on_in(session: Session, survivor_id: UUID, at: datetime) -> list[UUID]:
    """`going_on_in` as it was then."""
    found, ahead = list[UUID](), [survivor_id]
    while ahead:
        merged = Merge.survivor_id == ahead.pop(), Merge.merged_at <= at
        then = or_(Merge.undone_at.is_(None), Merge.undone_at > at)
        sources = [each for each in session.scalars(select(Merge.source_id).where(*merged, then)) if each not in found]
        found += sources
        ahead += sources
    return found


def going_on_in(session: Session, survivor_id: UUID) -> list[UUID]:
    """The complaints that were merged into it, and those that had been merged into one of them before; nothing that was undone."""
    found, ahead = list[UUID](), [survivor_id]
    while ahead:
        sources = [merge.source_id for merge in merges_into(session, ahead.pop())]
        found += sources
        ahead += sources
    return found


def ledger_of(session: Session, merge_id: UUID, kind: str) -> dict[UUID, dict[str, Any]]:
    """Row id -> what was noted of it."""
    statement = select(MergedRow.row_id, MergedRow.before).where(MergedRow.merge_id == merge_id, MergedRow.kind == kind)
    return {row.row_id: row.before or {} for row in session.execute(statement)}


def judged_by(session: Session, merges: Collection[Merge]) -> set[UUID]:
    """Ids of the issues and needs that came with these."""
    kinds = Issue.__tablename__, Need.__tablename__
    of_them = MergedRow.merge_id.in_([merge.id for merge in merges]), MergedRow.kind.in_(kinds)
    return set(session.scalars(select(MergedRow.row_id).where(*of_them))) if merges else set()


def noted(session: Session, table: Any, merge_id: UUID) -> Sequence[Any]:
    """The rows of a table that this merge moved, wherever they are by now."""
    of_it = MergedRow.merge_id == merge_id, MergedRow.kind == table.__tablename__
    return session.scalars(select(table).join(MergedRow, MergedRow.row_id == table.id).where(*of_it)).all()


def rows_noted(session: Session, merge_ids: Collection[UUID], row_id: UUID) -> Sequence[MergedRow]:
    """What these merges noted of one row, locked."""
    of_row = MergedRow.row_id == row_id, MergedRow.merge_id.in_(merge_ids)
    return session.scalars(select(MergedRow).where(*of_row).order_by(MergedRow.merge_id).with_for_update()).all()


def people_of(session: Session, complaint_id: UUID) -> Sequence[Person]:
    return session.scalars(select(Person).where(Person.complaint_id == complaint_id).order_by(Person.id)).all()


def watchers_of(session: Session, complaint_id: UUID) -> Sequence[Watcher]:
    statement = select(Watcher).where(Watcher.complaint_id == complaint_id)
    return session.scalars(statement.order_by(Watcher.agent_id)).all()


def parts_still_there(session: Session, table: Any, row_ids: Sequence[UUID], complaint_id: UUID) -> Sequence[Any]:
    """Of these rows of `Issue`, `Person` or `Need` those that are the complaint's."""
    statement = select(table).where(table.id.in_(row_ids), table.complaint_id == complaint_id).order_by(table.id)
    return session.scalars(statement).all()


_KIN: Final = text("""
    WITH RECURSIVE kin(id) AS (
        SELECT CAST(:complaint_id AS uuid)
        UNION
        SELECT pair.far FROM kin JOIN LATERAL (
            SELECT survivor_id AS far FROM complaint_merge WHERE source_id = kin.id
            UNION ALL SELECT source_id FROM complaint_merge WHERE survivor_id = kin.id
            UNION ALL SELECT to_id FROM complaint_link WHERE from_id = kin.id AND kind = 'split_from'
            UNION ALL SELECT from_id FROM complaint_link WHERE to_id = kin.id AND kind = 'split_from'
        ) pair ON true
    )
    SELECT id FROM kin ORDER BY id
""")


def kin_of(session: Session, complaint_id: UUID) -> list[UUID]:
    """The complaint and all that messages may have come from or gone to, by merges, undone ones too, and splits."""
    return list(session.execute(_KIN, {"complaint_id": complaint_id}).scalars())


def inbound_of(session: Session, complaint_id: UUID, since: datetime) -> list[datetime]:
    """When a complainant wrote to it since then, by what stands in its thread now; the earliest first."""
    written = Message.complaint_id == complaint_id, Message.kind == "inbound", Message.created_at >= since
    return list(session.scalars(select(Message.created_at).where(*written).order_by(Message.created_at)))


_STANDING: Final[Mapping[str, Any]] = {"messages": Message, "issues": Issue, "people": Person, "needs": Need}


def still_there(session: Session, complaint_id: UUID, added: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Of what `added_since` says, what is the complaint's now: something may have been removed, or gone on, or home."""
    found = dict(added)
    for name, table in _STANDING.items():
        ids = [UUID(each) for each in added[name]]
        there = {str(row) for row in session.scalars(_standing(table, ids, complaint_id))} if ids else set[str]()
        found[name] = [each for each in added[name] if each in there]
    return found


def _standing(table: Any, row_ids: Sequence[UUID], complaint_id: UUID) -> Any:
    return select(table.id).where(table.id.in_(row_ids), table.complaint_id == complaint_id)


_ADDED: Final = {
    "complaint.message_added": ("messages", "message_id"),
    "complaint.issue_added": ("issues", "issue_id"),
    "complaint.person_added": ("people", "person_id"),
    "complaint.need_recorded": ("needs", "need_id"),
    "sla.fact_recorded": ("facts", "fact_id"),
}
MOST_STAYED: Final = 500


def added_since(session: Session, survivor_id: UUID, sequence: int) -> dict[str, list[str]]:
    """Ids of what came to the complaint after that place of its story, by kind; the first 500."""
    statement = (
        select(EventRow.type, EventRow.payload)
        .where(EventRow.stream_id == survivor_id, EventRow.stream_seq > sequence, EventRow.type.in_(_ADDED))
        .order_by(EventRow.stream_seq)
        .limit(MOST_STAYED)
    )
    found: dict[str, list[str]] = {name: [] for name, _ in _ADDED.values()}
    for row in session.execute(statement):
        name, key = _ADDED[row.type]
        if row.payload is not None:
            found[name].append(row.payload[key])
    return found


def acts_since(session: Session, survivor_id: UUID, sequence: int) -> Sequence[Any]:
    """What was done to the complaint after that place of its story: place, type, time and payload of each event that tells changes, but
    for those of merges and of their undoing. One that was erased tells nothing.
    """
    statement = (
        select(EventRow.stream_seq, EventRow.type, EventRow.occurred_at, EventRow.payload)
        .where(
            EventRow.stream_id == survivor_id,
            EventRow.stream_seq > sequence,
            EventRow.type.not_in((DuplicateMerged.type, DuplicateParted.type)),
            or_(EventRow.payload.has_key("changes"), EventRow.payload.has_key("complaint_changes")),
        )
        .order_by(EventRow.stream_seq)
    )
    return session.execute(statement).all()


_WENT: Final[Mapping[str, Any]] = {"messages": Message, "issues": Issue}


def gone_on(session: Session, merge_id: UUID, both: Collection[UUID]) -> dict[str, list[str]]:
    """Ids of what the merge had moved and that is in neither of the two any more, by kind: a split took it on to a third one."""
    found = {}
    for name, table in _WENT.items():
        of_merge = (
            MergedRow.merge_id == merge_id,
            MergedRow.kind == table.__tablename__,
            table.complaint_id.not_in(both),
        )
        ids = session.scalars(select(table.id).join(MergedRow, MergedRow.row_id == table.id).where(*of_merge))
        found[name] = sorted(map(str, ids))
    return found


_SOURCE, _SURVIVOR = aliased(Complaint), aliased(Complaint)
_BY_MERGE: Final = Order((Merge.id,), (UUID,))
_SHOWN: Final[AnySelect] = (
    select(
        Merge.id,
        Merge.merged_at,
        Merge.merged_by,
        Merge.reason,
        Merge.undo_until,
        Merge.undone_at,
        Merge.undone_by,
        Merge.source_id,
        Merge.survivor_id,
        _SOURCE.reference.label("source_reference"),
        _SOURCE.subject.label("source_subject"),
        _SURVIVOR.reference.label("survivor_reference"),
        _SURVIVOR.subject.label("survivor_subject"),
    )
    .join(_SOURCE, _SOURCE.id == Merge.source_id)
    .join(_SURVIVOR, _SURVIVOR.id == Merge.survivor_id)
)


def merges_of(session: Session, actor: Actor, page: Page, given: dict[str, Any], ref: str) -> Listed:
    """Merges of and into a complaint, undone ones too, oldest first; those of which the caller may see both sides."""
    complaint_id = visible_id(session, actor, ref)
    far_id = func.nullif(Merge.source_id, complaint_id)
    statement = _SHOWN.join(Complaint, Complaint.id == func.coalesce(far_id, Merge.survivor_id)).where(
        or_(Merge.source_id == complaint_id, Merge.survivor_id == complaint_id), visible_to(actor)
    )
    rows, cursor, total = listed(session, page, statement, _BY_MERGE, given)
    return [_shown(row) for row in rows], cursor, total


def merge_detail(session: Session, _actor: Actor, merge_id: UUID) -> dict[str, Any]:
    """For whoever has just made it."""
    return _shown(session.execute(_SHOWN.where(Merge.id == merge_id)).mappings().one())


def _shown(row: Any) -> dict[str, Any]:
    shown = {name: value for name, value in row.items() if not name.startswith(("source_", "survivor_"))}
    for side in ("source", "survivor"):
        shown[side] = {name: row[f"{side}_{name}"] for name in ("id", "reference", "subject")}
    return shown
