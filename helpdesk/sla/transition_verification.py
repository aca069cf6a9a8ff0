"""Clocks against what was told of them: the events of a complaint, replayed, have to come to its rows (`replaying`).

A few hundred complaints at a time. Of a clock from before transitions were recorded, and of a complaint of which one of these
events was erased, nothing can be said.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.kernel.event_log import EventRow
from helpdesk.kernel.schemas import json_safe
from helpdesk.kernel.verification import Violation
from helpdesk.sla.models import Clock
from helpdesk.sla.replaying import TELLING, Replayed, replay
from helpdesk.sla.transitions import TOLD, USUAL

_TOGETHER: Final = 300
_COLUMNS: Final[Sequence[Any]] = [Clock.__table__.c[name] for name in TOLD]


def clocks_follow_from_events(session: Session) -> Iterator[Violation]:
    """What a clock is, its complaint's timeline has told, and nothing else."""
    last: UUID | None = None
    while True:
        some = select(Clock.complaint_id).distinct()
        some = some if last is None else some.where(Clock.complaint_id > last)
        ids: Sequence[UUID] = session.scalars(some.order_by(Clock.complaint_id).limit(_TOGETHER)).all()
        if not ids:
            return
        replayed = _replayed(session, ids)
        yield from _against_the_rows(session, ids, replayed)
        last = ids[-1]


def _replayed(session: Session, ids: Sequence[UUID]) -> Mapping[UUID, Replayed]:
    rows = session.execute(
        select(EventRow.stream_id, EventRow.type, EventRow.payload)
        .where(EventRow.stream_id.in_(ids), EventRow.type.in_(TELLING))
        .order_by(EventRow.stream_id, EventRow.stream_seq)
    ).all()
    told = {complaint_id: list(own) for complaint_id, own in groupby(rows, key=lambda row: row.stream_id)}
    return {
        complaint_id: replay(((row.type, row.payload) for row in own), USUAL)
        for complaint_id, own in told.items()
        if complaint_id is not None and all(row.payload is not None for row in own)
    }


def _against_the_rows(session: Session, ids: Sequence[UUID], replayed: Mapping[UUID, Replayed]) -> Iterator[Violation]:
    rows = session.execute(
        select(Clock.id, Clock.complaint_id, Complaint.reference, *_COLUMNS)
        .join(Complaint, Complaint.id == Clock.complaint_id)
        .where(Clock.complaint_id.in_(ids))
        .order_by(Clock.complaint_id, Clock.id)
    ).mappings()
    missing = {complaint_id: set(known.clocks) for complaint_id, known in replayed.items()}
    for row in rows:
        known = replayed.get(row["complaint_id"])
        told = None if known is None else known.clocks.get(str(row["id"]))
        if told is not None:
            missing[row["complaint_id"]].discard(str(row["id"]))
            for name in TOLD:
                is_, should = json_safe(row[name]), told.get(name)
                if is_ != should:
                    yield Violation(
                        "clock_events", f"{row['reference']} {row['kind']}", f"{name} is {is_}, told was {should}"
                    )
    for complaint_id, known in replayed.items():
        yield from (Violation("clock_events", f"complaint {complaint_id}", what) for what in known.broken)
        for clock_id in sorted(missing[complaint_id]):
            yield Violation(
                "clock_events", f"complaint {complaint_id}", f"clock {clock_id} was told of, and is not there"
            )


CHECKS = (clocks_follow_from_events,)
