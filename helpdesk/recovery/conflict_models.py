"""Conflicts of interest, as they were declared or recorded."""

from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Stamped, Timestamp, Versioned

CONFLICT_KINDS: Final = ("family", "friend", "business", "reports_to", "subject", "other")
"""`reports_to`: to the colleague. `subject`: what the complaint is about is theirs, or they are."""


class InterestConflict(Identified, Versioned, Stamped, Base):
    """`agent_id` is in conflict with one of a colleague, a complaint, a customer: from `starts_at` until before `ends_at`, None:
    for good. With a colleague both are, but for `reports_to`, which is between a superior's offers and who reports to them.
    """

    __tablename__ = "interest_conflict"
    __table_args__ = (
        CheckConstraint(f"kind IN {CONFLICT_KINDS}", name="kind"),
        CheckConstraint("num_nonnulls(colleague_id, complaint_id, customer_id) = 1", name="with_one"),
        CheckConstraint("agent_id <> colleague_id", name="two_persons"),
        CheckConstraint("kind <> 'reports_to' OR colleague_id IS NOT NULL", name="reports_to_a_colleague"),
        CheckConstraint("kind <> 'subject' OR complaint_id IS NOT NULL", name="subject_of_a_complaint"),
        CheckConstraint("ends_at >= starts_at", name="period"),
        Index("ix_interest_conflict_agent_id", "agent_id"),
        Index("ix_interest_conflict_colleague_id", "colleague_id"),
        Index("ix_interest_conflict_complaint_id", "complaint_id"),
        Index("ix_interest_conflict_customer_id", "customer_id"),
    )

    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agent.id", ondelete="RESTRICT"))
    kind: Mapped[str]
    colleague_id: Mapped[UUID | None] = mapped_column(ForeignKey("agent.id", ondelete="RESTRICT"))
    complaint_id: Mapped[UUID | None] = mapped_column(ForeignKey("complaint.id", ondelete="CASCADE"))
    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customer.id", ondelete="CASCADE"))
    starts_at: Mapped[Timestamp]
    ends_at: Mapped[Timestamp | None]
    note: Mapped[str | None]
    declared_by: Mapped[UUID | None]
    end_reason: Mapped[str | None]
