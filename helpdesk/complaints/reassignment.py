"""What an agent who has left leaves behind: their open complaints go to whoever was named, or are routed anew:
to whoever the rules find, else back to the queue.

The rows are the truth: a complaint is still to be given on as long as it is open and its assignee is not active. So it
happens once to each, whoever does it (the duty, a sweep, two of them at once) and wherever a worker is killed.
"""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from helpdesk.complaints import assignment, handler_queries, queries, routing
from helpdesk.complaints.assignment import How
from helpdesk.complaints.lifecycle import OPEN
from helpdesk.complaints.models import Complaint
from helpdesk.identity import queries as identity
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import UnitOfWork

TOPIC: Final = "complaints.reassign"
"""Of the duty to give on what an agent left behind; its subject is the agent, its payload `reassign_to`."""

LEFT: Final = "The agent who had it has left."


def give_on(uow: UnitOfWork, complaint_id: UUID, agent_id: UUID, to: Mapping[str, str]) -> bool:
    """One complaint; False when there is nothing to do (any more): it was closed, is another's, or the agent is back. `to`:
    `agent_id` or `team_id`; an agent who cannot have it by now, or whom it is about, is passed over.
    """
    complaint = queries.complaint_by_id_for_update(uow.session, complaint_id)
    if complaint.assignee_id != agent_id or complaint.status not in OPEN:
        return False
    if identity.active_agent(uow.session, agent_id) is not None:
        return False
    team_id = UUID(to["team_id"]) if "team_id" in to else complaint.team_id
    heir = _heir(uow, complaint, to)
    how = How("reassigned", LEFT, override=heir is not None)
    given = assignment.give(uow, complaint, how, assignee_id=heir, team_id=team_id, actor=SYSTEM)
    if heir is None:
        routing.route(uow, complaint, "handler_gone", wide="team_id" not in to)  # a team that was named keeps it
    return given


def _heir(uow: UnitOfWork, complaint: Complaint, to: Mapping[str, str]) -> UUID | None:
    """Locked. Room is not asked for: whoever named them knows that there will be more."""
    if "agent_id" not in to:
        return None
    agent_id = UUID(to["agent_id"])
    handler = handler_queries.handlers(uow.session, [agent_id], complaint.id).get(agent_id)
    return agent_id if handler is not None and handler.may_handle and not handler.is_subject else None


def release_if_left(uow: UnitOfWork, complaint: Complaint) -> None:
    """A locked complaint that is open again: who had it may have left meanwhile."""
    if complaint.assignee_id is None or identity.active_agent(uow.session, complaint.assignee_id) is not None:
        return
    how = How("reassigned", LEFT)
    assignment.give(uow, complaint, how, assignee_id=None, team_id=complaint.team_id, actor=SYSTEM)
