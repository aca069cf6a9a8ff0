"""Jobs are listed by the time at which they were begun: their ids do not tell it for all"""

from alembic import op

revision = "0168_uses"
down_revision = "0169_closed_teams"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("created_by", "kind", "state"):
        op.drop_index(f"ix_job_{name}_id", table_name="job")
        op.create_index(f"ix_job_{name}_created_at_id", "job", [name, "created_at", "id"])
    op.create_index("ix_job_created_at_id", "job", ["created_at", "id"])


def downgrade() -> None:
    op.drop_index("ix_job_created_at_id", table_name="job")
    for name in ("created_by", "kind", "state"):
        op.drop_index(f"ix_job_{name}_created_at_id", table_name="job")
        op.create_index(f"ix_job_{name}_id", "job", [name, "id"])
