"""Every select on sessions, passwords and second factors."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, bindparam, exists, func, or_, select
from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.identity.models import Agent, Role
from helpdesk.identity.password_models import AgentPassword, PasswordLink, RecoveryCode, SecondFactor
from helpdesk.identity.queries import CALLER
from helpdesk.identity.session_models import AgentSession, KnownPlace, SignInThrottle
from helpdesk.kernel.db import utc
from helpdesk.kernel.errors import Gone, NotFound
from helpdesk.kernel.pagination import Listed, Order, Page, listed

SEEN_EVERY: Final = timedelta(minutes=1)
"""That somebody is there is written down no more often than this."""

_WHO, _SESSION = Agent.__table__.c, AgentSession.__table__.c
_LIVE: Final = and_(_SESSION.ended_at.is_(None), _SESSION.idle_until > func.now(), _SESSION.expires_at > func.now())
_BY_SESSION_HASH: Final = (
    CALLER.add_columns(
        _SESSION.id.label("session_id"),
        _SESSION.second_factor,
        or_(
            Role.__table__.c.second_factor,
            exists(select(1).where(SecondFactor.agent_id == _WHO.id, SecondFactor.confirmed_at.is_not(None))),
        ).label("wants_second_factor"),
        (_SESSION.last_seen_at < func.now() - SEEN_EVERY).label("unseen"),
    )
    .join(AgentSession.__table__, _SESSION.agent_id == _WHO.id)
    .where(_SESSION.hash == bindparam("hash"), _WHO.active, _LIVE)
)


def caller_with(session: Session, hashed: bytes) -> Any:
    """The agent whose live session has this hash, as `queries.CALLER`, and `session_id`, `second_factor` (proved in
    it), `wants_second_factor` (there is one, or the role needs one), `unseen` (it is time to write that somebody is there); else None.
    """
    return session.execute(_BY_SESSION_HASH, {"hash": hashed}).one_or_none()


_BY_SESSION: Final = Order((AgentSession.id,), (UUID,))


def list_sessions(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Listed:
    """One's own live sessions; everybody's for who manages them."""
    statement = select(
        AgentSession.id,
        AgentSession.agent_id,
        AgentSession.how,
        AgentSession.second_factor,
        AgentSession.address,
        AgentSession.user_agent,
        AgentSession.created_at,
        AgentSession.last_seen_at,
        AgentSession.expires_at,
        (AgentSession.id == bindparam("current", actor.session_id, AgentSession.id.type)).is_(True).label("current"),
    ).where(_LIVE)
    if not actor.may("session:manage"):
        statement = statement.where(AgentSession.agent_id == actor.id)
    if "agent_id" in given:
        statement = statement.where(AgentSession.agent_id == given["agent_id"])
    return listed(session, page, statement, _BY_SESSION, given)


def own_session(session: Session, actor: Actor) -> Any:
    """The session of this request; None where it was made with a token."""
    if actor.session_id is None:
        return None
    found = select(AgentSession).where(AgentSession.id == actor.session_id)
    return session.execute(found).scalar_one_or_none()


def session_for_update(session: Session, actor: Actor, session_id: UUID) -> AgentSession:
    """A live one, one's own or with `session:manage`. Raises `NotFound`."""
    found = select(AgentSession).where(AgentSession.id == session_id, _LIVE).with_for_update()
    row = session.execute(found).scalar_one_or_none()
    if row is None or (row.agent_id != actor.id and not actor.may("session:manage")):
        raise NotFound
    return row


def sign_in_facts(session: Session, email: str, place: bytes) -> Any:
    """`id`, `name`, `active`, `hash`, `known` (the place), `has_second_factor`, `needs_second_factor` (by the role) of the
    agent with this address; None when there is none. One statement, that of an address that nobody has takes as long.
    """
    known = exists(select(1).where(KnownPlace.agent_id == Agent.id, KnownPlace.place == place))
    confirmed = exists(select(1).where(SecondFactor.agent_id == Agent.id, SecondFactor.confirmed_at.is_not(None)))
    found = (
        select(
            Agent.id,
            Agent.name,
            Agent.active,
            AgentPassword.hash,
            known.label("known"),
            confirmed.label("has_second_factor"),
            Role.second_factor.label("needs_second_factor"),
        )
        .join(Role, Role.name == Agent.role)
        .outerjoin(AgentPassword, AgentPassword.agent_id == Agent.id)
        .where(func.lower(Agent.email) == email)
    )
    return session.execute(found).one_or_none()


