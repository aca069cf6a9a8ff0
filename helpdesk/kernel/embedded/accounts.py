"""Whose account PostgreSQL runs under. It refuses root, so root picks an existing account without privileges.

Nothing is made reachable for that account by changing a folder: what it cannot reach is kept elsewhere
(`homes.py`, `binaries.py`).
"""

import errno
import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from helpdesk.kernel.embedded.errors import EmbeddedServerError

_PREFERRED = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    name: str
    uid: int
    gid: int

    @classmethod
    def ours(cls) -> Self:
        """The account this process runs under. It must have a name: PostgreSQL looks it up to know its client."""
        try:
            entry = pwd.getpwuid(os.geteuid())
        except KeyError:
            raise EmbeddedServerError(
                f"User id {os.geteuid()} has no name on this machine, and the embedded PostgreSQL knows its clients by "
                "name. Run as a user that is in /etc/passwd, or give HELPDESK_DATABASE_URL."
            ) from None
        return cls(entry.pw_name, os.geteuid(), os.getegid())

    @classmethod
    def for_server(cls) -> Self:
        """The account the server runs under: ours, or one without privileges where we are root."""
        if os.geteuid() != 0:
            return cls.ours()
        for name in _PREFERRED:
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            if entry.pw_uid != 0:
                return cls(entry.pw_name, entry.pw_uid, entry.pw_gid)
        raise EmbeddedServerError(
            "PostgreSQL refuses to run as root, and this machine has neither an account 'postgres' nor 'nobody' to run "
            "it under. Start Helpdesk as an ordinary user, or give HELPDESK_DATABASE_URL."
        )

    @property
    def is_another(self) -> bool:
        """Whether a process has to change to it."""
        return self.uid != os.geteuid()

    def for_launcher(self) -> str:
        """The form `launcher.py` reads; `-` when nothing changes."""
        if not self.is_another:
            return "-"
        return f"{self.uid}:{self.gid}:{','.join(map(str, os.getgrouplist(self.name, self.gid)))}"

    def can(self, argv: Sequence[str | Path]) -> bool:
        """Whether the command succeeds under this account. Tried, not computed: access lists and mount options count."""
        try:
            done = subprocess.run(  # noqa: S603 - our own programs
                [str(part) for part in argv],
                user=self.uid if self.is_another else None,
                group=self.gid if self.is_another else None,
                extra_groups=os.getgrouplist(self.name, self.gid) if self.is_another else None,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
                timeout=60,
            )
        except OSError as error:
            if error.errno != errno.EPERM:
                return False  # it may not run the command, or not even see it
            raise EmbeddedServerError(
                f"This root may not change to the account '{self.name}' ({error.strerror}), and PostgreSQL refuses to "
                "run as root. Start Helpdesk as an ordinary user, or give HELPDESK_DATABASE_URL."
            ) from error
        return done.returncode == 0

    def can_reach(self, folder: Path) -> bool:
        return self.can(["/bin/sh", "-c", 'cd -- "$1"', "sh", folder])
