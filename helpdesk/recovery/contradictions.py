"""Seeing to what a provider says against what is recorded."""

from collections.abc import Collection, Sequence
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
    """`given`: outcome, reason, reference. Of the issuance of which the named reference was said; without one, of the first that
    `last_error` of the dead letter shows. What holds is what the books say afterwards, but for an offer that has ended: nobody waits
    for that any more, and it is told in the story alone, unless it was paid beside what is recorded. What is booked is one thing that
    was issued; what else was, waits to be settled too. Raises `NothingContradicted`, `BooksDiffer`; `ValidationFailed` without a
    reference, with one that was not said, or for what is booked already; `NoBudget`, `BudgetExhausted`.
    """
    orders = provider_queries.orders_for_update(uow.session, held.offer.id)
    waiting = [order for order in orders if order.contradicted_at and order.contradiction_settled_at is None]
    if not waiting:
        raise NothingContradicted
    offer, outcome = held.offer, given["outcome"]
    offer.touch()
    if not _fits(outcome, offer.status):
        raise BooksDiffer
    booked = outcome == BESIDE or (outcome == ISSUED and offer.status == "failed")
    order, called = _which(waiting, given.get("reference"), booked=booked)
    if called is not None:
        _check(waiting, called, _booked(held, orders) if outcome == BESIDE else set())
    reference = called if booked else None
    _see_to(uow, order, called, reference)
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


def _open(waiting: Sequence[RemedyOrder]) -> list[tuple[RemedyOrder, str]]:
    """Each payment that the provider has named and nobody has seen to, with what it was asked for; the oldest issuance first."""
    return [(order, reference) for order in waiting for reference in outcomes.open_payments(order)]


def _which(waiting: Sequence[RemedyOrder], named: str | None, *, booked: bool) -> tuple[RemedyOrder, str | None]:
    """What is settled, and what it is called; None: all of it, whatever it is called."""
    said = _open(waiting)
    oldest = said[0][0] if said else waiting[0]
    if named is not None:
        return next((order for order, reference in said if reference == named), oldest), named
    if booked and not said:
        raise _wrong("required", "The provider did not say what it is called; name that.")
    return oldest, said[0][1] if booked else None


def _booked(held: Held, orders: Sequence[RemedyOrder]) -> set[str | None]:
    """What the books have as issued, or as paid beside that."""
    return {held.offer.issued_reference, *(reference for order in orders for reference in outcomes.booked_by(order))}


def _check(waiting: Sequence[RemedyOrder], called: str, booked: Collection[str | None]) -> None:
    """`booked`: what may not be booked once more. What nobody said is taken only where the provider gave no name."""
    said = list(dict.fromkeys(reference for _, reference in _open(waiting)))
    others = ", ".join(reference for reference in said if reference not in booked)
    if called in booked:
        same = f" It is the same payment: settle {called} as `issued`." if called in said else ""
        beside = f" To book what was paid beside it, name that: {others}." if others else ""
        left = " Settle what is left as `issued` or `not_issued`, or name another payment."
        raise _wrong("booked", f"{called} is booked already.{same + beside or left}")
    if said and called not in said:
        detail = (
            f"Nothing that is called so waits to be settled. Name one of what the provider said: {', '.join(said)}."
        )
        raise _wrong("unknown", detail)


def _wrong(code: str, detail: str) -> ValidationFailed:
    return ValidationFailed(errors=[FieldError.at("/reference", code, detail)])


def _see_to(uow: UnitOfWork, order: RemedyOrder, called: str | None, booked: str | None) -> None:
    """All of it was seen to; but where one payment is named, not the others. `booked`: as what it is booked."""
    which = called if called in outcomes.open_payments(order) else None
    order.contradictions = [
        {**item, "settled": True, "booked": booked if which is None or item["reference"] == which else None}
        if not item["settled"] and (which is None or item["word"] != ISSUED or item["reference"] == which)
        else item
        for item in order.contradictions
    ]
    if not outcomes.unsettled(order):
        order.contradiction_settled_at = uow.now
    if order.contradictions:
        order.contradiction = outcomes.in_words(order)
