"""The clocks that ring next are found in their index alone"""

import sqlalchemy as sa
from alembic import op

revision = "0191_armed_clocks"
down_revision = "0170_policies"
branch_labels = None
depends_on = None

_ARMED = sa.text("next_alarm_at IS NOT NULL")


def upgrade() -> None:
    op.drop_index("ix_sla_clock_armed", "sla_clock")
    op.create_index(
        "ix_sla_clock_armed",
        "sla_clock",
        ["next_alarm_at"],
        postgresql_include=["complaint_id"],
        postgresql_where=_ARMED,
    )


def downgrade() -> None:
    op.drop_index("ix_sla_clock_armed", "sla_clock")
    op.create_index("ix_sla_clock_armed", "sla_clock", ["next_alarm_at"], postgresql_where=_ARMED)
