"""Selects on clocks, and on what was done to the complaints whose clocks they are; policies: `policy_queries`, calendars:
`calendar_queries`, rules: `regime_queries`.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, all_, and_, any_, bindparam, exists, func, literal, or_, select, true
from sqlalchemy.orm import Session

from helpdesk.complaints import queries as complaints
from helpdesk.complaints.events import (
    ComplaintActed,
    ComplaintConverted,
    ComplaintMerged,
    ComplaintReceived,
    ComplaintReopened,
)
from helpdesk.complaints.link_events import DuplicateMerged, DuplicateParted
from helpdesk.complaints.models import OPEN_STATES, Complaint
from helpdesk.identity.actors import Actor
from helpdesk.kernel.clock import parse_rfc3339
from helpdesk.kernel.event_log import EventRow
from helpdesk.kernel.events import Recorded
from helpdesk.sla.models import Clock, SlaCalendar, SlaCalendarVersion
from helpdesk.sla.rounds import Act, Happening, History, Joined, Parted, Round, present_round
from helpdesk.sla.transition_events import ClocksRecomputed, ClocksStarted


def calendar_version(session: Session, calendar_id: UUID, version: int) -> Any:
    return session.execute(
        select(SlaCalendarVersion.spec, SlaCalendar.name)
        .join(SlaCalendar, SlaCalendar.id == SlaCalendarVersion.calendar_id)
        .where(SlaCalendarVersion.calendar_id == calendar_id, SlaCalendarVersion.version == version)
    ).one()


def went_by_since(session: Session, clock: Clock) -> datetime | None:
    """When it was last told that the clock began, or was counted anew, by what it goes by; None where that was never told, or was
    erased.
    """
    about = EventRow.payload["clocks"].contains([{"clock_id": str(clock.id)}])
    told = EventRow.type.in_((ClocksStarted.type, ClocksRecomputed.type))
    found = select(func.max(EventRow.occurred_at)).where(EventRow.stream_id == clock.complaint_id, told, about)
    return session.execute(found).scalar_one()


def begun_since(session: Session, complaint_id: UUID, since: datetime) -> dict[UUID, datetime]:
    """Clocks of a complaint that began at that time or after it, with when that was."""
    told = EventRow.stream_id == complaint_id, EventRow.type == ClocksStarted.type, EventRow.occurred_at >= since
    rows = session.execute(select(EventRow.occurred_at, EventRow.payload["clocks"].label("clocks")).where(*told))
    return {UUID(item["clock_id"]): row.occurred_at for row in rows for item in row.clocks or ()}


def converted_at(session: Session, complaint_id: UUID) -> datetime | None:
    """When it was last found to be something else, a complaint or none."""
    told = EventRow.stream_id == complaint_id, EventRow.type == ComplaintConverted.type
    return session.execute(select(func.max(EventRow.occurred_at)).where(*told)).scalar_one()


_OPEN: Final = (
    select(Clock)
    .where(Clock.complaint_id == any_(bindparam("complaint_ids", type_=ARRAY(Uuid()))), Clock.stopped_at.is_(None))
    .order_by(Clock.id)
    .with_for_update()
)
"""Made once: it is asked with every act, and putting it together takes longer than the answer."""


def open_clocks_for_update(session: Session, complaint_ids: Sequence[UUID]) -> Sequence[Clock]:
    """Clocks that still run or wait, and broken ones that were not stopped, those that were begun in this very unit of work too;
    the complaints are locked by the caller.
    """
    rows = session.scalars(_OPEN, {"complaint_ids": list(complaint_ids)}).all()
    found = [*rows, *(clock for each in complaint_ids for clock in begun(session, each))]
    return [clock for clock in found if clock.stopped_at is None]


def clocks_at_hand(session: Session, complaint_id: UUID, round_: int) -> Sequence[Clock]:
    """Those of a round, whatever became of them, and open ones of any other; begun in this unit of work or before. Locked;
    so is the complaint, by the caller.
    """
    rows = session.scalars(
        select(Clock)
        .where(Clock.complaint_id == complaint_id, or_(Clock.round == round_, Clock.stopped_at.is_(None)))
        .order_by(Clock.id)
        .with_for_update()
    ).all()
    return [*rows, *begun(session, complaint_id)]


def clocks_of_every_round(session: Session, complaint_id: UUID) -> Sequence[Clock]:
    """Whatever became of them, the oldest round first; begun in this unit of work or before. Locked; so is the complaint, by the
    caller.
    """
    mine = select(Clock).where(Clock.complaint_id == complaint_id).order_by(Clock.round, Clock.id).with_for_update()
    return [*session.scalars(mine).all(), *begun(session, complaint_id)]


def begun(session: Session, complaint_id: UUID) -> Sequence[Clock]:
    """Of a complaint, in this unit of work; not written yet."""
    return [row for row in session.new if isinstance(row, Clock) and row.complaint_id == complaint_id]


def clocks_of_round_for_update(session: Session, complaint_id: UUID, round_: int) -> Sequence[Clock]:
    """Whatever became of them; the complaint is locked by the caller."""
    return [clock for clock in clocks_at_hand(session, complaint_id, round_) if clock.round == round_]


def clocks_before(session: Session, clock: Clock) -> Sequence[Clock]:
    """The clocks of the same promise in the rounds before, the latest first; of one that is about something those about that."""
    earlier = select(Clock).where(
        Clock.complaint_id == clock.complaint_id,
        Clock.kind == clock.kind,
        Clock.round < clock.round,
        Clock.subject_id.is_not_distinct_from(clock.subject_id),
    )
    return session.scalars(earlier.order_by(Clock.round.desc(), Clock.started_at.desc(), Clock.id.desc())).all()


def clocks_of_kind(session: Session, complaint_id: UUID, kind: str) -> Sequence[Clock]:
    """Of every round, the latest first."""
    mine = select(Clock).where(Clock.complaint_id == complaint_id, Clock.kind == kind)
    return session.scalars(mine.order_by(Clock.round.desc(), Clock.started_at.desc(), Clock.id.desc())).all()


def split_of(session: Session, complaint_id: UUID) -> tuple[UUID, datetime] | None:
    """The complaint that it is a part of, and since when."""
    born = EventRow.stream_id == complaint_id, EventRow.type == ComplaintReceived.type
    whole = EventRow.payload["split_from"].astext.label("whole")
    row = session.execute(select(whole, EventRow.occurred_at).where(*born)).one_or_none()
    return None if row is None or row.whole is None else (UUID(row.whole), row.occurred_at)


def split_from(session: Session, complaint_id: UUID) -> UUID | None:
    """The complaint that it is a part of."""
    found = split_of(session, complaint_id)
    return None if found is None else found[0]


def was_merged_into(session: Session, complaint_id: UUID) -> bool:
    """Whether any complaint ever was, be it undone."""
    merged = EventRow.stream_id == complaint_id, EventRow.type == DuplicateMerged.type
    return session.execute(select(exists().where(*merged))).scalar_one()


_WAITING_ON: Final = EventRow.payload["waiting_on"].astext
_TOLD: Final = (ComplaintReceived.type, DuplicateMerged.type, DuplicateParted.type)
_OF_EVENT: Final = (EventRow.id, EventRow.type, EventRow.occurred_at, EventRow.payload)


def history(
    session: Session, complaint_id: UUID, before: datetime | None = None, *, besides: Sequence[Recorded] = ()
) -> History:
    """What was done to a complaint before the present unit of work, or before that time. `besides`: what was recorded in the
    present one, written or not.
    """
    told = or_(_WAITING_ON.is_not(None), EventRow.type.in_(_TOLD))
    in_time = true() if before is None else EventRow.occurred_at < before
    rows = session.execute(
        select(Complaint.received_at, *_OF_EVENT)
        .outerjoin(EventRow, and_(EventRow.stream_id == Complaint.id, told, in_time))
        .where(Complaint.id == complaint_id)
        .order_by(EventRow.stream_seq)
    ).all()
    found = _written(session, rows)
    written = {row.id for row in rows}
    present = [
        Act(
            reopened=isinstance(item.event, ComplaintReopened),
            at=item.occurred_at,
            waiting_on=item.event.waiting_on,
            away=isinstance(item.event, ComplaintMerged),
        )
        for item in besides
        if item.id not in written and isinstance(item.event, ComplaintActed) and item.event.complaint_id == complaint_id
    ]
    return History(found.born, [*found.happenings, *present])


def histories(session: Session, complaint_ids: Collection[UUID]) -> dict[UUID, History]:
    """What was done to each of these complaints, in one statement where none of them was merged or split. Not those of
    which anything was erased: nobody knows any more what it was.
    """
    told = or_(_WAITING_ON.is_not(None), EventRow.type.in_(_TOLD), EventRow.payload.is_(None))
    rows = session.execute(
        select(Complaint.id.label("of"), Complaint.received_at, *_OF_EVENT)
        .outerjoin(EventRow, and_(EventRow.stream_id == Complaint.id, told))
        .where(Complaint.id.in_(complaint_ids))
        .order_by(Complaint.id, EventRow.stream_seq)
    ).all()
    found = {complaint_id: list(own) for complaint_id, own in groupby(rows, key=lambda row: row.of)}
    return {
        complaint_id: _written(session, own)
        for complaint_id, own in found.items()
        if all(row.payload is not None or row.id is None for row in own)
    }


def _written(session: Session, rows: Sequence[Any]) -> History:
    """Of the events of one complaint, in order; at least one row, which has its `received_at`."""
    born, happenings = Round(rows[0].received_at, ()), list[Happening]()
    for row in rows:
        payload = row.payload or {}
        if payload.get("split_from"):
            born = present_round(history(session, UUID(payload["split_from"]), row.occurred_at)).ended(row.occurred_at)
        elif row.type == DuplicateMerged.type and payload.get("source_record_type") == "complaint":
            source_id = UUID(payload["source_id"])
            happenings.append(Joined(source_id, present_round(history(session, source_id, row.occurred_at))))
        elif row.type == DuplicateParted.type and payload:
            waited = waits_told(payload.get("waited", ()))
            happenings = [*History(born, happenings).waited(waited).happenings, Parted(UUID(payload["source_id"]))]
        elif payload.get("waiting_on"):
            happenings.append(_act(row, payload["waiting_on"]))
    return History(born, happenings)


def waits_told(written: Sequence[Sequence[str | None]]) -> list[tuple[datetime, datetime | None]]:
    """As a `DuplicateParted` tells them."""
    return [(parse_rfc3339(str(since)), None if until is None else parse_rfc3339(until)) for since, until in written]


def _act(row: Any, waiting_on: str) -> Act:
    return Act(
        reopened=row.type == ComplaintReopened.type,
        at=row.occurred_at,
        waiting_on=waiting_on,
        away=row.type == ComplaintMerged.type,
    )


_ACCEPTED: Final = "offer.accepted"
_SETTLED: Final = (
    "offer.issued",
    "offer.delivered",
    "offer.letter_mailed",
    "offer.letter_posted",
    "offer.voucher_seen",
    "offer.revoked",
    "offer.reversed",
)
"""Events of offers, which stand on their complaint's stream: what was accepted is owed until the customer has it, or it was
taken back."""


def remedies_awaited(session: Session, complaint_id: UUID) -> list[tuple[UUID, datetime]]:
    """The offers that were accepted and are still owed, and since when."""
    rows = session.execute(
        select(EventRow.type, EventRow.occurred_at, EventRow.payload["offer_id"].astext.label("offer_id"))
        .where(
            EventRow.stream_id == complaint_id,
            EventRow.type.in_((_ACCEPTED, *_SETTLED)),
            EventRow.payload["delivered"].astext.is_distinct_from("false"),
        )
        .order_by(EventRow.stream_seq)
    )
    awaited: dict[UUID, datetime] = {}
    for row in rows:
        if row.type == _ACCEPTED:
            awaited[UUID(row.offer_id)] = row.occurred_at
        else:
            awaited.pop(UUID(row.offer_id), None)
    return list(awaited.items())


def clocks_of(session: Session, actor: Actor, ref: str) -> Sequence[Clock]:
    """Of a complaint that the actor may see, oldest first."""
    complaint_id = complaints.visible_id(session, actor, ref)
    return session.scalars(
        select(Clock).where(Clock.complaint_id == complaint_id).order_by(Clock.round, Clock.started_at, Clock.id)
    ).all()


def promised_to(session: Session, customer_id: UUID, after: UUID | None, limit: int) -> Sequence[UUID]:
    """Complaints of a customer of which something may be owed, by id."""
    mine = select(Complaint.id).where(
        Complaint.customer_id == customer_id,
        Complaint.record_type == "complaint",
        Complaint.status.in_((*OPEN_STATES, "resolved")),
    )
    following = mine if after is None else mine.where(Complaint.id > after)
    return session.scalars(following.order_by(Complaint.id).limit(limit)).all()


def due_complaints(
    session: Session, limit: int, skip: Collection[UUID] = (), by: datetime | None = None
) -> Sequence[UUID]:
    """Complaints with an alarm that is due (by then, or now), the most overdue first, but those to `skip`. Only narrows: each is
    locked and looked at again.
    """
    overdue = (
        select(Clock.complaint_id, Clock.next_alarm_at)
        .where(
            Clock.next_alarm_at <= (by or func.now()), *([Clock.complaint_id != all_(_skipped(skip))] if skip else [])
        )
        .order_by(Clock.next_alarm_at)
        .limit(limit)
        .subquery()
    )
    return session.scalars(
        select(overdue.c.complaint_id).group_by(overdue.c.complaint_id).order_by(func.min(overdue.c.next_alarm_at))
    ).all()


def _skipped(complaint_ids: Collection[UUID]) -> Any:
    """One value, however many they are: a list would be another statement each time."""
    return literal(list(complaint_ids), ARRAY(Uuid()))


def calendar_name_taken(session: Session, name: str) -> bool:
    return session.execute(select(exists().where(SlaCalendar.name == name))).scalar_one()


def free_complaints_for_update(session: Session, complaint_ids: Sequence[UUID]) -> Sequence[Complaint]:
    """Of these complaints the ones that nobody is working on, locked."""
    return session.scalars(
        select(Complaint)
        .where(Complaint.id.in_(complaint_ids))
        .order_by(Complaint.id)
        .with_for_update(skip_locked=True)
    ).all()


def clock_time(session: Session) -> datetime:
    """What the server's clock says now, not when the transaction began."""
    now: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    return now
