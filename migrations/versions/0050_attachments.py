"""Attachments, the files they are, and evidence packs"""

import sqlalchemy as sa
from alembic import op

revision = "0050_attachments"
down_revision = "0011_api_keys"
branch_labels = None
depends_on = None

SCANS = "('unscanned', 'scanning', 'clean', 'infected', 'failed')"


def upgrade() -> None:
    op.create_table(
        "stored_file",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("state", sa.String(), server_default="receiving", nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(), nullable=True),
        sa.CheckConstraint("state IN ('receiving', 'kept', 'leaving')", name=op.f("ck_stored_file_state")),
        sa.CheckConstraint(
            "state <> 'kept' OR (size IS NOT NULL AND sha256 IS NOT NULL)", name=op.f("ck_stored_file_kept_is_known")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stored_file")),
    )
    op.create_index(
        "ix_stored_file_created_at", "stored_file", ["created_at"], postgresql_where=sa.text("state = 'receiving'")
    )
    op.create_table(
        "complaint_attachment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("complaint_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.Column("internal", sa.Boolean(), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("declared_type", sa.String(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=True),
        sa.Column("scan", sa.String(), nullable=False),
        sa.Column("signature", sa.String(), nullable=True),
        sa.Column("scanned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("author_kind", sa.String(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=True),
        sa.Column("redacted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("redacted_by", sa.Uuid(), nullable=True),
        sa.Column("redaction_reason", sa.String(), nullable=True),
        sa.CheckConstraint(f"scan IN {SCANS}", name=op.f("ck_complaint_attachment_scan")),
        sa.CheckConstraint(
            "(file_id IS NULL) = (redacted_at IS NOT NULL)", name=op.f("ck_complaint_attachment_bytes_until_redacted")
        ),
        sa.CheckConstraint(
            "(name IS NULL) = (redacted_at IS NOT NULL)", name=op.f("ck_complaint_attachment_name_until_redacted")
        ),
        sa.CheckConstraint("size > 0", name=op.f("ck_complaint_attachment_size")),
        sa.ForeignKeyConstraint(
            ["complaint_id"],
            ["complaint.id"],
            name=op.f("fk_complaint_attachment_complaint_id_complaint"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["message_id"],
            ["complaint_message.id"],
            name=op.f("fk_complaint_attachment_message_id_complaint_message"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["file_id"],
            ["stored_file.id"],
            name=op.f("fk_complaint_attachment_file_id_stored_file"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_complaint_attachment")),
    )
    op.create_index("ix_complaint_attachment_complaint_id_id", "complaint_attachment", ["complaint_id", "id"])
    op.create_index(
        "ix_complaint_attachment_message_id",
        "complaint_attachment",
        ["message_id"],
        postgresql_where=sa.text("message_id IS NOT NULL"),
    )
    op.create_index("uq_complaint_attachment_file_id", "complaint_attachment", ["file_id"], unique=True)
    op.create_index(
        "ix_complaint_attachment_scan",
        "complaint_attachment",
        ["scan", "id"],
        postgresql_where=sa.text("scan = 'unscanned'"),
    )


def downgrade() -> None:
    op.drop_table("complaint_attachment")
    op.drop_table("stored_file")
