"""The newest complaints that match are found in the index of texts alone, and tags by words without a mark

Those that carry tags are indexed anew, by the sweep; until then each is found by the rest of its text.
"""

import sqlalchemy as sa
from alembic import op

revision = "0165_search_newest"
down_revision = "0161_preferences_have_a_version"
branch_labels = None
depends_on = None

_TAGGED_ARE_UNSEARCHED = """
INSERT INTO complaint_unsearched (complaint_id) SELECT id FROM complaint WHERE cardinality(tags) > 0
ON CONFLICT DO NOTHING
"""


def upgrade() -> None:
    op.add_column("complaint_search", sa.Column("received_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        "UPDATE complaint_search SET received_at = complaint.received_at FROM complaint"
        " WHERE complaint.id = complaint_search.complaint_id"
    )
    op.alter_column("complaint_search", "received_at", nullable=False)
    op.create_index("ix_complaint_search_received_at", "complaint_search", ["received_at", "complaint_id"])
    op.execute(_TAGGED_ARE_UNSEARCHED)


def downgrade() -> None:
    op.drop_index("ix_complaint_search_received_at", "complaint_search")
    op.drop_column("complaint_search", "received_at")
    # The program before this one takes the words without a mark for a fault.
    op.execute(_TAGGED_ARE_UNSEARCHED)
