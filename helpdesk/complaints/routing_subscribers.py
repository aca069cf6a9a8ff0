"""What routing does when something happens to a complaint, in the same transaction."""

from collections.abc import Sequence
from typing import Final

from helpdesk.complaints import routing
from helpdesk.complaints.choosing import SUBJECT
from helpdesk.complaints.events import ComplaintActed, ComplaintAssigned, ComplaintReceived, MessageAdded
from helpdesk.complaints.intake import NewComplaint
from helpdesk.complaints.lifecycle import CLOSED, OPEN
from helpdesk.complaints.models import Complaint
from helpdesk.complaints.person_events import PersonAdded
from helpdesk.kernel.unit_of_work import UnitOfWork

URGENT: Final = frozenset({"S1", "S2"})


def received(uow: UnitOfWork, events: Sequence[ComplaintReceived]) -> None:
    for event in events:
        born = uow.stream_of(event.complaint_id)
        if isinstance(born, NewComplaint) and born.to_route:
            routing.route_new(uow, born)


def acted(uow: UnitOfWork, events: Sequence[ComplaintActed]) -> None:
    """Triage says what it is, so that its team can be another; what is open again needs its handler; what becomes urgent does
    not wait for one who is out of office. What is closed waits for nobody.
    """
    for event in events:
        complaint = uow.stream_of(event.complaint_id)
        if not isinstance(complaint, Complaint):
            continue
        if complaint.status not in OPEN:
            complaint.awaits_agent = False
        elif event.from_status in CLOSED:
            routing.resume_with(uow, complaint)
        elif event.action == "triage" and complaint.assignee_id is None:
            routing.route(uow, complaint, "triaged")
        elif event.action == "escalate" or ("severity" in event.changes and event.severity in URGENT):
            routing.replace_absent(uow, complaint)


def message_added(uow: UnitOfWork, events: Sequence[MessageAdded]) -> None:
    """The complainant does not wait for one who is out of office."""
    for event in events:
        complaint = uow.stream_of(event.complaint_id)
        if event.kind == "inbound" and isinstance(complaint, Complaint) and complaint.status in OPEN:
            routing.replace_absent(uow, complaint)


def assigned(uow: UnitOfWork, events: Sequence[ComplaintAssigned]) -> None:
    """Given to another team, by somebody, and to nobody there: that team's rules choose."""
    for event in events:
        complaint = uow.stream_of(event.complaint_id)
        if event.how not in {"assigned", "released"} or "team_id" not in event.changes:
            continue
        if isinstance(complaint, Complaint) and complaint.assignee_id is None and complaint.team_id is not None:
            routing.route(uow, complaint, "team_changed", wide=False)


def person_added(uow: UnitOfWork, events: Sequence[PersonAdded]) -> None:
    """Who turns out to be complained about does not keep the complaint."""
    for event in events:
        complaint = uow.stream_of(event.complaint_id)
        _, agent_id = event.changes.get("agent_id", (None, None))
        if event.role != "subject" or not isinstance(complaint, Complaint) or complaint.assignee_id is None:
            continue
        if str(complaint.assignee_id) == str(agent_id) and complaint.status in OPEN:
            uow.session.flush()  # who is looked for next is asked whether it is about them
            routing.take_away(uow, complaint, SUBJECT)
