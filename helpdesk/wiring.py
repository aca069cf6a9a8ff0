"""What follows from what, on one page: event -> subscribers in the same transaction; topic of a duty -> its handler; and
how the parts are put together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from sqlalchemy import Engine

import helpdesk.tables  # noqa: F401  # every process knows every table: rows are written in the order of all foreign keys
from helpdesk.automation import dry_running
from helpdesk.automation import jobs as automation
from helpdesk.automation import subscribers as triggers
from helpdesk.automation import use_subscribers as triggering
from helpdesk.automation.events import AgentsNotified, TriggerPaused
from helpdesk.automation.happenings import WATCHED
from helpdesk.complaints import attachment_jobs as attachments
from helpdesk.complaints import (
    bulk_changes,
    bulk_jobs,
    closed_team_jobs,
    closed_teams,
    evidence_jobs,
    notifications,
    reassignment,
    reassignment_jobs,
    tag_jobs,
    tagging,
    tracking,
    undelivered,
)
from helpdesk.complaints import closed_team_subscribers as closing
from helpdesk.complaints import notification_subscribers as listeners
from helpdesk.complaints import reassignment_subscribers as leaving
from helpdesk.complaints import routing_subscribers as routing
from helpdesk.complaints import use_subscribers as naming
from helpdesk.complaints import verification as complaint_verification
from helpdesk.complaints.custom_field_errors import FieldNamed
from helpdesk.complaints.custom_field_events import CustomFieldChanged, CustomFieldDeleted
from helpdesk.complaints.enclosing import Enclosing
from helpdesk.complaints.errors import CannedReplyNamed
from helpdesk.complaints.events import (
    BY_ACTION,
    ComplaintAssigned,
    ComplaintDismissed,
    ComplaintEdited,
    ComplaintReceived,
    ComplaintTriaged,
    ComplaintWithdrawn,
    IssueAdded,
    IssueChanged,
    IssueRemoved,
    MailFailed,
    MessageAdded,
    MessageRedacted,
    TextRedacted,
)
from helpdesk.complaints.evidence_contents import Parts
from helpdesk.complaints.link_events import ComplaintSplit, DuplicateMerged, DuplicateParted
from helpdesk.complaints.person_events import NeedEnded, NeedRecorded, PersonAdded, PersonChanged, PersonRemoved
from helpdesk.complaints.reply_footer import Footer
from helpdesk.complaints.search_subscribers import follow_text
from helpdesk.complaints.tag_errors import TagNamed
from helpdesk.complaints.tag_events import ComplaintTagged, TagChanged, TagDeleted, TagMerged
from helpdesk.complaints.template_events import CannedReplyChanged, CannedReplyDeleted
from helpdesk.complaints.thread import REPLY
from helpdesk.complaints.tracking_secret import Secrets
from helpdesk.customers.events import CustomerChanged
from helpdesk.identity import door_jobs, password_service, session_subscribers
from helpdesk.identity import use_subscribers as having
from helpdesk.identity import verification as identity_verification
from helpdesk.identity.actors import SYSTEM
from helpdesk.identity.authentication import ensure_bootstrap_administrator
from helpdesk.identity.errors import AgentNamed, RoleInUse, TeamInUse
from helpdesk.identity.events import AgentChanged, TeamChanged
from helpdesk.identity.role_events import RoleDeleted
from helpdesk.identity.roles import install_permissions
from helpdesk.integrations import code_map_subscribers as mappings
from helpdesk.integrations import jobs as imports
from helpdesk.kernel import files, jobs, log_verification, mail, migrations, verification
from helpdesk.kernel.db import make_engine
from helpdesk.kernel.doorbell import BULK, ISSUING, PROVIDERS, Doorbell, connect
from helpdesk.kernel.duties import Handlers, Outside, Performer
from helpdesk.kernel.events import Event
from helpdesk.kernel.mail import Mailer, mailer_for
from helpdesk.kernel.scanning import Scanner, scanner_for
from helpdesk.kernel.settings import Settings, SettingsError
from helpdesk.kernel.storage import Store, store_for
from helpdesk.kernel.unit_of_work import Consequences, Database, Subscriber, UnitOfWork
from helpdesk.kernel.uses import refuse_used
from helpdesk.kernel.verification import Check
from helpdesk.recovery import (
    asking,
    budget_alerts,
    budget_closing,
    budget_jobs,
    budget_subscribers,
    guard_jobs,
    issuance,
    kinds,
    letter_jobs,
    letters,
    playbook_jobs,
    playbook_trying,
    playbooks,
    reservations,
    reviews,
    tariffs,
    telling,
)
from helpdesk.recovery import queries as recovery_queries
from helpdesk.recovery import subscribers as recovery
from helpdesk.recovery import use_subscribers as suggesting
from helpdesk.recovery.authority_events import ApprovalOverdue
from helpdesk.recovery.budget_events import BudgetAlerted
from helpdesk.recovery.events import (
    OfferAccepted,
    OfferApproved,
    OfferContradicted,
    OfferCountered,
    OfferDelivered,
    OfferIssued,
    OfferLeftOwed,
    OfferMailed,
    OfferPosted,
    OfferRefused,
    OfferReversed,
    OfferRevoked,
    OfferSeen,
    OfferSubmitted,
    OfferUndelivered,
    OfferWithdrawn,
)
from helpdesk.recovery.evidence_queries import offers_as_evidence
from helpdesk.recovery.offers import Links
from helpdesk.sla import answer_subscribers as answers
from helpdesk.sla import dry_run_jobs as sla_dry_run_jobs
from helpdesk.sla import dry_running as sla_dry_running
from helpdesk.sla import due_times, escalation_jobs, fact_jobs, fact_subscribers, notices, recompute_jobs, recomputing
from helpdesk.sla import escalation_subscribers as escalations
from helpdesk.sla import escalations as owed_escalations
from helpdesk.sla import regime_subscribers as regimes
from helpdesk.sla import subscribers as sla
from helpdesk.sla.escalation_events import SlaOfferWanted
from helpdesk.sla.events import SlaBreached, SlaOverdue, SlaWarned
from helpdesk.sla.evidence_queries import clocks_as_evidence
from helpdesk.sla.policies import install_default
from helpdesk.sla.regime_installing import install_rules
from helpdesk.suggestions import subscribers as suggestions
from helpdesk.suggestions import training, training_jobs
from helpdesk.taxonomy.code_map_events import CodeMapDeleted
from helpdesk.taxonomy.code_maps import install_code_maps
from helpdesk.taxonomy.errors import CodeInUse
from helpdesk.taxonomy.events import TermRetired
from helpdesk.taxonomy.in_force import look
from helpdesk.taxonomy.installing import install_taxonomy

_SETTINGS: Final = (naming.uses, triggering.uses, fact_subscribers.policies_used, suggesting.playbooks_used)
"""Who knows what names a thing by its code, key, name or id, and is asked before it goes."""

_FOLLOWING: Final[Mapping[type[Event], tuple[Subscriber, ...]]] = {
    AgentChanged: (
        refuse_used(AgentNamed, *_SETTINGS, naming.stands_in),
        session_subscribers.end_sessions,
        leaving.owe_reassignment,
    ),
    TeamChanged: (
        refuse_used(TeamInUse, *_SETTINGS),
        closing.owe_reassignment,
    ),
    PersonChanged: (follow_text, recovery.facts_changed),
    PersonRemoved: (follow_text,),
    ComplaintEdited: (follow_text, fact_subscribers.facts_changed, regimes.complaint_edited),
    ComplaintTagged: (fact_subscribers.facts_changed,),
    **dict.fromkeys(
        (IssueAdded, IssueChanged, IssueRemoved), (follow_text, fact_subscribers.parts_changed, recovery.part_changed)
    ),
    **dict.fromkeys((NeedRecorded, NeedEnded), (fact_subscribers.parts_changed, recovery.part_changed)),
    CustomerChanged: (fact_subscribers.customer_changed,),
    **dict.fromkeys((MessageRedacted, TextRedacted), (follow_text, recovery.words_redacted)),
    PersonAdded: (follow_text, routing.person_added),
    ComplaintReceived: (
        sla.start_clocks,
        routing.received,
        sla.start_clocks_of_routed,
        recovery.complaint_received,
    ),
    **dict.fromkeys(
        BY_ACTION.values(),
        (sla.follow_complaint, listeners.moved, leaving.opened_again, closing.opened_again, routing.acted),
    ),
    ComplaintTriaged: (
        sla.follow_complaint,
        listeners.moved,
        leaving.opened_again,
        routing.acted,
        suggestions.complaint_triaged,
        recovery.facts_changed,
    ),
    ComplaintWithdrawn: (sla.follow_complaint, recovery.complaint_withdrawn, listeners.moved, routing.acted),
    ComplaintDismissed: (sla.follow_complaint, recovery.complaint_dismissed, listeners.moved, routing.acted),
    ComplaintAssigned: (listeners.assigned, routing.assigned, fact_subscribers.facts_changed),
    MessageAdded: (
        routing.message_added,
        listeners.message_added,  # so that it is told to whoever has it by then
        answers.message_added,
        regimes.message_added,
    ),
    MailFailed: (listeners.mail_failed,),
    OfferSubmitted: (recovery.approval_asked(due_times.after_hours),),
    **dict.fromkeys((OfferApproved, OfferRefused, OfferWithdrawn), (recovery.approval_answered,)),
    ApprovalOverdue: (recovery.approval_overdue,),
    OfferCountered: (recovery.offer_countered,),
    OfferUndelivered: (recovery.offer_undelivered,),
    OfferContradicted: (recovery.issuance_contradicted,),
    OfferLeftOwed: (recovery.offer_left_owed,),
    OfferAccepted: (answers.remedy_accepted,),
    OfferIssued: (answers.remedy_delivered, regimes.offer_issued),
    **dict.fromkeys((OfferDelivered, OfferMailed, OfferPosted, OfferSeen), (answers.remedy_delivered,)),
    OfferReversed: (answers.remedy_taken_back,),
    OfferRevoked: (recovery.approval_answered, answers.remedy_taken_back),
    BudgetAlerted: (budget_subscribers.alerted,),
    **dict.fromkeys((SlaWarned, SlaBreached, SlaOverdue), (escalations.rang,)),
    SlaOfferWanted: (recovery.offer_wanted,),
    ComplaintSplit: (sla.split_clocks, recovery.complaint_split),
    DuplicateMerged: (sla.join_clocks, regimes.duplicates_changed, recovery.duplicate_merged),
    DuplicateParted: (sla.part_clocks, regimes.duplicates_changed, recovery.duplicate_parted),
    RoleDeleted: (refuse_used(RoleInUse, having.role_uses, *_SETTINGS),),
    TermRetired: (refuse_used(CodeInUse, *_SETTINGS),),
    **dict.fromkeys((CustomFieldChanged, CustomFieldDeleted), (refuse_used(FieldNamed, *_SETTINGS),)),
    TagChanged: (refuse_used(TagNamed, *_SETTINGS), triggering.names_mean_another),
    TagMerged: (triggering.names_mean_another,),
    TagDeleted: (refuse_used(TagNamed, *_SETTINGS),),
    **dict.fromkeys((CannedReplyChanged, CannedReplyDeleted), (refuse_used(CannedReplyNamed, *_SETTINGS),)),
    AgentsNotified: (triggers.tell_named,),
    TriggerPaused: (triggers.tell_paused,),
    CodeMapDeleted: (mappings.refuse_named,),
}
SUBSCRIBERS: Final[Mapping[type[Event], tuple[Subscriber, ...]]] = {
    **_FOLLOWING,
    **{kind: (*_FOLLOWING.get(kind, ()), triggers.listen) for kind in WATCHED.values()},
}
"""And of whatever triggers can listen to, whether any does."""


EVIDENCE: Final = Parts(clocks=clocks_as_evidence, offers=offers_as_evidence)
"""What other domains tell in an evidence pack."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What handlers with outside effects are given."""

    database: Database
    mailer: Mailer
    sender: str
    signing_key: str
    base_url: str
    tracking_page: str
    tracking_names: str
    offer_page: str
    data_dir: Path
    store: Store
    scanner: Scanner
    mail_attachments_bytes: int
    mail_link_days: int
    private_addresses: bool = False
    evidence: Parts = EVIDENCE


