"""Who has a complaint: given, taken, given back. The one place that writes assignee and team of a complaint that is there.

Whoever is given one is locked and counted first (`handler_queries`), so that nobody is filled beyond their capacity by two
at once. A person can pass that limit over, with a reason that stands in the timeline; routing never does.

**Sight.** An agent need not be in the complaint's team: whoever has a complaint sees it. So giving it to somebody brings it
into their sight, and is refused only where no assignment could (their role may not read complaints at all).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from helpdesk.complaints import changes, handler_queries, queue_queries
from helpdesk.complaints.choosing import CANNOT, FULL, OFF_HOURS, Handler
from helpdesk.complaints.errors import AgentUnavailable, AlreadyAssigned, SubjectCannotHandle
from helpdesk.complaints.events import ComplaintAssigned
from helpdesk.complaints.lifecycle import OPEN
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.taxonomy import SEVERITIES
from helpdesk.complaints.thread import add_message
from helpdesk.identity import queries as identity
from helpdesk.identity.actors import Actor
from helpdesk.kernel.access import require
from helpdesk.kernel.errors import FieldError, Forbidden, ValidationFailed
from helpdesk.kernel.events import Principal
from helpdesk.kernel.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class How:
    """How an assignment came about, for the timeline."""

    how: str
    reason: str | None = None
    override: bool = False


def assign(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: dict[str, Any]) -> UUID:
    """Set assignee and/or team; None releases. With another team alone, the assignee keeps it only as a member of it.

    Raises `ValidationFailed` for an agent or team that is not there, `SubjectCannotHandle`, and `AgentUnavailable` without
    `override`.
    """
    assignee_id, handler = _wanted(uow, complaint, given)
    if handler is not None and assignee_id != complaint.assignee_id:
        _check(handler, complaint, override=given.get("override", False), given_away=True)
    how = "assigned" if assignee_id is not None or complaint.assignee_id is None else "released"
    give(
        uow,
        complaint,
        How(how, given.get("reason"), given.get("override", False)),
        assignee_id=assignee_id,
        team_id=given.get("team_id", complaint.team_id),
    )
    _hand_over(uow, actor, complaint, given)
    return complaint.id


_MAY_NOT: Final = f"This agent's role may not handle complaints: that takes the permissions {' and '.join(sorted(handler_queries.NEEDED))}."


def _wanted(uow: UnitOfWork, complaint: Complaint, given: dict[str, Any]) -> tuple[UUID | None, Handler | None]:
    """Who is to have it, locked."""
    problems, handler = [], None
    assignee_id: UUID | None = given.get("assignee_id", complaint.assignee_id)
    if "assignee_id" in given and assignee_id is not None:
        handler = handler_queries.handlers(uow.session, [assignee_id], complaint.id).get(assignee_id)
        if handler is None:
            problems.append(FieldError.at("/assignee_id", "unknown", "There is no such active agent."))
        elif not handler.may_handle:
            problems.append(FieldError.at("/assignee_id", CANNOT, _MAY_NOT))
    team_id = given.get("team_id")
    if team_id and team_id != complaint.team_id and not identity.active_team(uow.session, team_id):
        problems.append(FieldError.at("/team_id", "unknown", "There is no such active team."))
    if problems:
        raise ValidationFailed(errors=problems)
    if "assignee_id" not in given and _leaves_team(uow, complaint, given):
        assignee_id = None
    return assignee_id, handler


def _leaves_team(uow: UnitOfWork, complaint: Complaint, given: dict[str, Any]) -> bool:
    team_id = given.get("team_id")
    if complaint.assignee_id is None or team_id is None or team_id == complaint.team_id:
        return False
    return complaint.assignee_id not in identity.members_of(uow.session, team_id)


def _check(handler: Handler, complaint: Complaint, *, override: bool, given_away: bool) -> None:
    """`given_away`: by somebody else. Who takes it themselves is there, whatever their profile says."""
    if handler.is_subject:
        raise SubjectCannotHandle
    full = complaint.status in OPEN and not handler.has_room(complaint.severity)
    reasons = [*(handler.unready() if given_away else ()), *([FULL] if full else ())]
    if reasons and not override:
        raise AgentUnavailable(
            f"Not possible without `override`: {', '.join(reasons)}.",
            reasons=reasons,
            load=handler.load if full else None,
            capacity=handler.capacity,
            substitute_id=handler.substitute_id and str(handler.substitute_id),
        )


def claim(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: dict[str, Any]) -> UUID:
    """Take it. Of two who claim at once, the first has it and the second is told who. Raises `AlreadyAssigned`,
    `SubjectCannotHandle`, and `AgentUnavailable` without `override`.
    """
    own = _own(actor)
    if complaint.assignee_id not in {None, own}:
        raise AlreadyAssigned(assignee_id=str(complaint.assignee_id))
    if complaint.assignee_id is None:
        _check(_self(uow, own, complaint.id), complaint, override=given.get("override", False), given_away=False)
        how = How("claimed", given.get("reason"), given.get("override", False))
        give(uow, complaint, how, assignee_id=own, team_id=complaint.team_id)
    return complaint.id


def take_next(uow: UnitOfWork, actor: Actor, team_id: UUID | None) -> UUID | None:
    """The most urgent complaint of the queue that the actor may and can take, now theirs; None when there is none. Many
    may ask at once: each gets another one. Raises `AgentUnavailable` where they have no room, and where their profile says
    that they are not there: a console that asks by itself would give them work that nobody does. Off hours they may.
    """
    own = _own(actor)
    handler = _self(uow, own, None)
    severities = [severity for severity in SEVERITIES if handler.has_room(severity)]
    absent = [reason for reason in handler.unready() if reason != OFF_HOURS]
    if absent or not severities:
        raise _no_next(handler, absent, full=not severities)
    complaint = queue_queries.next_for_update(uow.session, actor, team_id, handler, severities)
    if complaint is None:
        return None
    give(uow, complaint, How("next"), assignee_id=own, team_id=complaint.team_id)
    return complaint.id


def _no_next(handler: Handler, absent: list[str], *, full: bool) -> AgentUnavailable:
    """In words for whoever asked for their next one, who cannot override anything."""
    said = ["Your profile says that you are not there: say that you are, or end the absence."] if absent else []
    if full:
        said.append(f"You have {handler.load} of {handler.capacity}: finish or release something first.")
    reasons = [*absent, *([FULL] if full else ())]
    return AgentUnavailable(
        " ".join(said), reasons=reasons, load=handler.load if full else None, capacity=handler.capacity
    )


def release(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: dict[str, Any]) -> UUID:
    """Give it back to its queue: one's own; somebody else's with `complaint:assign`."""
    if complaint.assignee_id not in {None, actor.id}:
        require(actor, "complaint:assign")
    if complaint.assignee_id is not None:
        give(uow, complaint, How("released", given.get("reason")), assignee_id=None, team_id=complaint.team_id)
    _hand_over(uow, actor, complaint, given)
    return complaint.id


def give(
    uow: UnitOfWork,
    complaint: Complaint,
    how: How,
    *,
    assignee_id: UUID | None,
    team_id: UUID | None,
    actor: Principal | None = None,
    columns: Mapping[str, Any] | None = None,
) -> bool:
    """Write it down and say so; whether anything changed. The caller has locked the complaint, and the agent, and checked
    that they may have it. `columns`: others of the complaint that go with it.
    """
    before = changes.values_of(complaint)
    if assignee_id != complaint.assignee_id:
        complaint.assigned_at = None if assignee_id is None else uow.now
    if team_id != complaint.team_id:
        complaint.required_skills = None  # its new team may want others
    complaint.assignee_id, complaint.team_id = assignee_id, team_id
    complaint.awaits_agent = False
    for name, value in (columns or {}).items():
        setattr(complaint, name, value)
    changed = changes.since(before, complaint)
    if not changed:
        return False
    complaint.changed_at(uow.now)
    uow.record(
        ComplaintAssigned(
            complaint_id=complaint.id,
            reference=complaint.reference,
            changes=changed,
            assignee_id=assignee_id,
            team_id=team_id,
            how=how.how,
            reason=how.reason,
            override=how.override,
        ),
        stream=complaint,
        actor=actor,
    )
    return True


def _own(actor: Actor) -> UUID:
    if actor.kind != "agent" or actor.id is None:
        raise Forbidden("Only an agent can take a complaint.")
    return actor.id


def _self(uow: UnitOfWork, own: UUID, complaint_id: UUID | None) -> Handler:
    found = handler_queries.handlers(uow.session, [own], complaint_id).get(own)
    if found is None:  # deactivated since the request began
        raise Forbidden("This agent is not active any more.")
    return found


def _hand_over(uow: UnitOfWork, actor: Actor, complaint: Complaint, given: dict[str, Any]) -> None:
    if given.get("note"):
        add_message(uow, actor, complaint, kind="internal_note", body=given["note"], purpose="handover")
        complaint.changed_at(uow.now)
