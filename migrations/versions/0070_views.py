"""Tags, and lists in every order and by every filter that they are asked for"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0070_views"
down_revision = "0041_notifications"
branch_labels = None
depends_on = None

_OPEN = "status IN ('received', 'investigated')"
_CLOSED = "status IN ('resolved', 'followed_up', 'withdrawn', 'dismissed')"


def upgrade() -> None:
    op.add_column("complaint", sa.Column("tags", postgresql.ARRAY(sa.String()), server_default="{}", nullable=False))
    op.add_column("complaint", sa.Column("terms", postgresql.ARRAY(sa.String()), server_default="{}", nullable=False))
    op.create_index("ix_complaint_terms", "complaint", ["terms"], postgresql_using="gin")
    op.create_index("uq_complaint_received_at_id", "complaint", ["received_at", "id"], unique=True)
    op.drop_index("ix_complaint_received_at_id", "complaint")
    op.create_index("ix_complaint_updated_at_id", "complaint", ["updated_at", "id"])
    for name, condition in (
        ("ix_complaint_open", _OPEN),
        ("ix_complaint_closed", _CLOSED),
        ("ix_complaint_tagged", "cardinality(tags) > 0"),
        ("ix_complaint_untagged", "cardinality(tags) = 0"),
    ):
        op.create_index(name, "complaint", ["received_at", "id"], postgresql_where=sa.text(condition))
    op.create_index(
        "ix_complaint_open_severity",
        "complaint",
        ["severity", "received_at", "id"],
        postgresql_where=sa.text(_OPEN),
    )
    op.create_table(
        "tag",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("colour", sa.String(), nullable=True),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("active", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("merged_into_id", sa.Uuid(), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("merged_into_id IS NULL OR NOT active", name=op.f("ck_tag_merged_is_over")),
        sa.CheckConstraint("merged_into_id <> id", name=op.f("ck_tag_merged_into_another")),
        sa.ForeignKeyConstraint(
            ["merged_into_id"], ["tag.id"], name=op.f("fk_tag_merged_into_id_tag"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tag")),
        sa.UniqueConstraint("key", name=op.f("uq_tag_key")),
    )
    op.create_index("ix_tag_merged_into_id", "tag", ["merged_into_id"])
    op.create_table(
        "complaint_tag",
        sa.Column("complaint_id", sa.Uuid(), nullable=False),
        sa.Column("tag_id", sa.Uuid(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["received_at", "complaint_id"],
            ["complaint.received_at", "complaint.id"],
            name=op.f("fk_complaint_tag_received_at_complaint_id_complaint"),
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tag_id"], ["tag.id"], name=op.f("fk_complaint_tag_tag_id_tag"), ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("complaint_id", "tag_id", name=op.f("pk_complaint_tag")),
    )
    op.create_index(
        "ix_complaint_tag_tag_id_received_at_complaint_id", "complaint_tag", ["tag_id", "received_at", "complaint_id"]
    )


def downgrade() -> None:
    op.drop_table("complaint_tag")
    op.drop_table("tag")
    for name in ("open_severity", "terms", "untagged", "tagged", "closed", "open", "updated_at_id"):
        op.drop_index(f"ix_complaint_{name}", "complaint")
    op.create_index("ix_complaint_received_at_id", "complaint", ["received_at", "id"])
    op.drop_index("uq_complaint_received_at_id", "complaint")
    op.drop_column("complaint", "terms")
    op.drop_column("complaint", "tags")
