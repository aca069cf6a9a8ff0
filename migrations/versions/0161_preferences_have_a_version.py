"""Notification preferences have a version, for `If-Match`"""

import sqlalchemy as sa
from alembic import op

revision = "0161_preferences_have_a_version"
down_revision = "0160_texts_in_the_chain"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("notification_preference", sa.Column("version", sa.Integer(), server_default="1", nullable=False))


def downgrade() -> None:
    op.drop_column("notification_preference", "version")
