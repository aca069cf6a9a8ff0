from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.kernel.http import Blueprint
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import escalation_queries as queries
from helpdesk.sla import escalation_schemas as schemas
from helpdesk.sla import team_calendars
from helpdesk.sla.escalation_models import TeamCalendar

blp = Blueprint("escalations", __name__, description="What happens as the time of a promise passes.")


@blp.read(
    "/complaints/<ref>/escalations",
    operation_id="list_complaint_escalations",
    summary="Which rungs of their ladders the clocks of a complaint came to, and what followed",
    description="The newest first: when it was planned for, when it rang and how late, and what became of each action.",
    answer=schemas.EscalationEntry,
    query=schemas.EscalationQuery,
    permission="complaint:read",
    paged=True,
)
def list_escalations(session: Session, actor: Actor, page: Page, given: dict[str, Any], ref: str) -> Any:
    return queries.log_of(session, actor, page, given, ref)


@blp.read(
    "/sla/teams/<uuid:team_id>/calendar",
    operation_id="get_sla_team_calendar",
    summary="By which calendar a team works",
    description="Its agents are told of promises when they are at work: by their own working hours, where they have any, else by "
    "this, else by the calendar of the promise.",
    answer=schemas.TeamCalendar,
    permission="sla:read",
)
def get_team_calendar(session: Session, _actor: Actor, team_id: UUID) -> Any:
    return queries.team_calendar(session, team_id)


def _show(session: Session, _actor: Actor, team_id: UUID) -> Any:
    return queries.team_calendar(session, team_id)


@blp.write(
    "/sla/teams/<uuid:team_id>/calendar",
    operation_id="set_sla_team_calendar",
    summary="Say by which calendar a team works",
    method="PUT",
    body=schemas.TeamCalendarIn,
    answer=schemas.TeamCalendar,
    permission="sla:manage",
    load=queries.team_calendar_for_update,
    show=_show,
    if_match="required",
)
def set_team_calendar(uow: UnitOfWork, _actor: Actor, row: TeamCalendar, given: dict[str, Any]) -> UUID:
    return team_calendars.set_calendar(uow, row, given["calendar_id"])
