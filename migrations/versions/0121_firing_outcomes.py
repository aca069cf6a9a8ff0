"""What failed of a trigger, or was stopped, is found without reading what was done"""

from alembic import op

revision = "0121_firing_outcomes"
down_revision = "0101_code_maps"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_automation_firing_trigger_id_outcome_id", "automation_firing", ["trigger_id", "outcome", "id"])


def downgrade() -> None:
    op.drop_index("ix_automation_firing_trigger_id_outcome_id", "automation_firing")
