"""Versions of calendars hold on every day, and what goes by one is found by an index"""

import sqlalchemy as sa
from alembic import op

revision = "0130_calendar_versions"
down_revision = "0121_firing_outcomes"
branch_labels = None
depends_on = None

_FORWARDS, _EVERY_DAY = "ck_sla_calendar_version_valid_forwards", "ck_sla_calendar_version_holds_every_day"


def upgrade() -> None:
    op.create_check_constraint(
        op.f(_FORWARDS), "sla_calendar_version", "spec ->> 'valid_until' >= spec ->> 'valid_from'"
    )
    op.create_check_constraint(
        op.f(_EVERY_DAY),
        "sla_calendar_version",
        "coalesce(spec ->> 'valid_from', spec ->> 'valid_until') IS NULL OR coalesce(jsonb_array_length(spec -> 'otherwise'), 0) > 0",
    )
    op.create_index(
        "ix_sla_clock_calendar",
        "sla_clock",
        ["calendar_id", "calendar_version"],
        postgresql_where=sa.text("stopped_at IS NULL AND calendar_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_sla_clock_calendar", "sla_clock")
    op.drop_constraint(op.f(_EVERY_DAY), "sla_calendar_version")
    op.drop_constraint(op.f(_FORWARDS), "sla_calendar_version")
