"""An import says whether its complaints are routed"""

import sqlalchemy as sa
from alembic import op

revision = "0066_work_imports"
down_revision = "0033_duplicates"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("import_job", sa.Column("route", sa.Boolean(), server_default="false", nullable=False))


def downgrade() -> None:
    op.drop_column("import_job", "route")
