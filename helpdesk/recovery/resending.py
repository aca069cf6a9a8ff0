"""Sending the customer a letter again: the first was lost, or went to an address that was mended since.

An offer's letter says what it said, with a link that serves as the first one does; a voucher's has the same code, and what is left
on it. Nobody is written to twice while the mail server is away: what has not gone out yet goes there anyway. What a voucher that
buys nothing any more would say is not true.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from helpdesk.kernel.errors import Conflict
from helpdesk.kernel.unit_of_work import UnitOfWork, mails_go_out
from helpdesk.recovery import issuers, letter_queries, telling, voucher_queries
from helpdesk.recovery.errors import NoAddress, NoMailServer, OnItsWay, VoucherNotValid
from helpdesk.recovery.letters import MAILED_AS
from helpdesk.recovery.models import Offer
from helpdesk.recovery.queries import Held

REASONS: Final[Mapping[str, frozenset[str]]] = {"send_again": frozenset({"offer"}), "send_letter_again": MAILED_AS}
"""Action -> reasons of the mails that it sends."""


def refusal(session: Session, action: str, offer: Offer, now: datetime) -> Conflict | None:
    """What one of `REASONS` would be refused with now."""
    person = telling.recipient(session, offer)
    if person is None or not person.email:
        return NoAddress()
    if not mails_go_out(session):
        return NoMailServer()
    if action == "send_letter_again" and offer.kind == "voucher":
        status = voucher_queries.voucher_status(voucher_queries.voucher_of(session, offer.id), "issued", now)
        if status != "valid":
            return VoucherNotValid(voucher_status=status)
    if letter_queries.is_on_its_way(session, offer.id, REASONS[action], person.email):
        return OnItsWay()
    return None


def send_letter(uow: UnitOfWork, held: Held) -> None:
    """A letter as it was written, or a voucher's code."""
    person = telling.recipient(uow.session, held.offer)
    if held.offer.kind == "voucher":
        issuers.tell_code(uow, held, voucher_queries.voucher_of(uow.session, held.offer.id), person)
    else:
        issuers.mail_letter(uow, letter_queries.letter_of(uow.session, held.offer.id), person)
