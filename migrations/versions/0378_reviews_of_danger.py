"""No review is open where a need or a danger is recorded"""

from alembic import op

revision = "0378_reviews_of_danger"
down_revision = "0377_redacted_counters"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        UPDATE claim_review r SET state = 'dropped', score = NULL, reasons = NULL, settled_at = now(), version = r.version + 1
        FROM complaint c WHERE c.id = r.complaint_id AND r.state = 'open' AND (c.vulnerable OR c.safety)
    """)


def downgrade() -> None:
    """What was forgotten stays so."""
