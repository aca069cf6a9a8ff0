"""Remedies decided in the present round, reasons for missing evidence, needs that expire, steps that stay

What was approved before a complaint was reopened is no remedy decision of the present round.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ROUND = """
UPDATE offer o SET granted_round = 1 + (
    SELECT count(*) FROM complaint_transition t
    WHERE t.complaint_id = o.complaint_id AND t.action = 'reopen' AND t.at < coalesce(o.granted_at, o.created_at))
WHERE o.status NOT IN ('drafted', 'pending_approval')
"""
_COUNT = """
UPDATE complaint c SET offers_drafted = o.drafts, offers_approved = o.approved
FROM (SELECT complaint_id,
             count(*) FILTER (WHERE status IN ('drafted', 'pending_approval')) AS drafts,
             count(*) FILTER (WHERE status IN ('approved', 'offered', 'accepted', 'issuing', 'issued', 'redeemed',
                                               'failed')
                              AND granted_round = (SELECT reopened_count + 1 FROM complaint WHERE id = complaint_id))
                 AS approved
      FROM offer GROUP BY complaint_id) o
WHERE o.complaint_id = c.id
"""
# What all offers of a case are in is the case's currency.
_CURRENCY = """
UPDATE complaint c SET currency = o.currency
FROM (SELECT complaint_id, min(currency) AS currency FROM offer
      WHERE status NOT IN ('declined', 'expired', 'revoked', 'reversed') GROUP BY complaint_id) o
WHERE o.complaint_id = c.id AND c.currency IS NULL AND o.currency IS NOT NULL
"""
_TRIGGERS = """
CREATE FUNCTION complaint_transition_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.given = '{}'::jsonb AND (to_jsonb(NEW) - 'given') = (to_jsonb(OLD) - 'given') THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'steps of a complaint are never changed or removed; only what was given may be erased'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER complaint_transition_append_only BEFORE UPDATE OR DELETE ON complaint_transition
    FOR EACH ROW EXECUTE FUNCTION complaint_transition_append_only();
CREATE TRIGGER complaint_transition_no_truncate BEFORE TRUNCATE ON complaint_transition
    FOR EACH STATEMENT EXECUTE FUNCTION complaint_transition_append_only();
"""


def upgrade() -> None:
    op.add_column("offer", sa.Column("granted_round", sa.Integer(), nullable=True))
    op.add_column("complaint", sa.Column("offers_drafted", sa.Integer(), server_default="0", nullable=False))
    op.add_column("complaint_issue", sa.Column("no_evidence_reason", sa.String(), nullable=True))
    op.execute(_ROUND)
    op.execute(_COUNT)
    op.execute(_CURRENCY)
    op.create_check_constraint(
        op.f("ck_complaint_offers_drafted"), "complaint", "offers_drafted BETWEEN 0 AND offers_live"
    )
    op.create_index(
        "ix_complaint_need_expires_at",
        "complaint_need",
        ["expires_at"],
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )
    op.execute(_TRIGGERS)


def downgrade() -> None:
    raise NotImplementedError("restore the backup made before the upgrade: what is counted anew would be lost")
