"""Routing: a complaint finds its team and, where there is one who can take it, its handler.

It runs when a complaint comes in, is triaged or reopened, and when it gets another team; the sweep (`routing_jobs`) looks
again when somebody becomes free. What has a handler is left with them. Every decision is an event on the complaint's
stream that says which rule made it, in which version, and of each candidate why it was them, or was not.

It gives nobody more than they have room for: the team's agents are locked, and counted after that (`handler_queries`).
Nobody is given anything while they are away, out of office or off hours, or what is about them. Where nobody can take it,
it stays in the queue and the decision says why.
"""

from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import assignment, facts, handler_queries, routing_rules
from helpdesk.complaints.assignment import How
from helpdesk.complaints.choosing import INACTIVE, OFF_HOURS, Choice, Handler, choose
from helpdesk.complaints.errors import AlreadyAssigned
from helpdesk.complaints.events import ComplaintAssigned, ComplaintRouted
from helpdesk.complaints.intake import NewComplaint
from helpdesk.complaints.lifecycle import OPEN
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.routing_rules import Verdict
from helpdesk.customers import queries as customers
from helpdesk.identity.actors import SYSTEM, Actor
from helpdesk.kernel.differences import differences
from helpdesk.kernel.errors import Conflict, NotFound
from helpdesk.kernel.facts import Facts
from helpdesk.kernel.unit_of_work import UnitOfWork

TOLD: Final = 50
"""Candidates in the event, at most."""
MAX_HOPS: Final = 5
"""From one who is out of office to whoever stands in for them, and so on."""

CAUSES: Final = (
    "received",
    "triaged",
    "reopened",
    "team_changed",
    "agent_available",
    "asked_for",
    "handler_absent",
    "handler_gone",
)
OUTCOMES: Final = ("assigned", "queued", "kept")

NOBODY_READY: Final = "nobody_ready"
QUEUE_ONLY: Final = "queue_only"
NO_TEAM: Final = "no_team"


@dataclass(frozen=True, slots=True)
class Decision:
    """What was, or would be, decided. `reason`: why nobody has it."""

    cause: str
    verdict: Verdict | None
    choice: Choice
    reason: str | None = None

    @property
    def handler(self) -> Handler | None:
        return self.choice.taken

    @property
    def handler_id(self) -> UUID | None:
        return None if self.choice.taken is None else self.choice.taken.id

    def told(self, team_id: UUID | None) -> dict[str, Any]:
        rule = self.verdict.rule if self.verdict else None
        return {
            "cause": self.cause,
            "rule_id": rule and rule.id,
            "rule_version": rule and rule.version,
            "rule_name": rule and rule.name,
            "strategy": self.verdict and self.verdict.strategy,
            "outcome": "queued" if self.handler is None else "assigned",
            "reason": self.reason,
            "team_id": team_id,
            "assignee_id": self.handler_id,
            "required_skills": list(self.verdict.required) if self.verdict else [],
            "candidates": self.choice.candidates[:TOLD],
            "considered": len(self.choice.candidates),
        }

    @property
    def team_id(self) -> UUID | None:
        return self.verdict.team_id if self.verdict else None


_NOBODY: Final = Choice(None, [])

NOTHING_TOLD: Final[dict[str, Any]] = {
    "rule_id": None,
    "rule_version": None,
    "rule_name": None,
    "strategy": None,
    "outcome": "no_rule",
    "reason": None,
    "team_id": None,
    "assignee_id": None,
    "required_skills": [],
    "candidates": [],
    "considered": 0,
}
"""Of a complaint that no rule is for."""


def decide(
    session: Session, complaint_id: UUID, verdict: Verdict, severity: str, cause: str, *, lock: bool
) -> Decision:
    """Among the agents of the team, who are locked. Two statements, none where nobody is to be chosen."""
    if verdict.team_id is None:
        return Decision(cause, verdict, _NOBODY, NO_TEAM)
    if verdict.strategy == QUEUE_ONLY:
        return Decision(cause, verdict, _NOBODY, QUEUE_ONLY)
    handlers = handler_queries.handlers_of_team(session, verdict.team_id, complaint_id, lock=lock)
    choice = choose(handlers, verdict.strategy, severity, verdict.required)
    return Decision(cause, verdict, choice, None if choice.taken else NOBODY_READY)


