"""What a team that was closed leaves behind: its open complaints go to the team that goes on with them, or where the rules
send them, else to what no team has yet.

The rows are the truth, as in `reassignment`: a complaint is still to be given on as long as it is open and its team is not
active. So it happens once to each, and what is opened again later follows by the same rule.
"""

from typing import Final
from uuid import UUID

from helpdesk.complaints import assignment, queries, routing
from helpdesk.complaints.assignment import How
from helpdesk.complaints.lifecycle import OPEN
from helpdesk.complaints.models import Complaint
from helpdesk.identity import queries as identity
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import UnitOfWork

TOPIC: Final = "complaints.close_team"
"""Of the duty to give on what a team left behind; its subject is the team."""

CLOSED: Final = "The team that had it was closed."


def give_on(uow: UnitOfWork, complaint_id: UUID) -> bool:
    """One complaint; False when there is nothing to do (any more): it was closed, or has an active team or none."""
    complaint = queries.complaint_by_id_for_update(uow.session, complaint_id)
    return complaint.status in OPEN and hand_over(uow, complaint)


def hand_over(uow: UnitOfWork, complaint: Complaint, *, route: bool = True) -> bool:
    """A locked complaint that is open. Who has it keeps it where they are in the team that goes on with it, or where no team
    is named.
    """
    heir = identity.team_in_charge(uow.session, complaint.team_id)
    if heir == complaint.team_id:
        return False
    assignee_id = complaint.assignee_id
    if heir is not None and assignee_id is not None and assignee_id not in identity.members_of(uow.session, heir):
        assignee_id = None
    how = How("reassigned", CLOSED)
    given = assignment.give(uow, complaint, how, assignee_id=assignee_id, team_id=heir, actor=SYSTEM)
    if assignee_id is None and route:
        routing.route(uow, complaint, "team_changed", wide=heir is None)  # a team that was named keeps it
    return given
