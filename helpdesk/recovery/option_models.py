"""Table of the options of an offer that has more than one. What was put before the customer is never changed: a trigger
refuses it.
"""

from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Minor
from helpdesk.recovery.kinds import KINDS, PAYING
from helpdesk.recovery.option_terms import MOST

_PAYING: Final = ", ".join(repr(kind) for kind in sorted(PAYING))


class OfferOption(Identified, Base):
    """One of several remedies of which the customer takes one. `number`: 1, 2 or 3, in the order of the draft."""

    __tablename__ = "offer_option"
    __table_args__ = (
        UniqueConstraint("offer_id", "number"),
        CheckConstraint(f"number BETWEEN 1 AND {MOST}", name="number"),
        CheckConstraint(f"kind IN {KINDS}", name="kind"),
        CheckConstraint(f"(kind IN ({_PAYING})) = (amount_minor IS NOT NULL)", name="paying_has_amount"),
        CheckConstraint("(amount_minor IS NULL) = (currency IS NULL)", name="amount_has_currency"),
        CheckConstraint("amount_minor > 0", name="amount_minor"),
        CheckConstraint(
            "(kind = 'voucher') = (voucher_days IS NOT NULL) AND (kind = 'voucher' OR NOT voucher_partial)",
            name="voucher_terms",
        ),
        CheckConstraint("voucher_days BETWEEN 1 AND 3650", name="voucher_days"),
        CheckConstraint("(kind = 'points') = (points_days IS NOT NULL)", name="points_terms"),
        CheckConstraint("points_days BETWEEN 1 AND 3650", name="points_days"),
        Index(
            "uq_offer_option_remedy",
            "offer_id",
            "kind",
            "amount_minor",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
    )

    offer_id: Mapped[UUID] = mapped_column(ForeignKey("offer.id", ondelete="RESTRICT"))
    number: Mapped[int]
    kind: Mapped[str]
    amount_minor: Mapped[Minor | None]
    currency: Mapped[str | None]
    text: Mapped[str | None]
    voucher_days: Mapped[int | None]
    voucher_partial: Mapped[bool] = mapped_column(default=False, server_default="false")
    points_days: Mapped[int | None]
