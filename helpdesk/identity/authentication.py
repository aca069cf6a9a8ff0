"""From credentials to an `Actor`.

A token is 256 random bits, so one SHA-256 of it is hash enough, and looking it up by that hash leaks nothing by its
timing. Everything that decides (expiry, revocation, deactivation) is in the one statement that finds it: a token that
is revoked now is refused now, in every process.
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any

from flask import request
from sqlalchemy.orm import Session

from helpdesk.identity import queries
from helpdesk.identity.actors import SYSTEM, Actor, recognised
from helpdesk.identity.administration import record_administration
from helpdesk.identity.events import AgentChanged, AgentCreated, TokenCreated, TokenRestored, TokenRevoked
from helpdesk.identity.models import Agent, Token
from helpdesk.identity.permissions import ADMINISTRATOR
from helpdesk.kernel.errors import Unauthenticated
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import Database, UnitOfWork

PREFIX = "hd_"
MAX_LIFE = timedelta(days=366)


def new_token() -> str:
    """With a prefix that secret scanners can be taught."""
    return PREFIX + secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def authenticate(session: Session) -> Actor:
    """The caller of this request. Raises `Unauthenticated`, with the same words whatever was wrong."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not 1 <= len(token) <= 512:
        raise Unauthenticated("Send `Authorization: Bearer <token>`.")
    return actor_of(session, token)


def actor_of(session: Session, token: str) -> Actor:
    row = queries.caller_with(session, token_hash(token))
    if row is None:
        raise Unauthenticated("This token is unknown, expired or revoked.")
    return recognised(row)


def ensure_bootstrap_administrator(database: Database, token: str) -> None:
    """Make `HELPDESK_ADMIN_TOKEN` valid, and any earlier bootstrap token invalid. Safe to repeat and to run at once."""
    wanted = token_hash(token)
    with database.unit_of_work(SYSTEM) as uow:
        known = queries.bootstrap_tokens(uow.session, wanted)
        for row in known:
            # The environment says which one counts, also after another one did in between.
            _set_revoked(uow, row, None if row.hash == wanted else row.revoked_at or uow.now)
        email = "administrator@helpdesk.invalid"
        agent = queries.agent_by_email(uow.session, email)
        if agent is None:
            agent = Agent(email=email, name="Administrator", role=ADMINISTRATOR, active=True, version=1)
            uow.session.add(agent)
            uow.session.flush()  # the token below needs its id
            created = AgentCreated(agent_id=agent.id, email=email, name=agent.name, role=agent.role, team_ids=[])
            record_administration(uow, created)
        _make_administrator(uow, agent)
        if all(row.hash != wanted for row in known):
            token_id = new_id()
            uow.session.add(Token(id=token_id, agent_id=agent.id, name="bootstrap", hash=wanted, bootstrap=True))
            made = TokenCreated(agent_id=agent.id, token_id=token_id, name="bootstrap", expires_at=None)
            record_administration(uow, made)


def _set_revoked(uow: UnitOfWork, token: Token, at: datetime | None) -> None:
    if token.revoked_at == at:
        return
    changes: dict[str, list[object]] = {"revoked_at": [token.revoked_at, at]}
    token.revoked_at = at
    kind = TokenRevoked if at is not None else TokenRestored
    record_administration(uow, kind(agent_id=token.agent_id, token_id=token.id, changes=changes))


def _make_administrator(uow: UnitOfWork, agent: Agent) -> None:
    """Whoever sets the variable means an administrator."""
    wanted: dict[str, Any] = {"active": True, "role": ADMINISTRATOR}
    changes = {name: [getattr(agent, name), value] for name, value in wanted.items() if getattr(agent, name) != value}
    for name in changes:
        setattr(agent, name, wanted[name])
    if changes:
        agent.touch()
        record_administration(uow, AgentChanged(agent_id=agent.id, changes=changes))
