"""Everything once: whatever the file, whenever killed, however often and however many at once."""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from helpdesk.identity.actors import SYSTEM
from helpdesk.integrations import importing, queries, service
from helpdesk.integrations.mapping import load_mapping
from helpdesk.integrations.reading import examine
from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program
from tests.conftest import Caller
from tests.integrations.conftest import Ask, Command, cfpb_row, csv_text

_COUNT = "SELECT count(*) FROM complaint"


def report_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


class TestCommand:
    def test_what_is_in_the_file_is_in_the_database(self, command: Command, ask: Ask, cfpb_file: Any) -> None:
        result = command(cfpb_file(60), "--mapping", "cfpb", "--batch", "25")
        assert result.exit_code == 0, result.output
        assert "60 records read: 60 taken in, 0 skipped" in result.stderr
        assert ask(_COUNT) == 60
        assert ask("SELECT description FROM complaint WHERE external_id = '1000007'") == (
            "They ask for a debt, number 7,\nthat I never had."
        )
        assert ask("SELECT count(*) FROM event WHERE type = 'complaint.received' AND stream_seq = 1") == 60
        assert ask("SELECT count(*) FROM event WHERE payload->'imported' = 'true'") == 60
        starts = ask("SELECT payload->'clock_starts' FROM event WHERE type = 'complaint.received' LIMIT 1")
        assert starts == {
            "complaint_received": "2020-03-18T04:00:00Z",
            "complaint_sent_to_company": "2020-03-19T04:00:00Z",
        }
        assert ask("SELECT count(*) FROM sla_clock WHERE kind LIKE 'us.cfpb.%'") >= 60
        assert ask("SELECT state FROM import_job") == "done"

    def test_again_adds_nothing(self, command: Command, ask: Ask, cfpb_file: Any) -> None:
        path = cfpb_file(30)
        command(path, "--mapping", "cfpb")
        result = command(path, "--mapping", "cfpb")
        assert result.exit_code == 0
        assert "0 taken in, 30 skipped" in result.stderr
        assert ask(_COUNT) == 30

    def test_routed_where_that_is_asked(self, command: Command, ask: Ask, cfpb_file: Any) -> None:
        assert command(cfpb_file(5), "--mapping", "cfpb", "--route").exit_code == 0
        assert ask("SELECT count(*) FROM complaint WHERE awaits_agent") == 5

    def test_a_dry_run_takes_nothing_in(self, command: Command, ask: Ask, cfpb_file: Any) -> None:
        result = command(cfpb_file(30), "--mapping", "cfpb", "--dry-run")
        assert "30 would be taken in" in result.stderr
        assert ask(_COUNT) == 0

    def test_every_record_is_accounted_for(self, command: Command, ask: Ask, tmp_path: Path) -> None:
        rows = [cfpb_row(number) for number in range(6)]
        text = "Archive: x.zip\n" + csv_text(rows)
        lines = [
            *text.splitlines(),
            "1,2,3",
            csv_text([cfpb_row(7, **{"Date received": "2020-13-01"})]).split("\n", 1)[1].strip(),
            csv_text([cfpb_row(8, **{"Date received": "2999-01-01"})]).split("\n", 1)[1].strip(),
            csv_text([cfpb_row(3)]).split("\n", 1)[1].strip(),
            csv_text([cfpb_row(9, State="x" * 101)]).split("\n", 1)[1].strip(),
            csv_text([cfpb_row(10)]).split("\n", 1)[1].strip(),
            "cut,off,in,the,middle",
        ]
        path, report = tmp_path / "mixed.csv", tmp_path / "report.jsonl"
        path.write_text("\n".join(lines), encoding="utf-8")
        result = command(path, "--mapping", "cfpb", "--report", str(report), "--batch", "2")
        assert result.exit_code == 1, result.output
        assert (
            "13 records read: 7 taken in, 1 skipped (known before, or twice in the file), 5 rejected" in result.stderr
        )
        assert [(it["line"], it["outcome"], it["code"]) for it in report_of(report)] == [
            (1, "note", "preamble"),
            (15, "rejected", "columns"),
            (16, "rejected", "invalid"),
            (18, "rejected", "future"),
            (20, "skipped", "duplicate_in_file"),
            (22, "rejected", "length"),
            (26, "rejected", "columns"),
        ]
        assert ask(_COUNT) == 7

    @pytest.mark.parametrize(
        ("sent", "code"),
        [
            ("0001-01-01", "invalid"),
            ("1900-01-01", "invalid"),
            ("1985-01-01", "invalid"),
            ("2999-01-01", "future"),
            ("9999-12-31", "future"),
        ],
    )
    def test_a_deadline_that_begins_in_no_time_of_ours_is_a_line_of_the_report(
        self, command: Command, ask: Ask, tmp_path: Path, sent: str, code: str
    ) -> None:
        path, report = tmp_path / "sent.csv", tmp_path / "report.jsonl"
        path.write_text(
            csv_text([cfpb_row(1), cfpb_row(2, **{"Date sent to company": sent}), cfpb_row(3)]), encoding="utf-8"
        )
        result = command(path, "--mapping", "cfpb", "--report", str(report))
        assert result.exit_code == 1, result.output
        [line] = report_of(report)
        assert (line["line"], line["code"]) == (4, code)
        assert line["detail"].startswith("clock_starts.complaint_sent_to_company: ")
        assert ask(_COUNT) == 2

    @pytest.mark.parametrize(
        ("content", "mapping", "told"),
        [
            (b"", "cfpb", "The file is empty"),
            (b"a,b\n1,2\n", "cfpb", "No header among the first 50 lines"),
            (b"\xff\xfe\x00" * 50, "cfpb", "No header"),
            (b"a,b\n", "nothing", "There is no mapping 'nothing'"),
        ],
    )
    def test_what_cannot_be_used(
        self, command: Command, tmp_path: Path, content: bytes, mapping: str, told: str
    ) -> None:
        path = tmp_path / "odd.csv"
        path.write_bytes(content)
        result = command(path, "--mapping", mapping)
        assert result.exit_code == 2
        assert told in result.stderr
        assert "Traceback" not in result.output

    def test_without_ids_a_file_is_not_taken_twice_by_accident(
        self, command: Command, ask: Ask, tmp_path: Path
    ) -> None:
        path = tmp_path / "plain.csv"
        path.write_text("channel,subject,description\nEMAIL,Late,It came late\n", encoding="utf-8")
        assert command(path, "--mapping", "generic").exit_code == 0
        result = command(path, "--mapping", "generic")
        assert result.exit_code == 2
        assert "has been imported before" in result.stderr
        assert ask(_COUNT) == 1
        assert command(path, "--mapping", "generic", "--again").exit_code == 0
        assert ask(_COUNT) == 2

    def test_a_database_that_fails_is_said_and_can_be_gone_on_with(
        self, command: Command, ask: Ask, cfpb_file: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = cfpb_file(40)
        calls: list[int] = []
        original = queries.known_ids

        def failing(session: Session, source: str, ids: Any) -> Any:
            if "1000025" in ids and not calls:
                calls.append(1)
                session.connection().connection.driver_connection.close()  # type: ignore[union-attr]
            return original(session, source, ids)

        monkeypatch.setattr(queries, "known_ids", failing)
        result = command(path, "--mapping", "cfpb", "--batch", "10")
        assert result.exit_code == 3, result.output
        assert "goes on where it stopped" in result.stderr
        assert ask(_COUNT) == 20
        result = command(path, "--mapping", "cfpb", "--batch", "10")
        assert "Going on with an import" in result.stderr
        assert "40 records read: 40 taken in, 0 skipped" in result.stderr
        assert ask(_COUNT) == 40
        assert ask("SELECT count(*) FROM import_job") == 1

    def test_somebody_who_complains_often_is_one_customer(self, command: Command, ask: Ask, tmp_path: Path) -> None:
        """Batches are written side by side, but not where one may bring the customers that the next looks for."""
        path = tmp_path / "often.csv"
        lines = [f"EMAIL,Number {number},Late,Li@example.com" for number in range(60)]
        path.write_text("channel,subject,description,email\n" + "\n".join(lines), encoding="utf-8")
        assert command(path, "--mapping", "generic", "--batch", "5").exit_code == 0
        assert ask("SELECT count(*) FROM customer") == 1
        assert ask("SELECT count(DISTINCT customer_id) FROM complaint") == 1


class TestSameRules:
    @pytest.mark.parametrize(
        "change",
        [
            {"channel": "PIGEON"},
            {"subject": ""},
            {"subject": "x" * 501},
            {"description": None},
            {"description": "x" * 100_001},
            {"description": "bell \u0007"},
            {"received_at": "2020-01-01"},
            {"received_at": "2999-01-01T00:00:00Z"},
            {"external_id": "1", "source": None},
            {"complainant": {"email": "no"}},
            {"complainant": {"colour": "red"}},
            {"issues": []},
            {"issues": [{"category": "DEL", "issue": "PRD.DEFECT"}]},
            {"needs": [{"flag": "older"}]},
            {"impact": 3},
            {"price": {"amount": "-1", "currency": "EUR"}},
            {"jurisdiction": "usa"},
        ],
    )
    def test_what_the_api_refuses_the_import_refuses(
        self, agent: Caller, command: Command, ask: Ask, tmp_path: Path, change: dict[str, Any]
    ) -> None:
        record = {"channel": "EMAIL", "subject": "Late", "description": "It came late."} | change
        assert agent.post("/complaints", record).status_code == 422
        path = tmp_path / "one.jsonl"
        path.write_text(
            json.dumps({"channel": "EMAIL", "subject": "ok", "description": "ok"}) + "\n" + json.dumps(record)
        )
        result = command(path, "--mapping", "generic_jsonl")
        assert (result.exit_code, ask(_COUNT)) == (1, 1), result.output


def start_import(program: Program, path: Path, mapping: str, batch: int) -> "subprocess.Popen[bytes]":
    code = (
        "import sys\n"
        "from helpdesk.integrations.cli import imports\n"
        "from helpdesk.kernel.settings import Settings\n"
        "from helpdesk.wiring import assemble\n"
        "imports(sys.argv[1:], obj=lambda: assemble(Settings.from_environment()))\n"
    )
    environment = os.environ | {
        "HELPDESK_DATABASE_URL": program.settings.database_url or "",
        "HELPDESK_SECRET_KEY": "a key for this process only, long enough",
    }
    command = [sys.executable, "-c", code, "complaints", str(path), "--mapping", mapping, "--batch", str(batch)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def kill_midway(program: Program, ask: Ask, path: Path, mapping: str, *, batch: int, after: int) -> int:
    """Start an import, kill it as soon as `after` records are in; how many were."""
    process = start_import(program, path, mapping, batch)
    try:
        while (ask("SELECT max(records_read) FROM import_job") or 0) < after:
            assert process.poll() is None, process.stderr and process.stderr.read().decode()
            time.sleep(0.002)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    return int(ask(_COUNT))


class TestKilled:
    def test_records_without_ids_come_in_once(
        self, program: Program, command: Command, ask: Ask, tmp_path: Path
    ) -> None:
        """Here nothing but the recorded position keeps a record from coming in twice."""
        path = tmp_path / "plain.csv"
        lines = [f'EMAIL,Number {number},"It came\nlate"' for number in range(1500)]
        path.write_text("channel,subject,description\n" + "\n".join(lines), encoding="utf-8")
        killed_at = kill_midway(program, ask, path, "generic", batch=20, after=300)
        assert 300 <= killed_at < 1500
        result = command(path, "--mapping", "generic")
        assert result.exit_code == 0, result.output
        assert "Going on with an import" in result.stderr
        assert ask(_COUNT) == 1500
        assert ask("SELECT count(DISTINCT subject) FROM complaint") == 1500
        assert ask("SELECT accepted FROM import_job") == 1500
        assert ask("SELECT count(*) FROM import_job") == 1

    def test_a_worker_that_dies_leaves_it_to_the_next(
        self, program: Program, database: Database, cfpb_file: Any, ask: Ask
    ) -> None:
        """The lock ends with the session, so nobody has to be told that its holder is dead."""
        path = cfpb_file(30)
        job_id = _local(database, path)
        with importing.hold(program.engine, job_id) as first:
            assert first is not None
            with importing.hold(program.engine, job_id) as second:
                assert second is None
        with importing.hold(program.engine, job_id, patience=30) as third:  # the server notices the end in its own time
            assert third is not None


def _local(database: Database, path: Path) -> Any:
    with database.unit_of_work(SYSTEM) as uow:
        return service.create_local(
            uow, mapping="cfpb", file_name=path.name, dry_run=False, facts=examine(path, ("utf-8",))
        )


def run(program: Program, path: Path, batch: int = 20, tell: Callable[..., None] = lambda _: None) -> str:
    job_id = _local(program.database, path)
    with importing.hold(program.engine, job_id) as session:
        assert session is not None
        return importing.Runner(
            database=program.database,
            session=session,
            job_id=job_id,
            actor=SYSTEM,
            mapping=load_mapping("cfpb"),
            path=path,
            encoding="utf-8",
            batch_size=batch,
            tell=tell,
        ).run()


class TestAtOnce:
    def test_two_imports_of_one_file(
        self, program: Program, ask: Ask, cfpb_file: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Both look at what is known before either has written: one meets the other's records, and does it again."""
        path = cfpb_file(300)
        both = threading.Barrier(2, timeout=30)
        original = queries.known_ids
        arrivals = itertools.count(1)

        def together(session: Session, source: str, ids: Any) -> Any:
            found = original(session, source, ids)
            if "1000000" in ids and next(arrivals) <= 2:
                both.wait()
            return found

        monkeypatch.setattr(queries, "known_ids", together)
        states: list[str] = []
        threads = [threading.Thread(target=lambda: states.append(run(program, path))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert states == ["done", "done"]
        assert ask(_COUNT) == 300
        assert ask("SELECT sum(accepted) FROM import_job") == 300
        assert ask("SELECT sum(skipped) FROM import_job") == 300
        assert ask("SELECT count(*) FROM import_rejection") == 0

    def test_a_batch_that_was_overtaken_is_not_written(
        self, program: Program, ask: Ask, cfpb_file: Any, engine: Engine
    ) -> None:
        path = cfpb_file(100)

        def move_on(progress: importing.Progress) -> None:
            if progress.read == 40:
                with engine.begin() as connection:
                    connection.exec_driver_sql("UPDATE import_job SET byte_done = byte_done + 1")

        assert run(program, path, tell=move_on) == "running"
        assert ask(_COUNT) == 40

    def test_a_file_that_changed(self, program: Program, ask: Ask, cfpb_file: Any, database: Database) -> None:
        path = cfpb_file(10)
        job_id = _local(database, path)
        path.write_text("other", encoding="utf-8")
        with importing.hold(program.engine, job_id) as session:
            assert session is not None
            runner = importing.Runner(program.database, session, job_id, SYSTEM, load_mapping("cfpb"), path, "utf-8")
            assert runner.run() == "failed"
        assert "The file has changed" in ask("SELECT error FROM import_job")
