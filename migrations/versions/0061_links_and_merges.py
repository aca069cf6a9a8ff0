"""Links between complaints, merges that can be undone"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0061_links_and_merges"
down_revision = "0032_forms"
branch_labels = None
depends_on = None

_DISMISSALS = "'spam', 'not_a_complaint', 'out_of_scope'"


def _complaint_id(name: str, table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [name], ["complaint.id"], name=op.f(f"fk_{table}_{name}_complaint"), ondelete="CASCADE"
    )


def upgrade() -> None:
    op.add_column("complaint", sa.Column("merged_into_id", sa.Uuid(), nullable=True))
    op.add_column("complaint", sa.Column("child_count", sa.Integer(), server_default="0", nullable=False))
    op.create_foreign_key(
        op.f("fk_complaint_merged_into_id_complaint"),
        "complaint",
        "complaint",
        ["merged_into_id"],
        ["id"],
        ondelete="NO ACTION",
    )
    op.create_index(
        "ix_complaint_merged_into_id",
        "complaint",
        ["merged_into_id"],
        postgresql_where=sa.text("merged_into_id IS NOT NULL"),
    )
    op.drop_constraint(op.f("ck_complaint_dismissal"), "complaint")
    op.create_check_constraint(
        op.f("ck_complaint_dismissal"), "complaint", f"dismissal IN ({_DISMISSALS}, 'duplicate')"
    )
    op.create_check_constraint(
        op.f("ck_complaint_duplicate_of_one"),
        "complaint",
        "(dismissal IS NOT DISTINCT FROM 'duplicate') = (merged_into_id IS NOT NULL)",
    )
    op.create_check_constraint(op.f("ck_complaint_not_its_own_duplicate"), "complaint", "merged_into_id <> id")
    _create_links()
    _create_merges()


def _create_links() -> None:
    op.create_table(
        "complaint_link",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("from_id", sa.Uuid(), nullable=False),
        sa.Column("to_id", sa.Uuid(), nullable=False),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('related', 'child_of', 'duplicate_of', 'caused_by', 'split_from')",
            name=op.f("ck_complaint_link_kind"),
        ),
        sa.CheckConstraint("from_id <> to_id", name=op.f("ck_complaint_link_two_complaints")),
        sa.CheckConstraint("kind <> 'related' OR from_id < to_id", name=op.f("ck_complaint_link_related_once")),
        _complaint_id("from_id", "complaint_link"),
        _complaint_id("to_id", "complaint_link"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_complaint_link")),
        sa.UniqueConstraint("from_id", "to_id", "kind", name=op.f("uq_complaint_link_from_id_to_id_kind")),
    )
    op.create_index("ix_complaint_link_to_id", "complaint_link", ["to_id"])
    op.create_index(
        "uq_complaint_link_parent",
        "complaint_link",
        ["from_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'child_of'"),
    )


def _create_merges() -> None:
    op.create_table(
        "complaint_merge",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("survivor_id", sa.Uuid(), nullable=False),
        sa.Column("merged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("merged_by", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("undo_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undone_by", sa.Uuid(), nullable=True),
        sa.Column("source_status", sa.String(), nullable=False),
        sa.Column("source_waiting_on", sa.String(), nullable=False),
        sa.Column("survivor_sequence", sa.Integer(), nullable=False),
        sa.Column("source_facts", postgresql.JSONB(), nullable=False),
        sa.Column("facts_before", postgresql.JSONB(), nullable=False),
        sa.Column("facts_after", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint("source_id <> survivor_id", name=op.f("ck_complaint_merge_two_complaints")),
        sa.CheckConstraint(
            "source_status IN ('investigated', 'received')", name=op.f("ck_complaint_merge_source_status")
        ),
        sa.CheckConstraint("undone_at IS NULL OR undone_at >= merged_at", name=op.f("ck_complaint_merge_undone_after")),
        _complaint_id("source_id", "complaint_merge"),
        _complaint_id("survivor_id", "complaint_merge"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_complaint_merge")),
    )
    op.create_index(
        "uq_complaint_merge_source",
        "complaint_merge",
        ["source_id"],
        unique=True,
        postgresql_where=sa.text("undone_at IS NULL"),
    )
    op.create_index("ix_complaint_merge_source_id_id", "complaint_merge", ["source_id", "id"])
    op.create_index("ix_complaint_merge_survivor_id_id", "complaint_merge", ["survivor_id", "id"])
    op.create_table(
        "complaint_merged_row",
        sa.Column("row_id", sa.Uuid(), nullable=False),
        sa.Column("merge_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("before", postgresql.JSONB(), nullable=True),
        sa.ForeignKeyConstraint(
            ["merge_id"],
            ["complaint_merge.id"],
            name=op.f("fk_complaint_merged_row_merge_id_complaint_merge"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("row_id", "merge_id", name=op.f("pk_complaint_merged_row")),
    )
    op.create_index("ix_complaint_merged_row_merge_id_kind", "complaint_merged_row", ["merge_id", "kind"])


def downgrade() -> None:
    """Refused by the check on dismissals while there are merged complaints: their rows would be lost."""
    op.drop_constraint(op.f("ck_complaint_not_its_own_duplicate"), "complaint")
    op.drop_constraint(op.f("ck_complaint_duplicate_of_one"), "complaint")
    op.drop_constraint(op.f("ck_complaint_dismissal"), "complaint")
    op.create_check_constraint(op.f("ck_complaint_dismissal"), "complaint", f"dismissal IN ({_DISMISSALS})")
    op.drop_table("complaint_merged_row")
    op.drop_table("complaint_merge")
    op.drop_table("complaint_link")
    op.drop_index("ix_complaint_merged_into_id", "complaint")
    op.drop_constraint(op.f("fk_complaint_merged_into_id_complaint"), "complaint")
    op.drop_column("complaint", "child_count")
    op.drop_column("complaint", "merged_into_id")
