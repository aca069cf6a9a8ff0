"""A complaint is found by its tags: those that carry some are indexed anew

The sweep does it; until then each is found by the rest of its text.
"""

from alembic import op

revision = "0150_search_tags"
down_revision = "0130_calendar_versions"
branch_labels = None
depends_on = None

_TAGGED_ARE_UNSEARCHED = """
INSERT INTO complaint_unsearched (complaint_id) SELECT id FROM complaint WHERE cardinality(tags) > 0
ON CONFLICT DO NOTHING
"""


def upgrade() -> None:
    op.execute(_TAGGED_ARE_UNSEARCHED)


def downgrade() -> None:
    # The program before this one looks for no tags, and takes their words in the index for a fault.
    op.execute(_TAGGED_ARE_UNSEARCHED)
