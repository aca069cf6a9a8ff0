"""Agents are told of mail that does not arrive"""

from alembic import op

revision = "0240_mail_failed"
down_revision = "0212_rule_clocks"
branch_labels = None
depends_on = None

_BEFORE = (
    "inbound_message",
    "assigned",
    "mentioned",
    "status_changed",
    "sla_warned",
    "sla_breached",
    "sla_overdue",
    "trigger_fired",
    "trigger_paused",
)
_AFTER = (*_BEFORE, "mail_failed")


def upgrade() -> None:
    op.drop_constraint(op.f("ck_notification_kind"), "notification", type_="check")
    op.create_check_constraint(op.f("ck_notification_kind"), "notification", f"kind IN {_AFTER}")


def downgrade() -> None:
    op.execute("DELETE FROM notification WHERE kind = 'mail_failed'")
    op.drop_constraint(op.f("ck_notification_kind"), "notification", type_="check")
    op.create_check_constraint(op.f("ck_notification_kind"), "notification", f"kind IN {_BEFORE}")
