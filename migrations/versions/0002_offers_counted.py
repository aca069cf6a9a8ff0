"""Offers counted by what they mean for a complaint, and an index for every filter of the list

A failed offer was accepted and is owed, so it counts as live and undelivered; approved ones are counted beside.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_COUNT = """
UPDATE complaint c SET offers_live = o.live, offers_approved = o.approved, remedies_undelivered = o.undelivered
FROM (SELECT complaint_id,
             count(*) FILTER (WHERE status NOT IN ('declined', 'expired', 'revoked', 'reversed')) AS live,
             count(*) FILTER (WHERE status IN ('approved', 'offered', 'accepted', 'issuing', 'issued', 'redeemed',
                                               'failed')) AS approved,
             count(*) FILTER (WHERE status NOT IN ('declined', 'expired', 'revoked', 'reversed', 'issued',
                                                   'redeemed')) AS undelivered
      FROM offer GROUP BY complaint_id) o
WHERE o.complaint_id = c.id
"""
_GRANTED = "'accepted', 'approved', 'failed', 'issued', 'issuing', 'offered', 'redeemed'"


def upgrade() -> None:
    op.add_column("complaint", sa.Column("offers_approved", sa.Integer(), server_default="0", nullable=False))
    op.execute(_COUNT)
    op.drop_constraint(op.f("ck_complaint_remedies_undelivered"), "complaint")
    op.create_check_constraint(
        op.f("ck_complaint_remedies_undelivered"), "complaint", "remedies_undelivered BETWEEN 0 AND offers_live"
    )
    op.create_check_constraint(
        op.f("ck_complaint_offers_approved"), "complaint", "offers_approved BETWEEN 0 AND offers_live"
    )
    op.drop_constraint(op.f("ck_offer_granted_from_budget"), "offer")
    op.create_check_constraint(
        op.f("ck_offer_granted_from_budget"),
        "offer",
        f"amount_minor IS NULL OR status NOT IN ({_GRANTED}) OR budget_id IS NOT NULL",
    )
    for name in ("channel", "source", "waiting_on", "stage", "customer_id"):
        op.create_index(f"ix_complaint_{name}_received_at_id", "complaint", [name, "received_at", "id"])
    op.drop_index("ix_complaint_customer_id", "complaint")
    op.create_index("ix_complaint_issue_category", "complaint_issue", ["category"])


def downgrade() -> None:
    raise NotImplementedError("restore the backup made before the upgrade: what is counted anew would be lost")
