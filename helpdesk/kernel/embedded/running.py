"""One instance of a child: its process, its output, its history."""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from helpdesk.kernel.embedded.patience import Pace, Patience
from helpdesk.kernel.embedded.processes import kill_group, launch

_LONGEST_LINE = 65_536  # bytes; a longer one is cut in pieces
_LINES_KEPT = 20


class Running:
    def __init__(
        self, label: str, argv: Sequence[str], env: Mapping[str, str], pace: Pace, write: Callable[[str, str], None]
    ) -> None:
        self.label = label
        self.patience = Patience(pace)
        self.process: subprocess.Popen[bytes] | None = None
        self.started = 0.0
        self.was_ready = False
        self.last_lines: deque[str] = deque(maxlen=_LINES_KEPT)
        self._argv = argv
        self._env = env
        self._write = write
        self._rest = b""

    def start(self, selector: selectors.BaseSelector) -> None:
        """SIGTERM is what it gets if we die: a child with children of its own must get to end them."""
        self.last_lines.clear()
        self.process = launch(self._argv, death_signal=signal.SIGTERM, output=subprocess.PIPE, env=self._env)
        self.started = time.monotonic()
        if self.process.stdout is not None:
            os.set_blocking(self.process.stdout.fileno(), False)
            selector.register(self.process.stdout, selectors.EVENT_READ, self)

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def pump(self, selector: selectors.BaseSelector) -> None:
        """Pass on what it wrote since; forget the pipe at its end."""
        pipe = self.process.stdout if self.process is not None else None
        if pipe is None or pipe.closed:
            return
        while True:
            try:
                chunk = os.read(pipe.fileno(), _LONGEST_LINE)
            except BlockingIOError:
                return
            if not chunk:
                self._close(selector)
                return
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            if len(self._rest) >= _LONGEST_LINE:
                lines, self._rest = [*lines, self._rest], b""
            for line in lines:
                self._say(line)

    def bury(self, selector: selectors.BaseSelector) -> int:
        """After its end: end what it left behind, pass on its last words. Returns its exit status."""
        process = self.process
        if process is None:
            return 0
        kill_group(process)
        status = process.wait()
        self.pump(selector)
        self._close(selector)
        self.process = None
        return status

    def send(self, number: signal.Signals) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)

    def _say(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip("\r")
        self.last_lines.append(text)
        self._write(self.label, text)

    def _close(self, selector: selectors.BaseSelector) -> None:
        pipe = self.process.stdout if self.process is not None else None
        if self._rest:
            self._say(self._rest)
            self._rest = b""
        if pipe is not None and not pipe.closed:
            selector.unregister(pipe)
            pipe.close()
