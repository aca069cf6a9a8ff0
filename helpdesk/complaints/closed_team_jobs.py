"""Gives on what closed teams leave behind: complaint by complaint, each in its own short transaction."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from helpdesk.complaints import closed_team_queries, closed_teams
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import walking
from helpdesk.kernel.unit_of_work import Database

log = structlog.get_logger()


class Tools(Protocol):
    """What the handler needs of the program's tools."""

    @property
    def database(self) -> Database: ...


def give_on(tools: Tools, duty_id: UUID, team_id: UUID) -> None:
    """The outside handler of `closed_teams.TOPIC`. What was done stays done when it is killed; the next one goes on."""

    def left(session: Session, last: UUID | None, most: int) -> Sequence[UUID]:
        return closed_team_queries.left_with(session, team_id, last, most)

    walking.one_by_one(tools.database, SYSTEM, duty_id, left, closed_teams.give_on)


def collect_left_behind(database: Database) -> int:
    """The sweep: what no duty will give on (it is dead, or came to the team in another way); how many."""
    with database.reader() as session:
        found = closed_team_queries.left_behind(session, closed_teams.TOPIC, walking.BATCH)
    count = 0
    for complaint_id in found:
        try:
            with database.unit_of_work(SYSTEM) as uow:
                count += closed_teams.give_on(uow, complaint_id)
        except Exception:
            log.exception("sweep skipped a complaint", complaint=str(complaint_id))
    return count
