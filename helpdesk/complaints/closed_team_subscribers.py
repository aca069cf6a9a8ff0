"""What follows for complaints from a team's closing, and for closed teams from a complaint's coming back."""

from collections.abc import Sequence
from typing import cast

from helpdesk.complaints import closed_teams
from helpdesk.complaints.events import ComplaintActed
from helpdesk.complaints.lifecycle import CLOSED, OPEN
from helpdesk.complaints.models import Complaint
from helpdesk.identity.events import TeamChanged
from helpdesk.kernel.unit_of_work import UnitOfWork


def owe_reassignment(uow: UnitOfWork, events: Sequence[TeamChanged]) -> None:
    for event in events:
        if event.closed:
            uow.duty(closed_teams.TOPIC, event.team_id)


def opened_again(uow: UnitOfWork, events: Sequence[ComplaintActed]) -> None:
    """No team that was closed has an open complaint."""
    for event in events:
        if event.from_status in CLOSED and event.to_status in OPEN:
            complaint = cast(Complaint, uow.stream_of(event.complaint_id))
            closed_teams.hand_over(uow, complaint, route=False)  # as everything that is opened again, it is routed next
