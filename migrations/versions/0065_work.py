"""Work: queues by urgency, agents' profiles and absences, routing rules"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0065_work"
down_revision = "0020_login"
branch_labels = None
depends_on = None

_OPEN = "status IN ('received', 'investigated')"
_NEXT_DUE = """
UPDATE complaint c SET next_due_at = k.due
FROM (SELECT complaint_id, min(due_at) AS due FROM sla_clock WHERE stopped_at IS NULL AND due_at IS NOT NULL
      GROUP BY complaint_id) k
WHERE k.complaint_id = c.id
"""
_ASSIGNED = """
UPDATE complaint c SET assigned_at = coalesce(e.at, c.created_at)
FROM complaint o LEFT JOIN (SELECT stream_id, max(occurred_at) AS at FROM event
      WHERE type = 'complaint.assigned' AND payload -> 'changes' ? 'assignee_id' GROUP BY stream_id) e
      ON e.stream_id = o.id
WHERE o.id = c.id AND c.assignee_id IS NOT NULL
"""
_BY_URGENCY = ["team_id", "severity", "next_due_at", "id"]


def upgrade() -> None:
    _complaint()
    _profiles()
    _rules()


def _complaint() -> None:
    op.add_column("complaint", sa.Column("assigned_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("complaint", sa.Column("awaits_agent", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("complaint", sa.Column("required_skills", postgresql.JSONB(), nullable=True))
    op.add_column(
        "complaint",
        sa.Column("next_due_at", sa.DateTime(timezone=True), server_default="9999-12-31 00:00:00+00", nullable=False),
    )
    op.execute(_NEXT_DUE)
    op.execute(_ASSIGNED)
    op.create_index(
        "ix_complaint_queue",
        "complaint",
        _BY_URGENCY,
        postgresql_include=["assignee_id", "waiting_on", "received_at"],
        postgresql_where=sa.text(_OPEN),
    )
    op.create_index(
        "ix_complaint_unassigned",
        "complaint",
        _BY_URGENCY,
        postgresql_where=sa.text(f"assignee_id IS NULL AND {_OPEN}"),
    )
    op.create_index(
        "ix_complaint_load",
        "complaint",
        ["assignee_id", "severity", "assigned_at"],
        postgresql_where=sa.text(f"assignee_id IS NOT NULL AND {_OPEN}"),
    )
    op.create_index(
        "ix_complaint_assigned",
        "complaint",
        ["assignee_id", "assigned_at"],
        postgresql_where=sa.text("assignee_id IS NOT NULL"),
    )
    op.create_index("ix_complaint_awaits_agent", "complaint", _BY_URGENCY, postgresql_where=sa.text("awaits_agent"))


def _profiles() -> None:
    op.create_table(
        "agent_profile",
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("skills", postgresql.JSONB(), server_default="[]", nullable=False),
        sa.Column("languages", postgresql.JSONB(), server_default="[]", nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=True),
        sa.Column("weights", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("working_hours", postgresql.JSONB(), nullable=True),
        sa.Column("availability", sa.String(), server_default="available", nullable=False),
        sa.Column("away_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("away_reason", sa.String(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("availability IN ('available', 'away')", name=op.f("ck_agent_profile_availability")),
        sa.CheckConstraint("availability = 'away' OR away_until IS NULL", name=op.f("ck_agent_profile_away_until")),
        sa.CheckConstraint("capacity BETWEEN 0 AND 10000", name=op.f("ck_agent_profile_capacity")),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name=op.f("fk_agent_profile_agent_id_agent"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("agent_id", name=op.f("pk_agent_profile")),
    )
    op.create_table(
        "agent_absence",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("substitute_id", sa.Uuid(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_agent_absence_ends_after_it_starts")),
        sa.CheckConstraint("substitute_id <> agent_id", name=op.f("ck_agent_absence_somebody_else")),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name=op.f("fk_agent_absence_agent_id_agent"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["substitute_id"], ["agent.id"], name=op.f("fk_agent_absence_substitute_id_agent"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent_absence")),
    )
    op.create_index("ix_agent_absence_agent_id_ends_at", "agent_absence", ["agent_id", "ends_at"])
    op.create_index("ix_agent_absence_substitute_id", "agent_absence", ["substitute_id"])


def _rules() -> None:
    op.create_table(
        "routing_rule",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("spec", postgresql.JSONB(), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["team_id"], ["team.id"], name=op.f("fk_routing_rule_team_id_team"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_routing_rule")),
    )
    op.create_index("ix_routing_rule_position_id", "routing_rule", ["position", "id"])
    op.create_index("ix_routing_rule_team_id_position_id", "routing_rule", ["team_id", "position", "id"])
    op.create_table(
        "routing_rule_version",
        sa.Column("rule_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("spec", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["rule_id"],
            ["routing_rule.id"],
            name=op.f("fk_routing_rule_version_rule_id_routing_rule"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("rule_id", "version", name=op.f("pk_routing_rule_version")),
    )


def downgrade() -> None:
    for name in ("routing_rule_version", "routing_rule", "agent_absence", "agent_profile"):
        op.drop_table(name)
    for name in ("queue", "unassigned", "load", "assigned", "awaits_agent"):
        op.drop_index(f"ix_complaint_{name}", "complaint")
    for name in ("next_due_at", "required_skills", "awaits_agent", "assigned_at"):
        op.drop_column("complaint", name)
