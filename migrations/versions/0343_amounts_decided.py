"""A decision keeps the amount that was decided on: what the customer takes of it may be less"""

import sqlalchemy as sa
from alembic import op

revision = "0343_amounts_decided"
down_revision = "0322_overrides"
branch_labels = None
depends_on = None

_COLUMNS = "case_minor, customer_minor, day_minor, case_limit, customer_limit, day_limit"
_FILLED = """
ALTER TABLE offer_decision DISABLE TRIGGER USER;
UPDATE offer_decision d SET amount_minor = o.amount_minor FROM offer o
WHERE o.id = d.offer_id AND d.limit_version IS NOT NULL;
ALTER TABLE offer_decision ENABLE TRIGGER USER;
"""


def upgrade() -> None:
    op.add_column("offer_decision", sa.Column("amount_minor", sa.BigInteger(), nullable=True))
    op.drop_constraint(op.f("ck_offer_decision_judged"), "offer_decision", type_="check")
    op.execute(_FILLED)
    op.create_check_constraint(
        op.f("ck_offer_decision_judged"),
        "offer_decision",
        f"num_nulls(limit_version, judged_at, authority, amount_minor, {_COLUMNS}) IN (0, 10)",
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_offer_decision_judged"), "offer_decision", type_="check")
    op.drop_column("offer_decision", "amount_minor")
    op.create_check_constraint(
        op.f("ck_offer_decision_judged"),
        "offer_decision",
        f"num_nulls(limit_version, judged_at, authority, {_COLUMNS}) IN (0, 9)",
    )
