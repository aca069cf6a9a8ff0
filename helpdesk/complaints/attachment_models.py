from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Minor, Stamped, Timestamp, Versioned

SCAN_STATES = ("unscanned", "scanning", "clean", "infected", "failed")
"""`unscanned`: no scanner was configured when it came. Where one is, only `clean` files are given out."""


class Attachment(Identified, Versioned, Stamped, Base):
    """A file on a complaint, of one message or of the whole. Redacted, it keeps its size and digest, and nothing else of
    what it was.
    """

    __tablename__ = "complaint_attachment"
    __table_args__ = (
        CheckConstraint(f"scan IN {SCAN_STATES}", name="scan"),
        CheckConstraint("(file_id IS NULL) = (redacted_at IS NOT NULL)", name="bytes_until_redacted"),
        CheckConstraint("(name IS NULL) = (redacted_at IS NOT NULL)", name="name_until_redacted"),
        CheckConstraint("size > 0", name="size"),
        Index("ix_complaint_attachment_complaint_id_id", "complaint_id", "id"),
        Index("ix_complaint_attachment_message_id", "message_id", postgresql_where=text("message_id IS NOT NULL")),
        Index("uq_complaint_attachment_file_id", "file_id", unique=True),
        Index(
            "ix_complaint_attachment_infected",
            "scanned_at",
            postgresql_where=text("scan = 'infected' AND redacted_at IS NULL"),
        ),
        Index("ix_complaint_attachment_scan", "scan", "id", postgresql_where=text("scan = 'unscanned'")),
    )

    complaint_id: Mapped[UUID] = mapped_column(ForeignKey("complaint.id", ondelete="RESTRICT"))
    message_id: Mapped[UUID | None] = mapped_column(ForeignKey("complaint_message.id", ondelete="RESTRICT"))
    internal: Mapped[bool]
    """Not for the complainant."""
    name: Mapped[str | None]
    type: Mapped[str]
    """As it is given out: told from the bytes."""
    declared_type: Mapped[str | None]
    """As the sender called it."""
    size: Mapped[Minor]
    """Bytes."""
    sha256: Mapped[str]
    file_id: Mapped[UUID | None] = mapped_column(ForeignKey("stored_file.id", ondelete="RESTRICT"))
    scan: Mapped[str]
    signature: Mapped[str | None]
    """What the scanner found."""
    scanned_at: Mapped[Timestamp | None]
    author_kind: Mapped[str]
    author_id: Mapped[UUID | None]
    redacted_at: Mapped[Timestamp | None]
    redacted_by: Mapped[UUID | None]
    redaction_reason: Mapped[str | None]
