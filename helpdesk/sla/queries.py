"""Every select on clocks, calendars and policies."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, exists, func, or_, select, true
from sqlalchemy.orm import Session

from helpdesk.complaints import queries as complaints
from helpdesk.complaints.events import ComplaintMerged, ComplaintReceived, ComplaintReopened
from helpdesk.complaints.link_events import DuplicateMerged, DuplicateParted
from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import Actor
from helpdesk.kernel import advisory
from helpdesk.kernel.access import existing
from helpdesk.kernel.clock import parse_rfc3339
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.event_log import EventRow
from helpdesk.kernel.pagination import AnySelect, Listed, Order, Page, listed
from helpdesk.sla.errors import NoPolicy
from helpdesk.sla.models import Clock, SlaCalendar, SlaCalendarVersion, SlaPolicy, SlaPolicyVersion
from helpdesk.sla.rounds import Act, Happening, History, Joined, Parted, Round, present_round
from helpdesk.sla.specs import Policy, compiled, targets_of

_POLICIES, _SPEC = SlaPolicy.__table__.c, SlaPolicyVersion.__table__.c
_CALENDARS, _HOURS = SlaCalendar.__table__.c, SlaCalendarVersion.__table__.c
_IN_FORCE: Final = (
    select(
        _POLICIES.id,
        _POLICIES.version,
        _SPEC.spec,
        _CALENDARS.id.label("calendar_id"),
        _CALENDARS.version.label("calendar_version"),
        _CALENDARS.name.label("calendar_name"),
        _HOURS.spec.label("calendar_spec"),
    )
    .join_from(
        SlaPolicy.__table__,
        SlaPolicyVersion.__table__,
        and_(_SPEC.policy_id == _POLICIES.id, _SPEC.version == _POLICIES.version),
    )
    .join(SlaCalendar.__table__, _CALENDARS.id == _SPEC.calendar_id)
    .join(SlaCalendarVersion.__table__, and_(_HOURS.calendar_id == _CALENDARS.id, _HOURS.version == _CALENDARS.version))
    .where(_POLICIES.is_default)
)
"""Of columns, and kept: every complaint that comes in asks for it."""


def default_policy(session: Session) -> Policy:
    """The policy in force now, in one statement. Raises `NoPolicy`."""
    row = session.execute(_IN_FORCE).one_or_none()
    if row is None:
        raise NoPolicy
    return Policy(
        id=row.id,
        version=row.version,
        calendar_id=row.calendar_id,
        calendar_version=row.calendar_version,
        calendar=compiled(row.calendar_id, row.calendar_version, row.calendar_spec, row.calendar_name),
        thresholds=tuple(row.spec["thresholds"]),
        targets=targets_of(row.spec),
    )


def policy_version(session: Session, policy_id: UUID, version: int) -> Any:
    return session.execute(
        select(SlaPolicyVersion.spec).where(
            SlaPolicyVersion.policy_id == policy_id, SlaPolicyVersion.version == version
        )
    ).scalar_one()


def policy_spec(session: Session, policy_id: UUID, version: int) -> Any:
    """`calendar_id` and `spec` of one version."""
    return session.execute(
        select(SlaPolicyVersion.calendar_id, SlaPolicyVersion.spec).where(
            SlaPolicyVersion.policy_id == policy_id, SlaPolicyVersion.version == version
        )
    ).one()


def calendar_version(session: Session, calendar_id: UUID, version: int) -> Any:
    return session.execute(
        select(SlaCalendarVersion.spec, SlaCalendar.name)
        .join(SlaCalendar, SlaCalendar.id == SlaCalendarVersion.calendar_id)
        .where(SlaCalendarVersion.calendar_id == calendar_id, SlaCalendarVersion.version == version)
    ).one()


def open_clocks_for_update(session: Session, complaint_ids: Sequence[UUID]) -> Sequence[Clock]:
    """Clocks that still run or wait, and broken ones that were not stopped; the complaints are locked by the caller."""
    return session.scalars(
        select(Clock)
        .where(Clock.complaint_id.in_(complaint_ids), Clock.stopped_at.is_(None))
        .order_by(Clock.id)
        .with_for_update()
    ).all()


def clocks_of_round_for_update(session: Session, complaint_id: UUID, round_: int) -> Sequence[Clock]:
    """Whatever became of them; the complaint is locked by the caller."""
    return session.scalars(
        select(Clock)
        .where(Clock.complaint_id == complaint_id, Clock.round == round_)
        .order_by(Clock.id)
        .with_for_update()
    ).all()


def regulated(session: Session, complaint_id: UUID) -> tuple[str | None, str | None, dict[str, datetime]]:
    """What a regulator's rules go by: jurisdiction, sector, and when each of their clocks starts, by its name."""
    row = session.execute(
        select(Complaint.jurisdiction, Complaint.sector, Complaint.received_at, EventRow.payload)
        .outerjoin(EventRow, and_(EventRow.stream_id == Complaint.id, EventRow.type == ComplaintReceived.type))
        .where(Complaint.id == complaint_id)
    ).one()
    told = (row.payload or {}).get("clock_starts", {})  # none where it was erased
    starts = {name: parse_rfc3339(at) for name, at in told.items()}
    return row.jurisdiction, row.sector, {"complaint_received": row.received_at, **starts}


_WAITING_ON: Final = EventRow.payload["waiting_on"].astext
_TOLD: Final = (ComplaintReceived.type, DuplicateMerged.type, DuplicateParted.type)


