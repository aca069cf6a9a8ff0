"""The message of a mail is found by an index: what does not arrive is told of the message that it is"""

import sqlalchemy as sa
from alembic import op

revision = "0260_message_mail"
down_revision = "0241_mail_authors"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_complaint_message_mail_id",
        "complaint_message",
        ["mail_id"],
        postgresql_where=sa.text("mail_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_complaint_message_mail_id", table_name="complaint_message")
