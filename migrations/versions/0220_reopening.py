"""A clock may go on from the round before it, where its policy says so: what was waited until then is kept with it"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0220_reopening"
down_revision = "0250_assigned_complaints"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sla_clock", sa.Column("carried", postgresql.JSONB(none_as_null=True), nullable=True))


def downgrade() -> None:
    op.drop_column("sla_clock", "carried")
