"""The RQ worker: our own entry point, with the program loaded once.

Not the `rq worker` command: that imports the program in every forked job, listens to any function name, and waits
minutes before it notices a dead colleague. Jobs run in this process; a supervisor starts a new one when it dies.
"""

import time
from typing import Any, Final
from uuid import UUID

import redis
import structlog
from rq import SimpleWorker
from rq.serializers import JSONSerializer

from helpdesk.kernel.doorbell import QUEUES, AllowedJob, Doorbell
from helpdesk.schedule import SWEEPS
from helpdesk.wiring import Program

log = structlog.get_logger()

_PAUSES: Final = (1.0, 2.0, 5.0, 15.0)
"""Seconds between two looks for a Redis that is away; the last again and again."""

_program: Program | None = None


def _loaded() -> Program:
    if _program is None:
        raise RuntimeError("jobs run in `helpdesk worker` only, which loads the program first")
    return _program


def perform(duty_ids: list[str]) -> None:
    """Entry point: do these duties, as far as they are still owed."""
    counts = _loaded().performer.perform([UUID(duty_id) for duty_id in duty_ids])
    log.debug("duties", count=counts)


def sweep(name: str) -> None:
    """Entry point: do this periodic job."""
    program = _loaded()
    if program.doorbell is not None:
        program.doorbell.connection.delete(Doorbell.marker(name))  # from now on the next tick may ask again
    try:
        count = SWEEPS[name].work(program)
    except Exception:
        # Not left to RQ, which would keep and log what the error says: a driver's message quotes the row.
        log.exception("a sweep failed; it is tried again", sweep=name)
    else:
        log.debug("swept", sweep=name, count=count)


class HelpdeskWorker(SimpleWorker):
    """Only our jobs, nothing logged of their arguments."""

    job_class = AllowedJob

    def __init__(self, queues: Any, **options: Any) -> None:
        super().__init__(
            queues,
            job_class=AllowedJob,
            serializer=JSONSerializer,
            worker_ttl=20,
            maintenance_interval=30,
            log_job_description=False,
            default_result_ttl=0,
            **options,
        )


def run(program: Program, queue: str = QUEUES[0], *, burst: bool = False) -> None:
    """Work until told to stop (SIGTERM: finish the job at hand). `burst`: until the queue is empty."""
    global _program  # noqa: PLW0603  # RQ calls plain functions; this is the process's one program
    if program.doorbell is None:
        raise RuntimeError(
            "HELPDESK_REDIS_URL is not set; without Redis the relay does the work and no worker is needed"
        )
    _program = program
    wait_for(program.doorbell.connection)
    worker = HelpdeskWorker([queue], connection=program.doorbell.connection)
    worker.work(burst=burst, logging_level="WARNING", with_scheduler=False)


def wait_for(connection: redis.Redis) -> None:
    """Until Redis answers. A worker that ended instead, again and again, would be taken for one that cannot start, and
    `helpdesk up` would stop the API with it.
    """
    tries = 0
    while True:
        try:
            connection.ping()
        except redis.RedisError as error:
            log.warning("Redis is away; this worker waits for it", reason=type(error).__name__)
            time.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
            tries += 1
        else:
            return
