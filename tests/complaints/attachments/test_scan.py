"""How it can fail: the scanner is away, or the file is infected."""

from typing import Any
from uuid import UUID

from sqlalchemy import text

from helpdesk.complaints import attachment_jobs
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import files
from helpdesk.verifying import violations
from helpdesk.wiring import Program
from tests import clamd
from tests.complaints.attachments.sending import app_with, at, get, link, path_of, perform, rows, sent
from tests.conftest import Caller
from tests.kernel.test_sniffing import PDF


class TestScan:
    def test_clean(self, agent: Caller, complaint: dict[str, Any], program: Program) -> None:
        with clamd.running() as (url, server), app_with(program, clamd_url=url) as (app, here):
            shown = sent(at(app, agent), complaint)
            assert shown["scan"] == "scanning"
            one = f"{path_of(complaint)}/{shown['id']}"
            refused = at(app, agent).post(f"{one}/link", {})
            assert (refused.status_code, refused.json["code"]) == (409, "attachment_not_clean")
            perform(here, attachment_jobs.TOPIC)
            after = at(app, agent).get(one).json
            assert (after["scan"], after["signature"]) == ("clean", None)
            assert after["scanned_at"]
            assert get(at(app, agent), link(at(app, agent), complaint, shown)).data == PDF
            assert server.scanned == [PDF]
            duty = rows(program.engine, "SELECT id FROM duty WHERE topic = 'complaints.scan_attachment'")[0]["id"]
            attachment_jobs.scan(here.tools, duty, UUID(shown["id"]))  # rung for twice
            assert server.scanned == [PDF]
        timeline = agent.get(f"/complaints/{complaint['reference']}/timeline").json["items"]
        assert timeline[-1]["payload"]["changes"]["scan"] == ["scanning", "clean"]
        assert agent.get(f"/complaints/{complaint['reference']}/timeline/verification").json["valid"]

    def test_infected(self, senior: Caller, complaint: dict[str, Any], program: Program) -> None:
        with clamd.running() as (url, _), app_with(program, clamd_url=url) as (app, here):
            caller = at(app, senior)
            shown = sent(caller, complaint, clamd.EICAR, name="a.txt")
            one = f"{path_of(complaint)}/{shown['id']}"
            perform(here, attachment_jobs.TOPIC)
            after = caller.get(one).json
            assert (after["scan"], after["signature"]) == ("infected", "Eicar-Test-Signature")
            assert caller.post(f"{one}/link", {}).json["code"] == "attachment_not_clean"
            assert caller.post(f"{one}/scan").json["scan"] == "infected"  # it stays what it is
        # Nobody asks the scanner any more: what was found stays found.
        assert senior.post(f"{one}/link", {}).json["code"] == "attachment_not_clean"
        assert senior.post(f"{one}/redact", {"reason": "A virus."}).status_code == 200

    def test_infected_is_not_kept_for_ever(self, senior: Caller, complaint: dict[str, Any], program: Program) -> None:
        """It was no use to anybody; that it was there, and what it was, stays."""
        with clamd.running() as (url, _), app_with(program, clamd_url=url) as (app, here):
            shown = [sent(at(app, senior), complaint, clamd.EICAR, name="a.txt") for _ in range(2)]
            clean = sent(at(app, senior), complaint)
            perform(here, attachment_jobs.TOPIC)
        database, engine = program.database, program.engine
        assert attachment_jobs.delete_infected(database, 90) == 0
        with engine.begin() as connection:
            aged = "UPDATE complaint_attachment SET scanned_at = scanned_at - interval '90 days' WHERE id <> :id"
            connection.execute(text(aged), {"id": shown[1]["id"]})
        assert attachment_jobs.delete_infected(database, 0) == 0
        assert attachment_jobs.delete_infected(database, 90) == 1
        assert attachment_jobs.delete_infected(database, 90) == 0
        kept = [senior.get(f"{path_of(complaint)}/{item['id']}").json for item in (*shown, clean)]
        assert [item["redacted_at"] is None for item in kept] == [False, True, True]
        assert (kept[0]["name"], kept[0]["size"], kept[0]["scan"]) == (None, len(clamd.EICAR), "infected")
        entry = senior.get(f"/complaints/{complaint['reference']}/timeline?limit=200").json["items"][-1]
        assert (entry["type"], entry["actor_kind"]) == ("complaint.attachment_redacted", "system")
        assert "90 days" in entry["payload"]["reason"]
        assert list(violations(database)) == []

    def test_away_and_back(self, agent: Caller, complaint: dict[str, Any], program: Program) -> None:
        with clamd.running() as (url, server), app_with(program, clamd_url=url) as (app, here):
            server.answers.append(None)
            shown = sent(at(app, agent), complaint)
            perform(here, attachment_jobs.TOPIC)
            one = f"{path_of(complaint)}/{shown['id']}"
            assert agent.get(one).json["scan"] == "scanning"
            perform(here, attachment_jobs.TOPIC)
            assert agent.get(one).json["scan"] == "clean"

    def test_given_up_and_asked_anew(self, agent: Caller, complaint: dict[str, Any], program: Program) -> None:
        with clamd.running() as (url, _), app_with(program, clamd_url=url) as (app, here):
            caller = at(app, agent)
            shown = sent(caller, complaint)
            one = f"{path_of(complaint)}/{shown['id']}"
            with program.database.unit_of_work(SYSTEM) as uow:
                attachment_jobs.give_up(uow, UUID(shown["id"]), "it did not answer")
            assert caller.get(one).json["scan"] == "failed"
            assert caller.post(f"{one}/link", {}).json["code"] == "attachment_not_clean"
            assert caller.post(f"{one}/scan").json["scan"] == "scanning"
            perform(here, attachment_jobs.TOPIC)
            assert caller.get(one).json["scan"] == "clean"

    def test_too_large_for_it(self, agent: Caller, complaint: dict[str, Any], program: Program) -> None:
        with clamd.running() as (url, _), app_with(program, clamd_url=url) as (app, here):
            shown = sent(at(app, agent), complaint, b"x" * (clamd.LIMIT + 1_000_000))
            perform(here, attachment_jobs.TOPIC)
            assert agent.get(f"{path_of(complaint)}/{shown['id']}").json["scan"] == "failed"

    def test_what_came_before_there_was_one(self, agent: Caller, complaint: dict[str, Any], program: Program) -> None:
        shown = sent(agent, complaint)
        one = f"{path_of(complaint)}/{shown['id']}"
        assert agent.post(f"{one}/scan").json["code"] == "scanner_not_configured"
        assert link(agent, complaint, shown)
        with clamd.running() as (url, _), app_with(program, clamd_url=url) as (app, here):
            assert at(app, agent).post(f"{one}/link", {}).json["code"] == "attachment_not_clean"
            assert attachment_jobs.scan_unscanned(here.database) == 1
            assert attachment_jobs.scan_unscanned(here.database) == 0
            perform(here, attachment_jobs.TOPIC)
            assert link(at(app, agent), complaint, shown)

    def test_none_any_more(self, agent: Caller, complaint: dict[str, Any], program: Program) -> None:
        with clamd.running() as (url, _), app_with(program, clamd_url=url) as (app, _):
            shown = sent(at(app, agent), complaint)
        perform(program, attachment_jobs.TOPIC)
        assert agent.get(f"{path_of(complaint)}/{shown['id']}").json["scan"] == "unscanned"

    def test_redacted_meanwhile(self, senior: Caller, complaint: dict[str, Any], program: Program) -> None:
        with clamd.running() as (url, server), app_with(program, clamd_url=url) as (app, here):
            shown = sent(at(app, senior), complaint)
            senior.post(f"{path_of(complaint)}/{shown['id']}/redact", {"reason": "A mistake."})
            perform(here, attachment_jobs.TOPIC, files.TOPIC)
            assert server.scanned == []
            assert rows(program.engine, "SELECT 1 FROM duty WHERE done_at IS NULL AND topic <> 'mail.deliver'") == []
