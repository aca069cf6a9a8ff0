"""What happens to offers when something happens to their complaint, in the same transaction."""

from collections.abc import Sequence

from helpdesk.complaints.events import ComplaintDismissed, ComplaintWithdrawn
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import offers


def complaint_withdrawn(uow: UnitOfWork, events: Sequence[ComplaintWithdrawn]) -> None:
    """What was accepted is owed and goes on; what was not answered is taken back."""
    offers.revoke_all(uow, [event.complaint_id for event in events], "The complaint was withdrawn.")


def complaint_dismissed(uow: UnitOfWork, events: Sequence[ComplaintDismissed]) -> None:
    offers.revoke_all(uow, [event.complaint_id for event in events], "The complaint was dismissed.")
