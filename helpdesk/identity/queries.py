"""Every select on agents, teams and tokens."""

from collections.abc import Collection, Sequence
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import and_, bindparam, func, or_, select
from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.identity.models import Agent, Role, Team, TeamMember, Token
from helpdesk.kernel import advisory
from helpdesk.kernel.access import existing
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.folding import fold
from helpdesk.kernel.in_force import REVISION
from helpdesk.kernel.pagination import AnySelect, Listed, Order, Page, listed

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
_TEAM = select(Team.id, Team.name, Team.active, Team.successor_id, Team.version, Team.created_at, _MEMBERS)
_BY_AGENT = Order((Agent.id,), (UUID,))
_BY_TEAM = Order((Team.id,), (UUID,))
_BY_TOKEN = Order((Token.id,), (UUID,))


def list_agents(session: Session, page: Page, given: dict[str, Any]) -> Listed:
    statement = _AGENT
    if "role" in given:
        statement = statement.where(Agent.role == given["role"])
    if "active" in given:
        statement = statement.where(Agent.active == given["active"])
    return listed(session, page, statement, _BY_AGENT, given)


def agent_detail(session: Session, agent_id: UUID) -> Any:
    return _one(session, _AGENT.where(Agent.id == agent_id))


def list_teams(session: Session, page: Page, given: dict[str, Any]) -> Listed:
    statement = _TEAM
    if "active" in given:
        statement = statement.where(Team.active == given["active"])
    return listed(session, page, statement, _BY_TEAM, given)


def team_detail(session: Session, team_id: UUID) -> Any:
    return _one(session, _TEAM.where(Team.id == team_id))


