"""A PostgreSQL of our own: the binaries of a wheel, a private unix socket, one owner, gone with its owner.

For `make run` and `make test`. As root the server runs under an account without privileges and lets in root and that
account, by name (`peer`), nobody else. The application's role `helpdesk` is no superuser, as in production: it owns
its database and may create others.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from helpdesk.kernel.embedded import binaries, homes
from helpdesk.kernel.embedded.accounts import Account
from helpdesk.kernel.embedded.errors import EmbeddedServerError
from helpdesk.kernel.embedded.folders import FileLock, make_data_dir, make_private, socket_folder
from helpdesk.kernel.embedded.processes import end, how_it_ended, last_lines, launch, wait_until
from helpdesk.kernel.embedded.serving import Ownership, wait_for_predecessor

ROLE = "helpdesk"
DATABASE = "helpdesk"
SUPERUSER = "postgres"
_PORT = "5432"  # only a part of the socket's name
_SOCKET = f".s.PGSQL.{_PORT}"
_SECONDS_TO_START = 300.0  # recovery after a crash may read a lot of log
_SECONDS_TO_STOP = 30.0
_LARGEST_LOG = 5_000_000  # bytes; a larger one is put aside at the next start


def _buffers() -> int:
    """Megabytes: an eighth of the memory, as far as that helps. PostgreSQL's own 128 do not hold a hundred thousand texts."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(128, min(512, memory // 8 // 2**20))


_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": _PORT,
    "max_connections": "100",
    "idle_in_transaction_session_timeout": "60s",
    "lock_timeout": "10s",
    "jit": "off",
    "shared_buffers": f"{_buffers()}MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "log_min_duration_statement": "500",
}
# For data nobody will miss: a power cut may leave nothing usable. A crash of the server alone loses nothing, and tests
# of faults count on it; `synchronous_commit` therefore stays on (without fsync it costs next to nothing).
_FORGETFUL = {"fsync": "off", "full_page_writes": "off"}


