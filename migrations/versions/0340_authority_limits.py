"""Limits of authority as data: the table in every version, the first as it was in the program"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0340_authority_limits"
down_revision = "0300_voucher_ledger"
branch_labels = None
depends_on = None

_FIRST = """
INSERT INTO authority_limits (id, number, valid_from, content, reason, actor_kind)
SELECT gen_random_uuid(), 1, '1970-01-01T00:00:00Z', jsonb_build_object(
    'limits', jsonb_agg(jsonb_build_object('authority', authority, 'currency', NULL, 'team_id', NULL,
                                           'case', one, 'customer', customer, 'day', day) ORDER BY place),
    'two_persons', 'director', 'delegation_days', 31, 'splitting_days', 7, 'approval_hours', 8, 'business_hours', true),
    'As shipped.', 'system'
FROM (VALUES (1, 'agent', '50', '150', '500'), (2, 'senior', '200', '400', '2000'),
             (3, 'manager', '1000', '2000', '5000'), (4, 'director', '10000', '20000', '50000'))
     AS shipped (place, authority, one, customer, day);
"""
_TRIGGERS = """
CREATE FUNCTION authority_limits_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'limits of authority are never changed; set a new version'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER authority_limits_append_only BEFORE UPDATE OR DELETE ON authority_limits
    FOR EACH ROW EXECUTE FUNCTION authority_limits_append_only();
CREATE TRIGGER authority_limits_no_truncate BEFORE TRUNCATE ON authority_limits
    FOR EACH STATEMENT EXECUTE FUNCTION authority_limits_append_only();
"""


def upgrade() -> None:
    op.create_table(
        "authority_limits",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("actor_kind", sa.String(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("number > 0", name=op.f("ck_authority_limits_number")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_authority_limits")),
        sa.UniqueConstraint("number", name=op.f("uq_authority_limits_number")),
    )
    op.create_index("ix_authority_limits_valid_from_number", "authority_limits", ["valid_from", "number"])
    op.execute(_FIRST)
    op.execute(_TRIGGERS)


def downgrade() -> None:
    op.drop_table("authority_limits")
    op.execute("DROP FUNCTION authority_limits_append_only()")
