"""Tables of offers, and of what was issued. Promises stand as constraints.

What was issued (`voucher_models`, `letter`) is unique per offer: a second issuance finds the first one.
"""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Json, Minor, Stamped, Timestamp, Versioned
from helpdesk.recovery.kinds import DELIVERED_AT_ONCE, KINDS, PAYING, TABLE
from helpdesk.recovery.lifecycle import (
    BEFORE_CUSTOMER,
    ENDED,
    GRANTED,
    ISSUANCES,
    LIFECYCLE,
    MOST_COUNTERS,
    SPENT,
    UNANSWERED,
)

LANGUAGES: Final = ("en", "zh")


_ARRIVING_LATER: Final = frozenset(TABLE) - DELIVERED_AT_ONCE
"""Kinds that can be issued before the customer has them: what somebody confirms, a letter, and the code of a voucher."""


def _words(words: frozenset[str] | tuple[str, ...]) -> str:
    return ", ".join(repr(word) for word in sorted(words))


class Offer(Identified, Versioned, Stamped, Base):
    """One remedy for one complaint. Locked only after its complaint (`queries.hold`).

    `valid_until` is None until it is put before the customer. `round` counts issuances asked for, from 1: money is
    reserved once per round. `steps` counts `offer_transition` rows. `status_reason`: why the last step was taken, where
    somebody said. `suggestion` is what the playbook said when it was drafted. `issuance`: how it is issued, while it is.
    `delivered_at`: since when the customer has it. `voucher_days`, `points_days`: how long a voucher or points will be good from
    their issuance; `voucher_partial`: whether it may be used in parts.
    """

    __tablename__ = "offer"
    __table_args__ = (
        CheckConstraint(LIFECYCLE.check_constraint("status"), name="status"),
        CheckConstraint(f"kind IN {KINDS}", name="kind"),
        CheckConstraint(f"(kind IN ({_words(PAYING)})) = (amount_minor IS NOT NULL)", name="paying_has_amount"),
        CheckConstraint("(amount_minor IS NULL) = (currency IS NULL)", name="amount_has_currency"),
        CheckConstraint("amount_minor > 0", name="amount_minor"),
        CheckConstraint("valid_days BETWEEN 1 AND 365", name="valid_days"),
        CheckConstraint(
            "(kind = 'voucher') = (voucher_days IS NOT NULL) AND (kind = 'voucher' OR NOT voucher_partial)",
            name="voucher_terms",
        ),
        CheckConstraint("voucher_days BETWEEN 1 AND 3650", name="voucher_days"),
        CheckConstraint("(kind = 'points') = (points_days IS NOT NULL)", name="points_terms"),
        CheckConstraint("points_days BETWEEN 1 AND 3650", name="points_days"),
        CheckConstraint("round >= 1", name="round"),
        CheckConstraint(f"chosen_option IS NULL OR status NOT IN ({_words(UNANSWERED)})", name="chosen_when_answered"),
        CheckConstraint(f"status NOT IN ({_words(BEFORE_CUSTOMER)}) OR valid_until IS NOT NULL", name="offered_until"),
        CheckConstraint(f"counters BETWEEN 0 AND {MOST_COUNTERS}", name="counters"),
        CheckConstraint("successor_of <> id", name="successor_of"),
        CheckConstraint("copied_from <> id", name="copied_from"),
        CheckConstraint(
            f"amount_minor IS NULL OR status NOT IN ({_words(GRANTED)}) OR budget_id IS NOT NULL",
            name="granted_from_budget",
        ),
        CheckConstraint(
            f"status NOT IN ({_words(SPENT)}) OR issued_reference IS NOT NULL", name="issued_with_reference"
        ),
        CheckConstraint(f"(status = 'issuing') = (issuance IS NOT NULL) AND issuance IN {ISSUANCES}", name="issuance"),
        CheckConstraint(
            f"delivered_at IS NULL OR status IN ({_words(SPENT | {'reversed'})})", name="delivered_when_issued"
        ),
        CheckConstraint(
            f"delivered_at IS NOT NULL OR status NOT IN ({_words(SPENT)}) OR kind IN ({_words(_ARRIVING_LATER)})",
            name="issued_is_delivered",
        ),
        Index("ix_offer_complaint_id_id", "complaint_id", "id"),
        Index("ix_offer_status_id", "status", "id"),
        Index("ix_offer_kind_id", "kind", "id"),
        Index("ix_offer_valid_until", "valid_until", postgresql_where=text(f"status IN ({_words(BEFORE_CUSTOMER)})")),
        Index(
            "ix_offer_to_be_reminded_of",
            "valid_until",
            postgresql_where=text("status = 'offered' AND reminded_at IS NULL"),
        ),
        Index("ix_offer_delivered_at", "delivered_at", postgresql_where=text("delivered_at IS NOT NULL")),
        Index("ix_offer_on_its_way", "id", postgresql_where=text("status = 'issued' AND delivered_at IS NULL")),
        Index(
            "uq_offer_successor_of",
            "successor_of",
            unique=True,
            postgresql_where=text(f"status NOT IN ({_words(ENDED)})"),
        ),
        Index("ix_offer_issuance_id", "issuance", "id", postgresql_where=text("issuance IS NOT NULL")),
    )

    complaint_id: Mapped[UUID] = mapped_column(ForeignKey("complaint.id", ondelete="RESTRICT"))
    kind: Mapped[str]
    amount_minor: Mapped[Minor | None]
    currency: Mapped[str | None]
    status: Mapped[str] = mapped_column(default=LIFECYCLE.initial)
    status_reason: Mapped[str | None]
    reason: Mapped[str]
    text: Mapped[str | None]
    language: Mapped[str]
    valid_days: Mapped[int]
    valid_until: Mapped[Timestamp | None]
    voucher_days: Mapped[int | None]
    voucher_partial: Mapped[bool] = mapped_column(default=False, server_default="false")
    points_days: Mapped[int | None]
    drafted_by: Mapped[UUID | None] = mapped_column(ForeignKey("agent.id", ondelete="RESTRICT"))
    approvals: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list, server_default="[]")
    """`[{agent_id, in_name_of, at}]` of this approval: emptied when a draft is given back."""
    budget_id: Mapped[UUID | None] = mapped_column(ForeignKey("budget.id", ondelete="RESTRICT"))
    round: Mapped[int] = mapped_column(default=1, server_default="1")
    steps: Mapped[int] = mapped_column(default=0, server_default="0")
    chosen_option: Mapped[int | None]
    """Which of its options the customer took, where there were several (`option_models`)."""
    counters: Mapped[int] = mapped_column(default=0, server_default="0")
    """How often the customer asked for something else (`counter_models`)."""
    successor_of: Mapped[UUID | None] = mapped_column(ForeignKey("offer.id", ondelete="RESTRICT"))
    """The countered offer that this one is to replace."""
    copied_from: Mapped[UUID | None] = mapped_column(ForeignKey("offer.id", ondelete="RESTRICT"))
    """The offer that came to nothing and was drafted anew."""
    floor_waived: Mapped[dict[str, int]] = mapped_column(JSONB, default=dict, server_default="{}")
    """Currency -> minor units by which it may be below what is laid down, since somebody said why; `tariff` and its code -> 1: it may
    go out though nobody can tell what that one lays down.
    """
    breakdown: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True))
    """What the customer was told of each of its options: how much is owed, by what, and how much is goodwill (`breakdown`). None: it
    was not put before them, or before this was kept; an option that is missing: nothing was said of it.
    """
    told_at: Mapped[Timestamp | None]
    """When the customer last heard that it stands."""
    reminded_at: Mapped[Timestamp | None]
    """When they were written that it ends soon."""
    reported_at: Mapped[Timestamp | None]
    """When the customer said that it did not come."""
    granted_at: Mapped[Timestamp | None]
    granted_round: Mapped[int | None]
    """The complaint's round in which it was approved."""
    issuance: Mapped[str | None]
    issued_reference: Mapped[str | None]
    delivered_at: Mapped[Timestamp | None]
    suggestion: Mapped[Json]


