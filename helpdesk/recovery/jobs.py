"""Sweeps: for what time decides, and for what was left lying. Each narrows by an index, then takes row by row: lock,
re-check, and through the ordinary door, each in its own short transaction, so that a bad row stops no other.
"""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database, UnitOfWork
from helpdesk.recovery import (
    issuance,
    offers,
    points,
    points_queries,
    queries,
    redemptions,
    reminder_queries,
    reminding,
    voucher_queries,
    waiting,
    waiting_queries,
)
from helpdesk.recovery.queries import Held

log = structlog.get_logger()

BATCH: Final = 500
Settle = Callable[[UnitOfWork, UUID], bool]
"""Takes the next of what a sweep found: an offer's id. False where there is nothing to do any more."""


def expire_offers(database: Database) -> int:
    """End the offers that were not answered in time; how many. Rows in other hands wait for the next round."""
    return _sweep(database, queries.due_to_expire, _held(offers.expire))


def remind_offers(database: Database, lead: timedelta, to: offers.Links) -> int:
    """Remind customers of offers that end within `lead`, once of each; of how many. With no lead nobody is."""
    if not lead:
        return 0
    return _sweep(
        database,
        lambda session, limit: reminder_queries.due_to_remind(session, lead, limit),
        _held(lambda uow, held: reminding.remind(uow, held, lead, to)),
    )


def expire_vouchers(database: Database) -> int:
    """Write off what is left on vouchers past their time; on how many."""
    return _sweep(database, voucher_queries.vouchers_past_their_time, _held(redemptions.expire))


def escalate_overdue(database: Database) -> int:
    """Tell that offers wait too long for approval, once of each; of how many."""
    return _sweep(database, waiting_queries.late, _held(waiting.escalate))


def expire_points(database: Database) -> int:
    """Write off what is left of points past their time; of how many offers."""
    return _sweep(database, points_queries.lots_past_their_time, points.expire)


def fail_abandoned(database: Database) -> int:
    """Fail the offers whose duty to issue died without anybody to say so (its worker died each time); how many."""
    return _sweep(database, queries.issuing_without_duty, _held(_fail))


def _fail(uow: UnitOfWork, held: Held) -> bool:
    if not queries.is_abandoned(uow.session, held.offer.id):
        return False
    issuance.abandon(uow, held, "Issuing was abandoned; see the duty's last error.")
    return True


def _held(settle: Callable[[UnitOfWork, Held], bool]) -> Settle:
    """Settles one offer if nobody else has it in hand."""

    def free(uow: UnitOfWork, offer_id: UUID) -> bool:
        held = queries.hold_if_free(uow.session, offer_id)
        return held is not None and settle(uow, held)

    return free


def _sweep(database: Database, find: Callable[[Session, int], Iterable[UUID]], settle: Settle) -> int:
    """One batch; and another while there are some that stay as they are, since they are found first again and again, and nobody
    would ever come to those behind them.
    """
    count, stuck = 0, set[UUID]()
    while True:
        with database.reader() as session:
            found = [offer_id for offer_id in find(session, BATCH + len(stuck)) if offer_id not in stuck]
        known = len(stuck)
        for offer_id in found:
            try:
                with database.unit_of_work(SYSTEM) as uow:
                    settled = settle(uow, offer_id)
            except Exception:
                log.exception("sweep skipped an offer", offer=str(offer_id))
                settled = False  # it may have failed with its commit
            count += settled
            if not settled:
                stuck.add(offer_id)
        if len(stuck) == known:
            return count
