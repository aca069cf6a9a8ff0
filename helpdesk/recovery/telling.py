"""What the customer is written: what they can have, and when their remedy was issued, in the transaction that records it;
nothing without an address. What it costs us (`kinds.TOLD`) is not told.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.complaints.person_queries import Recipient, whose
from helpdesk.kernel.mail import queue_mail
from helpdesk.kernel.money import Money
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import breakdown, breakdown_words, option_queries, queries, texts
from helpdesk.recovery.breakdown import Part
from helpdesk.recovery.kinds import CONFIRMED, SETTLES, TABLE, TOLD
from helpdesk.recovery.lifecycle import BEFORE_CUSTOMER, DELAYING, ENDED
from helpdesk.recovery.models import Offer
from helpdesk.recovery.option_models import OfferOption
from helpdesk.recovery.queries import Held

PAGE: Final = "offer_page"
"""What completes a mail about what is on its way, when that is sent: where the customer can say what came of it."""


def where_to_say(session: Session, offer_id: UUID, link_of: Callable[[UUID, datetime], str]) -> str:
    """With the link to the offer's page, which is in no row."""
    offer = session.get_one(Offer, offer_id)
    if offer.valid_until is None:
        raise ValueError(f"offer {offer.id} was not put before the customer")
    return texts.where_to_say(offer.language, offer.kind, link_of(offer.id, offer.valid_until))


def undone(uow: UnitOfWork, held: Held, action: str, source: str) -> None:
    """With a step that takes from them what they had, or were promised, or after which they wait for it: of that once for one offer."""
    offer = held.offer
    kind = _undone(uow, offer, action, source)
    if kind is None:
        return
    options = option_queries.kept(uow.session, offer.id) if source in BEFORE_CUSTOMER else []
    what = "\n".join(f"{option.number}. {_what(offer, option)}" for option in options) or _what(offer, offer)
    if offer.status in ENDED and breakdown_words.owes(breakdown.read(offer.breakdown)):
        what += f"\n\n{texts.stays_owed(offer.language, over=True, taken=source not in BEFORE_CUSTOMER)}"
    write(uow, offer, kind, mailed_as=_MAILED_AS[action], reference=held.complaint.reference, what=what)


_MAILED_AS: Final = {
    "revoke": "offer_revoked",
    "fail": "offer_failed",
    "doubt": "offer_doubted",
    "reverse": "offer_reversed",
}


def _undone(uow: UnitOfWork, offer: Offer, action: str, source: str) -> str | None:
    """The text that says so; None: they are not written to."""
    if action == "revoke" and source in BEFORE_CUSTOMER:
        return "offer_revoked"
    if action == "revoke" and source == "failed":
        return "accepted_revoked"
    if action in DELAYING and not queries.was_delayed(uow.session, offer):
        return _MAILED_AS[action]
    if action == "reverse" and TABLE[offer.kind].taken_back == "voided":
        return "offer_reversed"
    if action == "reverse" and offer.kind in SETTLES:  # goods that came back they have sent themselves
        return "money_reversed"
    return None


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
        completion=PAGE if offer.kind in CONFIRMED else None,
    )


def what_is_offered(uow: UnitOfWork, offer: Offer) -> tuple[str, str]:
    """The text that says so, and what it says of the offer: in half a sentence, or a list to choose from, with what of it is owed."""
    parts = breakdown.read(offer.breakdown)
    options = option_queries.kept(uow.session, offer.id)
    if not options:
        told = [_what(offer, offer), *_terms(offer, offer), *_owed(offer, parts.get(1), offer.amount_minor)]
    else:
        told = [line for option in options for line in _numbered(offer, option, parts.get(option.number))]
    if breakdown_words.owes(parts):
        told += ["", texts.stays_owed(offer.language)]
    return "offer_of_several" if options else "offer", "\n".join(told)


def _numbered(offer: Offer, option: OfferOption, part: Part | None) -> Iterator[str]:
    yield f"{option.number}. {_what(offer, option)}"
    yield from (f"   {line}" for line in _terms(offer, option))
    yield from (f"   {line}" for line in _owed(offer, part, option.amount_minor))


def _terms(offer: Offer, terms: Offer | OfferOption) -> list[str]:
    """How long it will be good, and how it is used."""
    told = []
    if terms.voucher_days is not None:
        name = "voucher_parts" if terms.voucher_partial else "voucher_once"
        told.append(texts.term(offer.language, name, terms.voucher_days))
    if terms.points_days is not None:
        told.append(texts.term(offer.language, "points_days", terms.points_days))
    return [f"- {line}" for line in told]


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
        return
    if offer.successor_of is not None:
        values["what"] += f"\n\n{texts.replaces(offer.language)}"
    write(uow, offer, kind, mailed_as="offer", reason=offer.reason, **values)


def reminded(uow: UnitOfWork, held: Held, link: str) -> bool:
    """That it ends soon; whether there was an address."""
    offer = held.offer
    if offer.valid_until is None:
        raise ValueError(f"offer {offer.id} was not put before the customer")
    _, what = what_is_offered(uow, offer)
    until = texts.moment(offer.valid_until)
    return write(uow, offer, "offer_reminder", reference=held.complaint.reference, what=what, until=until, link=link)


def recipient(session: Session, offer: Offer) -> Recipient | None:
    """Whose offer it is. The complainant of a complaint that was merged stands where that goes on."""
    return whose(session, session.get_one(Complaint, offer.complaint_id))


def write(
    uow: UnitOfWork,
    offer: Offer,
    kind: str,
    *,
    mailed_as: str | None = None,
    completion: str | None = None,
    **values: str,
) -> bool:
    """A mail of one of the texts, to the complainant; whether there was an address. `mailed_as`: its reason, where it is not
    the text's name. `completion`: see `queue_mail`.
    """
    person = recipient(uow.session, offer)
    return write_to(uow, offer, person, kind, mailed_as=mailed_as, completion=completion, **values)


def write_to(
    uow: UnitOfWork,
    offer: Offer,
    person: Recipient | None,
    kind: str,
    *,
    mailed_as: str | None = None,
    completion: str | None = None,
    **values: str,
) -> bool:
    """The same, where it is known who that is."""
    if person is None or not person.email:
        return False
    subject, body = texts.render(offer.language, kind, name=person.name, **values)
    queue_mail(
        uow,
        subject_id=offer.id,
        reason=mailed_as or kind,
        recipient=person.email,
        subject=subject,
        body=body,
        completion=completion,
    )
    return True
