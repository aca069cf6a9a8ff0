"""What follows when an alarm rings: each action of its rung, whom it told, and by whose calendar teams work."""

from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Json, Stamped, Timestamp, Versioned

OUTCOMES: Final = ("owed", "done", "failed", "dropped")
"""Of an action. `dropped`: by its time there was nothing to do any more; `reason` says why."""
TOLD: Final = ("sent", "held", "superseded", "dropped")
"""Of one who was to be told. `held`: until they are at work; `superseded`: a later alarm of the same clock told them more."""


class Escalation(Identified, Stamped, Base):
    """One action of a rung that rang: once per clock, generation, rung and place. It is owed until `settled_at`. `event_id`: of the
    alarm, in the complaint's story.
    """

    __tablename__ = "sla_escalation"
    __table_args__ = (
        ForeignKeyConstraint(
            ["clock_id", "generation", "rung"],
            ["sla_alarm.clock_id", "sla_alarm.generation", "sla_alarm.rung"],
            ondelete="CASCADE",
        ),
        UniqueConstraint("clock_id", "generation", "rung", "place"),
        CheckConstraint(f"outcome IN {OUTCOMES}", name="outcome"),
        CheckConstraint("(outcome = 'owed') = (settled_at IS NULL)", name="settled"),
        CheckConstraint("outcome IN ('owed', 'done') OR reason IS NOT NULL", name="says_why"),
        Index("ix_sla_escalation_complaint_id", "complaint_id"),
        Index("ix_sla_escalation_owed", "complaint_id", postgresql_where=text("outcome = 'owed'")),
    )

    complaint_id: Mapped[UUID] = mapped_column(ForeignKey("complaint.id", ondelete="CASCADE"))
    clock_id: Mapped[UUID]
    generation: Mapped[int]
    rung: Mapped[str]
    place: Mapped[int] = mapped_column(SmallInteger)
    planned_for: Mapped[Timestamp]
    event_id: Mapped[UUID]
    step: Mapped[str]
    given: Mapped[Json]
    at_any_time: Mapped[bool]
    outcome: Mapped[str]
    reason: Mapped[str | None]
    detail: Mapped[str | None]
    settled_at: Mapped[Timestamp | None]


class Notice(Identified, Stamped, Base):
    """One agent who is to be told by one action. `until`: when they are at work again, while it is held."""

    __tablename__ = "sla_notice"
    __table_args__ = (
        UniqueConstraint("escalation_id", "agent_id"),
        CheckConstraint(f"outcome IN {TOLD}", name="outcome"),
        CheckConstraint("outcome <> 'held' OR until IS NOT NULL", name="held_until"),
        Index("ix_sla_notice_agent_id", "agent_id"),
    )

    escalation_id: Mapped[UUID] = mapped_column(ForeignKey("sla_escalation.id", ondelete="CASCADE"))
    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agent.id", ondelete="CASCADE"))
    outcome: Mapped[str]
    reason: Mapped[str | None]
    until: Mapped[Timestamp | None]
    settled_at: Mapped[Timestamp | None]


class TeamCalendar(Versioned, Stamped, Base):
    """By whose hours the agents of a team work who have none of their own."""

    __tablename__ = "sla_team_calendar"

    team_id: Mapped[UUID] = mapped_column(ForeignKey("team.id", ondelete="CASCADE"), primary_key=True)
    calendar_id: Mapped[UUID | None] = mapped_column(ForeignKey("sla_calendar.id", ondelete="RESTRICT"))
