"""The training, as a job, and the schedule's own: every night, and soon after a text was redacted that it may have read.

Reads one snapshot, in batches, and holds nothing while it does. A worker that dies on the way leaves the version before in
use, and the next one begins anew; of two that come to the end, one finds the job ended.
"""

from typing import Final, Protocol
from uuid import UUID

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import faults, jobs, outbox
from helpdesk.kernel.unit_of_work import Database
from helpdesk.suggestions import categories, queries, training
from helpdesk.suggestions.errors import TrainingInProgress
from helpdesk.suggestions.training import Lesson

BATCH: Final = 500
LEARNED: Final = "suggestions.learned"
BEFORE_COMMIT: Final = "suggestions.before_commit"
FAULT_POINTS: Final = (LEARNED, BEFORE_COMMIT)

DUE: Final = (
    "SELECT EXISTS (SELECT FROM category_model WHERE redactions < "
    "(SELECT count(*) FROM complaint_redaction WHERE part <> 'message')) OR "
    "((SELECT max(updated_at) FROM complaint) > "
    "coalesce((SELECT max(created_at) FROM category_model), '-infinity') AND "
    "NOT EXISTS (SELECT FROM job WHERE created_by IS NULL AND kind = 'suggestions.train' AND created_at >= "
    "date_trunc('day', now() - interval '2 hours') + interval '2 hours'))"
)
"""Once a day, from two o'clock UTC on, where anything has changed; and whenever a version may hold redacted words."""


class Tools(Protocol):
    """What the handler needs of the program's tools."""

    @property
    def database(self) -> Database: ...


class _NotWanted(Exception):
    """The job was cancelled."""


def train(tools: Tools, duty_id: UUID, job_id: UUID) -> None:
    """The handler of `TOPIC`. Safe to run twice, at once, and on a job that has ended."""
    database = tools.database
    with database.unit_of_work(SYSTEM) as uow:
        wanted = jobs.start(uow.session, job_id) is not None
    if wanted:
        try:
            _train(database, duty_id, job_id)
        except _NotWanted:
            wanted = False
    if not wanted:
        with database.unit_of_work(SYSTEM) as uow:
            outbox.mark_done(uow.session, duty_id)


def _train(database: Database, duty_id: UUID, job_id: UUID) -> None:
    lesson, redactions = _read(database, job_id)
    size = lesson.size
    made = lesson.learn()
    faults.point(LEARNED)
    with database.unit_of_work(SYSTEM) as uow:
        queries.lock_training(uow.session)
        job = jobs.start(uow.session, job_id)
        if job is None:
            raise _NotWanted
        result = (
            training.too_little(uow, size, redactions)
            if made is None
            else training.put_into_use(uow, job, made, redactions)
        )
        jobs.end(uow.session, job_id, "done", result=result)
        outbox.mark_done(uow.session, duty_id)
        uow.finish()
        faults.point(BEFORE_COMMIT)


def _read(database: Database, job_id: UUID) -> tuple[Lesson, int]:
    with database.snapshot() as session:
        lesson = Lesson(categories.in_use())
        redactions = queries.redactions(session)
        for batch in queries.examples(session, training.MOST_EXAMPLES, BATCH):
            lesson.add(batch)
            _tell(database, job_id, lesson.size)
    return lesson, redactions


def _tell(database: Database, job_id: UUID, done: int) -> None:
    """How far it is. Raises `_NotWanted`."""
    with database.unit_of_work(SYSTEM) as uow:
        if not jobs.is_wanted(uow.session, job_id):
            raise _NotWanted
        jobs.progress(uow.session, job_id, done=done)


def begin_due(database: Database) -> int:
    """The schedule's own training; 0 where one is under way."""
    try:
        with database.unit_of_work(SYSTEM) as uow:
            training.ask(uow, SYSTEM)
    except TrainingInProgress:
        return 0
    return 1
