from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Minor, Stamped, Timestamp

EVIDENCE_STATES = ("building", "ready", "failed", "expired")


class Evidence(Identified, Stamped, Base):
    """An evidence pack: who asked for it, what they may have in it, and where it is. `created_at` is when it was asked for,
    and the moment that its files are dated by.
    """

    __tablename__ = "complaint_evidence"
    __table_args__ = (
        CheckConstraint(f"state IN {EVIDENCE_STATES}", name="state"),
        CheckConstraint("(state = 'ready') = (file_id IS NOT NULL)", name="ready_has_bytes"),
        CheckConstraint("file_id IS NULL OR (size IS NOT NULL AND sha256 IS NOT NULL)", name="ready_is_known"),
        Index("ix_complaint_evidence_complaint_id_id", "complaint_id", "id"),
        Index(
            "uq_complaint_evidence_building",
            "complaint_id",
            unique=True,
            postgresql_where=text("state = 'building'"),
        ),
        Index("ix_complaint_evidence_expires_at", "expires_at", postgresql_where=text("state = 'ready'")),
        Index("uq_complaint_evidence_file_id", "file_id", unique=True),
    )

    complaint_id: Mapped[UUID] = mapped_column(ForeignKey("complaint.id", ondelete="RESTRICT"))
    job_id: Mapped[UUID]
    """Of `job`, which is forgotten before the pack's row is."""
    state: Mapped[str] = mapped_column(default="building", server_default="building")
    reason: Mapped[str]
    language: Mapped[str]
    attachments: Mapped[bool]
    """Whether the files themselves are in it."""
    needs: Mapped[bool]
    """Whether what makes somebody vulnerable is told."""
    offers: Mapped[bool]
    """Whether what was offered is told."""
    tells_of: Mapped[list[UUID] | None] = mapped_column(ARRAY(Uuid()))
    """Other complaints that it may name, of merges, links and splits; null in packs from before this was kept."""
    asked_by: Mapped[UUID | None]
    file_id: Mapped[UUID | None] = mapped_column(ForeignKey("stored_file.id", ondelete="RESTRICT"))
    size: Mapped[Minor | None]
    """Bytes."""
    sha256: Mapped[str | None]
    entries: Mapped[int | None]
    made_at: Mapped[Timestamp | None]
    expires_at: Mapped[Timestamp | None]
