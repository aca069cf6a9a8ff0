"""The CFPB's own complaints, where they lie beside the project."""

import csv
import json
import random
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, select, text

from helpdesk.complaints.models import Complaint
from helpdesk.complaints.search_language import read
from helpdesk.complaints.search_queries import AT_HAND, _Look, _terms
from helpdesk.complaints.search_text import tokens
from helpdesk.complaints.search_text_queries import Texts, texts_of
from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program
from tests.integrations.conftest import PREAMBLE, SAMPLE, Ask, Command, needs_data
from tests.integrations.test_importing import kill_midway

_COUNT = "SELECT count(*) FROM complaint"

pytestmark = needs_data


def _raw() -> list[dict[str, str]]:
    with SAMPLE.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_all_of_it(command: Command, ask: Ask, engine: Engine, database: Database) -> None:
    result = command(SAMPLE, "--mapping", "cfpb")
    assert result.exit_code == 0, result.output
    assert (
        "6623 records read: 6623 taken in, 0 skipped (known before, or twice in the file), 0 rejected" in result.stderr
    )
    rows = _raw()
    _check_records(engine, rows)
    _check_needs(engine)
    _check_clocks(engine, rows)
    _check_search(database, rows)
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


def _words(text: Texts) -> set[str]:
    people = [str(value) for person in text.people for value in person.values() if value]
    said = [
        text.subject,
        text.description,
        text.reference,
        text.external_id or "",
        *people,
        *text.details,
        *text.messages,
    ]
    return {token.text for token in tokens(" ".join(said))}


def _check_search(database: Database, rows: list[dict[str, str]]) -> None:
    """Two words of a narrative find every complaint that has both somewhere, and no other; the oracle looks at them all."""
    with database.reader() as session:
        ids = session.scalars(select(Complaint.id)).all()
        texts = {text.external_id: text for text in texts_of(session, ids)}
    words = {number: _words(text) for number, text in texts.items()}
    narratives = {number: {token.text for token in tokens(text.description)} for number, text in texts.items()}
    told = [row for row in rows if len(row["Consumer complaint narrative"].split()) > 20]
    chance = random.Random(11)
    for row in chance.sample(told, 60):
        there = sorted({token.text for token in tokens(texts[row["Complaint ID"]].description) if not token.pair})
        one, other = chance.sample(there, 2)
        with database.reader() as session:
            ids = _Look(session, (2, 0), _terms(read(f"{one} {other}"))).newest(AT_HAND + 1).ids
            found = set(session.scalars(select(Complaint.external_id).where(Complaint.id.in_(ids))))
        expected = {number for number, held in words.items() if {one, other} <= held}
        assert row["Complaint ID"] in found or len(ids) > AT_HAND, (one, other)
        assert found <= expected, (one, other)
        narrated = {number for number, held in narratives.items() if {one, other} <= held}
        assert narrated <= found or len(ids) > AT_HAND, (one, other)


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
