"""What a provider answered as if it had done what it was asked"""

import sqlalchemy as sa
from alembic import op

revision = "0381_claims_of_providers"
down_revision = "0380_overrides_by_offer"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("remedy_order", sa.Column("claim", sa.String(), nullable=True))
    op.execute("""
        UPDATE remedy_order SET claim = CASE WHEN last_error LIKE 'answered 2%' THEN left(last_error, 300) ELSE 'answered 202' END
        WHERE closed_at IS NULL AND (state = 'pending' OR external_id IS NOT NULL OR last_error LIKE 'answered 2%')
    """)
    op.create_check_constraint("ck_remedy_order_claim", "remedy_order", "claim <> ''")


def downgrade() -> None:
    op.drop_column("remedy_order", "claim")
