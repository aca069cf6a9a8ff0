"""Selects on policies, their versions, and what goes by them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, exists, func, literal, select, union_all
from sqlalchemy.orm import Session

from helpdesk.complaints.custom_field_models import CustomField
from helpdesk.identity.actors import Actor
from helpdesk.kernel import advisory
from helpdesk.kernel.access import existing
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.pagination import AnySelect, Listed, Order, Page, listed
from helpdesk.sla.models import Clock, SlaCalendar, SlaCalendarVersion, SlaPolicy, SlaPolicyVersion
from helpdesk.sla.policy_spec import written_target

_POLICY, _VERSION = SlaPolicy.__table__.c, SlaPolicyVersion.__table__.c
_CALENDAR, _HOURS = SlaCalendar.__table__.c, SlaCalendarVersion.__table__.c
_FIELD: Final = CustomField.__table__.c

IN_ORDER: Final = (_POLICY.position, _POLICY.id)
_ACTIVE: Final = and_(_POLICY.active, _POLICY.removed_at.is_(None))
_CURRENT: Final = and_(_VERSION.policy_id == _POLICY.id, _VERSION.version == _POLICY.version)

_SIGNATURE: Final = union_all(
    select(literal("policy").label("what"), _POLICY.id.label("id"), _POLICY.version.label("version")).where(_ACTIVE),
    select(literal("calendar"), _CALENDAR.id, _CALENDAR.version),
    select(literal("field"), _FIELD.id, _FIELD.version),
).order_by("what", "id")


def signature(session: Session) -> tuple[Any, ...]:
    """What tells one state of policies, calendars and custom fields from another."""
    return tuple(tuple(row) for row in session.execute(_SIGNATURE))


_IN_FORCE: Final = (
    select(_POLICY.id, _POLICY.version, _POLICY.name, _POLICY.is_default, _VERSION.calendar_id, _VERSION.spec)
    .join_from(SlaPolicy.__table__, SlaPolicyVersion.__table__, _CURRENT)
    .where(_ACTIVE)
    .order_by(*IN_ORDER)
)
_CALENDARS: Final = select(_CALENDAR.id, _CALENDAR.version, _CALENDAR.name, _HOURS.spec).join_from(
    SlaCalendar.__table__,
    SlaCalendarVersion.__table__,
    and_(_HOURS.calendar_id == _CALENDAR.id, _HOURS.version == _CALENDAR.version),
)


def policies_in_force(session: Session) -> Sequence[Any]:
    """The active ones in their order, each in its version of now."""
    return session.execute(_IN_FORCE).all()


_THEN: Final = select(
    _POLICY.id,
    _POLICY.name,
    _POLICY.is_default,
    _POLICY.removed_at,
    _VERSION.version,
    _VERSION.created_at,
    _VERSION.calendar_id,
    _VERSION.spec,
).join_from(SlaPolicy.__table__, SlaPolicyVersion.__table__, _VERSION.policy_id == _POLICY.id)


def policies_as_of(session: Session, at: datetime) -> Sequence[Any]:
    """As `policies_in_force`, of another time: those that were active then, in the order and the versions of then; what was edited at that
    very time was not so yet. The default one, which always was, in its first version where that is younger.
    """
    then: dict[UUID, Any] = {}
    for row in session.execute(_THEN.order_by(_VERSION.policy_id, _VERSION.version)):
        if row.created_at < at or (row.is_default and row.id not in then):
            then[row.id] = row
    there = (row for row in then.values() if row.spec["active"] and (row.removed_at is None or row.removed_at >= at))
    return sorted(there, key=lambda row: (row.spec["position"], row.id))


def calendars_in_force(session: Session) -> Sequence[Any]:
    return session.execute(_CALENDARS).all()


_SHOWN: Final = select(
    _POLICY.id,
    _POLICY.is_default,
    _POLICY.position,
    _POLICY.version,
    _POLICY.created_at,
    _POLICY.removed_at,
    _VERSION.calendar_id,
    _VERSION.spec,
).join_from(SlaPolicy.__table__, SlaPolicyVersion.__table__, _CURRENT)
_BY_ORDER: Final = Order(IN_ORDER, (int, UUID))
_VERSION_SHOWN: Final = select(_VERSION.version, _VERSION.created_at, _VERSION.calendar_id, _VERSION.spec)
_NEWEST: Final = Order((_VERSION.version,), (int,), descending=True)


def list_policies(session: Session, page: Page, given: Mapping[str, Any]) -> Listed:
    """In the order in which they are asked, those that were deleted left out."""
    rows, cursor, total = listed(session, page, _SHOWN.where(_POLICY.removed_at.is_(None)), _BY_ORDER, given)
    return [_flat(row) for row in rows], cursor, total


def all_in_order(session: Session) -> list[dict[str, Any]]:
    """Those that were not deleted; policies are few."""
    rows = session.execute(_SHOWN.where(_POLICY.removed_at.is_(None)).order_by(*IN_ORDER)).mappings()
    return [_flat(row) for row in rows]


def policy_detail(session: Session, policy_id: UUID) -> dict[str, Any]:
    """Also of one that was deleted."""
    return _one(session, _SHOWN.where(_POLICY.id == policy_id))


def list_versions(session: Session, page: Page, given: Mapping[str, Any], policy_id: UUID) -> Listed:
    """The newest first."""
    _exists(session, policy_id)
    statement = _VERSION_SHOWN.where(_VERSION.policy_id == policy_id)
    rows, cursor, total = listed(session, page.within(str(policy_id)), statement, _NEWEST, given)
    return [_flat(row) for row in rows], cursor, total


def version_detail(session: Session, policy_id: UUID, version: int) -> dict[str, Any]:
    return _one(session, _VERSION_SHOWN.where(_VERSION.policy_id == policy_id, _VERSION.version == version))


def _one(session: Session, statement: AnySelect) -> dict[str, Any]:
    row = session.execute(statement).mappings().one_or_none()
    if row is None:
        raise NotFound
    return _flat(row)


def _flat(row: Any) -> dict[str, Any]:
    found: dict[str, Any] = dict(row)
    return {**found.pop("spec"), **found}


def _exists(session: Session, policy_id: UUID) -> None:
    if session.execute(select(_POLICY.id).where(_POLICY.id == policy_id)).scalar_one_or_none() is None:
        raise NotFound


def uses_of(session: Session, policy_id: UUID) -> dict[str, Any]:
    """How many clocks that are not stopped go by each of its versions."""
    _exists(session, policy_id)
    clocks = (
        select(Clock.policy_version.label("version"), func.count().label("count"))
        .where(Clock.policy_id == policy_id, Clock.stopped_at.is_(None))
        .group_by(Clock.policy_version)
        .order_by(Clock.policy_version.desc())
    )
    return {"open_clocks": session.execute(clocks).mappings().all()}


_BY_TARGET: Final = (Clock.severity, Clock.tier, Clock.kind)


def unpromised(session: Session, policy_id: UUID, spec: Mapping[str, Any]) -> int:
    """How many open clocks it made of which `spec`, its targets and tiers, promises nothing. Broken ones stay, whatever is promised."""
    unbroken = Clock.stopped_at.is_(None), Clock.state != "breached"
    counted = select(*_BY_TARGET, func.count().label("clocks")).where(Clock.policy_id == policy_id, *unbroken)
    rows = session.execute(counted.group_by(*_BY_TARGET))
    return sum(row.clocks for row in rows if written_target(spec, row.kind, row.severity, row.tier) is None)


def was_used(session: Session, policy_id: UUID) -> bool:
    """Whether any clock was ever made by it. No index serves this: it is asked when a policy is deleted, which is rare, and
    every clock would carry the index.
    """
    return session.execute(select(exists().where(Clock.policy_id == policy_id))).scalar_one()


def policy_for_update(session: Session, _actor: Actor, policy_id: UUID) -> SlaPolicy:
    """One that was not deleted."""
    found = select(SlaPolicy).where(SlaPolicy.id == policy_id, SlaPolicy.removed_at.is_(None)).with_for_update()
    return existing(session.execute(found).scalar_one_or_none())


def ordered_for_update(session: Session) -> Sequence[SlaPolicy]:
    """All that stand in an order: not the default one, and none that was deleted. Locked by id, so that two who do it at once wait
    for each other and not in a circle; in their order.
    """
    found = select(SlaPolicy).where(SlaPolicy.removed_at.is_(None), ~SlaPolicy.is_default)
    rows = session.scalars(found.order_by(SlaPolicy.id).with_for_update()).all()
    return sorted(rows, key=lambda row: (row.position, row.id))


def last_position(session: Session) -> int:
    """0 where there is no policy but the default one."""
    statement = select(func.coalesce(func.max(_POLICY.position), 0)).where(~_POLICY.is_default)
    found: int = session.execute(statement).scalar_one()
    return found


def name_taken(session: Session, name: str, but: UUID | None = None) -> bool:
    taken = exists().where(SlaPolicy.name == name, SlaPolicy.removed_at.is_(None))
    return session.execute(select(taken if but is None else taken.where(SlaPolicy.id != but))).scalar_one()


def calendars_held(session: Session, calendar_ids: Collection[UUID]) -> Mapping[UUID, Any]:
    """Of these calendars those that there are, by id, with `name` and `spec`: unchanged to the end of the transaction."""
    held = select(SlaCalendar.id).where(SlaCalendar.id.in_(calendar_ids)).order_by(SlaCalendar.id)
    there = session.scalars(held.with_for_update(read=True)).all()
    return {row.id: row for row in session.execute(_CALENDARS.where(_CALENDAR.id.in_(there)))}


def version_spec(session: Session, policy_id: UUID, version: int) -> Any:
    """`calendar_id` and `spec` of one version."""
    of_version = and_(_VERSION.policy_id == policy_id, _VERSION.version == version)
    return session.execute(select(_VERSION.calendar_id, _VERSION.spec).where(of_version)).one()


def default_policy_installed(session: Session) -> bool:
    """Whether there is a default policy, to the end of the transaction: whoever else asks waits for it."""
    advisory.lock(session, advisory.Alone.DEFAULT_POLICY)
    return session.execute(select(exists().where(SlaPolicy.is_default))).scalar_one()


def current_specs(session: Session) -> Sequence[Any]:
    """`id`, `name`, `calendar_id` and `spec` of every policy that was not deleted, active or not: policies are few."""
    statement = select(_POLICY.id, _POLICY.name, _POLICY.version, _VERSION.calendar_id, _VERSION.spec)
    there = statement.join_from(SlaPolicy.__table__, SlaPolicyVersion.__table__, _CURRENT)
    return session.execute(there.where(_POLICY.removed_at.is_(None)).order_by(_POLICY.name)).all()
