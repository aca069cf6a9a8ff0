"""The table of limits, in every version."""

from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Json, Stamped, Timestamp


class AuthorityLimits(Identified, Stamped, Base):
    """One version of the whole table. Of those that have begun, the one with the latest `valid_from` holds, of several with
    the same the last. A trigger refuses every change: what was granted names the version that it was judged by.

    `content`: as `allowances.SHIPPED`. Whoever writes one does so alone (`allowance_queries.head_for_update`).
    """

    __tablename__ = "authority_limits"
    __table_args__ = (
        CheckConstraint("number > 0", name="number"),
        Index("ix_authority_limits_valid_from_number", "valid_from", "number"),
    )

    number: Mapped[int] = mapped_column(unique=True)
    valid_from: Mapped[Timestamp]
    content: Mapped[Json]
    reason: Mapped[str]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
