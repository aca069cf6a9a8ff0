import os
import signal
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from helpdesk.kernel.embedded import EmbeddedPostgres, EmbeddedServerError, running_url
from tests.kernel.embedded.programs import alive, running, until

OWNER = """
import signal, sys
from pathlib import Path
from helpdesk.kernel.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), durable=False)
print("URL", server.start())
print("PID", server.process.pid)
signal.pause()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One data folder for all but those that spoil theirs: `initdb` takes ten times as long as a start."""
    folder = tmp_path_factory.mktemp("shared") / "postgres"
    yield folder
    EmbeddedPostgres(folder).discard()


@pytest.fixture
def server(folder: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(folder, durable=False) as server:
        yield server


@pytest.fixture
def fresh(place: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(place / "postgres", durable=False) as server:
        yield server


def ask(url: str, question: str, **given: Any) -> Any:
    engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        result = connection.execute(sa.text(question), given)
        return result.scalar() if result.returns_rows else None


def make_table(url: str) -> None:
    ask(url, "DROP TABLE IF EXISTS note")
    ask(url, "CREATE TABLE note (text text)")


def cluster_of(server: EmbeddedPostgres) -> Path:
    return server.log_path.parent / "cluster"


def crash(server: EmbeddedPostgres) -> None:
    assert server.process is not None
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()


class TestStart:
    def test_first_and_later_starts_give_the_same_database(self, server: EmbeddedPostgres) -> None:
        url = server.start()
        make_table(url)
        ask(url, "INSERT INTO note VALUES ('kept')")
        assert server.start() == url, "while it runs, a start changes nothing"
        server.stop()
        assert server.process is None
        assert server.start() == url
        assert ask(url, "SELECT text FROM note") == "kept"

    def test_the_role_is_no_superuser_and_owns_its_database(self, server: EmbeddedPostgres) -> None:
        url = server.start()
        assert ask(url, "SELECT current_user") == "helpdesk"
        assert ask(url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
        ask(url, "CREATE DATABASE another")
        ask(url, "DROP DATABASE another WITH (FORCE)")

    def test_settings(self, server: EmbeddedPostgres) -> None:
        url = server.start()
        expected = {
            "listen_addresses": "",
            "max_connections": "100",
            "idle_in_transaction_session_timeout": "1min",
            "lock_timeout": "10s",
            "jit": "off",
            "fsync": "off",
            "full_page_writes": "off",
            "synchronous_commit": "on",
        }
        assert {name: ask(url, "SELECT current_setting(:name)", name=name) for name in expected} == expected

    def test_waits_for_the_disk_unless_told_not_to(self, folder: Path) -> None:
        with EmbeddedPostgres(folder) as server:
            url = server.start()
            for setting in ("fsync", "full_page_writes"):
                assert ask(url, "SELECT current_setting(:name)", name=setting) == "on"

    def test_text_sorts_the_same_on_every_machine(self, server: EmbeddedPostgres) -> None:
        url = server.start()
        question = "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = current_database()"
        assert ask(url, question) == "bC.UTF-8"
        assert ask(url, "SELECT lower('ÄÉ')") == "äé", "and lower case is not only for ASCII"

    def test_only_from_the_main_thread(self, server: EmbeddedPostgres) -> None:
        """It would be killed when that thread ends; better not to start at all."""
        errors: list[BaseException] = []

        def start() -> None:
            try:
                server.start()
            except EmbeddedServerError as error:
                errors.append(error)

        thread = threading.Thread(target=start)
        thread.start()
        thread.join()
        assert "main thread" in str(errors[0])

    def test_a_path_too_long_for_a_socket(self, place: Path) -> None:
        deep = place / ("long" * 20) / ("path" * 20)
        with EmbeddedPostgres(deep / "postgres", durable=False) as server:
            url = server.start()
            assert ask(url, "SELECT 1") == 1
            sockets = Path(sa.make_url(url).query["host"])  # type: ignore[arg-type]
            assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
            server.stop()
            assert server.start() == url
            server.discard()
            assert not sockets.exists()

    def test_the_folders_are_private(self, server: EmbeddedPostgres) -> None:
        sockets = Path(sa.make_url(server.start()).query["host"])  # type: ignore[arg-type]
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        assert stat.S_IMODE((sockets / ".s.PGSQL.5432").stat().st_mode) == 0o700
        assert stat.S_IMODE((cluster_of(server)).stat().st_mode) == 0o700
        assert stat.S_IMODE(server.log_path.stat().st_mode) == 0o600


class TestOneOwner:
    def test_a_second_one_is_refused_and_told_by_whom(self, server: EmbeddedPostgres) -> None:
        server.start()
        second = EmbeddedPostgres(server.data_dir)
        with pytest.raises(EmbeddedServerError, match=rf"in use by another Helpdesk \(process {os.getpid()}\)"):
            second.start()
        second.stop()
        assert server.process is not None
        assert server.process.poll() is None, "the refused one must not disturb the first"

    def test_the_next_one_may_when_the_first_has_stopped(self, server: EmbeddedPostgres) -> None:
        server.start()
        server.stop()
        with EmbeddedPostgres(server.data_dir, durable=False) as second:
            second.start()

    def test_others_find_the_running_one(self, server: EmbeddedPostgres) -> None:
        assert running_url(server.data_dir) is None
        url = server.start()
        assert running_url(server.data_dir) == url
        server.stop()
        assert running_url(server.data_dir) is None


class TestCrashes:
    def test_it_dies_with_an_owner_killed_at_once_and_the_data_stays(self, folder: Path) -> None:
        with running("-c", OWNER, str(folder)) as owner:
            url = owner.line(r"URL (\S+)")[1]
            pid = int(owner.line(r"PID (\d+)")[1])
            make_table(url)
            owner.send(signal.SIGKILL)
            owner.process.wait()
            # Without a pause: the old server may still be writing out, and the new one has to wait for it.
            with EmbeddedPostgres(folder, durable=False) as server:
                assert ask(server.start(), "SELECT count(*) FROM note") == 0
                assert not alive(pid)
            assert running_url(folder) is None

    def test_started_again_after_its_own_crash(self, server: EmbeddedPostgres) -> None:
        url = server.start()
        make_table(url)
        crash(server)
        assert server.start() == url
        assert ask(url, "SELECT count(*) FROM note") == 0

    def test_a_process_id_that_belongs_to_somebody_else_by_now(self, server: EmbeddedPostgres) -> None:
        """In a container ids begin anew: after a crash the old server's id is soon one of ours."""
        sockets = Path(sa.make_url(server.start()).query["host"])  # type: ignore[arg-type]
        crash(server)
        cluster = cluster_of(server)
        with subprocess.Popen(["/bin/sleep", "60"], user=cluster.stat().st_uid if os.geteuid() == 0 else None) as other:
            for path in (cluster / "postmaster.pid", sockets / ".s.PGSQL.5432.lock"):
                _, rest = path.read_text().split("\n", 1)
                path.write_text(f"{other.pid}\n{rest}")
            server.start()
            other.kill()

    def test_a_first_start_that_was_cut_off(self, fresh: EmbeddedPostgres) -> None:
        fresh.start()
        fresh.stop()
        cluster = cluster_of(fresh)
        unfinished = cluster.rename(cluster.with_name("cluster.new"))
        (unfinished / "PG_VERSION").unlink()
        assert ask(fresh.start(), "SELECT 1") == 1
        assert not unfinished.exists()

    def test_why_it_cannot_start_is_said(self, server: EmbeddedPostgres) -> None:
        server.start()
        server.stop()
        needed = cluster_of(server) / "global" / "pg_control"
        away = needed.rename(needed.with_name("away"))
        with pytest.raises(EmbeddedServerError, match="could not find the database system"):
            server.start()
        assert server.process is None
        away.rename(needed)
        server.start()

    def test_data_of_another_version(self, server: EmbeddedPostgres) -> None:
        server.start()
        server.stop()
        version = cluster_of(server) / "PG_VERSION"
        version.write_text("17\n")
        with pytest.raises(EmbeddedServerError, match="made by PostgreSQL 17"):
            server.start()
        version.write_text("18\n")

    def test_data_that_was_opened_to_others(self, server: EmbeddedPostgres) -> None:
        """Said, not mended: whoever opened it may have had a reason, and somebody may have been in."""
        server.start()
        server.stop()
        cluster = cluster_of(server)
        cluster.chmod(0o755)
        with pytest.raises(EmbeddedServerError, match="open to others"):
            server.start()
        assert stat.S_IMODE(cluster.stat().st_mode) == 0o755
        cluster.chmod(0o700)

    def test_a_data_folder_that_is_none(self, place: Path) -> None:
        (place / "file").touch()
        with pytest.raises(EmbeddedServerError, match="Choose another"):
            EmbeddedPostgres(place / "file").start()
        with pytest.raises(EmbeddedServerError, match="Choose another"):
            EmbeddedPostgres(place / "file" / "below").start()


def test_a_transaction_of_a_stopped_server_is_rolled_back(server: EmbeddedPostgres) -> None:
    url = server.start()
    make_table(url)
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    connection = engine.connect()
    connection.execute(sa.text("INSERT INTO note VALUES ('unfinished')"))
    server.stop()
    with pytest.raises(sa.exc.OperationalError):
        connection.commit()
    connection.close()
    assert ask(server.start(), "SELECT count(*) FROM note") == 0


def test_discard_leaves_nothing(fresh: EmbeddedPostgres) -> None:
    fresh.start()
    process, home = fresh.process, fresh.log_path.parent
    assert process is not None
    fresh.discard()
    until(lambda: not alive(process.pid), "the end of the server")
    assert not fresh.data_dir.exists()
    assert not home.exists()
