"""The relay: turns duties that are due into rings. Any number may run; each duty is claimed by one.

It wakes by NOTIFY (a trigger on the table) or after a quarter of a second. Without any Redis it performs the duties
itself, on the same code path as a worker, with a thread for each queue as there would be a worker for each: an import
that takes an hour keeps no mail waiting.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from uuid import UUID

import psycopg
import redis
import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from helpdesk.kernel import outbox
from helpdesk.kernel.doorbell import QUEUES, Doorbell
from helpdesk.kernel.duties import Handlers, Performer

log = structlog.get_logger()

_POLL = 0.25
_POLL_BEHIND = 0.05
"""Seconds, while workers are behind: nobody tells when they have caught up."""


class Relay:
    def __init__(self, engine: Engine, handlers: Handlers, doorbell: Doorbell | None, inline: Performer | None) -> None:
        """With `doorbell` it rings; without, `inline` performs."""
        if (doorbell is None) == (inline is None):
            raise ValueError("give a doorbell or an inline performer")
        self._engine = engine
        self._doorbell = doorbell
        self._inline = inline
        self._topics: dict[str, list[str]] = {queue: [] for queue in QUEUES}
        for topic, handler in handlers.items():
            self._topics[handler.queue].append(topic)
        self._epoch: str | None = None
        self._behind = False
        self._stop = threading.Event()

    def stop(self) -> None:
        self._stop.set()

    def run(self) -> None:
        """Until `stop`. A database or Redis that is away is waited for; any other error ends it, and is raised."""
        if self._doorbell is not None:
            self._persist(QUEUES)
            return
        with ThreadPoolExecutor(len(QUEUES), thread_name_prefix="relay") as pool:
            running = [pool.submit(self._persist, [queue]) for queue in QUEUES]
            try:
                wait(running, return_when=FIRST_EXCEPTION)
            finally:
                self.stop()
        for one in running:
            one.result()

    def _persist(self, queues: Sequence[str]) -> None:
        while not self._stop.is_set():
            try:
                self._listen_and_ring(queues)
            except (DBAPIError, psycopg.Error, redis.RedisError) as error:
                log.warning("relay waits", reason=type(error).__name__)
                self._stop.wait(0.5)

    def _listen_and_ring(self, queues: Sequence[str]) -> None:
        # A connection of its own: LISTEN belongs to a session, and the pool hands sessions around.
        address = self._engine.url.render_as_string(hide_password=False).replace("+psycopg", "")
        with psycopg.connect(address, autocommit=True, application_name="helpdesk-relay") as listener:
            listener.execute(f"LISTEN {outbox.CHANNEL}")
            while not self._stop.is_set():
                if not self.step(queues):
                    for _ in listener.notifies(timeout=_POLL_BEHIND if self._behind else _POLL, stop_after=1):
                        pass

    def step(self, queues: Sequence[str] = QUEUES) -> bool:
        """Ring once for what is due; True when there may be more at once."""
        self._watch_epoch()
        more = self._behind = False
        for queue in queues:
            topics = self._topics[queue]
            if not topics:
                continue
            if self._doorbell is not None and not self._doorbell.has_room(queue):
                self._behind = True
                continue
            with self._engine.begin() as connection:
                rings = outbox.claim(connection, topics)
            self._deliver(queue, [ring.id for ring in rings])
            more = more or len(rings) > 0
        return more

    def _deliver(self, queue: str, duty_ids: list[UUID]) -> None:
        if self._doorbell is not None:
            self._doorbell.ring(queue, duty_ids)
        elif self._inline is not None:
            self._inline.perform(duty_ids)

    def _watch_epoch(self) -> None:
        if self._doorbell is None:
            return
        epoch = self._doorbell.epoch()
        if self._epoch is not None and epoch != self._epoch:
            with self._engine.begin() as connection:
                count = outbox.ring_everything(connection)
            log.warning("redis lost its memory; ringing again", duties=count)
        self._epoch = epoch
