"""Selects on what an edit concerns. By partial indexes of what is open: closed complaints cost nothing, however many there are."""

from collections.abc import Collection, Mapping, Sequence
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, or_, select, text, union
from sqlalchemy.orm import Session

from helpdesk.complaints.models import IS_OPEN, Complaint
from helpdesk.complaints.queries import visible_to
from helpdesk.identity.actors import Actor
from helpdesk.kernel.jobs import Job
from helpdesk.kernel.pagination import AnySelect
from helpdesk.sla.models import Clock
from helpdesk.sla.recompute_scope import Scope

_OPEN: Final = text(IS_OPEN)
_CLOCK: Final = Clock.__table__.c
_STILL: Final = _CLOCK.stopped_at.is_(None)


def concerned(session: Session, scope: Scope, after: UUID | None, limit: int) -> Sequence[UUID]:
    """Complaints of the scope, by id. One that opens, or comes in, meanwhile is promised by what is in force then."""
    found = _concerned(scope, after)
    return session.scalars(select(found.c.id).order_by(found.c.id).limit(limit)).all()


def count_of(session: Session, scope: Scope) -> int:
    return session.execute(select(func.count()).select_from(_concerned(scope, None))).scalar_one()


def _concerned(scope: Scope, after: UUID | None) -> Any:
    parts: list[AnySelect] = []
    if scope.every or scope.regulated:
        open_ = select(Complaint.id).where(_OPEN, Complaint.record_type == "complaint")
        parts.append(open_ if scope.every else open_.where(Complaint.jurisdiction.is_not(None)))
    if scope.every:
        # Of a closed one what is still owed: its follow-up, a remedy.
        parts.append(select(_CLOCK.complaint_id).where(_STILL, _CLOCK.policy_id.is_not(None)))
    if scope.policies:
        parts.append(select(_CLOCK.complaint_id).where(_STILL, _CLOCK.policy_id.in_(scope.policies)))
    if scope.calendars:
        parts.append(select(_CLOCK.complaint_id).where(_STILL, _CLOCK.calendar_id.in_(scope.calendars)))
    if after is not None:
        parts = [part.where(part.selected_columns[0] > after) for part in parts]
    return union(
        *(part.with_only_columns(part.selected_columns[0].label("id")).distinct() for part in parts)
    ).subquery()


def clocks_seen(session: Session, complaint_ids: Collection[UUID]) -> Sequence[tuple[Complaint, Sequence[Clock]]]:
    """Complaints with their `queries.clocks_at_hand`, as they are: nothing is locked, since nothing is changed."""
    complaints = session.scalars(select(Complaint).where(Complaint.id.in_(complaint_ids)).order_by(Complaint.id)).all()
    present = Complaint.reopened_count + 1
    rows = session.scalars(
        select(Clock)
        .join(Complaint, Complaint.id == Clock.complaint_id)
        .where(Clock.complaint_id.in_(complaint_ids), or_(Clock.round == present, Clock.stopped_at.is_(None)))
        .order_by(Clock.complaint_id, Clock.id)
    )
    clocks = {complaint_id: list(own) for complaint_id, own in groupby(rows, key=lambda clock: clock.complaint_id)}
    return [(complaint, clocks.get(complaint.id, [])) for complaint in complaints]


def waiting_job(session: Session, kind: str, created_by: UUID | None) -> Job | None:
    """A job of that kind, of the same person, that no worker has begun yet; locked, so that none does before the end of this
    transaction.
    """
    found = select(Job).where(Job.kind == kind, Job.state == "queued", Job.created_by.is_not_distinct_from(created_by))
    return session.scalars(found.order_by(Job.id).limit(1).with_for_update(skip_locked=True)).one_or_none()


def references_seen(session: Session, actor: Actor, complaint_ids: Collection[UUID]) -> Mapping[UUID, str]:
    """Of these complaints those that the actor sees."""
    found = select(Complaint.id, Complaint.reference).where(Complaint.id.in_(complaint_ids), visible_to(actor))
    return {row.id: row.reference for row in session.execute(found)}
