"""Lists of what somebody has"""

import sqlalchemy as sa
from alembic import op

revision = "0250_assigned_complaints"
down_revision = "0240_mail_failed"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_complaint_has_assignee",
        "complaint",
        ["received_at", "id"],
        postgresql_where=sa.text("assignee_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_complaint_has_assignee", table_name="complaint")
