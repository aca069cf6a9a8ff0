"""What the customer is written: what they can have, and when their remedy was issued, in the transaction that records it;
nothing without an address. What it costs us (`kinds.TOLD`) is not told.
"""

from collections.abc import Iterator

from helpdesk.complaints.person_queries import Recipient, complainant_of
from helpdesk.kernel.mail import queue_mail
from helpdesk.kernel.money import Money
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import breakdown, breakdown_words, option_queries, texts
from helpdesk.recovery.breakdown import Part
from helpdesk.recovery.kinds import TOLD
from helpdesk.recovery.models import Offer
from helpdesk.recovery.option_models import OfferOption
from helpdesk.recovery.queries import Held


def issued(uow: UnitOfWork, held: Held) -> None:
    """Of what is issued outside, or by hand: what it is, and what it is called there."""
    offer = held.offer
    amount = None if offer.amount_minor is None or offer.currency is None else Money(offer.amount_minor, offer.currency)
    write(
        uow,
        offer,
        f"issued_{offer.kind}",
        reference=held.complaint.reference,
        amount=texts.money(amount),
        called=offer.issued_reference or "",
    )


def what_is_offered(uow: UnitOfWork, offer: Offer) -> tuple[str, str]:
    """The text that says so, and what it says of the offer: in half a sentence, or a list to choose from, with what of it is owed."""
    parts = breakdown.read(offer.breakdown)
    options = option_queries.kept(uow.session, offer.id)
    if not options:
        told = [_what(offer, offer), *_owed(offer, parts.get(1), offer.amount_minor)]
    else:
        told = [line for option in options for line in _numbered(offer, option, parts.get(option.number))]
    if breakdown_words.owes(parts):
        told += ["", texts.stays_owed(offer.language)]
    return "offer_of_several" if options else "offer", "\n".join(told)


def _numbered(offer: Offer, option: OfferOption, part: Part | None) -> Iterator[str]:
    yield f"{option.number}. {_what(offer, option)}"
    yield from (f"   {line}" for line in _owed(offer, part, option.amount_minor))


def _owed(offer: Offer, part: Part | None, minor: int | None) -> list[str]:
    """How much of it is owed, and by what."""
    if offer.currency is None or minor is None:
        return []
    told = breakdown_words.shown(part, offer.language, offer.currency)
    return [f"- {line}" for line in breakdown_words.sentences(offer.language, told, (minor, offer.currency))]


def _what(offer: Offer, terms: Offer | OfferOption) -> str:
    amount = None
    if terms.kind in TOLD and terms.amount_minor is not None and terms.currency is not None:
        amount = Money(terms.amount_minor, terms.currency)
    return texts.what(offer.language, terms.kind, amount)


def offered(uow: UnitOfWork, held: Held, link: str, *, kept: bool = False) -> None:
    """It was put before the customer, or is `kept` though they asked for something else. Without an address the agent passes
    the link on.
    """
    offer = held.offer
    if offer.valid_until is None:
        raise ValueError(f"offer {offer.id} was not put before the customer")
    kind, what = what_is_offered(uow, offer)
    until = texts.moment(offer.valid_until)
    values = {"reference": held.complaint.reference, "what": what, "until": until, "link": link}
    if kept:
        write(uow, offer, "offer_kept", **values)
    else:
        write(uow, offer, kind, mailed_as="offer", reason=offer.reason, **values)


def reminded(uow: UnitOfWork, held: Held, link: str) -> bool:
    """That it ends soon; whether there was an address."""
    offer = held.offer
    if offer.valid_until is None:
        raise ValueError(f"offer {offer.id} was not put before the customer")
    _, what = what_is_offered(uow, offer)
    until = texts.moment(offer.valid_until)
    return write(uow, offer, "offer_reminder", reference=held.complaint.reference, what=what, until=until, link=link)


def write(uow: UnitOfWork, offer: Offer, kind: str, *, mailed_as: str | None = None, **values: str) -> bool:
    """A mail of one of the texts, to the complainant; whether there was an address. `mailed_as`: its reason, where it is not
    the text's name.
    """
    return write_to(uow, offer, complainant_of(uow.session, offer.complaint_id), kind, mailed_as=mailed_as, **values)


def write_to(
    uow: UnitOfWork, offer: Offer, person: Recipient | None, kind: str, *, mailed_as: str | None = None, **values: str
) -> bool:
    """The same, where it is known who that is."""
    if person is None or not person.email:
        return False
    subject, body = texts.render(offer.language, kind, name=person.name, **values)
    queue_mail(uow, subject_id=offer.id, reason=mailed_as or kind, recipient=person.email, subject=subject, body=body)
    return True
