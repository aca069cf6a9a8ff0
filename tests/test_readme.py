"""What the README says is true: generated parts are current, and the tour runs as it stands."""

import os
import re
import shutil
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest

from helpdesk.complaints.lifecycle import LIFECYCLE
from helpdesk.kernel.settings import Settings
from tests.system import ADMIN_TOKEN, System, running

README = Path(__file__).resolve().parent.parent / "README.md"


def marked(name: str, language: str) -> str:
    """The code block after `<!-- name -->`."""
    found = re.search(rf"<!-- {name} -->\n```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert found, f"the README has no block {name}"
    return found.group(1)


def settings_table() -> str:
    lines = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for item in fields(Settings):
        given: object = item.default
        default = ("1" if given else "0") if isinstance(given, bool) else str(given)
        shown = f"`{default}`" if given is not None else ""
        lines.append(f"| `HELPDESK_{item.name.upper()}` | {shown} | {item.metadata['help']} |")
    return "\n".join(lines)


def test_the_lifecycle_diagram_is_the_tables() -> None:
    assert marked("lifecycle", "mermaid").strip() == LIFECYCLE.diagram()


def test_the_settings_are_all_there() -> None:
    text = README.read_text(encoding="utf-8")
    assert f"<!-- settings -->\n{settings_table()}\n" in text


@pytest.mark.timeout(180)
def test_the_tour_runs_as_it_stands(own_database_url: str, redis_server_url: str, tmp_path: Path) -> None:
    assert shutil.which("curl"), "the tour needs curl"
    with running(System(own_database_url, redis_server_url, tmp_path)) as system:
        for command in ("relay", "worker"):
            system.start(command)
        system.serve()
        environment = {
            "PATH": os.environ["PATH"],
            "API": f"http://127.0.0.1:{system.port}/api/v1",
            "HELPDESK_ADMIN_TOKEN": ADMIN_TOKEN,
        }
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", marked("tour", "sh")],
            env=environment,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.splitlines()
    assert said[-3:] == ["followed_up", "complaint.followed_up", "True"], done.stdout
