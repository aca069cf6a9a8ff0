"""PostgreSQL refuses root, so it runs under another account, and nothing is opened up for that account."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from helpdesk.kernel.embedded import EmbeddedPostgres, EmbeddedServerError, binaries
from helpdesk.kernel.embedded.accounts import Account

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes accounts; run it as root to see this")

STRANGER = """
import os, pwd, sys
import psycopg
account = pwd.getpwnam("nobody")
os.setgroups([]); os.setgid(account.pw_gid); os.setuid(account.pw_uid)
for role in ("helpdesk", "postgres", "nobody"):
    try:
        psycopg.connect(host=sys.argv[1], port="5432", user=role, dbname="helpdesk", connect_timeout=5)
    except psycopg.OperationalError as error:
        print(error)
    else:
        sys.exit("a stranger is in as " + role)
"""


def sockets_of(url: str) -> Path:
    return Path(sa.make_url(url).query["host"])  # type: ignore[arg-type]


def modes_above(path: Path) -> dict[Path, tuple[int, int]]:
    return {folder: (stat.S_IMODE(folder.stat().st_mode), folder.stat().st_uid) for folder in path.parents}


def try_as_nobody(sockets: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", STRANGER, str(sockets)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class TestOutOfReach:
    """The data folder lies below one that only root may enter, as /root is."""

    @pytest.fixture
    def hidden(self, place: Path) -> Path:
        (place / "hidden").mkdir(mode=0o700)
        return place / "hidden" / "postgres"

    def test_no_folder_changes_and_the_server_is_not_root(self, hidden: Path) -> None:
        before = modes_above(hidden)
        with EmbeddedPostgres(hidden, durable=False) as server:
            url = server.start()
            assert modes_above(hidden) == before
            home = (hidden / "kept-elsewhere").readlink()
            assert not home.is_relative_to(hidden)
            assert stat.S_IMODE(home.stat().st_mode) == 0o711
            assert server.process is not None
            assert Path("/proc", str(server.process.pid)).stat().st_uid == Account.for_server().uid != 0
            with psycopg.connect(host=str(sockets_of(url)), port="5432", user="helpdesk", dbname="helpdesk") as client:
                assert client.execute("SELECT 1").fetchone() == (1,)

    def test_the_link_is_followed_and_its_loss_is_an_error(self, hidden: Path) -> None:
        with EmbeddedPostgres(hidden, durable=False) as server:
            url = server.start()
            server.stop()
            assert server.start() == url, "same home, same data"
            server.stop()
            home = (hidden / "kept-elsewhere").readlink()
            away = home.rename(home.with_name(f"{home.name}-away"))
            with pytest.raises(EmbeddedServerError, match="which is gone"):
                server.start()
            away.rename(home)

    def test_a_copy_of_the_data_folder_does_not_share_its_home(self, hidden: Path) -> None:
        copy = hidden.with_name("copy")
        with EmbeddedPostgres(hidden, durable=False) as server:
            server.start()
            copy.mkdir()
            (copy / "kept-elsewhere").symlink_to((hidden / "kept-elsewhere").readlink())
            with pytest.raises(EmbeddedServerError, match="copy of a data folder in use"):
                EmbeddedPostgres(copy).start()
            (copy / "kept-elsewhere").unlink()


def test_data_stays_in_a_folder_that_can_be_reached(open_place: Path) -> None:
    """So that a volume mounted there holds all of it."""
    before = modes_above(open_place / "data")
    with EmbeddedPostgres(open_place / "data" / "postgres", durable=False) as server:
        server.start()
        assert (open_place / "data" / "postgres" / "cluster").is_dir()
        assert not (open_place / "data" / "postgres" / "kept-elsewhere").is_symlink()
    assert modes_above(open_place / "data") == before


def test_strangers_stay_outside_even_if_they_reach_the_socket(open_place: Path) -> None:
    with EmbeddedPostgres(open_place / "postgres", durable=False) as server:
        sockets = sockets_of(server.start())
        assert try_as_nobody(sockets).count("Permission denied") == 3
        sockets.chmod(0o755)
        (sockets / ".s.PGSQL.5432").chmod(0o777)
        assert try_as_nobody(sockets).count("Peer authentication failed") == 3
        sockets.chmod(0o700)


def test_a_copy_of_the_programs_runs_for_the_account(open_place: Path) -> None:
    """What is done when the virtual environment is hidden, as one below /root is."""
    account = Account.for_server()
    copied = binaries._copy(binaries.find().parent, open_place)
    assert account.can([copied / "postgres", "--version"])
    assert account.can([copied / "initdb", "--version"])
    assert copied == binaries._copy(binaries.find().parent, open_place)
    assert [folder.name for folder in open_place.iterdir()] == [copied.parents[2].name], "no draft is left"
