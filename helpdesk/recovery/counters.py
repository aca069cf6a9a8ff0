"""Counter-offers: the customer asks for something else, and somebody has to answer.

A counter-offer takes nothing away: its money stays set aside, its time runs on, and when that ends the offer expires as any
other. It is answered by keeping the offer, by taking it back, or by another offer (`successor_of`), which goes through
authority and budget of its own and replaces this one when it is put before the customer. Nobody but the customer takes the
counter-offer back. All of it under the locks of complaint and offer; the successor's before its predecessor's.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.kernel.errors import FieldError, ValidationFailed
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.money import Money
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import counter_queries
from helpdesk.recovery.counter_models import OfferCounter
from helpdesk.recovery.lifecycle import COUNTER_OUTCOMES
from helpdesk.recovery.queries import Held

KEPT_FOR: Final = timedelta(days=7)
"""At least so long the customer has to answer an offer that is kept, or that they ask for again."""


def follow(uow: UnitOfWork, held: Held, action: str, source: str, given: Mapping[str, Any]) -> None:
    """What a step that was just taken means for the book of counter-offers."""
    offer = held.offer
    if offer.status == "countered" and source != "countered":
        offer.counters += 1
        _write(uow, held, given)
    elif source == "countered" and offer.status != "countered":
        counter = counter_queries.open_counter(uow.session, offer.id)
        counter.outcome, counter.settled_at = COUNTER_OUTCOMES[action], uow.now
        if offer.status == "offered" and offer.valid_until is not None:
            offer.valid_until = max(offer.valid_until, uow.now + KEPT_FOR)
            offer.told_at = uow.now


def _write(uow: UnitOfWork, held: Held, given: Mapping[str, Any]) -> None:
    wish: Money | None = given.get("amount")
    uow.session.add(
        OfferCounter(
            id=new_id(),
            offer_id=held.offer.id,
            number=held.offer.counters,
            kind=given.get("kind"),
            amount_minor=None if wish is None else wish.minor,
            currency=None if wish is None else wish.currency,
            words=given["words"],
            said_by=given["said_by"],
            at=uow.now,
        )
    )


def check_successor(session: Session, complaint: Complaint, offer_id: UUID) -> None:
    """Whether a draft may replace this offer. Raises `ValidationFailed`."""
    status = counter_queries.status_on(session, complaint.id, offer_id)
    if status is None:
        raise _unfit("unknown", "There is no such offer on this complaint.")
    if status != "countered":
        raise _unfit("not_countered", f"It is {status}; only a countered offer is replaced by another.")
    if counter_queries.live_successor(session, offer_id) is not None:
        raise _unfit("taken", "Another offer is to replace it already; take that one back first.")


def _unfit(code: str, detail: str) -> ValidationFailed:
    return ValidationFailed(errors=[FieldError.at("/successor_of", code, detail)])
