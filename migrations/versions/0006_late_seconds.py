"""Seconds of a clock that may be older than an int4 counts, and imports that may repeat an earlier one

The seconds are how late an alarm rang, and how much time was used.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("sla_alarm", "late_seconds", type_=sa.BigInteger(), existing_nullable=False)
    op.alter_column("sla_clock", "elapsed_seconds", type_=sa.BigInteger(), existing_nullable=True)
    op.add_column("import_job", sa.Column("again", sa.Boolean(), server_default="false", nullable=False))


def downgrade() -> None:
    op.drop_column("import_job", "again")
    op.alter_column("sla_clock", "elapsed_seconds", type_=sa.Integer(), existing_nullable=True)
    op.alter_column("sla_alarm", "late_seconds", type_=sa.Integer(), existing_nullable=False)
