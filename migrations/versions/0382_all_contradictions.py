"""All that a provider says against what is recorded, and payments beside it"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0382_all_contradictions"
down_revision = "0381_claims_of_providers"
branch_labels = None
depends_on = None

_KINDS = "'allocate', 'reserve', 'commit', 'release', 'reverse', 'reduce', 'transfer_out', 'transfer_in', 'carry_out', 'carry_in', 'lapse'"
_OF_OFFERS = "'reserve', 'commit', 'release', 'reverse', 'reduce', 'carry_out', 'carry_in'"


def _ledger(kinds: str, of_offers: str, spent: str) -> None:
    for name, condition in (
        ("ck_budget_entry_kind", f"kind IN ({kinds})"),
        ("ck_budget_entry_offer", f"(kind IN ({of_offers})) = (offer_id IS NOT NULL)"),
    ):
        op.drop_constraint(op.f(name), "budget_entry", type_="check")
        op.create_check_constraint(op.f(name), "budget_entry", condition)
    op.drop_index("ix_budget_entry_spent", "budget_entry")
    op.create_index(
        "ix_budget_entry_spent", "budget_entry", ["budget_id", "at"], postgresql_where=sa.text(f"kind IN ({spent})")
    )


def upgrade() -> None:
    _ledger(f"{_KINDS}, 'overpay'", f"{_OF_OFFERS}, 'overpay'", "'commit', 'reverse', 'overpay'")
    op.add_column(
        "remedy_order", sa.Column("contradictions", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False)
    )
    op.execute("""
        UPDATE remedy_order SET contradictions = jsonb_build_array(jsonb_build_object(
            'says', contradiction, 'word', CASE WHEN contradiction LIKE 'It failed: %' THEN 'failed' ELSE 'issued' END,
            'reference', coalesce(contradiction_reference, substring(contradiction FROM '^It was issued as (.*)[.]$')),
            'at', to_char(contradicted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            'settled', contradiction_settled_at IS NOT NULL))
        WHERE contradiction IS NOT NULL
    """)
    op.drop_column("remedy_order", "contradiction_reference")


def downgrade() -> None:
    """Refused by the constraint where something was paid beside an offer: the release before this one could not prove its ledger."""
    op.add_column("remedy_order", sa.Column("contradiction_reference", sa.String(), nullable=True))
    op.execute("UPDATE remedy_order SET contradiction_reference = contradictions -> -1 ->> 'reference'")
    op.drop_column("remedy_order", "contradictions")
    _ledger(_KINDS, _OF_OFFERS, "'commit', 'reverse'")
