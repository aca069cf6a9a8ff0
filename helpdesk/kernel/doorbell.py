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

MAIN: Final = "helpdesk"
BULK: Final = "helpdesk-bulk"
MAIL: Final = "helpdesk-mail"
PROVIDERS: Final = "helpdesk-providers"
ISSUING: Final = "helpdesk-issuing"
QUEUES: Final = (MAIN, BULK, MAIL, PROVIDERS, ISSUING)
"""Long work (imports), mail, whose server may be slow to answer, and providers of remedies, which may hang until their time is
up, have queues of their own, so that they never stand in front of an alarm. So has the issuing of what is ours (vouchers, points,
letters): a customer looks at the page and waits for it, while in the morning thousands of notices fall due at once. One queue per
worker process: with two, RQ fetches by BLPOP, and a job in the hands of a worker killed at that moment is gone."""

BATCH: Final = {MAIN: 20, BULK: 1, MAIL: 1, PROVIDERS: 1, ISSUING: 20}
"""Duties per ring: a job costs a few milliseconds of RQ, a row's transaction about one. Where a duty takes long by itself
it comes alone, so that a worker that is to stop has no others in its hands."""

_SECONDS: Final = {MAIN: 120, BULK: 6 * 3600, MAIL: 600, PROVIDERS: 300, ISSUING: 120}
"""The longest that one duty may take: a mail waits up to a quarter of a minute for each of a dozen answers, a provider is asked
two questions of a minute each. A ring may take as long as all its duties, else RQ would interrupt the last of them in the middle.
"""

_SWEEP_SECONDS: Final = 300
"""A sweep works in short steps, and the next one goes on where it was interrupted."""

_MAX_QUEUED: Final = 500
_AHEAD: Final = 4
"""Rings that wait for each worker where duties come together. What comes while it is behind is then rung for at once, by the
twenty, and not by ones and twos that cost as much each.
"""
_SWEEPING: Final = "sweep-"
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
        """False while the workers are behind: ringing more would only make the queue longer than the leases. Sweeps do not count:
        however many wait, duties go on between them.
        """
        asking = self.connection.pipeline(transaction=False)
        asking.lrange(f"rq:queue:{queue}", 0, _MAX_QUEUED)
        asking.scard(f"rq:workers:{queue}")
        waiting, workers = asking.execute()
        rings = sum(not job_id.startswith(_SWEEPING.encode()) for job_id in waiting)
        return rings < (_MAX_QUEUED if BATCH[queue] == 1 else min(_MAX_QUEUED, _AHEAD * max(1, workers)))

    def ring(self, queue: str, duty_ids: Sequence[UUID]) -> None:
        for start in range(0, len(duty_ids), BATCH[queue]):
            batch = [str(duty_id) for duty_id in duty_ids[start : start + BATCH[queue]]]
            self._enqueue(queue, PERFORM, batch, _SECONDS[queue] * len(batch), "ring-")

    def sweep(self, name: str, period: float) -> bool:
        """Ask for a sweep unless one is already waiting; whether it was asked."""
        marker = self.marker(name)
        if not self.connection.set(marker, "1", nx=True, ex=max(10, int(period * 10))):
            return False
        self._enqueue(MAIN, SWEEP, name, _SWEEP_SECONDS, _SWEEPING)
        return True

    @staticmethod
    def marker(name: str) -> str:
        """Taken away by the worker as it begins, so that the next tick may ask again."""
        return f"helpdesk:sweep:{name}"

    def _enqueue(self, queue: str, entry_point: str, argument: Any, seconds: int, prefix: str) -> None:
        self._queues[queue].enqueue_call(
            func=entry_point,
            args=(argument,),
            job_id=f"{prefix}{secrets.token_hex(12)}",
            timeout=seconds,
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
