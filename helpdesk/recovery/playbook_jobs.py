"""A playbook tried on past complaints, as a job."""

from typing import Protocol
from uuid import UUID

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import outbox
from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import playbook_trying


class Tools(Protocol):
    """What the handler needs of the program's tools."""

    @property
    def database(self) -> Database: ...


def dry_run(tools: Tools, duty_id: UUID, job_id: UUID) -> None:
    """The outside handler of `playbook_trying.TOPIC`."""
    playbook_trying.run(tools.database, job_id)
    with tools.database.unit_of_work(SYSTEM) as uow:
        outbox.mark_done(uow.session, duty_id)
