"""The tracking secret's hash, and mails that are completed on their way out"""

import sqlalchemy as sa
from alembic import op

revision = "0031_tracking"
down_revision = "0042_templates"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("complaint", sa.Column("tracking_number", sa.Integer(), server_default="0", nullable=False))
    op.add_column("complaint", sa.Column("tracking_hash", sa.LargeBinary(), nullable=True))
    op.add_column("outbound_mail", sa.Column("completion", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("outbound_mail", "completion")
    op.drop_column("complaint", "tracking_hash")
    op.drop_column("complaint", "tracking_number")