def route(uow: UnitOfWork, complaint: Complaint, cause: str, *, wide: bool = True) -> Decision | None:
    """Of a locked complaint that nobody has. None where no rule is for it: it stays as it is. `wide`: by everybody's rules
    too, not only by those of its team.
    """
    rules = routing_rules.in_force(uow.session)
    if not rules:
        return None
    known = facts.facts_of(uow.session, complaint, routing_rules.wanted_facts(rules), uow.now)
    verdict = routing_rules.judge(rules, known, wide=wide)
    if verdict is None:
        complaint.awaits_agent = False
        return None
    decision = decide(uow.session, complaint.id, verdict, complaint.severity, cause, lock=True)
    _apply(uow, complaint, decision)
    return decision


def _apply(uow: UnitOfWork, complaint: Complaint, decision: Decision) -> None:
    verdict, assignee_id = decision.verdict, decision.handler_id
    team_id = verdict.team_id if verdict else complaint.team_id
    memory = {
        "awaits_agent": decision.reason == NOBODY_READY,
        "required_skills": list(verdict.required) or None if verdict else None,
    }
    after = {"assignee_id": assignee_id, "team_id": team_id, **memory}
    if decision.cause != "agent_available" or any(getattr(complaint, name) != value for name, value in after.items()):
        _tell(uow, complaint, decision.told(team_id))  # the sweep looks again and again, and says what is new
    assignment.give(
        uow, complaint, How("routed"), assignee_id=assignee_id, team_id=team_id, actor=SYSTEM, columns=memory
    )


def _tell(uow: UnitOfWork, complaint: Complaint | NewComplaint, told: dict[str, Any]) -> None:
    uow.record(
        ComplaintRouted(complaint_id=complaint.id, reference=complaint.reference, **told),
        stream=complaint,
        actor=SYSTEM,
    )


def route_new(uow: UnitOfWork, born: NewComplaint) -> Decision | None:
    """As `route`, of one that is just being taken in: its row is written with what is decided here."""
    rules = routing_rules.in_force(uow.session)
    if not rules:
        return None
    row = born.row
    known = _facts_of_new(uow, born, routing_rules.wanted_facts(rules))
    verdict = routing_rules.judge(rules, known, wide=True)
    if verdict is None:
        return None
    decision = decide(uow.session, born.id, verdict, row["severity"], "received", lock=True)
    names = ("assignee_id", "team_id")
    before = {name: row[name] for name in names}
    row |= {
        "assignee_id": decision.handler_id,
        "team_id": verdict.team_id,
        "required_skills": list(verdict.required) or None,
        "awaits_agent": decision.reason == NOBODY_READY,
        "assigned_at": None if decision.handler is None else uow.now,
    }
    changed = differences(before, {name: row[name] for name in names})
    _tell(uow, born, decision.told(verdict.team_id))
    if changed:
        uow.record(
            ComplaintAssigned(
                complaint_id=born.id,
                reference=born.reference,
                changes=changed,
                assignee_id=row["assignee_id"],
                team_id=row["team_id"],
                how="routed",
            ),
            stream=born,
            actor=SYSTEM,
        )
    return decision


def _facts_of_new(uow: UnitOfWork, born: NewComplaint, wanted: frozenset[str]) -> Facts:
    row = SimpleNamespace(**born.row)
    values = facts.on_the_row(row, uow.now) | facts.of_issues(born.issues)
    if {"customer_tier", "customer_kind"} & wanted and row.customer_id is not None:
        try:
            values |= facts.of_customer(customers.get(uow.session, row.customer_id))
        except NotFound:  # of this very transaction
            values |= facts.of_customer(facts.NEW_CUSTOMER)
    return Facts(values)


def replace_absent(uow: UnitOfWork, complaint: Complaint) -> Decision | None:
    """Something new or urgent on a locked complaint whose handler is out of office: it goes to whoever stands in for them,
    and from one who is out of office too to theirs. Where the substitute cannot take it, it is routed anew; where no rule
    is for it, it stays, and that is told. None where the handler is there, or nobody stands in.
    """
    absent = complaint.assignee_id
    if absent is None:
        return None
    substitute_id = handler_queries.substitute_of(uow.session, absent)
    if substitute_id is None:
        return None
    decision = _stand_in(uow.session, complaint, _last_of_chain(uow.session, absent, substitute_id))
    if decision.handler_id is not None:
        _tell(uow, complaint, decision.told(complaint.team_id))
        _give(uow, complaint, "substituted", decision.handler_id)
        return decision
    _tell(uow, complaint, decision.told(complaint.team_id) | {"outcome": "kept", "assignee_id": absent})
    return _anew(uow, complaint) or decision