def _deliver_mail(tools: Tools, duty_id: UUID, mail_id: UUID) -> None:
    completions = {
        tracking.COMPLETION: lambda session, row: tracking.paragraph(
            session, row.subject_id, Secrets(tools.signing_key), tools.tracking_page
        ),
        telling.PAGE: lambda session, row: telling.where_to_say(
            session, row.subject_id, Links(tools.signing_key, tools.offer_page).of
        ),
        REPLY: Footer(tools.sender, tools.tracking_names, tools.tracking_page).under,
    }
    mail.deliver(
        tools.database,
        SYSTEM,
        duty_id,
        mail_id,
        mailer=tools.mailer,
        sender=tools.sender,
        completions=completions,
        enclose=Enclosing(
            tools.store,
            tools.signing_key,
            tools.base_url,
            tools.mail_attachments_bytes,
            tools.mail_link_days,
            tools.scanner.configured,
        ),
        undelivered=_undelivered,
        sent=letters.sent,
    )


def _undelivered(uow: UnitOfWork, mail_id: UUID, reason: str) -> bool:
    return undelivered.tell(uow, mail_id, reason, recovery_queries.complaint_of)


def _give_up_mail(uow: UnitOfWork, mail_id: UUID, reason: str) -> None:
    _undelivered(uow, mail_id, reason)
    mail.give_up(uow, mail_id, reason)


