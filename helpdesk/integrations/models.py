"""Imports, how far they are, and what they could not take in."""

from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Stamped, Timestamp

STATES = ("queued", "running", "done", "failed", "cancelled")
ENDED = ("done", "failed", "cancelled")
OUTCOMES = ("rejected", "skipped", "note")
"""What became of the record; a note is about lines that are no records."""


class ImportJob(Identified, Stamped, Base):
    """One import of one file. Progress moves in the same transaction as the complaints it counts.

    `line_done` and `byte_done` say where the next record begins: both in the file as it lies there, both from 0.
    A checksum is there once the content is; `created_by` is absent for imports from the command line.
    """

    __tablename__ = "import_job"
    __table_args__ = (
        CheckConstraint(f"state IN {STATES}", name="state"),
        CheckConstraint(f"(state IN {ENDED}) = (finished_at IS NOT NULL)", name="ended_at_a_time"),
        CheckConstraint("records_read = accepted + skipped + rejected", name="every_record_accounted_for"),
        Index("ix_import_job_created_by_id", "created_by", "id"),
        Index("ix_import_job_checksum", "checksum"),
    )

    state: Mapped[str] = mapped_column(default="queued", server_default="queued")
    mapping: Mapped[str]
    file_name: Mapped[str]
    dry_run: Mapped[bool] = mapped_column(default=False, server_default="false")
    again: Mapped[bool] = mapped_column(default=False, server_default="false")
    """Whether its file may be one that was imported before, although nothing tells its records from new ones."""
    route: Mapped[bool] = mapped_column(default=False, server_default="false")
    """Whether its complaints are routed, by the sweep."""
    checksum: Mapped[str | None]
    """SHA-256 of the file, hexadecimal."""
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    line_done: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    byte_done: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    records_read: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    accepted: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    skipped: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    rejected: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    started_at: Mapped[Timestamp | None]
    run_started_at: Mapped[Timestamp | None]
    """When the present run began; later than `started_at` after an interruption. The rate is counted from here."""
    run_from_records: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    run_from_byte: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    progress_at: Mapped[Timestamp | None]
    finished_at: Mapped[Timestamp | None]
    error: Mapped[str | None]
    created_by: Mapped[UUID | None]
    """An agent or an API key."""


class ImportRejection(Identified, Base):
    """One record that was not taken in, or lines that are no record. The excerpt may hold personal data."""

    __tablename__ = "import_rejection"
    __table_args__ = (
        CheckConstraint(f"outcome IN {OUTCOMES}", name="outcome"),
        CheckConstraint("length(excerpt) <= 500", name="excerpt_short"),
        Index("ix_import_rejection_job_id_line_id", "job_id", "line", "id"),
    )

    job_id: Mapped[UUID] = mapped_column(ForeignKey("import_job.id", ondelete="CASCADE"))
    line: Mapped[int] = mapped_column(BigInteger)
    """The record's first line in the file, from 1."""
    outcome: Mapped[str]
    code: Mapped[str]
    detail: Mapped[str]
    excerpt: Mapped[str]
