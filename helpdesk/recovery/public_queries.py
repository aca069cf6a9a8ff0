"""Every select for the customer, who comes by a signed link: the right to one offer is not the right to the complaint."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.kernel import links
from helpdesk.kernel.errors import Gone, NotFound
from helpdesk.kernel.outbox import Duty, NewDuty
from helpdesk.kernel.unit_of_work import note
from helpdesk.recovery import breakdown, breakdown_words, counter_queries, option_queries
from helpdesk.recovery.customer_states import ANSWERING, told_to_customer
from helpdesk.recovery.kinds import SEEN, TOLD
from helpdesk.recovery.lifecycle import ENDED, LIFECYCLE, MOST_COUNTERS, SHOWN_TO_CUSTOMER
from helpdesk.recovery.models import Offer, OfferTransition
from helpdesk.recovery.points_models import PointsEntry, PointsLot, PointsPart
from helpdesk.recovery.queries import LINK_OUTLIVES, LINK_PURPOSE, Held, hold_any, situation, with_amount
from helpdesk.recovery.voucher_models import Voucher

_SEEN: Final = insert(Duty.__table__).on_conflict_do_nothing(index_elements=["topic", "dedupe_key"])
"""By looking they have the code. Whoever records that takes locks, which no look does."""

_ACCEPTED: Final = (
    select(OfferTransition.id)
    .where(OfferTransition.offer_id == Offer.id, OfferTransition.action == "accept")
    .correlate(Offer)
    .exists()
)
_POINTS_WRITTEN_OFF: Final = (
    select(PointsPart.entry_id)
    .join(PointsEntry, PointsEntry.id == PointsPart.entry_id)
    .where(PointsPart.lot_id == PointsLot.id, PointsEntry.kind == "expire")
    .correlate(PointsLot)
    .exists()
)


def hold_by_link(session: Session, key: str, token: str) -> Held:
    """Raises `NotFound` for a link that is not ours or not sent yet, `Gone` for one past its time."""
    held = hold_any(session, _offer_of(session, key, token))
    if held.offer.status not in SHOWN_TO_CUSTOMER:
        raise NotFound
    return held


def by_link(session: Session, key: str, token: str) -> dict[str, Any]:
    return shown_to_customer(session, _offer_of(session, key, token))


def _offer_of(session: Session, key: str, token: str) -> UUID:
    """Of a link that counts: as long as it was made for, or as the offer was prolonged since; it is the one that they have."""
    offer_id, until = links.opened(key, LINK_PURPOSE, token)
    row = session.execute(select(func.now(), Offer.valid_until).where(Offer.id == offer_id)).one_or_none()
    if row is None:
        raise NotFound
    now, valid_until = row
    if now > until and (valid_until is None or now > valid_until + LINK_OUTLIVES):
        raise Gone("This link has expired.")
    return offer_id


def shown_to_customer(session: Session, offer_id: UUID) -> dict[str, Any]:
    """What the signed link shows, and no more; `answers`: actions that they can take now; `owes`: they were told that something of
    it is owed; `accepted`: they had taken it, whatever became of it. Raises `NotFound` for what was not put before the customer.
    """
    row = session.execute(
        select(
            Offer.kind,
            Offer.amount_minor,
            Offer.currency,
            Offer.text,
            Offer.status,
            Offer.issuance,
            Offer.reason,
            Offer.valid_until,
            Offer.version,
            Complaint.reference.label("complaint_reference"),
            Voucher.code.label("voucher_code"),
            Voucher.expires_at.label("voucher_expires_at"),
            Voucher.balance_minor.label("voucher_balance"),
            Voucher.expired_at.is_not(None).label("written_off"),
            PointsLot.expires_at.label("points_expires_at"),
            PointsLot.balance_minor.label("points_balance"),
            _POINTS_WRITTEN_OFF.label("points_written_off"),
            Offer.voucher_days,
            Offer.voucher_partial,
            Offer.points_days,
            Offer.chosen_option,
            Offer.delivered_at,
            Offer.reported_at,
            Offer.language,
            Offer.breakdown,
            _ACCEPTED.label("accepted"),
            func.now().label("now"),
        )
        .join(Complaint, Complaint.id == Offer.complaint_id)
        .outerjoin(Voucher, Voucher.offer_id == Offer.id)
        .outerjoin(PointsLot, PointsLot.offer_id == Offer.id)
        .where(Offer.id == offer_id, Offer.status.in_(SHOWN_TO_CUSTOMER))
    ).mappings()
    found = row.one_or_none()
    if found is None:
        raise NotFound
    shown = with_amount(found)
    options = option_queries.shown(session, offer_id, shown)
    theirs = counter_queries.shown(session, offer_id)
    shown["counter"] = theirs[-1] if theirs else None
    shown["counters_left"] = MOST_COUNTERS - len(theirs)
    shown["replaced"] = shown["status"] == "revoked" and counter_queries.was_replaced(session, offer_id)
    in_time = shown["valid_until"] is None or shown["now"] < shown["valid_until"]
    answers = _answers(shown, len(theirs))
    shown["validity"] = _validity(shown)
    if shown["status"] != "issued":
        shown["voucher_expires_at"] = shown["points_expires_at"] = None
    if shown["validity"] != "valid":
        # A voucher that is being made, was used, was taken back or is past its time is not one to spend.
        shown["voucher_code"] = shown["voucher_balance"] = None
    elif shown["voucher_balance"] is not None:
        shown["voucher_balance"] = (shown["voucher_balance"], shown["amount"][1])
    if shown["voucher_code"] is not None and shown["delivered_at"] is None:
        note(session, _SEEN, NewDuty(SEEN, offer_id, {}, str(offer_id), None).row(shown["now"]))
    shown["delayed_because"] = _delayed_because(shown)
    shown["delayed"] = shown["delayed_because"] is not None
    shown["status"] = told_to_customer(shown["status"], in_time=in_time)
    shown["answers"] = () if shown["status"] == "expired" else answers
    parts = breakdown.read(shown["breakdown"])
    shown["owes"] = breakdown_words.owes(parts)
    # What has ended says no more of what is owed: another offer may, and no sum is to stand there twice.
    shown |= breakdown_words.in_offer(shown, options, {} if shown["status"] in ENDED else parts)
    shown["options"] = [_without_cost(option) for option in shown["options"]]
    return _without_cost(shown)


def _delayed_because(row: Mapping[str, Any]) -> str | None:
    """One of `DELAYS`, while they wait. What may have been done is not told as failed: its provider may say yet that it was."""
    if row["status"] == "failed":
        return "failed"
    return "unknown" if row["issuance"] == "unknown" else None


def _validity(row: Mapping[str, Any]) -> str | None:
    """One of `VALIDITIES`, of a voucher or points that they were given; what was used up in time has not expired, however late it is."""
    if row["status"] == "redeemed":
        return "used"
    until = row["voucher_expires_at"] or row["points_expires_at"]
    if row["status"] != "issued" or until is None:
        return None
    if row["points_balance"] == 0:
        return "expired" if row["points_written_off"] else "used"
    return "expired" if row["written_off"] or row["now"] >= until else "valid"


def _answers(row: Mapping[str, Any], counters: int) -> tuple[str, ...]:
    """As the lifecycle has it, so that nothing is shown that would be refused."""
    now = situation(
        row["kind"],
        row["valid_until"],
        row["now"],
        delivered=row["delivered_at"] is not None,
        counters=counters,
        reported=row["reported_at"] is not None,
    )
    allowed = LIFECYCLE.allowed(row["status"], now, ANSWERING.__contains__)
    return tuple(item["action"] for item in allowed if not item["missing"])


def _without_cost(shown: dict[str, Any]) -> dict[str, Any]:
    """What it costs us is not told."""
    return shown if shown["kind"] in TOLD else shown | {"amount": None}
