"""Declaring conflicts of interest, and ending them.

A person declares their own, and a manager anybody's. Nobody ends a conflict of their own: it would be a way to approve what one
may not. Who is in conflict with an offer (`conflict_queries.Standing.bars`) does not approve it, nor lend their name for it.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints.queries import visible_id
from helpdesk.customers import queries as customers
from helpdesk.identity import allowance_queries
from helpdesk.identity.actor_queries import active_actors
from helpdesk.identity.actors import Actor
from helpdesk.identity.administration import record_administration
from helpdesk.kernel.access import require
from helpdesk.kernel.errors import FieldError, Forbidden, NotFound, ValidationFailed
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.schemas import json_safe
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery.authority_events import ConflictDeclared, ConflictEnded
from helpdesk.recovery.conflict_models import InterestConflict
from helpdesk.recovery.errors import ConflictOver

_TOLD = ("kind", "colleague_id", "complaint_id", "customer_id", "starts_at", "ends_at")


def declare(uow: UnitOfWork, actor: Actor, given: dict[str, Any]) -> UUID:
    """`given`: agent_id or None for oneself, kind, one of colleague_id, complaint (a reference), customer_id; starts_at, ends_at,
    note or None. Raises `Forbidden`, `ValidationFailed`.
    """
    agent_id = given.get("agent_id") or actor.person_id
    if agent_id is None or agent_id != actor.person_id:
        require(actor, "conflict:manage")
    now = allowance_queries.alone(uow.session)
    starts_at = given.get("starts_at") or now
    found = _with(uow.session, actor, given)
    problems = [*found.pop("problems"), *_faults(uow.session, given | {"agent_id": agent_id}, starts_at, now)]
    if problems or agent_id is None:
        raise ValidationFailed(
            errors=problems or [FieldError.at("/agent_id", "required", "Name whose conflict it is.")]
        )
    row = InterestConflict(
        id=new_id(),
        version=1,
        created_at=uow.now,
        agent_id=agent_id,
        kind=given["kind"],
        starts_at=starts_at,
        ends_at=given.get("ends_at"),
        note=given.get("note"),
        declared_by=actor.id,
        **found,
    )
    uow.session.add(row)
    changes = {name: [None, json_safe(getattr(row, name))] for name in _TOLD if getattr(row, name) is not None}
    record_administration(
        uow, ConflictDeclared(conflict_id=row.id, agent_id=agent_id, reason=row.note, changes=changes)
    )
    return row.id


def _with(session: Session, actor: Actor, given: dict[str, Any]) -> dict[str, Any]:
    """With whom or what, as columns; and `problems`."""
    found: dict[str, Any] = {"colleague_id": given.get("colleague_id"), "customer_id": given.get("customer_id")}
    problems = []
    if "complaint" in given:
        try:
            found["complaint_id"] = visible_id(session, actor, given["complaint"])
        except NotFound:
            problems.append(FieldError.at("/complaint", "unknown", "There is no such complaint, or not for you."))
    if found["customer_id"] is not None and not customers.exists(session, found["customer_id"]):
        problems.append(FieldError.at("/customer_id", "unknown", "There is no such customer."))
    return {**found, "problems": problems}


def _faults(session: Session, given: dict[str, Any], starts_at: datetime, now: datetime) -> Iterator[FieldError]:
    named = {name: given[name] for name in ("agent_id", "colleague_id") if given.get(name) is not None}
    active = {actor.id for actor in active_actors(session, set(named.values()))}
    for name, agent_id in named.items():
        if agent_id not in active:
            yield FieldError.at(f"/{name}", "unknown", "There is no such active agent.")
    if len(set(named.values())) < len(named):
        yield FieldError.at("/colleague_id", "self", "Nobody is in conflict with themselves.")
    if starts_at < now:
        yield FieldError.at("/starts_at", "past", "It begins now or later; leave it out for now.")
    if given.get("ends_at") is not None and given["ends_at"] <= starts_at:
        yield FieldError.at("/ends_at", "before_start", "It ends after it begins.")


def check_end(_session: Session, actor: Actor, row: InterestConflict) -> None:
    """Raises `Forbidden` for whose it is, and for whom it is with."""
    if actor.person_id is not None and actor.person_id in {row.agent_id, row.colleague_id}:
        raise Forbidden("Nobody ends a conflict of their own; have somebody else who manages conflicts look at it.")


def check_open(session: Session, _actor: Actor, row: InterestConflict) -> None:
    """Raises `ConflictOver`."""
    now = allowance_queries.alone(session)  # held already: it gives the time
    if row.ends_at is not None and row.ends_at <= now:
        raise ConflictOver


def end(uow: UnitOfWork, row: InterestConflict, reason: str) -> UUID:
    """From now on; what has not begun never does. `check_end` and `check_open` come first."""
    now = allowance_queries.alone(uow.session)
    before = row.ends_at
    row.ends_at, row.end_reason = max(now, row.starts_at), reason
    row.touch()
    changes = {"ends_at": [json_safe(before), json_safe(row.ends_at)]}
    record_administration(uow, ConflictEnded(conflict_id=row.id, agent_id=row.agent_id, reason=reason, changes=changes))
    return row.id
