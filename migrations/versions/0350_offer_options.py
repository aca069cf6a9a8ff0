"""Offers with options, of which the customer takes one; what was set aside beyond it is freed"""

import sqlalchemy as sa
from alembic import op

revision = "0350_offer_options"
down_revision = "0321_playbooks"
branch_labels = None
depends_on = None

_KINDS = (
    "'refund', 'partial_refund', 'replacement', 're_performance', 'voucher', 'points', 'gift', 'service_credit', "
    "'apology_letter', 'goodwill_payment'"
)
_PAYING = (
    "'gift', 'goodwill_payment', 'partial_refund', 'points', 're_performance', 'refund', 'replacement', 'service_credit', "
    "'voucher'"
)
_ENTRIES = "'allocate', 'reserve', 'commit', 'release', 'reverse'"
_TRIGGERS = """
CREATE FUNCTION offer_option_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what was put before a customer is never changed; draft another offer'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER offer_option_append_only BEFORE UPDATE OR DELETE ON offer_option
    FOR EACH ROW EXECUTE FUNCTION offer_option_append_only();
CREATE TRIGGER offer_option_no_truncate BEFORE TRUNCATE ON offer_option
    FOR EACH STATEMENT EXECUTE FUNCTION offer_option_append_only();
"""


def _entry_kinds(kinds: str) -> None:
    op.drop_constraint(op.f("ck_budget_entry_kind"), "budget_entry", type_="check")
    op.create_check_constraint(op.f("ck_budget_entry_kind"), "budget_entry", f"kind IN ({kinds})")


def upgrade() -> None:
    op.create_table(
        "offer_option",
        sa.Column("offer_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(), nullable=True),
        sa.Column("text", sa.String(), nullable=True),
        sa.Column("voucher_days", sa.Integer(), nullable=True),
        sa.Column("voucher_partial", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("number BETWEEN 1 AND 3", name=op.f("ck_offer_option_number")),
        sa.CheckConstraint(f"kind IN ({_KINDS})", name=op.f("ck_offer_option_kind")),
        sa.CheckConstraint(
            f"(kind IN ({_PAYING})) = (amount_minor IS NOT NULL)", name=op.f("ck_offer_option_paying_has_amount")
        ),
        sa.CheckConstraint(
            "(amount_minor IS NULL) = (currency IS NULL)", name=op.f("ck_offer_option_amount_has_currency")
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_offer_option_amount_minor")),
        sa.CheckConstraint(
            "(kind = 'voucher') = (voucher_days IS NOT NULL) AND (kind = 'voucher' OR NOT voucher_partial)",
            name=op.f("ck_offer_option_voucher_terms"),
        ),
        sa.CheckConstraint("voucher_days BETWEEN 1 AND 3650", name=op.f("ck_offer_option_voucher_days")),
        sa.ForeignKeyConstraint(
            ["offer_id"], ["offer.id"], name=op.f("fk_offer_option_offer_id_offer"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offer_option")),
        sa.UniqueConstraint("offer_id", "number", name=op.f("uq_offer_option_offer_id_number")),
    )
    op.create_index(
        "uq_offer_option_remedy",
        "offer_option",
        ["offer_id", "kind", "amount_minor"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    op.execute(_TRIGGERS)
    op.add_column("offer", sa.Column("chosen_option", sa.Integer(), nullable=True))
    op.create_check_constraint(
        op.f("ck_offer_chosen_when_answered"),
        "offer",
        "chosen_option IS NULL OR status NOT IN ('approved', 'drafted', 'offered', 'pending_approval')",
    )
    _entry_kinds(f"{_ENTRIES}, 'reduce'")
    op.create_index(
        "uq_budget_entry_reduce",
        "budget_entry",
        ["offer_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'reduce'"),
    )


def downgrade() -> None:
    op.drop_index("uq_budget_entry_reduce", table_name="budget_entry")
    _entry_kinds(_ENTRIES)
    op.drop_constraint(op.f("ck_offer_chosen_when_answered"), "offer", type_="check")
    op.drop_column("offer", "chosen_option")
    op.drop_table("offer_option")
    op.execute("DROP FUNCTION offer_option_append_only()")
