"""Record types: what comes in and is no complaint"""

import sqlalchemy as sa
from alembic import op

revision = "0030_intake"
down_revision = "0040_thread"
branch_labels = None
depends_on = None

_TYPES = "record_type IN ('complaint', 'inquiry', 'request', 'suggestion', 'compliment')"
_DECIDED = "record_type = 'complaint' OR (status NOT IN ('investigated', 'followed_up') AND outcome IS NULL AND offers_live = 0)"


def upgrade() -> None:
    op.add_column("complaint", sa.Column("record_type", sa.String(), server_default="complaint", nullable=False))
    op.create_check_constraint(op.f("ck_complaint_record_type"), "complaint", _TYPES)
    op.create_check_constraint(op.f("ck_complaint_only_complaints_are_decided"), "complaint", _DECIDED)
    op.create_index("ix_complaint_record_type_received_at_id", "complaint", ["record_type", "received_at", "id"])


def downgrade() -> None:
    op.drop_index("ix_complaint_record_type_received_at_id", table_name="complaint")
    op.drop_column("complaint", "record_type")
