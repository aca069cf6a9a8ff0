import hashlib
import io
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask

from helpdesk.integrations import importing, jobs
from helpdesk.integrations.uploads import received
from helpdesk.schedule import SWEEPS
from helpdesk.wiring import Program
from tests.conftest import Caller, Join
from tests.integrations.conftest import Ask, PerformAll, cfpb_row, create_job, csv_text, upload

CONTENT = csv_text([cfpb_row(number) for number in range(40)]).encode()


class TestMappings:
    def test_anonymous(self, anonymous: Caller) -> None:
        assert anonymous.get("/import-mappings").status_code == 401

    def test_an_agent_may_not(self, agent: Caller) -> None:
        assert agent.get("/import-mappings").status_code == 403

    def test_what_there_is(self, manager: Caller) -> None:
        items = manager.get("/import-mappings").json["items"]
        assert [(item["name"], item["repeatable"]) for item in items] == [
            ("cfpb", True),
            ("generic", False),
            ("generic_jsonl", False),
        ]
        assert "Complaint ID" in items[0]["header"]


class TestCreating:
    def test_anonymous(self, anonymous: Caller) -> None:
        assert anonymous.post("/imports", {"mapping": "cfpb", "file_name": "x"}).status_code == 401

    def test_an_agent_may_not(self, agent: Caller) -> None:
        assert agent.post("/imports", {"mapping": "cfpb", "file_name": "x"}).status_code == 403

    def test_it_waits_for_its_content(self, manager: Caller, ask: Ask) -> None:
        answer = manager.post("/imports", {"mapping": "cfpb", "file_name": "x.csv", "size": 10})
        assert answer.status_code == 201
        shown = answer.json
        assert (shown["state"], shown["checksum"], shown["size_bytes"]) == ("queued", None, 10)
        assert shown["created_by"] == str(manager.id)
        assert manager.get(answer.headers["Location"]).json == shown
        assert ask("SELECT count(*) FROM duty") == 0

    @pytest.mark.parametrize(
        "body",
        [
            {"mapping": "nothing", "file_name": "x"},
            {"mapping": "cfpb"},
            {"mapping": "cfpb", "file_name": "x", "size": 0},
        ],
    )
    def test_what_is_wrong(self, manager: Caller, body: dict[str, Any]) -> None:
        assert manager.post("/imports", body).status_code == 422


