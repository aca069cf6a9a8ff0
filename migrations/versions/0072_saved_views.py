"""Lists that somebody wants to see again"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0072_saved_views"
down_revision = "0021_providers"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "complaint_view",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column("filters", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("sort", sa.String(), nullable=False),
        sa.Column("columns", postgresql.ARRAY(sa.String()), server_default="{}", nullable=False),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("scope IN ('own', 'team', 'shared')", name=op.f("ck_complaint_view_scope")),
        sa.CheckConstraint("(scope = 'own') = (agent_id IS NOT NULL)", name=op.f("ck_complaint_view_own_is_somebodys")),
        sa.CheckConstraint("(scope = 'team') = (team_id IS NOT NULL)", name=op.f("ck_complaint_view_team_is_named")),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name=op.f("fk_complaint_view_agent_id_agent"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["team_id"], ["team.id"], name=op.f("fk_complaint_view_team_id_team"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_complaint_view")),
    )
    op.create_index("ix_complaint_view_agent_id", "complaint_view", ["agent_id"])
    op.create_index("ix_complaint_view_team_id", "complaint_view", ["team_id"])


def downgrade() -> None:
    op.drop_table("complaint_view")
