"""How the severity of a complaint came about, each time that it was assessed."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.complaints.taxonomy import SEVERITIES
from helpdesk.kernel.db import Base, Identified, Stamped

CAUSES: Final = ("received", "triaged", "set", "facts", "converted", "merged", "unmerged", "split")
"""It came in; somebody judged it; somebody set it; something became known; it turned out to be a complaint; a duplicate was
merged into it, or taken out again; it was split from another.
"""


class SeverityAssessment(Identified, Stamped, Base):
    """One assessment; the last one is how the present severity came about. `judged`: what the rules gave (None: nothing
    told); `reason`: a person's. `reasons` as `severity.Reason.as_data`.
    """

    __tablename__ = "complaint_severity_assessment"
    __table_args__ = (
        CheckConstraint(f"cause IN {CAUSES}", name="cause"),
        CheckConstraint(f"severity IN {SEVERITIES}", name="severity"),
        CheckConstraint(f"before IN {SEVERITIES}", name="before"),
        CheckConstraint(f"judged IN {SEVERITIES}", name="judged"),
        CheckConstraint("(cause = 'set') = (reason IS NOT NULL)", name="set_with_reason"),
        Index("ix_complaint_severity_assessment_complaint_id_id", "complaint_id", "id"),
        Index("ix_complaint_severity_assessment_set", "created_at", "id", postgresql_where=text("cause = 'set'")),
    )

    complaint_id: Mapped[UUID] = mapped_column(ForeignKey("complaint.id", ondelete="CASCADE"))
    cause: Mapped[str]
    severity: Mapped[str]
    before: Mapped[str | None]
    judged: Mapped[str | None]
    reasons: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    systemic: Mapped[bool]
    rules_version: Mapped[int]
    taxonomy_version: Mapped[int]
    """Of the whole, in which those rules stood (`GET /taxonomy?version=`)."""
    reason: Mapped[str | None]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
