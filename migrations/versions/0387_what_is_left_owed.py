"""Who has a complaint is told when what is owed is not offered any more while goodwill stands"""

from alembic import op

revision = "0387_what_is_left_owed"
down_revision = "0386_withdrawals"
branch_labels = None
depends_on = None

_TOLD = (
    "inbound_message",
    "assigned",
    "mentioned",
    "status_changed",
    "sla_warned",
    "sla_breached",
    "sla_overdue",
    "trigger_fired",
    "trigger_paused",
    "mail_failed",
    "approval_overdue",
    "budget_alert",
    "offer_countered",
    "offer_undelivered",
    "issuance_contradicted",
)


def _told(kinds: tuple[str, ...]) -> None:
    op.drop_constraint(op.f("ck_notification_kind"), "notification", type_="check")
    op.create_check_constraint(op.f("ck_notification_kind"), "notification", f"kind IN {kinds}")


def upgrade() -> None:
    _told((*_TOLD, "owed_not_offered"))


def downgrade() -> None:
    op.execute("DELETE FROM notification WHERE kind = 'owed_not_offered'")
    _told(_TOLD)
