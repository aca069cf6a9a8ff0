"""Decisions on offers with what they were judged by, lent authority, conflicts of interest"""

import sqlalchemy as sa
from alembic import op

revision = "0341_decisions"
down_revision = "0320_tariffs"
branch_labels = None
depends_on = None

_EARLIER = """
INSERT INTO offer_decision (id, offer_id, number, action, at, actor_kind, actor_id)
SELECT gen_random_uuid(), offer_id, number, action, at, actor_kind, actor_id FROM offer_transition
WHERE actor_kind <> 'system'
    AND action IN ('submit', 'approve', 'endorse', 'refuse', 'withdraw', 'revoke', 'reverse', 'retry');
"""
_TRIGGERS = """
CREATE FUNCTION offer_decision_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what an offer was judged by is never changed' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER offer_decision_append_only BEFORE UPDATE OR DELETE ON offer_decision
    FOR EACH ROW EXECUTE FUNCTION offer_decision_append_only();
CREATE TRIGGER offer_decision_no_truncate BEFORE TRUNCATE ON offer_decision
    FOR EACH STATEMENT EXECUTE FUNCTION offer_decision_append_only();
"""


def upgrade() -> None:
    _delegations()
    _conflicts()
    op.create_table(
        "offer_decision",
        sa.Column("offer_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_kind", sa.String(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("in_name_of", sa.Uuid(), nullable=True),
        sa.Column("delegation_id", sa.Uuid(), nullable=True),
        sa.Column("authority", sa.String(), nullable=True),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column("limit_version", sa.Integer(), nullable=True),
        sa.Column("judged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("case_minor", sa.BigInteger(), nullable=True),
        sa.Column("customer_minor", sa.BigInteger(), nullable=True),
        sa.Column("day_minor", sa.BigInteger(), nullable=True),
        sa.Column("together_minor", sa.BigInteger(), nullable=True),
        sa.Column("case_limit", sa.BigInteger(), nullable=True),
        sa.Column("customer_limit", sa.BigInteger(), nullable=True),
        sa.Column("day_limit", sa.BigInteger(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "action IN ('submit', 'approve', 'endorse', 'refuse', 'withdraw', 'revoke', 'reverse', 'retry')",
            name=op.f("ck_offer_decision_action"),
        ),
        sa.CheckConstraint("(in_name_of IS NULL) = (delegation_id IS NULL)", name=op.f("ck_offer_decision_lent")),
        sa.CheckConstraint("in_name_of IS NULL OR in_name_of <> actor_id", name=op.f("ck_offer_decision_two_persons")),
        sa.CheckConstraint(
            "num_nulls(limit_version, judged_at, authority, case_minor, customer_minor, day_minor, case_limit, "
            "customer_limit, day_limit) IN (0, 9)",
            name=op.f("ck_offer_decision_judged"),
        ),
        sa.ForeignKeyConstraint(
            ["offer_id"], ["offer.id"], name=op.f("fk_offer_decision_offer_id_offer"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["in_name_of"], ["agent.id"], name=op.f("fk_offer_decision_in_name_of_agent"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["delegation_id"],
            ["authority_delegation.id"],
            name=op.f("fk_offer_decision_delegation_id_authority_delegation"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["limit_version"],
            ["authority_limits.number"],
            name=op.f("fk_offer_decision_limit_version_authority_limits"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offer_decision")),
        sa.UniqueConstraint("offer_id", "number", name=op.f("uq_offer_decision_offer_id_number")),
    )
    op.create_index(
        "ix_offer_decision_actor_id_at",
        "offer_decision",
        ["actor_id", "at"],
        postgresql_where=sa.text("action IN ('approve', 'endorse')"),
    )
    op.create_index(
        "ix_offer_decision_in_name_of_at",
        "offer_decision",
        ["in_name_of", "at"],
        postgresql_where=sa.text("action IN ('approve', 'endorse') AND in_name_of IS NOT NULL"),
    )
    op.execute(_EARLIER)
    op.execute(_TRIGGERS)


def _delegations() -> None:
    op.create_table(
        "authority_delegation",
        sa.Column("lender_id", sa.Uuid(), nullable=False),
        sa.Column("delegate_id", sa.Uuid(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("up_to", sa.Numeric(precision=15, scale=3), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_by", sa.Uuid(), nullable=True),
        sa.Column("revoke_reason", sa.String(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("lender_id <> delegate_id", name=op.f("ck_authority_delegation_two_persons")),
        sa.CheckConstraint(
            "ends_at > starts_at AND ends_at <= starts_at + interval '366 days'",
            name=op.f("ck_authority_delegation_period"),
        ),
        sa.CheckConstraint("up_to > 0", name=op.f("ck_authority_delegation_up_to")),
        sa.CheckConstraint(
            "num_nulls(revoked_at, revoked_by, revoke_reason) IN (0, 3)", name=op.f("ck_authority_delegation_revoked")
        ),
        sa.ForeignKeyConstraint(
            ["lender_id"], ["agent.id"], name=op.f("fk_authority_delegation_lender_id_agent"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["delegate_id"], ["agent.id"], name=op.f("fk_authority_delegation_delegate_id_agent"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_authority_delegation")),
    )
    op.create_index(
        "ix_authority_delegation_delegate_id",
        "authority_delegation",
        ["delegate_id", "ends_at"],
        postgresql_where=sa.text("revoked_at IS NULL"),
    )
    op.create_index("ix_authority_delegation_lender_id", "authority_delegation", ["lender_id", "ends_at"])


def _conflicts() -> None:
    op.create_table(
        "interest_conflict",
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("colleague_id", sa.Uuid(), nullable=True),
        sa.Column("complaint_id", sa.Uuid(), nullable=True),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("declared_by", sa.Uuid(), nullable=True),
        sa.Column("end_reason", sa.String(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "kind IN ('family', 'friend', 'business', 'reports_to', 'subject', 'other')",
            name=op.f("ck_interest_conflict_kind"),
        ),
        sa.CheckConstraint(
            "num_nonnulls(colleague_id, complaint_id, customer_id) = 1", name=op.f("ck_interest_conflict_with_one")
        ),
        sa.CheckConstraint("agent_id <> colleague_id", name=op.f("ck_interest_conflict_two_persons")),
        sa.CheckConstraint(
            "kind <> 'reports_to' OR colleague_id IS NOT NULL",
            name=op.f("ck_interest_conflict_reports_to_a_colleague"),
        ),
        sa.CheckConstraint(
            "kind <> 'subject' OR complaint_id IS NOT NULL", name=op.f("ck_interest_conflict_subject_of_a_complaint")
        ),
        sa.CheckConstraint("ends_at >= starts_at", name=op.f("ck_interest_conflict_period")),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name=op.f("fk_interest_conflict_agent_id_agent"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["colleague_id"], ["agent.id"], name=op.f("fk_interest_conflict_colleague_id_agent"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["complaint_id"],
            ["complaint.id"],
            name=op.f("fk_interest_conflict_complaint_id_complaint"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.id"], name=op.f("fk_interest_conflict_customer_id_customer"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_interest_conflict")),
    )
    for name in ("agent_id", "colleague_id", "complaint_id", "customer_id"):
        op.create_index(f"ix_interest_conflict_{name}", "interest_conflict", [name])


def downgrade() -> None:
    op.drop_table("offer_decision")
    op.execute("DROP FUNCTION offer_decision_append_only()")
    op.drop_table("interest_conflict")
    op.drop_table("authority_delegation")
