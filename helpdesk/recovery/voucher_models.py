"""Tables of vouchers: what was issued, and the ledger of what became of it. Promises stand as constraints.

`voucher.balance_minor` is kept for the check that makes it impossible to use more than there is; `voucher_entry` is the
ledger that it follows from, and cannot be changed.
"""

from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Minor, Stamped, Timestamp

VOUCHER_ENTRY_KINDS: Final = ("redeem", "reverse", "expire", "void")
"""`reverse` puts back what one `redeem` took; `expire` and `void` take all that is left."""


class VoucherKey(Base):
    """One row, made by chance with the table: the key of `voucher.code_digest`. It is of the database, and not of the
    installation's secret, so that no voucher dies when that is changed.
    """

    __tablename__ = "voucher_key"
    __table_args__ = (CheckConstraint("singleton", name="singleton"),)

    singleton: Mapped[bool] = mapped_column(primary_key=True, default=True)
    key: Mapped[bytes]


class Voucher(Identified, Stamped, Base):
    """A voucher of ours. It is good only while its offer is `issued`: one that failed or was reversed buys nothing.

    The code is kept as it is: the customer reads it by their link as often as they look, and its letter can be sent again. Whoever
    can read this table could spend vouchers, as whoever can write `offer` could make them. It is looked up by `code_digest`, a
    keyed hash: how long a search for a guessed code takes tells nothing of the codes that there are.

    `partial`: may be used in parts. `redeemed_at`, `redeemed_by`: when it was used up, and by which agent (None: a
    machine). `expired_at`: when what was left of it was written off.
    """

    __tablename__ = "voucher"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount_minor"),
        CheckConstraint("balance_minor BETWEEN 0 AND amount_minor", name="balance"),
        CheckConstraint("partial OR balance_minor IN (0, amount_minor)", name="in_one"),
        CheckConstraint("redeemed_at IS NULL OR balance_minor = 0", name="used_up"),
        Index("ix_voucher_expires_at", "expires_at", postgresql_where=text("balance_minor > 0")),
    )

    offer_id: Mapped[UUID] = mapped_column(ForeignKey("offer.id", ondelete="RESTRICT"), unique=True)
    code: Mapped[str] = mapped_column(unique=True)
    code_digest: Mapped[bytes] = mapped_column(unique=True)
    amount_minor: Mapped[Minor]
    balance_minor: Mapped[Minor]
    currency: Mapped[str]
    partial: Mapped[bool] = mapped_column(default=False, server_default="false")
    expires_at: Mapped[Timestamp]
    expired_at: Mapped[Timestamp | None]
    redeemed_at: Mapped[Timestamp | None]
    redeemed_by: Mapped[UUID | None] = mapped_column(ForeignKey("agent.id", ondelete="RESTRICT"))


class VoucherEntry(Identified, Base):
    """One line of a voucher's ledger. A trigger refuses every change.

    `external_id`: the till's own reference of a redemption, by which a repeated request is known; each caller has its
    own, so that two shops with the same receipt number are two. `reverses_id`: which redemption it takes back, once.
    """

    __tablename__ = "voucher_entry"
    __table_args__ = (
        CheckConstraint(f"kind IN {VOUCHER_ENTRY_KINDS}", name="kind"),
        CheckConstraint("amount_minor > 0", name="amount_minor"),
        CheckConstraint("(kind = 'reverse') = (reverses_id IS NOT NULL)", name="reverses"),
        CheckConstraint("external_id IS NULL OR kind = 'redeem'", name="external_id"),
        Index("ix_voucher_entry_voucher_id_id", "voucher_id", "id"),
        Index("uq_voucher_entry_reverses_id", "reverses_id", unique=True),
        Index(
            "uq_voucher_entry_external_id",
            "voucher_id",
            "actor_kind",
            "actor_id",
            "external_id",
            unique=True,
            postgresql_where=text("external_id IS NOT NULL"),
        ),
        Index("uq_voucher_entry_void", "voucher_id", unique=True, postgresql_where=text("kind = 'void'")),
    )

    voucher_id: Mapped[UUID] = mapped_column(ForeignKey("voucher.id", ondelete="RESTRICT"))
    kind: Mapped[str]
    amount_minor: Mapped[Minor]
    external_id: Mapped[str | None]
    reverses_id: Mapped[UUID | None] = mapped_column(ForeignKey("voucher_entry.id", ondelete="RESTRICT"))
    at: Mapped[Timestamp]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
