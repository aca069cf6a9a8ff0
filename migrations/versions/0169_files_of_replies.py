"""Files go with replies and drafts, and with their mail"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0169_files_of_replies"
down_revision = "0168_uses"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outbound_mail", sa.Column("files", postgresql.ARRAY(sa.Uuid()), server_default="{}", nullable=False))
    op.add_column(
        "complaint_draft",
        sa.Column("attachment_ids", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
    )


def downgrade() -> None:
    op.drop_column("complaint_draft", "attachment_ids")
    op.drop_column("outbound_mail", "files")
