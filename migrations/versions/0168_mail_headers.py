"""What a mail says of itself: whether a person wrote it, and to which conversation it belongs."""

import sqlalchemy as sa
from alembic import op

revision = "0168_mail_headers"
down_revision = "0169_more_filters"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outbound_mail", sa.Column("automatic", sa.String(), nullable=True))
    op.add_column("outbound_mail", sa.Column("thread", sa.String(), nullable=True))
    op.create_check_constraint(
        op.f("ck_outbound_mail_automatic"), "outbound_mail", "automatic IN ('auto-generated', 'auto-replied')"
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_outbound_mail_automatic"), "outbound_mail", type_="check")
    op.drop_column("outbound_mail", "thread")
    op.drop_column("outbound_mail", "automatic")
