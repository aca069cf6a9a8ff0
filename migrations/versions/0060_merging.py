"""Events know the version that their complaint has after them"""

import sqlalchemy as sa
from alembic import op

revision = "0060_merging"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("event", sa.Column("stream_version", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("event", "stream_version")
