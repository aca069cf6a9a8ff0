"""Table of counter-offers: what customers asked for instead of an offer, in their words, and what came of it."""

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Minor, Timestamp
from helpdesk.recovery.kinds import KINDS
from helpdesk.recovery.lifecycle import COUNTER_OUTCOMES, MOST_COUNTERS


class OfferCounter(Identified, Base):
    """One of an offer's counter-offers; `number` from 1. `kind` and amount are None where they named none. At most one of an
    offer is open (`outcome` None), exactly while the offer is `countered`.
    """

    __tablename__ = "offer_counter"
    __table_args__ = (
        UniqueConstraint("offer_id", "number"),
        CheckConstraint(f"number BETWEEN 1 AND {MOST_COUNTERS}", name="number"),
        CheckConstraint(f"kind IN {KINDS}", name="kind"),
        CheckConstraint("(amount_minor IS NULL) = (currency IS NULL)", name="amount_has_currency"),
        CheckConstraint("amount_minor > 0", name="amount_minor"),
        CheckConstraint(f"outcome IN {tuple(COUNTER_OUTCOMES.values())}", name="outcome"),
        CheckConstraint("(outcome IS NULL) = (settled_at IS NULL)", name="settled"),
        Index("uq_offer_counter_open", "offer_id", unique=True, postgresql_where=text("outcome IS NULL")),
    )

    offer_id: Mapped[UUID] = mapped_column(ForeignKey("offer.id", ondelete="RESTRICT"))
    number: Mapped[int]
    kind: Mapped[str | None]
    amount_minor: Mapped[Minor | None]
    currency: Mapped[str | None]
    words: Mapped[str]
    said_by: Mapped[str]
    at: Mapped[Timestamp]
    outcome: Mapped[str | None]
    settled_at: Mapped[Timestamp | None]
