"""`helpdesk up`, as `make run` starts it: comes up on servers of its own, mends itself, stops cleanly, keeps its data."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpdesk import demo
from tests.system import ADMIN_TOKEN, free_port, wait_until

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the database's own account can get to, as root: pytest's folders are closed to everybody else."""
    with tempfile.TemporaryDirectory(prefix="hdup") as name:
        Path(name).chmod(0o711)
        yield Path(name)


def environment(folder: Path, port: int, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HELPDESK_")}
    return (
        kept
        | {
            "HELPDESK_DATA_DIR": str(folder / "data"),
            "HELPDESK_PORT": str(port),
            "HELPDESK_ADMIN_TOKEN": ADMIN_TOKEN,
            "HELPDESK_WEB_WORKERS": "1",
        }
        | more
    )


def start(folder: Path, port: int) -> subprocess.Popen[bytes]:
    with (folder / "up.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "helpdesk", "up"],
            env=environment(folder, port),
            cwd=ROOT,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def get(port: int, path: str) -> str | None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return str(answer.read().decode())
    except OSError:
        return None


def processes_of(folder: Path) -> dict[int, str]:
    """Every process whose environment or command line names the data folder."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
                state = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0]
            except OSError:
                continue
            if str(folder / "data").encode() in text and state != "Z":
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


@pytest.mark.timeout(280)
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for left-over processes in /proc")
def test_up_from_the_first_start_to_the_second(folder: Path) -> None:
    port = free_port()
    first = start(folder, port)
    try:
        wait_until(
            lambda: first.poll() is not None or "ready" in (get(port, "/health/ready") or ""),
            "the first start",
            timeout=120,
        )
        assert first.poll() is None, "it ended"
        log = folder / "up.log"
        wait_until(lambda: "Helpdesk is ready" in log.read_text(), "the greeting", timeout=60)
        assert "/docs" in log.read_text()
        before = get(port, "/api/v1/complaints?count=true")
        assert before is not None
        assert '"total":3' in before  # the demo data

        link = subprocess.run(
            [sys.executable, "-m", "helpdesk", "agent", "password-link", demo.MANAGER],
            env=environment(folder, port) | {"HELPDESK_PORT": ""},  # as in another terminal
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert link.stdout.startswith(f"http://127.0.0.1:{port}/")

        relay = next(pid for pid, command in processes_of(folder).items() if command.strip().endswith("helpdesk relay"))
        os.kill(relay, signal.SIGKILL)
        wait_until(
            lambda: any(
                pid != relay and command.strip().endswith("helpdesk relay")
                for pid, command in processes_of(folder).items()
            ),
            "the relay to be started again",
        )

        with socket.create_connection(
            ("127.0.0.1", port)
        ):  # over which nothing is said, as browsers open some in advance
            first.send_signal(signal.SIGINT)
            assert first.wait(timeout=60) == 0
        assert "did not stop in time" not in log.read_text()
        wait_until(lambda: not processes_of(folder), "everything to stop", timeout=20)

        second = start(folder, port)
        try:
            wait_until(lambda: "ready" in (get(port, "/health/ready") or ""), "the second start", timeout=120)
            assert get(port, "/api/v1/complaints?count=true") == before
        finally:
            second.send_signal(signal.SIGTERM)
            assert second.wait(timeout=60) == 0
    except BaseException:
        print((folder / "up.log").read_text())
        raise
    finally:
        if first.poll() is None:
            first.kill()


def test_a_port_that_is_taken_is_said_before_anything_is_started(folder: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "helpdesk", "up"],
            env=environment(folder, port),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert "HELPDESK_PORT" in done.stderr
    assert not (folder / "data").exists()
