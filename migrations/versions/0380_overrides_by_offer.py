"""Overrides are found by their offers: nobody asks for them by their time"""

from alembic import op

revision = "0380_overrides_by_offer"
down_revision = "0379_breakdowns"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_offer_override_at", "offer_override")


def downgrade() -> None:
    op.create_index("ix_offer_override_at", "offer_override", ["at"])
