"""A number that every change of what processes keep a copy of counts up, so that none goes by an older one"""

import sqlalchemy as sa
from alembic import op

revision = "0230_in_force_revision"
down_revision = "0166_erasures_are_told"
branch_labels = None
depends_on = None


def upgrade() -> None:
    table = op.create_table(
        "in_force_revision",
        sa.Column("id", sa.SmallInteger(), nullable=False, autoincrement=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_in_force_revision_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_in_force_revision")),
    )
    op.bulk_insert(table, [{"id": 1, "revision": 0}])


def downgrade() -> None:
    op.drop_table("in_force_revision")
