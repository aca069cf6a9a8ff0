"""Every select on authority that was lent."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, false, func, or_, select, true
from sqlalchemy.orm import Session

from helpdesk.identity import allowance_queries
from helpdesk.identity.actor_queries import active_actors
from helpdesk.identity.actors import Actor
from helpdesk.identity.models import Agent
from helpdesk.kernel.access import existing
from helpdesk.kernel.pagination import Listed, Order, Page, listed
from helpdesk.recovery.delegation_models import AuthorityDelegation

DELEGATION_STATES: Final = ("active", "scheduled", "ended", "revoked", "void")
"""`void`: who lent it is not active any more."""

_LENT: Final = AuthorityDelegation.__table__.c
_CLOCK: Final = func.clock_timestamp()
"""It begins at the clock's time, which in its own transaction is later than the transaction's."""
_STATE: Final = case(
    (_LENT.revoked_at.is_not(None), "revoked"),
    (_LENT.ends_at <= _CLOCK, "ended"),
    (~Agent.active, "void"),
    (_LENT.starts_at > _CLOCK, "scheduled"),
    else_="active",
).label("state")
_SHOWN: Final[Any] = select(AuthorityDelegation.__table__, _STATE).join(Agent, Agent.id == _LENT.lender_id)
_BY_ID: Final = Order((_LENT.id,), (UUID,), descending=True)
_REMEMBERED: Final = timedelta(days=92)
_TOLD: Final = 20


class Lent(NamedTuple):
    """One that holds. `authority`: of the lender's role now."""

    delegation_id: UUID
    lender_id: UUID
    authority: str
    up_to: Any


def lent_to(session: Session, delegate_id: UUID, at: datetime) -> list[Lent]:
    """What this person may use at a time, the earliest lent first: of lenders who are active."""
    rows = session.execute(
        select(_LENT.id, _LENT.lender_id, _LENT.up_to)
        .where(_LENT.delegate_id == delegate_id, _LENT.revoked_at.is_(None), _LENT.starts_at <= at, _LENT.ends_at > at)
        .order_by(_LENT.id)
    ).all()
    lenders = {actor.id: actor for actor in active_actors(session, {row.lender_id for row in rows})}
    return [
        Lent(row.id, row.lender_id, lenders[row.lender_id].authority, row.up_to)
        for row in rows
        if row.lender_id in lenders and lenders[row.lender_id].may("offer:approve")
    ]


class Loan(NamedTuple):
    """One that was made, whether it holds or not. `may_approve`: the lender is active, and their role approves offers."""

    delegation_id: UUID
    lender_id: UUID
    lender: str
    starts_at: datetime
    ends_at: datetime
    revoked_at: datetime | None
    active: bool
    may_approve: bool


def made_to(session: Session, delegate_id: UUID, at: datetime, lender_id: UUID | None = None) -> list[Loan]:
    """What was lent to this person (by one lender) and was not over long before a time, the latest lent first: to say of each
    what became of it.
    """
    whose = true() if lender_id is None else _LENT.lender_id == lender_id
    statement = (
        select(
            _LENT.id.label("delegation_id"),
            _LENT.lender_id,
            Agent.name.label("lender"),
            _LENT.starts_at,
            _LENT.ends_at,
            _LENT.revoked_at,
            Agent.active,
        )
        .join(Agent, Agent.id == _LENT.lender_id)
        .where(_LENT.delegate_id == delegate_id, _LENT.ends_at > at - _REMEMBERED, whose)
        .order_by(_LENT.id.desc())
        .limit(_TOLD)
    )
    rows = session.execute(statement).mappings().all()
    lenders = {actor.id: actor for actor in active_actors(session, {row["lender_id"] for row in rows})}
    approving = {lender_id for lender_id, lender in lenders.items() if lender.may("offer:approve")}
    return [Loan(**row, may_approve=row["lender_id"] in approving) for row in rows]


def overlapping(session: Session, lender_id: UUID, delegate_id: UUID, start: datetime, end: datetime) -> UUID | None:
    return session.execute(
        select(_LENT.id)
        .where(
            _LENT.lender_id == lender_id,
            _LENT.delegate_id == delegate_id,
            _LENT.revoked_at.is_(None),
            and_(_LENT.starts_at < end, _LENT.ends_at > start),
        )
        .limit(1)
    ).scalar_one_or_none()


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """What one lent or was lent; everybody's for who reads it."""
    if actor.may("authority:read") or actor.may("authority:manage"):
        return true()
    return _of(actor)


def _of(actor: Actor) -> ColumnElement[bool]:
    """Lent by this person or to them; by a key nothing is."""
    mine = actor.id if actor.kind == "agent" else None
    return false() if mine is None else or_(_LENT.lender_id == mine, _LENT.delegate_id == mine)


def list_delegations(session: Session, actor: Actor, page: Page, given: Mapping[str, Any]) -> Listed:
    statement: Any = _SHOWN.where(visible_to(actor))
    for name in ("lender_id", "delegate_id"):
        if name in given:
            statement = statement.where(_LENT[name] == given[name])
    if "state" in given:
        statement = statement.where(_STATE.element == given["state"])
    return listed(session, page, statement, _BY_ID, given)


def delegation_detail(session: Session, actor: Actor | None, delegation_id: UUID) -> Any:
    """Without an actor: for whoever has just changed it."""
    condition = true() if actor is None else visible_to(actor)
    found = session.execute(_SHOWN.where(_LENT.id == delegation_id, condition))
    return existing(found.mappings().one_or_none())


def delegation_for_update(session: Session, actor: Actor, delegation_id: UUID) -> AuthorityDelegation:
    """One's own; anybody's for who manages authority. Nobody grants anything until it is changed."""
    allowance_queries.alone(session)
    whose = true() if actor.may("authority:manage") else _of(actor)
    statement = select(AuthorityDelegation).where(_LENT.id == delegation_id, whose).with_for_update()
    return existing(session.execute(statement).scalar_one_or_none())
