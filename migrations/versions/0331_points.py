"""Points of customers, and the ledger of what became of them"""

import sqlalchemy as sa
from alembic import op

revision = "0331_points"
down_revision = "0360_guards"
branch_labels = None
depends_on = None

_APPEND_ONLY = ("points_entry", "points_part")
_NOW = sa.text("now()")


def _guard() -> str:
    """The ledger is never changed."""
    triggers = "".join(
        f"""
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION points_append_only();
CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION points_append_only();
"""
        for table in _APPEND_ONLY
    )
    return (
        """
CREATE FUNCTION points_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger of points is never changed; make an entry that puts it right'
        USING ERRCODE = 'restrict_violation';
END $$;
"""
        + triggers
    )


def upgrade() -> None:
    for table in ("offer", "offer_option"):
        op.add_column(table, sa.Column("points_days", sa.Integer(), nullable=True))
        op.create_check_constraint(
            op.f(f"ck_{table}_points_terms"), table, "(kind = 'points') = (points_days IS NOT NULL)"
        )
        op.create_check_constraint(op.f(f"ck_{table}_points_days"), table, "points_days BETWEEN 1 AND 3650")
    op.create_table(
        "points_account",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("balance_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.CheckConstraint("balance_minor >= 0", name=op.f("ck_points_account_balance")),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.id"], name=op.f("fk_points_account_customer_id_customer"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_points_account")),
        sa.UniqueConstraint("customer_id", "currency", name=op.f("uq_points_account_customer_id_currency")),
    )
    op.create_table(
        "points_lot",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("offer_id", sa.Uuid(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("balance_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("earned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_points_lot_amount_minor")),
        sa.CheckConstraint("balance_minor BETWEEN 0 AND amount_minor", name=op.f("ck_points_lot_balance")),
        sa.CheckConstraint("earned_at IS NOT NULL OR balance_minor = 0", name=op.f("ck_points_lot_earned")),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["points_account.id"],
            name=op.f("fk_points_lot_account_id_points_account"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["offer_id"], ["offer.id"], name=op.f("fk_points_lot_offer_id_offer"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_points_lot")),
        sa.UniqueConstraint("offer_id", name=op.f("uq_points_lot_offer_id")),
    )
    op.create_index("ix_points_lot_account_id_expires_at", "points_lot", ["account_id", "expires_at"])
    op.create_index(
        "ix_points_lot_expires_at", "points_lot", ["expires_at"], postgresql_where=sa.text("balance_minor > 0")
    )
    _entries()
    op.execute(_guard())


def _entries() -> None:
    op.create_table(
        "points_entry",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("offer_id", sa.Uuid(), nullable=True),
        sa.Column("external_id", sa.String(), nullable=True),
        sa.Column("reverses_id", sa.Uuid(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_kind", sa.String(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("kind IN ('earn', 'burn', 'expire', 'reverse', 'void')", name=op.f("ck_points_entry_kind")),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_points_entry_amount_minor")),
        sa.CheckConstraint("(kind = 'reverse') = (reverses_id IS NOT NULL)", name=op.f("ck_points_entry_reverses")),
        sa.CheckConstraint("(kind = 'burn') = (external_id IS NOT NULL)", name=op.f("ck_points_entry_external_id")),
        sa.CheckConstraint(
            "(kind IN ('earn', 'expire', 'void')) = (offer_id IS NOT NULL)", name=op.f("ck_points_entry_offer")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["points_account.id"],
            name=op.f("fk_points_entry_account_id_points_account"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["offer_id"], ["offer.id"], name=op.f("fk_points_entry_offer_id_offer"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["reverses_id"],
            ["points_entry.id"],
            name=op.f("fk_points_entry_reverses_id_points_entry"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_points_entry")),
    )
    op.create_index("ix_points_entry_account_id_id", "points_entry", ["account_id", "id"])
    op.create_index("uq_points_entry_reverses_id", "points_entry", ["reverses_id"], unique=True)
    for kind in ("earn", "void"):
        op.create_index(
            f"uq_points_entry_{kind}",
            "points_entry",
            ["offer_id"],
            unique=True,
            postgresql_where=sa.text(f"kind = '{kind}'"),
        )
    op.create_index(
        "uq_points_entry_external_id",
        "points_entry",
        ["account_id", "actor_kind", "actor_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_table(
        "points_part",
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("lot_id", sa.Uuid(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_points_part_amount_minor")),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["points_entry.id"], name=op.f("fk_points_part_entry_id_points_entry"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["lot_id"], ["points_lot.id"], name=op.f("fk_points_part_lot_id_points_lot"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("entry_id", "lot_id", name=op.f("pk_points_part")),
    )
    op.create_index("ix_points_part_lot_id", "points_part", ["lot_id"])


def downgrade() -> None:
    for table in ("points_part", "points_entry", "points_lot", "points_account"):
        op.drop_table(table)
    op.execute("DROP FUNCTION points_append_only()")
    for table in ("offer_option", "offer"):
        for name in ("points_days", "points_terms"):
            op.drop_constraint(op.f(f"ck_{table}_{name}"), table, type_="check")
        op.drop_column(table, "points_days")
