"""Sessions: begun, raised, ended."""

from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert

from helpdesk.identity import session_queries
from helpdesk.identity.actors import Actor
from helpdesk.identity.administration import record_administration
from helpdesk.identity.authentication import new_session_secret, token_hash
from helpdesk.identity.door import Door, Where
from helpdesk.identity.session_events import SessionEnded, SessionRaised, SessionStarted, SignInRefused
from helpdesk.identity.session_models import AgentSession, KnownPlace
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import UnitOfWork


def begin(
    uow: UnitOfWork, door: Door, agent_id: UUID, where: Where, *, how: str, second_factor: str, in_cookie: bool
) -> dict[str, Any]:
    """A new session of an agent who has proved to be one, and whose row is held (`active_agent_held`). The secret is in
    what this returns and nowhere else; `second_factor`: as in `SessionStarted`.
    """
    secret = new_session_secret()
    row = AgentSession(
        id=new_id(),
        agent_id=agent_id,
        hash=token_hash(secret),
        how=how,
        in_cookie=in_cookie,
        second_factor=second_factor != "none",
        address=where.address,
        user_agent=where.user_agent,
        last_seen_at=uow.now,
        idle_until=uow.now + door.rules.idle,
        expires_at=uow.now + door.rules.longest,
    )
    uow.session.add(row)
    remember_place(uow, door, agent_id, where)
    event = SessionStarted(
        agent_id=agent_id,
        session_id=row.id,
        how=how,
        second_factor=second_factor,
        address=where.address,
        user_agent=where.user_agent,
    )
    record_administration(uow, event, actor=Actor(kind="agent", id=agent_id))
    return shown(row, secret)


def shown(row: AgentSession, secret: str | None) -> dict[str, Any]:
    """`secret` goes into a cookie or is the answer's `token`."""
    return {
        "session_id": row.id,
        "agent_id": row.agent_id,
        "token": None if row.in_cookie else secret,
        "secret": secret,
        "in_cookie": row.in_cookie,
        "expires_at": row.expires_at,
        "second_factor": row.second_factor,
    }


def remember_place(uow: UnitOfWork, door: Door, agent_id: UUID, where: Where) -> None:
    seen = insert(KnownPlace).values(agent_id=agent_id, place=door.lanes.place(where.address), seen_at=uow.now)
    uow.session.execute(
        seen.on_conflict_do_update(index_elements=["agent_id", "place"], set_={"seen_at": seen.excluded.seen_at})
    )


def renew_secret(uow: UnitOfWork, actor: Actor, *, second_factor: bool | None = None) -> dict[str, Any] | None:
    """Another secret for the session of this request, where there is one; whoever knows the old one is left behind.
    `second_factor`: whether it counts as proved from now on.
    """
    if actor.session_id is None:
        return None
    row = session_queries.session_for_update(uow.session, actor, actor.session_id)
    secret = new_session_secret()
    row.hash = token_hash(secret)
    if second_factor is not None:
        row.second_factor = second_factor
    return shown(row, secret)


def raise_by_code(uow: UnitOfWork, actor: Actor) -> dict[str, Any] | None:
    """The second factor was proved in this session."""
    raised = renew_secret(uow, actor, second_factor=True)
    if raised is not None:
        record_administration(uow, SessionRaised(agent_id=raised["agent_id"], session_id=raised["session_id"]))
    return raised


def record_refusal(uow: UnitOfWork, where: Where, reason: str, agent_id: UUID | None, account: str = "") -> None:
    """That somebody was not let in, or did not prove what they were asked for. See `SignInRefused`."""
    refused = SignInRefused(
        attempt_id=new_id(),
        agent_id=agent_id,
        account=account,
        reason=reason,
        address=where.address,
        user_agent=where.user_agent,
    )
    record_administration(uow, refused)


def end(uow: UnitOfWork, row: AgentSession, reason: str) -> UUID:
    """At once, in every process."""
    row.ended_at = uow.now
    record_administration(uow, SessionEnded(agent_id=row.agent_id, session_id=row.id, reason=reason))
    return row.id


def end_all(uow: UnitOfWork, agent_id: UUID, reason: str, *, but: UUID | None = None) -> int:
    """Every session of the agent but one; how many."""
    statement = update(AgentSession).where(
        AgentSession.agent_id == agent_id, AgentSession.ended_at.is_(None), AgentSession.expires_at > uow.now
    )
    if but is not None:
        statement = statement.where(AgentSession.id != but)
    ended = uow.session.scalars(
        statement.values(ended_at=uow.now).returning(AgentSession.id).execution_options(synchronize_session=False)
    ).all()
    for session_id in sorted(ended):
        record_administration(uow, SessionEnded(agent_id=agent_id, session_id=session_id, reason=reason))
    return len(ended)


def forget_second_factor(uow: UnitOfWork, agent_id: UUID) -> None:
    """There is none any more that a session could have proved."""
    uow.session.execute(
        update(AgentSession)
        .where(AgentSession.agent_id == agent_id, AgentSession.second_factor, AgentSession.how == "password")
        .values(second_factor=False)
        .execution_options(synchronize_session=False)
    )
