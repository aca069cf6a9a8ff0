"""What customers were told of an offer's money: how much is owed, by what, and how much is goodwill"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0379_breakdowns"
down_revision = "0378_reviews_of_danger"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Of offers that are out already it stays unsaid: what was owed when they were sent, nobody wrote down.
    op.add_column("offer", sa.Column("breakdown", JSONB(), nullable=True))


def downgrade() -> None:
    op.drop_column("offer", "breakdown")
