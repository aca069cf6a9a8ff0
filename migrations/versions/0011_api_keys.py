"""API keys: other systems call under a name of their own"""

import sqlalchemy as sa
from alembic import op

revision = "0011_api_keys"
down_revision = "0031_tracking"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "api_key",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("permissions", sa.ARRAY(sa.String()), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("prefix", sa.String(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("previous_hash", sa.LargeBinary(), nullable=True),
        sa.Column("previous_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rotated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_from", sa.String(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("scope IN ('teams', 'everything')", name=op.f("ck_api_key_scope")),
        sa.CheckConstraint(
            "(previous_hash IS NULL) = (previous_until IS NULL)", name=op.f("ck_api_key_previous_whole")
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["agent.id"], name=op.f("fk_api_key_owner_id_agent"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("hash", name=op.f("uq_api_key_hash")),
        sa.UniqueConstraint("previous_hash", name=op.f("uq_api_key_previous_hash")),
    )
    op.create_index("ix_api_key_owner_id", "api_key", ["owner_id"])
    op.create_table(
        "api_key_team",
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["key_id"], ["api_key.id"], name=op.f("fk_api_key_team_key_id_api_key"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["team_id"], ["team.id"], name=op.f("fk_api_key_team_team_id_team"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("key_id", "team_id", name=op.f("pk_api_key_team")),
    )
    op.create_index("ix_api_key_team_team_id", "api_key_team", ["team_id"])


def downgrade() -> None:
    op.drop_table("api_key_team")
    op.drop_table("api_key")