def _last_of_chain(session: Session, absent: UUID, substitute_id: UUID) -> UUID:
    """From one who is out of office to whoever stands in for them; the last one found where it is a circle."""
    seen = {absent}
    following: UUID | None = substitute_id
    while following is not None and following not in seen and len(seen) <= MAX_HOPS:
        substitute_id = following
        seen.add(following)
        following = handler_queries.substitute_of(session, following)
    return substitute_id


def _stand_in(session: Session, complaint: Complaint, substitute_id: UUID) -> Decision:
    """Looked at before they are locked, so that nobody is locked in vain: who is locked out of order may be waited for by
    whoever waits for us.
    """
    choice = _NOBODY
    for lock in (False, True):
        found = handler_queries.handlers(session, [substitute_id], complaint.id, lock=lock)
        choice = choose(list(found.values()), "least_loaded", complaint.severity, ())
        if choice.taken is None:
            break
    return Decision("handler_absent", None, choice, None if choice.taken else NOBODY_READY)


def _anew(uow: UnitOfWork, complaint: Complaint) -> Decision | None:
    """Routed by its team's rules as if nobody had it; whoever has it keeps it where that finds nobody."""
    rules = routing_rules.in_force(uow.session)
    known = facts.facts_of(uow.session, complaint, routing_rules.wanted_facts(rules), uow.now)
    verdict = routing_rules.judge(rules, known, wide=False)
    if verdict is None:
        return None
    decision = decide(uow.session, complaint.id, verdict, complaint.severity, "handler_absent", lock=True)
    if decision.handler is None:
        return None
    _apply(uow, complaint, decision)
    return decision


def _give(uow: UnitOfWork, complaint: Complaint, how: str, assignee_id: UUID | None, reason: str | None = None) -> None:
    assignment.give(uow, complaint, How(how, reason), assignee_id=assignee_id, team_id=complaint.team_id, actor=SYSTEM)


def resume_with(uow: UnitOfWork, complaint: Complaint) -> Decision | None:
    """A locked complaint that was reopened: whoever had it goes on with it, where they are there and have room; else it is
    routed anew.
    """
    if complaint.assignee_id is not None:
        reasons = _why_not(uow.session, complaint, complaint.assignee_id)
        if not reasons:
            return None
        _give(uow, complaint, "reassigned", None, ", ".join(reasons))
    return route(uow, complaint, "reopened")


def _why_not(session: Session, complaint: Complaint, agent_id: UUID) -> list[str]:
    """Why they cannot go on with it; empty, and they are locked, where they can. As in `_stand_in`, looked at first."""
    for lock in (False, True):
        handler = handler_queries.handlers(session, [agent_id], complaint.id, lock=lock).get(agent_id)
        reasons = [INACTIVE] if handler is None else handler.reasons(complaint.severity, ())
        reasons = [reason for reason in reasons if reason != OFF_HOURS]
        if reasons:
            return reasons
    return []


def take_away(uow: UnitOfWork, complaint: Complaint, reason: str) -> Decision | None:
    """From a handler who cannot have it any more, of a locked complaint; it is routed anew."""
    _give(uow, complaint, "reassigned", None, reason)
    return route(uow, complaint, "handler_gone")


def check_free(_session: Session, _actor: Actor, complaint: Complaint) -> None:
    """Raises `AlreadyAssigned`; and `Conflict` for a complaint that is closed."""
    if complaint.assignee_id is not None:
        raise AlreadyAssigned(assignee_id=str(complaint.assignee_id))
    if complaint.status not in OPEN:
        raise Conflict(f"The complaint is {complaint.status}; reopen it first.", state=complaint.status)


def preview(session: Session, complaint: Complaint, now: datetime) -> Decision | None:
    """What `route` would decide now, if nobody had it. Locks and changes nothing."""
    rules = routing_rules.in_force(session)
    known = facts.facts_of(session, complaint, routing_rules.wanted_facts(rules), now)
    verdict = routing_rules.judge(rules, known, wide=True)
    if verdict is None:
        return None
    return decide(session, complaint.id, verdict, complaint.severity, "asked_for", lock=False)
