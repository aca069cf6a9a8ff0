"""A trigger says whether it answers to what an import brings; none does that was written before"""

from alembic import op

revision = "0140_automation_mends"
down_revision = "0150_search_tags"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("UPDATE automation_trigger SET spec = spec || '{\"imports\": false}'")
    op.execute("UPDATE automation_trigger_version SET spec = spec || '{\"imports\": false}'")


def downgrade() -> None:
    op.execute("UPDATE automation_trigger SET spec = spec - 'imports'")
    op.execute("UPDATE automation_trigger_version SET spec = spec - 'imports'")
