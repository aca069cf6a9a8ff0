"""Drafting an offer: what is looked at before there is one, and what is kept with it. Nobody is promised anything yet.

A copy of what ended is a draft like any other: what held when the first one was drafted may not hold any more, so all of it
is looked at again.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import changes, remedies
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.person_queries import complainant_of
from helpdesk.identity.actors import Actor
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.money import Money
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.kernel.words import with_article
from helpdesk.recovery import (
    choices,
    compensation,
    counters,
    floor,
    option_queries,
    override_queries,
    overriding,
    remaining,
    suggestions,
    texts,
)
from helpdesk.recovery.errors import ComplaintTakesNoOffers, DuplicateOffer, OfferStands
from helpdesk.recovery.events import OfferDrafted, of_offer
from helpdesk.recovery.lifecycle import COMPLAINT_TAKES_OFFERS, COPIED, LIFECYCLE, counted
from helpdesk.recovery.models import Offer
from helpdesk.recovery.option_checks import check_options
from helpdesk.recovery.option_models import OfferOption
from helpdesk.recovery.option_terms import Terms, dearest, options_of
from helpdesk.recovery.queries import Held

DEFAULT_VALID_DAYS: Final = 30


def draft(
    uow: UnitOfWork, actor: Actor, complaint: Complaint, given: dict[str, Any], *, copied_from: UUID | None = None
) -> UUID:
    """Draft an offer on a locked complaint. `given`: kind, amount (a `Money`, for what is paid), text, voucher_days,
    voucher_partial and points_days, or `options` that have these; reason, valid_days, successor_of, allow_duplicate,
    duplicate_reason, override_reason, floor_reason. Raises `ComplaintTakesNoOffers`, `DuplicateOffer`, `AlreadyCompensated`,
    `ValidationFailed`, or `Forbidden` to who may not say `floor_reason`.
    """
    check_takes_offers(complaint)
    placed = options_of(given)
    check_options(complaint, placed)
    options = [terms for _, terms in placed]
    successor_of: UUID | None = given.get("successor_of")
    if successor_of is not None:
        counters.check_successor(uow.session, complaint, successor_of)
    if not given.get("allow_duplicate"):
        _refuse_duplicate(uow, complaint, options, successor_of)
    terms = dearest(options)
    suggested = suggestions.suggestion_for(uow.session, complaint, _reckoned_in(terms))
    already = override_queries.offered(
        uow.session,
        complaint.id,
        suggested.suggestion.owed.currency,
        shares=suggested.shares,
        besides=[] if successor_of is None else [successor_of],
    )
    same_matter = compensation.check(
        uow,
        actor,
        complaint,
        given,
        amount=terms.amount,
        owed=suggested.suggestion.owed,
        apart=suggested.of_others,
        fits=all(remaining.fits(it.kind, it.amount, suggested.suggestion, already) for it in options),
    )
    seen = floor.seen(uow.session, actor, suggested)
    override = overriding.check(actor, placed, given, suggested=suggested, already=already, seen=seen)
    person = complainant_of(uow.session, complaint.id)
    offer = Offer(
        id=new_id(),
        version=1,
        created_at=uow.now,
        complaint_id=complaint.id,
        **terms.columns(),
        status=LIFECYCLE.initial,
        reason=given.get("reason") or "",
        language=texts.language_for(None if person is None else person.language, complaint.language),
        valid_days=given.get("valid_days", DEFAULT_VALID_DAYS),
        drafted_by=actor.person_id,
        approvals=[],
        successor_of=successor_of,
        copied_from=copied_from,
        floor_waived={} if override is None else override.waived,
        round=1,
        steps=0,
        suggestion=suggested.as_data() | remaining.as_data(suggested.suggestion, already),
    )
    uow.session.add(offer)
    overriding.keep(uow, offer.id, override)
    before = changes.values_of(complaint)
    complaint.currency = complaint.currency or offer.currency
    remedies.count(complaint, **counted(offer.status, delivered=False), amount=offer.amount_minor)
    uow.record(
        OfferDrafted(
            **of_offer(complaint, offer),
            options=choices.write(uow, offer, options),
            successor_of=successor_of,
            copied_from=copied_from,
            complaint_changes=changes.since(before, complaint),
        ),
        stream=complaint,
    )
    if same_matter:
        compensation.keep(uow, actor, complaint, offer, found=same_matter, why=given["duplicate_reason"])
    return offer.id


def check_copied(held: Held) -> None:
    """Raises `OfferStands`, `ComplaintTakesNoOffers`."""
    check_takes_offers(held.complaint)
    if held.offer.status not in COPIED:
        raise OfferStands(f"It is {held.offer.status}.", state=held.offer.status)


def copy(uow: UnitOfWork, actor: Actor, held: Held, given: Mapping[str, Any]) -> UUID:
    """Draft anew, on its complaint, what an offer gave that came to nothing. `given`: what `draft` takes beside the terms, where
    it is to be another than the first one's. Raises as `draft` does.
    """
    offer = held.offer
    again = {"reason": offer.reason, "valid_days": offer.valid_days, **_terms_of(uow.session, offer), **given}
    return draft(uow, actor, held.complaint, again, copied_from=offer.id)


def _terms_of(session: Session, offer: Offer) -> dict[str, Any]:
    """All that the customer could choose from, but for what they chose already."""
    options = option_queries.kept(session, offer.id) if offer.chosen_option is None else []
    return {"options": [_as_given(option) for option in options]} if options else _as_given(offer)


def _as_given(terms: Offer | OfferOption) -> dict[str, Any]:
    """As a draft's body has it."""
    amount = None if terms.amount_minor is None or terms.currency is None else Money(terms.amount_minor, terms.currency)
    known = {
        "amount": amount,
        "text": terms.text,
        "voucher_days": terms.voucher_days,
        "points_days": terms.points_days,
    }
    return {
        "kind": terms.kind,
        "voucher_partial": terms.voucher_partial,
        **{name: value for name, value in known.items() if value is not None},
    }


def _reckoned_in(terms: Terms) -> dict[str, Any]:
    """Counts where the complaint has no currency yet: it is the first offer's from then on."""
    return {} if terms.amount is None else {"currency": terms.amount.currency}


def check_takes_offers(complaint: Complaint) -> None:
    if complaint.record_type != "complaint":
        raise ComplaintTakesNoOffers(f"It is {with_article(complaint.record_type)}; convert it into a complaint first.")
    if complaint.status not in COMPLAINT_TAKES_OFFERS:
        raise ComplaintTakesNoOffers(f"The complaint is {complaint.status}.", state=complaint.status)


def _refuse_duplicate(
    uow: UnitOfWork, complaint: Complaint, options: Sequence[Terms], successor_of: UUID | None
) -> None:
    found = option_queries.same_live_offer(uow.session, complaint.id, options, besides=successor_of)
    if found is not None:
        raise DuplicateOffer(offer_id=found)
