"""Playbooks and their versions. What was published is never changed: a trigger refuses it, as it refuses two published
versions of one playbook that hold on one day.
"""

from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Json, Minor, Stamped, Timestamp, Versioned

STATES: Final = ("draft", "published", "retired")
OUTCOMES: Final = ("tried", "other_playbook", "failed")
"""Of a complaint in a trial: it was reckoned, it would be another playbook's, or it could not be reckoned."""
LAST: Final = 2**31 - 1
"""The position of the default playbook."""


class Playbook(Identified, Versioned, Stamped, Base):
    """`condition`: of the cases that it is for; the first whose condition holds, and of which a version is in force, counts.
    The default one is for everything, and stands last.
    """

    __tablename__ = "playbook"
    __table_args__ = (
        CheckConstraint(f"is_default = (position = {LAST})", name="default_is_last"),
        CheckConstraint("position >= 0", name="position"),
        Index("uq_playbook_name", text("lower(name)"), unique=True),
        Index("uq_playbook_default", "is_default", unique=True, postgresql_where=text("is_default")),
        Index("ix_playbook_position_id", "position", "id"),
    )

    name: Mapped[str]
    position: Mapped[int]
    condition: Mapped[Json]
    is_default: Mapped[bool] = mapped_column(default=False, server_default="false")


class PlaybookVersion(Versioned, Stamped, Base):
    """`number` counts within the playbook, `version` is that of the row. `valid_from` and `valid_until` are days in UTC, both
    included; `valid_until` None: until another one begins.
    """

    __tablename__ = "playbook_version"
    __table_args__ = (
        CheckConstraint(f"state IN {STATES}", name="state"),
        CheckConstraint("valid_until >= valid_from", name="period"),
        CheckConstraint("number >= 1", name="number"),
        CheckConstraint("(state = 'draft') = (published_at IS NULL)", name="published"),
        CheckConstraint("state = 'draft' OR valid_from IS NOT NULL", name="published_from"),
        CheckConstraint(
            "(state = 'retired') = (retired_at IS NOT NULL) AND (state = 'retired') = (retired_because IS NOT NULL)",
            name="retired",
        ),
    )

    playbook_id: Mapped[UUID] = mapped_column(ForeignKey("playbook.id", ondelete="RESTRICT"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(default="draft", server_default="draft")
    spec: Mapped[Json]
    warnings: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list, server_default="[]")
    note: Mapped[str | None]
    valid_from: Mapped[date | None]
    valid_until: Mapped[date | None]
    created_by: Mapped[UUID | None]
    published_at: Mapped[Timestamp | None]
    published_by: Mapped[UUID | None]
    retired_at: Mapped[Timestamp | None]
    retired_by: Mapped[UUID | None]
    retired_because: Mapped[str | None]


class PlaybookTrial(Base):
    """What a dry run has found of one complaint: amounts in minor units, before by what is in force and after by the trial.
    Goes with its job.
    """

    __tablename__ = "playbook_trial"
    __table_args__ = (
        CheckConstraint(f"outcome IN {OUTCOMES}", name="outcome"),
        CheckConstraint(
            "(outcome = 'tried') = (tier IS NOT NULL AND currency IS NOT NULL AND before_minor IS NOT NULL "
            "AND after_minor IS NOT NULL)",
            name="tried",
        ),
        Index("ix_playbook_trial_job_id_received_at", "job_id", "received_at", "complaint_id"),
    )

    job_id: Mapped[UUID] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    complaint_id: Mapped[UUID] = mapped_column(primary_key=True)
    received_at: Mapped[Timestamp]
    outcome: Mapped[str]
    severity: Mapped[str]
    tier: Mapped[str | None]
    currency: Mapped[str | None]
    before_minor: Mapped[Minor | None]
    after_minor: Mapped[Minor | None]
