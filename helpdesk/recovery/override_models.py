"""Offers that differ from what was suggested, and why."""

from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Minor, Timestamp

DIRECTIONS: Final = ("over", "under", "kind", "below_floor")
"""More than any alternative has, less than is owed, a kind of remedy that none has, and (with a permission of its own) less
than a law or tariff lays down."""


class OfferOverride(Base):
    """Of one offer, written when it is drafted, and again whenever somebody says why it is below what is laid down; the one with
    the largest `number` counts. Never changed: a trigger refuses it. `by_minor`: what was offered less what would have been no
    override; 0 for another kind. `reason`: why it was drafted so, which stays true of a later one.
    """

    __tablename__ = "offer_override"
    __table_args__ = (
        CheckConstraint(f"direction IN {DIRECTIONS}", name="direction"),
        CheckConstraint("(direction = 'below_floor') = (floor_reason IS NOT NULL)", name="floor_reason"),
    )

    offer_id: Mapped[UUID] = mapped_column(ForeignKey("offer.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=1, server_default="1")
    direction: Mapped[str]
    suggested_minor: Mapped[Minor]
    by_minor: Mapped[Minor]
    currency: Mapped[str]
    reason: Mapped[str | None]
    floor_reason: Mapped[str | None]
    at: Mapped[Timestamp]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("agent.id", ondelete="RESTRICT"))
    """The agent, or who answered for the key then; None: the program."""
