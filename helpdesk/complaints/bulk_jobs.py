"""Bulk changes as a duty: what is left of one is done, however often it is rung for."""

from typing import Protocol
from uuid import UUID

from helpdesk.complaints import bulk_changes
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import jobs, outbox
from helpdesk.kernel.unit_of_work import Database, UnitOfWork


class Tools(Protocol):
    """What the handler needs of the program's tools."""

    @property
    def database(self) -> Database: ...


def change_many(tools: Tools, duty_id: UUID, job_id: UUID) -> None:
    """The outside handler of `bulk_changes.TOPIC`."""
    bulk_changes.run(tools.database, job_id)
    with tools.database.unit_of_work(SYSTEM) as uow:
        outbox.mark_done(uow.session, duty_id)


def give_up(uow: UnitOfWork, job_id: UUID, reason: str) -> None:
    """The duty is dead: so is the job. What it did stays done."""
    jobs.give_up(uow, job_id, reason)
