"""What was taken out of a complaint for good: that it was, by whom, and how one could tell what it was."""

from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Stamped

REDACTABLE: Final = ("message", "subject", "description", "custom_field", "counter")
MAIL_OUTCOMES: Final = ("sent", "perhaps_sent", "not_sent")


class Redaction(Identified, Stamped, Base):
    """`digest` is SHA-256 of `salt` and the text as it was before: whoever has that text can prove that it was this one,
    and without the salt, which is in this table only, nobody can try out what a short one may have been.
    """

    __tablename__ = "complaint_redaction"
    __table_args__ = (
        CheckConstraint(f"part IN {REDACTABLE}", name="part"),
        CheckConstraint("(part = 'message') = (message_id IS NOT NULL)", name="message_is_named"),
        CheckConstraint("(part = 'custom_field') = (field_key IS NOT NULL)", name="field_is_named"),
        CheckConstraint("(part = 'counter') = (counter_id IS NOT NULL)", name="counter_is_named"),
        CheckConstraint(f"mail IN {MAIL_OUTCOMES}", name="mail"),
        Index("ix_complaint_redaction_complaint_id_id", "complaint_id", "id"),
    )

    complaint_id: Mapped[UUID] = mapped_column(ForeignKey("complaint.id", ondelete="CASCADE"))
    part: Mapped[str]
    message_id: Mapped[UUID | None] = mapped_column(ForeignKey("complaint_message.id", ondelete="CASCADE"))
    field_key: Mapped[str | None]
    """Of a custom field."""
    counter_id: Mapped[UUID | None]
    """Of what a customer asked for instead of an offer; the domain of offers stands above this one."""
    whole: Mapped[bool]
    places: Mapped[int]
    reason: Mapped[str]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    salt: Mapped[bytes]
    digest: Mapped[bytes]
    mail: Mapped[str | None]
    """Of a message that was mailed: what became of the old text."""
    erased_events: Mapped[int]
