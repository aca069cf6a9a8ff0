"""A tag that was renamed or merged, brought to the complaints that carry it: complaint by complaint, each in its own short
transaction. What is still to be done, the rows tell; so a worker that is killed loses nothing, and twice is once.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol
from uuid import UUID

from sqlalchemy.orm import Session

from helpdesk.complaints import queries, tag_queries, tagging
from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import Actor
from helpdesk.identity.recognition import named_again
from helpdesk.kernel import jobs, outbox
from helpdesk.kernel.duties import GiveUp
from helpdesk.kernel.unit_of_work import Database, UnitOfWork

BATCH: Final = 200


class Tools(Protocol):
    """What the handler needs of the program's tools."""

    @property
    def database(self) -> Database: ...


Find = Callable[[Session, tag_queries.Place | None, int], Sequence[Any]]
Do = Callable[[UnitOfWork, Complaint], None]


def retag(tools: Tools, duty_id: UUID, job_id: UUID) -> None:
    """The outside handler of `tagging.TOPIC`."""
    database = tools.database
    with database.reader() as session:
        job = session.get(jobs.Job, job_id)
        if job is None:
            raise GiveUp("there is no such job")
        given, actor, done = job.given, named_again(session, job.created_by), job.done
    with database.unit_of_work(actor) as uow:
        running = jobs.start(uow.session, job_id) is not None
    if running:
        find, do = _work(given)
        done = _walk(database, actor, job_id, (find, do), done)
        with database.unit_of_work(actor) as uow:
            jobs.end(uow.session, job_id, "done", result={"complaints": done})
            outbox.mark_done(uow.session, duty_id)
    else:
        with database.unit_of_work(actor) as uow:
            outbox.mark_done(uow.session, duty_id)


def _work(given: Mapping[str, str]) -> tuple[Find, Do]:
    tag_id = UUID(given["tag_id"])
    if "into_id" in given:
        into_id = UUID(given["into_id"])
        return (
            lambda session, after, limit: tag_queries.carrying(session, tag_id, after, limit),
            lambda uow, complaint: tagging.merge_on(uow, complaint, tag_id, into_id),
        )
    return (
        lambda session, after, limit: tag_queries.misnamed(session, tag_id, after, limit),
        tagging.rename_on,
    )


def _walk(database: Database, actor: Actor, job_id: UUID, work: tuple[Find, Do], done: int) -> int:
    """Until nothing is left, or nobody wants it any more; how many complaints were done, with those of earlier runs."""
    (find, do), after = work, None
    while True:
        with database.reader() as session:
            rows = find(session, after, BATCH)
            if not rows or not jobs.is_wanted(session, job_id):
                return done
        for received_at, complaint_id in rows:
            with database.unit_of_work(actor) as uow:
                do(uow, queries.complaint_by_id_for_update(uow.session, complaint_id))
                done += 1
                jobs.progress(uow.session, job_id, done=done)
            after = (received_at, complaint_id)


def give_up(uow: UnitOfWork, job_id: UUID, reason: str) -> None:
    """The duty is dead: so is the job. What it did stays done, and the next renaming or merge goes on from there."""
    jobs.give_up(uow, job_id, reason)
