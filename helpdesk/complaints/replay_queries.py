"""Every select that replays the columns of complaints from their events."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from helpdesk.complaints.erasures import REDACTIONS
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.replaying import REPLAYED, Replay
from helpdesk.complaints.text_queries import kin_in
from helpdesk.kernel.event_log import Broken, EventRow

_COLUMNS: Final = tuple(getattr(Complaint, name) for name in REPLAYED)
_ROWS: Final = select(Complaint.id, Complaint.text_salt, Complaint.event_count, *_COLUMNS)


def replays(session: Session, complaint_ids: Sequence[UUID]) -> dict[UUID, Replay]:
    """Of complaints, from all their events."""
    told = select(EventRow).where(EventRow.stream_id.in_(complaint_ids)).order_by(EventRow.seq)
    return replayed(session, complaint_ids, session.scalars(told).all())


def replayed(session: Session, complaint_ids: Sequence[UUID], rows: Iterable[Any]) -> dict[UUID, Replay]:
    """`replays` of whoever has read the events of these chains already."""
    found = {complaint_id: Replay(complaint_id) for complaint_id in complaint_ids}
    for row in sorted([*rows, *_elsewhere(session, complaint_ids)], key=lambda row: row.seq):
        if row.type in REDACTIONS:
            for replay in found.values():
                replay.hear(row)
        elif row.stream_id in found:
            found[row.stream_id].hear(row)
    return found


def _elsewhere(session: Session, complaint_ids: Sequence[UUID]) -> Iterator[Any]:
    """Redactions on other complaints, which may have erased events of these."""
    others = {one for kin in kin_in(session, complaint_ids).values() for one in kin} - set(complaint_ids)
    if others:
        yield from session.scalars(
            select(EventRow).where(EventRow.stream_id.in_(others), EventRow.type.in_(REDACTIONS))
        )


def broken_fields(session: Session, replays_of: Mapping[UUID, Replay]) -> Iterator[Broken]:
    """Columns of these complaints that are not what the events say."""
    for row in session.execute(_ROWS.where(Complaint.id.in_(list(replays_of))).order_by(Complaint.id)):
        replay = replays_of[row.id]
        if replay.place != row.event_count:
            continue  # the chain does not end where it has to, and what it would have said is not known
        for place, name in replay.faults(row):
            yield Broken(row.id, place, f"the complaint: its {name} is not what the events say", "field")
