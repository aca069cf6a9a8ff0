"""Private folders, short folders for sockets, and the lock that says who owns a data folder."""

import contextlib
import fcntl
import hashlib
import os
import stat
import tempfile
import time
from pathlib import Path
from typing import Self

from helpdesk.kernel.embedded.errors import EmbeddedServerError

# The shortest `sun_path` among the systems we run on is macOS's 104 bytes with the closing NUL.
LONGEST_SOCKET_PATH = 103


# Others may go through such a folder to what they are allowed to open, but neither list it nor write to it.
PASSABLE = 0o711


def make_data_dir(path: Path, *, passable: bool = False) -> None:
    """A data folder and its parents. One made here is ours alone (or `passable`); one that exists stays as it is."""
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir(mode=0o700, exist_ok=True)
            path.chmod(PASSABLE if passable else 0o700)
        found = path.stat()
    except OSError as error:
        raise EmbeddedServerError(
            f"The data folder {path} cannot be used: {error.strerror}. Choose another one."
        ) from error
    if not stat.S_ISDIR(found.st_mode):
        raise EmbeddedServerError(f"{path} is not a folder. Choose another data folder.")
    if os.geteuid() not in {0, found.st_uid}:
        raise EmbeddedServerError(
            f"{path} belongs to user id {found.st_uid}, not to you ({os.geteuid()}). "
            "Start as that user, or choose another data folder."
        )


def make_private(path: Path, uid: int, gid: int, *, mode: int = 0o700) -> Path:
    """The folder at `path`, made if missing, `uid`'s own. One that exists must already be so: it is never changed."""
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
        if (uid, gid) != (os.geteuid(), os.getegid()):
            os.chown(path, uid, gid, follow_symlinks=False)
        path.chmod(mode)  # the umask may have taken bits from the mode given to mkdir
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise EmbeddedServerError(f"{path} is not a folder (a link is not accepted). Move it away and start again.")
    if found.st_uid != uid:
        raise EmbeddedServerError(
            f"{path} belongs to user id {found.st_uid}, not to {uid}. Start as the user that started it first, "
            "or choose another data folder."
        )
    if stat.S_IMODE(found.st_mode) & ~mode:
        raise EmbeddedServerError(
            f"{path} is open to others (mode {stat.S_IMODE(found.st_mode):04o}). "
            f"Set it to {mode:04o} yourself once you know why, and start again."
        )
    return path


def socket_folder(preferred: Path, socket_name: str, uid: int, gid: int, *, short_base: Path | None = None) -> Path:
    """A private folder in which a socket of this name has a path short enough for the system: `preferred` if it fits.

    Otherwise one under `short_base` (the temporary folder if not given), with the same name each time. There anybody
    may have put something under that name before us, so it is checked like every other, and a fresh one is made where
    the check fails.
    """
    if _fits(preferred / socket_name):
        return make_private(preferred, uid, gid)
    base = short_base or Path(tempfile.gettempdir())
    digest = hashlib.sha256(os.fsencode(preferred)).hexdigest()[:12]
    short = base / f"helpdesk-{uid}-{digest}"
    if not _fits(short / socket_name):
        raise EmbeddedServerError(
            f"The path {short / socket_name} is too long for a socket ({LONGEST_SOCKET_PATH} bytes at most). "
            "Set TMPDIR to a shorter folder."
        )
    try:
        return make_private(short, uid, gid)
    except EmbeddedServerError:
        fresh = Path(tempfile.mkdtemp(prefix="helpdesk-", dir=base))
        if not _fits(fresh / socket_name):
            raise
        os.chown(fresh, uid, gid)
        return fresh


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= LONGEST_SOCKET_PATH


class FileLock:
    """An exclusive `flock`. The kernel lets go of it when the last process that holds `fileno` ends, however it ends.

    Processes that inherit the descriptor hold it too. That is used on purpose for servers (a lock still taken after
    its owner's death means that the server is still on its way out) and is a trap for a plain `os.fork()`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        return self._descriptor is not None

    def fileno(self) -> int:
        if self._descriptor is None:
            raise ValueError(f"{self.path} is not held")
        return self._descriptor

    def acquire(self, seconds: float) -> bool:
        """False if another one still holds it after `seconds`."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        deadline = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(descriptor)
                    return False
                time.sleep(0.02)
            except BaseException:
                os.close(descriptor)
                raise
            else:
                self._descriptor = descriptor
                return True

    def note(self, text: str) -> None:
        """Keep `text` in the file, for the message to the one who finds the lock taken."""
        os.ftruncate(self.fileno(), 0)
        os.pwrite(self.fileno(), text.encode(), 0)

    def read_note(self) -> str:
        try:
            return self.path.read_text(encoding="utf-8").strip()
        except OSError:
            return ""

    def taken_by_another(self) -> bool:
        """Whether somebody else holds it now. Never creates the file."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return False
        try:
            # A shared lock held for an instant; `acquire` tries again for long enough to outlast it.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            return False
        finally:
            os.close(descriptor)

    def release(self) -> None:
        """Let go. Servers that inherited the descriptor go on holding it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
