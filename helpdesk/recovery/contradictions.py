"""Seeing to what a provider says against what is recorded."""

from typing import Any, Final
from uuid import UUID

from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import offers, outcomes, provider_queries, reservations
from helpdesk.recovery.errors import BooksDiffer, NothingContradicted
from helpdesk.recovery.events import OfferContradictionSettled, of_offer
from helpdesk.recovery.kinds import PAYING
from helpdesk.recovery.lifecycle import SPENT
from helpdesk.recovery.provider_models import RemedyOrder
from helpdesk.recovery.queries import Held

ISSUED: Final = "issued"
BESIDE: Final = "issued_beside"
OUTCOMES: Final = (ISSUED, "not_issued", BESIDE)
_MOST_NOTE: Final = 2000


def settle(uow: UnitOfWork, actor: Actor, held: Held, given: dict[str, Any]) -> UUID:
    """`given`: outcome, reason, reference. Of the offer's oldest issuance that is contradicted. What holds is what the books say
    afterwards, but for an offer that has ended: nobody waits for that any more, and it is told in the story alone, unless it was
    paid beside what is recorded. What is booked is one thing that was issued; what else was, waits to be settled too. Raises
    `NothingContradicted`, `BooksDiffer`, `ValidationFailed` without a reference; `NoBudget`, `BudgetExhausted`.
    """
    order = provider_queries.contradicted_for_update(uow.session, held.offer.id)
    if order is None:
        raise NothingContradicted
    offer, outcome = held.offer, given["outcome"]
    offer.touch()
    if not _fits(outcome, offer.status):
        raise BooksDiffer
    booked = outcome == BESIDE or (outcome == ISSUED and offer.status == "failed")
    reference = _reference(order, given.get("reference")) if booked else None
    _see_to(uow, order, reference)
    uow.record(
        OfferContradictionSettled(
            **of_offer(held.complaint, offer),
            provider_id=order.provider_id,
            round=order.round,
            reason=given["reason"],
            outcome=outcome,
            issued_reference=reference,
        ),
        stream=held.complaint,
        actor=actor,
    )
    if outcome == BESIDE and offer.kind in PAYING and offer.amount_minor is not None:
        note = f"Paid once more, as {reference}: {given['reason']}"
        reservations.overpay(uow, actor, offer, held.complaint.team_id, note[:_MOST_NOTE])
    elif reference is not None and outcome == ISSUED:
        order.state, order.reference = "issued", reference
        offers.book_issued(uow, actor, held, reference)
    return offer.id


def _fits(outcome: str, status: str) -> bool:
    """Whether the books can say so afterwards."""
    if outcome == BESIDE:
        return status not in {"issuing", "failed"}
    return status != "issuing" if outcome == ISSUED else status not in SPENT


def _reference(order: RemedyOrder, named: str | None) -> str:
    """What is booked is called so."""
    said = [item["reference"] for item in outcomes.unsettled(order) if item["word"] == ISSUED]
    if named is None and not said:
        detail = "The provider did not say what it is called; name that."
        raise ValidationFailed(errors=[FieldError.at("/reference", "required", detail)])
    return str(named or said[0])


def _see_to(uow: UnitOfWork, order: RemedyOrder, booked: str | None) -> None:
    """All of it was seen to; but where one thing that was issued is booked, not what else was, under another reference."""
    said = [item["reference"] for item in outcomes.unsettled(order) if item["word"] == ISSUED]
    which = booked if booked in said else said[0] if booked is not None and said else None
    order.contradictions = [
        {**item, "settled": item["settled"] or which is None or item["word"] != ISSUED or item["reference"] == which}
        for item in order.contradictions
    ]
    if not outcomes.unsettled(order):
        order.contradiction_settled_at = uow.now
    if order.contradictions:
        order.contradiction = outcomes.in_words(order)
