"""How severities come about, and what the offers on a complaint come to"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0090_triage"
down_revision = "0073_due_first"
branch_labels = None
depends_on = None

_LEVELS = "('S1', 'S2', 'S3', 'S4', 'S5')"
_CAUSES = "('received', 'triaged', 'set', 'facts', 'converted')"


def upgrade() -> None:
    op.add_column("complaint", sa.Column("offers_minor", sa.BigInteger(), server_default="0", nullable=False))
    op.execute(
        "UPDATE complaint SET offers_minor = live.minor FROM (SELECT complaint_id, sum(amount_minor) AS minor FROM offer "
        "WHERE status NOT IN ('declined', 'expired', 'revoked', 'reversed') AND amount_minor IS NOT NULL "
        "GROUP BY complaint_id) AS live WHERE live.complaint_id = complaint.id"
    )
    op.create_table(
        "complaint_severity_assessment",
        sa.Column("complaint_id", sa.Uuid(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("severity", sa.String(), nullable=False),
        sa.Column("before", sa.String(), nullable=True),
        sa.Column("judged", sa.String(), nullable=True),
        sa.Column("reasons", postgresql.JSONB(), nullable=False),
        sa.Column("systemic", sa.Boolean(), nullable=False),
        sa.Column("rules_version", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("actor_kind", sa.String(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(f"cause IN {_CAUSES}", name=op.f("ck_complaint_severity_assessment_cause")),
        sa.CheckConstraint(f"severity IN {_LEVELS}", name=op.f("ck_complaint_severity_assessment_severity")),
        sa.CheckConstraint(f"before IN {_LEVELS}", name=op.f("ck_complaint_severity_assessment_before")),
        sa.CheckConstraint(f"judged IN {_LEVELS}", name=op.f("ck_complaint_severity_assessment_judged")),
        sa.CheckConstraint(
            "(cause = 'set') = (reason IS NOT NULL)", name=op.f("ck_complaint_severity_assessment_set_with_reason")
        ),
        sa.ForeignKeyConstraint(
            ["complaint_id"],
            ["complaint.id"],
            name=op.f("fk_complaint_severity_assessment_complaint_id_complaint"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_complaint_severity_assessment")),
    )
    op.create_index(
        "ix_complaint_severity_assessment_complaint_id_id", "complaint_severity_assessment", ["complaint_id", "id"]
    )
    op.create_index(
        "ix_complaint_severity_assessment_set",
        "complaint_severity_assessment",
        ["created_at", "id"],
        postgresql_where=sa.text("cause = 'set'"),
    )


def downgrade() -> None:
    op.drop_table("complaint_severity_assessment")
    op.drop_column("complaint", "offers_minor")
