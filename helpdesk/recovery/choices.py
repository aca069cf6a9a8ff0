"""Offers with several options: writing them down with the draft, and what the customer's choice makes of the offer.

The offer has the terms of the dearest option until then, and its budget has set aside as much. With the acceptance it has
the terms of what was chosen, and what was set aside beyond that is free, in the same transaction: complaint and offer are
locked before, the budget last.
"""

from collections.abc import Sequence
from typing import Any

from helpdesk.identity.actors import Actor
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import option_queries, reservations
from helpdesk.recovery.models import Offer
from helpdesk.recovery.option_models import OfferOption
from helpdesk.recovery.option_terms import COLUMNS, Terms
from helpdesk.recovery.queries import Held


def write(uow: UnitOfWork, offer: Offer, options: Sequence[Terms]) -> list[dict[str, Any]]:
    """The options of a draft, and what its event tells of them; nothing where there is nothing to choose."""
    if len(options) == 1:
        return []
    rows = [{"number": number} | terms.columns() for number, terms in enumerate(options, 1)]
    uow.add_rows(OfferOption, [{"id": new_id(), "offer_id": offer.id} | row for row in rows])
    return [{name: row[name] for name in ("number", "kind", "amount_minor", "currency")} for row in rows]


def choose(uow: UnitOfWork, actor: Actor, held: Held, number: int | None) -> int:
    """Give the offer the terms of the option of this number; by how many minor units it is cheaper now. `number` None:
    there is nothing to choose. Raises `ValidationFailed` that names what there is.
    """
    offer = held.offer
    options = option_queries.kept(uow.session, offer.id)
    if not options:
        if number not in {None, 1}:
            raise _unknown("It has one option: 1.")
        return 0
    chosen = next((option for option in options if option.number == number), None)
    if chosen is None:
        named = ", ".join(f"{option.number} ({option.kind})" for option in options)
        raise _unknown(f"Name one of its options: {named}.", code="required" if number is None else "unknown")
    return _take(uow, actor, offer, chosen)


def _unknown(detail: str, *, code: str = "unknown") -> ValidationFailed:
    return ValidationFailed(errors=[FieldError.at("/option", code, detail)])


def _take(uow: UnitOfWork, actor: Actor, offer: Offer, chosen: OfferOption) -> int:
    cheaper = (offer.amount_minor or 0) - (chosen.amount_minor or 0)
    if cheaper:
        reservations.reduce(uow, actor, offer, cheaper)
    for name in COLUMNS:
        setattr(offer, name, getattr(chosen, name))
    offer.chosen_option = chosen.number
    return cheaper
