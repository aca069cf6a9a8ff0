"""Every select on points, and the one way to lock an account: after everything else (complaint, offer, customer), and before
the budget's row, which is taken when all else is written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from helpdesk.customers import queries as customers
from helpdesk.identity.actors import Actor
from helpdesk.kernel.access import existing
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.pagination import Listed, Order, Page, listed
from helpdesk.recovery.models import Offer
from helpdesk.recovery.points_models import PointsAccount, PointsEntry, PointsLot, PointsPart

_BY_ENTRY: Final = Order((PointsEntry.id,), (UUID,))


def account_for(session: Session, customer_id: UUID, currency: str) -> PointsAccount:
    """Locked, and made where there is none yet; of two at once both find the one. Locked before a lot refers to it: of two that
    had only that much of a hold, neither could come to lock it.
    """
    row = {"id": new_id(), "customer_id": customer_id, "currency": currency}
    conflict = ["customer_id", "currency"]
    session.execute(insert(PointsAccount).values(row).on_conflict_do_nothing(index_elements=conflict))
    account = lock_account_of(session, customer_id, currency)
    if account is None:
        raise LookupError("the account that was made is not there")
    return account


def make_lot(session: Session, account_id: UUID, offer: Offer, now: datetime) -> PointsLot:
    """Once for each offer, with nothing on it, or the one that is there."""
    row: dict[str, Any] = {"id": new_id(), "account_id": account_id, "offer_id": offer.id}
    row |= {"amount_minor": offer.amount_minor, "expires_at": now + timedelta(days=offer.points_days or 0)}
    session.execute(insert(PointsLot).values(row).on_conflict_do_nothing(index_elements=["offer_id"]))
    return session.scalars(select(PointsLot).where(PointsLot.offer_id == offer.id)).one()


def lock_account(session: Session, account_id: UUID) -> PointsAccount:
    return session.scalars(
        select(PointsAccount)
        .where(PointsAccount.id == account_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()


def lock_account_of(session: Session, customer_id: UUID, currency: str) -> PointsAccount | None:
    return session.scalars(
        select(PointsAccount)
        .where(PointsAccount.customer_id == customer_id, PointsAccount.currency == currency)
        .with_for_update()
    ).one_or_none()


def lock_lot(session: Session, offer_id: UUID) -> tuple[PointsAccount, PointsLot]:
    """The lot of an offer, read when its account is locked."""
    account_id = session.execute(select(PointsLot.account_id).where(PointsLot.offer_id == offer_id)).scalar_one()
    account = lock_account(session, account_id)
    found = select(PointsLot).where(PointsLot.offer_id == offer_id).execution_options(populate_existing=True)
    return account, session.scalars(found).one()


def lots_to_burn(session: Session, account_id: UUID, now: datetime) -> Sequence[PointsLot]:
    """That have something on them and are good, the one that ends first before the others. The account is locked."""
    return session.scalars(
        select(PointsLot)
        .where(PointsLot.account_id == account_id, PointsLot.balance_minor > 0, PointsLot.expires_at > now)
        .order_by(PointsLot.expires_at, PointsLot.id)
    ).all()


def lots_of(session: Session, entry_id: UUID) -> list[tuple[PointsLot, int]]:
    """The lots that an entry took from, and how much of each."""
    rows = session.execute(
        select(PointsLot, PointsPart.amount_minor)
        .join(PointsPart, PointsPart.lot_id == PointsLot.id)
        .where(PointsPart.entry_id == entry_id)
        .order_by(PointsLot.expires_at, PointsLot.id)
    )
    return [(row[0], row[1]) for row in rows]


def burn_named(session: Session, actor: Actor, account_id: UUID, external_id: str) -> PointsEntry | None:
    """This caller's burn of this reference."""
    return session.scalars(
        select(PointsEntry).where(
            PointsEntry.account_id == account_id,
            PointsEntry.actor_kind == actor.kind,
            PointsEntry.actor_id == actor.id,
            PointsEntry.external_id == external_id,
        )
    ).one_or_none()


def reversed_at(session: Session, entry_id: UUID) -> datetime | None:
    return session.execute(select(PointsEntry.at).where(PointsEntry.reverses_id == entry_id)).scalar_one_or_none()


@dataclass(frozen=True, slots=True)
class Burnt:
    """A burn, and its account, locked."""

    account: PointsAccount
    entry: PointsEntry


def is_burnt(session: Session, lot_id: UUID) -> bool:
    """Whether something of it was burnt and not put back. The account is locked."""
    back = aliased(PointsEntry)
    found = (
        select(PointsEntry.id)
        .join(PointsPart, PointsPart.entry_id == PointsEntry.id)
        .where(PointsPart.lot_id == lot_id, PointsEntry.kind == "burn")
        .where(~select(back.id).where(back.reverses_id == PointsEntry.id).exists())
    )
    return session.execute(found.limit(1)).first() is not None


def existing_customer(session: Session, _actor: Actor, customer_id: UUID) -> UUID:
    """Their id. Raises `NotFound`."""
    if not customers.exists(session, customer_id):
        raise NotFound
    return customer_id


