"""Tables of the SLA domain. Calendars and policies are kept in every version: a clock goes on by the one that made it."""

from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.kernel.db import Base, Identified, Json, Stamped, Timestamp, Versioned
from helpdesk.sla.business_time import Conventions, Unit
from helpdesk.sla.ladder import place_of, share
from helpdesk.sla.policy_spec import CONTINUE, RESTART

CLOCK_STATES = ("running", "paused", "met", "breached", "cancelled")
POLICY_KINDS = (
    "acknowledge",
    "first_response",
    "next_response",
    "investigate",
    "resolve",
    "remedy_delivered",
    "follow_up",
)
"""What a policy can promise."""
REOPENED = ("acknowledge", "first_response", "next_response", "investigate", "resolve")
"""What a reopened complaint is owed again: the others begin with a decision, or with an offer that is accepted."""
FROM_THE_ROUND = ("acknowledge", "first_response", "investigate", "resolve")
"""What begins with receipt, and with each reopening."""
USUAL = '{"boundary": "earliest", "business_day": "close_of_nth_day", "calendar_day": "end_of_nth_day"}'
"""The conventions of clocks from before there was a choice."""
LAST = 2_000_000_000
"""The position of the default policy, and of no other."""


class SlaCalendar(Identified, Versioned, Stamped, Base):
    """`version` is the current one; its hours are in `SlaCalendarVersion`."""

    __tablename__ = "sla_calendar"

    name: Mapped[str] = mapped_column(unique=True)


