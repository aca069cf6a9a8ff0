"""Every select on what waits for approval, on decisions, and on flags."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, select, update
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.complaints.queries import visible_to
from helpdesk.identity.actors import Actor
from helpdesk.identity.allowances import SCOPES
from helpdesk.identity.models import Role
from helpdesk.identity.role_queries import holding
from helpdesk.kernel.pagination import Listed, Order, Page, listed
from helpdesk.recovery import option_queries
from helpdesk.recovery.approval_models import ApprovalRequest
from helpdesk.recovery.decision_models import OfferDecision
from helpdesk.recovery.flag_models import OfferFlag
from helpdesk.recovery.guard_models import ClaimReview
from helpdesk.recovery.models import Offer, OfferTransition
from helpdesk.recovery.queries import offer_detail

_REQUEST: Final = ApprovalRequest.__table__.c
_OFFER: Final = Offer.__table__.c
_DECISION: Final = OfferDecision.__table__.c
_STEP: Final = OfferTransition.__table__.c
_FLAG: Final = OfferFlag.__table__.c
_REVIEW: Final = ClaimReview.__table__.c

BY_DUE: Final = Order((_REQUEST.due_at, _REQUEST.offer_id), (datetime, UUID))
_FLAGGED: Final = exists().where(_FLAG.offer_id == _OFFER.id).label("flagged")
_REVIEW_OPEN: Final = (
    exists().where(_REVIEW.complaint_id == _OFFER.complaint_id, _REVIEW.state == "open").label("review_open")
)
_WAITING: Final[Any] = (
    select(
        _REQUEST.offer_id,
        _REQUEST.asked_at,
        _REQUEST.due_at,
        _REQUEST.level,
        _REQUEST.escalated_to,
        (_REQUEST.due_at <= func.now()).label("overdue"),
        _OFFER.complaint_id,
        Complaint.reference.label("complaint_reference"),
        Complaint.customer_id,
        Complaint.team_id,
        _OFFER.kind,
        _OFFER.amount_minor,
        _OFFER.currency,
        _OFFER.drafted_by,
        _OFFER.approvals,
        _FLAGGED,
        _REVIEW_OPEN,
        func.now().label("now"),
    )
    .select_from(ApprovalRequest.__table__)
    .join(Offer.__table__, _OFFER.id == _REQUEST.offer_id)
    .join(Complaint, Complaint.id == _OFFER.complaint_id)
    .where(_REQUEST.closed_at.is_(None), _OFFER.status == "pending_approval")
)


def waiting(
    session: Session, actor: Actor, after: Sequence[Any] | None, limit: int, *, overdue: bool | None = None
) -> Sequence[Any]:
    """Offers on complaints that the actor sees, the one due first before the others; after a place in `BY_DUE`."""
    statement = _WAITING.where(visible_to(actor))
    if overdue is not None:
        late = _REQUEST.due_at <= func.now()
        statement = statement.where(late if overdue else ~late)
    if after is not None:
        statement = statement.where(BY_DUE.after(after))
    found: Sequence[Any] = session.execute(BY_DUE.apply(statement).limit(limit)).mappings().all()
    return found


def open_request(session: Session, offer_id: UUID) -> ApprovalRequest | None:
    """Of an offer whose lock is held."""
    statement = select(ApprovalRequest).where(_REQUEST.offer_id == offer_id, _REQUEST.closed_at.is_(None))
    return session.execute(statement).scalar_one_or_none()


def close_requests(session: Session, offer_ids: Sequence[UUID], now: datetime) -> None:
    """Of offers whose locks are held."""
    session.execute(
        update(ApprovalRequest)
        .where(ApprovalRequest.offer_id.in_(offer_ids), ApprovalRequest.closed_at.is_(None))
        .values(closed_at=now)
        .execution_options(synchronize_session=False)
    )


def late(session: Session, limit: int) -> Sequence[UUID]:
    """Offers of which nobody was told yet that they wait too long."""
    statement = select(_REQUEST.offer_id).where(
        _REQUEST.closed_at.is_(None), _REQUEST.overdue_at.is_(None), _REQUEST.due_at <= func.now()
    )
    return session.scalars(statement.order_by(_REQUEST.due_at).limit(limit)).all()


def approvers(session: Session, authority: str) -> list[UUID]:
    """Active agents of exactly this authority who may approve."""
    return list(session.scalars(holding("offer:approve").where(Role.authority == authority)))


_BY_NUMBER: Final = Order((_DECISION.number,), (int,))


def decisions_of(session: Session, actor: Actor, page: Page, given: dict[str, Any], offer_id: UUID) -> Listed:
    """What was decided on one offer, in its order. Raises `NotFound`."""
    currency = _judged_in(session, offer_detail(session, actor, offer_id))
    statement: Any = (
        select(
            *(column for column in _DECISION if column.name not in {"id", "offer_id"}),
            _STEP.from_status,
            _STEP.to_status,
            func.coalesce(
                _STEP.given["reason"].astext, _STEP.given["note"].astext, _STEP.given["because"].astext
            ).label("reason"),
        )
        .join(OfferTransition.__table__, (_STEP.offer_id == _DECISION.offer_id) & (_STEP.number == _DECISION.number))
        .where(_DECISION.offer_id == offer_id)
    )
    rows, cursor, total = listed(session, page, statement, _BY_NUMBER, given)
    return [_with_money(row, currency) for row in rows], cursor, total


def _judged_in(session: Session, offer: Mapping[str, Any]) -> str | None:
    """The currency of an offer's decisions: its own, or its options', where the customer took the one that costs nothing."""
    if offer["amount"] is not None:
        return str(offer["amount"][1])
    if offer["chosen_option"] is None:
        return None
    return next((option.currency for option in option_queries.kept(session, offer["id"]) if option.currency), None)


def _with_money(row: Any, currency: str | None) -> dict[str, Any]:
    shown = dict(row)
    judged = shown["limit_version"] is not None and currency is not None
    for what, name in (("minor", "granted"), ("limit", "limits")):
        amounts = {each: (shown.pop(f"{each}_{what}"), currency) for each in SCOPES}
        shown[name] = amounts if judged else None
    for name in ("amount", "together"):
        minor = shown.pop(f"{name}_minor")
        shown[name] = None if minor is None or currency is None else (minor, currency)
    return shown


_FLAGS: Final[Any] = (
    select(
        _FLAG.id,
        _FLAG.offer_id,
        _FLAG.number,
        _FLAG.refused,
        _FLAG.at,
        _FLAG.pattern,
        _FLAG.person_id,
        _FLAG.authority,
        _FLAG.limit_version,
        _FLAG.days,
        _FLAG.currency,
        _FLAG.total_minor,
        _FLAG.limit_minor,
        _FLAG.evidence,
        _OFFER.status.label("offer_status"),
        _OFFER.complaint_id,
        Complaint.reference.label("complaint_reference"),
    )
    .select_from(OfferFlag.__table__)
    .join(Offer.__table__, _OFFER.id == _FLAG.offer_id)
    .join(Complaint, Complaint.id == _OFFER.complaint_id)
)
_BY_FLAG: Final = Order((_FLAG.id,), (UUID,), descending=True)


def list_flags(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Listed:
    """The newest first, of offers that the actor sees."""
    conditions: list[ColumnElement[bool]] = [visible_to(actor)]
    conditions += [
        _FLAG[name] == given[name] for name in ("person_id", "pattern", "offer_id", "refused") if name in given
    ]
    if "offer_status" in given:
        conditions.append(_OFFER.status == given["offer_status"])
    if "flagged_from" in given:
        conditions.append(_FLAG.at >= given["flagged_from"])
    if "flagged_before" in given:
        conditions.append(_FLAG.at < given["flagged_before"])
    rows, cursor, total = listed(session, page, _FLAGS.where(*conditions), _BY_FLAG, given)
    return _flags(session, actor, rows), cursor, total


def flags_of(session: Session, actor: Actor, offer_id: UUID) -> list[dict[str, Any]]:
    """Of an offer that the actor sees, in their order."""
    rows = session.execute(_FLAGS.where(_FLAG.offer_id == offer_id).order_by(_FLAG.number, _FLAG.id)).mappings().all()
    return _flags(session, actor, rows)


def has_refusal(session: Session, offer_id: UUID, number: int, person_id: UUID | None) -> bool:
    """Whether it is flagged already that this person was refused; the offer's lock is held."""
    found = select(_FLAG.id).where(
        _FLAG.offer_id == offer_id,
        _FLAG.number == number,
        _FLAG.refused,
        _FLAG.person_id.is_not_distinct_from(person_id),
    )
    return session.execute(found).first() is not None


