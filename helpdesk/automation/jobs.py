"""What workers do for triggers: look at what happened, at what came due, and at what would have happened."""

from typing import Protocol
from uuid import UUID

from sqlalchemy import Engine

from helpdesk.automation import dry_running, queries, reacting, sweeping
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import jobs, outbox
from helpdesk.kernel.unit_of_work import Database, UnitOfWork


class Tools(Protocol):
    """What the handlers need of the program's tools."""

    @property
    def database(self) -> Database: ...


def react(tools: Tools, duty_id: UUID, _first: UUID) -> None:
    """The handler of `subscribers.TOPIC` and `MANY_TOPIC`. Safe to run twice, and at once."""
    with tools.database.reader() as session:
        duty = outbox.peek(session, duty_id)
        events = [] if duty is None else [UUID(event_id) for event_id in duty.payload["events"]]
    reacting.react(tools.database, events)
    with tools.database.unit_of_work(SYSTEM) as uow:
        outbox.mark_done(uow.session, duty_id)


def dry_run(tools: Tools, duty_id: UUID, job_id: UUID) -> None:
    """The handler of `dry_running.TOPIC`. Safe to run twice, and on a job that has ended."""
    dry_running.run(tools.database, job_id)
    with tools.database.unit_of_work(SYSTEM) as uow:
        outbox.mark_done(uow.session, duty_id)


def give_up(uow: UnitOfWork, job_id: UUID, reason: str) -> None:
    jobs.give_up(uow, job_id, reason)


def run_timed(database: Database) -> int:
    return sweeping.run_timed(database)


def forget_firings(engine: Engine, days: int) -> int:
    """For the schedule: what the log keeps no longer; how many."""
    return queries.forget_firings(engine, days)
