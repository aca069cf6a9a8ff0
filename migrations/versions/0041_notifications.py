"""Who watches a complaint, and what agents are told"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0041_notifications"
down_revision = "0030_intake"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "complaint_watcher",
        sa.Column("complaint_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("added_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["complaint_id"],
            ["complaint.id"],
            name=op.f("fk_complaint_watcher_complaint_id_complaint"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name=op.f("fk_complaint_watcher_agent_id_agent"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("complaint_id", "agent_id", name=op.f("pk_complaint_watcher")),
    )
    op.create_index("ix_complaint_watcher_agent_id", "complaint_watcher", ["agent_id"])
    op.create_table(
        "notification",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("complaint_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.Column("actor_kind", sa.String(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("detail", postgresql.JSONB(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "kind IN ('inbound_message', 'assigned', 'mentioned', 'status_changed', 'sla_breached')",
            name=op.f("ck_notification_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["complaint_id"], ["complaint.id"], name=op.f("fk_notification_complaint_id_complaint"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name=op.f("fk_notification_agent_id_agent"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification")),
        sa.UniqueConstraint("event_id", "agent_id", name=op.f("uq_notification_event_id_agent_id")),
    )
    op.create_index("ix_notification_agent_id_id", "notification", ["agent_id", "id"])
    op.create_index(
        "ix_notification_unread",
        "notification",
        ["agent_id", "id"],
        postgresql_where=sa.text("read_at IS NULL"),
    )
    op.create_index("ix_notification_created_at", "notification", ["created_at"])
    op.create_table(
        "notification_preference",
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("mail", postgresql.JSONB(), nullable=False),
        sa.Column("muted", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name=op.f("fk_notification_preference_agent_id_agent"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("agent_id", name=op.f("pk_notification_preference")),
    )


def downgrade() -> None:
    op.drop_table("notification_preference")
    op.drop_table("notification")
    op.drop_table("complaint_watcher")
