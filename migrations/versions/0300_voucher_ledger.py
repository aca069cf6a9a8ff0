"""Vouchers that can be used in parts, and the ledger of what became of each"""

import sqlalchemy as sa
from alembic import op

revision = "0300_voucher_ledger"
down_revision = "0260_message_mail"
branch_labels = None
depends_on = None

_KEY = """
-- 244 random bits.
INSERT INTO voucher_key (singleton, key) VALUES (true, sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));
UPDATE voucher SET code_digest = sha256((SELECT key FROM voucher_key) || convert_to(code, 'UTF8')),
    balance_minor = CASE WHEN redeemed_at IS NOT NULL
        OR EXISTS (SELECT FROM offer WHERE offer.id = offer_id AND status = 'reversed') THEN 0 ELSE amount_minor END;
UPDATE offer SET voucher_days = 365 WHERE kind = 'voucher';
"""
_ENTRIES = """
INSERT INTO voucher_entry (id, voucher_id, kind, amount_minor, at, actor_kind, actor_id)
-- By whom the offer's step says: `redeemed_by` knows agents only, and a shop's key may take back what is its own.
SELECT gen_random_uuid(), v.id, 'redeem', v.amount_minor, v.redeemed_at,
       coalesce(t.actor_kind, CASE WHEN v.redeemed_by IS NULL THEN 'system' ELSE 'agent' END),
       coalesce(t.actor_id, v.redeemed_by)
FROM voucher v LEFT JOIN offer_transition t ON t.offer_id = v.offer_id AND t.action = 'redeem'
WHERE v.redeemed_at IS NOT NULL
UNION ALL
SELECT gen_random_uuid(), v.id, 'void', v.amount_minor, t.at, t.actor_kind, t.actor_id
FROM voucher v JOIN offer o ON o.id = v.offer_id AND o.status = 'reversed'
JOIN offer_transition t ON t.offer_id = o.id AND t.action = 'reverse';
"""
_TRIGGERS = """
CREATE FUNCTION voucher_entry_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger of a voucher is never changed; make an entry that puts it right'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER voucher_entry_append_only BEFORE UPDATE OR DELETE ON voucher_entry
    FOR EACH ROW EXECUTE FUNCTION voucher_entry_append_only();
CREATE TRIGGER voucher_entry_no_truncate BEFORE TRUNCATE ON voucher_entry
    FOR EACH STATEMENT EXECUTE FUNCTION voucher_entry_append_only();
"""


def upgrade() -> None:
    op.add_column("offer", sa.Column("voucher_days", sa.Integer(), nullable=True))
    op.add_column("offer", sa.Column("voucher_partial", sa.Boolean(), server_default="false", nullable=False))
    op.create_table(
        "voucher_key",
        sa.Column("singleton", sa.Boolean(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("singleton", name=op.f("ck_voucher_key_singleton")),
        sa.PrimaryKeyConstraint("singleton", name=op.f("pk_voucher_key")),
    )
    op.add_column("voucher", sa.Column("code_digest", sa.LargeBinary(), nullable=True))
    op.add_column("voucher", sa.Column("balance_minor", sa.BigInteger(), nullable=True))
    op.add_column("voucher", sa.Column("partial", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("voucher", sa.Column("expired_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(_KEY)
    op.alter_column("voucher", "code_digest", nullable=False)
    op.alter_column("voucher", "balance_minor", nullable=False)
    op.create_check_constraint(
        op.f("ck_offer_voucher_terms"),
        "offer",
        "(kind = 'voucher') = (voucher_days IS NOT NULL) AND (kind = 'voucher' OR NOT voucher_partial)",
    )
    op.create_check_constraint(op.f("ck_offer_voucher_days"), "offer", "voucher_days BETWEEN 1 AND 3650")
    op.create_unique_constraint(op.f("uq_voucher_code_digest"), "voucher", ["code_digest"])
    op.create_check_constraint(op.f("ck_voucher_balance"), "voucher", "balance_minor BETWEEN 0 AND amount_minor")
    op.create_check_constraint(op.f("ck_voucher_in_one"), "voucher", "partial OR balance_minor IN (0, amount_minor)")
    op.create_check_constraint(op.f("ck_voucher_used_up"), "voucher", "redeemed_at IS NULL OR balance_minor = 0")
    op.create_index("ix_voucher_expires_at", "voucher", ["expires_at"], postgresql_where=sa.text("balance_minor > 0"))
    op.create_table(
        "voucher_entry",
        sa.Column("voucher_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=True),
        sa.Column("reverses_id", sa.Uuid(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_kind", sa.String(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("kind IN ('redeem', 'reverse', 'expire', 'void')", name=op.f("ck_voucher_entry_kind")),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_voucher_entry_amount_minor")),
        sa.CheckConstraint("(kind = 'reverse') = (reverses_id IS NOT NULL)", name=op.f("ck_voucher_entry_reverses")),
        sa.CheckConstraint("external_id IS NULL OR kind = 'redeem'", name=op.f("ck_voucher_entry_external_id")),
        sa.ForeignKeyConstraint(
            ["voucher_id"], ["voucher.id"], name=op.f("fk_voucher_entry_voucher_id_voucher"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["reverses_id"],
            ["voucher_entry.id"],
            name=op.f("fk_voucher_entry_reverses_id_voucher_entry"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_voucher_entry")),
    )
    op.create_index("ix_voucher_entry_voucher_id_id", "voucher_entry", ["voucher_id", "id"])
    op.create_index("uq_voucher_entry_reverses_id", "voucher_entry", ["reverses_id"], unique=True)
    op.create_index(
        "uq_voucher_entry_external_id",
        "voucher_entry",
        ["voucher_id", "actor_kind", "actor_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_index(
        "uq_voucher_entry_void", "voucher_entry", ["voucher_id"], unique=True, postgresql_where=sa.text("kind = 'void'")
    )
    op.execute(_ENTRIES)
    op.execute(_TRIGGERS)


def downgrade() -> None:
    op.drop_table("voucher_entry")
    op.execute("DROP FUNCTION voucher_entry_append_only()")
    op.drop_index("ix_voucher_expires_at", table_name="voucher")
    op.drop_constraint(op.f("ck_voucher_used_up"), "voucher", type_="check")
    op.drop_constraint(op.f("ck_voucher_in_one"), "voucher", type_="check")
    op.drop_constraint(op.f("ck_voucher_balance"), "voucher", type_="check")
    for column in ("expired_at", "partial", "balance_minor", "code_digest"):
        op.drop_column("voucher", column)
    op.drop_table("voucher_key")
    op.drop_constraint(op.f("ck_offer_voucher_days"), "offer", type_="check")
    op.drop_constraint(op.f("ck_offer_voucher_terms"), "offer", type_="check")
    op.drop_column("offer", "voucher_partial")
    op.drop_column("offer", "voucher_days")
