"""The open clocks of a regulator's rule are found by an index: whoever switches the rule off is told how many go on"""

import sqlalchemy as sa
from alembic import op

revision = "0212_rule_clocks"
down_revision = "0230_in_force_revision"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_sla_clock_rule",
        "sla_clock",
        ["rule_id"],
        postgresql_where=sa.text("stopped_at IS NULL AND rule_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_sla_clock_rule", "sla_clock")
