"""Programs that tests start as processes of their own, and how they listen to them. Everything waits for a condition."""

import contextlib
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

CHECKOUT = Path(__file__).resolve().parents[3]
PATIENCE = 30.0  # seconds; only a failing test waits so long


def until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for: {what}"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """False for a zombie too: in a container nobody may reap what lost its parent."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path("/proc", str(pid), "stat")
    with contextlib.suppress(OSError):
        return stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    return not stat.parent.parent.is_dir()


class Program:
    """A Python program with this checkout on its path, and what it wrote so far."""

    def __init__(self, arguments: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            env={**os.environ, "PYTHONPATH": str(CHECKOUT), "PYTHONUNBUFFERED": "1", **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )
        self.lines: list[str] = []
        self._not_given: list[str] = []
        self._incoming: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._incoming.put(line.rstrip("\n"))
        self._incoming.put(None)

    def line(self, pattern: str) -> re.Match[str]:
        """The first line with the pattern that was not given before. Several writers have no order among them."""
        deadline = time.monotonic() + PATIENCE
        while True:
            for index, line in enumerate(self._not_given):
                if found := re.search(pattern, line):
                    del self._not_given[index]
                    return found
            self._take(deadline, pattern)

    def _take(self, deadline: float, wanted: str) -> None:
        try:
            line = self._incoming.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            line = None
        assert line is not None, f"no line {wanted!r} in:\n{self.text}"
        self.lines.append(line)
        self._not_given.append(line)

    def ends(self) -> int:
        """Its exit status, once it ended; the rest of its lines are then in `lines`."""
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        while (line := self._incoming.get(timeout=PATIENCE)) is not None:
            self.lines.append(line)
        return status

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        if self.process.stdout is not None:
            self.process.stdout.close()


@contextlib.contextmanager
def running(*arguments: str, env: Mapping[str, str] | None = None) -> Iterator[Program]:
    with Program(arguments, env) as program:
        yield program
