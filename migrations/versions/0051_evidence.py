"""Evidence packs"""

import sqlalchemy as sa
from alembic import op

revision = "0051_evidence"
down_revision = "0066_work_imports"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "complaint_evidence",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("complaint_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(), server_default="building", nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("attachments", sa.Boolean(), nullable=False),
        sa.Column("needs", sa.Boolean(), nullable=False),
        sa.Column("offers", sa.Boolean(), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=True),
        sa.Column("file_id", sa.Uuid(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(), nullable=True),
        sa.Column("entries", sa.Integer(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('building', 'ready', 'failed', 'expired')", name=op.f("ck_complaint_evidence_state")
        ),
        sa.CheckConstraint(
            "(state = 'ready') = (file_id IS NOT NULL)", name=op.f("ck_complaint_evidence_ready_has_bytes")
        ),
        sa.CheckConstraint(
            "file_id IS NULL OR (size IS NOT NULL AND sha256 IS NOT NULL)",
            name=op.f("ck_complaint_evidence_ready_is_known"),
        ),
        sa.ForeignKeyConstraint(
            ["complaint_id"],
            ["complaint.id"],
            name=op.f("fk_complaint_evidence_complaint_id_complaint"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["file_id"], ["stored_file.id"], name=op.f("fk_complaint_evidence_file_id_stored_file"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_complaint_evidence")),
    )
    op.create_index("ix_complaint_evidence_complaint_id_id", "complaint_evidence", ["complaint_id", "id"])
    op.create_index(
        "uq_complaint_evidence_building",
        "complaint_evidence",
        ["complaint_id"],
        unique=True,
        postgresql_where=sa.text("state = 'building'"),
    )
    op.create_index(
        "ix_complaint_evidence_expires_at",
        "complaint_evidence",
        ["expires_at"],
        postgresql_where=sa.text("state = 'ready'"),
    )
    op.create_index("uq_complaint_evidence_file_id", "complaint_evidence", ["file_id"], unique=True)


def downgrade() -> None:
    op.drop_table("complaint_evidence")
