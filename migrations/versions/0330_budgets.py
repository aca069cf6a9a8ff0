"""Budgets that are transferred between, closed, and tell of how much of them is used"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0330_budgets"
down_revision = "0311_remedy_providers"
branch_labels = None
depends_on = None

_KINDS = "'allocate', 'reserve', 'commit', 'release', 'reverse', 'reduce', 'transfer_out', 'transfer_in', 'carry_out', 'carry_in', 'lapse'"
_OLD_KINDS = "'allocate', 'reserve', 'commit', 'release', 'reverse', 'reduce'"
_OF_OFFERS = "'reserve', 'commit', 'release', 'reverse', 'reduce', 'carry_out', 'carry_in'"
_PAIRED = "'transfer_out', 'transfer_in', 'carry_out', 'carry_in'"
_TOLD = (
    "'inbound_message', 'assigned', 'mentioned', 'status_changed', 'sla_warned', 'sla_breached', 'sla_overdue', "
    "'trigger_fired', 'trigger_paused', 'mail_failed', 'approval_overdue'"
)
# How much is used of budgets that were there before is known to those who manage them.
_STANDING = """
UPDATE budget SET alerted = coalesce((
    SELECT array_agg(percent ORDER BY percent) FROM unnest(alert_percents) AS percent
    WHERE allocated_minor > 0 AND (reserved_minor + committed_minor) * 100 >= percent * allocated_minor), '{}');
