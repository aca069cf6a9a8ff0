"""Counter-offers, offers that replace others, and remedies that did not come"""

import sqlalchemy as sa
from alembic import op

revision = "0351_counter_offers"
down_revision = "0331_points"
branch_labels = None
depends_on = None

_STATES = (
    "'drafted', 'pending_approval', 'approved', 'offered', {}'accepted', 'issuing', 'issued', 'redeemed', 'declined', "
    "'expired', 'revoked', 'failed', 'reversed'"
)
_GRANTED = "'accepted', 'approved', {}'failed', 'issued', 'issuing', 'offered', 'redeemed'"
_KINDS = (
    "'refund', 'partial_refund', 'replacement', 're_performance', 'voucher', 'points', 'gift', 'service_credit', "
    "'apology_letter', 'goodwill_payment'"
)
_TOLD = (
    "inbound_message",
    "assigned",
    "mentioned",
    "status_changed",
    "sla_warned",
    "sla_breached",
    "sla_overdue",
    "trigger_fired",
    "trigger_paused",
    "mail_failed",
    "approval_overdue",
    "budget_alert",
)
_ENDED = "'declined', 'expired', 'revoked', 'reversed'"


def _checks(countered: str, before: str) -> None:
    for name in ("status", "offered_until", "granted_from_budget", "chosen_when_answered"):
        op.drop_constraint(op.f(f"ck_offer_{name}"), "offer", type_="check")
    states, granted = _STATES.format(countered), _GRANTED.format(countered)
    op.create_check_constraint(op.f("ck_offer_status"), "offer", f"status IN ({states})")
    op.create_check_constraint(
        op.f("ck_offer_offered_until"), "offer", f"status NOT IN ({before}) OR valid_until IS NOT NULL"
    )
    op.create_check_constraint(
        op.f("ck_offer_granted_from_budget"),
        "offer",
        f"amount_minor IS NULL OR status NOT IN ({granted}) OR budget_id IS NOT NULL",
    )
    op.create_check_constraint(
        op.f("ck_offer_chosen_when_answered"),
        "offer",
        f"chosen_option IS NULL OR status NOT IN ('approved', {countered}'drafted', 'offered', 'pending_approval')",
    )
    op.drop_index("ix_offer_valid_until", table_name="offer")
    op.create_index("ix_offer_valid_until", "offer", ["valid_until"], postgresql_where=sa.text(f"status IN ({before})"))


def _told(kinds: tuple[str, ...]) -> None:
    op.drop_constraint(op.f("ck_notification_kind"), "notification", type_="check")
    op.create_check_constraint(op.f("ck_notification_kind"), "notification", f"kind IN {kinds}")


def upgrade() -> None:
    op.add_column("offer", sa.Column("counters", sa.Integer(), server_default="0", nullable=False))
    op.add_column("offer", sa.Column("successor_of", sa.Uuid(), nullable=True))
    op.add_column("offer", sa.Column("reported_at", sa.DateTime(timezone=True), nullable=True))
    op.create_foreign_key(
        op.f("fk_offer_successor_of_offer"), "offer", "offer", ["successor_of"], ["id"], ondelete="RESTRICT"
    )
    op.create_check_constraint(op.f("ck_offer_counters"), "offer", "counters BETWEEN 0 AND 3")
    op.create_check_constraint(op.f("ck_offer_successor_of"), "offer", "successor_of <> id")
    _checks("'countered', ", "'countered', 'offered'")
    op.create_index(
        "ix_offer_on_its_way",
        "offer",
        ["id"],
        postgresql_where=sa.text("status = 'issued' AND delivered_at IS NULL"),
    )
    op.create_index(
        "uq_offer_successor_of",
        "offer",
        ["successor_of"],
        unique=True,
        postgresql_where=sa.text(f"status NOT IN ({_ENDED})"),
    )
    op.create_table(
        "offer_counter",
        sa.Column("offer_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(), nullable=True),
        sa.Column("words", sa.String(), nullable=False),
        sa.Column("said_by", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("number BETWEEN 1 AND 3", name=op.f("ck_offer_counter_number")),
        sa.CheckConstraint(f"kind IN ({_KINDS})", name=op.f("ck_offer_counter_kind")),
        sa.CheckConstraint(
            "(amount_minor IS NULL) = (currency IS NULL)", name=op.f("ck_offer_counter_amount_has_currency")
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_offer_counter_amount_minor")),
        sa.CheckConstraint(
            "outcome IN ('kept', 'taken_back', 'declined', 'revoked', 'expired')", name=op.f("ck_offer_counter_outcome")
        ),
        sa.CheckConstraint("(outcome IS NULL) = (settled_at IS NULL)", name=op.f("ck_offer_counter_settled")),
        sa.ForeignKeyConstraint(
            ["offer_id"], ["offer.id"], name=op.f("fk_offer_counter_offer_id_offer"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offer_counter")),
        sa.UniqueConstraint("offer_id", "number", name=op.f("uq_offer_counter_offer_id_number")),
    )
    op.create_index(
        "uq_offer_counter_open",
        "offer_counter",
        ["offer_id"],
        unique=True,
        postgresql_where=sa.text("outcome IS NULL"),
    )
    _told((*_TOLD, "offer_countered", "offer_undelivered"))


def downgrade() -> None:
    op.execute("DELETE FROM notification WHERE kind IN ('offer_countered', 'offer_undelivered')")
    _told(_TOLD)
    op.drop_table("offer_counter")
    # What is countered stands, so it is offered.
    op.execute("UPDATE offer SET status = 'offered' WHERE status = 'countered'")
    for index in ("uq_offer_successor_of", "ix_offer_on_its_way"):
        op.drop_index(index, table_name="offer")
    _checks("", "'offered'")
    op.drop_constraint(op.f("ck_offer_successor_of"), "offer", type_="check")
    op.drop_constraint(op.f("ck_offer_counters"), "offer", type_="check")
    for column in ("reported_at", "successor_of", "counters"):
        op.drop_column("offer", column)
