"""Tags: their vocabulary, and which complaint carries which."""

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Stamped, Timestamp, Versioned

TERM = "tag:"
"""Before a tag's id in `Complaint.terms`."""


class Tag(Identified, Versioned, Stamped, Base):
    """A word of the vocabulary. `key` is its name folded (`folding.fold`). One that was merged into another stays, and
    leads there whoever uses its name. `job_id`: the last renaming or merge; no reference, since jobs are forgotten.
    """

    __tablename__ = "tag"
    __table_args__ = (
        CheckConstraint("merged_into_id IS NULL OR NOT active", name="merged_is_over"),
        CheckConstraint("merged_into_id <> id", name="merged_into_another"),
        Index("ix_tag_merged_into_id", "merged_into_id"),
    )

    name: Mapped[str]
    key: Mapped[str] = mapped_column(unique=True)
    colour: Mapped[str | None]
    description: Mapped[str | None]
    active: Mapped[bool] = mapped_column(default=True, server_default="true")
    merged_into_id: Mapped[UUID | None] = mapped_column(ForeignKey("tag.id", ondelete="CASCADE"))
    job_id: Mapped[UUID | None]


class ComplaintTag(Base):
    """A complaint carries a tag. The time of receipt stands here as well, so that an index gives the complaints of a tag
    in the order of lists; that it is the complaint's, the foreign key sees to.
    """

    __tablename__ = "complaint_tag"
    __table_args__ = (
        ForeignKeyConstraint(
            ["received_at", "complaint_id"],
            ["complaint.received_at", "complaint.id"],
            ondelete="CASCADE",
            onupdate="CASCADE",
        ),
        Index("ix_complaint_tag_tag_id_received_at_complaint_id", "tag_id", "received_at", "complaint_id"),
    )

    complaint_id: Mapped[UUID] = mapped_column(primary_key=True)
    tag_id: Mapped[UUID] = mapped_column(ForeignKey("tag.id", ondelete="RESTRICT"), primary_key=True)
    received_at: Mapped[Timestamp]
