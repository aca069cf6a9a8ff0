"""Teams are deactivated, and name who goes on with what they had"""

import sqlalchemy as sa
from alembic import op

revision = "0169_closed_teams"
down_revision = "0167_pack_tells_of"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("team", sa.Column("active", sa.Boolean(), server_default="true", nullable=False))
    op.add_column("team", sa.Column("successor_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_team_successor_id_team"), "team", "team", ["successor_id"], ["id"], ondelete="RESTRICT"
    )
    op.create_check_constraint(op.f("ck_team_not_its_own_successor"), "team", "successor_id <> id")
    op.create_check_constraint(op.f("ck_team_successor_of_closed"), "team", "NOT active OR successor_id IS NULL")
    op.create_index(
        "ix_team_successor_id", "team", ["successor_id"], postgresql_where=sa.text("successor_id IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_column("team", "successor_id")
    op.drop_column("team", "active")
