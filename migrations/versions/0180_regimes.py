"""Regulatory deadlines in versions, and what people say of a complaint's regime

Clocks of the two rules that there were go by the first version of these.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0180_regimes"
down_revision = "0191_armed_clocks"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sla_rule",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sla_rule")),
    )
    op.create_table(
        "sla_rule_version",
        sa.Column("rule_id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("spec", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["rule_id"], ["sla_rule.id"], name=op.f("fk_sla_rule_version_rule_id_sla_rule"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("rule_id", "version", name=op.f("pk_sla_rule_version")),
    )
    op.create_table(
        "sla_regime_calendar",
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("calendar_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["calendar_id"],
            ["sla_calendar.id"],
            name=op.f("fk_sla_regime_calendar_calendar_id_sla_calendar"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_sla_regime_calendar")),
        sa.UniqueConstraint("calendar_id", name=op.f("uq_sla_regime_calendar_calendar_id")),
    )
    _clocks()
    op.create_table(
        "complaint_regulatory_fact",
        sa.Column("complaint_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_because", sa.String(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "(withdrawn_at IS NULL) = (withdrawn_because IS NULL)",
            name=op.f("ck_complaint_regulatory_fact_withdrawn_whole"),
        ),
        sa.ForeignKeyConstraint(
            ["complaint_id"],
            ["complaint.id"],
            name=op.f("fk_complaint_regulatory_fact_complaint_id_complaint"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_complaint_regulatory_fact")),
    )
    op.create_index("ix_complaint_regulatory_fact_complaint_id", "complaint_regulatory_fact", ["complaint_id", "id"])
    op.create_index(
        "uq_complaint_regulatory_fact_once",
        "complaint_regulatory_fact",
        ["complaint_id", "kind", "at"],
        unique=True,
        postgresql_where=sa.text("withdrawn_at IS NULL"),
    )
    op.create_table(
        "complaint_rule_decision",
        sa.Column("complaint_id", sa.Uuid(), nullable=False),
        sa.Column("rule_id", sa.String(), nullable=False),
        sa.Column("applies", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["complaint_id"],
            ["complaint.id"],
            name=op.f("fk_complaint_rule_decision_complaint_id_complaint"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_complaint_rule_decision")),
        sa.UniqueConstraint("complaint_id", "rule_id", name=op.f("uq_complaint_rule_decision_complaint_id_rule_id")),
    )
    op.create_table(
        "complaint_extension_notice",
        sa.Column("complaint_id", sa.Uuid(), nullable=False),
        sa.Column("clock_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.Column("old_due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("new_due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("given_by", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("new_due_at > old_due_at", name=op.f("ck_complaint_extension_notice_moves_forward")),
        sa.CheckConstraint("given_at < old_due_at", name=op.f("ck_complaint_extension_notice_in_time")),
        sa.ForeignKeyConstraint(
            ["clock_id"],
            ["sla_clock.id"],
            name=op.f("fk_complaint_extension_notice_clock_id_sla_clock"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["complaint_id"],
            ["complaint.id"],
            name=op.f("fk_complaint_extension_notice_complaint_id_complaint"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["message_id"],
            ["complaint_message.id"],
            name=op.f("fk_complaint_extension_notice_message_id_complaint_message"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_complaint_extension_notice")),
        sa.UniqueConstraint("clock_id", "number", name=op.f("uq_complaint_extension_notice_clock_id_number")),
    )
    op.create_index("ix_complaint_extension_notice_complaint_id", "complaint_extension_notice", ["complaint_id", "id"])


def _clocks() -> None:
    op.add_column("sla_clock", sa.Column("rule_version", sa.Integer(), nullable=True))
    op.add_column("sla_clock", sa.Column("timezone", sa.String(), nullable=True))
    op.add_column("sla_clock", sa.Column("extensions", sa.Integer(), server_default="0", nullable=False))
    op.execute("UPDATE sla_clock SET rule_version = 1, timezone = 'America/New_York' WHERE rule_id IS NOT NULL")
    op.create_check_constraint(
        op.f("ck_sla_clock_rule_whole"), "sla_clock", "num_nulls(rule_id, rule_version, timezone) IN (0, 3)"
    )


def downgrade() -> None:
    op.drop_table("complaint_extension_notice")
    op.drop_table("complaint_rule_decision")
    op.drop_table("complaint_regulatory_fact")
    op.drop_constraint(op.f("ck_sla_clock_rule_whole"), "sla_clock", type_="check")
    op.drop_column("sla_clock", "extensions")
    op.drop_column("sla_clock", "timezone")
    op.drop_column("sla_clock", "rule_version")
    op.drop_table("sla_regime_calendar")
    op.drop_table("sla_rule_version")
    op.drop_table("sla_rule")
