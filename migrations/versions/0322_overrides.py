"""Offers that differ from what was suggested, and why"""

import sqlalchemy as sa
from alembic import op

revision = "0322_overrides"
down_revision = "0330_budgets"
branch_labels = None
depends_on = None

# A row goes only with its offer; while that is there it stays as it is.
_TRIGGER = """
CREATE FUNCTION offer_override_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'why an offer differs from the suggestion is never changed' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER offer_override_stays BEFORE UPDATE ON offer_override
    FOR EACH ROW EXECUTE FUNCTION offer_override_stays();
"""


def upgrade() -> None:
    op.create_table(
        "offer_override",
        sa.Column("offer_id", sa.Uuid(), nullable=False),
        sa.Column("direction", sa.String(), nullable=False),
        sa.Column("suggested_minor", sa.BigInteger(), nullable=False),
        sa.Column("by_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("floor_reason", sa.String(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_kind", sa.String(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "direction IN ('over', 'under', 'kind', 'below_floor')", name=op.f("ck_offer_override_direction")
        ),
        sa.CheckConstraint(
            "(direction = 'below_floor') = (floor_reason IS NOT NULL)", name=op.f("ck_offer_override_floor_reason")
        ),
        sa.ForeignKeyConstraint(
            ["offer_id"], ["offer.id"], name=op.f("fk_offer_override_offer_id_offer"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("offer_id", name=op.f("pk_offer_override")),
    )
    op.create_index("ix_offer_override_at", "offer_override", ["at"])
    op.execute(_TRIGGER)


def downgrade() -> None:
    op.drop_table("offer_override")
    op.execute("DROP FUNCTION offer_override_stays()")
