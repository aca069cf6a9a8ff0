"""Mail knows which agent wrote it: the reply says so when it is sent."""

import sqlalchemy as sa
from alembic import op

revision = "0241_mail_authors"
down_revision = "0220_reopening"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outbound_mail", sa.Column("author_id", sa.Uuid(), nullable=True))


def downgrade() -> None:
    op.drop_column("outbound_mail", "author_id")
