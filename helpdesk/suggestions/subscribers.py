from collections.abc import Sequence

from helpdesk.complaints.events import ComplaintTriaged
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.suggestions import following


def complaint_triaged(uow: UnitOfWork, events: Sequence[ComplaintTriaged]) -> None:
    """Whether the agent who judged it followed what they had been shown."""
    for event in events:
        actor = uow.recorded(event).actor
        if actor.kind == "agent" and actor.id is not None:
            following.decide(uow, event.complaint_id, actor.id, event.given["category"])
