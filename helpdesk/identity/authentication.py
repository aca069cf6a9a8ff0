"""From credentials to an `Actor`.

A caller shows a token, or the secret of a session, as bearer or, a browser, in a cookie; the prefix tells which table to
look in. A token is 256 random bits, so one SHA-256 of it is hash enough, and looking it up by that hash leaks nothing by its
timing. Everything that decides (expiry, revocation, deactivation) is in the one statement that finds it: a token that
is revoked now is refused now, in every process.
"""

import hashlib
import secrets
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, cast
from urllib.parse import urlsplit
from uuid import UUID

from flask import current_app, request
from sqlalchemy import func, update
from sqlalchemy.orm import Session

from helpdesk.identity import key_queries, queries, session_queries
from helpdesk.identity.actors import SYSTEM, Actor, recognised, recognised_key
from helpdesk.identity.administration import record_administration
from helpdesk.identity.door import SessionRules
from helpdesk.identity.events import AgentChanged, AgentCreated, TokenCreated, TokenRestored, TokenRevoked
from helpdesk.identity.key_models import ApiKey
from helpdesk.identity.models import Agent, Token
from helpdesk.identity.permissions import ADMINISTRATOR
from helpdesk.identity.session_models import AgentSession
from helpdesk.kernel import limiting
from helpdesk.kernel.errors import SecondFactorRequired, Unauthenticated
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.openapi import SESSION_COOKIE
from helpdesk.kernel.unit_of_work import Database, UnitOfWork, note

PREFIX = "hd_"
SESSION_PREFIX: Final = "hds_"
PROOF_HEADER: Final = "X-Requested-With"
"""Another site's page cannot send it along without asking us first (CORS), and we never agree."""
KEY_PREFIX: Final = "hdk_"
MAX_LIFE = timedelta(days=366)


def new_token() -> str:
    return new_secret(PREFIX)


def new_secret(prefix: str) -> str:
    """With a prefix that secret scanners can be taught."""
    return prefix + secrets.token_urlsafe(32)


def new_session_secret() -> str:
    return new_secret(SESSION_PREFIX)


def token_hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def authenticate(session: Session, *, enrolling: bool = False) -> Actor:
    """The caller of this request. Raises `Unauthenticated`, with the same words whatever was wrong, and
    `SecondFactorRequired` for a session that lacks it, unless `enrolling`.
    """
    if "Authorization" not in request.headers and SESSION_COOKIE in request.cookies:
        _refuse_other_sites()
        return _actor_of_session(session, request.cookies[SESSION_COOKIE], enrolling=enrolling)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not 1 <= len(token) <= 512:
        raise Unauthenticated("Send `Authorization: Bearer <token>`.")
    if token.startswith(SESSION_PREFIX):
        return _actor_of_session(session, token, enrolling=enrolling)
    return actor_of(session, token)


def _refuse_other_sites() -> None:
    """A browser sends its cookie whoever wrote the page, so alone it proves nothing about a change: that must come with a
    header that no form and no other site's script can send, and not from where the browser says it is not ours.
    """
    if request.method in {"GET", "HEAD", "OPTIONS"}:
        return
    if not request.headers.get(PROOF_HEADER, "").strip():
        raise Unauthenticated(f"With the session's cookie, send the header `{PROOF_HEADER}` too, with any text.")
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site not in {None, "same-origin"} or (origin is not None and origin not in _own_origins()):
        raise Unauthenticated("The session's cookie does not count for what another site sends.")


def _own_origins() -> set[str]:
    base_url = urlsplit(current_app.extensions["helpdesk"].base_url)
    return {f"{base_url.scheme}://{base_url.netloc}", request.host_url.rstrip("/")}


def _actor_of_session(session: Session, secret: str, *, enrolling: bool) -> Actor:
    row = session_queries.caller_with(session, token_hash(secret))
    if row is None:
        raise Unauthenticated("This session is unknown, has ended or was idle too long.")
    rules = session_rules()
    if not row.second_factor and not enrolling and (row.wants_second_factor or rules.second_factor_required):
        raise SecondFactorRequired("Until its second factor is proved, this session can do nothing else.")
    if row.unseen:
        _note_presence(session, row.session_id, rules)
    return replace(recognised(row), session_id=row.session_id)


def session_rules() -> SessionRules:
    return cast(SessionRules, current_app.extensions["helpdesk_sessions"])


def _note_presence(session: Session, session_id: Any, rules: SessionRules) -> None:
    """At most once a minute, whoever comes at the same moment."""
    note(
        session,
        update(AgentSession)
        .where(
            AgentSession.id == session_id,
            AgentSession.last_seen_at < func.now() - session_queries.SEEN_EVERY,
            AgentSession.ended_at.is_(None),
        )
        .values(last_seen_at=func.now(), idle_until=func.now() + rules.idle, address=limiting.client_address())
        .execution_options(synchronize_session=False),
    )


def actor_of(session: Session, token: str) -> Actor:
    if token.startswith(KEY_PREFIX):
        return _actor_of_key(session, token)
    row = queries.caller_with(session, token_hash(token))
    if row is None:
        raise Unauthenticated("This token is unknown, expired or revoked.")
    return recognised(row)


def _actor_of_key(session: Session, key: str) -> Actor:
    row = key_queries.caller_with(session, token_hash(key))
    if row is None:
        raise Unauthenticated("This API key is unknown, expired or revoked.")
    if row.unnoted:
        _note_use(session, row.key_id)
    return recognised_key(row)


def _note_use(session: Session, key_id: UUID) -> None:
    """At most once a minute. Not while somebody changes the key: the call does not wait for that."""
    free = key_queries.FREE.where(ApiKey.id == key_id).scalar_subquery()
    note(
        session,
        update(ApiKey)
        .where(ApiKey.id == free)
        .values(last_used_at=func.now(), last_used_from=limiting.client_address())
        .execution_options(synchronize_session=False),
    )


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