def hold_burn(session: Session, actor: Actor, customer_id: UUID, burn_id: UUID) -> Burnt:
    """One's own, or (with `offer:revoke`) anybody's. Raises `NotFound`."""
    found = (
        select(PointsEntry)
        .join(PointsAccount, PointsAccount.id == PointsEntry.account_id)
        .where(PointsEntry.id == burn_id, PointsEntry.kind == "burn", PointsAccount.customer_id == customer_id)
    )
    entry = existing(session.scalars(found).one_or_none())
    if (entry.actor_kind, entry.actor_id) != (actor.kind, actor.id) and not actor.may("offer:revoke"):
        raise NotFound
    return Burnt(lock_account(session, entry.account_id), entry)


def burn_detail(session: Session, entry_id: UUID) -> dict[str, Any]:
    back = aliased(PointsEntry)
    row = session.execute(
        select(PointsEntry, PointsAccount, back.at)
        .join(PointsAccount, PointsAccount.id == PointsEntry.account_id)
        .outerjoin(back, back.reverses_id == PointsEntry.id)
        .where(PointsEntry.id == entry_id)
    ).one()
    entry, account, taken_back = row[0], row[1], row[2]
    good = select(func.coalesce(func.sum(PointsLot.balance_minor), 0)).where(
        PointsLot.account_id == account.id, PointsLot.expires_at > func.now()
    )
    return {
        "id": entry.id,
        "customer_id": account.customer_id,
        "amount": (entry.amount_minor, account.currency),
        "external_id": entry.external_id,
        "at": entry.at,
        "reversed_at": taken_back,
        "balance": (int(session.execute(good).scalar_one()), account.currency),
    }


_BALANCES: Final = text("""
    SELECT a.currency, coalesce(sum(l.balance_minor), 0) AS balance, min(l.expires_at) AS next_expiry,
           coalesce(sum(l.balance_minor) FILTER (WHERE l.expires_at = f.first), 0) AS next_amount
    FROM points_account a
    LEFT JOIN LATERAL (SELECT min(expires_at) AS first FROM points_lot
                       WHERE account_id = a.id AND balance_minor > 0 AND expires_at > now()) f ON true
    LEFT JOIN points_lot l ON l.account_id = a.id AND l.balance_minor > 0 AND l.expires_at > now()
    WHERE a.customer_id = :customer_id
    GROUP BY a.currency ORDER BY a.currency
""")


def balances(session: Session, customer_id: UUID) -> list[dict[str, Any]]:
    """What can be used now, by currency. What is past its time does not count, whether it is written off yet or not."""
    rows = session.execute(_BALANCES, {"customer_id": customer_id})
    return [
        {
            "balance": (int(row.balance), row.currency),
            "next_expiry": row.next_expiry,
            "expires_next": None if row.next_expiry is None else (int(row.next_amount), row.currency),
        }
        for row in rows
    ]


def list_entries(session: Session, page: Page, given: dict[str, Any], customer_id: UUID) -> Listed:
    """Of all currencies, oldest first."""
    statement: Any = (
        select(
            PointsEntry.id,
            PointsEntry.kind,
            PointsEntry.amount_minor,
            PointsAccount.currency,
            PointsEntry.offer_id,
            PointsEntry.external_id,
            PointsEntry.reverses_id,
            PointsEntry.at,
            PointsEntry.actor_kind,
            PointsEntry.actor_id,
            PointsEntry.note,
        )
        .join(PointsAccount, PointsAccount.id == PointsEntry.account_id)
        .where(PointsAccount.customer_id == customer_id)
    )
    rows, cursor, total = listed(session, page, statement, _BY_ENTRY, given)
    return [{**row, "amount": (row["amount_minor"], row["currency"])} for row in rows], cursor, total


def lots_past_their_time(session: Session, limit: int) -> Sequence[UUID]:
    """Offers whose points have something left that nobody can use any more."""
    return session.scalars(
        select(PointsLot.offer_id)
        .where(PointsLot.balance_minor > 0, PointsLot.expires_at <= func.now())
        .order_by(PointsLot.expires_at, PointsLot.id)
        .limit(limit)
    ).all()


_LIABILITY: Final = text("""
    SELECT a.currency, sum(e.earned) AS issued, sum(l.outstanding) AS outstanding, sum(e.used) AS used,
           sum(e.expired) + sum(l.past) AS expired, sum(e.withdrawn) AS withdrawn, sum(l.open) AS open
    FROM points_account a
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(amount_minor) FILTER (WHERE kind = 'earn'), 0) AS earned,
               coalesce(sum(CASE kind WHEN 'burn' THEN amount_minor WHEN 'reverse' THEN -amount_minor END), 0) AS used,
               coalesce(sum(amount_minor) FILTER (WHERE kind = 'expire'), 0) AS expired,
               coalesce(sum(amount_minor) FILTER (WHERE kind = 'void'), 0) AS withdrawn
        FROM points_entry WHERE account_id = a.id) e
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(balance_minor) FILTER (WHERE expires_at > now()), 0) AS outstanding,
               coalesce(sum(balance_minor) FILTER (WHERE expires_at <= now()), 0) AS past,
               count(*) FILTER (WHERE balance_minor > 0 AND expires_at > now()) AS open
        FROM points_lot WHERE account_id = a.id) l
    GROUP BY a.currency ORDER BY a.currency
""")


def liabilities(session: Session) -> list[dict[str, Any]]:
    """What points can still be used for, by currency, and what became of the rest."""
    sums = ("issued", "outstanding", "used", "expired", "withdrawn")
    rows = session.execute(_LIABILITY).mappings()
    return [
        {"open": int(row["open"])} | {name: (int(row[name]), row["currency"]) for name in sums} for row in rows.all()
    ]
