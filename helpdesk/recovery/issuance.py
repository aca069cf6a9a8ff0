"""Issuing what was accepted, once, whatever crashes: the handler of the duty `recovery.issue`.

1. Read what to issue; no transaction stays open.
2. Call the issuer with the offer's id as idempotency key.
3. One short transaction: lock complaint and offer, record the reference, spend the reservation, tell the customer, mark
   the duty done.

A crash before 3 is repaired by doing it all again, since the issuer then finds what it made. In 3 the state `issuing`,
seen under the offer's lock, is the fence: of two workers that come here one records, and the other finds it done. When
the duty is given up the offer fails and its reservation is released; what the issuer may have made until then is worth
nothing, because only an `issued` offer's voucher can be redeemed. What a provider issues is worth something at once: see
`asking`.
"""

from typing import Final
from uuid import UUID

import structlog

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import faults, outbox
from helpdesk.kernel.duties import BEGUN
from helpdesk.kernel.money import Money
from helpdesk.kernel.unit_of_work import Database, UnitOfWork
from helpdesk.recovery import asking, offers, queries
from helpdesk.recovery.issuers import IN_PROVIDER, ISSUERS, MADE, Order, Tools

log = structlog.get_logger()

TOPIC: Final = offers.ISSUE
AFTER_READ: Final = "recovery.issue.after_read"
AFTER_PROVIDER: Final = "recovery.issue.after_provider"
RECORDED: Final = "recovery.issue.recorded"
TOLD: Final = "recovery.issue.told"
DUTY_DONE: Final = "recovery.issue.duty_done"
BEFORE_COMMIT: Final = "recovery.issue.before_commit"
AFTER_COMMIT: Final = "recovery.issue.after_commit"
FAULT_POINTS: Final = (
    BEGUN,
    AFTER_READ,
    IN_PROVIDER,
    MADE,
    AFTER_PROVIDER,
    RECORDED,
    TOLD,
    DUTY_DONE,
    BEFORE_COMMIT,
    AFTER_COMMIT,
)
"""One between every two steps, in their order."""


def issue(tools: Tools, duty_id: UUID, offer_id: UUID) -> None:
    """The outside handler. Safe to run twice, at once, and on an offer that is not to be issued any more."""
    order = _order(tools.database, offer_id)
    faults.point(AFTER_READ)
    if order is not None and order.kind not in ISSUERS:
        asking.ask(tools, duty_id, offer_id)
        return
    reference = None if order is None else ISSUERS[order.kind].issue(tools, order)
    faults.point(AFTER_PROVIDER)
    _settle(tools.database, duty_id, offer_id, reference)
    faults.point(AFTER_COMMIT)


def _order(database: Database, offer_id: UUID) -> Order | None:
    """What to issue; None when the offer is not being issued (done already, or failed)."""
    with database.reader() as session:
        row = queries.being_issued(session, offer_id)
    if row is None:
        return None
    paid = row.amount_minor is not None and row.currency is not None
    return Order(
        offer_id=row.id,
        complaint_id=row.complaint_id,
        reference=row.reference,
        kind=row.kind,
        amount=Money(row.amount_minor, row.currency) if paid else None,
        language=row.language,
        text=row.text,
        voucher_days=row.voucher_days,
        voucher_partial=row.voucher_partial,
        points_days=row.points_days,
    )


def _settle(database: Database, duty_id: UUID, offer_id: UUID, reference: str | None) -> None:
    with database.unit_of_work(SYSTEM) as uow:
        if reference is not None:
            held = queries.hold_any(uow.session, offer_id)
            if held.offer.status == "issuing":
                held.offer.issued_reference = reference
                given = {"to_be_posted": True} if ISSUERS[held.offer.kind].is_to_be_posted(uow, held) else {}
                offers.advance(uow, SYSTEM, held, "record_issued", given)
                faults.point(RECORDED)
                ISSUERS[held.offer.kind].tell(uow, held)
                faults.point(TOLD)
        # Not taken: another worker has settled it, or is just giving it up and will find the offer issued.
        if outbox.take(uow.session, duty_id) is not None:
            outbox.mark_done(uow.session, duty_id)
        faults.point(DUTY_DONE)
        uow.conclude()
        faults.point(BEFORE_COMMIT)


def give_up(uow: UnitOfWork, offer_id: UUID, reason: str) -> None:
    """The duty is dead: fail the offer and free its money, unless it was issued after all, or may have been by a provider."""
    abandon(uow, queries.hold_any(uow.session, offer_id), reason)


def abandon(uow: UnitOfWork, held: queries.Held, reason: str) -> None:
    """As `give_up`. What waits for a person goes on waiting."""
    if held.offer.issuance != "automatic" or asking.give_up(uow, held, reason):
        return
    log.error("issuing given up", offer=str(held.offer.id))
    offers.advance(uow, SYSTEM, held, "fail", {"reason": reason[:500]})
