"""Every select on imports and on the event feed."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    RowMapping,
    String,
    and_,
    bindparam,
    cast,
    false,
    func,
    literal_column,
    or_,
    select,
    text,
    true,
)
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.complaints.queries import visible_to as complaints_visible_to
from helpdesk.complaints.timeline_queries import for_reader
from helpdesk.identity.actors import Actor
from helpdesk.identity.administration_models import ADMINISTRATION
from helpdesk.integrations.models import ImportJob, ImportRejection
from helpdesk.kernel import advisory
from helpdesk.kernel.access import existing
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.event_log import (
    BELOW_HORIZON,
    FEED_ORDER,
    EventRow,
    FeedPosition,
    after_position,
    current_epoch,
    start_of_log,
)
from helpdesk.kernel.pagination import Listed, Order, Page, listed

FEED_WINDOW: Final = 10_000
"""Events looked at for one page, so that a rare type among millions of events costs nobody a time-out."""

_NEWEST = Order((ImportJob.id,), (UUID,), descending=True)
_BY_LINE = Order((ImportRejection.line, ImportRejection.id), (int, UUID))


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """One's own imports; all of them for who sees all complaints."""
    if actor.sees_all:
        return true()
    return ImportJob.created_by == actor.id if actor.kind in {"agent", "integration"} else false()


def list_jobs(session: Session, actor: Actor, page: Page, given: Mapping[str, Any]) -> Listed:
    statement = select(*ImportJob.__table__.c).where(visible_to(actor))
    if "state" in given:
        statement = statement.where(ImportJob.state == given["state"])
    rows, cursor, total = listed(session, page, statement, _NEWEST, given)
    return [_with_progress(row) for row in rows], cursor, total


def job_detail(session: Session, actor: Actor, job_id: UUID) -> dict[str, Any]:
    statement = select(*ImportJob.__table__.c).where(ImportJob.id == job_id, visible_to(actor))
    row = session.execute(statement).mappings().one_or_none()
    if row is None:
        raise NotFound
    return _with_progress(row)


def _with_progress(row: RowMapping) -> dict[str, Any]:
    """The row with its share done (0 to 1), records per second of the present run, and seconds left at that rate."""
    shown: dict[str, Any] = dict(row) | {"progress": None, "records_per_second": None, "remaining_seconds": None}
    if row["state"] == "done":
        shown["progress"] = 1.0
    elif row["size_bytes"]:
        shown["progress"] = round(row["byte_done"] / row["size_bytes"], 4)
    if row["run_started_at"] is None or row["progress_at"] is None:
        return shown
    seconds = (row["progress_at"] - row["run_started_at"]).total_seconds()
    records, size = row["records_read"] - row["run_from_records"], row["byte_done"] - row["run_from_byte"]
    if seconds > 0 and records > 0:
        shown["records_per_second"] = round(records / seconds, 1)
        if row["state"] == "running" and size > 0:
            shown["remaining_seconds"] = round((row["size_bytes"] - row["byte_done"]) * seconds / size)
    return shown


def job_for_update(session: Session, actor: Actor, job_id: UUID) -> ImportJob:
    """The row, locked, if this actor may see it. Not against references: a batch that is being written has some already
    (its rejections) and waits for the one before, which would wait for it.
    """
    statement = select(ImportJob).where(ImportJob.id == job_id, visible_to(actor)).with_for_update(key_share=True)
    return existing(session.execute(statement).scalar_one_or_none())


def locked_job(session: Session, job_id: UUID) -> ImportJob:
    """For the program itself: no visibility."""
    statement = select(ImportJob).where(ImportJob.id == job_id).with_for_update(key_share=True)
    return session.execute(statement).scalar_one()


def job_or_none(session: Session, job_id: UUID) -> ImportJob | None:
    return session.get(ImportJob, job_id)


def interrupted(session: Session, *, checksum: str, mapping: str, dry_run: bool) -> Sequence[UUID]:
    """Imports of this file from the command line that have not ended, oldest first: running, or killed on the way."""
    statement = _of_file(checksum, mapping, dry_run=dry_run).where(
        ImportJob.state == "running", ImportJob.created_by.is_(None)
    )
    return session.scalars(statement).all()


def imported_before(session: Session, *, checksum: str, mapping: str) -> UUID | None:
    """An import that took this file in, whole, or is about to. To the end of the transaction: of two who ask about one
    file the second sees what the first did about it. One from the command line counts from its first batch, as a killed
    one that never began is taken up by nobody.
    """
    advisory.lock_each(session, advisory.Each.IMPORTED_FILE, f"{mapping} {checksum}")
    going = and_(ImportJob.state == "queued", ImportJob.created_by.is_not(None))
    statement = _of_file(checksum, mapping, dry_run=False).where(or_(ImportJob.state.in_(("running", "done")), going))
    return session.scalars(statement.limit(1)).first()


def _of_file(checksum: str, mapping: str, *, dry_run: bool) -> Any:
    return (
        select(ImportJob.id)
        .where(ImportJob.checksum == checksum, ImportJob.mapping == mapping, ImportJob.dry_run == dry_run)
        .order_by(ImportJob.id)
    )


UNIT: Final = "\x1f"
"""Between values sent as one text: hundreds of parameters, or an array, cost more than the look-up. No text of ours can
hold it (`kernel.schemas.Text`).
"""


