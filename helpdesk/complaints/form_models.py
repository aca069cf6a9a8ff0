"""Forms through which anybody can complain, the proofs of work that were used up, and what a form's trap caught."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Json, Stamped, Timestamp, Versioned

DECISIONS: Final = ("released", "discarded")


class IntakeForm(Identified, Versioned, Stamped, Base):
    """`key` is public: it stands in the page that shows the form. After it was changed the one before goes on for a while.

    `fields`: what is asked beside subject and description, each `required` or `optional`; `record_types`: what it can be,
    the first unless they say otherwise; `acknowledgements`: language -> text. `difficulty`: thousands of rounds per try of
    the proof of work; 0 asks for none.
    """

    __tablename__ = "intake_form"
    __table_args__ = (
        Index("uq_intake_form_name_lower", func.lower(text("name")), unique=True),
        Index("ix_intake_form_origins", "origins", postgresql_using="gin"),
        CheckConstraint("(previous_key IS NULL) = (previous_key_until IS NULL)", name="previous_key_whole"),
        CheckConstraint("hourly_limit > 0 AND daily_limit >= hourly_limit", name="limits"),
        CheckConstraint("difficulty >= 0", name="difficulty"),
        CheckConstraint("cardinality(record_types) > 0", name="has_record_type"),
    )

    name: Mapped[str]
    key: Mapped[str] = mapped_column(unique=True)
    previous_key: Mapped[str | None] = mapped_column(unique=True)
    previous_key_until: Mapped[Timestamp | None]
    active: Mapped[bool] = mapped_column(default=True, server_default="true")
    origins: Mapped[list[str]] = mapped_column(ARRAY(String), default=list, server_default="{}")
    channel: Mapped[str]
    team_id: Mapped[UUID | None] = mapped_column(ForeignKey("team.id", ondelete="RESTRICT"))
    language: Mapped[str]
    record_types: Mapped[list[str]] = mapped_column(ARRAY(String))
    fields: Mapped[Json]
    hourly_limit: Mapped[int]
    daily_limit: Mapped[int]
    difficulty: Mapped[int]
    acknowledge: Mapped[bool] = mapped_column(default=True, server_default="true")
    acknowledgements: Mapped[Json]


class UsedChallenge(Base):
    """A proof of work that was accepted, until it would have ended by itself: the key lets no second one in."""

    __tablename__ = "intake_used_challenge"
    __table_args__ = (Index("ix_intake_used_challenge_expires_at", "expires_at"),)

    id: Mapped[bytes] = mapped_column(primary_key=True)
    expires_at: Mapped[Timestamp]


class Quarantined(Identified, Stamped, Base):
    """A submission that a form's trap caught. Its id, its reference and its secret are those that its sender was told: if
    a person sent it after all, it becomes the complaint that they believe they have made.
    """

    __tablename__ = "intake_quarantine"
    __table_args__ = (
        CheckConstraint(f"decision IN {DECISIONS}", name="decision"),
        CheckConstraint("(decision IS NULL) = (decided_at IS NULL)", name="decided_whole"),
        CheckConstraint("decision IS DISTINCT FROM 'discarded' OR given IS NULL", name="discarded_is_gone"),
        Index("ix_intake_quarantine_waiting", "id", postgresql_where=text("decision IS NULL")),
        Index("ix_intake_quarantine_form_id", "form_id", "id"),
    )

    form_id: Mapped[UUID] = mapped_column(ForeignKey("intake_form.id", ondelete="RESTRICT"))
    reference: Mapped[str] = mapped_column(unique=True)
    reason: Mapped[str]
    given: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """As it was sent; null once it was discarded."""
    decision: Mapped[str | None]
    decided_at: Mapped[Timestamp | None]
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("agent.id", ondelete="RESTRICT"))
