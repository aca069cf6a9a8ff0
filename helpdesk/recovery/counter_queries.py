"""Every select on counter-offers, and on the offers that answer them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from helpdesk.complaints.models import Complaint
from helpdesk.complaints.queries import visible_to
from helpdesk.identity.actors import Actor
from helpdesk.recovery.counter_models import OfferCounter
from helpdesk.recovery.lifecycle import ENDED
from helpdesk.recovery.models import Offer, OfferTransition


def open_counter(session: Session, offer_id: UUID) -> OfferCounter:
    """Of a countered offer, whose lock is held."""
    return session.execute(
        select(OfferCounter).where(OfferCounter.offer_id == offer_id, OfferCounter.outcome.is_(None))
    ).scalar_one()


def counter_of(session: Session, offer_id: UUID, number: int) -> OfferCounter | None:
    """Of an offer whose lock is held."""
    found = select(OfferCounter).where(OfferCounter.offer_id == offer_id, OfferCounter.number == number)
    return session.execute(found).scalar_one_or_none()


def steps_at(session: Session, offer_id: UUID, at: datetime) -> Sequence[OfferTransition]:
    """The steps with which something was asked for instead, at that time."""
    found = select(OfferTransition).where(
        OfferTransition.offer_id == offer_id, OfferTransition.action == "counter", OfferTransition.at == at
    )
    return session.scalars(found.with_for_update()).all()


def counters_of(session: Session, offer_ids: Sequence[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    """Of each offer that has any, oldest first."""
    rows = session.execute(
        select(*OfferCounter.__table__.c)
        .where(OfferCounter.offer_id.in_(offer_ids))
        .order_by(OfferCounter.offer_id, OfferCounter.number)
    ).mappings()
    found: dict[UUID, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["offer_id"], []).append({**row})
    return found


def words_beside(
    session: Session, actor: Actor, complaint_ids: Sequence[UUID], counter_id: UUID | None
) -> Sequence[Any]:
    """`(offer_id, number, words)` of the other counter-offers on these complaints that the actor may see."""
    found = (
        select(OfferCounter.offer_id, OfferCounter.number, OfferCounter.words)
        .join(Offer, Offer.id == OfferCounter.offer_id)
        .join(Complaint, Complaint.id == Offer.complaint_id)
        .where(Offer.complaint_id.in_(complaint_ids), visible_to(actor), OfferCounter.id.is_distinct_from(counter_id))
    )
    return session.execute(found.order_by(OfferCounter.offer_id, OfferCounter.number)).all()


def shown(session: Session, offer_id: UUID) -> list[dict[str, Any]]:
    return [with_wish(row) for row in counters_of(session, [offer_id]).get(offer_id, [])]


def with_wish(row: Mapping[str, Any]) -> dict[str, Any]:
    minor = row["amount_minor"]
    return {**row, "amount": None if minor is None else (minor, row["currency"])}


def successor_of(session: Session, offer_id: UUID) -> UUID | None:
    """The offer that was drafted instead of this one, the last of several."""
    return session.execute(
        select(Offer.id).where(Offer.successor_of == offer_id).order_by(Offer.id.desc()).limit(1)
    ).scalar_one_or_none()


def was_replaced(session: Session, offer_id: UUID) -> bool:
    """Whether an offer that replaces it was put before the customer."""
    found = select(Offer.id).where(Offer.successor_of == offer_id, Offer.valid_until.is_not(None)).limit(1)
    return session.execute(found).first() is not None


def live_successor(session: Session, offer_id: UUID) -> UUID | None:
    return session.execute(
        select(Offer.id).where(Offer.successor_of == offer_id, Offer.status.not_in(ENDED)).limit(1)
    ).scalar_one_or_none()


def status_on(session: Session, complaint_id: UUID, offer_id: UUID) -> str | None:
    """Of an offer on this complaint, which is locked; None where there is none."""
    own = aliased(Offer)
    return session.execute(
        select(own.status).where(own.id == offer_id, own.complaint_id == complaint_id)
    ).scalar_one_or_none()
