"""Who lent their authority to whom, from when until when."""

from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, text
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Stamped, Timestamp, Versioned


class AuthorityDelegation(Identified, Versioned, Stamped, Base):
    """It holds from `starts_at` until before `ends_at` or `revoked_at`, while the lender is active. What is lent is the
    authority of the lender's own role at the time, never what they borrowed: there are no chains. `up_to`: for one offer at
    most so much, in units of its currency; None: as far as the authority goes.
    """

    __tablename__ = "authority_delegation"
    __table_args__ = (
        CheckConstraint("lender_id <> delegate_id", name="two_persons"),
        CheckConstraint("ends_at > starts_at AND ends_at <= starts_at + interval '366 days'", name="period"),
        CheckConstraint("up_to > 0", name="up_to"),
        CheckConstraint("num_nulls(revoked_at, revoked_by, revoke_reason) IN (0, 3)", name="revoked"),
        Index(
            "ix_authority_delegation_delegate_id", "delegate_id", "ends_at", postgresql_where=text("revoked_at IS NULL")
        ),
        Index("ix_authority_delegation_lender_id", "lender_id", "ends_at"),
    )

    lender_id: Mapped[UUID] = mapped_column(ForeignKey("agent.id", ondelete="RESTRICT"))
    delegate_id: Mapped[UUID] = mapped_column(ForeignKey("agent.id", ondelete="RESTRICT"))
    starts_at: Mapped[Timestamp]
    ends_at: Mapped[Timestamp]
    up_to: Mapped[Decimal | None] = mapped_column(Numeric(15, 3))
    reason: Mapped[str]
    revoked_at: Mapped[Timestamp | None]
    revoked_by: Mapped[UUID | None]
    revoke_reason: Mapped[str | None]
