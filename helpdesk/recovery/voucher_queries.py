"""Every select on vouchers. A code is the right to its voucher, and to nothing else."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import NotFound
from helpdesk.recovery.codes import parse_code
from helpdesk.recovery.lifecycle import (
    ENDED,
)
from helpdesk.recovery.models import Offer, Voucher
from helpdesk.recovery.queries import Held, hold_any


def voucher_by_code(session: Session, typed: str) -> tuple[Voucher, str, datetime]:
    """The voucher, its offer's status and the time. Raises `NotFound` for what is no code of ours."""
    row = session.execute(
        select(Voucher, Offer.status, func.now())
        .join(Offer, Offer.id == Voucher.offer_id)
        .where(Voucher.code == _code(typed))
    ).one_or_none()
    if row is None:
        raise NotFound
    return row[0], row[1], row[2]


def hold_voucher(session: Session, _actor: Actor, code: str) -> tuple[Held, Voucher]:
    """For the till, which may see no complaint: the code is the right to the voucher, and to nothing else."""
    offer_id = session.execute(select(Voucher.offer_id).where(Voucher.code == _code(code))).scalar_one_or_none()
    if offer_id is None:
        raise NotFound
    held = hold_any(session, offer_id)
    return held, session.execute(select(Voucher).where(Voucher.offer_id == offer_id).with_for_update()).scalar_one()


def _code(typed: str) -> str:
    code = parse_code(typed)
    if code is None:
        raise NotFound("This is not a voucher code; check it for a slip.")
    return code


def voucher_status(voucher: Voucher, offer_status: str, now: datetime) -> str:
    """valid, redeemed, expired, withdrawn or not_issued."""
    if voucher.redeemed_at is not None:
        return "redeemed"
    if offer_status in ENDED:
        return "withdrawn"
    if offer_status != "issued":
        return "not_issued"
    return "valid" if now < voucher.expires_at else "expired"


VOUCHER_STATES: Final = ("valid", "redeemed", "expired", "withdrawn", "not_issued")


def voucher_of(session: Session, offer_id: UUID) -> Voucher:
    return session.execute(select(Voucher).where(Voucher.offer_id == offer_id)).scalar_one()
