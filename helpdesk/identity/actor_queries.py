"""Agents as the actors that they would be: to ask on somebody's behalf what they may see."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor, recognised
from helpdesk.identity.models import Agent
from helpdesk.identity.queries import CALLER


def active_actors(session: Session, agent_ids: Collection[UUID]) -> list[Actor]:
    """In no order; who is not there, or not active, is left out."""
    if not agent_ids:
        return []
    found = CALLER.where(Agent.id.in_(list(agent_ids)), Agent.active)
    return [recognised(row) for row in session.execute(found)]


def agents_by_handle(session: Session, handles: Collection[str]) -> Sequence[Any]:
    """`(id, name, email)` of active agents called so: by the whole address, by what stands before its @, or by the name
    with dots for blanks. `handles` are in lower case.
    """
    email = func.lower(Agent.email)
    called = or_(
        email.in_(handles),
        func.split_part(email, "@", 1).in_(handles),
        func.replace(func.lower(Agent.name), " ", ".").in_(handles),
    )
    return session.execute(
        select(Agent.id, Agent.name, Agent.email).where(called, Agent.active).order_by(Agent.id)
    ).all()
