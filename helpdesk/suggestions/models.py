"""What was learned, in its last few versions, and what was suggested to whom."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Stamped, Timestamp

BASES: Final = ("model", "rules")


class CategoryModel(Identified, Stamped, Base):
    """One training that came to its end; the last version is in use. `content` and `checksum` as `classifier.packed`,
    `figures` as `evaluation.Figures.as_data`, with the examples of each category.
    """

    __tablename__ = "category_model"

    version: Mapped[int] = mapped_column(unique=True)
    job_id: Mapped[UUID]
    trained_by: Mapped[UUID | None]
    """Who asked for it; None: the schedule."""
    redactions: Mapped[int]
    """Texts of complaints that had been redacted when it was read: with more, it may hold words that are to be gone."""
    examples: Mapped[int]
    words: Mapped[int]
    content: Mapped[bytes]
    checksum: Mapped[bytes]
    figures: Mapped[dict[str, Any]] = mapped_column(JSONB)


class CategorySuggestion(Base):
    """What an agent was last shown for a complaint before they judged it, and what they made of it."""

    __tablename__ = "category_suggestion"
    __table_args__ = (
        CheckConstraint(f"basis IN {BASES}", name="basis"),
        CheckConstraint(
            "(decided_at IS NULL) = (chosen IS NULL) AND (chosen IS NULL) = (place IS NULL)", name="decided_whole"
        ),
        CheckConstraint("place >= 0", name="place"),
        Index(
            "ix_category_suggestion_shown_at",
            "shown_at",
            postgresql_include=["basis", "model_version", "place"],
        ),
    )

    complaint_id: Mapped[UUID] = mapped_column(ForeignKey("complaint.id", ondelete="CASCADE"), primary_key=True)
    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agent.id", ondelete="RESTRICT"), primary_key=True)
    shown_at: Mapped[Timestamp]
    basis: Mapped[str]
    """Of the first one."""
    model_version: Mapped[int | None]
    categories: Mapped[list[str]] = mapped_column(ARRAY(String))
    """In the order in which they were shown."""
    chosen: Mapped[str | None]
    place: Mapped[int | None]
    """Of the chosen one among them, from 1; 0: it is none of them."""
    decided_at: Mapped[Timestamp | None]
