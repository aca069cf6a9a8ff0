"""What workers do when alarms have rung. Each is safe to run twice, and at once: the rows are the truth."""

from typing import Protocol
from uuid import UUID

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import outbox
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import escalating


class Tools(Protocol):
    """What the handlers need of the program's tools."""

    @property
    def database(self) -> Database: ...


def escalate(tools: Tools, duty_id: UUID, complaint_id: UUID) -> None:
    """The handler of `escalations.TOPIC`."""
    escalating.escalate(tools.database, complaint_id)
    with tools.database.unit_of_work(SYSTEM) as uow:
        outbox.mark_done(uow.session, duty_id)


def tell_held(tools: Tools, duty_id: UUID, notice_id: UUID) -> None:
    """The handler of `notices.TOPIC`."""
    escalating.tell_held(tools.database, notice_id)
    with tools.database.unit_of_work(SYSTEM) as uow:
        outbox.mark_done(uow.session, duty_id)
