import os
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from helpdesk.kernel.embedded import EmbeddedRedis, EmbeddedServerError, find_redis_server, running_url
from tests.kernel.embedded.programs import alive, running, until

OWNER = """
import signal, sys
from pathlib import Path
from helpdesk.kernel.embedded import EmbeddedRedis
server = EmbeddedRedis(Path(sys.argv[1]))
server.start()
print("PID", server.process.pid)
signal.pause()
"""


@pytest.fixture
def server(place: Path, redis_program: Path) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(place / "redis") as server:
        yield server


def ping(url: str) -> bool:
    with redis.Redis.from_url(url) as client:
        return bool(client.ping())


def test_it_answers_on_a_private_socket_and_no_port(server: EmbeddedRedis) -> None:
    url = server.start()
    assert ping(url)
    assert server.start() == url
    assert running_url(server.data_dir) == url
    with redis.Redis.from_url(url) as client:
        expected = {"port": "0", "save": "", "appendonly": "no"}
        assert {name: client.config_get(name)[name] for name in expected} == expected
    socket = server.data_dir / "run" / "redis.sock"
    assert stat.S_IMODE(socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    server.stop()
    assert server.process is None
    assert running_url(server.data_dir) is None


def test_started_again_after_a_crash_it_is_empty(server: EmbeddedRedis) -> None:
    url = server.start()
    with redis.Redis.from_url(url) as client:
        client.set("key", "value")
    assert server.process is not None
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    assert server.start() == url
    with redis.Redis.from_url(url) as client:
        assert client.get("key") is None


def test_a_second_owner_is_refused(server: EmbeddedRedis) -> None:
    url = server.start()
    with pytest.raises(EmbeddedServerError, match="in use by another Helpdesk"):
        EmbeddedRedis(server.data_dir).start()
    assert ping(url)


def test_it_dies_with_an_owner_killed_at_once(place: Path, redis_program: Path) -> None:
    with running("-c", OWNER, str(place / "redis")) as owner:
        pid = int(owner.line(r"PID (\d+)")[1])
        owner.send(signal.SIGKILL)
        until(lambda: not alive(pid), "the end of Redis")
    with EmbeddedRedis(place / "redis") as server:
        assert ping(server.start())


def test_a_path_too_long_for_a_socket_and_strange_in_a_url(place: Path, redis_program: Path) -> None:
    with EmbeddedRedis(place / ("long" * 30) / "redis") as server:
        assert ping(server.start())
    with EmbeddedRedis(place / "50% ?&#é") as server:
        assert ping(server.start())


class TestWhichProgram:
    def test_the_machines_own_comes_first(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("valkey-server", "redis-server"):
            (place / name).touch(mode=0o755)
            monkeypatch.setenv("PATH", str(place))
            assert find_redis_server() == place / name, "redis-server before valkey-server"

    def test_none_is_said_with_what_to_do(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "")
        monkeypatch.setattr(sys, "path", [])
        assert find_redis_server() is None
        with pytest.raises(EmbeddedServerError, match="HELPDESK_REDIS_URL"):
            EmbeddedRedis(place / "redis").start()

    def test_one_that_does_not_start_says_why(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (place / "redis-server").write_text("#!/bin/sh\necho 'out of luck'\nexit 3\n")
        (place / "redis-server").chmod(0o755)
        monkeypatch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")
        with pytest.raises(EmbeddedServerError, match=r"exit status 3[\s\S]*out of luck"):
            EmbeddedRedis(place / "redis").start()
