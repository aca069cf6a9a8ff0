"""Outside providers of remedies, what they were asked, and what they called back"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0311_remedy_providers"
down_revision = "0350_offer_options"
branch_labels = None
depends_on = None

_TRIGGERS = """
CREATE FUNCTION remedy_callback_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what a provider called back is never changed'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER remedy_callback_append_only BEFORE UPDATE OR DELETE ON remedy_callback
    FOR EACH ROW EXECUTE FUNCTION remedy_callback_append_only();
CREATE TRIGGER remedy_callback_no_truncate BEFORE TRUNCATE ON remedy_callback
    FOR EACH STATEMENT EXECUTE FUNCTION remedy_callback_append_only();
"""
_NOW = sa.text("now()")


def _created() -> sa.Column:
    return sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False)


def upgrade() -> None:
    op.create_table(
        "remedy_provider",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=True),
        sa.Column("kinds", postgresql.ARRAY(sa.String()), nullable=False),
        sa.Column("currencies", postgresql.ARRAY(sa.String()), nullable=False),
        sa.Column("timeout_seconds", sa.Integer(), server_default="10", nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("previous_secret", sa.LargeBinary(), nullable=True),
        sa.Column("previous_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        _created(),
        sa.CheckConstraint("mode IN ('http', 'recording')", name=op.f("ck_remedy_provider_mode")),
        sa.CheckConstraint("(mode = 'http') = (url IS NOT NULL)", name=op.f("ck_remedy_provider_url")),
        sa.CheckConstraint("cardinality(kinds) > 0", name=op.f("ck_remedy_provider_kinds")),
        sa.CheckConstraint("timeout_seconds BETWEEN 1 AND 60", name=op.f("ck_remedy_provider_timeout")),
        sa.CheckConstraint(
            "(previous_secret IS NULL) = (previous_until IS NULL)", name=op.f("ck_remedy_provider_previous")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_remedy_provider")),
    )
    op.create_index("uq_remedy_provider_name_lower", "remedy_provider", [sa.text("lower(name)")], unique=True)
    op.create_table(
        "remedy_order",
        sa.Column("offer_id", sa.Uuid(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("state", sa.String(), server_default="open", nullable=False),
        sa.Column("turn", sa.Integer(), server_default="0", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("in_doubt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("external_id", sa.String(), nullable=True),
        sa.Column("reference", sa.String(), nullable=True),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.Column("first_asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("contradiction", sa.String(), nullable=True),
        sa.Column("contradicted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("contradiction_settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        _created(),
        sa.CheckConstraint(
            "state IN ('open', 'pending', 'unknown', 'issued', 'refused', 'settled')",
            name=op.f("ck_remedy_order_state"),
        ),
        sa.CheckConstraint("in_doubt >= 0 AND attempts >= 0 AND turn >= 0", name=op.f("ck_remedy_order_counts")),
        sa.CheckConstraint("(state = 'issued') = (reference IS NOT NULL)", name=op.f("ck_remedy_order_reference")),
        sa.CheckConstraint(
            "(state IN ('open', 'pending', 'unknown')) = (closed_at IS NULL)", name=op.f("ck_remedy_order_closed")
        ),
        sa.CheckConstraint("state <> 'refused' OR in_doubt = 0", name=op.f("ck_remedy_order_refused_is_sure")),
        sa.CheckConstraint(
            "(contradiction IS NULL) = (contradicted_at IS NULL)", name=op.f("ck_remedy_order_contradiction")
        ),
        sa.ForeignKeyConstraint(
            ["offer_id"], ["offer.id"], name=op.f("fk_remedy_order_offer_id_offer"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["provider_id"],
            ["remedy_provider.id"],
            name=op.f("fk_remedy_order_provider_id_remedy_provider"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_remedy_order")),
        sa.UniqueConstraint("offer_id", "round", name=op.f("uq_remedy_order_offer_id_round")),
        sa.UniqueConstraint("key", name=op.f("uq_remedy_order_key")),
    )
    op.create_index(op.f("ix_remedy_order_provider_id"), "remedy_order", ["provider_id"])
    op.create_index(
        "uq_remedy_order_issued",
        "remedy_order",
        ["offer_id"],
        unique=True,
        postgresql_where=sa.text("state = 'issued'"),
    )
    op.create_index(
        "ix_remedy_order_contradicted",
        "remedy_order",
        ["offer_id"],
        postgresql_where=sa.text("contradicted_at IS NOT NULL AND contradiction_settled_at IS NULL"),
    )
    op.create_table(
        "remedy_callback",
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("says", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=True),
        sa.Column("external_id", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        _created(),
        sa.CheckConstraint("says IN ('issued', 'pending', 'failed')", name=op.f("ck_remedy_callback_says")),
        sa.ForeignKeyConstraint(
            ["provider_id"],
            ["remedy_provider.id"],
            name=op.f("fk_remedy_callback_provider_id_remedy_provider"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["order_id"],
            ["remedy_order.id"],
            name=op.f("fk_remedy_callback_order_id_remedy_order"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_remedy_callback")),
        sa.UniqueConstraint("provider_id", "message_id", name=op.f("uq_remedy_callback_provider_id_message_id")),
    )
    op.create_index("ix_remedy_callback_order_id", "remedy_callback", ["order_id"])
    op.create_table(
        "recorded_remedy",
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        _created(),
        sa.ForeignKeyConstraint(
            ["provider_id"],
            ["remedy_provider.id"],
            name=op.f("fk_recorded_remedy_provider_id_remedy_provider"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recorded_remedy")),
        sa.UniqueConstraint("key", name=op.f("uq_recorded_remedy_key")),
        sa.UniqueConstraint("reference", name=op.f("uq_recorded_remedy_reference")),
    )
    op.execute(_TRIGGERS)


def downgrade() -> None:
    op.drop_table("recorded_remedy")
    op.drop_table("remedy_callback")
    op.execute("DROP FUNCTION remedy_callback_append_only()")
    op.drop_table("remedy_order")
    op.drop_table("remedy_provider")
