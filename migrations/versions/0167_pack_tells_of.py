"""Which other complaints an evidence pack tells of."""

import sqlalchemy as sa
from alembic import op

revision = "0167_pack_tells_of"
down_revision = "0210_ladders"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Nothing for those that are there: they may tell of any.
    op.add_column("complaint_evidence", sa.Column("tells_of", sa.ARRAY(sa.Uuid()), nullable=True))


def downgrade() -> None:
    op.drop_column("complaint_evidence", "tells_of")