def list_tokens(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Listed:
    """One's own tokens; everybody's for who manages them. Never the secret, which nobody has."""
    statement = select(Token.id, Token.agent_id, Token.name, Token.created_at, Token.expires_at, Token.revoked_at)
    if not actor.may("token:manage"):
        statement = statement.where(Token.agent_id == actor.id)
    return listed(session, page, statement, _BY_TOKEN, given)


def _one(session: Session, statement: AnySelect) -> Any:
    return existing(session.execute(statement).mappings().one_or_none())


def lock_membership(session: Session) -> None:
    """Who changes agents and teams does it alone, and before any row is locked. Memberships are changed from both sides,
    and administrators change each other: with row locks alone two of them meet in opposite order.
    """
    advisory.lock(session, advisory.Alone.AGENTS_AND_TEAMS)


def agent_for_update(session: Session, _actor: Actor, agent_id: UUID) -> Agent:
    lock_membership(session)
    return _locked(session, Agent, agent_id)


def team_for_update(session: Session, _actor: Actor, team_id: UUID) -> Team:
    lock_membership(session)
    return _locked(session, Team, team_id)


def token_for_update(session: Session, actor: Actor, token_id: UUID) -> Token:
    token = _locked(session, Token, token_id)
    if token.agent_id != actor.id and not actor.may("token:manage"):
        raise NotFound
    return token


_Row = TypeVar("_Row", Agent, Team, Token)


def _locked(session: Session, kind: type[_Row], row_id: UUID) -> _Row:
    return existing(session.execute(select(kind).where(kind.id == row_id).with_for_update()).scalar_one_or_none())


def valid_tokens_of(session: Session, agent_id: UUID) -> Sequence[Token]:
    """Locked, in order."""
    mine = select(Token).where(Token.agent_id == agent_id, Token.revoked_at.is_(None))
    return session.scalars(mine.order_by(Token.id).with_for_update()).all()


def active_agent(session: Session, agent_id: UUID) -> Agent | None:
    """An active agent, who stays so until the transaction ends: whoever has them leave waits for it, and whoever asks while
    they are leaving is told that they have left. So nothing is given to somebody who is gone.
    """
    held = select(Agent).where(Agent.id == agent_id, Agent.active).with_for_update(read=True)
    return session.execute(held).scalar_one_or_none()


def any_active_agent(session: Session) -> bool:
    return session.execute(select(Agent.id).where(Agent.active).limit(1)).first() is not None


def agent_by_email(session: Session, email: str) -> Agent | None:
    return session.execute(select(Agent).where(func.lower(Agent.email) == func.lower(email))).scalar_one_or_none()


def active_team(session: Session, team_id: UUID) -> bool:
    """Whether there is such an active team. It stays so until the transaction ends, as in `active_agent`: whoever closes it
    waits, and then finds what it was given.
    """
    return active_teams(session, [team_id]) == {team_id}


def active_teams(session: Session, team_ids: Collection[UUID]) -> set[UUID]:
    """Those of them that are active, held as by `active_team`."""
    if not team_ids:
        return set()
    held = select(Team.id).where(Team.id.in_(team_ids), Team.active).order_by(Team.id)
    return set(session.scalars(held.with_for_update(read=True, key_share=True)))


def team_in_charge(session: Session, team_id: UUID | None) -> UUID | None:
    """The team itself, or who goes on with what it had: an active one, held as by `active_team`. None where there is none."""
    seen: set[UUID] = set()
    while team_id is not None and team_id not in seen:
        seen.add(team_id)
        held = select(Team.active, Team.successor_id).where(Team.id == team_id)
        active, successor_id = session.execute(held.with_for_update(read=True, key_share=True)).one()
        if active:
            return team_id
        team_id = successor_id
    return None


def any_team(session: Session) -> bool:
    return session.execute(select(Team.id).limit(1)).first() is not None


def team_named(session: Session, name: str, besides: UUID | None = None) -> UUID | None:
    """Whatever its capitals, width and spacing (`folding.fold`); the team `besides` is not meant. The caller holds
    `lock_membership`, so that nobody else takes the name meanwhile.
    """
    rows = session.execute(select(Team.id, Team.name))  # there are few
    return next((row.id for row in rows if row.id != besides and fold(row.name) == fold(name)), None)


def known_teams(session: Session, team_ids: Sequence[UUID]) -> set[UUID]:
    return set(session.scalars(select(Team.id).where(Team.id.in_(team_ids)))) if team_ids else set()


def known_active_agents(session: Session, agent_ids: Sequence[UUID]) -> set[UUID]:
    return set(session.scalars(select(Agent.id).where(Agent.id.in_(agent_ids), Agent.active))) if agent_ids else set()


def teams_of(session: Session, agent_id: UUID) -> set[UUID]:
    return set(session.scalars(select(TeamMember.team_id).where(TeamMember.agent_id == agent_id)))


def members_of(session: Session, team_id: UUID) -> set[UUID]:
    return set(session.scalars(select(TeamMember.agent_id).where(TeamMember.team_id == team_id)))


_WHO, _TOKEN, _MEMBER, _ROLE = (table.__table__.c for table in (Agent, Token, TeamMember, Role))
CALLER: Final = select(
    _WHO.id,
    _WHO.name,
    _WHO.role,
    func.array_to_string(_ROLE.permissions, " ").label("permissions"),
    _ROLE.scope,
    _ROLE.authority,
    func.now().label("seen_at"),
    REVISION.label("revision"),
    select(func.array_agg(_MEMBER.team_id)).where(_MEMBER.agent_id == _WHO.id).scalar_subquery().label("team_ids"),
).join_from(Agent.__table__, Role.__table__, _ROLE.name == _WHO.role)
"""What is to be known of an agent who calls (`actors.recognised` makes the actor of it): to be joined with the
credential, and narrowed to the active ones.
"""

_BY_TOKEN_HASH: Final = CALLER.join(Token.__table__, _TOKEN.agent_id == _WHO.id).where(
    _TOKEN.hash == bindparam("hash"),
    and_(_WHO.active, _TOKEN.revoked_at.is_(None)),
    or_(_TOKEN.expires_at.is_(None), _TOKEN.expires_at > func.now()),
)
"""Whole, with a parameter, and of tables: a statement put together for each request, or read through SQLAlchemy's ORM,
costs more than to execute it.
"""


def caller_with(session: Session, hashed: bytes) -> Any:
    """The agent whose valid token has this hash, as `CALLER` has it; else None."""
    return session.execute(_BY_TOKEN_HASH, {"hash": hashed}).one_or_none()


def bootstrap_tokens(session: Session, hashed: bytes) -> Sequence[Token]:
    """Every token made from the environment, and the one with this hash; one process at a time from here on."""
    advisory.lock(session, advisory.Alone.BOOTSTRAP_TOKENS)
    return session.scalars(select(Token).where(or_(Token.bootstrap, Token.hash == hashed))).all()
