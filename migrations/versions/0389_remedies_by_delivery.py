"""Reports find the remedies that were delivered in a span without reading every offer"""

import sqlalchemy as sa
from alembic import op

revision = "0389_remedies_by_delivery"
down_revision = "0388_overrides_again"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_offer_delivered_at", "offer", ["delivered_at"], postgresql_where=sa.text("delivered_at IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_index("ix_offer_delivered_at", table_name="offer")