class OfferTransition(Identified, Base):
    """One step of an offer's lifecycle: what `verify` replays to the present state."""

    __tablename__ = "offer_transition"
    __table_args__ = (
        UniqueConstraint("offer_id", "number"),
        Index(
            "ix_offer_transition_actor_id_at",
            "actor_id",
            "at",
            postgresql_where=text("action IN ('approve', 'endorse')"),
        ),
    )

    offer_id: Mapped[UUID] = mapped_column(ForeignKey("offer.id", ondelete="RESTRICT"))
    number: Mapped[int]
    action: Mapped[str]
    from_status: Mapped[str]
    to_status: Mapped[str]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    at: Mapped[Timestamp]
    given: Mapped[Json]


class Letter(Identified, Stamped, Base):
    """A letter as it was written. `mail_id` names its mail (no foreign key: mails are cleared away in time); None: there was
    no address. Without one, and where its mail does not arrive, it is to be posted, until `posted_at`.
    """

    __tablename__ = "letter"
    __table_args__ = (CheckConstraint(f"language IN {LANGUAGES}", name="language"),)

    offer_id: Mapped[UUID] = mapped_column(ForeignKey("offer.id", ondelete="RESTRICT"), unique=True)
    language: Mapped[str]
    subject: Mapped[str]
    body: Mapped[str]
    mail_id: Mapped[UUID | None]
    posted_at: Mapped[Timestamp | None]
    posted_by: Mapped[UUID | None] = mapped_column(ForeignKey("agent.id", ondelete="RESTRICT"))
