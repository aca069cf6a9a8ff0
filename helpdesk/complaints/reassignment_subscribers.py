"""What follows for complaints from an agent's leaving, and for who has left from a complaint's coming back."""

from collections.abc import Sequence
from typing import cast

from helpdesk.complaints import reassignment
from helpdesk.complaints.events import ComplaintActed
from helpdesk.complaints.lifecycle import CLOSED, OPEN
from helpdesk.complaints.models import Complaint
from helpdesk.identity.events import AgentChanged
from helpdesk.kernel.unit_of_work import UnitOfWork


def owe_reassignment(uow: UnitOfWork, events: Sequence[AgentChanged]) -> None:
    for event in events:
        if event.left:
            uow.duty(reassignment.TOPIC, event.agent_id, payload=dict(event.reassign_to))


def opened_again(uow: UnitOfWork, events: Sequence[ComplaintActed]) -> None:
    """Nobody who has left has an open complaint."""
    for event in events:
        if event.from_status in CLOSED and event.to_status in OPEN:
            reassignment.release_if_left(uow, cast(Complaint, uow.stream_of(event.complaint_id)))
