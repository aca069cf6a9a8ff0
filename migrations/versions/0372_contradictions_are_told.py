"""Those who see to dead letters are told when a provider contradicts what is recorded"""

from alembic import op

revision = "0372_contradictions_are_told"
down_revision = "0371_copied_offers"
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
)


def _told(kinds: tuple[str, ...]) -> None:
    op.drop_constraint(op.f("ck_notification_kind"), "notification", type_="check")
    op.create_check_constraint(op.f("ck_notification_kind"), "notification", f"kind IN {kinds}")


def upgrade() -> None:
    _told((*_TOLD, "issuance_contradicted"))


def downgrade() -> None:
    op.execute("DELETE FROM notification WHERE kind = 'issuance_contradicted'")
    _told(_TOLD)
