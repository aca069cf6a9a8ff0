"""What follows when an alarm rings: actions that are owed, whom they told, and by which calendars teams work"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0211_escalations"
down_revision = "0169_files_of_replies"
branch_labels = None
depends_on = None

_BEFORE = (
    "inbound_message",
    "assigned",
    "mentioned",
    "status_changed",
    "sla_breached",
    "trigger_fired",
    "trigger_paused",
)
_AFTER = (
    "inbound_message",
    "assigned",
    "mentioned",
    "status_changed",
    "sla_warned",
    "sla_breached",
    "sla_overdue",
    "trigger_fired",
    "trigger_paused",
)


def upgrade() -> None:
    op.drop_constraint(op.f("ck_notification_kind"), "notification", type_="check")
    op.create_check_constraint(op.f("ck_notification_kind"), "notification", f"kind IN {_AFTER}")
    op.create_table(
        "sla_escalation",
        sa.Column("complaint_id", sa.Uuid(), nullable=False),
        sa.Column("clock_id", sa.Uuid(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("rung", sa.String(), nullable=False),
        sa.Column("place", sa.SmallInteger(), nullable=False),
        sa.Column("planned_for", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("given", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("at_any_time", sa.Boolean(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("detail", sa.String(), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(outcome = 'owed') = (settled_at IS NULL)", name=op.f("ck_sla_escalation_settled")),
        sa.CheckConstraint(
            "outcome IN ('owed', 'done') OR reason IS NOT NULL", name=op.f("ck_sla_escalation_says_why")
        ),
        sa.CheckConstraint("outcome IN ('owed', 'done', 'failed', 'dropped')", name=op.f("ck_sla_escalation_outcome")),
        sa.ForeignKeyConstraint(
            ["clock_id", "generation", "rung"],
            ["sla_alarm.clock_id", "sla_alarm.generation", "sla_alarm.rung"],
            name=op.f("fk_sla_escalation_clock_id_sla_alarm"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["complaint_id"],
            ["complaint.id"],
            name=op.f("fk_sla_escalation_complaint_id_complaint"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sla_escalation")),
        sa.UniqueConstraint(
            "clock_id", "generation", "rung", "place", name=op.f("uq_sla_escalation_clock_id_generation_rung_place")
        ),
    )
    op.create_index("ix_sla_escalation_complaint_id", "sla_escalation", ["complaint_id"])
    op.create_index(
        "ix_sla_escalation_owed", "sla_escalation", ["complaint_id"], postgresql_where=sa.text("outcome = 'owed'")
    )
    op.create_table(
        "sla_notice",
        sa.Column("escalation_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("outcome IN ('sent', 'held', 'superseded', 'dropped')", name=op.f("ck_sla_notice_outcome")),
        sa.CheckConstraint("outcome <> 'held' OR until IS NOT NULL", name=op.f("ck_sla_notice_held_until")),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name=op.f("fk_sla_notice_agent_id_agent"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["escalation_id"],
            ["sla_escalation.id"],
            name=op.f("fk_sla_notice_escalation_id_sla_escalation"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sla_notice")),
        sa.UniqueConstraint("escalation_id", "agent_id", name=op.f("uq_sla_notice_escalation_id_agent_id")),
    )
    op.create_index("ix_sla_notice_agent_id", "sla_notice", ["agent_id"])
    op.create_table(
        "sla_team_calendar",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("calendar_id", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["calendar_id"],
            ["sla_calendar.id"],
            name=op.f("fk_sla_team_calendar_calendar_id_sla_calendar"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["team_id"], ["team.id"], name=op.f("fk_sla_team_calendar_team_id_team"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("team_id", name=op.f("pk_sla_team_calendar")),
    )


def downgrade() -> None:
    op.drop_table("sla_team_calendar")
    op.drop_table("sla_notice")
    op.drop_table("sla_escalation")
    op.execute("DELETE FROM notification WHERE kind IN ('sla_warned', 'sla_overdue')")
    op.drop_constraint(op.f("ck_notification_kind"), "notification", type_="check")
    op.create_check_constraint(op.f("ck_notification_kind"), "notification", f"kind IN {_BEFORE}")
