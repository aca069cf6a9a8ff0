"""What is known of agents as handlers of complaints: skills, languages, capacity, whether they are there.

An agent without a row has no skills, no limit and is there.
"""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Stamped, Timestamp, Versioned

AVAILABILITIES: Final = ("available", "away")
MAX_CAPACITY: Final = 10_000


class AgentProfile(Versioned, Stamped, Base):
    """`languages`: `{tag, level}` each. `weights`: severity -> what one open complaint of it counts; 1 where it says
    nothing. `capacity`: the most that open complaints may weigh together; None is no limit.
    """

    __tablename__ = "agent_profile"
    __table_args__ = (
        CheckConstraint(f"availability IN {AVAILABILITIES}", name="availability"),
        CheckConstraint("availability = 'away' OR away_until IS NULL", name="away_until"),
        CheckConstraint(f"capacity BETWEEN 0 AND {MAX_CAPACITY}", name="capacity"),
    )

    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agent.id", ondelete="CASCADE"), primary_key=True)
    skills: Mapped[list[str]] = mapped_column(JSONB, server_default="[]")
    languages: Mapped[list[dict[str, str]]] = mapped_column(JSONB, server_default="[]")
    capacity: Mapped[int | None]
    weights: Mapped[dict[str, int]] = mapped_column(JSONB, server_default="{}")
    working_hours: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    availability: Mapped[str] = mapped_column(server_default="available")
    away_until: Mapped[Timestamp | None]
    away_reason: Mapped[str | None]


class AgentAbsence(Identified, Versioned, Stamped, Base):
    """A time out of office, `[starts_at, ends_at)`. Meanwhile what is new or urgent goes to the substitute."""

    __tablename__ = "agent_absence"
    __table_args__ = (
        CheckConstraint("starts_at < ends_at", name="ends_after_it_starts"),
        CheckConstraint("substitute_id <> agent_id", name="somebody_else"),
        Index("ix_agent_absence_agent_id_ends_at", "agent_id", "ends_at"),
        Index("ix_agent_absence_substitute_id", "substitute_id"),
    )

    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agent.id", ondelete="CASCADE"))
    starts_at: Mapped[Timestamp]
    ends_at: Mapped[Timestamp]
    substitute_id: Mapped[UUID | None] = mapped_column(ForeignKey("agent.id", ondelete="SET NULL"))
    note: Mapped[str | None]
