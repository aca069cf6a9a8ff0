"""Using a voucher: redeem at a till, take a redemption back, write off what was not used in time.

The offer is `redeemed` when its voucher is used up, and `issued` until then, however much of it was used: what can still
be bought with it is still owed. A redemption that is taken back makes it `issued` again. All of it is decided under the
locks of complaint, offer and voucher: of a redemption and anything else at once, the second sees what the first did.
"""

from typing import Any
from uuid import UUID

from helpdesk.identity.actors import SYSTEM, Actor
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.money import Money
from helpdesk.kernel.schemas import dump_money
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import offers, texts, voucher_ledger, voucher_queries
from helpdesk.recovery.errors import (
    RedemptionDiffers,
    RedemptionReversed,
    VoucherNotPartial,
    VoucherNotValid,
    VoucherTooSmall,
)
from helpdesk.recovery.events import VoucherExpired, VoucherUsed, VoucherUseReversed
from helpdesk.recovery.queries import Held
from helpdesk.recovery.voucher_models import Voucher, VoucherEntry


def redeem(uow: UnitOfWork, actor: Actor, held: Held, voucher: Voucher, given: dict[str, Any]) -> UUID:
    """Take `amount` (a `Money`; all of it when absent) from a voucher; the redemption's id. The same `external_id` from
    the same caller is the same redemption. Raises `VoucherNotValid`, `VoucherTooSmall`, `VoucherNotPartial`,
    `RedemptionDiffers`, `RedemptionReversed`, or `ValidationFailed`.
    """
    wanted: Money | None = given.get("amount")
    external_id: str | None = given.get("external_id")
    earlier = external_id and voucher_queries.redemption_named(uow.session, actor, voucher.id, external_id)
    if earlier:
        return _repeated(uow, earlier, wanted, voucher)
    _check_valid(held, voucher)
    _check_fields(voucher, wanted, external_id)
    amount = voucher.balance_minor if wanted is None else wanted.minor
    _check_amount(voucher, amount)
    entry_id = voucher_ledger.write(
        uow, actor, held, voucher, kind="redeem", amount=amount, tells=VoucherUsed, external_id=external_id
    )
    if held.offer.delivered_at is None:
        offers.advance(uow, SYSTEM, held, "note_seen", {})
    if voucher.balance_minor == 0:
        voucher.redeemed_at = uow.now
        voucher.redeemed_by = actor.id if actor.kind == "agent" else None
        offers.advance(uow, actor, held, "redeem", {})
    return entry_id


def _repeated(uow: UnitOfWork, earlier: VoucherEntry, wanted: Money | None, voucher: Voucher) -> UUID:
    if wanted is not None and (wanted.minor, wanted.currency) != (earlier.amount_minor, voucher.currency):
        raise RedemptionDiffers(redemption_id=earlier.id)
    if voucher_queries.reversed_at(uow.session, earlier.id) is not None:
        raise RedemptionReversed(redemption_id=earlier.id)
    return earlier.id


def _check_valid(held: Held, voucher: Voucher) -> None:
    status = voucher_queries.voucher_status(voucher, held.offer.status, held.now)
    if status == "expired":
        message = f"It could be used until {texts.moment(voucher.expires_at)}."
        raise VoucherNotValid(message, voucher_status=status, expires_at=voucher.expires_at)
    if status != "valid":
        raise VoucherNotValid(f"The voucher is {status}.", voucher_status=status)


def _check_fields(voucher: Voucher, wanted: Money | None, external_id: str | None) -> None:
    problems = []
    if wanted is not None and wanted.currency != voucher.currency:
        problems.append(FieldError.at("/amount/currency", "currency", f"This voucher is in {voucher.currency}."))
    if voucher.partial and external_id is None:
        detail = (
            "Without a reference of yours, a repeated request would take twice from a voucher that is used in parts."
        )
        problems.append(FieldError.at("/external_id", "required", detail))
    if problems:
        raise ValidationFailed(errors=problems)


def _check_amount(voucher: Voucher, amount: int) -> None:
    balance = dump_money((voucher.balance_minor, voucher.currency))
    if amount > voucher.balance_minor:
        raise VoucherTooSmall(balance=balance)
    if amount < voucher.balance_minor and not voucher.partial:
        raise VoucherNotPartial(balance=balance)


def reverse(uow: UnitOfWork, actor: Actor, found: tuple[Held, Voucher, VoucherEntry], given: dict[str, Any]) -> UUID:
    """Put back what a redemption took, once; its id. What comes back after the voucher's time cannot be used: it is
    written off by the next sweep. Raises `RedemptionReversed`.
    """
    held, voucher, entry = found
    if voucher_queries.reversed_at(uow.session, entry.id) is not None:
        raise RedemptionReversed(redemption_id=entry.id)
    if held.offer.status == "redeemed":
        voucher.redeemed_at = voucher.redeemed_by = None
        offers.advance(uow, actor, held, "unredeem", {"reason": given["reason"]})
    voucher_ledger.write(
        uow,
        actor,
        held,
        voucher,
        kind="reverse",
        amount=entry.amount_minor,
        tells=VoucherUseReversed,
        reverses_id=entry.id,
        reason=given["reason"],
    )
    return entry.id


def expire(uow: UnitOfWork, held: Held) -> bool:
    """Write off what was not used in time. Re-checks under the lock: False when it was used up or withdrawn meanwhile."""
    if held.offer.kind != "voucher" or held.offer.status != "issued":
        return False
    voucher = voucher_queries.lock_voucher(uow.session, held)
    if voucher.balance_minor == 0 or held.now < voucher.expires_at:
        return False
    voucher.expired_at = uow.now
    voucher_ledger.write(uow, SYSTEM, held, voucher, kind="expire", amount=voucher.balance_minor, tells=VoucherExpired)
    return True
