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
    # The release before completes no reply, and would try for hours to find out how.
    op.execute("UPDATE outbound_mail SET completion = NULL WHERE completion = 'reply' AND sent_at IS NULL")
    op.drop_column("outbound_mail", "author_id")
