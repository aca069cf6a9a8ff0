"""Words of counter-offers can be redacted"""

import sqlalchemy as sa
from alembic import op

revision = "0377_redacted_counters"
down_revision = "0376_contradicted_as"
branch_labels = None
depends_on = None

_PARTS = "'message', 'subject', 'description', 'custom_field'"


def _parts(parts: str) -> None:
    op.drop_constraint(op.f("ck_complaint_redaction_part"), "complaint_redaction", type_="check")
    op.create_check_constraint(op.f("ck_complaint_redaction_part"), "complaint_redaction", f"part IN ({parts})")


def upgrade() -> None:
    op.add_column("complaint_redaction", sa.Column("counter_id", sa.Uuid(), nullable=True))
    _parts(f"{_PARTS}, 'counter'")
    op.create_check_constraint(
        op.f("ck_complaint_redaction_counter_is_named"),
        "complaint_redaction",
        "(part = 'counter') = (counter_id IS NOT NULL)",
    )


def downgrade() -> None:
    op.execute("DELETE FROM complaint_redaction WHERE part = 'counter'")
    op.drop_constraint(op.f("ck_complaint_redaction_counter_is_named"), "complaint_redaction", type_="check")
    _parts(_PARTS)
    op.drop_column("complaint_redaction", "counter_id")
