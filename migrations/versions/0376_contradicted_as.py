"""As what a provider says that something was issued, against what is recorded"""

import sqlalchemy as sa
from alembic import op

revision = "0376_contradicted_as"
down_revision = "0375_letters_arrive"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("remedy_order", sa.Column("contradiction_reference", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("remedy_order", "contradiction_reference")
