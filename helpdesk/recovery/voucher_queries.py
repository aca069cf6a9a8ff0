"""Every select on vouchers. A code is the right to its voucher, and to nothing else.

A code that nobody has, one that is being made, and one whose offer failed are the same to whoever asks: the same
statement finds nothing, and the same words say so.
"""

import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, Text, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from helpdesk.complaints.models import Complaint
from helpdesk.complaints.queries import visible_to
from helpdesk.identity.actors import Actor
from helpdesk.kernel.access import existing
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.pagination import Listed, Order, Page, listed
from helpdesk.recovery.codes import parse_code
from helpdesk.recovery.models import Offer
from helpdesk.recovery.queries import Held, hold_any
from helpdesk.recovery.voucher_models import Voucher, VoucherEntry, VoucherKey

VOUCHER_STATES: Final = ("valid", "redeemed", "expired", "withdrawn")
_OUT: Final = ("issued", "redeemed", "reversed")
"""States of an offer whose voucher is out: the customer may have its code."""


class UnknownVoucher(NotFound):
    """`guess`: it was well formed, so whoever sent it may be trying codes; else it was a slip."""

    def __init__(self, *, guess: bool) -> None:
        super().__init__("There is no voucher with this code; check it for a slip.")
        self.guess = guess


def digest(code: Any) -> ColumnElement[bytes]:
    """Of a canonical code (or a place for one), as it is looked up: SHA-256 over the database's own key and the code, which always has
    the same length.
    """
    key = select(VoucherKey.key).scalar_subquery()
    return func.sha256(key.op("||")(func.convert_to(code, "UTF8")))


def voucher_by_code(session: Session, typed: str) -> tuple[Voucher, str, datetime]:
    """The voucher, its offer's status and the time. Raises `UnknownVoucher`."""
    code = _code(typed)
    row = session.execute(
        select(Voucher, Offer.status, func.now())
        .join(Offer, Offer.id == Voucher.offer_id)
        .where(Voucher.code_digest == digest(code), Offer.status.in_(_OUT))
    ).one_or_none()
    # Compared once more in constant time, so that finding depends on no collision, and on no timing.
    if not hmac.compare_digest(code, "" if row is None else row[0].code) or row is None:
        raise UnknownVoucher(guess=True)
    return row[0], row[1], row[2]


def hold_voucher(session: Session, typed: str) -> tuple[Held, Voucher]:
    """For the till, which may see no complaint. Locks complaint, offer, voucher. Raises `UnknownVoucher`."""
    voucher, _, _ = voucher_by_code(session, typed)
    held = hold_any(session, voucher.offer_id)
    return held, lock_voucher(session, held)


def hold_redemption(
    session: Session, actor: Actor, typed: str, redemption_id: UUID
) -> tuple[Held, Voucher, VoucherEntry]:
    """One's own redemption, or (with `offer:revoke`) anybody's. Raises `UnknownVoucher`, `NotFound`."""
    held, voucher = hold_voucher(session, typed)
    entry = session.execute(
        select(VoucherEntry).where(
            VoucherEntry.id == redemption_id, VoucherEntry.voucher_id == voucher.id, VoucherEntry.kind == "redeem"
        )
    ).scalar_one_or_none()
    own = entry is not None and (entry.actor_kind, entry.actor_id) == (actor.kind, actor.id)
    if entry is None or not (own or actor.may("offer:revoke")):
        raise NotFound
    return held, voucher, entry


def voucher_of(session: Session, offer_id: UUID) -> Voucher:
    """Of an offer that has one, which need not be locked."""
    statement = select(Voucher).where(Voucher.offer_id == offer_id).execution_options(populate_existing=True)
    return session.execute(statement).scalar_one()


