"""The permission vocabulary and the role table. Nothing else decides what a role may do.

Names are `resource:action`. A permission says that an act is allowed at all; on which rows, `visible_to(actor)` says, and
for which amounts, the recovery domain's authority limits.
"""

from typing import Final

PERMISSIONS: Final[dict[str, str]] = {
    "complaint:read": "see complaints of one's own teams, one's own, and those no team has yet",
    "complaint:read_all": "see the complaints of every team",
    "complaint:create": "take in a complaint",
    "complaint:edit": "change a complaint's description and attributes",
    "complaint:reply": "write to the complainant",
    "complaint:note": "write internal notes",
    "complaint:acknowledge": "acknowledge receipt to the complainant",
    "complaint:triage": "judge impact and urgency, category and track",
    "complaint:ask": "ask the complainant or a third party, and resume",
    "complaint:investigate": "record findings and causes",
    "complaint:resolve": "decide the outcome",
    "complaint:follow_up": "record how it went",
    "complaint:withdraw": "record that the complainant withdrew",
    "complaint:dismiss": "close what is no complaint to us",
    "complaint:convert": "say that something is a complaint, or (who may dismiss it) that a complaint is none",
    "complaint:reopen": "take a closed complaint up again",
    "complaint:escalate": "raise or lower the level of escalation",
    "complaint:refer": "record that the complaint went to an outside body",
    "complaint:tag": "put tags on a complaint and take them off",
    "complaint:claim": "take an unassigned complaint, or give one's own back",
    "complaint:assign": "give a complaint to somebody",
    "tag:create": "make new tags by using them",
    "tag:manage": "define, rename, merge and delete tags",
    "customer:read": "see customers",
    "customer:edit": "create and change customers",
    "offer:read": "see recovery offers",
    "offer:draft": "draft, submit and withdraw recovery offers",
    "offer:approve": "approve or refuse offers within one's authority",
    "offer:send": "put an approved offer before the customer",
    "offer:revoke": "withdraw an offer that the customer has not answered, and reverse an issued one",
    "offer:answer": "accept or decline an offer for the customer who said so",
    "budget:read": "see recovery budgets and their ledgers",
    "budget:manage": "open and allocate recovery budgets",
    "voucher:redeem": "redeem a voucher at a till",
    "sla:read": "see calendars and policies",
    "sla:manage": "change calendars and policies",
    "event:read": "read the event feed",
    "audit:read": "read the log of administrative acts",
    "import:run": "import complaints",
    "job:read_all": "see everybody's jobs, not only one's own",
    "agent:read": "see agents, teams and roles",
    "agent:manage": "create and change agents and teams",
    "token:manage": "make and revoke other agents' tokens",
}

_READING = {"complaint:read", "customer:read", "offer:read", "sla:read", "agent:read"}
_AGENT = _READING | {
    "complaint:create",
    "complaint:edit",
    "complaint:reply",
    "complaint:note",
    "complaint:acknowledge",
    "complaint:triage",
    "complaint:ask",
    "complaint:investigate",
    "complaint:resolve",
    "complaint:follow_up",
    "complaint:withdraw",
    "complaint:convert",
    "complaint:escalate",
    "complaint:claim",
    "complaint:tag",
    "tag:create",
    "customer:edit",
    "offer:draft",
    "offer:send",
    "offer:answer",
}
_SENIOR = _AGENT | {
    "complaint:dismiss",
    "complaint:reopen",
    "complaint:refer",
    "complaint:assign",
    "offer:approve",
    "budget:read",
    "tag:manage",
}
_MANAGER = _SENIOR | {
    "complaint:read_all",
    "offer:revoke",
    "budget:manage",
    "sla:manage",
    "event:read",
    "import:run",
    "voucher:redeem",
}

ROLES: Final[dict[str, frozenset[str]]] = {
    "agent": frozenset(_AGENT),
    "senior": frozenset(_SENIOR),
    "manager": frozenset(_MANAGER),
    "director": frozenset(_MANAGER),
    "admin": frozenset(PERMISSIONS),
    "auditor": frozenset(_READING | {"complaint:read_all", "budget:read", "event:read", "audit:read", "job:read_all"}),
}
