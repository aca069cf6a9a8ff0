"""Gives on what agents who have left leave behind: complaint by complaint, each in its own short transaction."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from helpdesk.complaints import reassignment, reassignment_queries
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import walking
from helpdesk.kernel.unit_of_work import Database, UnitOfWork

log = structlog.get_logger()


class Tools(Protocol):
    """What the handler needs of the program's tools."""

    @property
    def database(self) -> Database: ...


def reassign(tools: Tools, duty_id: UUID, agent_id: UUID) -> None:
    """The outside handler of `reassignment.TOPIC`. What was done stays done when it is killed; the next one goes on."""
    database = tools.database
    with database.reader() as session:
        to = reassignment_queries.instructions(session, reassignment.TOPIC, agent_id)

    def left(session: Session, last: UUID | None, most: int) -> Sequence[UUID]:
        return reassignment_queries.left_with(session, agent_id, last, most)

    def give_on(uow: UnitOfWork, complaint_id: UUID) -> object:
        return reassignment.give_on(uow, complaint_id, agent_id, to)

    walking.one_by_one(database, SYSTEM, duty_id, left, give_on)


def collect_left_behind(database: Database) -> int:
    """The sweep: what no duty will give on (it is dead, or there never was one) goes back to its queue; how many."""
    with database.reader() as session:
        found = reassignment_queries.left_behind(session, reassignment.TOPIC, walking.BATCH)
    count = 0
    for complaint_id, agent_id, _ in found:
        try:
            with database.unit_of_work(SYSTEM) as uow:
                count += reassignment.give_on(uow, complaint_id, agent_id, {})
        except Exception:
            log.exception("sweep skipped a complaint", complaint=str(complaint_id))
    return count