def lock_voucher(session: Session, held: Held) -> Voucher:
    """As it is now that the offer is locked: whoever changes it holds that lock."""
    return session.execute(
        select(Voucher)
        .where(Voucher.offer_id == held.offer.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one()


def redemption_named(session: Session, actor: Actor, voucher_id: UUID, external_id: str) -> VoucherEntry | None:
    """This caller's redemption of this reference."""
    return session.execute(
        select(VoucherEntry).where(
            VoucherEntry.voucher_id == voucher_id,
            VoucherEntry.actor_kind == actor.kind,
            VoucherEntry.actor_id == actor.id,
            VoucherEntry.external_id == external_id,
        )
    ).scalar_one_or_none()


def reversed_at(session: Session, redemption_id: UUID) -> datetime | None:
    return session.execute(
        select(VoucherEntry.at).where(VoucherEntry.reverses_id == redemption_id)
    ).scalar_one_or_none()


def redemption_detail(
    session: Session, redemption_id: UUID
) -> tuple[VoucherEntry, datetime | None, Voucher, str, datetime]:
    """A redemption, when it was taken back, its voucher, the offer's status and the time."""
    back = aliased(VoucherEntry)
    row: Any = session.execute(
        select(VoucherEntry, back.at, Voucher, Offer.status, func.now())
        .join(Voucher, Voucher.id == VoucherEntry.voucher_id)
        .join(Offer, Offer.id == Voucher.offer_id)
        .outerjoin(back, back.reverses_id == VoucherEntry.id)
        .where(VoucherEntry.id == redemption_id)
    ).one()
    return row[0], row[1], row[2], row[3], row[4]


def _code(typed: str) -> str:
    """A slip is found by the check character, and the database is not asked."""
    code = parse_code(typed)
    if code is None:
        raise UnknownVoucher(guess=False)
    return code


def voucher_status(voucher: Voucher, offer_status: str, now: datetime) -> str:
    """One of `VOUCHER_STATES`."""
    if voucher.redeemed_at is not None:
        return "redeemed"
    if offer_status == "reversed":
        return "withdrawn"
    return "valid" if voucher.expired_at is None and now < voucher.expires_at else "expired"


_VOUCHER: Final = Voucher.__table__
_OF_OFFER: Final = select(_VOUCHER).where(_VOUCHER.c.offer_id == bindparam("of_offer"))
_MAKE: Final = (
    insert(_VOUCHER)
    .values(
        code_digest=digest(bindparam("digested", type_=Text())),
        created_at=func.now(),
        expires_at=func.now() + func.make_interval(0, 0, 0, bindparam("days", type_=Integer())),
    )
    .on_conflict_do_nothing(index_elements=["offer_id"])
    .returning(*_VOUCHER.c)
)


def make(session: Session, offers: Sequence[Offer], codes: Sequence[str]) -> list[Any]:
    """The voucher's row of each: made with its code, or the one that is there. The offers are locked."""
    rows = [_row(offer, code) for offer, code in zip(offers, codes, strict=True)]
    made = {row.offer_id: row for row in session.execute(_MAKE, rows)}
    return [made.get(offer.id) or session.execute(_OF_OFFER, {"of_offer": offer.id}).one() for offer in offers]


def _row(offer: Offer, code: str) -> dict[str, Any]:
    return {
        "id": new_id(),
        "offer_id": offer.id,
        "code": code,
        "digested": code,
        "amount_minor": offer.amount_minor,
        "balance_minor": offer.amount_minor,
        "currency": offer.currency,
        "partial": offer.voucher_partial,
        "days": offer.voucher_days,
    }


_ENTRY: Final = tuple(column for column in VoucherEntry.__table__.c if column.name != "voucher_id")
_BY_ENTRY: Final = Order((VoucherEntry.at, VoucherEntry.id), (datetime, UUID))
"""By the time first: the entries of vouchers that were used before there was a ledger have ids that say nothing of it."""


def list_entries(session: Session, actor: Actor, page: Page, given: dict[str, Any], offer_id: UUID) -> Listed:
    """The ledger of an offer's voucher, oldest first. Raises `NotFound`, also while it is not issued."""
    voucher: Any = existing(
        session.execute(
            select(Voucher.id, Voucher.currency)
            .join(Offer, Offer.id == Voucher.offer_id)
            .join(Complaint, Complaint.id == Offer.complaint_id)
            .where(Offer.id == offer_id, Offer.status.in_(_OUT), visible_to(actor))
        ).one_or_none()
    )
    statement: Any = select(*_ENTRY).where(VoucherEntry.voucher_id == voucher.id)
    rows, cursor, total = listed(session, page, statement, _BY_ENTRY, given)
    return [{**row, "amount": (row["amount_minor"], voucher.currency)} for row in rows], cursor, total


_EVIDENCE: Final = tuple(
    getattr(Voucher, name)
    for name in (
        "offer_id",
        "amount_minor",
        "balance_minor",
        "currency",
        "partial",
        "created_at",
        "expires_at",
        "expired_at",
        "redeemed_at",
        "redeemed_by",
    )
)


def as_evidence(session: Session, offer_ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """The voucher of each offer of which one was issued, with its ledger and without its code."""
    rows = session.execute(
        select(Voucher.id, *_EVIDENCE)
        .join(Offer, Offer.id == Voucher.offer_id)
        .where(Offer.id.in_(offer_ids), Offer.status.in_(_OUT))
    ).mappings()
    found = {row["id"]: {column.name: row[column.name] for column in _EVIDENCE} | {"entries": []} for row in rows}
    entries = session.execute(
        select(VoucherEntry.voucher_id, *_ENTRY).where(VoucherEntry.voucher_id.in_(found)).order_by(*_BY_ENTRY.columns)
    ).mappings()
    for entry in entries:
        found[entry["voucher_id"]]["entries"].append({column.name: entry[column.name] for column in _ENTRY})
    return {voucher["offer_id"]: voucher for voucher in found.values()}


def vouchers_past_their_time(session: Session, limit: int) -> Sequence[UUID]:
    """Offers whose voucher has something left on it that nobody can use any more."""
    return session.scalars(
        select(Voucher.offer_id)
        .join(Offer, Offer.id == Voucher.offer_id)
        .where(Voucher.balance_minor > 0, Voucher.expires_at <= func.now(), Offer.status == "issued")
        .order_by(Voucher.expires_at)
        .limit(limit)
    ).all()


_LIABILITY: Final = text("""
    SELECT v.currency, sum(v.amount_minor) AS issued,
           sum(v.balance_minor) FILTER (WHERE v.expires_at > now()) AS outstanding,
           sum(e.used) AS used,
           sum(e.expired) + coalesce(sum(v.balance_minor) FILTER (WHERE v.expires_at <= now()), 0) AS expired,
           sum(e.withdrawn) AS withdrawn,
           count(*) FILTER (WHERE v.balance_minor > 0 AND v.expires_at > now()) AS open
    FROM voucher v JOIN offer o ON o.id = v.offer_id AND o.status IN ('issued', 'redeemed', 'reversed')
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(CASE kind WHEN 'redeem' THEN amount_minor WHEN 'reverse' THEN -amount_minor END), 0) AS used,
               coalesce(sum(amount_minor) FILTER (WHERE kind = 'expire'), 0) AS expired,
               coalesce(sum(amount_minor) FILTER (WHERE kind = 'void'), 0) AS withdrawn
        FROM voucher_entry WHERE voucher_id = v.id) e
    GROUP BY v.currency ORDER BY v.currency
""")


def liabilities(session: Session) -> list[dict[str, Any]]:
    """What vouchers can still be used for, by currency, and what became of the rest."""
    sums = ("issued", "outstanding", "used", "expired", "withdrawn")
    rows = session.execute(_LIABILITY).mappings()
    return [
        {"open": row["open"]} | {name: (int(row[name] or 0), row["currency"]) for name in sums} for row in rows.all()
    ]
