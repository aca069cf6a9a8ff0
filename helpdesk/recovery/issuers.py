"""Who hands a remedy of ours over: one issuer per kind. What a provider issues is asked of it (`asking`).

An issuer writes in the transaction that records the issuance, under the locks of complaint and offer: either both are there
or neither is. Called for an offer whose remedy is there already (a release that wrote it beforehand left it behind when its
worker died) it takes that one, which a unique `offer_id` finds; it counts only when the offer's own row says `issued`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from helpdesk.complaints.person_queries import Recipient, complainant_of, complainants_of
from helpdesk.kernel.duties import GiveUp
from helpdesk.kernel.mail import queue_mail
from helpdesk.kernel.money import Money
from helpdesk.kernel.unit_of_work import Database, UnitOfWork
from helpdesk.recovery import letter_queries, points_ledger, points_queries, telling, texts, voucher_queries
from helpdesk.recovery.codes import new_code
from helpdesk.recovery.kinds import LETTER
from helpdesk.recovery.models import Letter, Offer
from helpdesk.recovery.points_models import PointsLot
from helpdesk.recovery.queries import Held

IN_PROVIDER: Final = "recovery.issue.in_provider"
"""Fault point: who issues has written, and not committed."""
MADE: Final = "recovery.issue.made"
"""Fault point: the recording provider has committed, and not looked at what there is by now."""


class Tools(Protocol):
    """What issuing needs of the program."""

    @property
    def database(self) -> Database: ...

    @property
    def signing_key(self) -> str: ...

    @property
    def private_addresses(self) -> bool:
        """Whether providers at addresses that are not public are asked."""


@dataclass(frozen=True, slots=True)
class Made:
    """`reference`: what the offer names it by. `row`: what was made, for the issuer's own `tell`."""

    reference: str
    row: Any
    person: Recipient | None


class Issuer(Protocol):
    def issue(self, uow: UnitOfWork, many: Sequence[Held]) -> list[Made]:
        """Make each of them, or find it made. Raises to be tried again later, `GiveUp` when that cannot help: for all of them."""

    def tell(self, uow: UnitOfWork, held: Held, made: Made) -> None:
        """When the issuance is recorded: write to the customer, where there is an address."""


class VoucherIssuer:
    """Vouchers of our own: the reference is the code. Delivered when its mail was taken, or it got to them otherwise."""

    def issue(self, uow: UnitOfWork, many: Sequence[Held]) -> list[Made]:
        offers = [held.offer for held in many]
        if any(offer.amount_minor is None or offer.currency is None or offer.voucher_days is None for offer in offers):
            raise GiveUp("a voucher without an amount or a time")
        made = voucher_queries.make(uow.session, offers, [new_code() for _ in offers])
        people = complainants_of(uow.session, [offer.complaint_id for offer in offers])
        return [
            Made(voucher.code, voucher, people.get(offer.complaint_id))
            for offer, voucher in zip(offers, made, strict=True)
        ]

    def tell(self, uow: UnitOfWork, held: Held, made: Made) -> None:
        tell_code(uow, held, made.row, made.person)


def tell_code(uow: UnitOfWork, held: Held, voucher: Any, person: Recipient | None) -> None:
    """With what is on it: when it is issued that is all of its amount."""
    telling.write_to(
        uow,
        held.offer,
        person,
        "voucher_in_parts" if voucher.partial else "voucher",
        reference=held.complaint.reference,
        amount=texts.money(Money(voucher.balance_minor, voucher.currency)),
        code=voucher.code,
        until=texts.moment(voucher.expires_at),
    )


class LetterIssuer:
    """Letters: the reference is the letter's id. It is delivered when the mail server has taken it. Without an
    address, or where its mail does not arrive, it is to be posted.
    """

    def issue(self, uow: UnitOfWork, many: Sequence[Held]) -> list[Made]:
        people = complainants_of(uow.session, [held.offer.complaint_id for held in many])
        return [self._write(uow, held, people.get(held.offer.complaint_id)) for held in many]

    def _write(self, uow: UnitOfWork, held: Held, person: Recipient | None) -> Made:
        offer = held.offer
        subject, body = texts.render(
            offer.language,
            "apology_letter",
            name=None if person is None else person.name,
            reference=held.complaint.reference,
            text=offer.text or texts.standard_apology(offer.language),
        )
        letter = letter_queries.make(uow.session, offer, subject, body)
        return Made(str(letter.id), letter, person)

    def tell(self, uow: UnitOfWork, _held: Held, made: Made) -> None:
        letter: Letter = made.row
        if letter.mail_id is None:
            mail_letter(uow, letter, made.person)


def mail_letter(uow: UnitOfWork, letter: Letter, person: Recipient | None) -> None:
    """As it was written; nothing where there is no address."""
    if person is None or not person.email:
        return
    letter.mail_id = queue_mail(
        uow,
        subject_id=letter.offer_id,
        reason=LETTER,
        recipient=person.email,
        subject=letter.subject,
        body=letter.body,
    )


class PointsIssuer:
    """Points on the customer's account: the reference is the lot's id. It has nothing on it until the issuance is recorded."""

    def issue(self, uow: UnitOfWork, many: Sequence[Held]) -> list[Made]:
        return [self._credit(uow, held) for held in many]

    def _credit(self, uow: UnitOfWork, held: Held) -> Made:
        offer: Offer = held.offer
        if offer.amount_minor is None or offer.currency is None or offer.points_days is None:
            raise GiveUp("points without an amount or a time")
        if held.complaint.customer_id is None:
            raise GiveUp("the complaint has no customer any more")
        account = points_queries.account_for(uow.session, held.complaint.customer_id, offer.currency)
        lot = points_queries.make_lot(uow.session, account.id, offer, uow.now)
        return Made(str(lot.id), lot, complainant_of(uow.session, offer.complaint_id))

    def tell(self, uow: UnitOfWork, held: Held, made: Made) -> None:
        lot: PointsLot = points_ledger.earn(uow, held)
        telling.write_to(
            uow,
            held.offer,
            made.person,
            "points",
            reference=held.complaint.reference,
            amount=texts.money(Money(lot.amount_minor, held.offer.currency or "")),
            until=texts.moment(lot.expires_at),
        )


ISSUERS: Final[Mapping[str, Issuer]] = {
    "voucher": VoucherIssuer(),
    "apology_letter": LetterIssuer(),
    "points": PointsIssuer(),
}
"""One per kind that we issue ourselves."""
TOGETHER: Final = ("voucher", "apology_letter")
"""Kinds of which many are issued in one transaction. Not points: their account's lock is one that a till may hold."""
