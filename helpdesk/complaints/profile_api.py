"""Agents as handlers of complaints: what they can do, how much, and whether they are there."""

from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import profile_models, profile_queries, profiles
from helpdesk.complaints.profile_schemas import (
    Absence,
    AbsenceIn,
    AbsencePatch,
    AvailabilityIn,
    Profile,
    ProfilePatch,
)
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import Conflict, Forbidden
from helpdesk.kernel.http import Blueprint
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.schemas import PageQuery
from helpdesk.kernel.unit_of_work import UnitOfWork

blp = Blueprint("profiles", __name__, description="Agents as handlers: skills, languages, capacity, absences.")


def _show(session: Session, _actor: Actor, agent_id: UUID) -> dict[str, Any]:
    return profile_queries.profile_detail(session, agent_id)


def _show_absence(session: Session, _actor: Actor, absence_id: UUID) -> Any:
    return profile_queries.absence_detail(session, absence_id)


@blp.read(
    "/agents/<uuid:agent_id>/profile",
    operation_id="get_agent_profile",
    summary="What an agent can do, how much they have, and whether they are there",
    description="Of oneself, or with `agent:read`.",
    answer=Profile,
    errors=(Forbidden,),
)
def get_profile(session: Session, actor: Actor, agent_id: UUID) -> Any:
    profile_queries.check_sight(session, actor, agent_id)
    return profile_queries.profile_detail(session, agent_id)


@blp.write(
    "/agents/<uuid:agent_id>/profile",
    operation_id="change_agent_profile",
    summary="Set what an agent can do and how much they take",
    description="By who manages agents, or leads a team of theirs (`team:lead`). A lower capacity takes nothing away from "
    "them; they are given nothing more until they are below it.",
    method="PATCH",
    body=ProfilePatch,
    answer=Profile,
    load=profile_queries.profile_for_update,
    allow=profiles.check_lead,
    show=_show,
    if_match="required",
    errors=(Forbidden,),
)
def change_profile(uow: UnitOfWork, _actor: Actor, profile: profile_models.AgentProfile, given: dict[str, Any]) -> UUID:
    return profiles.change(uow, profile, given)


@blp.write(
    "/agents/<uuid:agent_id>/availability",
    operation_id="set_agent_availability",
    summary="Say whether one is there",
    description="By oneself, or who leads them. Nothing is routed to whoever is away.",
    body=AvailabilityIn,
    answer=Profile,
    load=profile_queries.profile_for_update,
    allow=profiles.check_own,
    show=_show,
    if_match="honoured",
    errors=(Forbidden,),
)
def set_availability(
    uow: UnitOfWork, _actor: Actor, profile: profile_models.AgentProfile, given: dict[str, Any]
) -> UUID:
    return profiles.set_availability(uow, profile, given)


@blp.read(
    "/agents/<uuid:agent_id>/absences",
    operation_id="list_agent_absences",
    summary="When an agent is out of office",
    description="Of oneself, or with `agent:read`.",
    answer=Absence,
    query=PageQuery,
    paged=True,
    errors=(Forbidden,),
)
def list_absences(session: Session, actor: Actor, page: Page, given: dict[str, Any], agent_id: UUID) -> Any:
    return profile_queries.list_absences(session, actor, page, given, agent_id)


@blp.write(
    "/agents/<uuid:agent_id>/absences",
    operation_id="plan_agent_absence",
    summary="Be out of office for a time",
    description="Meanwhile nothing is routed to the agent; where a complainant writes on a complaint of theirs, or one "
    "becomes urgent, it goes to the substitute.",
    body=AbsenceIn,
    answer=Absence,
    status=201,
    load=profile_queries.profile_for_update,
    allow=profiles.check_own,
    show=_show_absence,
    location=lambda absence: f"/api/v1/agents/{absence['agent_id']}/absences/{absence['id']}",
    if_match="honoured",
    errors=(Forbidden, Conflict),
)
def plan_absence(uow: UnitOfWork, _actor: Actor, profile: profile_models.AgentProfile, given: dict[str, Any]) -> UUID:
    return profiles.plan_absence(uow, profile, given)


@blp.read(
    "/agents/<uuid:agent_id>/absences/<uuid:absence_id>",
    operation_id="get_agent_absence",
    summary="One absence",
    description="Of oneself, or with `agent:read`.",
    answer=Absence,
    errors=(Forbidden,),
)
def get_absence(session: Session, actor: Actor, agent_id: UUID, absence_id: UUID) -> Any:
    return profile_queries.absence_of(session, actor, agent_id, absence_id)


@blp.write(
    "/agents/<uuid:agent_id>/absences/<uuid:absence_id>",
    operation_id="change_agent_absence",
    summary="Change when an agent is out of office, or who stands in",
    method="PATCH",
    body=AbsencePatch,
    answer=Absence,
    load=profile_queries.absence_for_update,
    allow=profiles.check_own,
    show=_show_absence,
    if_match="required",
    errors=(Forbidden,),
)
def change_absence(uow: UnitOfWork, _actor: Actor, absence: profile_models.AgentAbsence, given: dict[str, Any]) -> UUID:
    return profiles.change_absence(uow, absence, given)


@blp.write(
    "/agents/<uuid:agent_id>/absences/<uuid:absence_id>",
    operation_id="cancel_agent_absence",
    summary="An agent will be there after all",
    method="DELETE",
    answer=None,
    status=204,
    load=profile_queries.absence_for_update,
    allow=profiles.check_own,
    if_match="required",
    errors=(Forbidden,),
)
def cancel_absence(uow: UnitOfWork, _actor: Actor, absence: profile_models.AgentAbsence) -> None:
    profiles.cancel_absence(uow, absence)
