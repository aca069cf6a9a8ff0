"""Tables of a complaint. Relationships are not mapped: queries say what they load."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpdesk.complaints.lifecycle import LIFECYCLE, MAX_LEVEL, OPEN, RECORD_TYPES, STAGES, WAITING_ON
from helpdesk.complaints.taxonomy import DISMISSALS, FAULTS, ISSUE_OUTCOMES, SEVERITIES, TRACKS
from helpdesk.kernel.db import Base, Identified, Json, Minor, Stamped, Timestamp, Versioned
from helpdesk.kernel.events import EventStream
from helpdesk.taxonomy.in_force import in_force

PERSON_ROLES = ("complainant", "affected", "representative", "subject")
"""`subject` is who is complained about, where that is one of us."""

OPEN_STATES: Final = tuple(state for state in LIFECYCLE.states if state in OPEN)
NOTHING_DUE: Final = datetime(9999, 12, 31, tzinfo=UTC)
"""A time and not NULL, so that the queue has one plain order."""

MESSAGE_KINDS = ("public_reply", "internal_note", "inbound")

IS_OPEN = f"status IN ({', '.join(repr(state) for state in LIFECYCLE.states if state in OPEN)})"
IS_CLOSED = f"status IN ({', '.join(repr(state) for state in LIFECYCLE.states if state not in OPEN)})"
IS_TAGGED = "cardinality(tags) > 0"
IS_UNTAGGED = "cardinality(tags) = 0"
IS_VULNERABLE = "vulnerable"
"""SQL of partial indexes. A list's condition has to be the very same text, or the planner does not see that one serves it."""


