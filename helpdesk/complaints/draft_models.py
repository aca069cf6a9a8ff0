"""What is being written and not sent yet."""

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Stamped, Timestamp, Versioned

DRAFT_KINDS = ("public_reply", "internal_note")


class Draft(Identified, Versioned, Stamped, Base):
    """One agent's. Others who see the complaint may read it, so that two do not answer twice. Gone once it is sent."""

    __tablename__ = "complaint_draft"
    __table_args__ = (
        CheckConstraint(f"kind IN {DRAFT_KINDS}", name="kind"),
        Index("ix_complaint_draft_complaint_id_id", "complaint_id", "id"),
        Index("ix_complaint_draft_agent_id", "agent_id"),
    )

    complaint_id: Mapped[UUID] = mapped_column(ForeignKey("complaint.id", ondelete="CASCADE"))
    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agent.id", ondelete="CASCADE"))
    kind: Mapped[str]
    body: Mapped[str]
    html: Mapped[str | None]
    html_given: Mapped[str | None]
    channel: Mapped[str | None]
    in_reply_to: Mapped[UUID | None] = mapped_column(ForeignKey("complaint_message.id", ondelete="SET NULL"))
    mentions: Mapped[list[str]] = mapped_column(JSONB)
    canned_reply_id: Mapped[UUID | None] = mapped_column(ForeignKey("canned_reply.id", ondelete="SET NULL"))
    attachment_ids: Mapped[list[str]] = mapped_column(JSONB, default=list, server_default="[]")
    """Files that are to go with it."""
    seen_message_id: Mapped[UUID | None]
    """The last message of the thread that its writer has seen."""
    updated_at: Mapped[Timestamp]
