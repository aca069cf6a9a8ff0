"""By how much an offer may be below what is laid down, since somebody said why"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0373_floors_again"
down_revision = "0372_contradictions_are_told"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = sa.Column("floor_waived", postgresql.JSONB(), server_default="{}", nullable=False)
    op.add_column("offer", column)
    op.execute(
        "UPDATE offer SET floor_waived = jsonb_build_object(r.currency, -r.by_minor) FROM offer_override r "
        "WHERE r.offer_id = offer.id AND r.direction = 'below_floor'"
    )


def downgrade() -> None:
    op.drop_column("offer", "floor_waived")
