from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.identity.errors import NameTaken
from helpdesk.kernel.http import Blueprint
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.schemas import PageQuery
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import calendar_queries as queries
from helpdesk.sla import calendar_schemas as schemas
from helpdesk.sla import calendars, public_holidays, recomputing
from helpdesk.sla.models import SlaCalendar
from helpdesk.sla.queries import clock_time
from helpdesk.sla.recompute_schemas import Recompute

blp = Blueprint("calendars", __name__, description="When one works: hours, holidays, make-up days, in versions.")


@blp.read(
    "/sla/calendars",
    operation_id="list_sla_calendars",
    summary="Business calendars",
    answer=schemas.Calendar,
    query=PageQuery,
    permission="sla:read",
    paged=True,
)
def list_calendars(session: Session, _actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return queries.list_calendars(session, page, given)


Edited = tuple[UUID, UUID | None]
"""A calendar, and the job that follows from its change."""


def _show_edited(session: Session, _actor: Actor, edited: Edited) -> dict[str, Any]:
    calendar_id, job_id = edited
    return {**queries.calendar_detail(session, calendar_id), "recompute_job_id": job_id}


def _show_calendar(session: Session, _actor: Actor, calendar_id: UUID) -> dict[str, Any]:
    return queries.calendar_detail(session, calendar_id)


@blp.write(
    "/sla/calendars",
    operation_id="create_sla_calendar",
    summary="Create a business calendar",
    description="Public holidays are worked out now, for a span of years, and kept: a newer release of the package that knows "
    "them moves no deadline by itself.",
    body=schemas.CalendarIn,
    answer=schemas.Calendar,
    status=201,
    permission="sla:manage",
    show=_show_calendar,
    location=lambda shown: f"/api/v1/sla/calendars/{shown['id']}",
    errors=(NameTaken,),
)
def create_calendar(uow: UnitOfWork, _actor: Actor, given: dict[str, Any]) -> UUID:
    name = given.pop("name")
    return calendars.create(uow, name, given)


@blp.read(
    "/sla/calendars/<uuid:calendar_id>",
    operation_id="get_sla_calendar",
    summary="One business calendar",
    answer=schemas.Calendar,
    permission="sla:read",
)
def get_calendar(session: Session, _actor: Actor, calendar_id: UUID) -> dict[str, Any]:
    return queries.calendar_detail(session, calendar_id)


@blp.write(
    "/sla/calendars/<uuid:calendar_id>",
    operation_id="change_sla_calendar",
    summary="Give a calendar new hours, as a new version",
    description="Open clocks that count on it are recomputed by a job, keeping what was used (`recompute_job_id`); with `recompute: "
    "false` they go on by the version that made them, until a fact of their complaint changes. With `valid_from` or `valid_until` it holds on those local dates, and what was there before on the others (in "
    "`otherwise`): each day of a deadline is counted by its own hours. Without both it replaces everything, also for days past.",
    method="PUT",
    body=schemas.CalendarBody,
    answer=schemas.CalendarEdited,
    permission="sla:manage",
    load=queries.calendar_for_update,
    show=_show_edited,
    if_match="required",
)
def change_calendar(uow: UnitOfWork, actor: Actor, calendar: SlaCalendar, given: dict[str, Any]) -> Edited:
    wanted = given.pop("recompute")
    return calendars.change(uow, calendar, given), recomputing.begin(uow, actor, wanted=wanted)


@blp.read(
    "/sla/calendars/<uuid:calendar_id>/versions",
    operation_id="list_sla_calendar_versions",
    summary="A calendar as it was, the newest first",
    answer=schemas.CalendarVersion,
    query=PageQuery,
    permission="sla:read",
    paged=True,
)
def list_versions(session: Session, _actor: Actor, page: Page, given: dict[str, Any], calendar_id: UUID) -> Any:
    return queries.list_versions(session, page, given, calendar_id)


@blp.read(
    "/sla/calendars/<uuid:calendar_id>/versions/<version:version>",
    operation_id="get_sla_calendar_version",
    summary="One version of a calendar",
    answer=schemas.CalendarVersion,
    permission="sla:read",
)
def get_version(session: Session, _actor: Actor, calendar_id: UUID, version: int) -> dict[str, Any]:
    return queries.version_detail(session, calendar_id, version)


@blp.read(
    "/sla/calendars/<uuid:calendar_id>/uses",
    operation_id="get_sla_calendar_uses",
    summary="What goes by a calendar",
    answer=schemas.CalendarUses,
    permission="sla:read",
)
def get_uses(session: Session, _actor: Actor, calendar_id: UUID) -> dict[str, Any]:
    return queries.uses_of(session, calendar_id)


@blp.read(
    "/sla/calendars/<uuid:calendar_id>/holiday-changes",
    operation_id="get_sla_calendar_holiday_changes",
    summary="What the installed release of the holidays package would say otherwise",
    description="Also years that have come into the span since. Nothing changes by itself: see `refresh_sla_calendar_holidays`.",
    answer=schemas.HolidayChanges,
    permission="sla:read",
)
def get_holiday_changes(session: Session, _actor: Actor, calendar_id: UUID) -> dict[str, Any]:
    return calendars.holiday_changes(queries.current_spec(session, calendar_id), clock_time(session))


@blp.write(
    "/sla/calendars/<uuid:calendar_id>/refresh-holidays",
    operation_id="refresh_sla_calendar_holidays",
    summary="Take over the public holidays of the installed release, as a new version",
    description="No new version where nothing differs. Open clocks that count on it are recomputed by a job, or left by the version "
    "that made them, as when the calendar is changed.",
    body=Recompute,
    answer=schemas.CalendarEdited,
    permission="sla:manage",
    load=queries.calendar_for_update,
    show=_show_edited,
    if_match="honoured",
)
def refresh_holidays(uow: UnitOfWork, actor: Actor, calendar: SlaCalendar, given: dict[str, Any]) -> Edited:
    return calendars.refresh(uow, calendar), recomputing.begin(uow, actor, wanted=given["recompute"])


@blp.read(
    "/sla/holiday-countries",
    operation_id="list_holiday_countries",
    summary="Countries whose public holidays are known, with their regions and kinds of holidays",
    answer=schemas.HolidayCountries,
    permission="sla:read",
)
def list_countries(_session: Session, _actor: Actor) -> dict[str, Any]:
    return {"release": public_holidays.release(), "items": public_holidays.countries()}
