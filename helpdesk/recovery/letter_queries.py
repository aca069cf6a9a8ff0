"""Every select on letters for people: one of an offer, and those that are to be posted."""

from collections.abc import Collection
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, bindparam, case, exists, false, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.complaints.queries import visible_to
from helpdesk.identity.actors import Actor
from helpdesk.kernel.access import existing
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.mail import OutboundMail
from helpdesk.kernel.pagination import Listed, Order, Page, listed
from helpdesk.recovery.models import Letter, Offer

_MAIL: Final = OutboundMail.__table__.c
_DELIVERY: Final = case(
    (_MAIL.cancelled_at.is_not(None), "cancelled"),
    (_MAIL.failed_at.is_not(None), "failed"),
    (_MAIL.sent_at.is_not(None), "sent"),
    (_MAIL.id.is_not(None), "queued"),
    (and_(Letter.mail_id.is_not(None), Letter.posted_at.is_(None), Offer.delivered_at.is_not(None)), "sent"),
    (Letter.mail_id.is_not(None), "queued"),
)
"""Of its last mail, which may have been cleared away since; null without one."""
_TO_BE_POSTED: Final = and_(
    Offer.status == "issued",
    Offer.delivered_at.is_(None),
    or_(Letter.mail_id.is_(None), _DELIVERY.in_(("cancelled", "failed"))),
)
_LETTER: Final[Any] = (
    select(
        Letter.id,
        Letter.offer_id,
        Offer.complaint_id,
        Complaint.reference.label("complaint_reference"),
        Letter.language,
        Letter.subject,
        Letter.body,
        func.coalesce(_DELIVERY == "sent", false()).label("mailed"),
        _DELIVERY.label("mail_delivery"),
        _TO_BE_POSTED.label("to_be_posted"),
        Letter.posted_at,
        Letter.created_at,
    )
    .join(Offer, Offer.id == Letter.offer_id)
    .join(Complaint, Complaint.id == Offer.complaint_id)
    .outerjoin(OutboundMail.__table__, _MAIL.id == Letter.mail_id)
    # What was written for an offer that is not issued counts for nothing.
    .where(Offer.status == "issued")
)
_BY_LETTER: Final = Order((Letter.id,), (UUID,))


_OF_OFFER: Final = select(Letter).where(Letter.offer_id == bindparam("offer_id"))
_MAKE: Final = insert(Letter.__table__).on_conflict_do_nothing(index_elements=["offer_id"])


def make(session: Session, offer: Offer, subject: str, body: str) -> Letter:
    """Made with these words, or the one that is there. The offer is locked."""
    row = {"id": new_id(), "offer_id": offer.id, "language": offer.language, "subject": subject, "body": body}
    session.execute(_MAKE, row)
    return letter_of(session, offer.id)


def letter_of(session: Session, offer_id: UUID) -> Letter:
    return session.execute(_OF_OFFER, {"offer_id": offer_id}).scalar_one()


def is_on_its_way(session: Session, offer_id: UUID, reasons: Collection[str], address: str) -> bool:
    """Whether a mail of these reasons to this address waits to go out, or to be tried again."""
    waiting = exists().where(
        _MAIL.subject_id == offer_id,
        _MAIL.sent_at.is_(None),
        _MAIL.failed_at.is_(None),
        _MAIL.cancelled_at.is_(None),
        _MAIL.reason.in_(reasons),
        func.lower(_MAIL.recipient) == func.lower(address),
    )
    return bool(session.execute(select(waiting)).scalar_one())


def letter_detail(session: Session, actor: Actor, offer_id: UUID) -> dict[str, Any]:
    """Raises `NotFound`, also while it is not issued."""
    row = session.execute(_LETTER.where(Letter.offer_id == offer_id, visible_to(actor))).mappings().one_or_none()
    return dict(existing(row))


def list_letters(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Listed:
    """Oldest first."""
    statement = _LETTER.where(visible_to(actor))
    if "to_be_posted" in given:
        statement = statement.where(_TO_BE_POSTED if given["to_be_posted"] else ~_TO_BE_POSTED)
    return listed(session, page, statement, _BY_LETTER, given)
