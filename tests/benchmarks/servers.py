"""The program and its floors, each served by gunicorn exactly as `helpdesk serve` has it, on one database server."""

import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from unittest import mock

from helpdesk import cli
from tests.benchmarks.floor_fixed import BODIES
from tests.system import SECRET_KEY, free_port, wait_until

APPS: Final = {
    "ours": "helpdesk.app:create_app()",
    "core": "tests.benchmarks.floor_core:create_app()",
    "fixed": "tests.benchmarks.floor_fixed:create_app()",
}
_ROOT: Final = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Server:
    name: str
    port: int


def _becomes(environment: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Command and environment of the process that `helpdesk serve` becomes: the floors get no settings of their own."""
    with mock.patch.dict(os.environ, environment, clear=True), mock.patch("os.execve") as execve:
        if cli.serve.callback is None:
            raise RuntimeError("`serve` is no command")
        cli.serve.callback()
    _, command, given = execve.call_args.args
    return list(command), dict(given)


@contextlib.contextmanager
def serving(name: str, database_url: str, folder: Path, bodies: Mapping[str, bytes] | None = None) -> Iterator[Server]:
    """One of `APPS`, answering. `bodies`: by operation, for the floor of fixed JSON."""
    server = Server(name, free_port())
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HELPDESK_")} | {
        "HELPDESK_DATABASE_URL": database_url,
        "HELPDESK_DATA_DIR": str(folder),
        "HELPDESK_PORT": str(server.port),
        "HELPDESK_SECRET_KEY": SECRET_KEY,
        "HELPDESK_LIMIT_CREDENTIAL": "1000000/minute",  # counted, and never refused
    }
    command, environment = _becomes(environment)
    command[command.index(APPS["ours"])] = APPS[name]
    if bodies is not None:
        kept = folder / "bodies.json"
        kept.write_text(json.dumps({key: base64.b64encode(body).decode() for key, body in bodies.items()}))
        environment[BODIES] = str(kept)
    log = folder / f"{name}-{server.port}.log"
    with log.open("wb") as output:
        child = subprocess.Popen(command, env=environment, cwd=_ROOT, stdout=output, stderr=output)
    try:
        wait_until(lambda: _answers(server.port) or child.poll() is not None, f"{name} to listen")
        if child.poll() is not None:
            raise RuntimeError(f"{name} did not start:\n{log.read_text(errors='replace')[-3000:]}")
        yield server
    finally:
        child.send_signal(signal.SIGQUIT)  # at once: nobody is waiting for an answer
        try:
            child.wait(timeout=30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        shutil.rmtree(environment["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
