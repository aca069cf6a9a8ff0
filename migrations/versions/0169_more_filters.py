"""Lists by language, level of escalation, and whether there is a need"""

import sqlalchemy as sa
from alembic import op

revision = "0169_more_filters"
down_revision = "0211_escalations"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("language", "escalation_level"):
        op.create_index(f"ix_complaint_{name}_received_at_id", "complaint", [name, "received_at", "id"])
    op.create_index(
        "ix_complaint_vulnerable", "complaint", ["received_at", "id"], postgresql_where=sa.text("vulnerable")
    )


def downgrade() -> None:
    op.drop_index("ix_complaint_vulnerable", table_name="complaint")
    for name in ("escalation_level", "language"):
        op.drop_index(f"ix_complaint_{name}_received_at_id", table_name="complaint")
