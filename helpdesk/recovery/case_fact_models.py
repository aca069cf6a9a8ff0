"""What was recorded of a case for suggestions, beside what the complaint itself says."""

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Json, Timestamp


class CaseFacts(Base):
    """The facts (`case_facts.FACTS`) of one complaint, as their JSON. Written under the complaint's lock, whose version is
    that of what is shown. A merge moves nothing: those of the duplicate count for the survivor beside its own (`matters`), and go
    on being recorded of the duplicate.
    """

    __tablename__ = "complaint_recovery_fact"
    __table_args__ = (CheckConstraint("jsonb_typeof(facts) = 'object'", name="facts"),)

    complaint_id: Mapped[UUID] = mapped_column(ForeignKey("complaint.id", ondelete="CASCADE"), primary_key=True)
    facts: Mapped[Json]
    recorded_at: Mapped[Timestamp]
    recorded_by: Mapped[UUID | None]
    """The agent or the key; None: the program."""
