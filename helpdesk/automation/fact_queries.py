"""What conditions of triggers ask of clocks and offers."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from helpdesk.recovery.models import Offer
from helpdesk.sla.models import Clock

_OFFER: Final = Offer.__table__.c
_OFFERS: Final = select(_OFFER.status, _OFFER.kind).where(_OFFER.complaint_id == bindparam("complaint_id"))
_CLOCKS: Final = (
    select(Clock)
    .where(Clock.complaint_id == bindparam("complaint_id"), Clock.round == bindparam("round"))
    .order_by(Clock.started_at, Clock.id)
)


def offers_of(session: Session, complaint_id: UUID) -> Sequence[Any]:
    """`status` and `kind` of each."""
    return session.execute(_OFFERS, {"complaint_id": complaint_id}).all()


def clocks_of_round(session: Session, complaint_id: UUID, round_: int) -> Sequence[Clock]:
    """Of several of one kind the one that started last comes last."""
    return session.scalars(_CLOCKS, {"complaint_id": complaint_id, "round": round_}).all()
