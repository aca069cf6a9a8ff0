"""Selects on calendars, their versions and what uses them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.kernel.access import existing
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.pagination import AnySelect, Listed, Order, Page, listed
from helpdesk.sla import policy_queries
from helpdesk.sla.models import Clock, SlaCalendar, SlaCalendarVersion
from helpdesk.sla.policy_spec import calendars_of

_NOT_SAID: Final[dict[str, Any]] = {"public_holidays": None, "valid_from": None, "valid_until": None, "otherwise": []}
_CALENDAR: Final = select(
    SlaCalendar.id, SlaCalendar.name, SlaCalendar.version, SlaCalendar.created_at, SlaCalendarVersion.spec
).join(
    SlaCalendarVersion,
    and_(SlaCalendarVersion.calendar_id == SlaCalendar.id, SlaCalendarVersion.version == SlaCalendar.version),
)
_VERSION: Final = select(SlaCalendarVersion.version, SlaCalendarVersion.created_at, SlaCalendarVersion.spec)
_BY_ID: Final = Order((SlaCalendar.id,), (UUID,))
_NEWEST: Final = Order((SlaCalendarVersion.version,), (int,), descending=True)


def list_calendars(session: Session, page: Page, given: Mapping[str, Any]) -> Listed:
    rows, cursor, total = listed(session, page, _CALENDAR, _BY_ID, given)
    return [_flat(row) for row in rows], cursor, total


def list_versions(session: Session, page: Page, given: Mapping[str, Any], calendar_id: UUID) -> Listed:
    """The newest first."""
    _exists(session, calendar_id)
    statement = _VERSION.where(SlaCalendarVersion.calendar_id == calendar_id)
    rows, cursor, total = listed(session, page.within(str(calendar_id)), statement, _NEWEST, given)
    return [_flat(row) for row in rows], cursor, total


def calendar_detail(session: Session, calendar_id: UUID) -> dict[str, Any]:
    return _one(session, _CALENDAR.where(SlaCalendar.id == calendar_id))


def version_detail(session: Session, calendar_id: UUID, version: int) -> dict[str, Any]:
    of_calendar = SlaCalendarVersion.calendar_id == calendar_id
    return _one(session, _VERSION.where(of_calendar, SlaCalendarVersion.version == version))


def _one(session: Session, statement: AnySelect) -> dict[str, Any]:
    row = session.execute(statement).mappings().one_or_none()
    if row is None:
        raise NotFound
    return _flat(row)


def _flat(row: Any) -> dict[str, Any]:
    spec = {"holidays": [], "working_days": {}, **_NOT_SAID, **row["spec"]}
    spec["otherwise"] = [{"holidays": [], "working_days": {}, **_NOT_SAID, **layer} for layer in spec["otherwise"]]
    return {**row, **spec}


def current_spec(session: Session, calendar_id: UUID) -> dict[str, Any]:
    found = session.execute(_CALENDAR.where(SlaCalendar.id == calendar_id)).mappings().one_or_none()
    if found is None:
        raise NotFound
    spec: dict[str, Any] = found["spec"]
    return spec


def calendars_by_name(session: Session) -> Sequence[Any]:
    """`id`, `name`, `version` and `spec` of each: calendars are few."""
    return session.execute(_CALENDAR.order_by(SlaCalendar.name)).all()


def calendar_for_update(session: Session, _actor: Actor, calendar_id: UUID) -> SlaCalendar:
    return existing(
        session.execute(select(SlaCalendar).where(SlaCalendar.id == calendar_id).with_for_update()).scalar_one_or_none()
    )


def uses_of(session: Session, calendar_id: UUID) -> dict[str, Any]:
    """The policies that count on a calendar now, also with one of their targets, and how many clocks that are not stopped
    go by each of its versions.
    """
    _exists(session, calendar_id)
    policies = [
        {"id": row.id, "name": row.name, "version": row.version}
        for row in policy_queries.current_specs(session)
        if calendar_id in calendars_of(row.calendar_id, row.spec)
    ]
    clocks = (
        select(Clock.calendar_version.label("version"), func.count().label("count"))
        .where(Clock.calendar_id == calendar_id, Clock.stopped_at.is_(None))
        .group_by(Clock.calendar_version)
        .order_by(Clock.calendar_version.desc())
    )
    return {
        "policies": policies,
        "open_clocks": session.execute(clocks).mappings().all(),
    }


def _exists(session: Session, calendar_id: UUID) -> None:
    if session.execute(select(SlaCalendar.id).where(SlaCalendar.id == calendar_id)).scalar_one_or_none() is None:
        raise NotFound
