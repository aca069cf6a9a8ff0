"""Tables of points: a customer's account in a currency, the lots on it, and the ledger of what became of them.

One point is one minor unit. Balances are kept for the checks that make it impossible to use more than there is; they follow
from `points_entry` and `points_part`, which cannot be changed.
"""

from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Minor, Stamped, Timestamp

POINTS_ENTRY_KINDS: Final = ("earn", "burn", "expire", "reverse", "void")
"""`reverse` puts back what one `burn` took; `expire` and `void` take all that is left of a lot."""
SIGNS: Final = {"earn": 1, "burn": -1, "expire": -1, "reverse": 1, "void": -1}


class PointsAccount(Identified, Stamped, Base):
    """Of one customer in one currency. Whoever changes anything on it holds its row's lock, the last of all."""

    __tablename__ = "points_account"
    __table_args__ = (
        UniqueConstraint("customer_id", "currency"),
        CheckConstraint("balance_minor >= 0", name="balance"),
    )

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customer.id", ondelete="RESTRICT"))
    currency: Mapped[str]
    balance_minor: Mapped[Minor] = mapped_column(default=0, server_default="0")


class PointsLot(Identified, Stamped, Base):
    """What one offer gave. `earned_at` None: its issuance is not recorded, and there is nothing on it."""

    __tablename__ = "points_lot"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount_minor"),
        CheckConstraint("balance_minor BETWEEN 0 AND amount_minor", name="balance"),
        CheckConstraint("earned_at IS NOT NULL OR balance_minor = 0", name="earned"),
        Index("ix_points_lot_account_id_expires_at", "account_id", "expires_at"),
        Index("ix_points_lot_expires_at", "expires_at", postgresql_where=text("balance_minor > 0")),
    )

    account_id: Mapped[UUID] = mapped_column(ForeignKey("points_account.id", ondelete="RESTRICT"))
    offer_id: Mapped[UUID] = mapped_column(ForeignKey("offer.id", ondelete="RESTRICT"), unique=True)
    amount_minor: Mapped[Minor]
    balance_minor: Mapped[Minor] = mapped_column(default=0, server_default="0")
    expires_at: Mapped[Timestamp]
    earned_at: Mapped[Timestamp | None]


class PointsEntry(Identified, Base):
    """One line of an account's ledger. A trigger refuses every change.

    `external_id`: the caller's own reference of a burn, by which a repeated request is known; each caller has its own.
    `reverses_id`: which burn it takes back, once. `offer_id`: of what was earned, expired or voided.
    """

    __tablename__ = "points_entry"
    __table_args__ = (
        CheckConstraint(f"kind IN {POINTS_ENTRY_KINDS}", name="kind"),
        CheckConstraint("amount_minor > 0", name="amount_minor"),
        CheckConstraint("(kind = 'reverse') = (reverses_id IS NOT NULL)", name="reverses"),
        CheckConstraint("(kind = 'burn') = (external_id IS NOT NULL)", name="external_id"),
        CheckConstraint("(kind IN ('earn', 'expire', 'void')) = (offer_id IS NOT NULL)", name="offer"),
        Index("ix_points_entry_account_id_id", "account_id", "id"),
        Index("uq_points_entry_reverses_id", "reverses_id", unique=True),
        Index("uq_points_entry_earn", "offer_id", unique=True, postgresql_where=text("kind = 'earn'")),
        Index("uq_points_entry_void", "offer_id", unique=True, postgresql_where=text("kind = 'void'")),
        Index(
            "uq_points_entry_external_id",
            "account_id",
            "actor_kind",
            "actor_id",
            "external_id",
            unique=True,
            postgresql_where=text("external_id IS NOT NULL"),
        ),
    )

    account_id: Mapped[UUID] = mapped_column(ForeignKey("points_account.id", ondelete="RESTRICT"))
    kind: Mapped[str]
    amount_minor: Mapped[Minor]
    offer_id: Mapped[UUID | None] = mapped_column(ForeignKey("offer.id", ondelete="RESTRICT"))
    external_id: Mapped[str | None]
    reverses_id: Mapped[UUID | None] = mapped_column(ForeignKey("points_entry.id", ondelete="RESTRICT"))
    at: Mapped[Timestamp]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    note: Mapped[str | None]


class PointsPart(Base):
    """How much of an entry is of which lot. A trigger refuses every change."""

    __tablename__ = "points_part"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount_minor"),
        Index("ix_points_part_lot_id", "lot_id"),
    )

    entry_id: Mapped[UUID] = mapped_column(ForeignKey("points_entry.id", ondelete="RESTRICT"), primary_key=True)
    lot_id: Mapped[UUID] = mapped_column(ForeignKey("points_lot.id", ondelete="RESTRICT"), primary_key=True)
    amount_minor: Mapped[Minor]
