"""Ladders of escalation: a clock rings at rungs, which stand at a share of its time, or before or after its due time"""

import sqlalchemy as sa
from alembic import op

revision = "0210_ladders"
down_revision = "0180_regimes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sla_clock", sa.Column("next_offset", sa.String(), nullable=True))
    op.drop_constraint(op.f("ck_sla_clock_only_running_rings"), "sla_clock", type_="check")
    op.drop_constraint(op.f("ck_sla_clock_alarm_whole"), "sla_clock", type_="check")
    op.create_check_constraint(
        op.f("ck_sla_clock_only_open_rings"),
        "sla_clock",
        "next_alarm_at IS NULL OR (state IN ('running', 'breached') AND stopped_at IS NULL)",
    )
    op.create_check_constraint(
        op.f("ck_sla_clock_alarm_whole"),
        "sla_clock",
        "num_nonnulls(next_threshold, next_offset) = num_nonnulls(next_alarm_at)",
    )
    op.add_column("sla_alarm", sa.Column("rung", sa.String(), nullable=True))
    op.execute("UPDATE sla_alarm SET rung = threshold || '%'")
    op.drop_constraint(op.f("pk_sla_alarm"), "sla_alarm", type_="primary")
    op.alter_column("sla_alarm", "rung", nullable=False)
    op.alter_column("sla_alarm", "threshold", nullable=True)
    op.create_primary_key(op.f("pk_sla_alarm"), "sla_alarm", ["clock_id", "generation", "rung"])
    op.drop_constraint(op.f("ck_sla_alarm_lateness_alarm"), "sla_alarm_lateness", type_="check")
    op.create_check_constraint(
        op.f("ck_sla_alarm_lateness_alarm"), "sla_alarm_lateness", "alarm IN ('warned', 'breached', 'overdue')"
    )
    # What no policy said so far is said as nothing, so that writing one again as it is changes nothing.
    op.execute("""UPDATE sla_policy_version SET spec = spec || '{"ladder": []}' WHERE NOT spec ? 'ladder'""")


def downgrade() -> None:
    op.execute("UPDATE sla_policy_version SET spec = spec - 'ladder'")
    op.execute("DELETE FROM sla_alarm_lateness WHERE alarm = 'overdue'")
    op.drop_constraint(op.f("ck_sla_alarm_lateness_alarm"), "sla_alarm_lateness", type_="check")
    op.create_check_constraint(
        op.f("ck_sla_alarm_lateness_alarm"), "sla_alarm_lateness", "alarm IN ('warned', 'breached')"
    )
    op.execute("DELETE FROM sla_alarm WHERE threshold IS NULL OR threshold > 100")
    op.drop_constraint(op.f("pk_sla_alarm"), "sla_alarm", type_="primary")
    op.alter_column("sla_alarm", "threshold", nullable=False)
    op.drop_column("sla_alarm", "rung")
    op.create_primary_key(op.f("pk_sla_alarm"), "sla_alarm", ["clock_id", "generation", "threshold"])
    # What rings at another place than a threshold rings when it is due; broken ones do not ring any more.
    op.execute(
        "UPDATE sla_clock SET next_threshold = NULL, next_offset = NULL, next_alarm_at = NULL WHERE state = 'breached'"
    )
    op.execute(
        "UPDATE sla_clock SET next_threshold = 100, next_offset = NULL, next_alarm_at = due_at WHERE next_offset IS NOT NULL"
    )
    op.drop_constraint(op.f("ck_sla_clock_alarm_whole"), "sla_clock", type_="check")
    op.drop_constraint(op.f("ck_sla_clock_only_open_rings"), "sla_clock", type_="check")
    op.drop_column("sla_clock", "next_offset")
    op.create_check_constraint(
        op.f("ck_sla_clock_alarm_whole"), "sla_clock", "(next_alarm_at IS NULL) = (next_threshold IS NULL)"
    )
    op.create_check_constraint(
        op.f("ck_sla_clock_only_running_rings"), "sla_clock", "next_alarm_at IS NULL OR state = 'running'"
    )
