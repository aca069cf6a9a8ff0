"""What was noticed about offers, with its evidence."""

from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Minor, Timestamp
from helpdesk.recovery.structuring import PATTERNS


class OfferFlag(Identified, Base):
    """At the step of this `number` it belonged together with others (`structuring`), or, where `refused`, after that step, when
    somebody wanted to approve it and was refused for it. A trigger refuses every change.

    `person_id`: whose limit all of them together would pass; None: no person's. `evidence`: the earlier offers, `[{offer_id,
    complaint_id, relation, amount_minor, currency, drafted_by, signed_by, granted_at}]`, as they were then; without a currency:
    the flag's.
    """

    __tablename__ = "offer_flag"
    __table_args__ = (
        UniqueConstraint("offer_id", "number", "refused", "person_id", postgresql_nulls_not_distinct=True),
        CheckConstraint(f"pattern IN {PATTERNS}", name="pattern"),
        CheckConstraint("total_minor > limit_minor", name="passes"),
        Index("ix_offer_flag_person_id_id", "person_id", "id"),
    )

    offer_id: Mapped[UUID] = mapped_column(ForeignKey("offer.id", ondelete="RESTRICT"))
    number: Mapped[int]
    refused: Mapped[bool] = mapped_column(default=False, server_default="false")
    at: Mapped[Timestamp]
    pattern: Mapped[str]
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("agent.id", ondelete="RESTRICT"))
    authority: Mapped[str]
    limit_version: Mapped[int] = mapped_column(ForeignKey("authority_limits.number", ondelete="RESTRICT"))
    days: Mapped[int]
    currency: Mapped[str]
    total_minor: Mapped[Minor]
    limit_minor: Mapped[Minor]
    evidence: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
