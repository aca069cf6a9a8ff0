"""Links between two complaints: one row per pair and kind, which is read from both sides."""

from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Timestamp


class Kind(NamedTuple):
    """How a link is called from the complaint it is kept from, and from the one it leads to."""

    here: str
    there: str


KINDS: Final = (
    Kind("related", "related"),
    Kind("child_of", "parent_of"),
    Kind("duplicate_of", "duplicated_by"),
    Kind("caused_by", "causes"),
    Kind("split_from", "split_into"),
)
STORED: Final = tuple(kind.here for kind in KINDS)
LABELS: Final = tuple(dict.fromkeys(label for kind in KINDS for label in kind))
BY_HAND: Final = tuple(label for label in LABELS if not label.startswith("split_"))
"""A split makes its own link, and only a split does."""

THERE: Final = {kind.here: kind.there for kind in KINDS}
TURNED: Final = {kind.there: kind.here for kind in KINDS if kind.there != kind.here}
"""Label from the far side -> the kind that is kept."""


class Link(Identified, Base):
    """`from_id` is child of, duplicate of, caused by, split from `to_id`. What is merely related is kept with the smaller
    id first, so that a pair has one row.
    """

    __tablename__ = "complaint_link"
    __table_args__ = (
        UniqueConstraint("from_id", "to_id", "kind"),
        CheckConstraint(f"kind IN {STORED}", name="kind"),
        CheckConstraint("from_id <> to_id", name="two_complaints"),
        CheckConstraint("kind <> 'related' OR from_id < to_id", name="related_once"),
        Index("ix_complaint_link_to_id", "to_id"),
        Index("uq_complaint_link_parent", "from_id", unique=True, postgresql_where=text("kind = 'child_of'")),
    )

    kind: Mapped[str]
    from_id: Mapped[UUID] = mapped_column(ForeignKey("complaint.id", ondelete="CASCADE"))
    to_id: Mapped[UUID] = mapped_column(ForeignKey("complaint.id", ondelete="CASCADE"))
    note: Mapped[str | None]
    created_at: Mapped[Timestamp]
    created_by: Mapped[UUID | None]
    """The agent's id; None where the program made it."""
