"""Triggers, what they did, what they remember and what they were tried on"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0120_automation"
down_revision = "0100_taxonomy"
branch_labels = None
depends_on = None

_OUTCOMES = "('done', 'failed', 'stopped')"
_KINDS = (
    "('inbound_message', 'assigned', 'mentioned', 'status_changed', 'sla_breached', 'trigger_fired', 'trigger_paused')"
)
_KINDS_BEFORE = "('inbound_message', 'assigned', 'mentioned', 'status_changed', 'sla_breached')"


def upgrade() -> None:
    op.create_table(
        "automation_trigger",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("timed", sa.Boolean(), nullable=False),
        sa.Column("spec", postgresql.JSONB(), nullable=False),
        sa.Column("changed_by", sa.Uuid(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_because", sa.String(), nullable=True),
        sa.Column("swept_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("timed = (swept_to IS NOT NULL)", name=op.f("ck_automation_trigger_timed_is_swept")),
        sa.CheckConstraint("paused_at IS NULL OR NOT active", name=op.f("ck_automation_trigger_paused_is_inactive")),
        sa.CheckConstraint(
            "(paused_at IS NULL) = (paused_because IS NULL)", name=op.f("ck_automation_trigger_paused_with_reason")
        ),
        sa.CheckConstraint("failures >= 0", name=op.f("ck_automation_trigger_failures")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_automation_trigger")),
    )
    op.create_index("ix_automation_trigger_position_id", "automation_trigger", ["position", "id"])
    op.create_table(
        "automation_trigger_version",
        sa.Column("trigger_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("spec", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["trigger_id"],
            ["automation_trigger.id"],
            name=op.f("fk_automation_trigger_version_trigger_id_automation_trigger"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("trigger_id", "version", name=op.f("pk_automation_trigger_version")),
    )
    op.create_table(
        "automation_firing",
        sa.Column("trigger_id", sa.Uuid(), nullable=False),
        sa.Column("trigger_version", sa.Integer(), nullable=False),
        sa.Column("complaint_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=True),
        sa.Column("event_type", sa.String(), nullable=True),
        sa.Column("occurrence_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("detail", sa.String(), nullable=True),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.Column("chain", postgresql.JSONB(), nullable=False),
        sa.Column("why", postgresql.JSONB(), nullable=False),
        sa.Column("actions", postgresql.JSONB(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(f"outcome IN {_OUTCOMES}", name=op.f("ck_automation_firing_outcome")),
        sa.CheckConstraint("(outcome = 'done') = (reason IS NULL)", name=op.f("ck_automation_firing_reason")),
        sa.CheckConstraint(
            "(event_id IS NULL) = (occurrence_at IS NOT NULL)", name=op.f("ck_automation_firing_event_or_time")
        ),
        sa.CheckConstraint("depth >= 1", name=op.f("ck_automation_firing_depth")),
        sa.ForeignKeyConstraint(
            ["trigger_id"],
            ["automation_trigger.id"],
            name=op.f("fk_automation_firing_trigger_id_automation_trigger"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["complaint_id"],
            ["complaint.id"],
            name=op.f("fk_automation_firing_complaint_id_complaint"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_automation_firing")),
    )
    op.create_index(
        "uq_automation_firing_event_id",
        "automation_firing",
        ["event_id", "trigger_id"],
        unique=True,
        postgresql_where=sa.text("event_id IS NOT NULL"),
    )
    op.create_index("ix_automation_firing_trigger_id_id", "automation_firing", ["trigger_id", "id"])
    op.create_index("ix_automation_firing_complaint_id_id", "automation_firing", ["complaint_id", "id"])
    op.create_index("ix_automation_firing_at", "automation_firing", ["at"])
    op.create_table(
        "automation_occurrence",
        sa.Column("trigger_id", sa.Uuid(), nullable=False),
        sa.Column("complaint_id", sa.Uuid(), nullable=False),
        sa.Column("occurrence_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["trigger_id"],
            ["automation_trigger.id"],
            name=op.f("fk_automation_occurrence_trigger_id_automation_trigger"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["complaint_id"],
            ["complaint.id"],
            name=op.f("fk_automation_occurrence_complaint_id_complaint"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("trigger_id", "complaint_id", "occurrence_at", name=op.f("pk_automation_occurrence")),
    )
    op.create_index("ix_automation_occurrence_complaint_id", "automation_occurrence", ["complaint_id"])
    op.create_table(
        "automation_dry_run",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("result", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job.id"], name=op.f("fk_automation_dry_run_job_id_job"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_automation_dry_run")),
    )
    _allow(_KINDS)


def downgrade() -> None:
    op.execute("DELETE FROM notification WHERE kind IN ('trigger_fired', 'trigger_paused')")
    _allow(_KINDS_BEFORE)
    op.drop_table("automation_dry_run")
    op.drop_table("automation_occurrence")
    op.drop_table("automation_firing")
    op.drop_table("automation_trigger_version")
    op.drop_table("automation_trigger")


def _allow(kinds: str) -> None:
    op.drop_constraint(op.f("ck_notification_kind"), "notification", type_="check")
    op.create_check_constraint(op.f("ck_notification_kind"), "notification", f"kind IN {kinds}")
