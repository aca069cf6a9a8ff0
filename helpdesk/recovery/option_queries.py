"""Every select on the options of offers."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, bindparam, exists, or_, select
from sqlalchemy.orm import Session

from helpdesk.recovery.lifecycle import ENDED, UNANSWERED
from helpdesk.recovery.models import Offer
from helpdesk.recovery.option_models import OfferOption
from helpdesk.recovery.option_terms import COLUMNS, TERMS, Terms
from helpdesk.recovery.queries import with_amount

_KEPT: Final = select(OfferOption).where(OfferOption.offer_id == bindparam("offer_id")).order_by(OfferOption.number)


def kept(session: Session, offer_id: UUID) -> Sequence[OfferOption]:
    """In their order; empty where there is nothing to choose. They never change, so nobody needs to lock them."""
    return session.scalars(_KEPT, {"offer_id": offer_id}).all()


def shown(session: Session, offer_id: UUID, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The options of an offer, or the offer itself as the only one. `row`: has the offer's own terms, `amount` as
    (minor units, currency).
    """
    options = kept(session, offer_id)
    if not options:
        return [{"number": 1} | {name: row[name] for name in TERMS}]
    return [with_amount({name: getattr(option, name) for name in ("number", *COLUMNS)}) for option in options]


def as_evidence(session: Session, offer_ids: Sequence[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    """For each offer that has several: number and terms of each."""
    rows = session.execute(
        select(OfferOption.offer_id, OfferOption.number, *(getattr(OfferOption, name) for name in COLUMNS))
        .where(OfferOption.offer_id.in_(offer_ids))
        .order_by(OfferOption.offer_id, OfferOption.number)
    ).mappings()
    found: dict[UUID, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["offer_id"], []).append({name: row[name] for name in ("number", *COLUMNS)})
    return found


def same_live_offer(
    session: Session, complaint_id: UUID, options: Sequence[Terms], besides: UUID | None = None
) -> UUID | None:
    """An offer that has not ended and gives one of these remedies, or lets the customer choose it. `besides`: one that is to
    be replaced.
    """
    wanted = [terms.columns() for terms in options]
    held = or_(*(_gives(Offer, columns) for columns in wanted))
    chosen = exists().where(
        OfferOption.offer_id == Offer.id, or_(*(_gives(OfferOption, columns) for columns in wanted))
    )
    return session.execute(
        select(Offer.id)
        .where(
            Offer.complaint_id == complaint_id,
            Offer.status.not_in(ENDED),
            Offer.id.is_distinct_from(besides),
            or_(held, and_(Offer.status.in_(UNANSWERED), chosen)),
        )
        .order_by(Offer.id)
        .limit(1)
    ).scalar_one_or_none()


def _gives(table: Any, columns: Mapping[str, Any]) -> Any:
    return and_(
        table.kind == columns["kind"],
        table.amount_minor.is_not_distinct_from(columns["amount_minor"]),
        table.currency.is_not_distinct_from(columns["currency"]),
    )
