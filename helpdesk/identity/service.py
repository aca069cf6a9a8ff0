"""What one can do with agents, teams and tokens."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, update

from helpdesk.identity import queries, role_queries
from helpdesk.identity.actors import Actor
from helpdesk.identity.administration import record_administration
from helpdesk.identity.authentication import MAX_LIFE, new_token, token_hash
from helpdesk.identity.errors import EmailTaken, LastAdministrator
from helpdesk.identity.events import (
    AgentChanged,
    AgentCreated,
    TeamMembersChanged,
    TokenCreated,
    TokenRevoked,
)
from helpdesk.identity.granting import check_rights, check_teams
from helpdesk.identity.models import Agent, Team, TeamMember, Token
from helpdesk.identity.permissions import ADMINISTERING, Rights
from helpdesk.kernel.errors import FieldError, Forbidden, ValidationFailed
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import UnitOfWork

_OF_LEAVING: Final = ("reassign_to", "even_if_named")


def create_agent(uow: UnitOfWork, actor: Actor, given: dict[str, Any]) -> UUID:
    """`given`: email, name, role, team_ids. Raises `EmailTaken`, `BeyondOwnRights`, or `ValidationFailed` for an unknown
    role or team.
    """
    queries.lock_membership(uow.session)
    _check_role(uow, actor, given["role"])
    check_teams(actor, given.get("team_ids", []))
    check_active(uow, given.get("team_ids", []))
    if queries.agent_by_email(uow.session, given["email"]) is not None:
        raise EmailTaken
    agent_id = new_id()
    uow.session.add(
        Agent(id=agent_id, email=given["email"], name=given["name"], role=given["role"], active=True, version=1)
    )
    uow.session.flush()  # memberships refer to it
    _join(uow, agent_id, given.get("team_ids", []))
    _touch(uow, Team, given.get("team_ids", []))
    record_administration(
        uow,
        AgentCreated(
            agent_id=agent_id,
            email=given["email"],
            name=given["name"],
            role=given["role"],
            team_ids=sorted({str(team_id) for team_id in given.get("team_ids", [])}),
        ),
    )
    return agent_id


def change_agent(uow: UnitOfWork, actor: Actor, agent: Agent, given: dict[str, Any]) -> UUID:
    """`given`: any of name, role, active, team_ids, reassign_to, even_if_named. `agent`: as by `queries.agent_for_update`. Raises
    `LastAdministrator`, `BeyondOwnRights`, or `ValidationFailed` for an unknown role or team.
    """
    reassign_to = _reassign_to(uow, actor, agent, given)
    if given.get("role", agent.role) != agent.role:
        _check_role(uow, actor, given["role"])
    _keep_an_administrator(uow, agent, given)
    changes: dict[str, list[object]] = {}
    for name in ("name", "role", "active"):
        if name in given and given[name] != getattr(agent, name):
            changes[name] = [getattr(agent, name), given[name]]
            setattr(agent, name, given[name])
    if "team_ids" in given:
        before = queries.teams_of(uow.session, agent.id)
        after = set(given["team_ids"])
        check_teams(actor, after - before)
        check_active(uow, [team_id for team_id in given["team_ids"] if team_id not in before])
        if before != after:
            uow.session.execute(delete(TeamMember).where(TeamMember.agent_id == agent.id))
            _join(uow, agent.id, given["team_ids"])
            _touch(uow, Team, before ^ after)
            changes["team_ids"] = [sorted(map(str, before)), sorted(map(str, after))]
    if changes:
        agent.touch()
        left = AgentChanged(
            agent_id=agent.id, changes=changes, reassign_to=reassign_to, even_if_named=given.get("even_if_named", False)
        )
        if left.left:
            _revoke_tokens(uow, agent.id)
        record_administration(uow, left)
    return agent.id


def _reassign_to(uow: UnitOfWork, actor: Actor, agent: Agent, given: dict[str, Any]) -> dict[str, str]:
    """Whoever says who is to have another's complaints, wherever they are, assigns them. Nobody is locked here: that an
    agent is still there is asked again for each complaint.
    """
    wanted: dict[str, UUID] | None = given.get("reassign_to")
    alone = [name for name in _OF_LEAVING if name in given and given.get("active") is not False]
    if alone:
        text = "Only together with `active: false`."
        raise ValidationFailed(errors=[FieldError.at(f"/{name}", "not_leaving", text) for name in alone])
    if wanted is None:
        return {}
    if not agent.active:
        text = (
            "They had left before: what they had has gone on since. Name whom single complaints go to (bulk, `assign`)."
        )
        raise ValidationFailed(errors=[FieldError.at("/reassign_to", "not_leaving", text)])
    check_rights(actor, Rights(frozenset({"complaint:assign"}), "everything"))
    agent_id, team_id = wanted.get("agent_id"), wanted.get("team_id")
    if agent_id is not None and (agent_id == agent.id or not queries.known_active_agents(uow.session, [agent_id])):
        text = "There is no such other active agent."
        raise ValidationFailed(errors=[FieldError.at("/reassign_to/agent_id", "unknown", text)])
    if team_id is not None and not queries.active_team(uow.session, team_id):
        raise ValidationFailed(
            errors=[FieldError.at("/reassign_to/team_id", "unknown", "There is no such active team.")]
        )
    return {name: str(value) for name, value in wanted.items()}


def _revoke_tokens(uow: UnitOfWork, agent_id: UUID) -> None:
    """For good: who comes back gets new ones."""
    for token in queries.valid_tokens_of(uow.session, agent_id):
        revoke_token(uow, token)


def _check_role(uow: UnitOfWork, actor: Actor, name: str) -> None:
    rights = role_queries.rights_of_role(uow.session, name)
    if rights is None:
        raise ValidationFailed(errors=[FieldError.at("/role", "unknown", "There is no such role; see GET /roles.")])
    check_rights(actor, rights)


def _keep_an_administrator(uow: UnitOfWork, agent: Agent, given: dict[str, Any]) -> None:
    stays = given.get("active", agent.active) and _administers(uow, given.get("role", agent.role))
    if stays or not agent.active or not _administers(uow, agent.role):
        return
    if not role_queries.another_administrator(uow.session, agent_id=agent.id):  # nobody else changes one meanwhile
        raise LastAdministrator


def _administers(uow: UnitOfWork, role: str) -> bool:
    rights = role_queries.rights_of_role(uow.session, role)
    return rights is not None and rights.permissions >= ADMINISTERING


def _join(uow: UnitOfWork, agent_id: UUID, team_ids: Sequence[UUID]) -> None:
    wanted = list(dict.fromkeys(team_ids))
    known = queries.known_teams(uow.session, wanted)
    unknown = [place for place, team_id in enumerate(team_ids) if team_id not in known]
    if unknown:
        raise ValidationFailed(
            errors=[FieldError.at(f"/team_ids/{place}", "unknown", "There is no such team.") for place in unknown]
        )
    uow.add_rows(TeamMember, [{"team_id": team_id, "agent_id": agent_id} for team_id in wanted])


def check_active(uow: UnitOfWork, team_ids: Sequence[UUID]) -> None:
    """Nobody joins a team that is not active. Raises `ValidationFailed` naming each."""
    wanted = list(dict.fromkeys(team_ids))
    closed = queries.known_teams(uow.session, wanted) - queries.active_teams(uow.session, wanted)
    if closed:
        text = "This team is not active."
        raise ValidationFailed(
            errors=[
                FieldError.at(f"/team_ids/{place}", "inactive", text)
                for place, team_id in enumerate(team_ids)
                if team_id in closed
            ]
        )


def _touch(uow: UnitOfWork, kind: type[Agent] | type[Team], ids: Collection[UUID]) -> None:
    """A membership shows on both sides: whoever looked at the other one has an old version."""
    if ids:
        uow.session.execute(update(kind).where(kind.id.in_(list(ids))).values(version=kind.version + 1))


def set_members(uow: UnitOfWork, actor: Actor, team: Team, agent_ids: Sequence[UUID]) -> UUID:
    """Replace the team's members; of one that is not active too, whose members see what it decided. `team`: as by
    `queries.team_for_update`. Raises `BeyondOwnRights`, or `ValidationFailed`
    naming each unknown agent.
    """
    wanted = list(dict.fromkeys(agent_ids))
    known = queries.known_active_agents(uow.session, wanted)
    unknown = [place for place, agent_id in enumerate(agent_ids) if agent_id not in known]
    if unknown:
        raise ValidationFailed(
            errors=[FieldError.at(f"/agent_ids/{place}", "unknown", "No such active agent.") for place in unknown]
        )
    before = queries.members_of(uow.session, team.id)
    if before == set(wanted):
        return team.id
    if set(wanted) - before:
        check_teams(actor, [team.id])
    uow.session.execute(delete(TeamMember).where(TeamMember.team_id == team.id))
    _touch(uow, Agent, before ^ set(wanted))
    uow.add_rows(TeamMember, [{"team_id": team.id, "agent_id": agent_id} for agent_id in wanted])
    team.touch()
    were, are = sorted(map(str, before)), sorted(map(str, wanted))
    record_administration(uow, TeamMembersChanged(team_id=team.id, agent_ids=are, changes={"agent_ids": [were, are]}))
    return team.id


def create_token(uow: UnitOfWork, actor: Actor, given: dict[str, Any]) -> dict[str, Any]:
    """A token for oneself, or for another agent with `token:manage`. The secret is in the answer and nowhere else."""
    agent_id = given.get("agent_id", actor.id)
    if agent_id != actor.id and not actor.may("token:manage"):
        raise Forbidden("You may make tokens for yourself only.", permission="token:manage")
    agent = None if agent_id is None else queries.active_agent(uow.session, agent_id)
    if agent is None:
        raise ValidationFailed(errors=[FieldError.at("/agent_id", "unknown", "There is no such active agent.")])
    if agent.id != actor.id:
        _check_stand_in(uow, actor, agent)
    expires_at: datetime = given.get("expires_at") or uow.now + MAX_LIFE
    if not uow.now < expires_at <= uow.now + MAX_LIFE:
        raise ValidationFailed(
            errors=[FieldError.at("/expires_at", "range", "Choose a time in the future, at most 366 days away.")]
        )
    token = new_token()
    row = Token(
        id=new_id(),
        agent_id=agent_id,
        name=given["name"],
        hash=token_hash(token),
        bootstrap=False,
        expires_at=expires_at,
    )
    uow.session.add(row)
    record_administration(uow, TokenCreated(agent_id=agent.id, token_id=row.id, name=row.name, expires_at=expires_at))
    return {
        "id": row.id,
        "agent_id": agent_id,
        "name": row.name,
        "token": token,
        "created_at": uow.now,
        "expires_at": expires_at,
        "revoked_at": None,
    }


def _check_stand_in(uow: UnitOfWork, actor: Actor, agent: Agent) -> None:
    """Who has somebody's token is that somebody: they must hold all that the other holds."""
    rights = role_queries.rights_of_role(uow.session, agent.role)
    if rights is not None:
        check_rights(actor, rights)
    check_teams(actor, queries.teams_of(uow.session, agent.id))


def revoke_token(uow: UnitOfWork, token: Token) -> Token:
    """Revoking twice is revoking once."""
    if token.revoked_at is None:
        token.revoked_at = uow.now
        changes: dict[str, list[object]] = {"revoked_at": [None, uow.now]}
        record_administration(uow, TokenRevoked(agent_id=token.agent_id, token_id=token.id, changes=changes))
    return token
