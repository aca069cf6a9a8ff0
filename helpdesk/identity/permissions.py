"""The permission vocabulary, and the roles that a system begins with.

Names are `resource:action`. A permission says that an act is allowed at all; on which rows, a role's scope says
(`complaints.queries.visible_to`), and for which amounts, its authority (`recovery.authority`).
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

PERMISSIONS: Final[dict[str, str]] = {
    "complaint:read": "see complaints, as far as the scope reaches",
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
    "complaint:bulk": "do one step on many complaints at once",
    "complaint:tag": "put tags on a complaint and take them off",
    "complaint:claim": "take an unassigned complaint, or give one's own back",
    "complaint:assign": "give a complaint to somebody",
    "complaint:redact": "take text out of a complaint or its thread for good",
    "form:read": "see the forms through which the public complains",
    "form:manage": "make and change forms",
    "quarantine:review": "look through what the forms' trap caught, and take it in or throw it away",
    "tag:create": "make new tags by using them",
    "tag:manage": "define, rename, merge and delete tags",
    "template:share": "write canned replies and macros for a team or for everybody",
    "attachment:add": "put files on complaints, and show them to the complainant or keep them from them",
    "attachment:redact": "remove a file for good",
    "evidence:read": "have evidence packs of complaints",
    "evidence:create": "ask for an evidence pack of a complaint",
    "evidence:needs": "have what makes somebody vulnerable told in evidence packs",
    "view:edit": "keep lists for oneself",
    "view:share": "keep lists for a team or for everybody",
    "taxonomy:manage": "change the words and the rules by which complaints are sorted and judged",
    "custom_field:manage": "define, change and delete custom fields",
    "complaint:link": "link complaints with each other, and unlink them",
    "complaint:merge": "merge duplicates, and undo that",
    "complaint:split": "split a complaint in two",
    "category_model:read": "see how good the model is that suggests categories, and the words that it knows",
    "category_model:train": "train the model that suggests categories",
    "customer:read": "see customers",
    "customer:edit": "create and change customers",
    "offer:read": "see recovery offers",
    "offer:draft": "draft, submit and withdraw recovery offers",
    "offer:approve": "approve or refuse offers within one's authority",
    "offer:send": "put an approved offer before the customer",
    "offer:issue": "record that an offer was issued by hand, or that it cannot be",
    "remedy_provider:read": "see the outside providers that issue remedies, never their secrets",
    "remedy_provider:manage": "say which outside providers issue remedies, and rotate their secrets",
    "offer:revoke": "withdraw an offer that the customer has not answered, and reverse an issued one",
    "offer:answer": "accept or decline an offer for the customer who said so",
    "authority:read": "see who lent authority to whom, everybody's conflicts of interest, and offers flagged as split",
    "authority:manage": "set the limits of authorities, and end what others lent",
    "conflict:manage": "record and end conflicts of interest of others",
    "budget:read": "see recovery budgets and their ledgers",
    "budget:manage": "open and allocate recovery budgets",
    "playbook:read": "see playbooks, how they were changed, and how often their suggestions are overridden",
    "playbook:manage": "change playbooks and tariffs, and try them on past complaints",
    "offer:below_floor": "say why less than what is owed is offered",
    "voucher:redeem": "redeem a voucher at a till",
    "points:read": "see what customers have in points, and the ledger",
    "points:burn": "take points from a customer for what they buy, and take that back",
    "claim_score:read": "see the scores of claims, their reasons, reviews, and the numbers they go by",
    "claim:review": "settle the review of a claim",
    "guard:manage": "set the numbers by which claims are scored and duplicates found",
    "recovery_report:read": "see what recovery costs and brings, and how evenly it is given",
    "complaint:regime": "record regulatory facts of a complaint, and say which regulators' rules apply to it",
    "sla:read": "see calendars, policies and regulatory rules",
    "sla:manage": "change calendars and policies, and what can be set of regulatory rules",
    "event:read": "read the event feed",
    "audit:read": "read the log of administrative acts",
    "import:run": "import complaints",
    "job:read_all": "see everybody's jobs, not only one's own",
    "job:cancel_all": "cancel everybody's jobs, not only one's own",
    "agent:read": "see agents, teams and roles",
    "agent:manage": "create and change agents and teams",
    "role:manage": "create and change roles",
    "team:lead": "set skills, languages, capacity and absences of the agents of one's own teams",
    "routing:read": "see routing rules",
    "routing:manage": "change the routing rules of the teams whose complaints one sees",
    "automation:read": "see triggers, and what they did",
    "automation:manage": "make, change and try triggers",
    "token:manage": "make and revoke other agents' tokens",
    "session:manage": "see and end other agents' sessions",
    "key:read": "see API keys, never their secrets",
    "key:manage": "make, change, rotate and revoke API keys",
    "provider:read": "see the identity providers that people sign in through",
    "provider:manage": "say which identity providers are believed, and so who gets in as whom",
}

_READING = {"complaint:read", "customer:read", "offer:read", "points:read", "sla:read", "agent:read"}
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
    "complaint:bulk",
    "tag:create",
    "view:edit",
    "attachment:add",
    "complaint:link",
    "complaint:regime",
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
    "template:share",
    "attachment:redact",
    "complaint:merge",
    "complaint:split",
    "evidence:read",
    "evidence:create",
    "offer:approve",
    "offer:issue",
    "claim_score:read",
    "claim:review",
    "budget:read",
    "playbook:read",
    "quarantine:review",
    "tag:manage",
    "view:share",
    "team:lead",
    "routing:read",
}
_AUDITOR = _READING | {
    "authority:read",
    "evidence:read",
    "budget:read",
    "claim_score:read",
    "recovery_report:read",
    "playbook:read",
    "remedy_provider:read",
    "provider:read",
    "event:read",
    "audit:read",
    "job:read_all",
    "key:read",
    "routing:read",
    "automation:read",
    "form:read",
    "category_model:read",
}
_MANAGER = _SENIOR | {
    "evidence:needs",
    "complaint:redact",
    "offer:revoke",
    "recovery_report:read",
    "guard:manage",
    "custom_field:manage",
    "taxonomy:manage",
    "budget:manage",
    "remedy_provider:read",
    "authority:read",
    "conflict:manage",
    "playbook:manage",
    "offer:below_floor",
    "sla:manage",
    "event:read",
    "import:run",
    "form:read",
    "form:manage",
    "voucher:redeem",
    "points:burn",
    "routing:manage",
    "category_model:read",
    "category_model:train",
    "automation:read",
    "automation:manage",
}

SCOPES: Final = ("own", "teams", "everything")
"""Which complaints: assigned to oneself; those too of one's teams and of no team yet; all. Each holds the one before."""