def _flags(session: Session, actor: Actor, rows: Sequence[Any]) -> list[dict[str, Any]]:
    """With the earlier offers whose complaints the actor sees, and how many more there are."""
    named = {UUID(item["offer_id"]) for row in rows for item in row["evidence"]}
    seen = _seen(session, actor, named) if named else {}
    return [_flag(row, seen) for row in rows]


def _seen(session: Session, actor: Actor, offer_ids: set[UUID]) -> dict[UUID, Any]:
    statement = (
        select(_OFFER.id, _OFFER.complaint_id, _OFFER.status, Complaint.reference)
        .select_from(Offer.__table__)
        .join(Complaint, Complaint.id == _OFFER.complaint_id)
        .where(_OFFER.id.in_(offer_ids), visible_to(actor))
    )
    return {row.id: row for row in session.execute(statement)}


def _flag(row: Any, seen: dict[UUID, Any]) -> dict[str, Any]:
    shown = dict(row)
    currency, evidence = shown.pop("currency"), shown.pop("evidence")
    for name in ("total", "limit"):
        shown[name] = (shown.pop(f"{name}_minor"), currency)
    shown["offers"] = [
        {
            "offer_id": item["offer_id"],
            "complaint_id": seen[UUID(item["offer_id"])].complaint_id,
            "complaint_reference": seen[UUID(item["offer_id"])].reference,
            "status": seen[UUID(item["offer_id"])].status,
            "relation": item["relation"],
            "amount": (item["amount_minor"], item.get("currency", currency)),
            "drafted_by": item["drafted_by"],
            "signed_by": item["signed_by"],
            "granted_at": item["granted_at"],
        }
        for item in evidence
        if UUID(item["offer_id"]) in seen
    ]
    shown["hidden"] = len(evidence) - len(shown["offers"])
    return shown
