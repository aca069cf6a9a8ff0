"""Who watches a complaint, what agents were told, and what they wish to be told."""

from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Json, Stamped, Timestamp, Versioned

NOTIFICATION_KINDS: Final = (
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
    "owed_not_offered",
)
APART: Final = {"budget_alert": "budget:read"}
"""Of the kinds that are about no complaint: the permission with which one is told of it, and reads it."""


class Watcher(Stamped, Base):
    """An agent who wants to hear of a complaint. To watch it shows them nothing that they could not see anyway."""

    __tablename__ = "complaint_watcher"
    __table_args__ = (Index("ix_complaint_watcher_agent_id", "agent_id"),)

    complaint_id: Mapped[UUID] = mapped_column(ForeignKey("complaint.id", ondelete="CASCADE"), primary_key=True)
    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agent.id", ondelete="CASCADE"), primary_key=True)
    added_by: Mapped[UUID | None]


class Notification(Identified, Stamped, Base):
    """That something happened, for one agent, once per event. What was said is not in it: it is read where it stands, by
    whoever may see it then. `complaint_id` None: it is about none (`APART`).
    """

    __tablename__ = "notification"
    __table_args__ = (
        UniqueConstraint("event_id", "agent_id"),
        CheckConstraint(f"kind IN {NOTIFICATION_KINDS}", name="kind"),
        CheckConstraint(f"(kind IN ({', '.join(map(repr, APART))})) = (complaint_id IS NULL)", name="about"),
        Index("ix_notification_agent_id_id", "agent_id", "id"),
        Index("ix_notification_unread", "agent_id", "id", postgresql_where=text("read_at IS NULL")),
        Index("ix_notification_created_at", "created_at"),
    )

    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agent.id", ondelete="CASCADE"))
    complaint_id: Mapped[UUID | None] = mapped_column(ForeignKey("complaint.id", ondelete="CASCADE"))
    event_id: Mapped[UUID]
    kind: Mapped[str]
    message_id: Mapped[UUID | None]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    detail: Mapped[Json]
    read_at: Mapped[Timestamp | None]


class NotificationPreference(Versioned, Base):
    """Without a row: everything is told, nothing is mailed; that is version 0."""

    __tablename__ = "notification_preference"

    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agent.id", ondelete="CASCADE"), primary_key=True)
    mail: Mapped[list[str]] = mapped_column(JSONB)
    muted: Mapped[list[str]] = mapped_column(JSONB)
