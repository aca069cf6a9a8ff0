"""Keeps the processes of `helpdesk up` running: starts them in order, brings back what dies, stops all in reverse.

When to use it: one machine, one terminal or one service unit. A larger installation lets its own supervisor (systemd,
Kubernetes) do this and runs the same programs one by one.

One thread and one loop on purpose: the kernel's "parent died" signal follows the thread that started a child, and a
loop that waits on pipes and signals needs no locks. What it calls must therefore be short: `ready` above all.

Who stops what: children live in sessions of their own, so that Ctrl-C in the terminal reaches only us and the order
of stopping is ours. `make` hands a SIGTERM on that we were sent as well; hence only a second *Ctrl-C* means hurry.
"""

import contextlib
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Protocol, TextIO

from helpdesk.kernel.embedded.errors import EmbeddedServerError
from helpdesk.kernel.embedded.patience import Pace, Patience
from helpdesk.kernel.embedded.processes import how_it_ended, kill_group
from helpdesk.kernel.embedded.running import Running

_LEAST_GRACE = 2.0  # seconds
_OWN_LABEL = "helpdesk"


@dataclass(frozen=True)
class Child:
    """A program to keep running, `instances` times.

    `env` is its whole environment. `ready` is asked again and again until it says yes, before the next child is
    started for the first time; it must answer quickly and not raise. None: ready as soon as it is started.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    instances: int = 1
    ready: Callable[[], bool] | None = None


class Server(Protocol):
    """What an embedded server offers. `start` is called again when `process` has ended, and gives the same URL."""

    @property
    def name(self) -> str: ...

    @property
    def process(self) -> subprocess.Popen[bytes] | None: ...

    def start(self) -> str: ...

    def stop(self) -> None: ...


@dataclass
class _Tended:
    """A server and the memory of its deaths."""

    server: Server
    patience: Patience
    started: float = field(default_factory=time.monotonic)


class Supervisor:
    """`run()` from the main thread; it returns the exit status for the program: 0 when it was asked to stop.

    Servers may be started already (children need their URLs); they are started here where not, and stopped here last.
    `on_ready` is called once, when every child was ready.
    """

    def __init__(
        self,
        children: Sequence[Child],
        servers: Sequence[Server] = (),
        *,
        pace: Pace | None = None,
        on_ready: Callable[[], None] | None = None,
        output: TextIO | None = None,
    ) -> None:
        self._pace = pace or Pace()
        self._servers = [_Tended(server, Patience(self._pace)) for server in servers]
        self._groups = [(child, self._instances_of(child)) for child in children]
        self._on_ready = on_ready
        self._output = output or sys.stderr
        self._width = max(len(_OWN_LABEL), *(len(one.label) for _, group in self._groups for one in group), 0)
        self._selector = selectors.DefaultSelector()
        self._status: int | None = None
        self._interrupts = 0

    def run(self) -> int:
        with self._listening():
            try:
                while self._status is None:
                    # Servers first: a child that died of a dead server shall find it back.
                    if self._tend_servers():
                        self._tend_children()
                    self._wait(self._seconds_to_next())
            finally:
                self._stop_all()
        return self._status or 0

    def say(self, text: str) -> None:
        self._write(_OWN_LABEL, text)

    def _instances_of(self, child: Child) -> list[Running]:
        labels = [child.name] if child.instances == 1 else [f"{child.name}.{n + 1}" for n in range(child.instances)]
        return [Running(label, child.argv, child.env, self._pace, self._write) for label in labels]

    def _write(self, label: str, text: str) -> None:
        # A terminal that was closed, or a full disk behind a redirection, is no reason to stop working.
        with contextlib.suppress(OSError):
            self._output.write(f"{label:<{self._width}} | {text}\n")
            self._output.flush()

    # --- servers

    def _tend_servers(self) -> bool:
        """True when all of them run. Nothing is started while one is down: it would only die of it."""
        up = True
        for tended in self._servers:
            process = tended.server.process
            if process is not None and process.poll() is None:
                continue
            now = time.monotonic()
            if process is not None and tended.patience.not_before <= tended.started:
                pause = tended.patience.died(now, now - tended.started)
                self.say(f"{tended.server.name} ended ({how_it_ended(process.wait())}); again in {pause:g} s")
            if tended.patience.hopeless:
                return self._give_up(f"{tended.server.name} keeps dying.")
            if now < tended.patience.not_before or self._status is not None or not self._start(tended):
                up = False
        return up and self._status is None

    def _start(self, tended: _Tended) -> bool:
        try:
            tended.server.start()
        except EmbeddedServerError as error:
            now = time.monotonic()
            pause = tended.patience.died(now, 0.0)
            self.say(f"{error}")
            if tended.patience.hopeless:
                return self._give_up(f"{tended.server.name} cannot start.")
            self.say(f"{tended.server.name}: again in {pause:g} s")
            return False
        tended.started = time.monotonic()
        return True

    # --- children

    def _tend_children(self) -> None:
        """Bury and bring back; for the first time each, in order, and each only when those before were ready."""
        for child, group in self._groups:
            for one in group:
                self._tend(child, one)
                if self._status is not None:
                    return
            if not all(one.was_ready for one in group):
                return
        if self._on_ready is not None:
            self._on_ready()
            self._on_ready = None

    def _tend(self, child: Child, one: Running) -> None:
        now = time.monotonic()
        if one.process is not None and not one.alive:
            self._mourn(one, now - one.started)
        elif one.process is None and now >= one.patience.not_before:
            one.start(self._selector)
        if one.alive and not one.was_ready:
            one.was_ready = child.ready is None or child.ready()
            if not one.was_ready and now - one.started > self._pace.ready_within:
                self.say(f"{one.label} was not ready within {self._pace.ready_within:g} s")
                one.send(signal.SIGKILL)

    def _mourn(self, one: Running, lived: float) -> None:
        status = one.bury(self._selector)
        pause = one.patience.died(time.monotonic(), lived)
        if not one.patience.hopeless:
            self.say(f"{one.label} ended after {lived:.1f} s ({how_it_ended(status)}); again in {pause:g} s")
            return
        times = self._pace.hopeless_after
        self.say(
            f"{one.label} cannot start: it ended {times} times in a row, last with {how_it_ended(status)}. It said:"
        )
        for line in one.last_lines:
            self._write(one.label, line)
        self._give_up("Stopping everything.")

    def _give_up(self, text: str) -> bool:
        self.say(text)
        self._status = 1
        return False

    # --- waiting

    def _seconds_to_next(self) -> float:
        """Deaths wake us by SIGCHLD; the rest is for pauses that end and for asking `ready`."""
        if not all(one.was_ready for _, group in self._groups for one in group):
            return 0.1
        paused = [tended.patience.not_before for tended in self._servers]
        paused += [one.patience.not_before for _, group in self._groups for one in group if one.process is None]
        now = time.monotonic()
        return min([1.0, *(max(0.01, at - now) for at in paused if at > now)])

    def _wait(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            if isinstance(key.data, Running):
                key.data.pump(self._selector)
            else:
                self._drain(key.fileobj)

    @staticmethod
    def _drain(bell: object) -> None:
        if isinstance(bell, socket.socket):
            with contextlib.suppress(BlockingIOError):
                bell.recv(4096)

    @contextlib.contextmanager
    def _listening(self) -> Iterator[None]:
        """Signals set a word and ring a bell that ends `select`; afterwards all is as it was."""
        bell, ringer = socket.socketpair()
        bell.setblocking(False)
        ringer.setblocking(False)
        self._selector.register(bell, selectors.EVENT_READ)
        bell_before = signal.set_wakeup_fd(ringer.fileno(), warn_on_full_buffer=False)
        handlers = dict.fromkeys((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), self._asked_to_stop)
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(bell_before)
            self._selector.unregister(bell)
            bell.close()
            ringer.close()

    # --- stopping

    def _asked_to_stop(self, number: int, _: FrameType | None) -> None:
        if self._status is None:
            self._status = 0
        if number == signal.SIGINT:
            self._interrupts += 1
            if self._interrupts > 1:
                self._kill_all()

    def _kill_all(self) -> None:
        """At once, also from a signal handler while a server is being stopped in peace: what waits then sees it end."""
        processes = [one.process for _, group in self._groups for one in group]
        for process in (*processes, *(tended.server.process for tended in self._servers)):
            if process is not None:
                kill_group(process)

    def _stop_all(self) -> None:
        """In reverse order, all within the grace; the last ones get a moment too where the first took all of it. Those that did
        not wait for one another when they were started do not when they are stopped.
        """
        self.say("stopping")
        deadline = time.monotonic() + self._pace.grace
        for stage in reversed(self._stages()):
            for one in stage:
                one.send(signal.SIGTERM)
            until = max(deadline, time.monotonic() + _LEAST_GRACE)
            while any(one.alive for one in stage) and time.monotonic() < until and self._interrupts < 2:
                self._wait(0.1)
            for one in stage:
                if one.alive:
                    self.say(f"{one.label} did not stop in time and is killed")
                one.bury(self._selector)
        for tended in reversed(self._servers):
            tended.server.stop()
        self.say("stopped")

    def _stages(self) -> list[list[Running]]:
        """In the order of starting: a child that is asked whether it is ready is the last of its stage."""
        stages: list[list[Running]] = [[]]
        for child, group in self._groups:
            stages[-1] += group
            if child.ready is not None:
                stages.append([])
        return stages
