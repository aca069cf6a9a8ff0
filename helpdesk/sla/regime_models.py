"""Tables of regulatory deadlines: the rules in every version, the calendars that they count on, and what people said of a
complaint: facts, whether a rule applies, and notices that move a deadline.
"""

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Json, Stamped, Timestamp, Versioned


class SlaRule(Versioned, Stamped, Base):
    """`id` is the shipped one (`us.cfpb.15`); `version` is the current one. `edition`: of the shipped data that it has."""

    __tablename__ = "sla_rule"

    id: Mapped[str] = mapped_column(primary_key=True)
    edition: Mapped[int]


class SlaRuleVersion(Stamped, Base):
    """`spec`: `shipped` as it came with the program, and `own`, what was set here, which goes before it."""

    __tablename__ = "sla_rule_version"

    rule_id: Mapped[str] = mapped_column(ForeignKey("sla_rule.id", ondelete="RESTRICT"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    spec: Mapped[Json]


class SlaRegimeCalendar(Base):
    """Which calendar is meant by a code in the rules (`GB-ENG`); its days and versions are a calendar's."""

    __tablename__ = "sla_regime_calendar"

    code: Mapped[str] = mapped_column(primary_key=True)
    calendar_id: Mapped[UUID] = mapped_column(ForeignKey("sla_calendar.id", ondelete="RESTRICT"), unique=True)


class RegulatoryFact(Identified, Base):
    """Something that starts or stops a regulator's clock and for which there is no act of ours. `withdrawn_at`: it was
    recorded by mistake.
    """

    __tablename__ = "complaint_regulatory_fact"
    __table_args__ = (
        CheckConstraint("(withdrawn_at IS NULL) = (withdrawn_because IS NULL)", name="withdrawn_whole"),
        Index(
            "uq_complaint_regulatory_fact_once",
            "complaint_id",
            "kind",
            "at",
            unique=True,
            postgresql_where=text("withdrawn_at IS NULL"),
        ),
        Index("ix_complaint_regulatory_fact_complaint_id", "complaint_id", "id"),
    )

    complaint_id: Mapped[UUID] = mapped_column(ForeignKey("complaint.id", ondelete="CASCADE"))
    kind: Mapped[str]
    at: Mapped[Timestamp]
    note: Mapped[str | None]
    recorded_at: Mapped[Timestamp]
    recorded_by: Mapped[UUID | None]
    """The agent; None: the program."""
    withdrawn_at: Mapped[Timestamp | None]
    withdrawn_because: Mapped[str | None]


class RuleDecision(Identified, Base):
    """What a person said of a rule that the record cannot decide; the last word counts."""

    __tablename__ = "complaint_rule_decision"
    __table_args__ = (UniqueConstraint("complaint_id", "rule_id"),)

    complaint_id: Mapped[UUID] = mapped_column(ForeignKey("complaint.id", ondelete="CASCADE"))
    rule_id: Mapped[str]
    applies: Mapped[bool]
    reason: Mapped[str]
    decided_at: Mapped[Timestamp]
    decided_by: Mapped[UUID | None]


class ExtensionNotice(Identified, Base):
    """A notice that moved a deadline; its text is the message. `number`: which of the extensions that the rule allows."""

    __tablename__ = "complaint_extension_notice"
    __table_args__ = (
        UniqueConstraint("clock_id", "number"),
        CheckConstraint("new_due_at > old_due_at", name="moves_forward"),
        CheckConstraint("given_at < old_due_at", name="in_time"),
        Index("ix_complaint_extension_notice_complaint_id", "complaint_id", "id"),
    )

    complaint_id: Mapped[UUID] = mapped_column(ForeignKey("complaint.id", ondelete="CASCADE"))
    clock_id: Mapped[UUID] = mapped_column(ForeignKey("sla_clock.id", ondelete="CASCADE"))
    number: Mapped[int]
    reason: Mapped[str]
    message_id: Mapped[UUID | None] = mapped_column(ForeignKey("complaint_message.id", ondelete="SET NULL"))
    old_due_at: Mapped[Timestamp]
    new_due_at: Mapped[Timestamp]
    given_at: Mapped[Timestamp]
    given_by: Mapped[UUID | None]