class Complaint(Identified, Versioned, EventStream, Stamped, Base):
    """One complaint. `received_at` is when it reached the firm, `created_at` when it reached this system."""

    __tablename__ = "complaint"
    __table_args__ = (
        CheckConstraint(LIFECYCLE.check_constraint("status"), name="status"),
        CheckConstraint(f"record_type IN {RECORD_TYPES}", name="record_type"),
        CheckConstraint(
            "record_type = 'complaint' OR (status NOT IN ('investigated', 'followed_up') AND outcome IS NULL "
            "AND offers_live = 0)",
            name="only_complaints_are_decided",
        ),
        CheckConstraint(f"severity IN {SEVERITIES}", name="severity"),
        CheckConstraint(f"waiting_on IN {WAITING_ON}", name="waiting_on"),
        CheckConstraint(f"stage IN {STAGES}", name="stage"),
        CheckConstraint(f"track IN {TRACKS}", name="track"),
        CheckConstraint(f"fault IN {FAULTS}", name="fault"),
        CheckConstraint(f"dismissal IN {DISMISSALS}", name="dismissal"),
        CheckConstraint(f"escalation_level BETWEEN 0 AND {MAX_LEVEL}", name="escalation_level"),
        CheckConstraint("remedies_undelivered BETWEEN 0 AND offers_live", name="remedies_undelivered"),
        CheckConstraint("offers_approved BETWEEN 0 AND offers_live", name="offers_approved"),
        CheckConstraint("offers_drafted BETWEEN 0 AND offers_live", name="offers_drafted"),
        CheckConstraint("(status = 'dismissed') = (dismissal IS NOT NULL)", name="dismissed_with_reason"),
        CheckConstraint(
            "(dismissal IS NOT DISTINCT FROM 'duplicate') = (merged_into_id IS NOT NULL)", name="duplicate_of_one"
        ),
        CheckConstraint("merged_into_id <> id", name="not_its_own_duplicate"),
        CheckConstraint("external_id IS NULL OR source IS NOT NULL", name="external_id_of_source"),
        CheckConstraint(
            "(price_minor IS NULL AND loss_minor IS NULL) OR currency IS NOT NULL", name="amounts_have_currency"
        ),
        Index("uq_complaint_source_external_id", "source", "external_id", unique=True),
        Index("ix_complaint_record_type_received_at_id", "record_type", "received_at", "id"),
        # Unique, so that what is listed by the time of receipt in another table's index can refer to both.
        Index("uq_complaint_received_at_id", "received_at", "id", unique=True),
        Index("ix_complaint_updated_at_id", "updated_at", "id"),
        Index("ix_complaint_next_due_at_id", "next_due_at", "id"),
        Index("ix_complaint_open", "received_at", "id", postgresql_where=text(IS_OPEN)),
        Index("ix_complaint_closed", "received_at", "id", postgresql_where=text(IS_CLOSED)),
        Index("ix_complaint_open_severity", "severity", "received_at", "id", postgresql_where=text(IS_OPEN)),
        Index("ix_complaint_terms", "terms", postgresql_using="gin"),
        Index("ix_complaint_tagged", "received_at", "id", postgresql_where=text(IS_TAGGED)),
        Index("ix_complaint_untagged", "received_at", "id", postgresql_where=text(IS_UNTAGGED)),
        Index("ix_complaint_status_received_at_id", "status", "received_at", "id"),
        Index("ix_complaint_severity_received_at_id", "severity", "received_at", "id"),
        Index("ix_complaint_team_id_received_at_id", "team_id", "received_at", "id"),
        Index("ix_complaint_assignee_id_received_at_id", "assignee_id", "received_at", "id"),
        Index("ix_complaint_channel_received_at_id", "channel", "received_at", "id"),
        Index("ix_complaint_source_received_at_id", "source", "received_at", "id"),
        Index("ix_complaint_waiting_on_received_at_id", "waiting_on", "received_at", "id"),
        Index("ix_complaint_stage_received_at_id", "stage", "received_at", "id"),
        Index("ix_complaint_language_received_at_id", "language", "received_at", "id"),
        Index("ix_complaint_escalation_level_received_at_id", "escalation_level", "received_at", "id"),
        Index("ix_complaint_vulnerable", "received_at", "id", postgresql_where=text(IS_VULNERABLE)),
        Index("ix_complaint_has_assignee", "received_at", "id", postgresql_where=text("assignee_id IS NOT NULL")),
        Index("ix_complaint_customer_id_received_at_id", "customer_id", "received_at", "id"),
        Index("ix_complaint_external_id", "external_id"),
        Index(
            "ix_complaint_queue",
            "team_id",
            "severity",
            "next_due_at",
            "id",
            postgresql_include=["assignee_id", "waiting_on", "received_at"],
            postgresql_where=text(f"status IN {OPEN_STATES}"),
        ),
        Index(
            "ix_complaint_unassigned",
            "team_id",
            "severity",
            "next_due_at",
            "id",
            postgresql_where=text(f"assignee_id IS NULL AND status IN {OPEN_STATES}"),
        ),
        Index(
            "ix_complaint_load",
            "assignee_id",
            "severity",
            "assigned_at",
            postgresql_where=text(f"assignee_id IS NOT NULL AND status IN {OPEN_STATES}"),
        ),
        Index(
            "ix_complaint_assigned",
            "assignee_id",
            "assigned_at",
            postgresql_where=text("assignee_id IS NOT NULL"),
        ),
        Index(
            "ix_complaint_awaits_agent",
            "team_id",
            "severity",
            "next_due_at",
            "id",
            postgresql_where=text("awaits_agent"),
        ),
        Index("ix_complaint_merged_into_id", "merged_into_id", postgresql_where=text("merged_into_id IS NOT NULL")),
    )

    reference: Mapped[str] = mapped_column(unique=True)
    record_type: Mapped[str] = mapped_column(default="complaint", server_default="complaint")
    status: Mapped[str] = mapped_column(default=LIFECYCLE.initial)
    channel: Mapped[str]
    subject: Mapped[str]
    description: Mapped[str]
    text_salt: Mapped[bytes | None]
    """Of the digests of both in the chain; None: from before there were any."""
    language: Mapped[str | None]
    received_at: Mapped[Timestamp]
    updated_at: Mapped[Timestamp]
    source: Mapped[str | None]
    external_id: Mapped[str | None]
    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customer.id", ondelete="RESTRICT"))
    team_id: Mapped[UUID | None] = mapped_column(ForeignKey("team.id", ondelete="RESTRICT"))
    assignee_id: Mapped[UUID | None] = mapped_column(ForeignKey("agent.id", ondelete="RESTRICT"))
    assigned_at: Mapped[Timestamp | None]
    """Since when the assignee has it."""
    awaits_agent: Mapped[bool] = mapped_column(default=False, server_default="false")
    """Routing found nobody who could take it; the sweep goes on looking."""
    required_skills: Mapped[list[str] | None] = mapped_column(JSONB(none_as_null=True))
    """What routing found that its handler must be able to do; see `abilities`."""
    next_due_at: Mapped[Timestamp] = mapped_column(default=NOTHING_DUE, server_default="9999-12-31 00:00:00+00")
    """The earliest open promise, kept by the SLA domain; `NOTHING_DUE` where there is none."""
    impact: Mapped[int | None]
    urgency: Mapped[int | None]
    severity: Mapped[str]
    track: Mapped[str | None]
    waiting_on: Mapped[str] = mapped_column(default="us")
    acknowledged_at: Mapped[Timestamp | None]
    triaged_at: Mapped[Timestamp | None]
    investigated_at: Mapped[Timestamp | None]
    resolved_at: Mapped[Timestamp | None]
    followed_up_at: Mapped[Timestamp | None]
    escalation_level: Mapped[int] = mapped_column(default=0)
    stage: Mapped[str] = mapped_column(default="1")
    double_deviation: Mapped[bool] = mapped_column(default=False)
    reopened_count: Mapped[int] = mapped_column(default=0, server_default="0")
    dismissal: Mapped[str | None]
    merged_into_id: Mapped[UUID | None] = mapped_column(ForeignKey("complaint.id", ondelete="NO ACTION"))
    """The complaint in which a duplicate goes on: one that was not merged itself, so it is one step to there."""
    child_count: Mapped[int] = mapped_column(default=0, server_default="0")
    """How many complaints have this one as their parent."""
    outcome: Mapped[str | None]
    fault: Mapped[str | None]
    root_cause: Mapped[str | None]
    contributing_causes: Mapped[list[str] | None] = mapped_column(JSONB(none_as_null=True))
    no_remedy_reason: Mapped[str | None]
    offers_live: Mapped[int] = mapped_column(default=0)
    """Counted by the recovery domain, as the four below; see `remedies`."""
    offers_drafted: Mapped[int] = mapped_column(default=0, server_default="0")
    offers_approved: Mapped[int] = mapped_column(default=0, server_default="0")
    offers_minor: Mapped[Minor] = mapped_column(default=0, server_default="0")
    """What the live ones come to, in `currency`: there is one for all of them."""
    remedies_undelivered: Mapped[int] = mapped_column(default=0)
    issue_count: Mapped[int] = mapped_column(default=0)
    transition_count: Mapped[int] = mapped_column(default=0)
    """How many acts of the lifecycle there were; the number of the last one."""
    vulnerable: Mapped[bool] = mapped_column(default=False)
    safety: Mapped[bool] = mapped_column(default=False)
    price_minor: Mapped[Minor | None]
    loss_minor: Mapped[Minor | None]
    currency: Mapped[str | None]
    jurisdiction: Mapped[str | None]
    sector: Mapped[str | None]
    tags: Mapped[list[str]] = mapped_column(ARRAY(String), default=list, server_default="{}")
    """Names as they are shown, in order; `complaint_tag` has the rows."""
    custom_fields: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default="{}")
    """By the key of the field, as they are shown; `complaint_custom_value` has what they are found by."""
    terms: Mapped[list[str]] = mapped_column(ARRAY(String), default=list, server_default="{}")
    """What it is found by beside its columns: `tag:` and the id of each tag, and `key=value` of custom fields. Kept
    with the tables that have the same in the order of lists (see `tagging`, `custom_fields`); here it is at hand where the
    order comes from elsewhere.
    """
    tracking_number: Mapped[int] = mapped_column(default=0, server_default="0")
    """How many secrets the complainant was given; the last one counts."""
    tracking_hash: Mapped[bytes | None]
    source_data: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """What an import brought that has no field here; nothing is thrown away."""

    demanded = cast("Sequence[dict[str, Any]] | None", None)
    """No column: the custom fields that actions wait for, as whoever locked the row found them (`queries.DEMANDED`)."""

    children_open = 0
    """How many of them are open in the sight of whoever is about to act: no column, looked up by `acts`."""

    case_limit = 0
    """No column: how much who acts on it now may give on one complaint (`remedies.case_limit`), for what is settled on the
    spot.
    """

    @property
    def regulator(self) -> bool:
        return self.channel in in_force().regulator_channels

    @property
    def round(self) -> int:
        """1, and one more for each reopening."""
        return self.reopened_count + 1

    def changed_at(self, now: datetime) -> None:
        """Another version of it, of this time."""
        self.updated_at = now
        self.touch()


