"""`helpdesk up`, as `make run` starts it: comes up on servers of its own, mends itself, stops cleanly, keeps its data."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.system import ADMIN_TOKEN, free_port, wait_until

ROOT = Path(__file__).resolve().parent.parent


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
def test_up_from_the_first_start_to_the_second(tmp_path: Path) -> None:
    port = free_port()
    first = start(tmp_path, port)
    try:
        wait_until(lambda: "ready" in (get(port, "/health/ready") or ""), "the first start", timeout=120)
        log = tmp_path / "up.log"
        wait_until(lambda: "Helpdesk is ready" in log.read_text(), "the greeting", timeout=60)
        assert "/docs" in log.read_text()
        before = get(port, "/api/v1/complaints?count=true")
        assert before is not None
        assert '"total":3' in before  # the demo data

        relay = next(
            pid for pid, command in processes_of(tmp_path).items() if command.strip().endswith("helpdesk relay")
        )
        os.kill(relay, signal.SIGKILL)
        wait_until(
            lambda: any(
                pid != relay and command.strip().endswith("helpdesk relay")
                for pid, command in processes_of(tmp_path).items()
            ),
            "the relay to be started again",
        )

        first.send_signal(signal.SIGINT)
        assert first.wait(timeout=60) == 0
        wait_until(lambda: not processes_of(tmp_path), "everything to stop", timeout=20)

        second = start(tmp_path, port)
        try:
            wait_until(lambda: "ready" in (get(port, "/health/ready") or ""), "the second start", timeout=120)
            assert get(port, "/api/v1/complaints?count=true") == before
        finally:
            second.send_signal(signal.SIGTERM)
            assert second.wait(timeout=60) == 0
    except BaseException:
        print((tmp_path / "up.log").read_text())
        raise
    finally:
        if first.poll() is None:
            first.kill()


def test_a_port_that_is_taken_is_said_before_anything_is_started(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "helpdesk", "up"],
            env=environment(tmp_path, port),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert "HELPDESK_PORT" in done.stderr
    assert not (tmp_path / "data").exists()


def test_settings_that_cannot_be_used_are_all_named(tmp_path: Path) -> None:
    wrong = {"HELPDESK_PORT": "eighty", "HELPDESK_ADMIN_TOKEN": "short", "HELPDESK_REDIS_URL": "http://x"}
    done = subprocess.run(
        [sys.executable, "-m", "helpdesk", "up"],
        env=environment(tmp_path, 1) | wrong,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert all(name in done.stderr for name in wrong)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("part", ["serve", "relay", "worker", "scheduler", "migrate", "verify"])
def test_a_part_alone_says_what_it_needs(tmp_path: Path, part: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "helpdesk", part],
        env=environment(tmp_path, 1),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "HELPDESK_DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr
