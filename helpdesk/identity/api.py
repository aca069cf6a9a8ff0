from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity import errors, models, queries, schemas, service, team_service
from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import Forbidden
from helpdesk.kernel.http import Blueprint
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.schemas import PageQuery
from helpdesk.kernel.unit_of_work import UnitOfWork

blp = Blueprint("identity", __name__, description="Agents, teams and tokens: who is calling.")


@blp.read("/me", operation_id="get_me", summary="The caller, its teams and permissions", answer=schemas.Me)
def get_me(_session: Session, actor: Actor) -> dict[str, Any]:
    return {
        "id": actor.id,
        "kind": actor.kind,
        "name": actor.name,
        "role": actor.role,
        "scope": actor.scope,
        "authority": actor.authority,
        "team_ids": list(actor.team_ids),
        "permissions": sorted(actor.permissions),
    }


@blp.read(
    "/agents",
    operation_id="list_agents",
    summary="Agents",
    answer=schemas.Agent,
    query=schemas.AgentQuery,
    permission="agent:read",
    paged=True,
)
def list_agents(session: Session, _actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return queries.list_agents(session, page, given)


def _show_agent(session: Session, _actor: Actor, agent_id: UUID) -> Any:
    return queries.agent_detail(session, agent_id)


@blp.write(
    "/agents",
    operation_id="create_agent",
    summary="Create an agent",
    body=schemas.AgentIn,
    answer=schemas.Agent,
    status=201,
    permission="agent:manage",
    show=_show_agent,
    location=lambda agent: f"/api/v1/agents/{agent['id']}",
    errors=(errors.EmailTaken, errors.BeyondOwnRights),
)
def create_agent(uow: UnitOfWork, actor: Actor, given: dict[str, Any]) -> UUID:
    return service.create_agent(uow, actor, given)


@blp.read(
    "/agents/<uuid:agent_id>",
    operation_id="get_agent",
    summary="One agent",
    answer=schemas.Agent,
    permission="agent:read",
)
def get_agent(session: Session, _actor: Actor, agent_id: UUID) -> Any:
    return queries.agent_detail(session, agent_id)


@blp.write(
    "/agents/<uuid:agent_id>",
    operation_id="change_agent",
    summary="Change an agent's name, role, teams, or whether it is active",
    description="Who is deactivated is out at once: tokens and sessions end, API keys they answer for are suspended, and their "
    "open complaints go to whom `reassign_to` names, or back to their queues, each with an entry in its timeline.",
    method="PATCH",
    body=schemas.AgentPatch,
    answer=schemas.Agent,
    permission="agent:manage",
    load=queries.agent_for_update,
    show=_show_agent,
    if_match="required",
    errors=(errors.LastAdministrator, errors.BeyondOwnRights, errors.AgentNamed),
)
def change_agent(uow: UnitOfWork, actor: Actor, agent: models.Agent, given: dict[str, Any]) -> UUID:
    return service.change_agent(uow, actor, agent, given)


@blp.read(
    "/teams",
    operation_id="list_teams",
    summary="Teams",
    answer=schemas.Team,
    query=schemas.TeamQuery,
    permission="agent:read",
    paged=True,
)
def list_teams(session: Session, _actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return queries.list_teams(session, page, given)


def _show_team(session: Session, _actor: Actor, team_id: UUID) -> Any:
    return queries.team_detail(session, team_id)


@blp.write(
    "/teams",
    operation_id="create_team",
    summary="Create a team",
    body=schemas.TeamIn,
    answer=schemas.Team,
    status=201,
    permission="agent:manage",
    show=_show_team,
    location=lambda team: f"/api/v1/teams/{team['id']}",
    errors=(errors.NameTaken,),
)
def create_team(uow: UnitOfWork, _actor: Actor, given: dict[str, Any]) -> UUID:
    return team_service.create_team(uow, given["name"])


@blp.read(
    "/teams/<uuid:team_id>",
    operation_id="get_team",
    summary="One team",
    answer=schemas.Team,
    permission="agent:read",
)
def get_team(session: Session, _actor: Actor, team_id: UUID) -> Any:
    return queries.team_detail(session, team_id)


@blp.write(
    "/teams/<uuid:team_id>",
    operation_id="change_team",
    summary="Rename a team, or deactivate or activate it",
    description="A team that is not active is given nothing: it is refused wherever a team is named, and nothing is routed to it. "
    "Its open complaints go to the team that `reassign_to` names, or where the routing rules send them, each with an entry in "
    "its timeline; so does what is opened again later. While settings go on naming the team (routing rules, forms, shared "
    "views, triggers, policies) it is refused, with all of them in `uses`.",
    method="PATCH",
    body=schemas.TeamPatch,
    answer=schemas.Team,
    permission="agent:manage",
    load=queries.team_for_update,
    show=_show_team,
    if_match="required",
    errors=(errors.NameTaken, errors.TeamInUse, errors.BeyondOwnRights),
)
def change_team(uow: UnitOfWork, actor: Actor, team: models.Team, given: dict[str, Any]) -> UUID:
    return team_service.change_team(uow, actor, team, given)


@blp.write(
    "/teams/<uuid:team_id>/members",
    operation_id="set_team_members",
    summary="Replace a team's members",
    description="Of a team that is not active too: its members see what it decided, and nothing is given to them by it.",
    method="PUT",
    body=schemas.TeamMembersIn,
    answer=schemas.Team,
    permission="agent:manage",
    load=queries.team_for_update,
    show=_show_team,
    if_match="required",
    errors=(errors.BeyondOwnRights,),
)
def set_team_members(uow: UnitOfWork, actor: Actor, team: models.Team, given: dict[str, Any]) -> UUID:
    return service.set_members(uow, actor, team, given["agent_ids"])


@blp.read(
    "/tokens",
    operation_id="list_tokens",
    summary="Tokens: one's own, or everybody's with `token:manage`",
    answer=schemas.Token,
    query=PageQuery,
    paged=True,
)
def list_tokens(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Any:
    return queries.list_tokens(session, actor, page, given)


@blp.write(
    "/tokens",
    operation_id="create_token",
    summary="Make a bearer token; the answer is the only time it is shown",
    body=schemas.TokenIn,
    answer=schemas.NewToken,
    status=201,
    errors=(Forbidden, errors.BeyondOwnRights),
    shown_once="token",
)
def create_token(uow: UnitOfWork, actor: Actor, given: dict[str, Any]) -> dict[str, Any]:
    return service.create_token(uow, actor, given)


@blp.write(
    "/tokens/<uuid:token_id>/revoke",
    operation_id="revoke_token",
    summary="Revoke a token at once",
    answer=schemas.Token,
    load=queries.token_for_update,
)
def revoke_token(uow: UnitOfWork, _actor: Actor, token: models.Token) -> models.Token:
    return service.revoke_token(uow, token)