INSERT INTO budget_alert (id, budget_id, percent, at, used_minor, funds_minor, told_at)
SELECT gen_random_uuid(), id, unnest(alerted), now(), reserved_minor + committed_minor, allocated_minor, now() FROM budget;
"""


def upgrade() -> None:
    for name in ("transferred_minor", "lapsed_minor"):
        op.add_column("budget", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))
    op.add_column(
        "budget",
        sa.Column("alert_percents", postgresql.ARRAY(sa.Integer()), server_default="{80,100}", nullable=False),
    )
    op.add_column("budget", sa.Column("alerted", postgresql.ARRAY(sa.Integer()), server_default="{}", nullable=False))
    op.add_column("budget", sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("budget", sa.Column("closed_reason", sa.String(), nullable=True))
    op.add_column("budget", sa.Column("closed_by", sa.Uuid(), nullable=True))
    op.add_column("budget", sa.Column("successor_id", sa.Uuid(), nullable=True))
    op.add_column("budget", sa.Column("carries", sa.Boolean(), server_default="false", nullable=False))
    op.create_foreign_key(
        op.f("fk_budget_closed_by_agent"), "budget", "agent", ["closed_by"], ["id"], ondelete="RESTRICT"
    )
    op.create_foreign_key(
        op.f("fk_budget_successor_id_budget"), "budget", "budget", ["successor_id"], ["id"], ondelete="RESTRICT"
    )
    op.drop_constraint(op.f("ck_budget_never_below_zero"), "budget", type_="check")
    op.create_check_constraint(
        op.f("ck_budget_never_below_zero"),
        "budget",
        "allocated_minor + transferred_minor - lapsed_minor - reserved_minor - committed_minor >= 0",
    )
    op.create_check_constraint(op.f("ck_budget_lapsed"), "budget", "lapsed_minor >= 0")
    op.create_check_constraint(
        op.f("ck_budget_closing"),
        "budget",
        "(closed_at IS NULL) = (closed_reason IS NULL) AND (closed_at IS NOT NULL OR (successor_id IS NULL AND "
        "lapsed_minor = 0)) AND (successor_id IS NOT NULL OR NOT carries) AND successor_id <> id",
    )
    _entries()
    op.create_table(
        "budget_alert",
        sa.Column("budget_id", sa.Uuid(), nullable=False),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_minor", sa.BigInteger(), nullable=False),
        sa.Column("funds_minor", sa.BigInteger(), nullable=False),
        sa.Column("fell_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("percent BETWEEN 1 AND 100", name=op.f("ck_budget_alert_percent")),
        sa.ForeignKeyConstraint(
            ["budget_id"], ["budget.id"], name=op.f("fk_budget_alert_budget_id_budget"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budget_alert")),
    )
    op.create_index("ix_budget_alert_budget_id_id", "budget_alert", ["budget_id", "id"])
    op.create_index(
        "uq_budget_alert_standing",
        "budget_alert",
        ["budget_id", "percent"],
        unique=True,
        postgresql_where=sa.text("fell_at IS NULL"),
    )
    op.execute(_STANDING)
    op.alter_column("notification", "complaint_id", nullable=True)
    op.drop_constraint(op.f("ck_notification_kind"), "notification", type_="check")
    op.create_check_constraint(op.f("ck_notification_kind"), "notification", f"kind IN ({_TOLD}, 'budget_alert')")
    op.create_check_constraint(
        op.f("ck_notification_about"), "notification", "(kind IN ('budget_alert')) = (complaint_id IS NULL)"
    )


def _entries() -> None:
    op.add_column("budget_entry", sa.Column("transfer_id", sa.Uuid(), nullable=True))
    op.add_column("budget_entry", sa.Column("other_budget_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_budget_entry_other_budget_id_budget"),
        "budget_entry",
        "budget",
        ["other_budget_id"],
        ["id"],
        ondelete="RESTRICT",
    )
    op.drop_constraint(op.f("ck_budget_entry_kind"), "budget_entry", type_="check")
    op.drop_constraint(op.f("ck_budget_entry_offer"), "budget_entry", type_="check")
    op.create_check_constraint(op.f("ck_budget_entry_kind"), "budget_entry", f"kind IN ({_KINDS})")
    op.create_check_constraint(
        op.f("ck_budget_entry_offer"), "budget_entry", f"(kind IN ({_OF_OFFERS})) = (offer_id IS NOT NULL)"
    )
    op.create_check_constraint(
        op.f("ck_budget_entry_transfer"),
        "budget_entry",
        f"(kind IN ({_PAIRED})) = (transfer_id IS NOT NULL) AND (transfer_id IS NULL) = (other_budget_id IS NULL) "
        "AND other_budget_id <> budget_id",
    )
    op.create_index(
        "uq_budget_entry_transfer",
        "budget_entry",
        ["transfer_id", "kind"],
        unique=True,
        postgresql_where=sa.text("transfer_id IS NOT NULL"),
    )
    op.create_index(
        "ix_budget_entry_spent",
        "budget_entry",
        ["budget_id", "at"],
        postgresql_where=sa.text("kind IN ('commit', 'reverse')"),
    )


def downgrade() -> None:
    op.execute("DELETE FROM notification WHERE complaint_id IS NULL")
    op.drop_constraint(op.f("ck_notification_about"), "notification", type_="check")
    op.drop_constraint(op.f("ck_notification_kind"), "notification", type_="check")
    op.create_check_constraint(op.f("ck_notification_kind"), "notification", f"kind IN ({_TOLD})")
    op.alter_column("notification", "complaint_id", nullable=False)
    op.drop_table("budget_alert")
    for index in ("ix_budget_entry_spent", "uq_budget_entry_transfer"):
        op.drop_index(index, table_name="budget_entry")
    for name in ("transfer", "offer", "kind"):
        op.drop_constraint(op.f(f"ck_budget_entry_{name}"), "budget_entry", type_="check")
    op.create_check_constraint(op.f("ck_budget_entry_kind"), "budget_entry", f"kind IN ({_OLD_KINDS})")
    op.create_check_constraint(
        op.f("ck_budget_entry_offer"), "budget_entry", "(kind = 'allocate') = (offer_id IS NULL)"
    )
    for column in ("other_budget_id", "transfer_id"):
        op.drop_column("budget_entry", column)
    for name in ("closing", "lapsed", "never_below_zero"):
        op.drop_constraint(op.f(f"ck_budget_{name}"), "budget", type_="check")
    op.create_check_constraint(
        op.f("ck_budget_never_below_zero"), "budget", "allocated_minor - reserved_minor - committed_minor >= 0"
    )
    columns = ("carries", "successor_id", "closed_by", "closed_reason", "closed_at", "alerted", "alert_percents")
    for column in (*columns, "lapsed_minor", "transferred_minor"):
        op.drop_column("budget", column)
