"""Whether a letter about something waits to go out is asked before it is sent again"""

import sqlalchemy as sa
from alembic import op

revision = "0385_waiting_mails"
down_revision = "0384_codes_arrive"
branch_labels = None
depends_on = None

_NAME = "ix_outbound_mail_waiting"


def upgrade() -> None:
    op.create_index(
        _NAME,
        "outbound_mail",
        ["subject_id"],
        postgresql_where=sa.text("sent_at IS NULL AND failed_at IS NULL AND cancelled_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index(_NAME, table_name="outbound_mail")