def history(session: Session, complaint_id: UUID, before: datetime | None = None) -> History:
    """What was done to a complaint before the present unit of work, or before that time."""
    told = or_(_WAITING_ON.is_not(None), EventRow.type.in_(_TOLD))
    in_time = true() if before is None else EventRow.occurred_at < before
    rows = session.execute(
        select(Complaint.received_at, EventRow.type, EventRow.occurred_at, EventRow.payload)
        .outerjoin(EventRow, and_(EventRow.stream_id == Complaint.id, told, in_time))
        .where(Complaint.id == complaint_id)
        .order_by(EventRow.stream_seq)
    ).all()
    born, happenings = Round(rows[0].received_at, ()), list[Happening]()
    for row in rows:
        payload = row.payload or {}
        if payload.get("split_from"):
            born = present_round(history(session, UUID(payload["split_from"]), row.occurred_at)).ended(row.occurred_at)
        elif row.type == DuplicateMerged.type and payload.get("source_record_type") == "complaint":
            source_id = UUID(payload["source_id"])
            happenings.append(Joined(source_id, present_round(history(session, source_id, row.occurred_at))))
        elif row.type == DuplicateParted.type and payload:
            happenings.append(Parted(UUID(payload["source_id"])))
        elif payload.get("waiting_on"):
            happenings.append(_act(row, payload["waiting_on"]))
    return History(born, happenings)


def _act(row: Any, waiting_on: str) -> Act:
    return Act(
        reopened=row.type == ComplaintReopened.type,
        at=row.occurred_at,
        waiting_on=waiting_on,
        away=row.type == ComplaintMerged.type,
    )


def regulatory_starts(session: Session, complaint_ids: Sequence[UUID]) -> Sequence[tuple[UUID, str, datetime]]:
    """`(complaint_id, kind, started_at)` of the regulators' clocks of these complaints."""
    statement = select(Clock.complaint_id, Clock.kind, Clock.started_at).where(
        Clock.complaint_id.in_(complaint_ids), Clock.rule_id.is_not(None)
    )
    return [(row.complaint_id, row.kind, row.started_at) for row in session.execute(statement)]


def clocks_of(session: Session, actor: Actor, ref: str) -> Sequence[Clock]:
    """Of a complaint that the actor may see, oldest first."""
    complaint_id = complaints.visible_id(session, actor, ref)
    return session.scalars(
        select(Clock).where(Clock.complaint_id == complaint_id).order_by(Clock.round, Clock.started_at, Clock.id)
    ).all()


def due_complaints(session: Session, limit: int, skip: Collection[UUID] = ()) -> Sequence[UUID]:
    """Complaints with an alarm that is due, the most overdue first, but those to `skip`. Only narrows: each is locked and
    looked at again.
    """
    overdue = (
        select(Clock.complaint_id, Clock.next_alarm_at)
        .where(Clock.next_alarm_at <= func.now(), *([Clock.complaint_id.not_in(skip)] if skip else []))
        .order_by(Clock.next_alarm_at)
        .limit(limit)
        .subquery()
    )
    return session.scalars(
        select(overdue.c.complaint_id).group_by(overdue.c.complaint_id).order_by(func.min(overdue.c.next_alarm_at))
    ).all()


_POLICY = select(
    SlaPolicy.id,
    SlaPolicy.name,
    SlaPolicy.version,
    SlaPolicy.created_at,
    SlaPolicy.is_default,
    SlaPolicyVersion.calendar_id,
    SlaPolicyVersion.spec,
).join(
    SlaPolicyVersion,
    and_(SlaPolicyVersion.policy_id == SlaPolicy.id, SlaPolicyVersion.version == SlaPolicy.version),
)


_POLICY_ORDER: Final = Order((SlaPolicy.id,), (UUID,))


def list_policies(session: Session, page: Page, given: Mapping[str, Any]) -> Listed:
    rows, cursor, total = listed(session, page, _POLICY, _POLICY_ORDER, given)
    return [_flat(row) for row in rows], cursor, total


def _flat(row: Any) -> dict[str, Any]:
    found: dict[str, Any] = dict(row)
    found.update(found.pop("spec"))
    return found


def policy_detail(session: Session, policy_id: UUID) -> dict[str, Any]:
    return _one(session, _POLICY.where(SlaPolicy.id == policy_id))


def _one(session: Session, statement: AnySelect) -> dict[str, Any]:
    row = session.execute(statement).mappings().one_or_none()
    if row is None:
        raise NotFound
    return _flat(row)


def policy_for_update(session: Session, _actor: Actor, policy_id: UUID) -> SlaPolicy:
    return existing(
        session.execute(select(SlaPolicy).where(SlaPolicy.id == policy_id).with_for_update()).scalar_one_or_none()
    )


def calendar_name_taken(session: Session, name: str) -> bool:
    return session.execute(select(exists().where(SlaCalendar.name == name))).scalar_one()


def calendar_held(session: Session, calendar_id: UUID) -> bool:
    """Whether there is such a calendar, unchanged to the end of the transaction: whoever changes it waits."""
    held = select(SlaCalendar.id).where(SlaCalendar.id == calendar_id).with_for_update(read=True)
    return session.execute(held).scalar_one_or_none() is not None


def default_policy_installed(session: Session) -> bool:
    """Whether there is a default policy, to the end of the transaction: whoever else asks waits for it."""
    advisory.lock(session, advisory.Alone.DEFAULT_POLICY)
    return session.execute(select(exists().where(SlaPolicy.is_default))).scalar_one()


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
