"""Reminding a customer, once, that an offer ends soon.

How long before its end is a setting, looked at when the time has come, so that a change holds for what is out already. What
was told only just now is not told again: as much time has passed since then as is left. An offer that was answered, is
countered, has ended or was prolonged beyond the time is not due; that is asked again under its lock.
"""

from datetime import datetime, timedelta

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.clock import rfc3339
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import telling
from helpdesk.recovery.events import OfferReminded, of_offer
from helpdesk.recovery.models import Offer
from helpdesk.recovery.offers import Links
from helpdesk.recovery.queries import Held


def is_due(offer: Offer, now: datetime, lead: timedelta) -> bool:
    """As `reminder_queries.due_to_remind` has it."""
    if offer.status != "offered" or offer.reminded_at is not None or offer.valid_until is None or offer.told_at is None:
        return False
    left = offer.valid_until - now
    return timedelta(0) < left <= lead and left <= now - offer.told_at


def remind(uow: UnitOfWork, held: Held, lead: timedelta, to: Links) -> bool:
    """Write to them. False when it is not due any more, or nobody can be written to."""
    offer = held.offer
    if offer.valid_until is None or not is_due(offer, held.now, lead):
        return False
    if not telling.reminded(uow, held, to.of(offer.id, offer.valid_until)):
        return False
    offer.reminded_at = uow.now
    offer.touch()
    uow.record(
        OfferReminded(
            **of_offer(held.complaint, offer),
            valid_until=rfc3339(offer.valid_until),
        ),
        stream=held.complaint,
        actor=SYSTEM,
    )
    return True
