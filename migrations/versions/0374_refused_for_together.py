"""Whoever was refused since offers belong together is flagged too"""

import sqlalchemy as sa
from alembic import op

revision = "0374_refused_for_together"
down_revision = "0373_floors_again"
branch_labels = None
depends_on = None

_OLD = "uq_offer_flag_offer_id_number"
_NEW = "uq_offer_flag_offer_id_number_refused_person_id"


def upgrade() -> None:
    op.add_column("offer_flag", sa.Column("refused", sa.Boolean(), server_default="false", nullable=False))
    op.drop_constraint(op.f(_OLD), "offer_flag", type_="unique")
    op.create_unique_constraint(
        op.f(_NEW),
        "offer_flag",
        ["offer_id", "number", "refused", "person_id"],
        postgresql_nulls_not_distinct=True,
    )


def downgrade() -> None:
    op.execute("ALTER TABLE offer_flag DISABLE TRIGGER USER")
    op.execute("DELETE FROM offer_flag WHERE refused")
    op.execute("ALTER TABLE offer_flag ENABLE TRIGGER USER")
    op.drop_constraint(op.f(_NEW), "offer_flag", type_="unique")
    op.create_unique_constraint(op.f(_OLD), "offer_flag", ["offer_id", "number"])
    op.drop_column("offer_flag", "refused")