class TestContent:
    def test_anonymous(self, anonymous: Caller) -> None:
        answer = upload(anonymous, uuid4(), CONTENT)
        assert answer.status_code == 401
        assert answer.mimetype == "application/problem+json"

    def test_who_may_not_import_may_not_send(self, agent: Caller, manager: Caller) -> None:
        """To an agent the import does not exist: it is not theirs."""
        assert upload(agent, create_job(manager), CONTENT).status_code == 404

    def test_there_is_no_such_import(self, manager: Caller) -> None:
        answer = upload(manager, uuid4(), CONTENT)
        assert (answer.status_code, answer.json["code"]) == (404, "not_found")

    def test_it_is_stored_whole_and_queued(self, manager: Caller, uploads: Path, ask: Ask) -> None:
        job_id = create_job(manager)
        answer = upload(manager, job_id, CONTENT)
        assert answer.status_code == 202, answer.text
        assert answer.json["checksum"] == hashlib.sha256(CONTENT).hexdigest()
        assert answer.json["size_bytes"] == len(CONTENT)
        assert [path.name for path in uploads.iterdir()] == [str(job_id)]
        assert (uploads / str(job_id)).read_bytes() == CONTENT
        assert (uploads / str(job_id)).stat().st_mode & 0o077 == 0
        assert ask("SELECT count(*) FROM duty WHERE topic = 'integrations.import'") == 1

    def test_more_than_a_json_body_may_have(self, manager: Caller, app: Flask) -> None:
        content = CONTENT + b"\n" * (2 * app.config["MAX_CONTENT_LENGTH"])
        assert upload(manager, create_job(manager), content).status_code == 202

    def test_the_same_once_more_is_harmless_and_another_is_refused(self, manager: Caller, ask: Ask) -> None:
        job_id = create_job(manager)
        upload(manager, job_id, CONTENT)
        assert upload(manager, job_id, CONTENT).status_code == 202
        answer = upload(manager, job_id, CONTENT + b"\n")
        assert (answer.status_code, answer.json["code"]) == (409, "content_received")
        assert ask("SELECT count(*) FROM duty") == 1

    def test_the_same_once_more_is_harmless_when_the_import_has_ended_meanwhile(
        self, manager: Caller, uploads: Path, perform_all: PerformAll, ask: Ask
    ) -> None:
        """The answer was lost, and a small import takes a second: whoever repeats is told that it is done."""
        job_id = create_job(manager)
        upload(manager, job_id, CONTENT)
        perform_all()
        answer = upload(manager, job_id, CONTENT)
        assert (answer.status_code, answer.json["state"], answer.json["accepted"]) == (202, "done", 40)
        assert not list(uploads.iterdir())
        assert ask("SELECT count(*) FROM duty") == 1
        answer = upload(manager, job_id, CONTENT + b"\n")
        assert (answer.status_code, answer.json["code"]) == (409, "import_ended")

    @pytest.mark.parametrize(
        ("content", "kind", "refusal"),
        [
            (b"", "text/csv", (400, "malformed_request")),
            (b"x", "text/html", (415, "unsupported_content")),
            (b"x" * 11, "text/csv", (422, "validation_failed")),
        ],
    )
    def test_what_is_refused_leaves_nothing_behind(
        self, manager: Caller, uploads: Path, content: bytes, kind: str, refusal: tuple[int, str]
    ) -> None:
        job_id = create_job(manager, size=10)
        answer = upload(manager, job_id, content, kind)
        assert (answer.status_code, answer.json["code"]) == refusal
        assert not uploads.exists() or not list(uploads.iterdir())

    def test_too_large(self, manager: Caller, program: Program, uploads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        job_id = create_job(manager)
        monkeypatch.setattr("helpdesk.integrations.api._settings", lambda: _small(program))
        answer = upload(manager, job_id, CONTENT)
        assert (answer.status_code, answer.json["code"]) == (413, "body_too_large")
        assert not list(uploads.iterdir())

    def test_it_is_documented(self, manager: Caller) -> None:
        document = manager.get("/api/v1/openapi.json").json
        operation = document["paths"]["/api/v1/imports/{job_id}/content"]["put"]
        assert set(operation["requestBody"]["content"]) == {"application/octet-stream"}
        assert {"202", "401", "403", "404", "409", "413", "415"} <= set(operation["responses"])


def _small(program: Program) -> Any:
    return replace(program.settings, max_import_bytes=100)


class TestRunning:
    def test_from_upload_to_result(
        self, manager: Caller, uploads: Path, perform_all: PerformAll, ask: Ask, agent: Caller
    ) -> None:
        job_id = create_job(manager)
        upload(manager, job_id, b"preamble\n" + CONTENT + b"1,2,3\n")
        assert perform_all() == {"done": 1, "skipped": 0, "failed": 0}
        shown = manager.get(f"/imports/{job_id}").json
        assert (shown["state"], shown["progress"], shown["error"]) == ("done", 1.0, None)
        assert (shown["records_read"], shown["accepted"], shown["skipped"], shown["rejected"]) == (41, 40, 0, 1)
        assert shown["records_per_second"] > 0
        rejections = manager.get(f"/imports/{job_id}/rejections").json["items"]
        assert [(item["line"], item["outcome"], item["code"]) for item in rejections] == [
            (1, "note", "preamble"),
            (83, "rejected", "columns"),
        ]
        assert ask("SELECT count(*) FROM duty WHERE done_at IS NULL") == 0
        assert ask("SELECT actor_id FROM event WHERE type = 'complaint.received' LIMIT 1") == manager.id
        assert not list(uploads.iterdir())
        listed = agent.get("/complaints?external_id=1000003").json["items"]
        assert listed[0]["source"] == "cfpb"

    def test_its_complaints_are_routed_where_that_is_asked(
        self, manager: Caller, program: Program, perform_all: PerformAll, ask: Ask, agent: Caller
    ) -> None:
        team_id = str(agent.actor.team_ids[0])
        given = {"name": "Everything", "result": {"team_id": team_id, "strategy": "least_loaded"}}
        assert manager.post("/routing/rules", given).status_code == 201
        for route, amount in ((False, 0), (True, 40)):
            content = csv_text([cfpb_row(number + 100 * amount) for number in range(40)]).encode()
            answer = manager.post("/imports", {"mapping": "cfpb", "file_name": "a.csv", "route": route})
            assert answer.json["route"] is route
            upload(manager, answer.json["id"], content)
            perform_all()
            assert ask("SELECT count(*) FROM complaint WHERE awaits_agent") == amount
        assert SWEEPS["complaints.route_waiting"].work(program) == 40
        assert ask("SELECT count(*) FROM complaint WHERE assignee_id IS NOT NULL AND NOT awaits_agent") == 40

    def test_twice_is_once(self, manager: Caller, program: Program, ask: Ask) -> None:
        upload(manager, create_job(manager), CONTENT)
        duty_id = ask("SELECT id FROM duty WHERE topic = :topic", topic=jobs.TOPIC)
        assert program.performer.perform([duty_id])["done"] == 1
        assert program.performer.perform([duty_id]) == {"done": 0, "skipped": 1, "failed": 0}
        assert ask("SELECT count(*) FROM complaint") == 40

    def test_a_ring_while_it_runs_changes_nothing(
        self, manager: Caller, program: Program, perform_all: PerformAll, ask: Ask
    ) -> None:
        job_id = create_job(manager)
        upload(manager, job_id, CONTENT)
        with importing.hold(program.engine, job_id):
            perform_all()
            assert ask("SELECT count(*) FROM complaint") == 0
            assert ask("SELECT count(*) FROM duty WHERE done_at IS NULL") == 1
        perform_all()
        assert ask("SELECT count(*) FROM complaint") == 40

    def test_it_keeps_its_duty_while_it_runs(
        self, manager: Caller, perform_all: PerformAll, ask: Ask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(importing, "_RENEW_SECONDS", 0.0)
        upload(manager, create_job(manager), CONTENT)
        before = ask("SELECT next_at FROM duty")
        perform_all()
        assert (ask("SELECT next_at FROM duty") - before).total_seconds() > 55

    def test_a_file_that_cannot_be_used(self, manager: Caller, perform_all: PerformAll, ask: Ask) -> None:
        job_id = create_job(manager)
        upload(manager, job_id, b"a,b\n1,2\n")
        perform_all()
        shown = manager.get(f"/imports/{job_id}").json
        assert shown["state"] == "failed"
        assert "No header" in shown["error"]
        assert ask("SELECT count(*) FROM duty WHERE done_at IS NULL") == 0

    def test_content_that_this_machine_does_not_have(
        self, manager: Caller, uploads: Path, perform_all: PerformAll
    ) -> None:
        job_id = create_job(manager)
        upload(manager, job_id, CONTENT)
        (uploads / str(job_id)).unlink()
        assert perform_all()["failed"] == 1
        shown = manager.get(f"/imports/{job_id}").json
        assert shown["state"] == "failed"
        assert "share the data folder" in shown["error"]

    def test_what_is_left_over_goes(
        self, manager: Caller, program: Program, uploads: Path, perform_all: PerformAll
    ) -> None:
        ended, waiting = create_job(manager), create_job(manager)
        upload(manager, ended, CONTENT)
        perform_all()
        upload(manager, waiting, CONTENT)
        (uploads / str(ended)).write_bytes(b"left by a crash")
        (uploads / "upload-fresh").write_bytes(b"still coming in")
        assert jobs.remove_leftovers(program.database, program.settings.data_dir) == 1
        assert {path.name for path in uploads.iterdir()} == {str(waiting), "upload-fresh"}


PLAIN = b"channel,subject,description\nEMAIL,Late,It came late\n"


class TestDoubling:
    """Files whose records have no external id: nothing but the file's checksum tells that they are known."""

    def test_a_file_is_not_taken_twice_by_accident(self, manager: Caller, perform_all: PerformAll, ask: Ask) -> None:
        earlier = create_job(manager, mapping="generic")
        upload(manager, earlier, PLAIN)
        perform_all()
        job_id = create_job(manager, mapping="generic")
        answer = upload(manager, job_id, PLAIN)
        assert (answer.status_code, answer.json["code"]) == (409, "imported_before")
        assert answer.json["earlier_import_id"] == str(earlier)
        perform_all()
        assert ask("SELECT count(*) FROM complaint") == 1
        assert upload(manager, job_id, PLAIN + b"EMAIL,Other,Another\n").status_code == 202

    def test_nor_while_the_first_waits(self, manager: Caller, perform_all: PerformAll, ask: Ask) -> None:
        upload(manager, create_job(manager, mapping="generic"), PLAIN)
        assert upload(manager, create_job(manager, mapping="generic"), PLAIN).json["code"] == "imported_before"
        perform_all()
        assert ask("SELECT count(*) FROM complaint") == 1

    def test_nor_when_both_come_at_once(self, manager: Caller, perform_all: PerformAll, ask: Ask) -> None:
        jobs_ = [create_job(manager, mapping="generic") for _ in range(4)]
        answers: list[Any] = []
        threads = [threading.Thread(target=lambda it=it: answers.append(upload(manager, it, PLAIN))) for it in jobs_]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409]
        perform_all()
        assert ask("SELECT count(*) FROM complaint") == 1

    def test_again_on_purpose(self, manager: Caller, perform_all: PerformAll, ask: Ask) -> None:
        for again in (False, True):
            job_id = create_job(manager, mapping="generic", again=again)
            assert manager.get(f"/imports/{job_id}").json["again"] is again
            assert upload(manager, job_id, PLAIN).status_code == 202
            perform_all()
        assert ask("SELECT count(*) FROM complaint") == 2

    def test_what_took_nothing_in_is_in_nobodys_way(self, manager: Caller, perform_all: PerformAll, ask: Ask) -> None:
        upload(manager, create_job(manager, mapping="generic", dry_run=True), PLAIN)
        cancelled = create_job(manager, mapping="generic")
        upload(manager, cancelled, PLAIN)
        manager.post(f"/imports/{cancelled}/cancel")
        assert upload(manager, create_job(manager, mapping="generic"), PLAIN).status_code == 202
        perform_all()
        assert ask("SELECT count(*) FROM complaint") == 1

    def test_with_ids_a_second_run_adds_nothing(self, manager: Caller, perform_all: PerformAll, ask: Ask) -> None:
        for _ in range(2):
            assert upload(manager, create_job(manager), CONTENT).status_code == 202
            perform_all()
        assert ask("SELECT count(*) FROM complaint") == 40


class TestSeeing:
    def test_anonymous(self, anonymous: Caller) -> None:
        for path in ("/imports", f"/imports/{uuid4()}", f"/imports/{uuid4()}/rejections"):
            assert anonymous.get(path).status_code == 401

    def test_an_agent_may_not(self, agent: Caller, manager: Caller) -> None:
        job_id = create_job(manager)
        for path in ("/imports", f"/imports/{job_id}", f"/imports/{job_id}/rejections"):
            assert agent.get(path).status_code == 403

    def test_newest_first_and_page_by_page(self, manager: Caller, join: Join) -> None:
        made = [str(create_job(manager)) for _ in range(3)]
        page = manager.get("/imports?limit=2").json
        rest = manager.get(f"/imports?limit=2&cursor={page['next_cursor']}").json
        assert [item["id"] for item in page["items"] + rest["items"]] == made[::-1]
        assert manager.get("/imports?state=done&count=true").json["total"] == 0
        assert len(join("director").get("/imports").json["items"]) == 3

    def test_rejections_page_by_page(self, manager: Caller, perform_all: PerformAll) -> None:
        job_id = create_job(manager)
        upload(manager, job_id, CONTENT + b"x\n" * 30)
        perform_all()
        page = manager.get(f"/imports/{job_id}/rejections?limit=20&outcome=rejected").json
        rest = manager.get(f"/imports/{job_id}/rejections?limit=20&outcome=rejected&cursor={page['next_cursor']}").json
        lines = [item["line"] for item in page["items"] + rest["items"]]
        assert lines == list(range(82, 112))


class TestCancelling:
    def test_anonymous(self, anonymous: Caller) -> None:
        assert anonymous.post(f"/imports/{uuid4()}/cancel").status_code == 401

    def test_an_agent_is_told_of_nothing(self, agent: Caller, manager: Caller) -> None:
        assert agent.post(f"/imports/{create_job(manager)}/cancel").status_code == 404

    def test_before_it_runs(self, manager: Caller, perform_all: PerformAll, ask: Ask, uploads: Path) -> None:
        job_id = create_job(manager)
        upload(manager, job_id, CONTENT)
        assert manager.post(f"/imports/{job_id}/cancel").json["state"] == "cancelled"
        perform_all()
        assert ask("SELECT count(*) FROM complaint") == 0
        assert ask("SELECT count(*) FROM duty WHERE done_at IS NULL") == 0
        assert not list(uploads.iterdir())
        assert manager.post(f"/imports/{job_id}/cancel").status_code == 409
        assert upload(manager, job_id, CONTENT).status_code == 202
        assert upload(manager, job_id, CONTENT + b"\n").json["code"] == "import_ended"
        assert not list(uploads.iterdir())
        perform_all()
        assert ask("SELECT count(*) FROM complaint") == 0

    def test_without_content_it_takes_none(self, manager: Caller) -> None:
        job_id = create_job(manager)
        assert manager.post(f"/imports/{job_id}/cancel").json["state"] == "cancelled"
        assert upload(manager, job_id, CONTENT).json["code"] == "import_ended"

    def test_while_it_runs(
        self, manager: Caller, perform_all: PerformAll, ask: Ask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It stops before the next batch; what is in stays in."""
        job_id = create_job(manager)
        upload(manager, job_id, CONTENT)
        written = importing.Runner._write
        answers: list[Any] = []

        def write(self: importing.Runner, batch: Any, *more: Any) -> None:
            written(self, batch, *more)
            if batch.read and not answers:
                thread = threading.Thread(target=lambda: answers.append(manager.post(f"/imports/{job_id}/cancel")))
                thread.start()
                thread.join(30)

        monkeypatch.setattr(importing.Runner, "_write", write)
        monkeypatch.setattr(jobs, "BATCH", 10)
        perform_all()
        assert answers[0].status_code == 200
        assert ask("SELECT count(*) FROM complaint") == 10
        shown = manager.get(f"/imports/{job_id}").json
        assert (shown["state"], shown["accepted"]) == ("cancelled", 10)


def test_no_two_processes_share_an_upload(tmp_path: Path) -> None:
    """A name of its own for each, until it is whole."""
    with received(io.BytesIO(b"one"), tmp_path) as one, received(io.BytesIO(b"two"), tmp_path) as two:
        assert one.path != two.path
        two.move_to(tmp_path / "place")
    assert [path.name for path in tmp_path.iterdir()] == ["place"]
