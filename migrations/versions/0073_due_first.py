"""Lists in the order in which something is due"""

from alembic import op

revision = "0073_due_first"
down_revision = "0051_evidence"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_complaint_next_due_at_id", "complaint", ["next_due_at", "id"])


def downgrade() -> None:
    op.drop_index("ix_complaint_next_due_at_id", "complaint")
