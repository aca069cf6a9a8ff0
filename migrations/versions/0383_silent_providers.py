"""Providers that keep us waiting in vain are asked less"""

import sqlalchemy as sa
from alembic import op

revision = "0383_silent_providers"
down_revision = "0382_all_contradictions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("remedy_provider", sa.Column("silences", sa.Integer(), server_default="0", nullable=False))
    op.add_column("remedy_provider", sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(
        op.f("ck_remedy_provider_paused"),
        "remedy_provider",
        "silences >= 0 AND (silences > 0) = (paused_until IS NOT NULL)",
    )
    op.add_column("remedy_order", sa.Column("put_off", sa.Integer(), server_default="0", nullable=False))
    op.create_check_constraint(op.f("ck_remedy_order_put_off"), "remedy_order", "put_off >= 0")
    op.create_index(
        "ix_remedy_order_open", "remedy_order", ["provider_id"], postgresql_where=sa.text("closed_at IS NULL")
    )


def downgrade() -> None:
    op.drop_index("ix_remedy_order_open", "remedy_order")
    op.drop_column("remedy_order", "put_off")
    op.drop_column("remedy_provider", "paused_until")
    op.drop_column("remedy_provider", "silences")
