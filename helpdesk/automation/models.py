"""Tables of triggers, of what they did, and of what they remember."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Json, Stamped, Timestamp, Versioned

PARTS: Final = ("on", "condition", "actions", "stop_after", "own_changes", "imports")
"""Of what a trigger does: its `spec`."""
OUTCOMES: Final = ("done", "failed", "stopped")
"""Of a firing. `failed`: nothing of it was done. `stopped`: the guard did not let it begin."""


class Trigger(Identified, Versioned, Stamped, Base):
    """`spec`: by the names of `PARTS`. A trigger that was taken away keeps its row, because firings and events name it."""

    __tablename__ = "automation_trigger"
    __table_args__ = (
        CheckConstraint("timed = (swept_to IS NOT NULL)", name="timed_is_swept"),
        CheckConstraint("paused_at IS NULL OR NOT active", name="paused_is_inactive"),
        CheckConstraint("(paused_at IS NULL) = (paused_because IS NULL)", name="paused_with_reason"),
        CheckConstraint("failures >= 0", name="failures"),
        Index("ix_automation_trigger_position_id", "position", "id"),
    )

    name: Mapped[str]
    description: Mapped[str | None]
    position: Mapped[int]
    active: Mapped[bool] = mapped_column(server_default="true")
    timed: Mapped[bool]
    spec: Mapped[Json]
    changed_by: Mapped[UUID | None]
    """Who wrote this version."""
    failures: Mapped[int] = mapped_column(default=0, server_default="0")
    """In a row; what was done begins the count anew."""
    paused_at: Mapped[Timestamp | None]
    paused_because: Mapped[str | None]
    swept_to: Mapped[Timestamp | None]
    """Of a timed one: until when it has been looked for whatever came due."""
    removed_at: Mapped[Timestamp | None]


class TriggerVersion(Stamped, Base):
    """`spec`: the whole trigger as it was: `{name, description, position, active, on, condition, ...}`."""

    __tablename__ = "automation_trigger_version"

    trigger_id: Mapped[UUID] = mapped_column(ForeignKey("automation_trigger.id", ondelete="RESTRICT"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    spec: Mapped[Json]


class Firing(Identified, Base):
    """That a trigger's condition held, and what came of it. Written in the transaction of its actions, so that there is one
    for each event however often it is looked at. Kept for a time only: see `automation_log_days`.
    """

    __tablename__ = "automation_firing"
    __table_args__ = (
        CheckConstraint(f"outcome IN {OUTCOMES}", name="outcome"),
        CheckConstraint("(outcome = 'done') = (reason IS NULL)", name="reason"),
        CheckConstraint("(event_id IS NULL) = (occurrence_at IS NOT NULL)", name="event_or_time"),
        CheckConstraint("depth >= 1", name="depth"),
        Index(
            "uq_automation_firing_event_id",
            "event_id",
            "trigger_id",
            unique=True,
            postgresql_where=text("event_id IS NOT NULL"),
        ),
        Index("ix_automation_firing_trigger_id_id", "trigger_id", "id"),
        Index("ix_automation_firing_trigger_id_outcome_id", "trigger_id", "outcome", "id"),
        Index("ix_automation_firing_complaint_id_id", "complaint_id", "id"),
        Index("ix_automation_firing_at", "at"),
    )

    trigger_id: Mapped[UUID] = mapped_column(ForeignKey("automation_trigger.id", ondelete="RESTRICT"))
    trigger_version: Mapped[int]
    complaint_id: Mapped[UUID] = mapped_column(ForeignKey("complaint.id", ondelete="CASCADE"))
    event_id: Mapped[UUID | None]
    event_type: Mapped[str | None]
    occurrence_at: Mapped[Timestamp | None]
    """Of a timed trigger: the moment that its time was counted from."""
    outcome: Mapped[str]
    reason: Mapped[str | None]
    """A code: why it failed, or what the guard found."""
    detail: Mapped[str | None]
    depth: Mapped[int]
    chain: Mapped[list[str]] = mapped_column(JSONB)
    """Ids of the triggers whose firings led to this one, the first of them first."""
    why: Mapped[Json]
    """The condition with what was found at each part; no texts, which stand where they can be redacted."""
    actions: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    at: Mapped[Timestamp]
    duration_ms: Mapped[int]


class Occurrence(Base):
    """That a timed trigger has done what it does about this moment of this complaint: never again, however long ago."""

    __tablename__ = "automation_occurrence"
    __table_args__ = (Index("ix_automation_occurrence_complaint_id", "complaint_id"),)

    trigger_id: Mapped[UUID] = mapped_column(ForeignKey("automation_trigger.id", ondelete="CASCADE"), primary_key=True)
    complaint_id: Mapped[UUID] = mapped_column(ForeignKey("complaint.id", ondelete="CASCADE"), primary_key=True)
    occurrence_at: Mapped[Timestamp] = mapped_column(primary_key=True)


class DryRun(Base):
    """What a trial found; as long as its job is kept. `result`: `{sample: [...]}` beside the job's counts."""

    __tablename__ = "automation_dry_run"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    result: Mapped[Json]
