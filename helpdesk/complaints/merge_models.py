"""What a merge moved, so that undoing it is exact.

**Why rows are moved.** Everything that hangs on a complaint is found by its `complaint_id`: the thread, search, issues to
be decided, people to be written to. A duplicate's rows get the survivor's, and all of that sees them at once, today's
readers and next year's. The ledger below names each row that was moved, so that undo takes back these and no others.
"""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.complaints.lifecycle import OPEN
from helpdesk.kernel.db import Base, Identified, Json, Timestamp

MERGED_FROM: Final = tuple(sorted(OPEN))


class Merge(Identified, Base):
    """One merge. At most one of a source is not undone."""

    __tablename__ = "complaint_merge"
    __table_args__ = (
        CheckConstraint("source_id <> survivor_id", name="two_complaints"),
        CheckConstraint(f"source_status IN {MERGED_FROM}", name="source_status"),
        CheckConstraint("undone_at IS NULL OR undone_at >= merged_at", name="undone_after"),
        Index("uq_complaint_merge_source", "source_id", unique=True, postgresql_where=text("undone_at IS NULL")),
        Index("ix_complaint_merge_source_id_id", "source_id", "id"),
        Index("ix_complaint_merge_survivor_id_id", "survivor_id", "id"),
    )

    source_id: Mapped[UUID] = mapped_column(ForeignKey("complaint.id", ondelete="CASCADE"))
    survivor_id: Mapped[UUID] = mapped_column(ForeignKey("complaint.id", ondelete="CASCADE"))
    merged_at: Mapped[Timestamp]
    merged_by: Mapped[UUID | None]
    """The agent's id; None where the program did it."""
    reason: Mapped[str]
    undo_until: Mapped[Timestamp]
    undone_at: Mapped[Timestamp | None]
    undone_by: Mapped[UUID | None]
    source_status: Mapped[str]
    source_waiting_on: Mapped[str]
    survivor_sequence: Mapped[int]
    """How many events the survivor's story had before; what came after them is not the merge's to take back."""
    source_facts: Mapped[Json]
    """What the source brought to be combined; see `combining`."""
    facts_before: Mapped[Json]
    """The survivor's, and below what the merge made of them."""
    facts_after: Mapped[Json]

    @property
    def of_one_customer(self) -> bool:
        """As it was known then."""
        whose: str | None = self.source_facts["customer_id"]
        return whose is not None and whose == self.facts_before["customer_id"]


class MergedRow(Base):
    """One row that a merge moved to the survivor, made there, or changed: `kind` is its table, `before` what undo needs to
    know of it beside.
    """

    __tablename__ = "complaint_merged_row"

    row_id: Mapped[UUID] = mapped_column(primary_key=True)
    merge_id: Mapped[UUID] = mapped_column(ForeignKey("complaint_merge.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str]
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))

    __table_args__ = (Index("ix_complaint_merged_row_merge_id_kind", "merge_id", "kind"),)
