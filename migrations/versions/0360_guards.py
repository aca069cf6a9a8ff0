"""The guards: their numbers in versions, reviews of claims, and why something was compensated twice"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0360_guards"
down_revision = "0312_posted_letters"
branch_labels = None
depends_on = None

_FIRST = """
INSERT INTO guard_rules (id, number, content, reason, actor_kind)
SELECT gen_random_uuid(), 1, jsonb_build_object(
    'lines', jsonb_agg(jsonb_build_object('code', code, 'points', points, 'limit', most) ORDER BY place),
    'threshold', 60, 'window_days', 365, 'duplicate_days', 30,
    'reference_fields', jsonb_build_array('order_number', 'invoice_number', 'booking_number'),
    'purchase_date_field', 'purchase_date'),
    'As shipped.', 'system'
FROM (VALUES (1, 'many_claims', 15, 4), (2, 'mostly_compensated', 10, 80), (3, 'above_price', 15, 100),
             (4, 'soon_after_purchase', 5, 1), (5, 'soon_after_remedy', 15, 30), (6, 'same_text', 20, 80),
             (7, 'contradiction', 20, 0), (8, 'shared_contact', 15, 3), (9, 'long_standing', 15, 730),
             (10, 'upheld_before', 15, 1), (11, 'firm_at_fault', 40, 0), (12, 'regulator', 40, 0), (13, 'documented', 15, 0))
     AS shipped (place, code, points, most);
"""
_TRIGGERS = """
CREATE FUNCTION guard_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed; write a new one', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER guard_rules_append_only BEFORE UPDATE OR DELETE ON guard_rules
    FOR EACH ROW EXECUTE FUNCTION guard_append_only();
CREATE TRIGGER guard_rules_no_truncate BEFORE TRUNCATE ON guard_rules
    FOR EACH STATEMENT EXECUTE FUNCTION guard_append_only();
CREATE TRIGGER duplicate_override_append_only BEFORE UPDATE OR DELETE ON duplicate_override
    FOR EACH ROW EXECUTE FUNCTION guard_append_only();
CREATE TRIGGER duplicate_override_no_truncate BEFORE TRUNCATE ON duplicate_override
    FOR EACH STATEMENT EXECUTE FUNCTION guard_append_only();
"""


def upgrade() -> None:
    op.create_table(
        "guard_rules",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("actor_kind", sa.String(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("number > 0", name=op.f("ck_guard_rules_number")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_guard_rules")),
        sa.UniqueConstraint("number", name=op.f("uq_guard_rules_number")),
    )
    op.execute(_FIRST)
    op.create_table(
        "claim_review",
        sa.Column("complaint_id", sa.Uuid(), nullable=False),
        sa.Column("offer_id", sa.Uuid(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), server_default="open", nullable=False),
        sa.Column("score", sa.Integer(), nullable=True),
        sa.Column("rules", sa.Integer(), nullable=False),
        sa.Column("reasons", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("decision", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_by", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('open', 'settled', 'dropped')", name=op.f("ck_claim_review_state")),
        sa.CheckConstraint("decision IN ('cleared', 'concern_noted')", name=op.f("ck_claim_review_decision")),
        sa.CheckConstraint("score BETWEEN 0 AND 100", name=op.f("ck_claim_review_score")),
        sa.CheckConstraint("(state = 'open') = (settled_at IS NULL)", name=op.f("ck_claim_review_settled_at")),
        sa.CheckConstraint(
            "(state = 'settled') = (decision IS NOT NULL) AND (decision IS NULL) = (reason IS NULL)",
            name=op.f("ck_claim_review_decided"),
        ),
        sa.CheckConstraint(
            "(state = 'dropped') = (score IS NULL) AND (score IS NULL) = (reasons IS NULL)",
            name=op.f("ck_claim_review_dropped"),
        ),
        sa.ForeignKeyConstraint(
            ["complaint_id"], ["complaint.id"], name=op.f("fk_claim_review_complaint_id_complaint"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["offer_id"], ["offer.id"], name=op.f("fk_claim_review_offer_id_offer"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["rules"], ["guard_rules.number"], name=op.f("fk_claim_review_rules_guard_rules"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["settled_by"], ["agent.id"], name=op.f("fk_claim_review_settled_by_agent"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_claim_review")),
    )
    op.create_index(
        "uq_claim_review_open",
        "claim_review",
        ["complaint_id"],
        unique=True,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index("ix_claim_review_complaint_id_id", "claim_review", ["complaint_id", "id"])
    op.create_index("ix_claim_review_state_id", "claim_review", ["state", "id"])
    op.create_table(
        "duplicate_override",
        sa.Column("offer_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("found", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("given_minor", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_kind", sa.String(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("given_minor >= 0", name=op.f("ck_duplicate_override_given_minor")),
        sa.ForeignKeyConstraint(
            ["offer_id"], ["offer.id"], name=op.f("fk_duplicate_override_offer_id_offer"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duplicate_override")),
        sa.UniqueConstraint("offer_id", name=op.f("uq_duplicate_override_offer_id")),
    )
    op.execute(_TRIGGERS)


def downgrade() -> None:
    op.drop_table("duplicate_override")
    op.drop_table("claim_review")
    op.drop_table("guard_rules")
    op.execute("DROP FUNCTION guard_append_only()")
