"""Who hands a remedy over: one issuer per kind, behind a port that an outside provider fits as well.

An issuer is called with no transaction open, and with the offer's id as its idempotency key: called again for the same
offer, after a crash or by a second worker, it answers with the reference of the first time. Ours keep that promise with
a unique `offer_id`. What it made counts only when the offer's own row says `issued`, so nothing has to be unmade.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert

from helpdesk.complaints.person_queries import complainant_of
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import faults
from helpdesk.kernel.duties import GiveUp
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.mail import queue_mail
from helpdesk.kernel.money import Money
from helpdesk.kernel.unit_of_work import Database, UnitOfWork
from helpdesk.recovery import points_ledger, points_queries, queries, telling, texts, voucher_queries
from helpdesk.recovery.codes import new_code
from helpdesk.recovery.models import Letter
from helpdesk.recovery.queries import Held
from helpdesk.recovery.voucher_models import Voucher

IN_PROVIDER: Final = "recovery.issue.in_provider"
"""Fault point: the issuer has written, and not committed."""
MADE: Final = "recovery.issue.made"
"""Fault point: the issuer has committed, and not looked at what there is by now."""


class Tools(Protocol):
    """What issuing needs of the program."""

    @property
    def database(self) -> Database: ...

    @property
    def signing_key(self) -> str: ...

    @property
    def private_addresses(self) -> bool:
        """Whether providers at addresses that are not public are asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be issued. `offer_id` is the idempotency key."""

    offer_id: UUID
    complaint_id: UUID
    reference: str
    kind: str
    amount: Money | None
    language: str
    text: str | None
    voucher_days: int | None
    voucher_partial: bool
    points_days: int | None


class Issuer(Protocol):
    def issue(self, tools: Tools, order: Order) -> str:
        """Make it, or find it made; its reference. Raises to be tried again later, `GiveUp` when that cannot help."""

    def tell(self, uow: UnitOfWork, held: Held) -> None:
        """In the transaction that records the issuance: write to the customer, where there is an address."""

    def is_to_be_posted(self, uow: UnitOfWork, held: Held) -> bool:
        """Whether the customer does not have it before somebody posts it."""


class VoucherIssuer:
    """Vouchers of our own: the reference is the code."""

    def issue(self, tools: Tools, order: Order) -> str:
        if order.amount is None:
            raise GiveUp("a voucher without an amount")
        with tools.database.unit_of_work(SYSTEM) as uow:
            code = new_code()
            row = {
                "id": new_id(),
                "offer_id": order.offer_id,
                "code": code,
                "code_digest": voucher_queries.digest(code),
                "amount_minor": order.amount.minor,
                "balance_minor": order.amount.minor,
                "currency": order.amount.currency,
                "partial": order.voucher_partial,
                "created_at": func.now(),
                "expires_at": func.now() + func.make_interval(0, 0, 0, order.voucher_days),
            }
            uow.session.execute(insert(Voucher).values(row).on_conflict_do_nothing(index_elements=["offer_id"]))
            faults.point(IN_PROVIDER)
        faults.point(MADE)
        # Read back in any case: of two workers that tried, one wrote, and both must name the same code.
        with tools.database.reader() as session:
            return voucher_queries.voucher_of(session, order.offer_id).code

    def tell(self, uow: UnitOfWork, held: Held) -> None:
        offer = held.offer
        voucher = voucher_queries.voucher_of(uow.session, offer.id)
        telling.write(
            uow,
            offer,
            "voucher_in_parts" if voucher.partial else "voucher",
            reference=held.complaint.reference,
            amount=texts.money(Money(voucher.amount_minor, voucher.currency)),
            code=voucher.code,
            until=texts.moment(voucher.expires_at),
        )

    def is_to_be_posted(self, _uow: UnitOfWork, _held: Held) -> bool:
        return False


class LetterIssuer:
    """Letters: the reference is the letter's id. Without an address it stays to be posted (`letter.mail_id` None)."""

    def issue(self, tools: Tools, order: Order) -> str:
        with tools.database.unit_of_work(SYSTEM) as uow:
            person = complainant_of(uow.session, order.complaint_id)
            subject, body = texts.render(
                order.language,
                "apology_letter",
                name=None if person is None else person.name,
                reference=order.reference,
                text=order.text or texts.standard_apology(order.language),
            )
            row = {
                "id": new_id(),
                "offer_id": order.offer_id,
                "created_at": func.now(),
                "language": order.language,
                "subject": subject,
                "body": body,
            }
            uow.session.execute(insert(Letter).values(row).on_conflict_do_nothing(index_elements=["offer_id"]))
            faults.point(IN_PROVIDER)
        faults.point(MADE)
        with tools.database.reader() as session:
            return str(queries.letter_of(session, order.offer_id).id)

    def tell(self, uow: UnitOfWork, held: Held) -> None:
        letter = queries.letter_of(uow.session, held.offer.id)
        person = complainant_of(uow.session, held.offer.complaint_id)
        if letter.mail_id is None and person is not None and person.email:
            letter.mail_id = queue_mail(
                uow,
                subject_id=held.offer.id,
                reason="apology_letter",
                recipient=person.email,
                subject=letter.subject,
                body=letter.body,
            )

    def is_to_be_posted(self, uow: UnitOfWork, held: Held) -> bool:
        person = complainant_of(uow.session, held.offer.complaint_id)
        return person is None or not person.email


class PointsIssuer:
    """Points on the customer's account: the reference is the lot's id. It has nothing on it until the issuance is recorded,
    so what was made for an offer that failed is worth nothing.
    """

    def issue(self, tools: Tools, order: Order) -> str:
        if order.amount is None or order.points_days is None:
            raise GiveUp("points without an amount or a time")
        with tools.database.unit_of_work(SYSTEM) as uow:
            customer_id = points_queries.customer_of(uow.session, order.complaint_id)
            if customer_id is None:
                raise GiveUp("the complaint has no customer any more")
            account_id = points_queries.account_for(uow.session, customer_id, order.amount.currency)
            points_queries.prepare_lot(
                uow.session,
                account_id,
                order.offer_id,
                order.amount.minor,
                days=order.points_days,
                now=uow.now,
            )
            faults.point(IN_PROVIDER)
        faults.point(MADE)
        with tools.database.reader() as session:
            return str(points_queries.lot_of(session, order.offer_id))

    def tell(self, uow: UnitOfWork, held: Held) -> None:
        lot = points_ledger.earn(uow, held)
        telling.write(
            uow,
            held.offer,
            "points",
            reference=held.complaint.reference,
            amount=texts.money(Money(lot.amount_minor, held.offer.currency or "")),
            until=texts.moment(lot.expires_at),
        )

    def is_to_be_posted(self, _uow: UnitOfWork, _held: Held) -> bool:
        return False


ISSUERS: Final[Mapping[str, Issuer]] = {
    "voucher": VoucherIssuer(),
    "apology_letter": LetterIssuer(),
    "points": PointsIssuer(),
}
"""One per kind that we issue ourselves."""
