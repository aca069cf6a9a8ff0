"""The model that suggests categories, and what was suggested to whom"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0110_category_model"
down_revision = "0090_triage"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "category_model",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("trained_by", sa.Uuid(), nullable=True),
        sa.Column("redactions", sa.Integer(), nullable=False),
        sa.Column("examples", sa.Integer(), nullable=False),
        sa.Column("words", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("checksum", sa.LargeBinary(), nullable=False),
        sa.Column("figures", postgresql.JSONB(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_category_model")),
        sa.UniqueConstraint("version", name=op.f("uq_category_model_version")),
    )
    op.create_table(
        "category_suggestion",
        sa.Column("complaint_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("shown_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("basis", sa.String(), nullable=False),
        sa.Column("model_version", sa.Integer(), nullable=True),
        sa.Column("categories", postgresql.ARRAY(sa.String()), nullable=False),
        sa.Column("chosen", sa.String(), nullable=True),
        sa.Column("place", sa.Integer(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("basis IN ('model', 'rules')", name=op.f("ck_category_suggestion_basis")),
        sa.CheckConstraint(
            "(decided_at IS NULL) = (chosen IS NULL) AND (chosen IS NULL) = (place IS NULL)",
            name=op.f("ck_category_suggestion_decided_whole"),
        ),
        sa.CheckConstraint("place >= 0", name=op.f("ck_category_suggestion_place")),
        sa.ForeignKeyConstraint(
            ["complaint_id"],
            ["complaint.id"],
            name=op.f("fk_category_suggestion_complaint_id_complaint"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name=op.f("fk_category_suggestion_agent_id_agent"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("complaint_id", "agent_id", name=op.f("pk_category_suggestion")),
    )
    op.create_index(
        "ix_category_suggestion_shown_at",
        "category_suggestion",
        ["shown_at"],
        postgresql_include=["basis", "model_version", "place"],
    )


def downgrade() -> None:
    op.drop_table("category_suggestion")
    op.drop_table("category_model")
