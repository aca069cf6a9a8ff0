"""The CFPB's own complaints, where they lie beside the project."""

import csv
import json
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, text

from helpdesk.wiring import Program
from tests.integrations.conftest import PREAMBLE, SAMPLE, Ask, Command, needs_data
from tests.integrations.test_importing import kill_midway

_COUNT = "SELECT count(*) FROM complaint"

pytestmark = needs_data


def _raw() -> list[dict[str, str]]:
    with SAMPLE.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_all_of_it(command: Command, ask: Ask, engine: Engine) -> None:
    result = command(SAMPLE, "--mapping", "cfpb")
    assert result.exit_code == 0, result.output
    assert (
        "6623 records read: 6623 taken in, 0 skipped (known before, or twice in the file), 0 rejected" in result.stderr
    )
    rows = _raw()
    _check_records(engine, rows)
    _check_needs(engine)
    _check_clocks(engine, rows)
    assert ask("SELECT count(*) FROM event WHERE type = 'complaint.received'") == 6623
    assert ask("SELECT count(*) FROM sla_clock WHERE kind = 'us.cfpb.15'") == 6623
    assert ask("SELECT line_done FROM import_job") == 9965
    again = command(SAMPLE, "--mapping", "cfpb")
    assert "0 taken in, 6623 skipped" in again.stderr
    assert ask(_COUNT) == 6623


def _check_records(engine: Engine, rows: list[dict[str, str]]) -> None:
    """Each cell is where the mapping says, unchanged."""
    statement = text(
        "SELECT external_id, description, source_data, region, postcode FROM complaint "
        "JOIN complaint_person ON complaint_id = complaint.id AND role = 'complainant'"
    )
    with engine.connect() as connection:
        found = {row.external_id: row for row in connection.execute(statement)}
    assert len(found) == len(rows) == 6623
    for row in rows:
        _check_record(found[row["Complaint ID"]], row)
    assert sum("\n" in row["Consumer complaint narrative"] for row in rows) == 602


def _check_record(stored: Any, row: dict[str, str]) -> None:
    narrative = row["Consumer complaint narrative"]
    if narrative:
        assert stored.description == narrative
    else:
        assert stored.description.startswith("No narrative was published. ")
    assert (stored.region or "", stored.postcode or "") == (row["State"], row["ZIP code"])
    carried = {"Complaint ID", "State", "ZIP code", "Consumer complaint narrative"}
    kept = {name: value for name, value in stored.source_data.items() if name != "_import"}
    assert kept == {name: value for name, value in row.items() if value and name not in carried}


def _check_needs(engine: Engine) -> None:
    statement = text(
        "SELECT flags, count(*) FROM (SELECT string_agg(flag, '+' ORDER BY flag) AS flags FROM complaint_need "
        "WHERE ground = 'recorded by the CFPB' AND NOT consent GROUP BY complaint_id) AS each GROUP BY flags"
    )
    with engine.connect() as connection:
        found = {row[0]: row[1] for row in connection.execute(statement)}
    assert found == {"older": 239, "servicemember": 502, "older+servicemember": 73}


def _check_clocks(engine: Engine, rows: list[dict[str, str]]) -> None:
    """The regime counts from the day the complaint was sent to the company, as Washington has it, and not from receipt."""
    statement = text(
        "SELECT external_id, kind, started_at FROM complaint JOIN sla_clock ON complaint_id = complaint.id "
        "WHERE kind IN ('us.cfpb.15', 'us.cfpb.60', 'resolve')"
    )
    with engine.connect() as connection:
        found = {(row.external_id, row.kind): row.started_at for row in connection.execute(statement)}
    for row in rows:
        sent, received = _washington(row["Date sent to company"]), _washington(row["Date received"])
        assert found[row["Complaint ID"], "us.cfpb.15"] == found[row["Complaint ID"], "us.cfpb.60"] == sent
        assert found[row["Complaint ID"], "resolve"] == received
    assert any(row["Date sent to company"] != row["Date received"] for row in rows)


def _washington(day: str) -> datetime:
    return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=ZoneInfo("America/New_York"))


def test_killed_half_way(program: Program, command: Command, ask: Ask) -> None:
    killed_at = kill_midway(program, ask, SAMPLE, "cfpb", batch=100, after=3000)
    assert 3000 <= killed_at < 6623
    result = command(SAMPLE, "--mapping", "cfpb")
    assert result.exit_code == 0, result.output
    assert "6623 records read: 6623 taken in, 0 skipped" in result.stderr
    assert ask(_COUNT) == ask("SELECT count(DISTINCT external_id) FROM complaint") == 6623


@pytest.mark.skipif(not PREAMBLE.exists(), reason=f"{PREAMBLE} is missing")
def test_lines_before_the_header_and_an_end_in_the_middle(command: Command, ask: Ask, tmp_path: Path) -> None:
    report = tmp_path / "report.jsonl"
    result = command(PREAMBLE, "--mapping", "cfpb", "--report", str(report))
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert "27 records read: 26 taken in, 0 skipped (known before, or twice in the file), 1 rejected" in result.stderr
    told = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]
    assert [(it["line"], it["outcome"], it["code"]) for it in told] == [
        (1, "note", "preamble"),
        (2, "note", "preamble"),
        (44, "rejected", "unterminated_quote"),
    ]
    assert "The file ends (line 60) inside a quoted field" in told[-1]["detail"]
    assert ask(_COUNT) == 26
