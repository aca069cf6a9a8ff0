"""What an edit of policies, calendars or rules owes to open clocks, as a duty."""

from typing import Protocol
from uuid import UUID

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import outbox
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import recomputing


class Tools(Protocol):
    """What the handler needs of the program's tools."""

    @property
    def database(self) -> Database: ...


def recompute(tools: Tools, duty_id: UUID, job_id: UUID) -> None:
    """The outside handler of `recomputing.TOPIC`."""
    if not recomputing.run(tools.database, job_id):
        return  # another worker has it; rung for again, should that one die
    with tools.database.unit_of_work(SYSTEM) as uow:
        outbox.mark_done(uow.session, duty_id)
