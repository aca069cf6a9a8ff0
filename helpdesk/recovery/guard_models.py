"""Tables of the guards: by which numbers they look, what they sent to review, what was drafted in spite of them.

None of them hangs on what the customer or an evidence pack is told: they are about how we look at a claim, and not about it.
"""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Json, Minor, Stamped, Timestamp, Versioned

REVIEW_STATES: Final = ("open", "settled", "dropped")
"""`dropped`: nobody is to be scored any more, or there is nothing to approve any more (`reviews.drop`)."""
DECISIONS: Final = ("cleared", "concern_noted")


class GuardRulesVersion(Identified, Stamped, Base):
    """One version of all of it; the newest holds. A trigger refuses every change: a review names the version it went by.

    `content`: as `guard_rules.SHIPPED`. Whoever writes one does so alone (`guard_queries.head_for_update`).
    """

    __tablename__ = "guard_rules"
    __table_args__ = (CheckConstraint("number > 0", name="number"),)

    number: Mapped[int] = mapped_column(unique=True)
    content: Mapped[Json]
    reason: Mapped[str]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]


class ClaimReview(Identified, Versioned, Stamped, Base):
    """A claim whose score asked for a second look when `offer_id` was submitted. Locked after its complaint and offer.

    `reasons`: of the score, as it was then. One is open per complaint at most; what was dropped keeps no score and no reasons.
    `round`: of the complaint, in which it was opened: a settled one counts until the complaint is reopened.
    """

    __tablename__ = "claim_review"
    __table_args__ = (
        CheckConstraint(f"state IN {REVIEW_STATES}", name="state"),
        CheckConstraint(f"decision IN {DECISIONS}", name="decision"),
        CheckConstraint("score BETWEEN 0 AND 100", name="score"),
        CheckConstraint("(state = 'open') = (settled_at IS NULL)", name="settled_at"),
        CheckConstraint(
            "(state = 'settled') = (decision IS NOT NULL) AND (decision IS NULL) = (reason IS NULL)", name="decided"
        ),
        CheckConstraint(
            "(state = 'dropped') = (score IS NULL) AND (score IS NULL) = (reasons IS NULL)", name="dropped"
        ),
        Index("uq_claim_review_open", "complaint_id", unique=True, postgresql_where=text("state = 'open'")),
        Index("ix_claim_review_complaint_id_id", "complaint_id", "id"),
        Index("ix_claim_review_state_id", "state", "id"),
    )

    complaint_id: Mapped[UUID] = mapped_column(ForeignKey("complaint.id", ondelete="RESTRICT"))
    offer_id: Mapped[UUID] = mapped_column(ForeignKey("offer.id", ondelete="RESTRICT"))
    round: Mapped[int]
    state: Mapped[str] = mapped_column(default="open", server_default="open")
    score: Mapped[int | None]
    rules: Mapped[int] = mapped_column(ForeignKey("guard_rules.number", ondelete="RESTRICT"))
    reasons: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True))
    decision: Mapped[str | None]
    reason: Mapped[str | None]
    settled_at: Mapped[Timestamp | None]
    settled_by: Mapped[UUID | None] = mapped_column(ForeignKey("agent.id", ondelete="RESTRICT"))


class DuplicateOverride(Identified, Base):
    """Why an offer was drafted though the same matter was compensated already. A trigger refuses every change.

    `found`: the offers that were there, as the guard saw them. `given_minor`: what those in the offer's currency come to.
    """

    __tablename__ = "duplicate_override"
    __table_args__ = (CheckConstraint("given_minor >= 0", name="given_minor"),)

    offer_id: Mapped[UUID] = mapped_column(ForeignKey("offer.id", ondelete="RESTRICT"), unique=True)
    reason: Mapped[str]
    found: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    given_minor: Mapped[Minor]
    at: Mapped[Timestamp]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