class Issue(Identified, Base):
    """One thing that went wrong, with its own finding, cause and outcome."""

    __tablename__ = "complaint_issue"
    __table_args__ = (
        UniqueConstraint("complaint_id", "position"),
        CheckConstraint(f"outcome IN {ISSUE_OUTCOMES}", name="outcome"),
        Index("ix_complaint_issue_issue", "issue"),
        Index("ix_complaint_issue_category", "category"),
    )

    complaint_id: Mapped[UUID] = mapped_column(ForeignKey("complaint.id", ondelete="CASCADE"))
    position: Mapped[int]
    category: Mapped[str | None]
    issue: Mapped[str | None]
    detail: Mapped[str | None]
    finding: Mapped[str | None]
    evidence: Mapped[str | None]
    no_evidence_reason: Mapped[str | None]
    cause: Mapped[str | None]
    outcome: Mapped[str | None]


class Person(Identified, Base):
    """Somebody on a complaint. A representative has recorded authority; a subject is one of our agents."""

    __tablename__ = "complaint_person"
    __table_args__ = (
        CheckConstraint(f"role IN {PERSON_ROLES}", name="role"),
        CheckConstraint("role <> 'subject' OR agent_id IS NOT NULL", name="subject_is_agent"),
        Index("ix_complaint_person_complaint_id", "complaint_id"),
        Index("ix_complaint_person_email", text("lower(email)"), "id", postgresql_where=text("email IS NOT NULL")),
        Index(
            "ix_complaint_person_phone",
            text("\"right\"(regexp_replace(phone, '\\D', '', 'g'), 9)"),
            "id",
            postgresql_where=text("phone IS NOT NULL"),
        ),
        Index("ix_complaint_person_agent_id", "agent_id", postgresql_where=text("agent_id IS NOT NULL")),
    )

    complaint_id: Mapped[UUID] = mapped_column(ForeignKey("complaint.id", ondelete="CASCADE"))
    role: Mapped[str]
    name: Mapped[str | None]
    email: Mapped[str | None]
    phone: Mapped[str | None]
    language: Mapped[str | None]
    region: Mapped[str | None]
    postcode: Mapped[str | None]
    authority: Mapped[str | None]
    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customer.id", ondelete="RESTRICT"))
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agent.id", ondelete="RESTRICT"))


