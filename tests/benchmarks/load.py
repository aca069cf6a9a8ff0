"""The load: a process of its own that keeps some connections busy with a fixed list of requests each, one after another.

`python -m tests.benchmarks.load` reads a job per line (JSON) and answers a result per line. HTTP/1.1 with keep-alive
over bare sockets, one thread per connection, loopback only: a client library would cost more than some of the servers.
Every answer is read whole and compared with what was expected of it; what differs is counted, and the first few told.
"""

import contextlib
import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Final

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_PATIENCE: Final = 30.0
"""Seconds for one answer; more is an error."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request and what its answer must be: the status, and how often a piece of text stands in the body."""

    method: str
    path: str
    body: Any
    status: int
    marker: str
    times: int = 1


@dataclass(frozen=True, slots=True)
class Result:
    seconds: float
    processor: float
    """Seconds of processor time that the load itself took: it shares the machine with the servers."""
    latencies: list[float]
    """Seconds, of every request that was answered as expected."""
    errors: int
    told: list[str] = field(default_factory=list)
    """The first few errors."""


class Load:
    """The other side: gives jobs to the load process. Made by `load()`, which also ends it."""

    def __init__(self, sender: IO[str], answers: IO[str]) -> None:
        self._sender = sender
        self._answers = answers

    def run(self, port: int, token: str, connections: Sequence[Sequence[Ask]]) -> Result:
        """Each connection sends its own requests in order; all begin together."""
        job = {"port": port, "token": token, "connections": [[asdict(ask) for ask in asks] for asks in connections]}
        print(json.dumps(job), file=self._sender, flush=True)
        return Result(**json.loads(self._answers.readline()))


@contextlib.contextmanager
def load() -> Iterator[Load]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.load"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("no pipes to the load process")
        try:
            yield Load(process.stdin, process.stdout)
        finally:
            process.stdin.close()  # its end of input is its end
            process.wait(timeout=60)


class _Connection:
    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def ask(self, message: bytes) -> tuple[int, bytes]:
        """Status and body."""
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=_PATIENCE)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(message)
        data = self._more(b"")
        while (end := data.find(b"\r\n\r\n")) < 0:
            data = self._more(data)
        found = _LENGTH.search(data, 0, end)
        whole = end + 4 + int(found[1] if found else 0)
        while len(data) < whole:
            data = self._more(data)
        return int(data[9:12]), data[end + 4 : whole]

    def _more(self, data: bytes) -> bytes:
        piece = self._socket.recv(65536) if self._socket else b""
        if not piece:
            raise ConnectionError("the server hung up")
        return data + piece

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _written(ask: Ask, port: int, token: str) -> bytes:
    body = b"" if ask.body is None else json.dumps(ask.body).encode()
    head = f"{ask.method} {ask.path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
    if ask.body is not None:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


class _Worker(threading.Thread):
    """One connection and its requests."""

    def __init__(self, port: int, token: str, asks: Sequence[Ask], gate: threading.Barrier) -> None:
        super().__init__(daemon=True)
        self._messages = [(ask, _written(ask, port, token)) for ask in asks]
        self._connection = _Connection(port)
        self._gate = gate
        self.latencies: list[float] = []
        self.errors: list[str] = []

    def run(self) -> None:
        self._gate.wait()
        for ask, message in self._messages:
            begun = time.perf_counter()
            try:
                status, body = self._connection.ask(message)
            except (OSError, ValueError) as error:
                self.errors.append(f"{ask.method} {ask.path}: {error!r}")
                self._connection.close()
                continue
            taken = time.perf_counter() - begun
            if status == ask.status and body.count(ask.marker.encode()) == ask.times:
                self.latencies.append(taken)
            else:
                self.errors.append(f"{ask.method} {ask.path}: {status} {body[:300]!r}")
        self._connection.close()


def _work(job: dict[str, Any]) -> Result:
    connections = [[Ask(**ask) for ask in asks] for asks in job["connections"]]
    gate = threading.Barrier(len(connections) + 1)
    workers = [_Worker(job["port"], job["token"], asks, gate) for asks in connections]
    for worker in workers:
        worker.start()
    gate.wait()
    begun, used = time.perf_counter(), time.process_time()
    for worker in workers:
        worker.join()
    seconds, processor = time.perf_counter() - begun, time.process_time() - used
    latencies = [taken for worker in workers for taken in worker.latencies]
    errors = [error for worker in workers for error in worker.errors]
    return Result(seconds, processor, latencies, len(errors), errors[:3])


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(asdict(_work(json.loads(line)))), flush=True)
