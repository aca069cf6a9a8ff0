"""Selects on what customers were told of offers' money."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from sqlalchemy import case, func, or_, select
from sqlalchemy.orm import Session

from helpdesk.recovery import breakdown
from helpdesk.recovery.breakdown import Said
from helpdesk.recovery.lifecycle import BEFORE_CUSTOMER, ENDED, SHOWN_TO_CUSTOMER
from helpdesk.recovery.models import Offer
from helpdesk.recovery.option_models import OfferOption

_OPTION: Final = OfferOption.__table__.c


@dataclass(frozen=True, slots=True)
class Told:
    """`options`: what the customer may yet take of it, or has taken."""

    currency: str | None
    options: list[Said]


def told(session: Session, complaint_id: UUID, *, besides: Sequence[UUID | None]) -> list[Told]:
    """Each offer on a complaint that the customer was told of and that stands, those that a merge has brought included."""
    rows = session.execute(
        select(
            Offer.id,
            Offer.currency,
            Offer.chosen_option,
            Offer.breakdown,
            func.coalesce(_OPTION.number, 1).label("number"),
            case((_OPTION.id.is_(None), Offer.kind), else_=_OPTION.kind).label("kind"),
            func.coalesce(case((_OPTION.id.is_(None), Offer.amount_minor), else_=_OPTION.amount_minor), 0).label(
                "minor"
            ),
        )
        .select_from(Offer)
        .outerjoin(OfferOption, _OPTION.offer_id == Offer.id)
        .where(
            Offer.complaint_id == complaint_id,
            Offer.status.in_(SHOWN_TO_CUSTOMER - ENDED),
            or_(Offer.status.not_in(BEFORE_CUSTOMER), Offer.valid_until > func.now()),
            Offer.id.not_in([one for one in besides if one is not None]),
        )
        .order_by(Offer.id, _OPTION.number)
    ).mappings()
    return [_as_told(list(options)) for _, options in groupby(rows, key=lambda row: row["id"])]


def _as_told(rows: Sequence[Mapping[Any, Any]]) -> Told:
    parts = breakdown.read(rows[0]["breakdown"])
    several = len(rows) > 1
    open_ = [row for row in rows if row["chosen_option"] in {None, row["number"]}]
    said = [breakdown.said(row["kind"], row["minor"], parts.get(row["number"]), several=several) for row in open_]
    return Told(rows[0]["currency"], said)