def active_agent_held(session: Session, agent_id: UUID) -> Agent | None:
    """The agent if active, and locked against being deactivated meanwhile."""
    found = select(Agent).where(Agent.id == agent_id, Agent.active).with_for_update(read=True)
    return session.execute(found).scalar_one_or_none()


def password_for_update(session: Session, agent_id: UUID) -> AgentPassword | None:
    found = select(AgentPassword).where(AgentPassword.agent_id == agent_id).with_for_update()
    return session.execute(found).scalar_one_or_none()


def password_hash(session: Session, agent_id: UUID) -> str | None:
    return session.execute(select(AgentPassword.hash).where(AgentPassword.agent_id == agent_id)).scalar_one_or_none()


def agent_named(session: Session, agent_id: UUID) -> Any:
    """`email`, `name`, `active`."""
    return session.execute(select(Agent.email, Agent.name, Agent.active).where(Agent.id == agent_id)).one()


def link_detail(session: Session, link_id: UUID) -> Any:
    """A link that still counts: `id`, `kind`, `expires_at`, `agent_id`, `email`, `name`. Raises `NotFound`, `Gone`."""
    found = (
        select(
            PasswordLink.id,
            PasswordLink.kind,
            PasswordLink.expires_at,
            PasswordLink.used_at,
            PasswordLink.agent_id,
            Agent.email,
            Agent.name,
        )
        .join(Agent, and_(Agent.id == PasswordLink.agent_id, Agent.active))
        .where(PasswordLink.id == link_id)
    )
    row = session.execute(found).mappings().one_or_none()
    if row is None:
        raise NotFound("This link is not valid; check that it was copied whole.")
    if row["used_at"] is not None:
        raise Gone("This link has been used.")
    return row


def open_link_for_update(session: Session, link_id: UUID) -> PasswordLink:
    """Locked and not used yet. Raises `Gone`."""
    found = select(PasswordLink).where(PasswordLink.id == link_id, PasswordLink.used_at.is_(None)).with_for_update()
    row = session.execute(found).scalar_one_or_none()
    if row is None:
        raise Gone("This link has been used.")
    return row


def second_factor_for_update(session: Session, agent_id: UUID) -> SecondFactor | None:
    found = select(SecondFactor).where(SecondFactor.agent_id == agent_id).with_for_update()
    return session.execute(found).scalar_one_or_none()


def second_factor_state(session: Session, agent_id: UUID) -> dict[str, Any]:
    """`enabled_at` (None: it is not), `recovery_codes_left`, `required` (by the role)."""
    left = select(func.count()).select_from(RecoveryCode).where(RecoveryCode.agent_id == Agent.id).scalar_subquery()
    found = (
        select(
            SecondFactor.confirmed_at.label("enabled_at"),
            left.label("recovery_codes_left"),
            Role.second_factor.label("required"),
        )
        .select_from(Agent)
        .join(Role, Role.name == Agent.role)
        .outerjoin(SecondFactor, SecondFactor.agent_id == Agent.id)
        .where(Agent.id == agent_id)
    )
    return dict(session.execute(found).mappings().one())


def codes_left(session: Session, agent_id: UUID) -> int:
    count = select(func.count()).select_from(RecoveryCode).where(RecoveryCode.agent_id == agent_id)
    return int(session.execute(count).scalar_one())


def blocked_for(session: Session, key: bytes) -> int:
    """Whole seconds until this count may go on, at least one. By the clock of the moment: who waited in a queue for it
    is not told the time of when it began.
    """
    left = func.ceil(func.extract("epoch", SignInThrottle.blocked_until - func.clock_timestamp()))
    found = session.execute(select(left).where(SignInThrottle.key == key)).scalar_one_or_none()
    return max(1, int(found or 1))


def moment(session: Session) -> datetime:
    return utc(session.execute(select(func.now())).scalar_one())
