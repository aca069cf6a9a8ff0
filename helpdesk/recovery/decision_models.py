"""The ledger of decisions on offers: what each was judged by. Who, when and why stand in the step that it belongs to."""

from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Minor, Timestamp

DECISIONS: Final = ("submit", "approve", "endorse", "refuse", "withdraw", "revoke", "reverse", "retry")
GRANTS: Final = ("approve", "endorse")
"""Decisions that count against somebody's authority."""


class OfferDecision(Identified, Base):
    """One decision, beside the `offer_transition` of the same offer and number. A trigger refuses every change.

    `in_name_of`: whose authority was used, where that was lent (`delegation_id`). `limit_version`: by which limits it was
    judged, None where nothing was (what costs nothing; what was decided before there were versions), and then the amounts
    are None too. `amount_minor`: of the offer then (what the customer takes of it may be less). `*_minor`: what had been granted
    before, without this offer, to the case, to the customer in a year, by whose authority it was in a day; `together_minor`: with
    the offers that it belongs together with, this one included. `*_limit`: what was allowed. All in minor units of the offer's
    currency. `judged_at`: the time by which all of it held.
    """

    __tablename__ = "offer_decision"
    __table_args__ = (
        UniqueConstraint("offer_id", "number"),
        CheckConstraint(f"action IN {DECISIONS}", name="action"),
        CheckConstraint("(in_name_of IS NULL) = (delegation_id IS NULL)", name="lent"),
        CheckConstraint("in_name_of IS NULL OR in_name_of <> actor_id", name="two_persons"),
        CheckConstraint(
            "num_nulls(limit_version, judged_at, authority, amount_minor, case_minor, customer_minor, day_minor, "
            "case_limit, customer_limit, day_limit) IN (0, 10)",
            name="judged",
        ),
        Index("ix_offer_decision_actor_id_at", "actor_id", "at", postgresql_where=text(f"action IN {GRANTS}")),
        Index(
            "ix_offer_decision_in_name_of_at",
            "in_name_of",
            "at",
            postgresql_where=text(f"action IN {GRANTS} AND in_name_of IS NOT NULL"),
        ),
    )

    offer_id: Mapped[UUID] = mapped_column(ForeignKey("offer.id", ondelete="RESTRICT"))
    number: Mapped[int]
    action: Mapped[str]
    at: Mapped[Timestamp]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    in_name_of: Mapped[UUID | None] = mapped_column(ForeignKey("agent.id", ondelete="RESTRICT"))
    delegation_id: Mapped[UUID | None] = mapped_column(ForeignKey("authority_delegation.id", ondelete="RESTRICT"))
    authority: Mapped[str | None]
    team_id: Mapped[UUID | None]
    limit_version: Mapped[int | None] = mapped_column(ForeignKey("authority_limits.number", ondelete="RESTRICT"))
    judged_at: Mapped[Timestamp | None]
    amount_minor: Mapped[Minor | None]
    case_minor: Mapped[Minor | None]
    customer_minor: Mapped[Minor | None]
    day_minor: Mapped[Minor | None]
    together_minor: Mapped[Minor | None]
    case_limit: Mapped[Minor | None]
    customer_limit: Mapped[Minor | None]
    day_limit: Mapped[Minor | None]
