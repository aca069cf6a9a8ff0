"""What an evidence pack tells of remedies: every offer, with its options, counter-offers, how it differs from the suggestion, and
each of its steps, and what became of its voucher. A voucher's code is money, and left out.
"""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from helpdesk.kernel.schemas import json_safe
from helpdesk.recovery import counter_queries, option_queries, override_queries, voucher_queries
from helpdesk.recovery.models import Offer, OfferTransition

_TOLD: Final = tuple(column for column in Offer.__table__.c if column.name != "issued_reference")


def offers_as_evidence(session: Session, complaint_id: UUID) -> list[dict[str, Any]]:
    offers = (
        session.execute(
            select(*_TOLD, override_queries.KEPT.label("override"))
            .where(Offer.complaint_id == complaint_id)
            .order_by(Offer.id)
        )
        .mappings()
        .all()
    )
    took = session.execute(
        select(*OfferTransition.__table__.c)
        .where(OfferTransition.offer_id.in_([row["id"] for row in offers]))
        .order_by(OfferTransition.offer_id, OfferTransition.number)
    ).mappings()
    steps: dict[UUID, list[Any]] = {}
    for step in took:
        steps.setdefault(step["offer_id"], []).append({**step})
    options = option_queries.as_evidence(session, [row["id"] for row in offers])
    counters = counter_queries.counters_of(session, [row["id"] for row in offers])
    vouchers = voucher_queries.as_evidence(session, [row["id"] for row in offers])
    return [
        json_safe(
            {
                **row,
                "steps": steps.get(row["id"], []),
                "options": options.get(row["id"], []),
                "counter_offers": counters.get(row["id"], []),
                "voucher": vouchers.get(row["id"]),
            }
        )
        for row in offers
    ]
