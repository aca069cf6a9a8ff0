"""Sweeps: for what time decides, and for what was left lying. Each narrows by an index, then takes row by row: lock,
re-check, and through the ordinary door, each in its own short transaction, so that a bad row stops no other.
"""

from collections.abc import Callable, Iterable
from typing import Final
from uuid import UUID

import structlog

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database, UnitOfWork
from helpdesk.recovery import (
    issuance,
    offers,
    points,
    points_queries,
    queries,
    redemptions,
    voucher_queries,
    waiting,
    waiting_queries,
)

log = structlog.get_logger()

BATCH: Final = 500


def expire_offers(database: Database) -> int:
    """End the offers that were not answered in time; how many. Rows in other hands wait for the next round."""
    with database.reader() as session:
        due = queries.due_to_expire(session, BATCH)
    return _each(database, due, _expire)


def _expire(uow: UnitOfWork, offer_id: UUID) -> bool:
    held = queries.hold_if_free(uow.session, offer_id)
    return held is not None and offers.expire(uow, held)


def expire_vouchers(database: Database) -> int:
    """Write off what is left on vouchers past their time; on how many."""
    with database.reader() as session:
        due = voucher_queries.vouchers_past_their_time(session, BATCH)
    return _each(database, due, _expire_voucher)


def _expire_voucher(uow: UnitOfWork, offer_id: UUID) -> bool:
    held = queries.hold_if_free(uow.session, offer_id)
    return held is not None and redemptions.expire(uow, held)


def escalate_overdue(database: Database) -> int:
    """Tell that offers wait too long for approval, once of each; of how many."""
    with database.reader() as session:
        late = waiting_queries.late(session, BATCH)
    return _each(database, late, _escalate)


def _escalate(uow: UnitOfWork, offer_id: UUID) -> bool:
    held = queries.hold_if_free(uow.session, offer_id)
    return held is not None and waiting.escalate(uow, held)


def expire_points(database: Database) -> int:
    """Write off what is left of points past their time; of how many offers."""
    with database.reader() as session:
        due = points_queries.lots_past_their_time(session, BATCH)
    return _each(database, due, points.expire)


def fail_abandoned(database: Database) -> int:
    """Fail the offers whose duty to issue died without anybody to say so (its worker died each time); how many."""
    with database.reader() as session:
        left = queries.issuing_without_duty(session, issuance.TOPIC, BATCH)
    return _each(database, left, _fail)


def _fail(uow: UnitOfWork, offer_id: UUID) -> bool:
    held = queries.hold_if_free(uow.session, offer_id)
    if held is None or not queries.is_abandoned(uow.session, issuance.TOPIC, offer_id):
        return False
    issuance.abandon(uow, held, "Issuing was abandoned; see the duty's last error.")
    return True


def _each(database: Database, ids: Iterable[UUID], settle: Callable[[UnitOfWork, UUID], bool]) -> int:
    count = 0
    for offer_id in ids:
        try:
            with database.unit_of_work(SYSTEM) as uow:
                count += settle(uow, offer_id)
        except Exception:
            log.exception("sweep skipped an offer", offer=str(offer_id))
    return count
