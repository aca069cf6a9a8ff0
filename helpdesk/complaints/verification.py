"""What must hold of every complaint: its chain verifies, its history replays, its counters are right."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session, aliased

from helpdesk.complaints.erasure_queries import accounted_for
from helpdesk.complaints.lifecycle import LIFECYCLE
from helpdesk.complaints.link_models import Link
from helpdesk.complaints.merge_models import Merge
from helpdesk.complaints.models import Complaint, Issue, TransitionRow
from helpdesk.complaints.replay_queries import broken_fields, replayed
from helpdesk.complaints.text_queries import texts_of
from helpdesk.kernel.event_log import EventRow, verify_stream
from helpdesk.kernel.state_machine import replay
from helpdesk.kernel.verification import Violation

_BATCH = 1_000
_TEXTS: Final = 200
"""Complaints whose whole threads are held at a time."""


def chains_hold(session: Session) -> Iterator[Violation]:
    """Every complaint's event chain: a changed, removed or reordered row is named by stream and place."""
    last: UUID | None = None
    while True:
        heads = (
            select(Complaint.id, Complaint.reference, Complaint.event_count, Complaint.event_head)
            .order_by(Complaint.id)
            .limit(_BATCH)
        )
        batch = session.execute(heads if last is None else heads.where(Complaint.id > last)).all()
        if not batch:
            return
        last = batch[-1].id
        yield from _verify(session, {row.id: row for row in batch})


def _verify(session: Session, owners: dict[UUID, Any]) -> Iterator[Violation]:
    rows = session.scalars(
        select(EventRow).where(EventRow.stream_id.in_(list(owners))).order_by(EventRow.stream_id, EventRow.stream_seq)
    ).all()
    erasures = accounted_for(session, list(owners))
    streams = {stream_id: list(events) for stream_id, events in groupby(rows, key=lambda row: row.stream_id)}
    for stream_id, owner in owners.items():
        count, head = owner.event_count, bytes(owner.event_head)
        events, lawful = streams.get(stream_id, []), erasures.get(stream_id, ())
        for broken in verify_stream(events, count=count, head=head, stream_id=stream_id, erasures=lawful):
            yield Violation("chain", f"complaint {owner.reference}", f"event {broken.stream_seq}: {broken.what}")
    for wrong in broken_fields(session, replayed(session, list(owners), rows)):
        yield Violation("field", f"complaint {owners[wrong.stream_id].reference}", wrong.what)
    session.expunge_all()


def texts_hold(session: Session) -> Iterator[Violation]:
    """What was said is what the events have the digests of; every text that was changed is named."""
    last: UUID | None = None
    while True:
        ids = select(Complaint.id).order_by(Complaint.id).limit(_TEXTS)
        batch = session.scalars(ids if last is None else ids.where(Complaint.id > last)).all()
        if not batch:
            return
        last = batch[-1]
        for text_of in texts_of(session, batch):
            for fault in text_of.faults:
                yield Violation("text", f"complaint {text_of.reference}", f"{text_of.subject}: {fault}")


def history_replays(session: Session) -> Iterator[Violation]:
    """The recorded transitions, replayed from the start, end in the present state; none is missing between."""
    statement = (
        select(
            Complaint.reference,
            Complaint.status,
            Complaint.transition_count,
            func.json_agg(
                func.json_build_array(
                    TransitionRow.number, TransitionRow.action, TransitionRow.from_status, TransitionRow.to_status
                )
            ).label("steps"),
        )
        .join(TransitionRow, TransitionRow.complaint_id == Complaint.id)
        .group_by(Complaint.id)
    )
    for row in session.execute(statement.execution_options(yield_per=_BATCH)):
        steps = sorted(row.steps)
        subject = f"complaint {row.reference}"
        if [step[0] for step in steps] != list(range(1, row.transition_count + 1)):
            detail = f"has {len(steps)} transitions, but counted {row.transition_count}, or their numbers have a gap"
            yield Violation("history", subject, detail)
        try:
            ended = replay(LIFECYCLE, [(action, source, target) for _, action, source, target in steps])
        except (ValueError, KeyError) as error:
            yield Violation("history", subject, str(error))
            continue
        if ended != row.status:
            yield Violation("history", subject, f"history ends in {ended}, the row says {row.status}")
    silent = select(Complaint.reference, Complaint.status).where(
        (Complaint.status != LIFECYCLE.initial) | (Complaint.transition_count > 0),
        ~select(TransitionRow.id).where(TransitionRow.complaint_id == Complaint.id).exists(),
    )
    for row in session.execute(silent):
        yield Violation("history", f"complaint {row.reference}", f"is {row.status} without any transition")


