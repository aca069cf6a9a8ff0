"""Imports every domain's tables, so that the metadata is whole. For migrations and tests."""

from helpdesk.automation import models as automation
from helpdesk.complaints import attachment_models, evidence_models
from helpdesk.complaints import custom_field_models as custom_fields
from helpdesk.complaints import draft_models as drafts
from helpdesk.complaints import form_models as forms
from helpdesk.complaints import link_models as complaint_links
from helpdesk.complaints import merge_models as complaint_merges
from helpdesk.complaints import models as complaints
from helpdesk.complaints import notification_models as notifications
from helpdesk.complaints import profile_models as profiles
from helpdesk.complaints import redaction_models as redactions
from helpdesk.complaints import routing_models as routing
from helpdesk.complaints import search_models as complaint_search
from helpdesk.complaints import severity_models as severities
from helpdesk.complaints import tag_models as tags
from helpdesk.complaints import template_models as templates
from helpdesk.complaints import view_models as views
from helpdesk.customers import models as customers
from helpdesk.identity import administration_models as administration
from helpdesk.identity import allowance_models as authority_limits
from helpdesk.identity import key_models as keys
from helpdesk.identity import models as identity
from helpdesk.identity import password_models, provider_models, session_models
from helpdesk.integrations import models as integrations
from helpdesk.kernel import event_log, files, idempotency, in_force, jobs, mail, outbox
from helpdesk.recovery import approval_models as approvals
from helpdesk.recovery import budget_models as budgets
from helpdesk.recovery import case_fact_models as case_facts
from helpdesk.recovery import conflict_models as interest_conflicts
from helpdesk.recovery import counter_models as offer_counters
from helpdesk.recovery import decision_models as decisions
from helpdesk.recovery import delegation_models as delegations
from helpdesk.recovery import flag_models as offer_flags
from helpdesk.recovery import guard_models as guards
from helpdesk.recovery import models as recovery
from helpdesk.recovery import option_models as offer_options
from helpdesk.recovery import override_models as overrides
from helpdesk.recovery import playbook_models as playbooks
from helpdesk.recovery import points_models as points
from helpdesk.recovery import provider_models as remedy_providers
from helpdesk.recovery import tariff_models as tariffs
from helpdesk.recovery import voucher_models as vouchers
from helpdesk.sla import escalation_models as escalations
from helpdesk.sla import lateness_models as alarm_lateness
from helpdesk.sla import models as sla
from helpdesk.sla import regime_models as regimes
from helpdesk.suggestions import models as suggestions
from helpdesk.taxonomy import code_map_models as code_maps
from helpdesk.taxonomy import models as taxonomy

__all__ = [
    "administration",
    "alarm_lateness",
    "approvals",
    "attachment_models",
    "authority_limits",
    "automation",
    "budgets",
    "case_facts",
    "code_maps",
    "complaint_links",
    "complaint_merges",
    "complaint_search",
    "complaints",
    "custom_fields",
    "customers",
    "decisions",
    "delegations",
    "drafts",
    "escalations",
    "event_log",
    "evidence_models",
    "files",
    "forms",
    "guards",
    "idempotency",
    "identity",
    "in_force",
    "integrations",
    "interest_conflicts",
    "jobs",
    "keys",
    "mail",
    "notifications",
    "offer_counters",
    "offer_flags",
    "offer_options",
    "outbox",
    "overrides",
    "password_models",
    "playbooks",
    "points",
    "profiles",
    "provider_models",
    "recovery",
    "redactions",
    "regimes",
    "remedy_providers",
    "routing",
    "session_models",
    "severities",
    "sla",
    "suggestions",
    "tags",
    "tariffs",
    "taxonomy",
    "templates",
    "views",
    "vouchers",
]
