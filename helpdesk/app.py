"""The Flask application: blueprints, errors, health, metrics and the documentation page, put together."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson
from flask import Flask, Response, redirect, send_from_directory
from flask.json.provider import JSONProvider
from werkzeug.wrappers import Response as BaseResponse

from helpdesk import offer_page, sign_in_pages, track_page
from helpdesk.automation.api import blp as automation
from helpdesk.automation.models import OUTCOMES as FIRING_OUTCOMES
from helpdesk.complaints import lifecycle as complaint_life
from helpdesk.complaints import schemas as complaint_payloads
from helpdesk.complaints import taxonomy
from helpdesk.complaints.api import blp as complaints
from helpdesk.complaints.assignment_api import blp as assignment
from helpdesk.complaints.attachment_api import blp as attachments
from helpdesk.complaints.attachment_models import SCAN_STATES
from helpdesk.complaints.bulk_api import blp as bulk
from helpdesk.complaints.change_queries import changes_since
from helpdesk.complaints.choosing import LEVELS, REASONS, STRATEGIES
from helpdesk.complaints.custom_field_api import blp as custom_fields
from helpdesk.complaints.custom_field_models import FIELD_TYPES
from helpdesk.complaints.draft_api import blp as drafts
from helpdesk.complaints.draft_models import DRAFT_KINDS
from helpdesk.complaints.duplicate_api import blp as duplicates
from helpdesk.complaints.evidence_api import blp as evidence
from helpdesk.complaints.evidence_models import EVIDENCE_STATES
from helpdesk.complaints.file_api import blp as files
from helpdesk.complaints.form_api import blp as forms
from helpdesk.complaints.issue_api import blp as complaint_issues
from helpdesk.complaints.link_api import blp as links
from helpdesk.complaints.link_models import LABELS as LINK_LABELS
from helpdesk.complaints.merge_api import blp as merges
from helpdesk.complaints.models import MESSAGE_KINDS
from helpdesk.complaints.notification_api import blp as notifications
from helpdesk.complaints.notification_models import NOTIFICATION_KINDS
from helpdesk.complaints.presence_api import blp as presence
from helpdesk.complaints.profile_api import blp as profiles
from helpdesk.complaints.profile_models import AVAILABILITIES
from helpdesk.complaints.queue_api import blp as queues
from helpdesk.complaints.redaction_api import blp as redactions
from helpdesk.complaints.redaction_models import MAIL_OUTCOMES, REDACTABLE
from helpdesk.complaints.routing_api import blp as routing
from helpdesk.complaints.scoped_models import SCOPES as KEPT_FOR
from helpdesk.complaints.search_api import blp as search
from helpdesk.complaints.severity_models import CAUSES
from helpdesk.complaints.submission_api import blp as submissions
from helpdesk.complaints.tag_api import blp as tags
from helpdesk.complaints.template_api import blp as templates
from helpdesk.complaints.timeline_api import blp as timeline
from helpdesk.complaints.tracking_api import blp as tracking
from helpdesk.complaints.tracking_attachment_api import blp as tracked_files
from helpdesk.complaints.triage_api import blp as triage
from helpdesk.complaints.view_api import blp as views
from helpdesk.customers import models as customer_words
from helpdesk.customers.api import blp as customers
from helpdesk.identity.actors import ANONYMOUS
from helpdesk.identity.allowance_api import blp as authority_limits
from helpdesk.identity.api import blp as identity
from helpdesk.identity.audit_api import blp as audit
from helpdesk.identity.authentication import authenticate
from helpdesk.identity.door import SessionRules
from helpdesk.identity.factor_api import blp as second_factor
from helpdesk.identity.key_api import blp as keys
from helpdesk.identity.password_api import blp as passwords
from helpdesk.identity.permissions import AUTHORITIES, PERMISSIONS, SCOPES
from helpdesk.identity.provider_api import blp as providers
from helpdesk.identity.role_api import blp as roles
from helpdesk.identity.session_api import blp as sessions
from helpdesk.integrations import models as import_words
from helpdesk.integrations.api import blp as integrations
from helpdesk.kernel import health, http, jobs, limiting, mail, metrics, outbox, problems
from helpdesk.kernel.jobs_api import blp as jobs_blueprint
from helpdesk.kernel.log_verification_api import blp as log_verification
from helpdesk.kernel.openapi import Api, PathParameter, configure
from helpdesk.kernel.presence import STATES as PRESENCES
from helpdesk.kernel.presence import Presence
from helpdesk.kernel.settings import Settings
from helpdesk.kernel.sniffing import EXTENSIONS
from helpdesk.kernel.web import API, RowId, VersionNumber
from helpdesk.recovery.api import blp as recovery
from helpdesk.recovery.approval_api import blp as approvals
from helpdesk.recovery.budget_api import blp as budgets
from helpdesk.recovery.conflict_api import blp as conflicts
from helpdesk.recovery.dead_letter_api import blp as dead_letters
from helpdesk.recovery.dead_letter_queries import GAUGES as ISSUING_GAUGES
from helpdesk.recovery.dead_letter_queries import REASONS as DEAD_LETTER_REASONS
from helpdesk.recovery.dead_letter_queries import RETRIED
from helpdesk.recovery.delegation_api import blp as delegations
from helpdesk.recovery.guard_api import blp as guards
from helpdesk.recovery.kinds import KINDS as REMEDY_KINDS
from helpdesk.recovery.letter_api import blp as letters
from helpdesk.recovery.lifecycle import ISSUANCES
from helpdesk.recovery.lifecycle import LIFECYCLE as OFFER_LIFE
from helpdesk.recovery.override_api import blp as overrides
from helpdesk.recovery.playbook_api import blp as playbooks
from helpdesk.recovery.points_api import blp as points
from helpdesk.recovery.provider_api import blp as remedy_providers
from helpdesk.recovery.provider_models import MODES as PROVIDER_MODES
from helpdesk.recovery.provider_models import ORDER_STATES
from helpdesk.recovery.public_api import blp as public_offers
from helpdesk.recovery.report_api import blp as recovery_reports
from helpdesk.recovery.suggestion_api import blp as remedies
from helpdesk.recovery.tariff_api import blp as tariffs
from helpdesk.recovery.voucher_api import blp as vouchers
from helpdesk.sla.api import blp as sla
from helpdesk.sla.calendar_api import blp as calendars
from helpdesk.sla.escalation_api import blp as escalations
from helpdesk.sla.explain_api import blp as explanations
from helpdesk.sla.lateness import HISTOGRAM
from helpdesk.sla.milestones import MILESTONES
from helpdesk.sla.models import CLOCK_STATES
from helpdesk.sla.pause_api import blp as pauses
from helpdesk.sla.policy_api import blp as policies
from helpdesk.sla.policy_schemas import UNITS
from helpdesk.sla.recompute_api import blp as recomputing
from helpdesk.sla.regime_api import blp as regimes
from helpdesk.sla.regime_facts import KINDS as REGULATORY_FACTS
from helpdesk.sla.regime_rules import UNITS as RULE_UNITS
from helpdesk.sla.report_api import blp as reports
from helpdesk.sla.specs import DAYS
from helpdesk.sla.tracking_api import blp as milestones
from helpdesk.suggestions.api import blp as suggestions
from helpdesk.suggestions.models import BASES
from helpdesk.taxonomy.api import blp as words
from helpdesk.taxonomy.code_map_api import blp as code_maps
from helpdesk.taxonomy.term_schemas import CODES
from helpdesk.taxonomy.terms import KINDS as TERM_KINDS
from helpdesk.wiring import HANDLERS, Program, assemble

BLUEPRINTS = (
    identity,
    roles,
    authority_limits,
    sessions,
    passwords,
    second_factor,
    keys,
    providers,
    audit,
    customers,
    complaints,
    complaint_issues,
    drafts,
    redactions,
    templates,
    attachments,
    links,
    merges,
    notifications,
    assignment,
    queues,
    routing,
    profiles,
    timeline,
    evidence,
    files,
    tracking,
    duplicates,
    tracked_files,
    search,
    forms,
    submissions,
    presence,
    tags,
    custom_fields,
    views,
    bulk,
    triage,
    words,
    code_maps,
    sla,
    policies,
    recomputing,
    calendars,
    regimes,
    milestones,
    escalations,
    explanations,
    reports,
    pauses,
    recovery,
    public_offers,
    budgets,
    vouchers,
    points,
    tariffs,
    approvals,
    delegations,
    conflicts,
    remedies,
    playbooks,
    remedy_providers,
    dead_letters,
    overrides,
    letters,
    recovery_reports,
    guards,
    suggestions,
    automation,
    integrations,
    jobs_blueprint,
    log_verification,
)

PATH_PARAMETERS = {
    "ref": PathParameter("The complaint's reference, however it is typed, or its id.", "7K3M-9QX2-TAM"),
    "code": PathParameter("The voucher's code, however it is typed.", "7K3M-9QX2-TA5V-0C4E-0"),
    "reset_token": PathParameter("The last part of the mailed link.", "WyIwMTkyZjBjMTdkMWU3YzNhIl0.REPLACE-ME"),
    "link": PathParameter("The last part of a signed link to a file.", "WyJhIiwiMDE5MmYwYzEiXQ.REPLACE-ME"),
    "tariff_code": PathParameter("The tariff's code.", "eu.261"),
    "rule_code": PathParameter("The rule's name.", "uk.housing.s1"),
    "version": PathParameter("Number of the version.", 1),
    "key": PathParameter("The form's public key.", "hdf_REPLACE-WITH-THE-KEY"),
    "token": PathParameter("The last part of the customer's signed link.", "WyIwMTkyZjBjMTdkMWU3YzNhIl0.REPLACE-ME"),
}

VOCABULARIES = {
    "AgentAvailability": AVAILABILITIES,
    "Authority": AUTHORITIES,
    "ClockState": CLOCK_STATES,
    "EvidenceState": EVIDENCE_STATES,
    "FiringOutcome": FIRING_OUTCOMES,
    "FileType": tuple(EXTENSIONS),
    "ScanState": SCAN_STATES,
    "ComplaintStatus": complaint_life.LIFECYCLE.states,
    "CustomFieldType": FIELD_TYPES,
    "CustomerKind": customer_words.KINDS,
    "CustomerTier": customer_words.TIERS,
    "DeadLetterReason": DEAD_LETTER_REASONS,
    "DeliveryState": mail.STATES,
    "Dismissal": taxonomy.DISMISSALS,
    "DraftKind": DRAFT_KINDS,
    "Fault": taxonomy.FAULTS,
    "IssueOutcome": taxonomy.ISSUE_OUTCOMES,
    "IssuanceState": ISSUANCES,
    "JobState": jobs.STATES,
    "LinkKind": LINK_LABELS,
    "LanguageLevel": LEVELS,
    "MessageKind": MESSAGE_KINDS,
    "NotificationKind": NOTIFICATION_KINDS,
    "MilestoneKind": MILESTONES,
    "OfferStatus": OFFER_LIFE.states,
    "PresenceState": PRESENCES,
    "RecordType": complaint_life.RECORD_TYPES,
    "RecordOutcome": import_words.OUTCOMES,
    "Permission": PERMISSIONS,
    "RedactablePart": REDACTABLE,
    "RedactedMail": MAIL_OUTCOMES,
    "RegulatoryFactKind": tuple(REGULATORY_FACTS),
    "RemedyProviderMode": PROVIDER_MODES,
    "RemedyOrderState": ORDER_STATES,
    "RemedyKind": REMEDY_KINDS,
    "RuleUnit": RULE_UNITS,
    "Scope": SCOPES,
    "RoutingReason": REASONS,
    "RoutingStrategy": STRATEGIES,
    "Severity": taxonomy.SEVERITIES,
    "SeverityCause": CAUSES,
    "Stage": complaint_life.STAGES,
    "TemplateScope": KEPT_FOR,
    "TermKind": TERM_KINDS,
    "TextFormat": complaint_payloads.TEXT_FORMATS,
    "TimeUnit": UNITS,
    "SuggestionBasis": BASES,
    "Track": taxonomy.TRACKS,
    "WaitingOn": complaint_life.WAITING_ON,
    "Weekday": DAYS,
}
"""Words that several payloads share, under the names that a generated client gives them."""

MEANINGS = {
    "Authority": "Whose limits apply when money is given away. Each holds the ones before.",
    "Dismissal": "Why it is no complaint to us. A duplicate ends through a merge, not here.",
    "Fault": "Whose fault it was: the firm's, shared, or nobody's here.",
    "IssueOutcome": "Whether the complaint was right; of the case, derived from its issues.",
    "RecordType": "A complaint, or what is none: that is answered, and has no clocks, findings or remedies.",
    "Permission": "What each allows is in `GET /permissions`.",
    "Scope": "own: assigned to oneself; teams: those too of one's teams and of no team yet; everything.",
    "Severity": "S1 is the worst. From impact and urgency at triage, raised by rules; S3 until anything tells.",
    "SeverityCause": "received: by what came with it; triaged; set by somebody; facts: something became known; converted; merged: a "
    "duplicate came into it; unmerged: it was taken out again; split from another.",
    "Stage": "1: first decision; 2: internal review; external: an outside body.",
    "SuggestionBasis": "model: trained on what people categorised here; rules: a list of words that comes with the program.",
    "Track": "on_the_spot: settled at the first contact; investigate: looked into first.",
    "WaitingOn": "Who has to act next; clocks that may pause stand still while it is not us.",
}
"""What the words say, for whoever reads the document."""

AGES = {
    "oldest_unrelayed_duty_seconds": "SELECT extract(epoch FROM now() - min(not_before)) FROM duty "
    "WHERE done_at IS NULL AND dead_at IS NULL AND not_before <= now() AND attempts = 0",
}
AGES["oldest_due_alarm_seconds"] = (
    # Since it is owed: an alarm that was due before its complaint was entered is not late by those years.
    "SELECT extract(epoch FROM now() - min(greatest(next_alarm_at, c.created_at))) "
    "FROM sla_clock JOIN complaint c ON c.id = complaint_id WHERE next_alarm_at <= now()"
)
GAUGES = {
    **ISSUING_GAUGES,
    "helpdesk_duties_owed": (
        "Duties due and not done",
        "SELECT count(*) FROM duty WHERE done_at IS NULL AND dead_at IS NULL AND not_before <= now()",
    ),
    "helpdesk_duties_dead": ("Duties given up and not settled", outbox.COUNT_GIVEN_UP),
    "helpdesk_submissions_quarantined": (
        "Submissions through forms that wait to be looked at",
        "SELECT count(*) FROM intake_quarantine WHERE decision IS NULL",
    ),
    "helpdesk_triggers_paused": (
        "Triggers out of force because they failed too often in a row",
        "SELECT count(*) FROM automation_trigger WHERE paused_at IS NOT NULL AND removed_at IS NULL",
    ),
    "helpdesk_alarms_due": (
        "SLA alarms due and not rung",
        "SELECT count(*) FROM sla_clock WHERE next_alarm_at <= now()",
    ),
    "helpdesk_event_horizon_lag_seconds": (
        "Age of the oldest transaction that holds the event feed back",
        "SELECT max(extract(epoch FROM now() - xact_start)) FROM pg_stat_activity WHERE backend_xid IS NOT NULL",
    ),
}

LABELLED = {
    "helpdesk_queue_duties_owed": metrics.GaugeQuery(
        "Duties due and not done, by the queue whose workers do them",
        "queue",
        "SELECT q.queue, count(d.id) FROM unnest(cast(:topics AS text[]), cast(:queues AS text[])) AS q(topic, queue) "
        "LEFT JOIN duty d ON d.topic = q.topic AND d.done_at IS NULL AND d.dead_at IS NULL AND d.not_before <= now() "
        "GROUP BY q.queue ORDER BY q.queue",
        {"topics": [*HANDLERS], "queues": [handler.queue for handler in HANDLERS.values()]},
    ),
    "helpdesk_offers_retried": metrics.GaugeQuery(*RETRIED, {}),
}

HISTOGRAMS = {
    "helpdesk_alarm_lateness_seconds": metrics.HistogramQuery(
        "How late SLA alarms rang, since they were owed", "alarm", HISTOGRAM
    ),
}


class _OrjsonProvider(JSONProvider):
    """orjson refuses what the standard library lets through (NaN, lone surrogates) and is several times as fast."""

    def dumps(self, obj: Any, **_: Any) -> str:
        return orjson.dumps(obj, default=str).decode()

    def loads(self, s: str | bytes, **_: Any) -> Any:
        return orjson.loads(s)


def create_app(settings: Settings | None = None, program: Program | None = None) -> Flask:
    """The application for `settings` (the environment's when absent). Opens no connection until it is used."""
    if program is None:
        settings = settings or Settings.from_environment()
        program = assemble(settings, pool_size=settings.web_threads, name="helpdesk-web")
    settings = program.settings
    app = Flask("helpdesk", static_folder=None)
    app.json = _OrjsonProvider(app)
    app.url_map.strict_slashes = False
    app.url_map.converters["uuid"] = RowId
    app.url_map.converters["version"] = VersionNumber
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.config["OPENAPI_URL_PREFIX"] = API
    app.config["OPENAPI_JSON_PATH"] = "openapi.json"
    app.extensions["helpdesk"] = http.Web(
        program.database,
        authenticate,
        ANONYMOUS,
        program.tools.signing_key,
        settings.base_url,
        program.tools.store,
        changes_since,
        settings,
        Presence(settings.redis_url),
    )
    app.extensions["helpdesk_program"] = program
    app.extensions["helpdesk_sessions"] = SessionRules.of(settings)
    http.bind_request(app)
    limits = limiting.Limits.of(settings)
    problems.register(app)
    api = configure(app, PATH_PARAMETERS, VOCABULARIES, MEANINGS, CODES)
    for blueprint in BLUEPRINTS:
        api.register_blueprint(blueprint, url_prefix=API)
    app.extensions["helpdesk_api"] = api
    health.register(app, program.engine, settings.redis_url, AGES, limits.health, mails=settings.smtp_url is not None)
    metrics.register(app, program.engine, GAUGES, HISTOGRAMS, LABELLED)
    limiting.register(app, limits)  # last, so that it sees an answer first and may refuse it
    sign_in_pages.register(app)
    track_page.register(app)
    offer_page.register(app)
    _serve_docs(app)
    return app


def api_of(app: Flask) -> Api:
    found: Api = app.extensions["helpdesk_api"]
    return found


_DOCS_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'"
)

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Helpdesk API</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""

_START = (
    "window.onload = () => SwaggerUIBundle({"
    f'url: "{API}/openapi.json", dom_id: "#swagger-ui", deepLinking: true, persistAuthorization: false, '
    "validatorUrl: null});\n"
)


def _serve_docs(app: Flask) -> None:
    """Swagger UI from its package: no CDN, no inline script, nothing loaded from elsewhere."""
    spec = find_spec("flask_swagger_ui")  # found, not imported: only its files are wanted
    assets = Path(spec.origin or "").parent / "dist" if spec else Path("missing")

    @app.get("/docs")
    def docs() -> Response:
        return Response(_PAGE, mimetype="text/html", headers={"Content-Security-Policy": _DOCS_CSP})

    @app.get("/docs/start.js")
    def docs_start() -> Response:
        return Response(_START, mimetype="text/javascript")

    @app.get("/docs/assets/<path:name>")
    def docs_asset(name: str) -> Response:
        response = send_from_directory(assets, name, max_age=86_400)
        response.headers["Cache-Control"] = "public, max-age=86400"
        return response

    @app.get("/")
    def root() -> BaseResponse:
        return redirect("/docs")
