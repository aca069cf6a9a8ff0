"""Entries in the ledger of a customer's points. Whoever writes one holds the lock of the account, so that of two at once
the second sees what the first has left; the balances' check constraints say so once more.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from helpdesk.identity.actors import SYSTEM, Actor
from helpdesk.kernel.errors import MovedMeanwhile
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import points_queries
from helpdesk.recovery.points_events import PointsEarned, PointsEvent, PointsVoided
from helpdesk.recovery.points_models import SIGNS, PointsAccount, PointsEntry, PointsLot, PointsPart
from helpdesk.recovery.queries import Held


def write(
    uow: UnitOfWork,
    actor: Actor,
    account: PointsAccount,
    parts: Sequence[tuple[PointsLot, int]],
    *,
    kind: str,
    tells: type[PointsEvent],
    **more: Any,
) -> UUID:
    """One entry, its parts, the balances after it, and the event that tells of it. `more`: offer_id, external_id,
    reverses_id and note of the entry, as far as it has them; the event has the same. The entry's id.
    """
    amount = sum(part for _, part in parts)
    for lot, part in parts:
        lot.balance_minor += SIGNS[kind] * part
    account.balance_minor += SIGNS[kind] * amount
    entry_id = new_id()
    row = {"id": entry_id, "account_id": account.id, "kind": kind, "amount_minor": amount, "at": uow.now}
    row |= dict.fromkeys(("offer_id", "external_id", "reverses_id", "note"))
    row |= {"actor_kind": actor.kind, "actor_id": actor.id}
    uow.add_rows(PointsEntry, [row | more])
    made = [{"entry_id": entry_id, "lot_id": lot.id, "amount_minor": part} for lot, part in parts]
    uow.add_rows(PointsPart, made)
    event = tells(
        customer_id=account.customer_id,
        entry_id=entry_id,
        currency=account.currency,
        amount_minor=amount,
        balance_minor=account.balance_minor,
        **more,
    )
    uow.record(event, actor=actor)
    return entry_id


def earn(uow: UnitOfWork, held: Held) -> PointsLot:
    """The issuance is recorded: what the lot is for is on it, from now on, once."""
    account, lot = points_queries.lock_lot(uow.session, held.offer.id)
    if lot.earned_at is None:
        lot.expires_at += uow.now - lot.created_at
        lot.earned_at = uow.now
        parts = [(lot, lot.amount_minor)]
        write(uow, SYSTEM, account, parts, kind="earn", tells=PointsEarned, offer_id=held.offer.id)
    return lot


def void(uow: UnitOfWork, actor: Actor, held: Held) -> None:
    """The offer was reversed: nothing is left of its points. Raises `MovedMeanwhile` when some were burnt since it was looked at:
    done again, it is refused.
    """
    account, lot = points_queries.lock_lot(uow.session, held.offer.id)
    if lot.balance_minor not in {0, lot.amount_minor}:
        raise MovedMeanwhile
    if lot.balance_minor == 0 and points_queries.is_burnt(uow.session, lot.id):
        raise MovedMeanwhile
    if lot.balance_minor > 0:
        parts = [(lot, lot.balance_minor)]
        write(uow, actor, account, parts, kind="void", tells=PointsVoided, offer_id=held.offer.id)
