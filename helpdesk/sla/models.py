"""Tables of the SLA domain. Calendars and policies are kept in every version: a clock goes on by the one that made it."""

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Json, Stamped, Timestamp, Versioned
from helpdesk.sla.business_time import Unit

CLOCK_STATES = ("running", "paused", "met", "breached", "cancelled")
POLICY_KINDS = ("acknowledge", "investigate", "resolve", "follow_up")
BREACH = 100
"""The threshold, in percent, at which a promise is broken."""


class SlaCalendar(Identified, Versioned, Stamped, Base):
    """`version` is the current one; its hours are in `SlaCalendarVersion`."""

    __tablename__ = "sla_calendar"

    name: Mapped[str] = mapped_column(unique=True)


class SlaCalendarVersion(Stamped, Base):
    """`spec` says all of it, also what holds on the days on which its own hours do not (`specs.calendar_of`)."""

    __tablename__ = "sla_calendar_version"
    __table_args__ = (
        CheckConstraint("spec ->> 'valid_until' >= spec ->> 'valid_from'", name="valid_forwards"),
        CheckConstraint(
            "coalesce(spec ->> 'valid_from', spec ->> 'valid_until') IS NULL OR coalesce(jsonb_array_length(spec -> 'otherwise'), 0) > 0",
            name="holds_every_day",
        ),
    )

    calendar_id: Mapped[UUID] = mapped_column(ForeignKey("sla_calendar.id", ondelete="RESTRICT"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    spec: Mapped[Json]


class SlaPolicy(Identified, Versioned, Stamped, Base):
    """The first part knows one policy, the one marked as default; `version` is the current one."""

    __tablename__ = "sla_policy"
    __table_args__ = (Index("uq_sla_policy_default", "is_default", unique=True, postgresql_where=text("is_default")),)

    name: Mapped[str] = mapped_column(unique=True)
    is_default: Mapped[bool] = mapped_column(default=False, server_default="false")


class SlaPolicyVersion(Stamped, Base):
    __tablename__ = "sla_policy_version"

    policy_id: Mapped[UUID] = mapped_column(ForeignKey("sla_policy.id", ondelete="RESTRICT"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    calendar_id: Mapped[UUID] = mapped_column(ForeignKey("sla_calendar.id", ondelete="RESTRICT"))
    spec: Mapped[Json]


class Clock(Identified, Base):
    """One promise about one complaint.

    `due_at` is null while the clock is paused; `remaining_seconds` (business seconds) then says what is left.
    `generation` counts recomputations: an alarm belongs to one. `round` counts reopenings.
    """

    __tablename__ = "sla_clock"
    __table_args__ = (
        UniqueConstraint("complaint_id", "kind", "round"),
        CheckConstraint(f"state IN {CLOCK_STATES}", name="state"),
        CheckConstraint("(state = 'paused') = (due_at IS NULL AND remaining_seconds IS NOT NULL)", name="paused_open"),
        CheckConstraint("next_alarm_at IS NULL OR state = 'running'", name="only_running_rings"),
        CheckConstraint("(next_alarm_at IS NULL) = (next_threshold IS NULL)", name="alarm_whole"),
        CheckConstraint("(policy_id IS NULL) = (rule_id IS NOT NULL)", name="policy_or_rule"),
        CheckConstraint("state <> 'breached' OR breached_at IS NOT NULL", name="breached_when"),
        Index("ix_sla_clock_armed", "next_alarm_at", postgresql_where=text("next_alarm_at IS NOT NULL")),
        Index("ix_sla_clock_complaint_id", "complaint_id"),
        Index("ix_sla_clock_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index("ix_sla_clock_stopped_at", "stopped_at", postgresql_where=text("stopped_at IS NOT NULL")),
        Index(
            "ix_sla_clock_calendar",
            "calendar_id",
            "calendar_version",
            postgresql_where=text("stopped_at IS NULL AND calendar_id IS NOT NULL"),
        ),
    )

    complaint_id: Mapped[UUID] = mapped_column(ForeignKey("complaint.id", ondelete="CASCADE"))
    kind: Mapped[str]
    round: Mapped[int] = mapped_column(default=1)
    policy_id: Mapped[UUID | None] = mapped_column(ForeignKey("sla_policy.id", ondelete="RESTRICT"))
    policy_version: Mapped[int | None]
    calendar_id: Mapped[UUID | None] = mapped_column(ForeignKey("sla_calendar.id", ondelete="RESTRICT"))
    calendar_version: Mapped[int | None]
    rule_id: Mapped[str | None]
    severity: Mapped[str | None]
    target_amount: Mapped[int]
    target_unit: Mapped[Unit] = mapped_column(String)
    pausable: Mapped[bool]
    state: Mapped[str]
    started_at: Mapped[Timestamp]
    due_at: Mapped[Timestamp | None]
    remaining_seconds: Mapped[int | None]
    stopped_at: Mapped[Timestamp | None]
    breached_at: Mapped[Timestamp | None]
    elapsed_seconds: Mapped[int | None] = mapped_column(BigInteger)
    """Business seconds used, once stopped."""
    pauses: Mapped[list[list[str | None]]] = mapped_column(JSONB, default=list, server_default="[]")
    """Pairs of RFC 3339 times; the last may have no end."""
    next_threshold: Mapped[int | None]
    next_alarm_at: Mapped[Timestamp | None]
    generation: Mapped[int] = mapped_column(default=1)


class Alarm(Base):
    """An alarm that rang: once per clock, generation and threshold; the primary key is the promise."""

    __tablename__ = "sla_alarm"

    clock_id: Mapped[UUID] = mapped_column(ForeignKey("sla_clock.id", ondelete="CASCADE"), primary_key=True)
    generation: Mapped[int] = mapped_column(primary_key=True)
    threshold: Mapped[int] = mapped_column(primary_key=True)
    planned_for: Mapped[Timestamp]
    fired_at: Mapped[Timestamp]
    late_seconds: Mapped[int] = mapped_column(BigInteger)


def clock_values(**given: Any) -> dict[str, Any]:
    """Every column of a clock, so that rows of one batch have the same keys."""
    row = dict.fromkeys(Clock.__table__.columns.keys())
    row.update(pauses=[], generation=1, round=1)
    row.update(given)
    return row