def known_ids(session: Session, source: str, external_ids: Sequence[str]) -> Sequence[str]:
    """Of these external ids, the ones received before."""
    wanted = func.string_to_array(UNIT.join(external_ids), UNIT, type_=ARRAY(String))
    statement = select(Complaint.external_id).where(
        Complaint.source == source, Complaint.external_id == func.any(wanted)
    )
    return [row for row in session.scalars(statement) if row is not None]


def list_rejections(session: Session, actor: Actor, page: Page, given: Mapping[str, Any], job_id: UUID) -> Listed:
    job_detail(session, actor, job_id)
    statement = select(*ImportRejection.__table__.c).where(ImportRejection.job_id == job_id)
    if "outcome" in given:
        statement = statement.where(ImportRejection.outcome == given["outcome"])
    return listed(session, page, statement, _BY_LINE, given)


def rejections_after(
    session: Session, job_id: UUID, after: tuple[int, UUID] | None, limit: int
) -> Sequence[RowMapping]:
    """A stretch of the report, in order of line."""
    statement = select(*ImportRejection.__table__.c).where(ImportRejection.job_id == job_id)
    if after is not None:
        statement = statement.where(_BY_LINE.after(after))
    return session.execute(_BY_LINE.apply(statement).limit(limit)).mappings().all()


def ended_among(session: Session, job_ids: Sequence[UUID]) -> set[UUID]:
    """Of these ids, the ones whose import has ended or is not known."""
    going = select(ImportJob.id).where(ImportJob.id.in_(list(job_ids)), ImportJob.finished_at.is_(None))
    return set(job_ids) - set(session.scalars(going))


def feed(session: Session, actor: Actor, given: Mapping[str, Any]) -> dict[str, Any]:
    """One page of the event feed: `items`, `next_cursor`, `end_of_stream`.

    Two statements, and one where an event names complaints that the caller might not see. The first finds the edge: the last event, of at most `FEED_WINDOW`, below which no transaction is
    still running. The second reads up to it. So a page that ends at the edge can say so in its cursor even where the
    filter kept every event away, and the next one does not begin from the start again. A page may be empty although
    there is more; `end_of_stream` is what tells.
    """
    epoch = current_epoch(session)
    position = FeedPosition.decode(given["cursor"]) if "cursor" in given else start_of_log(epoch)
    after = after_position(position, epoch)
    edge, seen = _edge(session, after)
    if edge is None:
        return {"items": [], "next_cursor": position.encode(), "end_of_stream": True}
    statement = (
        select(*_EVENT)
        .where(after, _up_to(edge), *_feed_filter(actor, given))
        .order_by(FEED_ORDER)
        .limit(given["limit"] + 1)
    )
    rows = session.execute(statement).mappings().all()
    if len(rows) > given["limit"]:
        items = rows[: given["limit"]]
        last = FeedPosition(epoch, int(items[-1]["xid_text"]), items[-1]["seq"])
        return {"items": for_reader(session, actor, items), "next_cursor": last.encode(), "end_of_stream": False}
    whole = FeedPosition(epoch, *edge)
    shown = for_reader(session, actor, rows)
    return {"items": shown, "next_cursor": whole.encode(), "end_of_stream": seen < FEED_WINDOW}


_EVENT = (
    EventRow.id,
    EventRow.type,
    EventRow.subject_id,
    EventRow.stream_id,
    EventRow.stream_seq.label("sequence"),
    EventRow.occurred_at,
    EventRow.actor_kind,
    EventRow.actor_id,
    EventRow.request_id,
    EventRow.payload,
    func.encode(EventRow.hash, "hex").label("hash"),
    cast(EventRow.xid, String).label("xid_text"),
    EventRow.seq,
)


def _edge(session: Session, after: Any) -> tuple[tuple[int, int] | None, int]:
    """The last position that may be read now, and how many events are up to there, `FEED_WINDOW` at most."""
    window = (
        select(EventRow.xid, EventRow.seq)
        .where(after, BELOW_HORIZON)
        .order_by(FEED_ORDER)
        .limit(FEED_WINDOW)
        .subquery("seen")
    )
    last = text("seen.xid DESC, seen.seq DESC")  # named in full: a bare `xid` would be the text selected below
    xid = cast(window.c.xid, String).label("xid_text")
    statement = select(xid, window.c.seq, literal_column("count(*) OVER ()")).order_by(last).limit(1)
    row = session.execute(statement).one_or_none()
    return (None, 0) if row is None else ((int(row[0]), row[1]), row[2])


def _up_to(edge: tuple[int, int]) -> Any:
    return text("(event.xid, event.seq) <= (CAST(CAST(:edge_xid AS text) AS xid8), :edge_seq)").bindparams(
        bindparam("edge_xid", str(edge[0])), bindparam("edge_seq", edge[1], BigInteger)
    )


def _feed_filter(actor: Actor, given: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if "types" in given:
        found.append(EventRow.type.in_(given["types"]))
    if not actor.may("audit:read"):
        found.append(EventRow.stream_id.is_distinct_from(ADMINISTRATION))
    if not actor.sees_all:
        visible = select(Complaint.id).where(complaints_visible_to(actor))
        found.append(
            or_(EventRow.stream_id.is_(None), EventRow.stream_id == ADMINISTRATION, EventRow.stream_id.in_(visible))
        )
    return found


def take_import(connection: Connection, job_id: UUID) -> bool:
    """Try the lock that says who runs this import; it is held until the session ends."""
    attempt = select(func.pg_try_advisory_lock(advisory.key_of_import(job_id)))
    return bool(connection.execute(attempt).scalar_one())
