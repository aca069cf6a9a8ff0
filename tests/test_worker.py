"""A worker and a Redis that is away.

How it can fail: the worker ends, and a supervisor takes it for one that cannot start; it waits and never looks again; it
comes back and does the work twice, or not at all.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from rq import Worker

from helpdesk.kernel.embedded import EmbeddedRedis
from tests.system import System, running, wait_until


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis(tmp_path / "redis")
    yield server
    server.stop()


def test_waits_for_a_redis_that_is_away_and_then_works(
    own_database_url: str, own_redis: EmbeddedRedis, tmp_path: Path
) -> None:
    url = own_redis.start()
    with running(System(own_database_url, url, tmp_path)) as system:
        own_redis.stop()
        process = system.start("worker")
        wait_until(lambda: "waits for it" in system.logs(), "the worker to say that it waits")
        assert process.poll() is None
        own_redis.start()
        doorbell = system.program.doorbell
        assert doorbell is not None
        wait_until(lambda: Worker.count(connection=doorbell.connection), "the worker to listen")
        assert process.poll() is None
