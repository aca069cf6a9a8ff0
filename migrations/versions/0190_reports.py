"""What reports on promises are read from: clocks by when they come due or were stopped, replies of complainants by their time,
and how late alarms rang
"""

import sqlalchemy as sa
from alembic import op

revision = "0190_reports"
down_revision = "0163_infected_files"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_sla_clock_due_at", "sla_clock", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL"))
    op.create_index(
        "ix_sla_clock_stopped_at", "sla_clock", ["stopped_at"], postgresql_where=sa.text("stopped_at IS NOT NULL")
    )
    op.create_index(
        "ix_complaint_message_inbound",
        "complaint_message",
        ["created_at", "id"],
        postgresql_where=sa.text("kind = 'inbound'"),
    )
    op.create_table(
        "sla_alarm_lateness",
        sa.Column("shard", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("alarm", sa.String(), nullable=False),
        sa.Column("upto_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("alarms", sa.BigInteger(), nullable=False),
        sa.Column("sum_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("alarm IN ('warned', 'breached')", name=op.f("ck_sla_alarm_lateness_alarm")),
        sa.PrimaryKeyConstraint("shard", "alarm", "upto_ms", name=op.f("pk_sla_alarm_lateness")),
    )


def downgrade() -> None:
    op.drop_table("sla_alarm_lateness")
    op.drop_index("ix_complaint_message_inbound", "complaint_message")
    op.drop_index("ix_sla_clock_stopped_at", "sla_clock")
    op.drop_index("ix_sla_clock_due_at", "sla_clock")
