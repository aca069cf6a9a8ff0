"""Every select on offers and what was issued, and the one way to lock an offer.

An offer exists for whom its complaint exists (`complaints.queries.visible_to`). Locks are taken in one order everywhere:
complaint, offer, budget. An offer is locked in this module alone, with its complaint (`hold*`) or beneath one whose lock the
caller has (`offers_for_update`), so nobody can take them the other way round.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Text, Uuid, and_, any_, bindparam, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from helpdesk.complaints.models import Complaint, Issue
from helpdesk.complaints.queries import DEMANDED, SIGHTS, demanding, sight, visible_id, visible_to
from helpdesk.identity.actors import Actor
from helpdesk.kernel import in_force
from helpdesk.kernel.errors import MovedMeanwhile, NotFound
from helpdesk.kernel.outbox import Duty
from helpdesk.kernel.pagination import Listed, Order, Page, listed
from helpdesk.recovery import override_queries
from helpdesk.recovery.kinds import ISSUING_TOPICS, OUTSIDE
from helpdesk.recovery.lifecycle import BEFORE_CUSTOMER, DELAYING, ISSUING_ACTIONS, UNANSWERED, Situation
from helpdesk.recovery.models import Offer, OfferTransition
from helpdesk.recovery.points_models import PointsEntry, PointsLot, PointsPart
from helpdesk.recovery.provider_models import RemedyOrder
from helpdesk.recovery.voucher_models import Voucher, VoucherEntry

LINK_PURPOSE: Final = "offer"
LINK_OUTLIVES: Final = timedelta(days=90)
"""How much longer than the offer its link lives."""
_back: Final = aliased(VoucherEntry)


@dataclass(frozen=True, slots=True)
class Held:
    """An offer and its complaint, both locked, in that knowledge passed on. `now`: when the transaction began, by the
    database's clock; all of one transaction is decided by one time. `used`: something was bought with its voucher,
    or with its points. `ended`: their time is over. `settles`: whoever holds it may say what came of its issuance. `contradicted`: its provider says something else of that than what
    is recorded.
    """

    complaint: Complaint
    offer: Offer
    now: datetime
    used: bool
    ended: bool
    settles: bool
    contradicted: bool

    @property
    def version(self) -> int:
        return self.offer.version

    @property
    def etag(self) -> str:
        return self.offer.etag

    @property
    def situation(self) -> Situation:
        return situation(
            self.offer.kind,
            self.offer.valid_until,
            self.now,
            used=self.used,
            ended=self.ended,
            settles=self.settles,
            delivered=self.offer.delivered_at is not None,
            unknown=self.offer.issuance == "unknown",
            asked=is_asked(self.offer.kind, self.offer.issuance),
            contradicted=self.contradicted,
            counters=self.offer.counters,
            reported=self.offer.reported_at is not None,
        )


def is_asked(kind: str, issuance: str | None) -> bool:
    """Whether a provider is asked for it."""
    return kind in OUTSIDE and issuance == "automatic"


def situation(kind: str, valid_until: datetime | None, now: datetime, **more: Any) -> Situation:
    """`more`: what else there is to it."""
    return Situation(kind, in_time=valid_until is None or now < valid_until, **more)


_FREE_OF_ISSUING: Final = (
    select(Complaint, DEMANDED, Offer, func.now().label("now"), in_force.REVISION.label("revision"))
    .join(Offer, Offer.complaint_id == Complaint.id)
    .where(
        Offer.id == any_(bindparam("offer_ids", type_=ARRAY(Uuid()))),
        Offer.kind == any_(bindparam("kinds", type_=ARRAY(Text()))),
        Offer.status == "issuing",
    )
    .order_by(Offer.id)
    .with_for_update(of=(Complaint, Offer), skip_locked=True)
)


def hold(session: Session, actor: Actor, offer_id: UUID) -> Held:
    """Lock the complaint, then the offer. Raises `NotFound` when this actor may not see the complaint."""
    kind, values = sight(actor)
    held = _hold(session, offer_id, kind, values)
    return replace(held, settles=held.offer.issuance != "automatic")


def hold_any(session: Session, offer_id: UUID) -> Held:
    """For the program itself: no visibility. Raises `NotFound` for an offer that is not there."""
    return _hold(session, offer_id, "everything", {})


def _hold(session: Session, offer_id: UUID, kind: str, values: Mapping[str, Any]) -> Held:
    """One statement finds both, locks the complaint, then the offer, and brings the time."""
    asked = {"offer_id": offer_id, **values}
    row = session.execute(_both_locked(kind), asked).one_or_none()
    if row is None:
        if session.execute(_both(kind), asked).first() is None:
            raise NotFound
        raise MovedMeanwhile  # its complaint was merged into another while that one's lock was waited for
    in_force.saw_time(session, row.now, row.revision)
    return _with_uses(session, demanding(row), row.Offer, row.now)


@cache
def _both(sight_: str) -> Any:
    found = select(Offer.id).join(Complaint, Complaint.id == Offer.complaint_id)
    return found.where(Offer.id == bindparam("offer_id"), SIGHTS[sight_])


@cache
def _both_locked(sight_: str) -> Any:
    """Kept, as `complaints.queries.of_one`. Rows are locked in the order in which `of` names them. Of a row that was waited for
    PostgreSQL asks the conditions again, as it is then: an offer that went to another complaint is not found.
    """
    found = select(Complaint, DEMANDED, Offer, func.now().label("now"), in_force.REVISION.label("revision")).join(
        Offer, Offer.complaint_id == Complaint.id
    )
    return found.where(Offer.id == bindparam("offer_id"), SIGHTS[sight_]).with_for_update(of=(Complaint, Offer))


def hold_free_of_issuing(session: Session, offer_ids: Sequence[UUID], kinds: Collection[str]) -> list[Held]:
    """Of these offers those that are being issued, are of these kinds, and whose complaint and row nobody has in hand: locked
    without waiting for anybody.
    """
    rows = session.execute(_FREE_OF_ISSUING, {"offer_ids": list(offer_ids), "kinds": list(kinds)}).all()
    if rows:
        in_force.saw_time(session, rows[0].now, rows[0].revision)
    return [_with_uses(session, demanding(row), row.Offer, row.now) for row in rows]


def hold_if_free(session: Session, offer_id: UUID) -> Held | None:
    """For sweeps: None when somebody is at work on the complaint; the next round will find it."""
    complaint_id, now = _complaint_of(session, offer_id)
    locked = select(Complaint).where(Complaint.id == complaint_id).with_for_update(skip_locked=True)
    complaint = session.execute(locked).scalar_one_or_none()
    return None if complaint is None else _held(session, complaint, offer_id, now)


def hold_unanswered(session: Session, complaint_ids: Sequence[UUID]) -> list[Held]:
    """Every offer on these complaints that the customer has not answered. Usually none, in one statement."""
    found = session.execute(
        select(Offer.id)
        .where(Offer.complaint_id.in_(complaint_ids), Offer.status.in_(UNANSWERED))
        .order_by(Offer.complaint_id, Offer.id)
    ).scalars()
    return [hold_any(session, offer_id) for offer_id in found.all()]


def complaint_of(session: Session, offer_id: UUID) -> UUID | None:
    """The complaint that an offer hangs on, for the program itself; None where there is no such offer."""
    return session.execute(select(Offer.complaint_id).where(Offer.id == offer_id)).scalar_one_or_none()


def clock(session: Session) -> datetime:
    """The database's time: one for all of a transaction, as `Held.now`."""
    now: datetime = session.execute(select(func.now())).scalar_one()
    return now


