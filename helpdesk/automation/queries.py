"""Every select on triggers and on what they did.

What a trigger did is shown with its complaint: to whom that is visible, in every list.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Engine, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from helpdesk.automation.happenings import Happened, happened
from helpdesk.automation.models import PARTS, DryRun, Firing, Occurrence, Trigger, TriggerVersion
from helpdesk.complaints.events import ComplaintReceived
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.queries import complaint_by_id_for_update, visible_to
from helpdesk.complaints.timeline_queries import visible_timeline
from helpdesk.identity.actors import Actor
from helpdesk.identity.role_queries import holding
from helpdesk.kernel import advisory
from helpdesk.kernel.access import existing
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.event_log import EventRow
from helpdesk.kernel.forgetting import forget
from helpdesk.kernel.pagination import AnySelect, Listed, Order, Page, listed

_TRIGGER, _VERSION, _FIRING = (kind.__table__.c for kind in (Trigger, TriggerVersion, Firing))
_COMPLAINT, _EVENT, _OCCURRENCE = (kind.__table__.c for kind in (Complaint, EventRow, Occurrence))

EVENT_COLUMNS: Final = (
    _EVENT.id,
    _EVENT.type,
    _EVENT.stream_id,
    _EVENT.stream_seq,
    _EVENT.occurred_at,
    _EVENT.actor_kind,
    _EVENT.actor_id,
    _EVENT.request_id,
    _EVENT.payload,
)
"""What `happened` makes an event of."""

_IN_FORCE: Final = (
    select(_TRIGGER.id, _TRIGGER.version, _TRIGGER.name, _TRIGGER.created_at, _TRIGGER.spec)
    .where(_TRIGGER.active, _TRIGGER.removed_at.is_(None))
    .order_by(_TRIGGER.position, _TRIGGER.id)
)


def triggers_in_force(session: Session) -> Sequence[Any]:
    """In their order."""
    return session.execute(_IN_FORCE).all()


_BY_POSITION: Final = Order((_TRIGGER.position, _TRIGGER.id), (int, UUID))
_TRIGGERS: Final = select(
    _TRIGGER.id,
    _TRIGGER.name,
    _TRIGGER.description,
    _TRIGGER.position,
    _TRIGGER.active,
    *(_TRIGGER.spec[name].label(name) for name in PARTS),
    _TRIGGER.failures,
    _TRIGGER.paused_at,
    _TRIGGER.paused_because,
    _TRIGGER.changed_by,
    _TRIGGER.removed_at,
    _TRIGGER.created_at,
    _TRIGGER.version,
)


def list_triggers(session: Session, page: Page, given: Mapping[str, Any]) -> Listed:
    """Those that were not taken away, in their order."""
    statement: AnySelect = _TRIGGERS.where(_TRIGGER.removed_at.is_(None))
    return listed(session, page, statement, _BY_POSITION, given)


def trigger_detail(session: Session, trigger_id: UUID) -> Any:
    return existing(session.execute(_TRIGGERS.where(_TRIGGER.id == trigger_id)).mappings().one_or_none())


def trigger_for_update(session: Session, _actor: Actor, trigger_id: UUID) -> Trigger:
    """One that is there. Raises `NotFound`."""
    statement = select(Trigger).where(_TRIGGER.id == trigger_id, _TRIGGER.removed_at.is_(None))
    return existing(session.execute(statement.with_for_update()).scalar_one_or_none())


def trigger_if_there_for_update(session: Session, trigger_id: UUID) -> Trigger | None:
    statement = select(Trigger).where(_TRIGGER.id == trigger_id, _TRIGGER.removed_at.is_(None))
    return session.execute(statement.with_for_update()).scalar_one_or_none()


def last_position(session: Session) -> int:
    """0 where there is no trigger."""
    found: int = session.execute(select(func.coalesce(func.max(_TRIGGER.position), 0))).scalar_one()
    return found


def lock_and_count_triggers(session: Session) -> int:
    """Those that were not taken away; whoever else is about to make one waits for the end of the transaction."""
    advisory.lock(session, advisory.Alone.TRIGGERS)
    counted = select(func.count()).select_from(Trigger).where(_TRIGGER.removed_at.is_(None))
    return session.execute(counted).scalar_one()


_BY_VERSION: Final = Order((_VERSION.version,), (int,), descending=True)


def list_versions(session: Session, page: Page, given: Mapping[str, Any], trigger_id: UUID) -> Listed:
    """The newest first, also of a trigger that was taken away."""
    trigger_detail(session, trigger_id)
    told = [_VERSION.spec[name].label(name) for name in ("name", "description", "position", "active", *PARTS)]
    statement: AnySelect = select(_VERSION.version, _VERSION.created_at, *told).where(_VERSION.trigger_id == trigger_id)
    return listed(session, page, statement, _BY_VERSION, given)


def managers(session: Session, limit: int = 100) -> Sequence[UUID]:
    """Active agents who may change triggers: whom it concerns that one is paused."""
    return session.scalars(holding("automation:manage").limit(limit)).all()


def longest_waiting(session: Session) -> Sequence[UUID]:
    """Timed triggers in force, first those that have not looked for the longest time."""
    timed = select(_TRIGGER.id).where(_TRIGGER.timed, _TRIGGER.active, _TRIGGER.removed_at.is_(None))
    return session.scalars(timed.order_by(_TRIGGER.swept_to, _TRIGGER.position, _TRIGGER.id)).all()


def is_in_force(session: Session, trigger_id: UUID, version: int) -> bool:
    """Whether it still is, and in this version."""
    found = select(_TRIGGER.id).where(
        _TRIGGER.id == trigger_id, _TRIGGER.version == version, _TRIGGER.active, _TRIGGER.removed_at.is_(None)
    )
    return session.execute(found).first() is not None


def swept_to(session: Session, trigger_id: UUID) -> datetime | None:
    """Of a timed trigger in force."""
    found = select(_TRIGGER.swept_to).where(_TRIGGER.id == trigger_id, _TRIGGER.active, _TRIGGER.removed_at.is_(None))
    return session.execute(found).scalar_one_or_none()


def note_swept(session: Session, trigger_id: UUID, until: datetime) -> None:
    """Only forwards: another may have come further."""
    further = update(Trigger).where(_TRIGGER.id == trigger_id, _TRIGGER.swept_to < until).values(swept_to=until)
    session.execute(further.execution_options(synchronize_session=False))


def complaint_locked(session: Session, complaint_id: UUID) -> Complaint:
    return complaint_by_id_for_update(session, complaint_id)


_NOW: Final = select(Complaint, func.clock_timestamp().label("now")).where(_COMPLAINT.id == bindparam("id"))


def complaint_now(session: Session, complaint_id: UUID) -> tuple[Complaint, datetime] | None:
    """As it stands now, without a lock, and what now is."""
    row = session.execute(_NOW, {"id": complaint_id}, execution_options={"populate_existing": True}).one_or_none()
    return None if row is None else (row[0], row[1])


def events(session: Session, event_ids: Sequence[UUID]) -> list[Happened]:
    """In the order of the ids."""
    rows = {row.id: row for row in session.execute(select(*EVENT_COLUMNS).where(_EVENT.id.in_(event_ids)))}
    return [happened(rows[event_id]) for event_id in event_ids if event_id in rows]


def story(session: Session, complaint_id: UUID) -> list[Happened]:
    """All of one complaint, in order."""
    rows = session.execute(select(*EVENT_COLUMNS).where(_EVENT.stream_id == complaint_id).order_by(_EVENT.stream_seq))
    return [happened(row) for row in rows]


def imported_at(session: Session, complaint_id: UUID) -> datetime | None:
    """When an import brought it; None for one that came in otherwise."""
    first = select(_EVENT.occurred_at).where(
        _EVENT.stream_id == complaint_id,
        _EVENT.stream_seq == 1,
        _EVENT.type == ComplaintReceived.type,
        _EVENT.payload["imported"].astext == "true",
    )
    return session.execute(first).scalar_one_or_none()


def last_actor(session: Session, complaint_id: UUID) -> tuple[str, UUID | None] | None:
    """Kind and id of who did the last thing to a complaint."""
    newest = select(_EVENT.actor_kind, _EVENT.actor_id).where(_EVENT.stream_id == complaint_id)
    row = session.execute(newest.order_by(_EVENT.stream_seq.desc()).limit(1)).one_or_none()
    return None if row is None else (row.actor_kind, row.actor_id)


def causes(session: Session, found: Sequence[Happened]) -> dict[UUID, tuple[int, tuple[UUID, ...]]]:
    """Of events that a firing recorded: how deep it was, and the triggers that led there, its own last. A caller may give a
    request any id; what a firing recorded bears the firing's time, to the microsecond.
    """
    named: dict[UUID, list[Happened]] = {}
    for event in found:
        if event.firing_id is not None:
            named.setdefault(event.firing_id, []).append(event)
    if not named:
        return {}
    rows = session.execute(
        select(_FIRING.id, _FIRING.at, _FIRING.depth, _FIRING.chain, _FIRING.trigger_id).where(_FIRING.id.in_(named))
    )
    return {
        event.id: (row.depth, (*map(UUID, row.chain), row.trigger_id))
        for row in rows
        for event in named[row.id]
        if event.occurred_at == row.at
    }


def settled(session: Session, event_ids: Sequence[UUID]) -> dict[tuple[UUID, UUID], str]:
    """`(event, trigger)` -> outcome, of what has been dealt with before."""
    rows = session.execute(
        select(_FIRING.event_id, _FIRING.trigger_id, _FIRING.outcome).where(_FIRING.event_id.in_(event_ids))
    )
    return {(row.event_id, row.trigger_id): row.outcome for row in rows}


def recent_firings(session: Session, trigger_id: UUID, complaint_id: UUID, since: datetime) -> int:
    """How often it began on this complaint since then, with whatever end."""
    counted = select(func.count()).where(
        _FIRING.complaint_id == complaint_id,
        _FIRING.trigger_id == trigger_id,
        _FIRING.outcome != "stopped",
        _FIRING.at > since,
    )
    return session.execute(counted).scalar_one()


_KEEP_FIRING: Final = insert(Firing.__table__).on_conflict_do_nothing().returning(_FIRING.id)
_KEEP_OCCURRENCE: Final = insert(Occurrence.__table__).on_conflict_do_nothing().returning(_OCCURRENCE.trigger_id)


def keep_firing(session: Session, row: Mapping[str, Any]) -> bool:
    """In the transaction of what was done. False when another had this event, or moment, first: then roll back."""
    if row["occurrence_at"] is not None:
        moment = {name: row[name] for name in ("trigger_id", "complaint_id", "occurrence_at")}
        if session.execute(_KEEP_OCCURRENCE, moment).first() is None:
            return False
    return session.execute(_KEEP_FIRING, row).first() is not None


def is_remembered(session: Session, trigger_id: UUID, complaint_id: UUID, occurrence_at: datetime) -> bool:
    """Whether a timed trigger has dealt with this moment."""
    return session.get(Occurrence, (trigger_id, complaint_id, occurrence_at)) is not None


_BEGIN_ANEW: Final = (
    update(Trigger.__table__).where(_TRIGGER.id == bindparam("trigger_id"), _TRIGGER.failures > 0).values(failures=0)
)


def forget_failures(session: Session, trigger_id: UUID) -> None:
    session.execute(_BEGIN_ANEW, {"trigger_id": trigger_id})


def forget_firings(engine: Engine, days: int) -> int:
    """What the log keeps no longer; how many."""
    return forget(engine, Firing, Firing.at < func.now() - timedelta(days=days))


_NEWEST: Final = Order((_FIRING.id,), (UUID,), descending=True)
_FIRINGS: Final = (
    select(
        *_FIRING,
        _COMPLAINT.reference,
        _TRIGGER.name.label("trigger_name"),
    )
    .join(Complaint.__table__, _COMPLAINT.id == _FIRING.complaint_id)
    .join(Trigger.__table__, _TRIGGER.id == _FIRING.trigger_id)
)


def list_firings(session: Session, actor: Actor, page: Page, given: Mapping[str, Any], trigger_id: UUID) -> Listed:
    """What a trigger did to complaints that the actor sees, the newest first."""
    trigger_detail(session, trigger_id)
    statement: AnySelect = _FIRINGS.where(_FIRING.trigger_id == trigger_id, visible_to(actor))
    return _firings(session, actor, page, statement, given)


def list_of_complaint(session: Session, actor: Actor, page: Page, given: Mapping[str, Any], ref: str) -> Listed:
    """Seen with the timeline, and not by the complainant."""
    statement: AnySelect = _FIRINGS.where(_FIRING.complaint_id == visible_timeline(session, actor, ref))
    return _firings(session, actor, page, statement, given)


def _firings(session: Session, actor: Actor, page: Page, statement: AnySelect, given: Mapping[str, Any]) -> Listed:
    if "outcome" in given:
        statement = statement.where(_FIRING.outcome == given["outcome"])
    rows, cursor, total = listed(session, page, statement, _NEWEST, given)
    return [told_to(actor, row) for row in rows], cursor, total


def told_to(actor: Actor, row: Mapping[str, Any]) -> dict[str, Any]:
    """What was found, and what exactly was to be done, only for whoever may see triggers."""
    shown = dict(row)
    if not actor.may("automation:read"):
        shown["why"] = None
        shown["actions"] = [{**item, "given": None} for item in row["actions"]]
    return shown


def dry_run_result(session: Session, job_id: UUID) -> Any:
    """Of a trial that has ended; raises `NotFound`."""
    found = session.get(DryRun, job_id)
    if found is None:
        raise NotFound
    return found.result


def visible_among(session: Session, actor: Actor, complaint_ids: Collection[UUID]) -> set[UUID]:
    """Those of these complaints that the actor sees."""
    found = select(_COMPLAINT.id).where(_COMPLAINT.id.in_(complaint_ids), visible_to(actor))
    return set(session.scalars(found))
