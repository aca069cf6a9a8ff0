"""Every select on agents, teams and tokens."""

from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.identity.models import Agent, Team, TeamMember, Token
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.pagination import AnySelect, Order, Page

_TEAMS_OF = (
    select(func.coalesce(func.json_agg(TeamMember.team_id), func.json_build_array()))
    .where(TeamMember.agent_id == Agent.id)
    .scalar_subquery()
    .label("team_ids")
)
_AGENT = select(Agent.id, Agent.email, Agent.name, Agent.role, Agent.active, Agent.version, Agent.created_at, _TEAMS_OF)
_MEMBERS = (
    select(func.coalesce(func.json_agg(TeamMember.agent_id), func.json_build_array()))
    .where(TeamMember.team_id == Team.id)
    .scalar_subquery()
    .label("agent_ids")
)
_TEAM = select(Team.id, Team.name, Team.version, Team.created_at, _MEMBERS)
_BY_AGENT = Order((Agent.id,), (UUID,))
_BY_TEAM = Order((Team.id,), (UUID,))
_BY_TOKEN = Order((Token.id,), (UUID,))


def list_agents(session: Session, page: Page, given: dict[str, Any]) -> tuple[Any, str | None, int | None]:
    statement = _AGENT
    if "role" in given:
        statement = statement.where(Agent.role == given["role"])
    if "active" in given:
        statement = statement.where(Agent.active == given["active"])
    return _listed(session, page, statement, _BY_AGENT, counted=given.get("count", False))


def agent_detail(session: Session, agent_id: UUID) -> Any:
    return _one(session, _AGENT.where(Agent.id == agent_id))


def list_teams(session: Session, page: Page, given: dict[str, Any]) -> tuple[Any, str | None, int | None]:
    return _listed(session, page, _TEAM, _BY_TEAM, counted=given.get("count", False))


def team_detail(session: Session, team_id: UUID) -> Any:
    return _one(session, _TEAM.where(Team.id == team_id))


def list_tokens(
    session: Session, actor: Actor, page: Page, given: dict[str, Any]
) -> tuple[Any, str | None, int | None]:
    """One's own tokens; everybody's for who manages them. Never the secret, which nobody has."""
    statement = select(Token.id, Token.agent_id, Token.name, Token.created_at, Token.expires_at, Token.revoked_at)
    if not actor.may("token:manage"):
        statement = statement.where(Token.agent_id == actor.id)
    return _listed(session, page, statement, _BY_TOKEN, counted=given.get("count", False))


def _listed(
    session: Session, page: Page, statement: AnySelect, order: Order, *, counted: bool
) -> tuple[Any, str | None, int | None]:
    rows = session.execute(page.narrow(statement, order)).mappings().all()
    shown, cursor = page.cut(rows, lambda row: (row["id"],))
    total = session.execute(select(func.count()).select_from(statement.subquery())).scalar_one() if counted else None
    return shown, cursor, total


def _one(session: Session, statement: AnySelect) -> Any:
    row = session.execute(statement).mappings().one_or_none()
    if row is None:
        raise NotFound
    return row


def agent_for_update(session: Session, _actor: Actor, agent_id: UUID) -> Agent:
    return _locked(session, Agent, agent_id)


def team_for_update(session: Session, _actor: Actor, team_id: UUID) -> Team:
    return _locked(session, Team, team_id)


def token_for_update(session: Session, actor: Actor, token_id: UUID) -> Token:
    token = _locked(session, Token, token_id)
    if token.agent_id != actor.id and not actor.may("token:manage"):
        raise NotFound
    return token


_Row = TypeVar("_Row", Agent, Team, Token)


def _locked(session: Session, kind: type[_Row], row_id: UUID) -> _Row:
    row = session.execute(select(kind).where(kind.id == row_id).with_for_update()).scalar_one_or_none()
    if row is None:
        raise NotFound
    return row


def active_agent(session: Session, agent_id: UUID) -> Agent | None:
    return session.execute(select(Agent).where(Agent.id == agent_id, Agent.active)).scalar_one_or_none()


def any_active_agent(session: Session) -> bool:
    return session.execute(select(Agent.id).where(Agent.active).limit(1)).first() is not None


def agent_by_email(session: Session, email: str) -> Agent | None:
    return session.execute(select(Agent).where(func.lower(Agent.email) == email.lower())).scalar_one_or_none()


def team_exists(session: Session, team_id: UUID) -> bool:
    return session.execute(select(Team.id).where(Team.id == team_id)).first() is not None
