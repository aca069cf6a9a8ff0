"""What happens to complaints. Facts that other domains act on travel in the event, so that nobody has to look back."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import UUID

from helpdesk.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintEvent(Event):
    complaint_id: UUID
    reference: str

    @property
    def subject_id(self) -> UUID:
        return self.complaint_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintReceived(ComplaintEvent):
    """`clock_starts`: name of a clock's start (`complaint_received`, `complaint_sent_to_company`) -> when. `split_from`: the
    complaint that it was split off from, whose promises it goes on with; `acknowledged`: it has been by then. `imported`: a
    file brought it, with all that was recorded with it. `born`: the other columns, where they are not as of all new ones
    (`replaying`). `texts`: digests (`text_seals`) of subject and description;
    `message_texts`: id of a message that it was born with -> digests of its texts; `message_facts`: what else is known of it.
    """

    type: ClassVar[str] = "complaint.received"
    record_type: str
    channel: str
    severity: str
    received_at: datetime
    source: str | None
    jurisdiction: str | None
    sector: str | None
    team_id: UUID | None
    customer_id: UUID | None
    clock_starts: dict[str, datetime]
    split_from: UUID | None = None
    acknowledged: bool = False
    imported: bool = False
    born: dict[str, Any] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    message_texts: dict[str, dict[str, str]] = field(default_factory=dict)
    message_facts: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintActed(ComplaintEvent):
    """An act of the lifecycle, with what holds after it. `given` is what the caller supplied; `changes`: field of the
    complaint -> [before, after]; `issues`: id of an issue -> the same of its fields.
    """

    personal: ClassVar[frozenset[str]] = frozenset({"given", "changes", "issues"})
    action: str
    record_type: str
    from_status: str
    to_status: str
    severity: str
    waiting_on: str
    acknowledged: bool
    reopened_count: int
    changes: dict[str, list[Any]]
    issues: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    given: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintAcknowledged(ComplaintActed):
    type: ClassVar[str] = "complaint.acknowledged"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintTriaged(ComplaintActed):
    type: ClassVar[str] = "complaint.triaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeveritySet(ComplaintActed):
    """By somebody with a reason, or by the system because of a fact that has become known."""

    type: ClassVar[str] = "complaint.severity_set"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeverityAssessed(ComplaintEvent):
    """How a severity came about. `judged`: what the rules give, null where nobody judged impact and urgency and no rule
    holds; `rules`: those that hold; `reasons`: `{rule, severity}` of each, and what it found; `systemic`: many like it are open.
    """

    type: ClassVar[str] = "complaint.severity_assessed"
    cause: str
    severity: str
    before: str | None
    judged: str | None
    rules_version: int
    taxonomy_version: int
    rules: list[str]
    reasons: list[dict[str, Any]]
    systemic: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerAsked(ComplaintActed):
    type: ClassVar[str] = "complaint.customer_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class ThirdPartyAsked(ComplaintActed):
    type: ClassVar[str] = "complaint.third_party_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintResumed(ComplaintActed):
    type: ClassVar[str] = "complaint.resumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintInvestigated(ComplaintActed):
    type: ClassVar[str] = "complaint.investigated"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintResolved(ComplaintActed):
    type: ClassVar[str] = "complaint.resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintAnswered(ComplaintActed):
    """What is no complaint has its answer."""

    type: ClassVar[str] = "complaint.answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintConverted(ComplaintActed):
    """It is something else from now on: `changes` has `record_type` -> [before, after]."""

    type: ClassVar[str] = "complaint.converted"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintFollowedUp(ComplaintActed):
    type: ClassVar[str] = "complaint.followed_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintReopened(ComplaintActed):
    type: ClassVar[str] = "complaint.reopened"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintWithdrawn(ComplaintActed):
    type: ClassVar[str] = "complaint.withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintDismissed(ComplaintActed):
    type: ClassVar[str] = "complaint.dismissed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintMerged(ComplaintActed):
    """On the duplicate: it goes on in the complaint named by `merged_into_id` of `changes`."""

    type: ClassVar[str] = "complaint.merged"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintUnmerged(ComplaintActed):
    """On the duplicate that was none: it goes on by itself, from where it stood."""

    type: ClassVar[str] = "complaint.unmerged"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintEscalated(ComplaintActed):
    type: ClassVar[str] = "complaint.escalated"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintDeEscalated(ComplaintActed):
    type: ClassVar[str] = "complaint.de_escalated"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintReferred(ComplaintActed):
    type: ClassVar[str] = "complaint.referred_externally"


BY_ACTION: Final[dict[str, type[ComplaintActed]]] = {
    "acknowledge": ComplaintAcknowledged,
    "triage": ComplaintTriaged,
    "set_severity": SeveritySet,
    "ask_customer": CustomerAsked,
    "ask_third_party": ThirdPartyAsked,
    "resume": ComplaintResumed,
    "investigate": ComplaintInvestigated,
    "resolve": ComplaintResolved,
    "resolve_on_the_spot": ComplaintResolved,
    "answer": ComplaintAnswered,
    "follow_up": ComplaintFollowedUp,
    "reopen": ComplaintReopened,
    "withdraw": ComplaintWithdrawn,
    "dismiss": ComplaintDismissed,
    "convert": ComplaintConverted,
    "merge": ComplaintMerged,
    "unmerge": ComplaintUnmerged,
    "escalate": ComplaintEscalated,
    "de_escalate": ComplaintDeEscalated,
    "refer_externally": ComplaintReferred,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintEdited(ComplaintEvent):
    """`changes`: field -> [before, after]; `texts`: digests of subject and description, where one of them is another."""

    type: ClassVar[str] = "complaint.edited"
    personal: ClassVar[frozenset[str]] = frozenset({"changes"})
    changes: dict[str, list[Any]]
    texts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintAssigned(ComplaintEvent):
    """`changes`: assignee_id and team_id -> [before, after]; null after means released. `assignee_id` and `team_id` are
    what holds after it, `how` it came about: one of `HOW_ASSIGNED`.
    """

    type: ClassVar[str] = "complaint.assigned"
    personal: ClassVar[frozenset[str]] = frozenset({"reason"})
    changes: dict[str, list[Any]]
    assignee_id: UUID | None
    team_id: UUID | None
    how: str
    reason: str | None = None
    override: bool = False


HOW_ASSIGNED: Final = ("assigned", "claimed", "next", "released", "routed", "substituted", "reassigned", "escalated")
"""By somebody; taken by themselves; taken as the next of a queue; given back; by a rule; to who stands in for an absent
agent; because the agent who had it cannot have it any more; to the lead, by the ladder of a promise.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintRouted(ComplaintEvent):
    """How a complaint was, or was not, given to somebody by a rule, and why. `candidates`: `{agent_id, taken, reasons,
    load, capacity}` of at most 50 agents; `considered` says how many there were.
    """

    type: ClassVar[str] = "complaint.routed"
    cause: str
    rule_id: UUID | None
    rule_version: int | None
    rule_name: str | None
    strategy: str | None
    outcome: str
    reason: str | None
    team_id: UUID | None
    assignee_id: UUID | None
    required_skills: list[str]
    candidates: list[dict[str, Any]]
    considered: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageAdded(ComplaintEvent):
    """The text is in the thread, under `message_id`; an event outlives an erasure, so it does not repeat it, and has a
    salted digest of each of its forms in `texts`. `mentions`: ids of the agents whom a note names;
    `attachment_ids`: of the files that it was written with. Its author may be another than who did what it came with.
    """

    type: ClassVar[str] = "complaint.message_added"
    message_id: UUID
    kind: str
    purpose: str
    channel: str | None
    in_reply_to: UUID | None
    mentions: list[str]
    author_kind: str
    author_id: UUID | None
    texts: dict[str, str] = field(default_factory=dict)
    attachment_ids: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailFailed(ComplaintEvent):
    """A mail to a complainant does not arrive. `reason`: the mail server's words, or of which kind the last failure was;
    `purpose`: what it was for; `message_id`: its message in the thread, of which `author_id` is the agent, where it has one.
    """

    type: ClassVar[str] = "complaint.mail_failed"
    personal: ClassVar[frozenset[str]] = frozenset({"reason"})
    message_id: UUID | None
    author_id: UUID | None
    purpose: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MacroApplied(ComplaintEvent):
    """Its steps follow as events of their own. `steps`: their names, in order."""

    type: ClassVar[str] = "complaint.macro_applied"
    macro_id: UUID
    macro_version: int
    name: str
    steps: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Redacted(ComplaintEvent):
    """Text was taken out for good, `whole` or at so many `places`. `digest`: salted, of the text as it was before;
    `texts`: salted anew, of what is left. `erased`: stream (`event_log.veiled`) -> places of the events that lost what they said, and
    `carried`: what they alone had told of other things, which goes on holding (`carrying`).
    """

    personal: ClassVar[frozenset[str]] = frozenset({"reason"})
    redaction_id: UUID
    whole: bool
    places: int
    reason: str
    digest: str
    erased_events: int
    erased: dict[str, list[int]]
    carried: dict[str, dict[str, Any]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRedacted(Redacted):
    """`mail`: what became of the old text where it was mailed: sent, perhaps_sent, not_sent."""

    type: ClassVar[str] = "complaint.message_redacted"
    message_id: UUID
    mail: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRedacted(Redacted):
    """`part`: subject, description, `custom_field`, whose key is named, or `counter`: the words of a counter-offer."""

    type: ClassVar[str] = "complaint.text_redacted"
    part: str
    custom_field: str | None = None
    counter_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WatcherAdded(ComplaintEvent):
    type: ClassVar[str] = "complaint.watcher_added"
    agent_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class WatcherRemoved(ComplaintEvent):
    type: ClassVar[str] = "complaint.watcher_removed"
    agent_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingSecretIssued(ComplaintEvent):
    """A new one, `delivery` mail or show; the secret is told nowhere. `changes`: field -> [before, after]."""

    type: ClassVar[str] = "complaint.tracking_secret_issued"
    delivery: str
    changes: dict[str, list[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueAdded(ComplaintEvent):
    """`changes`: field of the issue -> [null, what is known]; `complaint_changes`: of the complaint."""

    type: ClassVar[str] = "complaint.issue_added"
    personal: ClassVar[frozenset[str]] = frozenset({"changes"})
    issue_id: UUID
    category: str | None
    issue: str | None
    changes: dict[str, list[Any]] = field(default_factory=dict)
    complaint_changes: dict[str, list[Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueChanged(ComplaintEvent):
    """`category` and `issue`: what holds after it; `changes`: field of the issue -> [before, after]; `complaint_changes`: of
    the complaint.
    """

    type: ClassVar[str] = "complaint.issue_changed"
    personal: ClassVar[frozenset[str]] = frozenset({"changes"})
    issue_id: UUID
    category: str | None
    issue: str | None
    changes: dict[str, list[Any]]
    complaint_changes: dict[str, list[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueRemoved(ComplaintEvent):
    """`changes`: field of the issue -> [what was known, null]; `complaint_changes`: of the complaint."""

    type: ClassVar[str] = "complaint.issue_removed"
    personal: ClassVar[frozenset[str]] = frozenset({"changes"})
    issue_id: UUID
    changes: dict[str, list[Any]]
    complaint_changes: dict[str, list[Any]]
