"""What a provider is asked to issue, as a row: begun with the issuance, closed with it.

Called by `offers.advance` under the offer's lock; see `asking` for what becomes of it in between.
"""

from uuid import UUID

import orjson

from helpdesk.kernel import outbox
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.schemas import dump_money
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import provider_queries
from helpdesk.recovery.kinds import ASK, OUTSIDE
from helpdesk.recovery.provider_models import RemedyOrder, duty_key
from helpdesk.recovery.queries import Held


def begin(uow: UnitOfWork, held: Held) -> str:
    """How the offer is issued in this round (`lifecycle.ISSUANCES`): by us, by a provider that is enabled for its kind and
    currency, which is then to be asked, or by hand.
    """
    offer = held.offer
    if offer.kind not in OUTSIDE:
        return "automatic"
    provider_id = provider_queries.provider_for(uow.session, offer.kind, offer.currency)
    if provider_id is None:
        return "by_hand"
    key = f"{offer.id}-{offer.round}"
    uow.session.add(
        RemedyOrder(
            id=new_id(),
            created_at=uow.now,
            offer_id=offer.id,
            round=offer.round,
            provider_id=provider_id,
            key=key,
            body=_body(held, key),
        )
    )
    return "automatic"


def _body(held: Held, key: str) -> str:
    """Ids, and no personal data: a provider that needs a name or an address reads it with a key of its own."""
    offer, complaint = held.offer, held.complaint
    amount = None
    if offer.amount_minor is not None and offer.currency is not None:
        amount = dump_money((offer.amount_minor, offer.currency))
    told = {
        "type": "remedy.issue",
        "idempotency_key": key,
        "offer_id": offer.id,
        "round": offer.round,
        "kind": offer.kind,
        "amount": amount,
        "complaint_id": complaint.id,
        "complaint_reference": complaint.reference,
        "customer_id": complaint.customer_id,
        "language": offer.language,
    }
    return orjson.dumps(told).decode()


def begin_anew(uow: UnitOfWork, offer_id: UUID) -> int:
    """It is to be asked again from the beginning, with the same key; the turn of the duty that may. Raises LookupError where
    nobody is asked for it.
    """
    order = provider_queries.open_order_for_update(uow.session, offer_id)
    if order is None:
        raise LookupError("nobody was asked for it")
    order.state = "open"
    order.attempts = order.put_off = 0
    provider_queries.lift_pause(uow.session, order.provider_id)
    order.turn += 1
    return order.turn


def bring_forward(uow: UnitOfWork, offer_id: UUID) -> None:
    """Whoever asks next does so now."""
    order = provider_queries.open_order_for_update(uow.session, offer_id)
    if order is not None:
        provider_queries.lift_pause(uow.session, order.provider_id)
        outbox.hasten(uow.session, ASK, duty_key(offer_id, order.round, order.turn))


def close(uow: UnitOfWork, offer_id: UUID) -> None:
    """Somebody has said what came of the issuance, and it was not the provider."""
    order = provider_queries.open_order_for_update(uow.session, offer_id)
    if order is not None:
        order.state = "settled"
        order.closed_at = uow.now
