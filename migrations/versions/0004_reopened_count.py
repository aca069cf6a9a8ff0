"""How often a complaint was reopened, as a fact: the rounds of its clocks follow from it"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("complaint", sa.Column("reopened_count", sa.Integer(), server_default="0", nullable=False))
    op.execute(
        "UPDATE complaint SET reopened_count = counted.n FROM (SELECT complaint_id, count(*) AS n FROM complaint_transition "
        "WHERE action = 'reopen' GROUP BY complaint_id) AS counted WHERE counted.complaint_id = complaint.id"
    )
    # What is open belongs to the present round. A number counted from rows could fall behind where a round had no clock.
    op.execute(
        "UPDATE sla_clock SET round = complaint.reopened_count + 1 FROM complaint "
        "WHERE complaint.id = sla_clock.complaint_id AND stopped_at IS NULL AND round <> complaint.reopened_count + 1"
    )


def downgrade() -> None:
    op.drop_column("complaint", "reopened_count")
