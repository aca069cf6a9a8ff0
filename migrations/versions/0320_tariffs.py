"""Tariffs by date, and what is recorded of a case for suggestions"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0320_tariffs"
down_revision = "0310_kinds"
branch_labels = None
depends_on = None

_TRIGGER = """
CREATE FUNCTION tariff_version_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a version of a tariff is never changed; add one that puts it right'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER tariff_version_append_only BEFORE UPDATE OR DELETE ON tariff_version
    FOR EACH ROW EXECUTE FUNCTION tariff_version_append_only();
CREATE TRIGGER tariff_version_no_truncate BEFORE TRUNCATE ON tariff_version
    FOR EACH STATEMENT EXECUTE FUNCTION tariff_version_append_only();
"""


def upgrade() -> None:
    op.create_table(
        "tariff",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("id ~ '^[a-z0-9]+([._-][a-z0-9]+)*$'", name=op.f("ck_tariff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tariff")),
    )
    op.create_table(
        "tariff_version",
        sa.Column("tariff_id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("spec", postgresql.JSONB(), nullable=False),
        sa.Column("shipped", sa.String(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("valid_until IS NULL OR valid_until >= valid_from", name=op.f("ck_tariff_version_period")),
        sa.CheckConstraint("version >= 1", name=op.f("ck_tariff_version_version")),
        sa.ForeignKeyConstraint(
            ["tariff_id"], ["tariff.id"], name=op.f("fk_tariff_version_tariff_id_tariff"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("tariff_id", "version", name=op.f("pk_tariff_version")),
    )
    op.create_index(
        "uq_tariff_version_shipped",
        "tariff_version",
        ["shipped"],
        unique=True,
        postgresql_where=sa.text("shipped IS NOT NULL"),
    )
    op.create_table(
        "complaint_recovery_fact",
        sa.Column("complaint_id", sa.Uuid(), nullable=False),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint("jsonb_typeof(facts) = 'object'", name=op.f("ck_complaint_recovery_fact_facts")),
        sa.ForeignKeyConstraint(
            ["complaint_id"],
            ["complaint.id"],
            name=op.f("fk_complaint_recovery_fact_complaint_id_complaint"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("complaint_id", name=op.f("pk_complaint_recovery_fact")),
    )
    op.execute(_TRIGGER)


def downgrade() -> None:
    op.drop_table("complaint_recovery_fact")
    op.drop_table("tariff_version")
    op.drop_table("tariff")
    op.execute("DROP FUNCTION tariff_version_append_only()")
