"""An offer can be drafted anew from one that came to nothing"""

import sqlalchemy as sa
from alembic import op

revision = "0371_copied_offers"
down_revision = "0370_offer_reminders"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("offer", sa.Column("copied_from", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_offer_copied_from_offer"), "offer", "offer", ["copied_from"], ["id"], ondelete="RESTRICT"
    )
    op.create_check_constraint(op.f("ck_offer_copied_from"), "offer", "copied_from <> id")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_offer_copied_from"), "offer", type_="check")
    op.drop_constraint(op.f("fk_offer_copied_from_offer"), "offer", type_="foreignkey")
    op.drop_column("offer", "copied_from")