class EmbeddedPostgres:
    """`start()` gives the URL; `stop()` or leaving the context ends the server. The data stays until `discard()`.

    `durable=False` is for tests: it does not wait for the disk.
    """

    name = "postgres"

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        self.data_dir = Path(os.path.realpath(data_dir))
        self.process: subprocess.Popen[bytes] | None = None
        self._durable = durable
        self._ownership = Ownership(self.data_dir)
        self._home = self.data_dir
        self._home_lock: FileLock | None = None
        self._socket_dir: Path | None = None

    @property
    def url(self) -> str:
        """For SQLAlchemy. Only after `start()`; the same each time for one object."""
        if self._socket_dir is None:
            raise EmbeddedServerError("It was not started yet.")
        return f"postgresql+psycopg://{ROLE}@/{DATABASE}?host={quote(str(self._socket_dir), safe='/')}&port={_PORT}"

    @property
    def log_path(self) -> Path:
        return self._home / "postgres.log"

    def start(self) -> str:
        """Start, or start again after a crash, and wait until it accepts connections. Does nothing while it runs.

        Raises `EmbeddedServerError` with the reason when it cannot be.
        """
        if self.process is not None and self.process.poll() is None:
            return self.url
        account = Account.for_server()
        make_data_dir(self.data_dir, passable=account.is_another)
        self._ownership.take()
        try:
            self._enter_home(account)
            programs = binaries.for_account(account)
            with FileLock(self._home / "server.lock") as lock:
                wait_for_predecessor(lock, "PostgreSQL")
                self._make_cluster(programs, account, lock)
                self._launch(programs, account, lock)
            self._await_connections()
            self._make_database()
        except BaseException:
            self.stop()
            raise
        self._ownership.publish(self.url)
        return self.url

    def stop(self) -> None:
        """End it: open transactions are rolled back, what is committed is on disk. Safe to call at any time."""
        if self.process is not None:
            end(self.process, (signal.SIGINT, _SECONDS_TO_STOP), (signal.SIGQUIT, 5.0))
            self.process = None
        if self._home_lock is not None:
            self._home_lock.release()
        self._ownership.release()

    def discard(self) -> None:
        """Stop it and delete all of its data. For tests."""
        self.stop()
        if self._socket_dir is not None:
            shutil.rmtree(self._socket_dir, ignore_errors=True)
            self._socket_dir = None
        homes.remove(self.data_dir)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def _cluster(self) -> Path:
        return self._home / "cluster"

    def _enter_home(self, account: Account) -> None:
        self._home = homes.home_of(self.data_dir, account, holds="cluster")
        if self._home == self.data_dir:
            return
        # The lock of the data folder is not enough here: a copy of that folder links to the same home.
        self._home_lock = self._home_lock or FileLock(self._home / "owner.lock")
        if not self._home_lock.held and not self._home_lock.acquire(1.0):
            raise EmbeddedServerError(
                f"{self.data_dir} is a copy of a data folder in use: both keep their database in {self._home}. "
                f"Remove {self.data_dir / homes.LINK} to begin with an empty one."
            )

    def _make_cluster(self, programs: Path, account: Account, lock: FileLock) -> None:
        """`initdb`, in a folder that gets its name only when all went well: a killed first start leaves no half."""
        if self._cluster.exists():
            make_private(self._cluster, account.uid, account.gid)  # checks that it is still ours alone
            self._check_version()
            return
        draft = self._home / "cluster.new"
        if draft.exists():
            shutil.rmtree(draft)
        make_private(draft, account.uid, account.gid)
        initdb: list[str | Path] = [programs / "initdb", "--pgdata", draft, "--username", SUPERUSER]
        # The builtin locale sorts alike on every machine; the default would be whatever this one is set to.
        initdb += ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        initdb += ["--auth-local=peer", "--auth-host=reject", "--no-instructions"]
        process = self._run(initdb if self._durable else [*initdb, "--no-sync"], account, lock, signal.SIGKILL)
        try:
            status = process.wait(_SECONDS_TO_START)
        finally:
            end(process)
        if status != 0:
            raise self._failure(f"initdb failed ({how_it_ended(status)})")
        draft.rename(self._cluster)

    def _check_version(self) -> None:
        version = self._cluster.joinpath("PG_VERSION").read_text(encoding="ascii").strip()
        if version != binaries.MAJOR:
            raise EmbeddedServerError(
                f"{self._cluster} was made by PostgreSQL {version}, and this is {binaries.MAJOR}. "
                f"Dump it with the old program, move the folder away and load the dump into the new one."
            )

    def _forget_stale_ids(self, socket_dir: Path) -> None:
        """Remove what a crash left where its process id belongs to something else by now.

        PostgreSQL would take any process of the same account under that id for its predecessor and never start again;
        in a container, where ids begin anew at each start, that is the rule and not the exception. Our lock proves
        that no server of ours is left; one started by hand works in this very folder, and is left alone.
        """
        if not sys.platform.startswith("linux"):
            return
        for path in (self._cluster / "postmaster.pid", socket_dir / f"{_SOCKET}.lock"):
            try:
                written = path.read_text(encoding="utf-8").split("\n", 1)[0]
            except FileNotFoundError:
                continue
            try:
                works_here = Path("/proc", written, "cwd").readlink() == self._cluster
            except OSError:
                works_here = False
            if not works_here:
                path.unlink()

    def _launch(self, programs: Path, account: Account, lock: FileLock) -> None:
        if self._socket_dir is None:
            base = homes.shared_base(account) if account.is_another else None
            preferred = self._home / "run"
            self._socket_dir = socket_folder(preferred, f"{_SOCKET}.lock", account.uid, account.gid, short_base=base)
        self._forget_stale_ids(self._socket_dir)
        settings = _SETTINGS | self._access_files(account) | {"unix_socket_directories": str(self._socket_dir)}
        if not self._durable:
            settings |= _FORGETFUL
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        # SIGINT is its fast shutdown: nobody is left to wait for.
        argv: list[str | Path] = [programs / "postgres", "-D", self._cluster, *options]
        self.process = self._run(argv, account, lock, signal.SIGINT)

    def _access_files(self, account: Account) -> dict[str, str]:
        """Who may connect, as the settings that say where it is written.

        Written anew at each start, outside the cluster: root must not write into a folder where another account could
        have put a link.
        """
        ours = Account.ours()
        folder = make_private(self._home / "conf", ours.uid, ours.gid, mode=0o755 if account.is_another else 0o700)
        who = [f'helpdesk "{user}" {role}' for user in sorted({ours.name, account.name}) for role in (ROLE, SUPERUSER)]
        files = {"hba_file": "local all all peer map=helpdesk\n", "ident_file": "\n".join(who) + "\n"}
        settings = {}
        for setting, text in files.items():
            path = folder / f"{setting.removesuffix('_file')}.conf"
            path.write_text(text, encoding="utf-8")
            path.chmod(0o644 if account.is_another else 0o600)
            settings[setting] = str(path)
        return settings

    def _run(
        self, argv: list[str | Path], account: Account, lock: FileLock, death_signal: signal.Signals
    ) -> subprocess.Popen[bytes]:
        if self.log_path.exists() and self.log_path.stat().st_size > _LARGEST_LOG:
            self.log_path.replace(self.log_path.with_suffix(".log.1"))
        env = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))} | {
            "LC_ALL": "C"
        }
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        with os.fdopen(os.open(self.log_path, flags, 0o600), "wb") as output:
            process = launch(
                argv,
                death_signal=death_signal,
                output=output,
                account=account,
                env=env,
                cwd=Path("/"),
                keep=[lock.fileno()],
            )
        lock.note(str(process.pid))
        return process

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host=str(self._socket_dir),
            port=_PORT,
            user=SUPERUSER,
            dbname="postgres",
            autocommit=True,
            connect_timeout=10,
        )

    def _await_connections(self) -> None:
        """Until the first connection. A refused login will not mend itself; anything else may still be recovery."""
        last = ""

        def accepts() -> bool:
            nonlocal last
            process = self.process
            if process is None or process.poll() is not None:
                raise self._failure(f"it ended at once ({how_it_ended(process.wait() if process else 0)})")
            try:
                self._connect().close()
            except psycopg.OperationalError as error:
                last = str(error)
                if "authentication failed" in last:
                    raise self._failure(last) from error
                return False
            return True

        if not wait_until(accepts, _SECONDS_TO_START):
            raise self._failure(f"it accepted no connection within {_SECONDS_TO_START:.0f} s ({last})")

    def _make_database(self) -> None:
        with self._connect() as connection:
            if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [ROLE]).fetchall():
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB").format(sql.Identifier(ROLE)))
            if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).fetchall():
                names = map(sql.Identifier, (DATABASE, ROLE))
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(*names))

    def _failure(self, reason: str) -> EmbeddedServerError:
        return EmbeddedServerError(
            f"PostgreSQL did not start in {self._home}: {reason}. The end of its log:\n{last_lines(self.log_path)}"
        )
