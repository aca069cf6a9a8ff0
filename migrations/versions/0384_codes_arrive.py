"""A voucher is delivered when its code got to the customer, and not before"""

from alembic import op

revision = "0384_codes_arrive"
down_revision = "0383_silent_providers"
branch_labels = None
depends_on = None

_NAME = "ck_offer_issued_is_delivered"


def _check(kinds: str) -> None:
    op.drop_constraint(op.f(_NAME), "offer", type_="check")
    op.create_check_constraint(
        op.f(_NAME),
        "offer",
        f"delivered_at IS NOT NULL OR status NOT IN ('issued', 'redeemed') OR kind IN ({kinds})",
    )


def upgrade() -> None:
    _check("'apology_letter', 'gift', 're_performance', 'replacement', 'voucher'")


def downgrade() -> None:
    # Their complaints wait for them no more.
    op.execute("""
        UPDATE complaint c SET remedies_undelivered = remedies_undelivered - late.count FROM (
            SELECT complaint_id, count(*) FROM offer
            WHERE kind = 'voucher' AND status IN ('issued', 'redeemed') AND delivered_at IS NULL GROUP BY complaint_id
        ) late WHERE c.id = late.complaint_id
    """)
    op.execute("""
        UPDATE offer SET delivered_at = now()
        WHERE kind = 'voucher' AND status IN ('issued', 'redeemed') AND delivered_at IS NULL
    """)
    _check("'apology_letter', 'gift', 're_performance', 'replacement'")
