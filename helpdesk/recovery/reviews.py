"""Sending a claim to review, and settling that. A review refuses nothing and takes nothing away: what goes beyond what is owed
waits for somebody's word, and is then approved like any other offer.

It is opened when an offer is submitted whose claim has a score at or above the threshold. From then on nobody approves offers
on this complaint that go beyond what is owed, not even by their own authority, until it is settled; drafting goes on, and so
does what is owed (restitution, what the law lays down), as far as it is money, and what costs nothing. Who drafted the offer does
not settle it. Once settled, it is not opened again in this round of the complaint, unless the score rises. With a complaint that
ends undecided (withdrawn, dismissed, merged into another) it is forgotten: nobody is asked what would come to nothing.

Neither the score nor its reasons, nor that there is a review, is in the complaint's own story: that goes into evidence packs,
which the customer may come to read. It is in the log of administrative acts.
"""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.complaints.queries import complaint_by_id_for_update
from helpdesk.identity.actors import Actor
from helpdesk.identity.administration import record_administration
from helpdesk.kernel.errors import DomainError
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.money import Money, MoneyError
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import claims, guard_queries, override_queries
from helpdesk.recovery.errors import ClaimUnderReview, OwnReview, ReviewClosed
from helpdesk.recovery.guard_events import ClaimReviewDropped, ClaimReviewOpened, ClaimReviewSettled
from helpdesk.recovery.guard_models import ClaimReview
from helpdesk.recovery.guard_queries import HeldReview
from helpdesk.recovery.queries import Held

LAPSE: Final = "recovery.lapse_reviews"
"""Topic of the duty to let lapse what was opened on complaints of somebody who is found to be protected; its subject is the
complaint on which that was recorded, or whose complainant turned out to be somebody else's. Its kin are locked one by one, and not
by whoever has this one in hand.
"""


def hold_up(uow: UnitOfWork, actor: Actor, held: Held) -> bool:
    """At submission: whether the offer waits for a reviewer. Opens the review where the score asks for it."""
    offer, complaint = held.offer, held.complaint
    if offer.amount_minor is None or is_owed(uow.session, held):
        return False
    scored = claims.look_at(uow.session, complaint)
    if scored is None:
        drop(uow, complaint)
        return False
    if guard_queries.open_review(uow.session, complaint.id) is not None:
        return True
    settled = guard_queries.settled_score(uow.session, complaint.id, complaint.round)
    if not scored.review or (settled is not None and scored.score <= settled):
        return False
    review = ClaimReview(
        id=new_id(),
        version=1,
        created_at=uow.now,
        complaint_id=complaint.id,
        offer_id=offer.id,
        round=complaint.round,
        state="open",
        score=scored.score,
        rules=scored.version,
        reasons=claims.as_data(scored),
    )
    uow.session.add(review)
    event = ClaimReviewOpened(
        review_id=review.id,
        complaint_id=complaint.id,
        offer_id=offer.id,
        score=scored.score,
        threshold=scored.threshold,
        rules=scored.version,
        reasons=[reason.code for reason in scored.reasons],
    )
    record_administration(uow, event, actor=actor)
    return True


def is_owed(session: Session, held: Held) -> bool:
    """Whether the offer is money, whatever the customer chooses, and with the money that was granted on its complaint before no
    more than the playbook found to be owed when it was drafted. A voucher settles nothing that is owed, and uses up nothing of it.
    """
    offer = held.offer
    if offer.amount_minor is None or offer.currency is None:
        return True
    return _is_owed(session, offer.complaint_id, offer.id, offer.currency, offer.suggestion)


def _is_owed(
    session: Session, complaint_id: UUID, offer_id: UUID, currency: str, suggestion: Mapping[str, Any]
) -> bool:
    owed = owed_by(suggestion)
    if owed is None or owed.currency != currency:
        return False
    this = override_queries.of_one(session, offer_id, currency)
    if not this.is_money:
        return False
    return override_queries.granted_beside(session, complaint_id, offer_id, currency).money + this.money <= owed


def waits(session: Session, row: Mapping[str, Any]) -> bool:
    """`refusal`, of an offer as it is shown (`queries.offer_detail`); without any lock."""
    if row["amount"] is None or not guard_queries.is_open(session, row["complaint_id"]):
        return False
    if _is_owed(session, row["complaint_id"], row["id"], row["amount"][1], row["suggestion"]):
        return False
    return not claims.is_protected_now(session, session.get_one(Complaint, row["complaint_id"]))


def owed_by(suggestion: Mapping[str, Any]) -> Money | None:
    try:
        return Money.parse(suggestion["owed"]["amount"], suggestion["owed"]["currency"])
    except (KeyError, TypeError, MoneyError):
        return None


def refusal(session: Session, held: Held) -> DomainError | None:
    """Why an offer is not approved now; None: it can be. Whoever has come to be protected waits for nobody."""
    complaint = held.complaint
    if held.offer.amount_minor is None or not guard_queries.is_open(session, complaint.id):
        return None
    if is_owed(session, held) or claims.is_protected_now(session, complaint):
        return None
    return ClaimUnderReview()


def check_settle(_session: Session, actor: Actor, held: HeldReview) -> None:
    """Raises `OwnReview` (403), `ReviewClosed` (409)."""
    if actor.person_id is not None and actor.person_id == held.drafted_by:
        raise OwnReview
    if held.review.state != "open":
        raise ReviewClosed(f"The review is {held.review.state}.", state=held.review.state)


def settle(uow: UnitOfWork, actor: Actor, held: HeldReview, given: Mapping[str, Any]) -> UUID:
    """`given`: decision and reason; `check_settle` comes first. The review's id."""
    review = held.review
    review.state, review.decision, review.reason = "settled", given["decision"], given["reason"]
    review.settled_at, review.settled_by = uow.now, actor.person_id
    review.touch()
    record_administration(
        uow,
        ClaimReviewSettled(
            review_id=review.id,
            complaint_id=review.complaint_id,
            offer_id=review.offer_id,
            decision=given["decision"],
            reason=given["reason"],
        ),
    )
    return review.id


def lapse(uow: UnitOfWork, complaint_id: UUID) -> None:
    """The review of a complaint, where somebody on it, or on another of the same person's, is found to be protected by now."""
    complaint = complaint_by_id_for_update(uow.session, complaint_id)
    if claims.is_protected_now(uow.session, complaint):
        drop(uow, complaint)


def drop(uow: UnitOfWork, complaint: Complaint) -> None:
    """Somebody on it is found to be protected, or there is nothing to approve on it any more: what was scored is forgotten. The
    complaint is locked.
    """
    review = guard_queries.open_review(uow.session, complaint.id)
    if review is None:
        return
    review.state, review.score, review.reasons, review.settled_at = "dropped", None, None, uow.now
    review.touch()
    event = ClaimReviewDropped(review_id=review.id, complaint_id=complaint.id, offer_id=review.offer_id)
    record_administration(uow, event)
