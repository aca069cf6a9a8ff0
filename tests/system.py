"""A whole system for tests: real processes (`python -m helpdesk serve | worker | relay | scheduler`) on a database of its
own and a real Redis, driven over HTTP. Everything started is stopped, also when a test fails.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpdesk.kernel.settings import Settings
from helpdesk.wiring import Program, assemble, migrate

ADMIN_TOKEN = "administrator-token-for-systems-0123456789abcdef"
SECRET_KEY = "a secret key for systems in tests, long enough for all"


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: dict[str, str]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], Any], what: str, timeout: float = 90.0) -> Any:
    """The condition's first true value. Raises AssertionError naming what was waited for when the time is up."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout} s in vain for {what}")
        time.sleep(0.05)  # between two looks, not for luck


class System:
    """`start("worker")` as often as wanted; `call` talks to the API; `kill` is `kill -9`. `private`: providers that tests run, on
    this machine, are asked.
    """

    def __init__(self, database_url: str, redis_url: str | None, folder: Path, *, private: bool = False) -> None:
        self.port = free_port()
        self.folder = folder
        self.settings = Settings(
            database_url=database_url,
            redis_url=redis_url,
            data_dir=folder,
            port=self.port,
            secret_key=SECRET_KEY,
            admin_token=ADMIN_TOKEN,
            web_workers=1,
            limits=False,
            private_addresses=private,
        )
        self.program: Program = assemble(self.settings)
        self.children: list[tuple[str, subprocess.Popen[bytes]]] = []
        migrate(self.program)

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HELPDESK_")}
        return kept | {
            "HELPDESK_DATABASE_URL": self.settings.database_url or "",
            "HELPDESK_REDIS_URL": self.settings.redis_url or "",
            "HELPDESK_DATA_DIR": str(self.folder),
            "HELPDESK_PORT": str(self.port),
            "HELPDESK_SECRET_KEY": SECRET_KEY,
            "HELPDESK_ADMIN_TOKEN": ADMIN_TOKEN,
            "HELPDESK_WEB_WORKERS": "1",
            "HELPDESK_LIMITS": "0",
            "HELPDESK_PRIVATE_ADDRESSES": "1" if self.settings.private_addresses else "0",
        }

    def start(self, *command: str, **variables: str) -> subprocess.Popen[bytes]:
        """`variables`: of its environment, beside those of all."""
        log = (self.folder / f"{command[0]}.log").open("ab")
        with log:
            child = subprocess.Popen(
                [sys.executable, "-m", "helpdesk", *command],
                env=self.environment() | variables,
                stdout=log,
                stderr=log,
                cwd=Path(__file__).resolve().parent.parent,
            )
        self.children.append((command[0], child))
        return child

    def serve(self) -> None:
        self.start("serve")
        wait_until(self._alive, "the API to answer")

    def _alive(self) -> bool:
        try:
            return self.call("GET", "/health/live", token=None).status == 200
        except OSError:
            return False

    def running(self, kind: str) -> list[subprocess.Popen[bytes]]:
        return [child for name, child in self.children if name == kind and child.poll() is None]

    def kill(self, child: subprocess.Popen[bytes]) -> None:
        child.kill()
        child.wait()

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = ADMIN_TOKEN,
        **headers: str,
    ) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        data = None
        if body is not None:
            sent["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        full = path if path.startswith(("/health", "/metrics", "/api/")) else f"/api/v1{path}"
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{full}", data=data, headers=sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return _read(answer.status, answer)
        except urllib.error.HTTPError as error:
            with error:
                return _read(error.code, error)

    def close(self) -> None:
        """SIGTERM, then SIGKILL for what does not listen."""
        for _, child in reversed(self.children):
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
        for _, child in self.children:
            try:
                child.wait(timeout=20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self.program.engine.dispose()
        if self.program.doorbell is not None:
            self.program.doorbell.connection.close()

    def logs(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-3000:] for path in sorted(self.folder.glob("*.log")))


def _read(status: int, answer: Any) -> Answer:
    raw = answer.read()
    kind = answer.headers.get("Content-Type", "")
    parsed = json.loads(raw) if raw and "json" in kind else raw.decode(errors="replace")
    return Answer(status, parsed, dict(answer.headers))


@contextlib.contextmanager
def running(system: System) -> Iterator[System]:
    try:
        yield system
    finally:
        system.close()