CHAIN_CHECKS: Final[tuple[Check, ...]] = (
    *complaint_verification.CHAIN_CHECKS,
    *identity_verification.CHAIN_CHECKS,
    *verification.CHAIN_CHECKS,
)
"""What makes sure of the whole event log."""


HANDLERS: Final[Handlers] = {
    log_verification.TOPIC: Outside(log_verification.verifier(CHAIN_CHECKS, SYSTEM), give_up=jobs.give_up, queue=BULK),
    mail.TOPIC: Outside(
        _deliver_mail, give_up=_give_up_mail, queue=mail.QUEUE, patience=40
    ),  # a mail server may be away for hours
    notifications.TOPIC: Outside(notifications.mail_notification),
    password_service.TOPIC: Outside(door_jobs.send_reset, queue=mail.QUEUE, patience=40),
    issuance.TOPIC: Outside(issuance.issue, give_up=issuance.give_up, together=issuance.issue_together, queue=ISSUING),
    asking.TOPIC: Outside(asking.ask, give_up=issuance.give_up, queue=PROVIDERS),
    kinds.SEEN: Outside(letter_jobs.note_seen, patience=40),
    letters.MAILED: Outside(letter_jobs.note_mailed, patience=40),  # somebody may have the complaint open for long
    reviews.LAPSE: Outside(guard_jobs.lapse_reviews, patience=40),  # somebody may have a complaint open for long
    budget_alerts.TELL: Outside(budget_jobs.tell_alert, patience=40),
    reservations.SETTLE_CLOSED: Outside(
        budget_closing.settle_closed, patience=40
    ),  # somebody may have a complaint open for long
    reassignment.TOPIC: Outside(reassignment_jobs.reassign, queue=BULK),
    closed_teams.TOPIC: Outside(closed_team_jobs.give_on, queue=BULK),
    bulk_changes.TOPIC: Outside(bulk_jobs.change_many, give_up=bulk_jobs.give_up, queue=BULK),
    tagging.TOPIC: Outside(tag_jobs.retag, give_up=tag_jobs.give_up, queue=BULK),
    evidence_jobs.TOPIC: Outside(evidence_jobs.build, give_up=evidence_jobs.give_up, queue=BULK),
    attachments.TOPIC: Outside(
        attachments.scan, give_up=attachments.give_up, queue=BULK, patience=20
    ),  # a scanner that starts loads its signatures for minutes
    files.TOPIC: Outside(files.remove, patience=40),  # a store may be away for hours
    fact_subscribers.TOPIC: Outside(fact_jobs.follow_customer),
    owed_escalations.TOPIC: Outside(
        escalation_jobs.escalate, patience=40
    ),  # somebody may have the complaint open for long
    notices.TOPIC: Outside(escalation_jobs.tell_held),
    recomputing.TOPIC: Outside(recompute_jobs.recompute, give_up=jobs.give_up, queue=BULK),
    playbook_trying.TOPIC: Outside(playbook_jobs.dry_run, give_up=jobs.give_up, queue=BULK),
    sla_dry_running.TOPIC: Outside(sla_dry_run_jobs.dry_run, give_up=jobs.give_up, queue=BULK),
    training.TOPIC: Outside(training_jobs.train, give_up=jobs.give_up, queue=BULK),
    triggers.TOPIC: Outside(automation.react),
    triggers.MANY_TOPIC: Outside(automation.react, queue=BULK),
    dry_running.TOPIC: Outside(automation.dry_run, give_up=automation.give_up, queue=BULK),
    imports.TOPIC: Outside(imports.run_import, give_up=imports.give_up, queue=BULK),
}