def issues_are_counted(session: Session) -> Iterator[Violation]:
    counted = select(Issue.complaint_id, func.count().label("n")).group_by(Issue.complaint_id).subquery()
    wrong = (
        select(Complaint.reference, Complaint.issue_count, func.coalesce(counted.c.n, 0).label("n"))
        .outerjoin(counted, counted.c.complaint_id == Complaint.id)
        .where(Complaint.issue_count != func.coalesce(counted.c.n, 0))
    )
    for row in session.execute(wrong):
        yield Violation("issue_count", f"complaint {row.reference}", f"says {row.issue_count} issues, has {row.n}")


def reopenings_are_counted(session: Session) -> Iterator[Violation]:
    """The promises of a complaint are told apart by this number, so it must be what the history says."""
    steps = select(TransitionRow.complaint_id, func.count().label("n")).where(TransitionRow.action == "reopen")
    counted = steps.group_by(TransitionRow.complaint_id).subquery()
    wrong = (
        select(Complaint.reference, Complaint.reopened_count, func.coalesce(counted.c.n, 0).label("n"))
        .outerjoin(counted, counted.c.complaint_id == Complaint.id)
        .where(Complaint.reopened_count != func.coalesce(counted.c.n, 0))
    )
    for row in session.execute(wrong):
        detail = f"says it was reopened {row.reopened_count} times, its history has {row.n}"
        yield Violation("reopened_count", f"complaint {row.reference}", detail)


def merges_lead_to_the_end(session: Session) -> Iterator[Violation]:
    """A merged complaint points to one that was not merged itself, and has the one merge that says so; no other has one."""
    end = aliased(Complaint)
    strayed = select(Complaint.reference, end.reference.label("into")).join(end, end.id == Complaint.merged_into_id)
    for row in session.execute(strayed.where(end.merged_into_id.is_not(None))):
        yield Violation("merge", f"complaint {row.reference}", f"goes on in {row.into}, which was merged itself")
    standing = select(Merge.source_id, Merge.survivor_id).where(Merge.undone_at.is_(None)).subquery()
    either = (
        select(Complaint.reference, Complaint.merged_into_id, standing.c.survivor_id)
        .outerjoin(standing, standing.c.source_id == Complaint.id)
        .where((Complaint.merged_into_id.is_(None)) != (standing.c.survivor_id.is_(None)))
    )
    for row in session.execute(either):
        said = "says it was merged, and no merge does" if row.merged_into_id else "has a merge that it does not know of"
        yield Violation("merge", f"complaint {row.reference}", said)


def children_are_counted(session: Session) -> Iterator[Violation]:
    links = select(Link.to_id, func.count().label("n")).where(Link.kind == "child_of").group_by(Link.to_id).subquery()
    wrong = (
        select(Complaint.reference, Complaint.child_count, func.coalesce(links.c.n, 0).label("n"))
        .outerjoin(links, links.c.to_id == Complaint.id)
        .where(Complaint.child_count != func.coalesce(links.c.n, 0))
    )
    for row in session.execute(wrong):
        yield Violation("child_count", f"complaint {row.reference}", f"says {row.child_count} children, has {row.n}")


def parents_make_no_ring(session: Session) -> Iterator[Violation]:
    for reference in session.execute(_RINGS).scalars():
        yield Violation("parents", f"complaint {reference}", "stands above itself")


_RINGS: Final = text("""
    WITH RECURSIVE above(child, parent, path) AS (
        SELECT from_id, to_id, ARRAY[from_id] FROM complaint_link WHERE kind = 'child_of'
        UNION ALL
        SELECT above.child, link.to_id, path || link.from_id FROM above
        JOIN complaint_link link ON link.from_id = above.parent AND link.kind = 'child_of'
        WHERE link.from_id <> ALL (path)
    )
    SELECT DISTINCT c.reference FROM above JOIN complaint c ON c.id = above.child
    WHERE above.parent = above.child ORDER BY c.reference
""")


CHAIN_CHECKS = (chains_hold, texts_hold)
CHECKS = (
    history_replays,
    issues_are_counted,
    reopenings_are_counted,
    merges_lead_to_the_end,
    children_are_counted,
    parents_make_no_ring,
)
