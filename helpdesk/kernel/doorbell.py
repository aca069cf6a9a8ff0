"""Redis and RQ as a doorbell: "look at these rows". Nothing is lost when it is away, because nothing is kept in it.

Jobs carry ids as JSON. A JSON serializer alone is not safe: RQ calls any dotted name that stands in a job, so whoever
can write to Redis could run `os.system`; `AllowedJob` refuses every name but our two entry points. A fresh RQ id per
ring: a stable one stays refused after a killed worker, and strands the duty.
"""

import secrets
from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

import redis
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

PERFORM: Final = "helpdesk.worker.perform"
SWEEP: Final = "helpdesk.worker.sweep"
ENTRY_POINTS: Final = frozenset({PERFORM, SWEEP})

QUEUES: Final = ("helpdesk", "helpdesk-bulk")
"""The second is for long work (imports), so that it never stands in front of an alarm. One queue per worker process:
with two, RQ fetches by BLPOP, and a job in the hands of a worker killed at that moment is gone."""

_MAX_QUEUED = 500
_EPOCH_KEY = "helpdesk:epoch"
_RING_TTL = 300


class NotAnEntryPoint(Exception):
    """Somebody put a job into Redis that is not ours."""


class AllowedJob(Job):
    @property
    def func(self) -> Callable[..., Any]:
        if self.func_name not in ENTRY_POINTS:
            raise NotAnEntryPoint(self.func_name)
        return super().func  # type: ignore[no-any-return,unused-ignore]  # RQ's annotations differ between releases


def connect(url: str) -> "redis.Redis":
    return redis.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=5, health_check_interval=15)


class Doorbell:
    """Rings RQ workers. Every method raises `redis.RedisError` when Redis is away; callers go on without."""

    def __init__(self, connection: "redis.Redis") -> None:
        self.connection = connection
        self._queues = {
            name: Queue(name, connection=connection, job_class=AllowedJob, serializer=JSONSerializer) for name in QUEUES
        }

    def has_room(self, queue: str) -> bool:
        """False while the workers are behind: ringing more would only make the queue longer than the leases."""
        return int(self._queues[queue].count) < _MAX_QUEUED

    def ring(self, queue: str, duty_ids: Sequence[UUID]) -> None:
        self._enqueue(queue, PERFORM, [str(duty_id) for duty_id in duty_ids])

    def sweep(self, name: str, period: float) -> bool:
        """Ask for a sweep unless one is already waiting; whether it was asked."""
        marker = self.marker(name)
        if not self.connection.set(marker, "1", nx=True, ex=max(10, int(period * 10))):
            return False
        self._enqueue(QUEUES[0], SWEEP, name)
        return True

    @staticmethod
    def marker(name: str) -> str:
        """Taken away by the worker as it begins, so that the next tick may ask again."""
        return f"helpdesk:sweep:{name}"

    def _enqueue(self, queue: str, entry_point: str, argument: Any) -> None:
        self._queues[queue].enqueue_call(
            func=entry_point,
            args=(argument,),
            job_id=f"ring-{secrets.token_hex(12)}",
            timeout=_RING_TTL if queue == QUEUES[0] else 6 * 3600,
            result_ttl=0,
            failure_ttl=60,
            ttl=_RING_TTL,
            description=entry_point,
        )

    def epoch(self) -> str:
        """A word that lives as long as Redis' memory: another one means that everything queued is gone."""
        fresh = secrets.token_hex(8)
        if self.connection.set(_EPOCH_KEY, fresh, nx=True):
            return fresh
        value = self.connection.get(_EPOCH_KEY)
        return value.decode() if isinstance(value, bytes) else fresh
