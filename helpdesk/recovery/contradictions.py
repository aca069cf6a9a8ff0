"""Seeing to what a provider says against what is recorded."""

from typing import Any
from uuid import UUID

from helpdesk.identity.actors import Actor
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import provider_queries
from helpdesk.recovery.errors import NothingContradicted
from helpdesk.recovery.events import OfferContradictionSettled
from helpdesk.recovery.queries import Held


def settle(uow: UnitOfWork, actor: Actor, held: Held, given: dict[str, Any]) -> UUID:
    """`given`: reason. The oldest one of the offer. Raises `NothingContradicted`."""
    order = provider_queries.contradicted_for_update(uow.session, held.offer.id)
    if order is None:
        raise NothingContradicted
    order.contradiction_settled_at = uow.now
    offer = held.offer
    offer.touch()
    uow.record(
        OfferContradictionSettled(
            complaint_id=held.complaint.id,
            reference=held.complaint.reference,
            offer_id=offer.id,
            kind=offer.kind,
            amount_minor=offer.amount_minor,
            currency=offer.currency,
            provider_id=order.provider_id,
            round=order.round,
            reason=given["reason"],
        ),
        stream=held.complaint,
        actor=actor,
    )
    return offer.id
