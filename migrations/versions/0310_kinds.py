"""All kinds of remedies, who issues them, and when the customer has them"""

import sqlalchemy as sa
from alembic import op

revision = "0310_kinds"
down_revision = "0340_authority_limits"
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
_BEFORE = """
UPDATE offer SET issuance = 'automatic' WHERE status = 'issuing';
UPDATE offer SET delivered_at = coalesce(
    (SELECT max(at) FROM offer_transition t WHERE t.offer_id = offer.id AND t.action = 'record_issued'), created_at)
WHERE status IN ('issued', 'redeemed', 'reversed');
"""


def _checks(kinds: str, paying: str) -> None:
    op.drop_constraint(op.f("ck_offer_kind"), "offer", type_="check")
    op.drop_constraint(op.f("ck_offer_paying_has_amount"), "offer", type_="check")
    op.create_check_constraint(op.f("ck_offer_kind"), "offer", f"kind IN ({kinds})")
    op.create_check_constraint(
        op.f("ck_offer_paying_has_amount"), "offer", f"(kind IN ({paying})) = (amount_minor IS NOT NULL)"
    )


def upgrade() -> None:
    op.add_column("offer", sa.Column("issuance", sa.String(), nullable=True))
    op.add_column("offer", sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(_BEFORE)
    _checks(_KINDS, _PAYING)
    op.create_check_constraint(
        op.f("ck_offer_issuance"),
        "offer",
        "(status = 'issuing') = (issuance IS NOT NULL) AND issuance IN ('automatic', 'by_hand', 'unknown')",
    )
    op.create_check_constraint(
        op.f("ck_offer_delivered_when_issued"),
        "offer",
        "delivered_at IS NULL OR status IN ('issued', 'redeemed', 'reversed')",
    )
    op.create_check_constraint(
        op.f("ck_offer_issued_is_delivered"),
        "offer",
        "delivered_at IS NOT NULL OR status NOT IN ('issued', 'redeemed') "
        "OR kind IN ('apology_letter', 'gift', 're_performance', 'replacement')",
    )
    op.create_index(
        "ix_offer_issuance_id",
        "offer",
        ["issuance", "id"],
        postgresql_where=sa.text("issuance IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_offer_issuance_id", table_name="offer")
    for name in ("issued_is_delivered", "delivered_when_issued", "issuance"):
        op.drop_constraint(op.f(f"ck_offer_{name}"), "offer", type_="check")
    _checks("'voucher', 'apology_letter'", "'voucher'")
    op.drop_column("offer", "delivered_at")
    op.drop_column("offer", "issuance")
