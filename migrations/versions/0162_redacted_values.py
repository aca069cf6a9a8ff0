"""Values of custom fields can be redacted; jobs are listed by kind and by state from indexes"""

import sqlalchemy as sa
from alembic import op

revision = "0162_redacted_values"
down_revision = "0165_search_newest"
branch_labels = None
depends_on = None

_TABLE = "complaint_redaction"
_BEFORE = ("message", "subject", "description")


def upgrade() -> None:
    op.add_column(_TABLE, sa.Column("field_key", sa.String(), nullable=True))
    op.drop_constraint(op.f("ck_complaint_redaction_part"), _TABLE, type_="check")
    op.create_check_constraint(op.f("ck_complaint_redaction_part"), _TABLE, f"part IN {(*_BEFORE, 'custom_field')}")
    op.create_check_constraint(
        op.f("ck_complaint_redaction_field_is_named"), _TABLE, "(part = 'custom_field') = (field_key IS NOT NULL)"
    )
    op.create_index("ix_job_kind_id", "job", ["kind", "id"])
    op.create_index("ix_job_state_id", "job", ["state", "id"])


def downgrade() -> None:
    op.drop_index("ix_job_state_id", table_name="job")
    op.drop_index("ix_job_kind_id", table_name="job")
    op.drop_constraint(op.f("ck_complaint_redaction_field_is_named"), _TABLE, type_="check")
    op.drop_constraint(op.f("ck_complaint_redaction_part"), _TABLE, type_="check")
    # What was redacted stays redacted; the program before this one has no word for where it was.
    op.execute("DELETE FROM complaint_redaction WHERE part = 'custom_field'")
    op.create_check_constraint(op.f("ck_complaint_redaction_part"), _TABLE, f"part IN {_BEFORE}")
    op.drop_column(_TABLE, "field_key")
