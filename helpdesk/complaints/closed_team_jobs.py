"""Gives on what closed teams leave behind: complaint by complaint, each in its own short transaction."""

from typing import Final, Protocol
from uuid import UUID

import structlog

from helpdesk.complaints import closed_team_queries, closed_teams
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import outbox
from helpdesk.kernel.unit_of_work import Database

log = structlog.get_logger()

BATCH: Final = 200


class Tools(Protocol):
    """What the handler needs of the program's tools."""

    @property
    def database(self) -> Database: ...


def give_on(tools: Tools, duty_id: UUID, team_id: UUID) -> None:
    """The outside handler of `closed_teams.TOPIC`. What was done stays done when it is killed; the next one goes on."""
    database = tools.database
    last: UUID | None = None
    while True:
        with database.reader() as session:
            left = closed_team_queries.left_with(session, team_id, last, BATCH)
        for complaint_id in left:
            with database.unit_of_work(SYSTEM) as uow:
                closed_teams.give_on(uow, complaint_id)
        if len(left) < BATCH:
            break
        last = left[-1]
    with database.unit_of_work(SYSTEM) as uow:
        outbox.mark_done(uow.session, duty_id)


def collect_left_behind(database: Database) -> int:
    """The sweep: what no duty will give on (it is dead, or came to the team in another way); how many."""
    with database.reader() as session:
        found = closed_team_queries.left_behind(session, closed_teams.TOPIC, BATCH)
    count = 0
    for complaint_id in found:
        try:
            with database.unit_of_work(SYSTEM) as uow:
                count += closed_teams.give_on(uow, complaint_id)
        except Exception:
            log.exception("sweep skipped a complaint", complaint=str(complaint_id))
    return count