@dataclass(frozen=True, slots=True)
class Program:
    """Everything that a process of ours stands on."""

    settings: Settings
    engine: Engine
    database: Database
    doorbell: Doorbell | None
    performer: Performer
    tools: Tools


def assemble(
    settings: Settings, *, pool_size: int = 10, statement_timeout_ms: int = 15_000, name: str = "helpdesk"
) -> Program:
    """Raises `SettingsError` without a database; without Redis, `doorbell` is None and the relay does the work itself."""
    if not settings.database_url:
        raise SettingsError(
            "HELPDESK_DATABASE_URL is not set. `helpdesk up` brings its own PostgreSQL; a part that runs alone needs "
            "the address of one."
        )
    engine = make_engine(
        settings.database_url, pool_size=pool_size, statement_timeout_ms=statement_timeout_ms, name=name
    )
    database = Database(engine, Consequences(SUBSCRIBERS), look, mails=settings.smtp_url is not None)
    tools = Tools(
        database,
        mailer_for(settings.smtp_url),
        settings.mail_from,
        settings.signing_key(),
        settings.base_url,
        settings.tracking_page,
        settings.tracking_names,
        settings.offer_page,
        settings.data_dir,
        store_for(settings),
        scanner_for(settings.clamd_url),
        settings.mail_attachments_bytes,
        settings.mail_link_days,
        settings.private_addresses,
    )
    doorbell = Doorbell(connect(settings.redis_url)) if settings.redis_url else None
    return Program(settings, engine, database, doorbell, Performer(database, HANDLERS, SYSTEM, tools), tools)


def install_shipped(uow: UnitOfWork) -> None:
    """What a system begins with, and what came with this version of the program. Safe to repeat."""
    install_permissions(uow)
    install_default(uow)
    uow.write()  # so that the shipped calendars stand behind the default one
    install_rules(uow)
    tariffs.install(uow)
    playbooks.install(uow)
    install_taxonomy(uow)
    install_code_maps(uow)


def migrate(program: Program) -> None:
    """The schema to head, then what a fresh system needs: permissions, shipped policy, bootstrap administrator. Safe to repeat."""
    migrations.upgrade(program.engine)
    with program.database.unit_of_work(SYSTEM) as uow:
        install_shipped(uow)
    if program.settings.admin_token:
        ensure_bootstrap_administrator(program.database, program.settings.admin_token)


__all__ = ["HANDLERS", "SUBSCRIBERS", "Program", "Tools", "assemble", "install_shipped", "migrate"]