def _complaint_of(session: Session, offer_id: UUID) -> tuple[UUID, datetime]:
    row = session.execute(select(Offer.complaint_id, func.now()).where(Offer.id == offer_id)).one_or_none()
    if row is None:
        raise NotFound
    return row[0], row[1]


def _held(session: Session, complaint: Complaint, offer_id: UUID, now: datetime) -> Held:
    return _with_uses(session, complaint, _lock_offer(session, offer_id, complaint.id), now)


def _with_uses(session: Session, complaint: Complaint, offer: Offer, now: datetime) -> Held:
    # Asked under the offer's lock, which whoever uses the voucher holds; of points it is asked again under their account's.
    asked = offer.kind in {"voucher", "points"} and offer.status == "issued"
    used, ended = session.execute(_IS_USED, {"offer_id": offer.id}).one() if asked else (False, False)
    asked = offer.status == "failed" or offer.issuance == "unknown"
    contradicted = asked and bool(session.execute(_IS_CONTRADICTED, {"offer_id": offer.id}).scalar_one())
    return Held(complaint, offer, now, used, ended, settles=True, contradicted=contradicted)


def _lock_offer(session: Session, offer_id: UUID, complaint_id: UUID) -> Offer:
    """Raises `MovedMeanwhile` when its complaint was merged into another while that one's lock was waited for."""
    offer = session.execute(select(Offer).where(Offer.id == offer_id).with_for_update()).scalar_one()
    if offer.complaint_id != complaint_id:
        raise MovedMeanwhile
    return offer


def offers_for_update(session: Session, complaint_id: UUID, offer_ids: Sequence[UUID] | None = None) -> list[Offer]:
    """A complaint's offers, or those of them that are named; the complaint is locked by the caller."""
    statement = select(Offer).where(Offer.complaint_id == complaint_id)
    if offer_ids is not None:
        statement = statement.where(Offer.id.in_(offer_ids))
    return list(session.scalars(statement.order_by(Offer.id).with_for_update()))


