"""What happens to offers when something happens to their complaint, in the same transaction."""

from collections.abc import Sequence

from helpdesk.complaints.events import ComplaintDismissed, ComplaintWithdrawn
from helpdesk.complaints.link_events import DuplicateMerged, DuplicateParted
from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.recovery import moving, offers


def complaint_withdrawn(uow: UnitOfWork, events: Sequence[ComplaintWithdrawn]) -> None:
    """What was accepted is owed and goes on; what was not answered is taken back."""
    offers.revoke_all(uow, [event.complaint_id for event in events], "The complaint was withdrawn.")


def complaint_dismissed(uow: UnitOfWork, events: Sequence[ComplaintDismissed]) -> None:
    offers.revoke_all(uow, [event.complaint_id for event in events], "The complaint was dismissed.")


def duplicate_merged(uow: UnitOfWork, events: Sequence[DuplicateMerged]) -> None:
    """What was delivered counts in the case that goes on, so that nothing is paid twice; nothing unsettled is merged."""
    for event in events:
        if event.one_customer:
            moving.move(uow, event)


def duplicate_parted(uow: UnitOfWork, events: Sequence[DuplicateParted]) -> None:
    for event in events:
        moving.move_back(uow, event)
