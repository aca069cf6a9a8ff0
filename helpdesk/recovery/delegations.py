"""Lending one's authority to somebody for a time, and taking it back.

What is lent is the authority of the lender's own role, as it is when it is used; nobody lends what they borrowed. It ends with
its time, when it is taken back, and when the lender is no longer active. Both ways begin at the moment at which nobody is
granting anything (`allowance_queries.alone`): an approval is either before it or after it.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity import allowance_queries
from helpdesk.identity.actor_queries import active_actors
from helpdesk.identity.actors import Actor
from helpdesk.identity.administration import record_administration
from helpdesk.identity.allowances import GIVING
from helpdesk.kernel.errors import FieldError, Forbidden, ValidationFailed
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.schemas import json_safe
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import delegation_queries
from helpdesk.recovery.authority_events import AuthorityLent, AuthorityTakenBack
from helpdesk.recovery.delegation_models import AuthorityDelegation
from helpdesk.recovery.errors import DelegationEnded, DelegationOverlaps

AHEAD: Final = timedelta(days=366)
"""How far ahead it may begin."""


def lend(uow: UnitOfWork, actor: Actor, given: dict[str, Any]) -> UUID:
    """`given`: delegate_id, starts_at or None for now, ends_at, up_to or None, reason. Raises `Forbidden` for who has nothing
    to lend, `ValidationFailed`, `DelegationOverlaps`.
    """
    if actor.kind != "agent" or actor.id is None or actor.authority not in GIVING:
        raise Forbidden("Only an agent with authority of their own can lend it.")
    now = allowance_queries.alone(uow.session)
    starts_at = given.get("starts_at") or now
    problems = [*_faults_of_time(uow.session, given, starts_at, now), *_faults_of_delegate(uow.session, actor, given)]
    if problems:
        raise ValidationFailed(errors=problems)
    found = delegation_queries.overlapping(uow.session, actor.id, given["delegate_id"], starts_at, given["ends_at"])
    if found is not None:
        raise DelegationOverlaps(delegation_id=str(found))
    up_to = given.get("up_to")
    row = AuthorityDelegation(
        id=new_id(),
        version=1,
        created_at=uow.now,
        lender_id=actor.id,
        delegate_id=given["delegate_id"],
        starts_at=starts_at,
        ends_at=given["ends_at"],
        up_to=None if up_to is None else Decimal(up_to),
        reason=given["reason"],
    )
    uow.session.add(row)
    names = ("starts_at", "ends_at", "up_to")
    changes = {name: [None, json_safe(_plain(getattr(row, name)))] for name in names}
    record_administration(
        uow,
        AuthorityLent(
            delegation_id=row.id,
            lender_id=row.lender_id,
            delegate_id=row.delegate_id,
            reason=row.reason,
            changes=changes,
        ),
    )
    return row.id


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value


def _faults_of_time(
    session: Session, given: dict[str, Any], starts_at: datetime, now: datetime
) -> Iterator[FieldError]:
    days = allowance_queries.standing(session)[0].delegation_days
    if starts_at < now:
        yield FieldError.at("/starts_at", "past", "Authority is not lent for the past; leave it out for now.")
    if starts_at > now + AHEAD:
        yield FieldError.at("/starts_at", "range", "It begins within a year.")
    if given["ends_at"] <= starts_at:
        yield FieldError.at("/ends_at", "before_start", "It ends after it begins.")
    elif given["ends_at"] - starts_at > timedelta(days=days):
        yield FieldError.at("/ends_at", "range", f"Authority is lent for {days} days at most.")


def _faults_of_delegate(session: Session, actor: Actor, given: dict[str, Any]) -> Iterator[FieldError]:
    if given["delegate_id"] == actor.id:
        yield FieldError.at("/delegate_id", "self", "Lend it to somebody else.")
        return
    found = active_actors(session, [given["delegate_id"]])
    if not found:
        yield FieldError.at("/delegate_id", "unknown", "There is no such active agent.")
    elif not found[0].may("offer:approve"):
        yield FieldError.at("/delegate_id", "cannot_approve", "Their role may not approve offers ('offer:approve').")


def check_open(session: Session, _actor: Actor, delegation: AuthorityDelegation) -> None:
    """Raises `DelegationEnded`."""
    now = allowance_queries.alone(session)  # held already: it gives the time
    if delegation.revoked_at is not None or delegation.ends_at <= now:
        raise DelegationEnded


def revoke(uow: UnitOfWork, actor: Actor, delegation: AuthorityDelegation, reason: str) -> UUID:
    """`check_open` comes first."""
    now = allowance_queries.alone(uow.session)
    delegation.revoked_at, delegation.revoked_by, delegation.revoke_reason = now, actor.id, reason
    delegation.touch()
    record_administration(
        uow,
        AuthorityTakenBack(
            delegation_id=delegation.id,
            lender_id=delegation.lender_id,
            delegate_id=delegation.delegate_id,
            reason=reason,
            changes={"revoked_at": [None, json_safe(now)]},
        ),
    )
    return delegation.id