_VOUCHER_USED: Final = exists().where(
    Voucher.offer_id == Offer.id, Voucher.id == VoucherEntry.voucher_id, VoucherEntry.kind == "redeem",
    ~exists().where(_back.reverses_id == VoucherEntry.id),
).correlate(Offer)  # fmt: skip
_points_back: Final = aliased(PointsEntry)
_POINTS_BURNT: Final = exists().where(
    PointsLot.offer_id == Offer.id, PointsPart.lot_id == PointsLot.id, PointsEntry.id == PointsPart.entry_id,
    PointsEntry.kind == "burn", ~exists().where(_points_back.reverses_id == PointsEntry.id),
).correlate(Offer)  # fmt: skip
_USED: Final = or_(_VOUCHER_USED, _POINTS_BURNT)
_ENDED: Final = or_(
    exists().where(Voucher.offer_id == Offer.id, Voucher.expires_at <= func.now()).correlate(Offer),
    exists().where(PointsLot.offer_id == Offer.id, PointsLot.expires_at <= func.now()).correlate(Offer),
)
CONTRADICTED: Final = exists().where(
    RemedyOrder.offer_id == Offer.id,
    RemedyOrder.contradicted_at.is_not(None),
    RemedyOrder.contradiction_settled_at.is_(None),
).correlate(Offer)  # fmt: skip
_IS_USED: Final = select(_USED, _ENDED).where(Offer.id == bindparam("offer_id"))
_IS_CONTRADICTED: Final = select(CONTRADICTED).where(Offer.id == bindparam("offer_id"))
OFFER: Final[Any] = (
    select(
        Offer.id,
        Offer.complaint_id,
        Complaint.reference.label("complaint_reference"),
        Complaint.status.label("complaint_status"),
        Complaint.customer_id,
        Complaint.team_id,
        Offer.kind,
        Offer.amount_minor,
        Offer.currency,
        Offer.status,
        Offer.status_reason,
        Offer.reason,
        Offer.text,
        Offer.language,
        Offer.valid_days,
        Offer.valid_until,
        Offer.voucher_days,
        Offer.voucher_partial,
        Offer.points_days,
        Offer.chosen_option,
        Offer.counters,
        Offer.successor_of,
        Offer.copied_from,
        Offer.reported_at,
        Offer.reminded_at,
        Offer.drafted_by,
        Offer.approvals,
        Offer.budget_id,
        Offer.round,
        Offer.issuance,
        Offer.issued_reference,
        Offer.delivered_at,
        Offer.suggestion,
        Offer.breakdown,
        override_queries.KEPT.label("override"),
        Offer.version,
        Offer.created_at,
        func.now().label("now"),
        _USED.label("used"),
        _ENDED.label("ended"),
        CONTRADICTED.label("contradicted"),
    )
    .select_from(Offer)
    .join(Complaint, Complaint.id == Offer.complaint_id)
)
_BY_OFFER: Final = Order((Offer.id,), (UUID,), descending=True)


def with_amount(row: Mapping[Any, Any]) -> dict[str, Any]:
    shown = dict(row)
    minor, currency = shown.pop("amount_minor"), shown.pop("currency")
    shown["amount"] = None if minor is None else (minor, currency)
    return shown


def offer_detail(session: Session, actor: Actor | None, offer_id: UUID) -> dict[str, Any]:
    """One offer. Without an actor: for whoever has just changed it."""
    condition = Offer.id == offer_id if actor is None else and_(Offer.id == offer_id, visible_to(actor))
    row = session.execute(OFFER.where(condition)).mappings().one_or_none()
    if row is None:
        raise NotFound
    return with_amount(row)


def list_offers(session: Session, actor: Actor, page: Page, given: dict[str, Any]) -> Listed:
    """Newest first, of complaints that the actor may see."""
    conditions: list[ColumnElement[bool]] = [visible_to(actor)]
    conditions += [getattr(Offer, name) == given[name] for name in ("status", "kind", "issuance") if name in given]
    if "undelivered_days" in given:
        conditions.append(_on_its_way(given["undelivered_days"]))
    if "approved_before" in given:
        conditions += [Offer.status == "approved", Offer.granted_at < given["approved_before"]]
    return _offers(session, page, OFFER.where(*conditions), given)


def _on_its_way(days: int) -> ColumnElement[bool]:
    """Issued so many days ago or longer, and nobody has said that it came."""
    sent = exists().where(
        OfferTransition.offer_id == Offer.id,
        OfferTransition.action.in_(ISSUING_ACTIONS),
        OfferTransition.at <= func.now() - func.make_interval(0, 0, 0, days),
    )
    return and_(Offer.status == "issued", Offer.delivered_at.is_(None), sent)


