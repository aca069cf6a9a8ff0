"""Whatever is said of an offer is kept, the last of it counts"""

import sqlalchemy as sa
from alembic import op

revision = "0388_overrides_again"
down_revision = "0387_what_is_left_owed"
branch_labels = None
depends_on = None

_KEY = "pk_offer_override"


def _identified_by(*columns: str) -> None:
    op.drop_constraint(op.f(_KEY), "offer_override", type_="primary")
    op.create_primary_key(op.f(_KEY), "offer_override", list(columns))


def upgrade() -> None:
    op.add_column("offer_override", sa.Column("number", sa.Integer(), server_default="1", nullable=False))
    _identified_by("offer_id", "number")


def downgrade() -> None:
    """What was said first stays: the release before this one knew no other."""
    op.execute("DELETE FROM offer_override WHERE number > 1")
    _identified_by("offer_id")
    op.drop_column("offer_override", "number")
