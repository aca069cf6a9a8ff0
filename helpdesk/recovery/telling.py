"""What the customer is written when their remedy was issued, in the transaction that records it; nothing without an
address. What it costs us (`kinds.TOLD`) is not told.
"""

from helpdesk.complaints.person_queries import complainant_of
from helpdesk.kernel.mail import queue_mail
from helpdesk.kernel.money import Money
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import texts
from helpdesk.recovery.models import Offer
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


def write(uow: UnitOfWork, offer: Offer, kind: str, **values: str) -> None:
    """A mail of one of the texts, to the complainant."""
    person = complainant_of(uow.session, offer.complaint_id)
    if person is not None and person.email:
        subject, body = texts.render(offer.language, kind, name=person.name, **values)
        queue_mail(uow, subject_id=offer.id, reason=kind, recipient=person.email, subject=subject, body=body)