class SlaCalendarVersion(Stamped, Base):
    """`spec` says all of it, also what holds on the days on which its own hours do not (`specs.calendar_of`)."""

    __tablename__ = "sla_calendar_version"
    __table_args__ = (
        CheckConstraint("spec ->> 'valid_until' >= spec ->> 'valid_from'", name="valid_forwards"),
        CheckConstraint(
            "coalesce(spec ->> 'valid_from', spec ->> 'valid_until') IS NULL OR coalesce(jsonb_array_length(spec -> 'otherwise'), 0) > 0",
            name="holds_every_day",
        ),
    )

    calendar_id: Mapped[UUID] = mapped_column(ForeignKey("sla_calendar.id", ondelete="RESTRICT"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    spec: Mapped[Json]


class SlaPolicy(Identified, Versioned, Stamped, Base):
    """What is asked before all of it is read; the rest is in `SlaPolicyVersion`, and `version` is the current one. A deleted one
    keeps its row.
    """

    __tablename__ = "sla_policy"
    __table_args__ = (
        CheckConstraint("NOT is_default OR (active AND removed_at IS NULL)", name="default_stays"),
        CheckConstraint(f"is_default = (position = {LAST})", name="default_is_last"),
        Index("uq_sla_policy_default", "is_default", unique=True, postgresql_where=text("is_default")),
        Index("uq_sla_policy_name", "name", unique=True, postgresql_where=text("removed_at IS NULL")),
        Index("ix_sla_policy_position_id", "position", "id"),
    )

    name: Mapped[str]
    is_default: Mapped[bool] = mapped_column(default=False, server_default="false")
    active: Mapped[bool] = mapped_column(default=True, server_default="true")
    position: Mapped[int]
    removed_at: Mapped[Timestamp | None]


class SlaPolicyVersion(Stamped, Base):
    """`spec`: the whole policy as it was: `{name, active, position, valid_from, valid_until, condition, thresholds, targets,
    tiers}`; targets may name other calendars than `calendar_id`, the policy's own.
    """

    __tablename__ = "sla_policy_version"
    __table_args__ = (CheckConstraint("spec ->> 'valid_until' >= spec ->> 'valid_from'", name="valid_forwards"),)

    policy_id: Mapped[UUID] = mapped_column(ForeignKey("sla_policy.id", ondelete="RESTRICT"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    calendar_id: Mapped[UUID] = mapped_column(ForeignKey("sla_calendar.id", ondelete="RESTRICT"))
    spec: Mapped[Json]


class Clock(Identified, Base):
    """One promise about one complaint.

    `due_at` is null while the clock is paused; `remaining_seconds` (business seconds) then says what is left.
    `generation` counts recomputations: an alarm belongs to one. `round` counts reopenings. `severity` and `tier` say which of
    the policy's targets made it, `subject_id` what it is about where there can be several: the message that waits for an answer,
    the offer that is to be delivered.
    """

    __tablename__ = "sla_clock"
    __table_args__ = (
        UniqueConstraint("complaint_id", "kind", "round", "subject_id", postgresql_nulls_not_distinct=True),
        CheckConstraint(f"state IN {CLOCK_STATES}", name="state"),
        CheckConstraint("(state = 'paused') = (due_at IS NULL AND remaining_seconds IS NOT NULL)", name="paused_open"),
        CheckConstraint(
            "next_alarm_at IS NULL OR (state IN ('running', 'breached') AND stopped_at IS NULL)", name="only_open_rings"
        ),
        CheckConstraint("num_nonnulls(next_threshold, next_offset) = num_nonnulls(next_alarm_at)", name="alarm_whole"),
        CheckConstraint("(policy_id IS NULL) = (rule_id IS NOT NULL)", name="policy_or_rule"),
        CheckConstraint("num_nulls(rule_id, rule_version, timezone) IN (0, 3)", name="rule_whole"),
        CheckConstraint("state <> 'breached' OR breached_at IS NOT NULL", name="breached_when"),
        Index(
            "ix_sla_clock_armed",
            "next_alarm_at",
            postgresql_include=["complaint_id"],  # the sweep asks for nothing else
            postgresql_where=text("next_alarm_at IS NOT NULL"),
        ),
        Index("ix_sla_clock_complaint_id", "complaint_id"),
        Index("ix_sla_clock_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index("ix_sla_clock_stopped_at", "stopped_at", postgresql_where=text("stopped_at IS NOT NULL")),
        Index(
            "ix_sla_clock_policy",
            "policy_id",
            "policy_version",
            postgresql_where=text("stopped_at IS NULL AND policy_id IS NOT NULL"),
        ),
        Index(
            "ix_sla_clock_calendar",
            "calendar_id",
            "calendar_version",
            postgresql_where=text("stopped_at IS NULL AND calendar_id IS NOT NULL"),
        ),
        Index("ix_sla_clock_rule", "rule_id", postgresql_where=text("stopped_at IS NULL AND rule_id IS NOT NULL")),
    )

    complaint_id: Mapped[UUID] = mapped_column(ForeignKey("complaint.id", ondelete="CASCADE"))
    kind: Mapped[str]
    round: Mapped[int] = mapped_column(default=1)
    subject_id: Mapped[UUID | None]
    policy_id: Mapped[UUID | None] = mapped_column(ForeignKey("sla_policy.id", ondelete="RESTRICT"))
    policy_version: Mapped[int | None]
    calendar_id: Mapped[UUID | None] = mapped_column(ForeignKey("sla_calendar.id", ondelete="RESTRICT"))
    calendar_version: Mapped[int | None]
    rule_id: Mapped[str | None]
    rule_version: Mapped[int | None]
    timezone: Mapped[str | None]
    """Of a regulator's clock: whose local days count. Its calendar, where it has one, gives the working days only."""
    extensions: Mapped[int] = mapped_column(default=0, server_default="0")
    """How often a notice has moved a regulator's deadline."""
    severity: Mapped[str | None]
    tier: Mapped[str | None]
    target_amount: Mapped[int]
    target_unit: Mapped[Unit] = mapped_column(String)
    pausable: Mapped[bool]
    conventions: Mapped[dict[str, str]] = mapped_column(JSONB, server_default=text(f"'{USUAL}'"))
    """How it is counted: boundary, business_day, calendar_day (`business_time.Conventions`)."""
    state: Mapped[str]
    started_at: Mapped[Timestamp]
    due_at: Mapped[Timestamp | None]
    remaining_seconds: Mapped[int | None]
    stopped_at: Mapped[Timestamp | None]
    breached_at: Mapped[Timestamp | None]
    elapsed_seconds: Mapped[int | None] = mapped_column(BigInteger)
    """Business seconds used, once stopped."""
    pauses: Mapped[list[list[str | None]]] = mapped_column(JSONB, default=list, server_default="[]")
    """Pairs of RFC 3339 times; the last may have no end."""
    carried: Mapped[list[list[str]] | None] = mapped_column(JSONB(none_as_null=True))
    """Of one that goes on from the round before: the pauses until the reopening, the time in which nothing was owed the last of them.
    None: it began with its round.
    """
    next_threshold: Mapped[int | None]
    next_offset: Mapped[str | None]
    """The rung of the ladder that rings next: one that stands at a share of the time, or one before or after the due time."""
    next_alarm_at: Mapped[Timestamp | None]
    generation: Mapped[int] = mapped_column(default=1)

    @property
    def on_reopen(self) -> str | None:
        """What reopening has made of it, by its policy; None of one that has begun since, or in the first round, and of a regulator's,
        which always counts on.
        """
        if self.carried is not None:
            return CONTINUE
        return RESTART if self.round > 1 and self.kind in FROM_THE_ROUND else None

    @property
    def next_rung(self) -> str | None:
        """As `ladder.Rung.at` says it."""
        return share(self.next_threshold) if self.next_threshold is not None else self.next_offset

    regime = cast("dict[str, Any] | None", None)
    """No column: what a regulator's rule says, for whoever shows it (`regime_marks.marked`)."""


class Alarm(Base):
    """An alarm that rang: once per clock, generation and rung; the primary key is the promise. `threshold`: of a rung that stands
    at a share of the time.
    """

    __tablename__ = "sla_alarm"

    clock_id: Mapped[UUID] = mapped_column(ForeignKey("sla_clock.id", ondelete="CASCADE"), primary_key=True)
    generation: Mapped[int] = mapped_column(primary_key=True)
    rung: Mapped[str] = mapped_column(primary_key=True)
    threshold: Mapped[int | None]
    planned_for: Mapped[Timestamp]
    fired_at: Mapped[Timestamp]
    late_seconds: Mapped[int] = mapped_column(BigInteger)


def rings_next(rung: str | None, at: datetime | None) -> dict[str, Any]:
    """The columns of a clock that say so; None: nothing rings any more."""
    place = None if rung is None else place_of(rung)
    return {
        "next_threshold": None if place is None else place.percent,
        "next_offset": rung if place is not None and place.percent is None else None,
        "next_alarm_at": at,
    }


def conventions_as_kept(conventions: Conventions) -> dict[str, str]:
    """Whether it pauses has a column of its own."""
    return {
        "boundary": conventions.boundary,
        "business_day": conventions.business_day,
        "calendar_day": conventions.calendar_day,
    }


def clock_values(**given: Any) -> dict[str, Any]:
    """Every column of a clock, so that rows of one batch have the same keys."""
    row = dict.fromkeys(Clock.__table__.columns.keys())
    row.update(pauses=[], generation=1, round=1, extensions=0, conventions=conventions_as_kept(Conventions()))
    row.update(given)
    return row
