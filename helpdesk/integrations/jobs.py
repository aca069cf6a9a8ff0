"""The import as a duty, and the cleaning up after it."""

import time
from pathlib import Path
from typing import Final, Protocol
from uuid import UUID

import structlog

from helpdesk.identity.recognition import named_again
from helpdesk.integrations import importing, queries, service
from helpdesk.integrations.mapping import load_mapping
from helpdesk.integrations.models import ENDED
from helpdesk.integrations.reading import examine
from helpdesk.kernel import outbox
from helpdesk.kernel.duties import GiveUp
from helpdesk.kernel.unit_of_work import Database, UnitOfWork
from helpdesk.taxonomy.code_maps import words_from

log = structlog.get_logger()

TOPIC: Final = service.TOPIC
BATCH: Final = importing.BATCH
_ABANDONED_SECONDS: Final = 86_400


class Tools(Protocol):
    """What the handler needs of the program's tools."""

    @property
    def database(self) -> Database: ...

    @property
    def data_dir(self) -> Path: ...


def run_import(tools: Tools, duty_id: UUID, job_id: UUID) -> None:
    """The outside handler of `TOPIC`. Takes as long as the import does; a ring meanwhile is skipped.

    When the process dies, the lock dies with its session, and the next ring goes on at the recorded position.
    """
    path = service.folder(tools.data_dir) / str(job_id)
    with importing.hold(tools.database.engine, job_id) as session:
        if session is None:
            log.info("import is running elsewhere", job=str(job_id))
            return
        with tools.database.reader() as reader:
            job = queries.job_or_none(reader, job_id)
            actor = named_again(reader, None if job is None else job.created_by)
            still_owed = outbox.peek(reader, duty_id) is not None
            mapping = None if job is None else load_mapping(job.mapping, words_from(reader))
        if job is None or mapping is None:
            raise GiveUp("there is no such import")
        if not still_owed:
            return
        if job.state not in ENDED and not path.is_file():
            raise GiveUp("the content is not there; do all processes share the data folder?")
        runner = importing.Runner(
            database=tools.database,
            session=session,
            job_id=job_id,
            actor=actor,
            mapping=mapping,
            path=path,
            encoding=examine(path, mapping.encodings).encoding if path.is_file() else mapping.encodings[0],
            batch_size=BATCH,
            duty_id=duty_id,
        )
        if runner.run() in ENDED:
            path.unlink(missing_ok=True)


def give_up(uow: UnitOfWork, job_id: UUID, reason: str) -> None:
    """The duty is dead: so is the import."""
    job = queries.locked_job(uow.session, job_id)
    if job.state not in ENDED:
        importing.end(uow, job, "failed", reason)


def remove_leftovers(database: Database, data_dir: Path) -> int:
    """Delete uploads whose import has ended, and unfinished ones after a day; their number. For the schedule, daily."""
    place = service.folder(data_dir)
    files = {path: _id_of(path) for path in place.iterdir() if path.is_file()} if place.is_dir() else {}
    with database.reader() as session:
        ended = queries.ended_among(session, [job_id for job_id in files.values() if job_id is not None])
    removed = 0
    for path, job_id in files.items():
        old = path.stat().st_mtime < time.time() - _ABANDONED_SECONDS
        if job_id in ended or (job_id is None and old):
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def _id_of(path: Path) -> UUID | None:
    try:
        return UUID(path.name)
    except ValueError:
        return None
