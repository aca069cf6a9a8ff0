from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.identity.actors import Actor
from helpdesk.kernel import limiting
from helpdesk.kernel.access import require
from helpdesk.kernel.http import Blueprint
from helpdesk.kernel.limits import QuotaExceeded
from helpdesk.kernel.pagination import Listed, Page
from helpdesk.kernel.schemas import PageQuery
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import errors, redemptions, views, voucher_queries, voucher_schemas
from helpdesk.recovery.queries import Held
from helpdesk.recovery.voucher_models import Voucher, VoucherEntry
from helpdesk.recovery.voucher_queries import UnknownVoucher

blp = Blueprint("vouchers", __name__, description="Vouchers at the till, and what is still owed on them.")

_REDEEM = "voucher:redeem"


@contextmanager
def _guessing(actor: Actor) -> Iterator[None]:
    """Around a look-up by code. Wrong codes are counted for the credential and for the address; who has sent too many
    is told to wait, before the code is looked at. A slip that the check character finds is no guess, and not counted.
    """
    require(actor, _REDEEM)  # before the code: whoever may not redeem is told nothing of codes
    keys = (f"credential {actor.kind}:{actor.id}", f"address {limiting.client_address()}")
    limiting.refuse_spent(limiting.VOUCHER, *keys)
    try:
        yield
    except UnknownVoucher as unknown:
        if unknown.guess:
            limiting.count_all(limiting.VOUCHER, *keys)
        raise


@blp.read(
    "/vouchers/<code>",
    operation_id="get_voucher",
    summary="Whether a voucher is good, and what is left on it",
    description="A code that nobody has is a 404, counted for the credential and the address: who sends too many of "
    "them is asked to wait (`HELPDESK_LIMIT_VOUCHER`).",
    answer=voucher_schemas.Voucher,
    permission=_REDEEM,
    errors=(QuotaExceeded,),
)
def get_voucher(session: Session, actor: Actor, code: str) -> dict[str, Any]:
    with _guessing(actor):
        return views.voucher(*voucher_queries.voucher_by_code(session, code))


def _hold(session: Session, actor: Actor, code: str) -> tuple[Held, Voucher]:
    with _guessing(actor):
        return voucher_queries.hold_voucher(session, code)


def _hold_redemption(
    session: Session, actor: Actor, code: str, redemption_id: UUID
) -> tuple[Held, Voucher, VoucherEntry]:
    with _guessing(actor):
        return voucher_queries.hold_redemption(session, actor, code, redemption_id)


def _show(session: Session, _actor: Actor, redemption_id: UUID) -> dict[str, Any]:
    entry, reversed_at, voucher, status, now = voucher_queries.redemption_detail(session, redemption_id)
    redemption = views.redemption(entry, reversed_at, voucher.currency)
    return views.voucher(voucher, status, now) | {"redemption": redemption}


@blp.write(
    "/vouchers/<code>/redeem",
    operation_id="redeem_voucher",
    summary="Use a voucher, whole or (where it says `partial_use`) in part",
    description="`external_id` is the till's own reference: sent again by the same caller, with another "
    "`Idempotency-Key` or after days, it is the same redemption and takes nothing more.",
    body=voucher_schemas.RedeemIn,
    answer=voucher_schemas.VoucherUse,
    permission=_REDEEM,
    load=_hold,
    show=_show,
    idempotency_key="required",
    errors=(
        errors.VoucherNotValid,
        errors.VoucherTooSmall,
        errors.VoucherNotPartial,
        errors.RedemptionDiffers,
        errors.RedemptionReversed,
        QuotaExceeded,
    ),
)
def redeem_voucher(uow: UnitOfWork, actor: Actor, found: tuple[Held, Voucher], given: dict[str, Any]) -> UUID:
    return redemptions.redeem(uow, actor, *found, given)


@blp.write(
    "/vouchers/<code>/redemptions/<uuid:redemption_id>/reverse",
    operation_id="reverse_redemption",
    summary="Take back a redemption that was a mistake; what it took is on the voucher again",
    description="One's own; anybody's for who may revoke offers. What comes back after the voucher's time cannot be used.",
    body=voucher_schemas.RedemptionReverseIn,
    answer=voucher_schemas.VoucherUse,
    permission=_REDEEM,
    load=_hold_redemption,
    show=_show,
    idempotency_key="required",
    errors=(errors.RedemptionReversed, QuotaExceeded),
)
def reverse_redemption(
    uow: UnitOfWork, actor: Actor, found: tuple[Held, Voucher, VoucherEntry], given: dict[str, Any]
) -> UUID:
    return redemptions.reverse(uow, actor, found, given)


@blp.read(
    "/offers/<uuid:offer_id>/voucher/entries",
    operation_id="list_offer_voucher_entries",
    summary="The ledger of an offer's voucher, oldest first: used, taken back, written off, withdrawn",
    description="A voucher that is not issued yet, or never was, is a 404.",
    answer=voucher_schemas.VoucherEntry,
    query=PageQuery,
    permission="offer:read",
    paged=True,
)
def list_entries(session: Session, actor: Actor, page: Page, given: dict[str, Any], offer_id: UUID) -> Listed:
    return voucher_queries.list_entries(session, actor, page, given, offer_id)


@blp.read(
    "/liabilities/vouchers",
    operation_id="get_voucher_liabilities",
    summary="What is owed on vouchers that can still be used, by currency, and what became of the rest",
    answer=voucher_schemas.Liabilities,
    permission="budget:read",
)
def get_voucher_liabilities(session: Session, _actor: Actor) -> dict[str, Any]:
    return {"items": voucher_queries.liabilities(session)}
