"""Somebody who was here before, as the actor that they are now."""

from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity import key_queries
from helpdesk.identity.actor_queries import active_actors
from helpdesk.identity.actors import SYSTEM, Actor, complainant_actor, recognised_key


def named_again(session: Session, actor_id: UUID | None) -> Actor:
    """Whoever began something that goes on without them, to be named in what happens: an agent or an API key, without any
    rights. None is the program itself.
    """
    if actor_id is None:
        return SYSTEM
    return Actor(kind="integration" if key_queries.is_key(session, actor_id) else "agent", id=actor_id)


def recognised_again(session: Session, kind: str, actor_id: UUID) -> Actor | None:
    """Whoever was given a signed link, with the rights that they have now; None when they are not here any more."""
    if kind == "complainant":
        return complainant_actor(actor_id, frozenset({"complaint:read"}))
    if kind == "agent":
        return next(iter(active_actors(session, [actor_id])), None)
    row = key_queries.caller_known(session, actor_id) if kind == "integration" else None
    return None if row is None else recognised_key(row)
