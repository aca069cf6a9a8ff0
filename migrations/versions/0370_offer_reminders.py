"""Customers are reminded of offers that end soon"""

import sqlalchemy as sa
from alembic import op

revision = "0370_offer_reminders"
down_revision = "0351_counter_offers"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in ("told_at", "reminded_at"):
        op.add_column("offer", sa.Column(column, sa.DateTime(timezone=True), nullable=True))
    op.execute(
        "UPDATE offer SET told_at = (SELECT max(at) FROM offer_transition WHERE offer_id = offer.id AND action IN "
        "('offer', 'keep', 'take_back_counter')) WHERE status IN ('offered', 'countered')"
    )
    op.create_index(
        "ix_offer_to_be_reminded_of",
        "offer",
        ["valid_until"],
        postgresql_where=sa.text("status = 'offered' AND reminded_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_offer_to_be_reminded_of", table_name="offer")
    for column in ("reminded_at", "told_at"):
        op.drop_column("offer", column)
