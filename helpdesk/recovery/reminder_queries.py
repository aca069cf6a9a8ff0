"""Which offers their customers are to be reminded of."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Person
from helpdesk.recovery.models import Offer


def due_to_remind(session: Session, lead: timedelta, limit: int) -> Sequence[UUID]:
    """Offers that end soon and that somebody can be reminded of, the first to end first."""
    somebody = exists().where(
        Person.complaint_id == Offer.complaint_id,
        Person.role.in_(("complainant", "representative")),
        Person.email.is_not(None),
    )
    return session.scalars(
        select(Offer.id)
        .where(
            Offer.status == "offered",
            Offer.reminded_at.is_(None),
            Offer.valid_until > func.now(),
            Offer.valid_until <= func.now() + lead,
            Offer.valid_until - func.now() <= func.now() - Offer.told_at,
            somebody,
        )
        .order_by(Offer.valid_until)
        .limit(limit)
    ).all()