def offers_of(session: Session, actor: Actor, page: Page, given: dict[str, Any], ref: str) -> Listed:
    complaint_id = visible_id(session, actor, ref)
    return _offers(session, page, OFFER.where(Offer.complaint_id == complaint_id), given)


def _offers(session: Session, page: Page, statement: Any, given: dict[str, Any]) -> Listed:
    rows, cursor, total = listed(session, page, statement, _BY_OFFER, given)
    return [with_amount(row) for row in rows], cursor, total


def drafter_of(session: Session, offer_id: UUID) -> UUID | None:
    return session.execute(select(Offer.drafted_by).where(Offer.id == offer_id)).scalar_one_or_none()


_EARLIER: Final = Complaint.__table__.alias("earlier").c
_THEIRS, _MINE = Issue.__table__.alias("theirs").c, Issue.__table__.alias("mine").c
MOST_REPEATS: Final = 20
_DECIDED: Final = func.coalesce(_THEIRS.outcome, _EARLIER.outcome)
_FAILED_BEFORE: Final = (
    select(_EARLIER.id)
    .join_from(_EARLIER.id.table, _THEIRS.id.table, _THEIRS.complaint_id == _EARLIER.id)
    .where(
        _EARLIER.customer_id == bindparam("customer_id"),
        _EARLIER.id != bindparam("complaint_id"),
        or_(
            and_(_EARLIER.status.in_(("resolved", "followed_up")), _DECIDED.in_(("upheld", "partly_upheld"))),
            and_(_EARLIER.status == "investigated", _EARLIER.fault.in_(("firm", "shared"))),
        ),
        _EARLIER.received_at <= bindparam("received_at"),
        _EARLIER.received_at >= bindparam("since"),
        _THEIRS.issue.in_(
            select(_MINE.issue).where(_MINE.complaint_id == bindparam("complaint_id"), _MINE.issue.is_not(None))
        ),
    )
    .group_by(_EARLIER.id, _EARLIER.received_at)
    .order_by(_EARLIER.received_at.desc(), _EARLIER.id)
    .limit(MOST_REPEATS)
)
"""Made once: putting it together takes SQLAlchemy longer than the database needs to answer it."""


def failed_before(session: Session, complaint: Complaint, within_days: int) -> tuple[UUID, ...]:
    """The same customer's complaints of the days before this one in which one of the same issues is established to have failed: it
    was upheld, wholly or partly, or, while that is not decided, was investigated and the fault found to be the firm's, wholly
    or partly. The latest first, `MOST_REPEATS` at most.
    """
    if complaint.customer_id is None:
        return ()
    asked = {
        "customer_id": complaint.customer_id,
        "complaint_id": complaint.id,
        "received_at": complaint.received_at,
        "since": complaint.received_at - timedelta(days=within_days),
    }
    return tuple(session.execute(_FAILED_BEFORE, asked).scalars())


def was_delayed(session: Session, offer: Offer) -> bool:
    """Whether one of its steps before the last said that it could not be issued so far, or that nobody knows."""
    found = select(OfferTransition.id).where(
        OfferTransition.offer_id == offer.id,
        OfferTransition.number < offer.steps,
        OfferTransition.action.in_(DELAYING),
    )
    return session.execute(found.limit(1)).first() is not None


def due_to_expire(session: Session, limit: int) -> Sequence[UUID]:
    return session.scalars(
        select(Offer.id)
        .where(Offer.status.in_(BEFORE_CUSTOMER), Offer.valid_until <= func.now())
        .order_by(Offer.valid_until)
        .limit(limit)
    ).all()


_KIND_ISSUED: Final = select(Offer.__table__.c.kind).where(
    Offer.__table__.c.id == bindparam("offer_id"), Offer.__table__.c.status == "issuing"
)


def kind_being_issued(session: Session, offer_id: UUID) -> str | None:
    """None when it is not being issued (done already, or failed)."""
    return session.execute(_KIND_ISSUED, {"offer_id": offer_id}).scalar_one_or_none()


def _abandoned() -> ColumnElement[bool]:
    """Helpdesk issues it by itself, and nobody owes that any more. What waits for a person is owed by no duty."""
    owed = exists().where(
        Duty.subject_id == Offer.id, Duty.topic.in_(ISSUING_TOPICS), Duty.done_at.is_(None), Duty.dead_at.is_(None)
    )
    return and_(Offer.issuance == "automatic", ~owed)


def issuing_without_duty(session: Session, limit: int) -> Sequence[UUID]:
    return session.scalars(select(Offer.id).where(_abandoned()).order_by(Offer.id).limit(limit)).all()


def is_abandoned(session: Session, offer_id: UUID) -> bool:
    """Asked again under the offer's lock: the duty of a new round is written by whoever holds it."""
    return session.execute(select(Offer.id).where(Offer.id == offer_id, _abandoned())).first() is not None
