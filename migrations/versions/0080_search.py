"""The index of the text of complaints; those that are there already are indexed by a sweep"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0080_search"
down_revision = "0071_custom_fields"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "complaint_search",
        sa.Column("complaint_id", sa.Uuid(), nullable=False),
        sa.Column("segment", sa.Integer(), nullable=False),
        sa.Column("several", sa.Boolean(), nullable=False),
        sa.Column("places", sa.Integer(), nullable=False),
        sa.Column("vector", postgresql.TSVECTOR(), nullable=False),
        sa.ForeignKeyConstraint(
            ["complaint_id"],
            ["complaint.id"],
            name=op.f("fk_complaint_search_complaint_id_complaint"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("complaint_id", "segment", name=op.f("pk_complaint_search")),
    )
    op.create_index("ix_complaint_search_vector", "complaint_search", ["vector"], postgresql_using="gin")
    op.create_index(
        "ix_complaint_search_several",
        "complaint_search",
        ["vector"],
        postgresql_using="gin",
        postgresql_where=sa.text("several"),
    )
    op.create_table(
        "complaint_unsearched",
        sa.Column("complaint_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["complaint_id"],
            ["complaint.id"],
            name=op.f("fk_complaint_unsearched_complaint_id_complaint"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("complaint_id", name=op.f("pk_complaint_unsearched")),
    )
    op.execute("INSERT INTO complaint_unsearched SELECT id FROM complaint")


def downgrade() -> None:
    op.drop_table("complaint_unsearched")
    op.drop_table("complaint_search")
