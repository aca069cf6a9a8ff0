"""From credentials to an `Actor`.

A token is 256 random bits, so one SHA-256 of it is hash enough, and looking it up by that hash leaks nothing by its
timing. Everything that decides (expiry, revocation, deactivation) is in the one statement that finds it: a token that
is revoked now is refused now, in every process.
"""

import hashlib
import secrets
from datetime import datetime, timedelta

from flask import request
from sqlalchemy.orm import Session

from helpdesk.identity import queries
from helpdesk.identity.actors import SYSTEM, Actor, agent_actor
from helpdesk.identity.models import Agent, Token
from helpdesk.kernel.errors import Unauthenticated
from helpdesk.kernel.unit_of_work import Database

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
    seen_at: datetime = row.seen_at
    return agent_actor(row.id, row.name, row.role, tuple(row.team_ids or ()), seen_at)


def ensure_bootstrap_administrator(database: Database, token: str) -> None:
    """Make `HELPDESK_ADMIN_TOKEN` valid, and any earlier bootstrap token invalid. Safe to repeat and to run at once."""
    wanted = token_hash(token)
    with database.unit_of_work(SYSTEM) as uow:
        known = queries.bootstrap_tokens(uow.session, wanted)
        for row in known:
            if row.hash != wanted and row.revoked_at is None:
                row.revoked_at = uow.now
            elif row.hash == wanted:
                row.revoked_at = None  # the environment says it counts, also after another one did in between
        email = "administrator@helpdesk.invalid"
        agent = queries.agent_by_email(uow.session, email)
        if agent is None:
            agent = Agent(email=email, name="Administrator", role="admin", active=True, version=1)
            uow.session.add(agent)
            uow.session.flush()  # the token below needs its id
        agent.active, agent.role = True, "admin"  # whoever sets the variable means an administrator
        if all(row.hash != wanted for row in known):
            uow.session.add(Token(agent_id=agent.id, name="bootstrap", hash=wanted, bootstrap=True))