AUTHORITIES: Final = ("none", "agent", "senior", "manager", "director")
"""Whose limits apply when money is given away (`recovery.authority`). Each holds the one before."""


@dataclass(frozen=True, slots=True)
class Rights:
    """What a role gives: acts, on which complaints, and for how much."""

    permissions: frozenset[str]
    scope: str = "own"
    authority: str = "none"

    def beyond(self, other: "Rights") -> dict[str, Any]:
        """What is in these and not in the other's: `permissions`, `scope`, `authority`; empty when they hold all of it."""
        found: dict[str, Any] = {}
        if self.permissions - other.permissions:
            found["permissions"] = sorted(self.permissions - other.permissions)
        if SCOPES.index(self.scope) > SCOPES.index(other.scope):
            found["scope"] = self.scope
        if AUTHORITIES.index(self.authority) > AUTHORITIES.index(other.authority):
            found["authority"] = self.authority
        return found


@lru_cache(maxsize=1_000)
def rights(permissions: str, scope: str, authority: str) -> Rights:
    """From a row of the database, the permissions as one text with blanks between. What this version of the program does
    not know is left out. Kept: every request asks.
    """
    return Rights(frozenset(permissions.split()) & PERMISSIONS.keys(), scope, authority)


@dataclass(frozen=True, slots=True)
class Shipped:
    description: str
    rights: Rights


SHIPPED: Final[dict[str, Shipped]] = {
    "agent": Shipped("Handles complaints.", Rights(frozenset(_AGENT), "teams", "agent")),
    "senior": Shipped("Decides the harder ones, and approves offers.", Rights(frozenset(_SENIOR), "teams", "senior")),
    "manager": Shipped("Answers for every team.", Rights(frozenset(_MANAGER), "everything", "manager")),
    "director": Shipped(
        "As a manager, for larger amounts.",
        Rights(frozenset(_MANAGER | {"authority:manage"}), "everything", "director"),
    ),
    "admin": Shipped("May do everything.", Rights(frozenset(PERMISSIONS), "everything", "director")),
    "auditor": Shipped("Reads everything and changes nothing.", Rights(frozenset(_AUDITOR), "everything", "none")),
}
"""The roles that a system begins with. Roles are rows (`models.Role`), and these may be changed like any other; what a later
version of the program adds here, to a permission's name, reaches the rows once (`roles.install_permissions`).
"""

ROLES: Final[dict[str, frozenset[str]]] = {name: shipped.rights.permissions for name, shipped in SHIPPED.items()}

ADMINISTRATOR: Final = "admin"
ADMINISTERING: Final = frozenset({"agent:read", "agent:manage", "role:manage"})
"""Who holds these can give anybody else what they hold: the role `admin` keeps them, and somebody always has them."""
