"""Starting and ending processes that belong to us."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from helpdesk.kernel.embedded.accounts import Account
from helpdesk.kernel.embedded.errors import EmbeddedServerError

_LAUNCHER = Path(__file__).with_name("launcher.py")
_POLL = 0.02  # seconds


def launch(
    argv: Sequence[str | Path],
    *,
    death_signal: signal.Signals,
    output: int | IO[bytes],
    account: Account | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    keep: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """A direct child in a session of its own that gets `death_signal` when this process dies.

    A session of its own keeps the terminal's Ctrl-C away from it: who is stopped when is for the owner to say.
    `keep` are file descriptors it inherits. Its standard output and error both go to `output`.

    Only from the main thread: the kernel's signal comes when the *thread* that started the child ends.
    """
    if threading.current_thread() is not threading.main_thread():
        raise EmbeddedServerError("Start it from the main thread: it would be killed when this thread ends.")
    return subprocess.Popen(  # noqa: S603 - the caller's own programs, no shell
        [
            *(sys.executable, "-I", "-S", str(_LAUNCHER)),
            *(str(os.getpid()), str(int(death_signal)), account.for_launcher() if account else "-"),
            *map(str, argv),
        ],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=None if env is None else dict(env),
        cwd=cwd,
        pass_fds=tuple(keep),
        start_new_session=True,
    )


def end(process: subprocess.Popen[bytes], *steps: tuple[signal.Signals, float]) -> int:
    """Send each signal in turn and give it its seconds; at last, SIGKILL. Returns the exit status."""
    for number, seconds in steps:
        if process.poll() is not None:
            break
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    kill_group(process)
    return process.wait()


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to the process and to what it started: a killed leader leaves its own children behind.

    The group keeps the leader's id for as long as it has members, so the id still means this group after the leader's
    end, or nobody.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """False when `seconds` went by without it."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL)
    return True


def how_it_ended(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    with contextlib.suppress(ValueError):
        return f"killed by {signal.Signals(-status).name}"
    return f"killed by signal {-status}"


def last_lines(log: Path, lines: int = 15) -> str:
    """The end of a log file; empty where there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 16_384))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
