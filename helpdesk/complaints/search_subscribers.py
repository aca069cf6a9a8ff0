"""What makes a complaint's text another one, in the same transaction."""

from collections.abc import Sequence

from helpdesk.complaints.events import ComplaintEvent
from helpdesk.complaints.search_index import text_changed
from helpdesk.kernel.unit_of_work import UnitOfWork


def follow_text(uow: UnitOfWork, changed: Sequence[ComplaintEvent]) -> None:
    for event in changed:
        text_changed(uow, event.complaint_id)
