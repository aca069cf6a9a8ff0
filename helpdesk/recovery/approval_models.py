"""Offers that wait for somebody's approval, and since when."""

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Timestamp


class ApprovalRequest(Identified, Base):
    """One wait of one offer: from its submission (the step of this `number`) until it was approved, given back or taken back.
    `level`: the least authority whose limits were enough then. `overdue_at`: when it was told once that it is late, to those
    of `escalated_to`.
    """

    __tablename__ = "approval_request"
    __table_args__ = (
        CheckConstraint("due_at >= asked_at", name="due"),
        CheckConstraint("(overdue_at IS NULL) = (escalated_to IS NULL)", name="escalated"),
        Index("uq_approval_request_open", "offer_id", unique=True, postgresql_where=text("closed_at IS NULL")),
        Index("ix_approval_request_due_at_offer_id", "due_at", "offer_id", postgresql_where=text("closed_at IS NULL")),
        Index("ix_approval_request_late", "due_at", postgresql_where=text("closed_at IS NULL AND overdue_at IS NULL")),
        Index("ix_approval_request_offer_id", "offer_id"),
    )

    offer_id: Mapped[UUID] = mapped_column(ForeignKey("offer.id", ondelete="RESTRICT"))
    number: Mapped[int]
    asked_at: Mapped[Timestamp]
    due_at: Mapped[Timestamp]
    level: Mapped[str]
    overdue_at: Mapped[Timestamp | None]
    escalated_to: Mapped[str | None]
    closed_at: Mapped[Timestamp | None]
