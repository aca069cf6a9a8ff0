"""The taxonomy as data: its terms, the rules of severity, and every version of the whole

What is in it comes with `helpdesk migrate`, after this. Assessments made before were made by what is shipped, which becomes
version 1.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0100_taxonomy"
down_revision = "0110_category_model"
branch_labels = None
depends_on = None

_KINDS = "('category', 'issue', 'root_cause', 'outcome', 'remedy', 'channel', 'vulnerability')"


def upgrade() -> None:
    op.create_table(
        "taxonomy_term",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("labels", postgresql.JSONB(), nullable=False),
        sa.Column("traits", postgresql.JSONB(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(f"kind IN {_KINDS}", name=op.f("ck_taxonomy_term_kind")),
        sa.CheckConstraint("code ~ '^[A-Za-z][A-Za-z0-9_.]{0,61}$'", name=op.f("ck_taxonomy_term_code")),
        sa.CheckConstraint("labels ? 'en'", name=op.f("ck_taxonomy_term_labelled")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_taxonomy_term")),
        sa.UniqueConstraint("kind", "code", name=op.f("uq_taxonomy_term_kind_code")),
    )
    op.create_index("ix_taxonomy_term_kind_position_code", "taxonomy_term", ["kind", "position", "code"])
    op.create_table(
        "taxonomy_severity",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("spec", postgresql.JSONB(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint("id = '00000000-0000-7000-8000-00000000005e'", name=op.f("ck_taxonomy_severity_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_taxonomy_severity")),
    )
    op.create_table(
        "taxonomy_version",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("content", postgresql.JSONB(), nullable=False),
        sa.Column("actor_kind", sa.String(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("version > 0", name=op.f("ck_taxonomy_version_version")),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_taxonomy_version")),
    )
    op.add_column(
        "complaint_severity_assessment",
        sa.Column("taxonomy_version", sa.Integer(), server_default="1", nullable=False),
    )
    op.alter_column("complaint_severity_assessment", "taxonomy_version", server_default=None)


def downgrade() -> None:
    op.drop_column("complaint_severity_assessment", "taxonomy_version")
    op.drop_table("taxonomy_version")
    op.drop_table("taxonomy_severity")
    op.drop_table("taxonomy_term")
