"""What follows from an alarm, in the transaction in which it rings."""

from collections.abc import Sequence

from helpdesk.kernel.unit_of_work import UnitOfWork
from helpdesk.sla import escalations
from helpdesk.sla.events import ClockEvent


def rang(uow: UnitOfWork, events: Sequence[ClockEvent]) -> None:
    escalations.note(uow, events)
