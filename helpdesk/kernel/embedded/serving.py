"""Who owns a server's data folder, and where another process finds the server that runs there."""

import contextlib
import os
import signal
from pathlib import Path

from helpdesk.kernel.embedded.errors import EmbeddedServerError
from helpdesk.kernel.embedded.folders import FileLock

_LOCK = "owner.lock"
_URL = "url"
# A little patience: `running_url` of another process may hold the lock for an instant, a killed owner may still be ending.
_SECONDS_FOR_OWNER = 1.0
_SECONDS_FOR_SERVER = 60.0


class Ownership:
    """One owner for a data folder. While it is held, `running_url` tells others where the server is."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._lock = FileLock(data_dir / _LOCK)

    @property
    def held(self) -> bool:
        return self._lock.held

    def take(self) -> None:
        if self._lock.held:
            return
        try:
            free = self._lock.acquire(_SECONDS_FOR_OWNER)
        except PermissionError as error:
            raise EmbeddedServerError(
                f"{self._data_dir} was started by another user before. Start as that user, or choose another data folder."
            ) from error
        if not free:
            raise EmbeddedServerError(
                f"{self._data_dir} is in use by another Helpdesk (process {self._lock.read_note() or 'unknown'}). "
                "Stop that one first, or give this one a data folder of its own."
            )
        self._lock.note(str(os.getpid()))
        (self._data_dir / _URL).unlink(missing_ok=True)  # of an owner that was killed

    def publish(self, url: str) -> None:
        draft = self._data_dir / f"{_URL}.new"
        draft.touch(mode=0o600)
        draft.write_text(url, encoding="utf-8")
        draft.replace(self._data_dir / _URL)

    def release(self) -> None:
        if self._lock.held:
            (self._data_dir / _URL).unlink(missing_ok=True)
            self._lock.release()


def running_url(data_dir: Path) -> str | None:
    """The URL of the server another process runs on `data_dir` just now; None where nobody does.

    For commands beside a running `helpdesk up`: they must not start a second server, they use the first.
    """
    if not FileLock(data_dir / _LOCK).taken_by_another():
        return None
    try:
        return (data_dir / _URL).read_text(encoding="utf-8")
    except OSError:
        return None


def wait_for_predecessor(lock: FileLock, what: str) -> None:
    """Take the lock that a server itself inherits, so that it is free only when no process of the last one is left.

    Asked for by the owner of the data folder, hence a holder is what a killed owner left: nearly always it is ending
    already. Where the system has no death signal it is told to end, under the id noted in the lock; that id is used
    only while the lock proves that the server is still there.
    """
    if lock.acquire(1.0):
        return
    with contextlib.suppress(OSError, ValueError):
        os.kill(int(lock.read_note()), signal.SIGINT)  # PostgreSQL: roll back, write out, end
    if not lock.acquire(_SECONDS_FOR_SERVER):
        raise EmbeddedServerError(
            f"A {what} of an earlier run still uses {lock.path.parent} and does not end. "
            f"Its process id is {lock.read_note() or 'unknown'}; stop it and start again."
        )
