"""Where root keeps what another account must reach, when the data folder lies out of that account's reach.

`/root` is 0700, and so are many folders above a checkout or a virtual environment. Opening them for a database server
would open them for everybody, for good. So the data folder then holds only a link, and the files live in a folder of
their own below a root-owned one that others may pass through but neither list nor write (0711).

A container that keeps its data on a volume wants the files on the volume: make the data folder reachable there.
"""

import hashlib
import logging
import os
import shutil
import tempfile
from pathlib import Path

from helpdesk.kernel.embedded.accounts import Account
from helpdesk.kernel.embedded.errors import EmbeddedServerError
from helpdesk.kernel.embedded.folders import PASSABLE, make_private

log = logging.getLogger(__name__)

LINK = "kept-elsewhere"


def home_of(data_dir: Path, account: Account, *, holds: str) -> Path:
    """The folder that really holds the data: `data_dir`, or the one it links to.

    `holds` is the entry that tells that data is there already. A link that leads nowhere is an error, never a reason
    to begin with an empty database.
    """
    link = data_dir / LINK
    if link.is_symlink():
        home = link.readlink()
        if not home.is_dir():
            raise EmbeddedServerError(
                f"The data of {data_dir} was kept in {home}, which is gone. Bring it back, or remove {data_dir} to begin anew."
            )
        return make_private(home, os.geteuid(), os.getegid(), mode=PASSABLE)
    if not account.is_another or account.can_reach(data_dir):
        return data_dir
    if (data_dir / holds).exists():
        raise EmbeddedServerError(
            f"The account '{account.name}' that runs PostgreSQL cannot reach {data_dir} any more. "
            "Move the folder back to where it could."
        )
    home = _unused(shared_base(account), hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16])
    make_private(home, os.geteuid(), os.getegid(), mode=PASSABLE)
    (home / "belongs-to").write_text(f"{data_dir}\n", encoding="utf-8")  # for a person who finds it
    link.symlink_to(home)
    log.warning("%s is out of reach for the account '%s': its database is kept in %s", data_dir, account.name, home)
    return home


def remove(data_dir: Path) -> None:
    """Delete the data for good, wherever it is kept."""
    if (data_dir / LINK).is_symlink():
        shutil.rmtree((data_dir / LINK).readlink(), ignore_errors=True)
    shutil.rmtree(data_dir, ignore_errors=True)


def shared_base(account: Account) -> Path:
    """A root-owned folder that `account` can pass through, made if missing."""
    problems = []
    for parent in (Path("/var/lib"), Path(tempfile.gettempdir())):
        base = parent / "helpdesk-embedded"
        if not parent.is_dir() or not account.can_reach(parent):
            continue
        try:
            make_private(base, os.geteuid(), os.getegid(), mode=PASSABLE)
        except (OSError, EmbeddedServerError) as error:
            problems.append(str(error))
            continue
        return base
    raise EmbeddedServerError(
        f"Found no place that the account '{account.name}' can reach for the database's files. "
        + " ".join(problems or ["Set TMPDIR to a folder that everybody may pass through."])
    )


def _unused(base: Path, name: str) -> Path:
    """Of a data folder that was deleted the files elsewhere are still there. They are left alone, not taken over."""
    home, number = base / name, 1
    while home.exists():
        number += 1
        home = base / f"{name}-{number}"
    if number > 1:
        log.warning("%s is left from a data folder that was removed", base / name)
    return home
