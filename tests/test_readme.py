"""What the README says is true: generated parts are current, and every command runs as it stands, from top to bottom.

Blocks marked `sh` are run, in one shell and in order; what cannot be (it starts the system, or needs somebody else's) is
marked `console`. It fails where a command fails, where a part of an answer is not there, or where something that is waited
for does not come.
"""

import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from helpdesk.complaints.lifecycle import LIFECYCLE
from helpdesk.kernel.doorbell import BULK, ISSUING, MAIN, PROVIDERS
from helpdesk.kernel.settings import Settings
from tests.system import System, running

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


def fenced() -> list[tuple[str, str, str]]:
    """Every block of the README: its line, its language, its text."""
    text = README.read_text(encoding="utf-8")
    found = re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [(f"line {text.count(chr(10), 0, block.start()) + 1}", block[1], block[2]) for block in found]


def test_every_block_says_whether_it_runs() -> None:
    assert {language for _, language, _ in fenced()} <= {"sh", "console", "json", "mermaid", ""}


def put_program(folder: Path) -> None:
    """`.venv/bin/helpdesk` and `.venv/bin/python`, as they are where `make` set the program up."""
    folder.mkdir(parents=True)
    for name, command in (("helpdesk", "-m helpdesk"), ("python", "")):
        script = f'#!/bin/sh\nPYTHONPATH={README.parent} exec {sys.executable} {command} "$@"\n'
        (folder / name).write_text(script, encoding="utf-8")
        (folder / name).chmod(0o755)


@pytest.mark.timeout(870)
def test_every_command_runs_as_it_stands_and_in_order(
    new_database_url: str, redis_server_url: str, tmp_path: Path
) -> None:
    assert shutil.which("curl"), "the commands need curl"
    here = tmp_path / "here"
    put_program(here / ".venv" / "bin")
    blocks = [(line, text) for line, language, text in fenced() if language == "sh"]
    with running(System(new_database_url, redis_server_url, tmp_path)) as system:
        system.serve()
        system.start("relay")
        for queue in (MAIN, BULK, PROVIDERS, ISSUING):
            system.start("worker", "--queue", queue)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "\n".join(f"echo '--- {line}'\n{text}" for line, text in blocks)],
            env=system.environment() | {"API": f"http://127.0.0.1:{system.port}/api/v1"},
            cwd=here,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=840,  # a guard against hanging: on a busy machine it takes several minutes
            check=False,
        )
    assert done.returncode == 0, done.stdout
    parts = re.split(r"^--- (line \d+)\n", done.stdout, flags=re.MULTILINE)
    said: dict[str, list[str]] = dict(zip(parts[1::2], (part.splitlines() for part in parts[2::2]), strict=True))
    assert list(said) == [line for line, _ in blocks]

    def of(words: str) -> list[str]:
        """What the block with these words said."""
        (line,) = [line for line, text in blocks if words in text]
        return said[line]

    assert of("new_complaint() {")[-3:] == ["followed_up", "sla.met", "True"]
    assert of("set_severity")[1] == "S1"
    assert of("verify.py evidence.zip")[-1] == "All holds."
    assert of("/queues/")[-1] == "1"
    assert of("/unmerge") == ["{'messages': [], 'issues': [], 'people': [], 'needs': [], 'facts': []}"]
    assert of("/triggers/dry-run")[2] == "done"
    owed = of("recovery-facts")
    assert owed[0] == "{'amount': '800.00', 'currency': 'EUR'}"
    assert owed[2] == "{'amount': '60.00', 'currency': 'GBP'}"
    assert owed[-2:] == ["Band S3: 40 becomes 60.", "published"]
    assert of("/actions/close")[-2:] == ["transfer_in transfer_out", "Everything holds."]
    granted = of("/authority-delegations")
    assert (granted[:2], granted[-3:]) == (["50", "pending_approval"], ["active", "approved", "director"])
    assert any("conflict_of_interest" in line for line in granted)
    at_the_till = of("SHOP=")
    assert at_the_till[0] == at_the_till[-2] == "{'amount': '40.00', 'currency': 'EUR'}"
    assert any("voucher_not_valid" in line for line in at_the_till)
    guards = of("/compensations")
    assert any("already_compensated" in line for line in guards)
    assert "Another parcel." in guards
    assert of("/rotate")[-1] == "revoked"
    assert of("/audit-log/verification") == ["{'active': [True, False]}", "True"]
    taken = [told.partition(" (")[0] for told in of("--mapping generic") if "records read" in told]
    assert taken == [
        "2 records read: 2 would be taken in, 0 skipped",
        "2 records read: 2 taken in, 0 skipped",
        "2 records read: 0 taken in, 2 skipped",
    ]
