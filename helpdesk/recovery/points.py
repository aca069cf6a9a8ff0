"""Using points: burn at a shop, take a burn back, write off what was not used in time.

All of it is decided under the lock of the account. What ends first is used first. An offer stays `issued` whatever of its
points was used: they are the customer's, and one like another.
"""

from typing import Any
from uuid import UUID

from helpdesk.identity.actors import SYSTEM, Actor
from helpdesk.kernel.money import Money
from helpdesk.kernel.schemas import dump_money
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import points_ledger, points_queries
from helpdesk.recovery.points_errors import BurnDiffers, BurnReversed, TooFewPoints
from helpdesk.recovery.points_events import PointsBurnReversed, PointsBurnt, PointsExpired
from helpdesk.recovery.points_models import PointsEntry, PointsLot
from helpdesk.recovery.points_queries import Burnt


def burn(uow: UnitOfWork, actor: Actor, customer_id: UUID, given: dict[str, Any]) -> UUID:
    """Take `amount` (a `Money`) from a customer's points; the entry's id. The same `external_id` from the same caller is the
    same burn. Raises `TooFewPoints`, `BurnDiffers`, `BurnReversed`.
    """
    wanted: Money = given["amount"]
    account = points_queries.lock_account_of(uow.session, customer_id, wanted.currency)
    if account is None:
        raise TooFewPoints(balance=dump_money((0, wanted.currency)))
    earlier = points_queries.burn_named(uow.session, actor, account.id, given["external_id"])
    if earlier is not None:
        return _repeated(uow, earlier, wanted, account.currency)
    lots = points_queries.lots_to_burn(uow.session, account.id, uow.now)
    balance = sum(lot.balance_minor for lot in lots)
    if balance < wanted.minor:
        raise TooFewPoints(balance=dump_money((balance, wanted.currency)))
    parts, left = list[tuple[PointsLot, int]](), wanted.minor
    for lot in lots:
        part = min(left, lot.balance_minor)
        if part:
            parts.append((lot, part))
        left -= part
    external_id = given["external_id"]
    return points_ledger.write(uow, actor, account, parts, kind="burn", tells=PointsBurnt, external_id=external_id)


def _repeated(uow: UnitOfWork, earlier: PointsEntry, wanted: Money, currency: str) -> UUID:
    if (wanted.minor, wanted.currency) != (earlier.amount_minor, currency):
        raise BurnDiffers(burn_id=earlier.id)
    if points_queries.reversed_at(uow.session, earlier.id) is not None:
        raise BurnReversed(burn_id=earlier.id)
    return earlier.id


def reverse(uow: UnitOfWork, actor: Actor, burnt: Burnt, given: dict[str, Any]) -> UUID:
    """Put back what a burn took, once, on the lots that it came from; its id. What comes back on a lot past its time cannot be
    used: it is written off by the next sweep. Raises `BurnReversed`.
    """
    account, entry = burnt.account, burnt.entry
    if points_queries.reversed_at(uow.session, entry.id) is not None:
        raise BurnReversed(burn_id=entry.id)
    parts = points_queries.lots_of(uow.session, entry.id)
    points_ledger.write(
        uow,
        actor,
        account,
        parts,
        kind="reverse",
        tells=PointsBurnReversed,
        reverses_id=entry.id,
        note=given["reason"],
    )
    return entry.id


def expire(uow: UnitOfWork, offer_id: UUID) -> bool:
    """Write off what is left of a lot. Re-checks under the lock: False when it was used up or withdrawn meanwhile."""
    account, lot = points_queries.lock_lot(uow.session, offer_id)
    if lot.balance_minor == 0 or uow.now < lot.expires_at:
        return False
    parts = [(lot, lot.balance_minor)]
    points_ledger.write(uow, SYSTEM, account, parts, kind="expire", tells=PointsExpired, offer_id=offer_id)
    return True
