"""Files in which a virus was found long ago are found by an index"""

import sqlalchemy as sa
from alembic import op

revision = "0163_infected_files"
down_revision = "0162_redacted_values"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_complaint_attachment_infected",
        "complaint_attachment",
        ["scanned_at"],
        postgresql_where=sa.text("scan = 'infected' AND redacted_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_complaint_attachment_infected", table_name="complaint_attachment")
