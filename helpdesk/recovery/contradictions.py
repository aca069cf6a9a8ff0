"""Seeing to what a provider says against what is recorded."""

from typing import Any, Final
from uuid import UUID

from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import offers, provider_queries
from helpdesk.recovery.errors import BooksDiffer, NothingContradicted
from helpdesk.recovery.events import OfferContradictionSettled
from helpdesk.recovery.lifecycle import SPENT
from helpdesk.recovery.provider_models import RemedyOrder
from helpdesk.recovery.queries import Held

ISSUED: Final = "issued"
OUTCOMES: Final = (ISSUED, "not_issued")


def settle(uow: UnitOfWork, actor: Actor, held: Held, given: dict[str, Any]) -> UUID:
    """`given`: outcome, reason, reference. The oldest one of the offer. What holds is what the books say afterwards, but for an
    offer that has ended: nobody waits for that any more, and it is told in the story alone. Raises `NothingContradicted`,
    `BooksDiffer`, `ValidationFailed` without a reference; `NoBudget`, `BudgetExhausted`.
    """
    order = provider_queries.contradicted_for_update(uow.session, held.offer.id)
    if order is None:
        raise NothingContradicted
    order.contradiction_settled_at = uow.now
    offer = held.offer
    offer.touch()
    outcome = given["outcome"]
    if (outcome == ISSUED and offer.status == "issuing") or (outcome != ISSUED and offer.status in SPENT):
        raise BooksDiffer
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
            outcome=outcome,
        ),
        stream=held.complaint,
        actor=actor,
    )
    if outcome == ISSUED and offer.status == "failed":
        _book(uow, actor, held, order, given.get("reference"))
    return offer.id


def _book(uow: UnitOfWork, actor: Actor, held: Held, order: RemedyOrder, named: str | None) -> None:
    reference = named or order.contradiction_reference
    if reference is None:
        detail = "The provider did not say what it is called; name that."
        raise ValidationFailed(errors=[FieldError.at("/reference", "required", detail)])
    order.state, order.reference = "issued", reference
    offers.book_issued(uow, actor, held, reference)
