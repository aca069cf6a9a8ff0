"""Entries in a voucher's ledger. Whoever writes one holds the locks of complaint, offer and voucher, in this order, so
that of two at once the second sees what the first has left; the balance's check constraint says so once more.
"""

from typing import Any
from uuid import UUID

from helpdesk.identity.actors import Actor
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import voucher_queries
from helpdesk.recovery.events import VoucherEvent, VoucherVoided
from helpdesk.recovery.queries import Held
from helpdesk.recovery.voucher_models import Voucher, VoucherEntry


def write(
    uow: UnitOfWork,
    actor: Actor,
    held: Held,
    voucher: Voucher,
    *,
    kind: str,
    amount: int,
    tells: type[VoucherEvent],
    **more: Any,
) -> UUID:
    """One entry, the balance after it, and the event that tells of it. `more`: `external_id` and `reverses_id` of the
    entry, and whatever else the event has. The entry's id.
    """
    voucher.balance_minor += amount if kind == "reverse" else -amount
    entry_id = new_id()
    entry = {
        "id": entry_id,
        "voucher_id": voucher.id,
        "kind": kind,
        "amount_minor": amount,
        "external_id": more.get("external_id"),
        "reverses_id": more.get("reverses_id"),
        "at": uow.now,
        "actor_kind": actor.kind,
        "actor_id": actor.id,
    }
    uow.add_rows(VoucherEntry, [entry])
    uow.record(
        tells(
            complaint_id=held.complaint.id,
            reference=held.complaint.reference,
            offer_id=held.offer.id,
            kind=held.offer.kind,
            amount_minor=amount,
            currency=voucher.currency,
            entry_id=entry_id,
            balance_minor=voucher.balance_minor,
            **more,
        ),
        stream=held.complaint,
        actor=actor,
    )
    return entry_id


def void(uow: UnitOfWork, actor: Actor, held: Held) -> None:
    """The offer was reversed: nothing is left on its voucher."""
    voucher = voucher_queries.lock_voucher(uow.session, held)
    if voucher.balance_minor > 0:
        write(uow, actor, held, voucher, kind="void", amount=voucher.balance_minor, tells=VoucherVoided)