class Need(Identified, Base):
    """A vulnerability and the adjustment it asks for. Kept only with consent or a stated ground, and it expires."""

    __tablename__ = "complaint_need"
    __table_args__ = (
        Index("ix_complaint_need_complaint_id", "complaint_id"),
        Index("ix_complaint_need_expires_at", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
    )

    complaint_id: Mapped[UUID] = mapped_column(ForeignKey("complaint.id", ondelete="CASCADE"))
    flag: Mapped[str]
    adjustment: Mapped[str | None]
    consent: Mapped[bool]
    ground: Mapped[str | None]
    expires_at: Mapped[Timestamp | None]


NOTICES: Final = frozenset({"merged", "unmerged", "split"})
"""Purposes of messages whose words nobody wrote: what became of the complaint is told, and nothing is answered."""


class Message(Identified, Stamped, Base):
    """An entry of the thread. Never changed: what is wrong is answered, or redacted with a trace. A trigger refuses any
    other change of what was said and by whom.
    """

    __tablename__ = "complaint_message"
    __table_args__ = (
        CheckConstraint(f"kind IN {MESSAGE_KINDS}", name="kind"),
        CheckConstraint("(html IS NULL) = (html_given IS NULL)", name="html_in_both_forms"),
        CheckConstraint("redacted_whole = false OR redactions > 0", name="redacted_whole_is_redacted"),
        Index("ix_complaint_message_complaint_id_id", "complaint_id", "id"),
        Index("ix_complaint_message_inbound", "created_at", "id", postgresql_where=text("kind = 'inbound'")),
        Index("ix_complaint_message_mail_id", "mail_id", postgresql_where=text("mail_id IS NOT NULL")),
    )

    complaint_id: Mapped[UUID] = mapped_column(ForeignKey("complaint.id", ondelete="CASCADE"))
    kind: Mapped[str]
    purpose: Mapped[str]
    channel: Mapped[str | None]
    author_kind: Mapped[str]
    author_id: Mapped[UUID | None]
    body: Mapped[str]
    """In plain words, whatever came."""
    html: Mapped[str | None]
    """Sanitised; what is shown."""
    html_given: Mapped[str | None]
    """As it came; evidence, never served."""
    salt: Mapped[bytes | None]
    """Of the digests of these three in the chain; None: from before there were any."""
    in_reply_to: Mapped[UUID | None] = mapped_column(ForeignKey("complaint_message.id", ondelete="SET NULL"))
    mentions: Mapped[list[str]] = mapped_column(JSONB, default=list, server_default="[]")
    """Ids of the agents whom an internal note names."""
    sender_name: Mapped[str | None]
    """Of an inbound message: who said it, as they were known then."""
    sender_email: Mapped[str | None]
    mail_id: Mapped[UUID | None] = mapped_column(ForeignKey("outbound_mail.id", ondelete="RESTRICT"))
    redactions: Mapped[int] = mapped_column(default=0, server_default="0")
    redacted_at: Mapped[Timestamp | None]
    redacted_whole: Mapped[bool] = mapped_column(default=False, server_default="false")


class TransitionRow(Identified, Base):
    """One act of the lifecycle, state kept or changed: what `verify` replays to the present state."""

    __tablename__ = "complaint_transition"
    __table_args__ = (UniqueConstraint("complaint_id", "number"),)

    complaint_id: Mapped[UUID] = mapped_column(ForeignKey("complaint.id", ondelete="CASCADE"))
    number: Mapped[int]
    action: Mapped[str]
    from_status: Mapped[str]
    to_status: Mapped[str]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    at: Mapped[Timestamp]
    given: Mapped[Json]
