"""Asking for evidence packs, having them, and the worker that makes them.

How it can fail: somebody asks who may not; the worker dies on the way, or two make it at once; it is cancelled; it outlives
its time; its link outlives its maker's rights.
"""

import os
import re
from dataclasses import replace
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest

from helpdesk.complaints import evidence_jobs
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import faults, files
from helpdesk.kernel.storage import FolderStore
from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program
from tests.complaints.attachments.sending import get, stored
from tests.complaints.evidence.packing import ASKED, ask, had, made, packs, perform
from tests.conftest import Caller, Join, make_team
from tests.racing import at_once
from tests.recovery import helpers


class TestAsk:
    def test_anonymous(self, anonymous: Caller, complaint: dict[str, Any]) -> None:
        path = f"/complaints/{complaint['reference']}/evidence"
        assert anonymous.post(path, ASKED).status_code == 401
        assert anonymous.get(path).status_code == 401

    def test_who_may_not(self, join: Join, agent: Caller, database: Database, complaint: dict[str, Any]) -> None:
        path = f"/complaints/{complaint['reference']}/evidence"
        outsider = join("senior", team_ids=[make_team(database, "Elsewhere")])
        assert outsider.post(path, ASKED).status_code == 404
        assert outsider.get(path).status_code == 404
        assert agent.post(path, ASKED).json["permission"] == "evidence:create"
        assert agent.get(path).json["permission"] == "evidence:read"
        assert join("auditor").post(path, ASKED).json["permission"] == "evidence:create"

    def test_needs_are_for_who_may_have_them(self, senior: Caller, manager: Caller, complaint: dict[str, Any]) -> None:
        path = f"/complaints/{complaint['reference']}/evidence"
        assert senior.post(path, ASKED | {"needs": True}).json["permission"] == "evidence:needs"
        assert manager.post(path, ASKED | {"needs": True}).status_code == 202

    @pytest.mark.parametrize("body", [{}, {"reason": ""}, ASKED | {"language": "fr"}, ASKED | {"more": 1}])
    def test_what_is_not_valid(self, senior: Caller, complaint: dict[str, Any], body: dict[str, Any]) -> None:
        assert senior.post(f"/complaints/{complaint['reference']}/evidence", body).status_code == 422

    def test_is_told(self, senior: Caller, complaint: dict[str, Any], program: Program) -> None:
        job = ask(senior, complaint)
        assert (job["kind"], job["state"]) == ("complaints.evidence", "queued")
        (pack,) = packs(senior, complaint)
        assert (pack["state"], pack["job_id"], pack["asked_by"]) == ("building", job["id"], str(senior.id))
        assert pack["size"] is None
        perform(program)
        (pack,) = packs(senior, complaint)
        assert pack["state"] == "ready"
        assert pack["expires_at"] > pack["made_at"] > pack["created_at"]
        timeline = senior.get(f"/complaints/{complaint['reference']}/timeline").json["items"]
        asked, done = timeline[-2:]
        assert (asked["type"], asked["actor_id"]) == ("complaint.evidence_requested", str(senior.id))
        assert asked["payload"]["reason"] == ASKED["reason"]
        assert (done["type"], done["payload"]["sha256"]) == ("complaint.evidence_made", pack["sha256"])

    def test_one_at_a_time(self, senior: Caller, complaint: dict[str, Any], program: Program) -> None:
        job = ask(senior, complaint)
        answer = senior.post(f"/complaints/{complaint['reference']}/evidence", ASKED)
        assert (answer.status_code, answer.json["code"]) == (409, "evidence_in_progress")
        assert answer.json["job_id"] == job["id"]
        perform(program)
        ask(senior, complaint)

    def test_at_once(self, senior: Caller, app: Any, complaint: dict[str, Any]) -> None:
        path = f"/complaints/{complaint['reference']}/evidence"
        callers = [Caller(app.test_client(), senior.actor, senior.token) for _ in range(4)]
        answers = at_once(*[lambda caller=caller: caller.post(path, ASKED) for caller in callers])
        assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409]


class TestHave:
    def test_by_link_only(self, program: Program, senior: Caller, anonymous: Caller, story: dict[str, Any]) -> None:
        job = ask(senior, story)
        (pack,) = packs(senior, story)
        path = f"/complaints/{story['reference']}/evidence/{pack['id']}"
        early = senior.post(f"{path}/link", {})
        assert (early.status_code, early.json["code"]) == (409, "evidence_not_ready")
        perform(program)
        assert senior.get(f"/jobs/{job['id']}").json["result"]["evidence_id"] == pack["id"]
        assert anonymous.post(f"{path}/link", {}).status_code == 401
        answer = get(anonymous, senior.post(f"{path}/link", {}).json["url"])
        assert answer.headers["Content-Type"] == "application/zip"
        assert re.search(rf'filename="evidence-{story["reference"]}-\d+\.zip"', answer.headers["Content-Disposition"])
        assert sha256(answer.data).hexdigest() == senior.get(path).json["sha256"]

    def test_ends_with_its_makers_rights(
        self, program: Program, senior: Caller, manager: Caller, story: dict[str, Any]
    ) -> None:
        made(program, manager, story, needs=True)
        assert packs(senior, story) == []  # it tells of needs
        (pack,) = packs(manager, story)
        path = f"/complaints/{story['reference']}/evidence/{pack['id']}"
        assert senior.get(path).status_code == 404
        assert senior.post(f"{path}/link", {}).status_code == 404
        url = manager.post(f"{path}/link", {}).json["url"]
        assert get(manager, url).status_code == 200
        helpers.execute(program.database, f"UPDATE agent SET role = 'senior' WHERE id = '{manager.id}'")
        assert get(manager, url).status_code == 404

    def test_expires(self, program: Program, senior: Caller, story: dict[str, Any]) -> None:
        made(program, senior, story)
        (pack,) = packs(senior, story)
        url = senior.post(f"/complaints/{story['reference']}/evidence/{pack['id']}/link", {}).json["url"]
        assert evidence_jobs.expire_packs(program.database) == 0
        helpers.execute(program.database, "UPDATE complaint_evidence SET expires_at = now()")
        assert evidence_jobs.expire_packs(program.database) == 1
        assert evidence_jobs.expire_packs(program.database) == 0
        before = stored(program)
        perform(program, files.TOPIC)
        assert len(stored(program)) == len(before) - 1
        (pack,) = packs(senior, story)
        assert pack["state"] == "expired"
        assert get(senior, url).json["code"] == "evidence_not_ready"
        last = senior.get(f"/complaints/{story['reference']}/timeline?limit=200").json["items"][-1]
        assert (last["type"], last["actor_kind"]) == ("complaint.evidence_expired", "system")


class TestWorker:
    @pytest.mark.parametrize("place", evidence_jobs.FAULT_POINTS)
    def test_dies_on_the_way(self, program: Program, senior: Caller, story: dict[str, Any], place: str) -> None:
        job = ask(senior, story)
        child = os.fork()
        if child == 0:
            os.environ[faults.VARIABLE] = place
            try:
                perform(program)
            finally:
                os._exit(1)  # it did not come so far
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == faults.EXIT_STATUS
        assert senior.get(f"/jobs/{job['id']}").json["state"] == "running"
        helpers.execute(program.database, "UPDATE duty SET next_at = now()")
        perform(program)
        assert senior.get(f"/jobs/{job['id']}").json["state"] == "done"
        (pack,) = packs(senior, story)
        assert had(senior, story, pack["id"])
        helpers.execute(program.database, "UPDATE stored_file SET created_at = now() - interval '2 days'")
        assert files.remove_abandoned(program.database) == 1  # what the dead one left
        perform(program, files.TOPIC)
        assert len(stored(program)) == 3  # two attachments and the pack

    def test_two_at_once_make_one(self, program: Program, senior: Caller, story: dict[str, Any]) -> None:
        """Past the fence, as after a lock that was lost."""
        job = ask(senior, story)
        (duty,) = helpers.duties(program.database, evidence_jobs.TOPIC)
        at_once(*[lambda: evidence_jobs.build(program.tools, duty, UUID(job["id"])) for _ in range(2)])
        (pack,) = packs(senior, story)
        assert pack["state"] == "ready"
        assert had(senior, story, pack["id"])
        assert len(stored(program)) == 3
        types = [
            item["type"] for item in senior.get(f"/complaints/{story['reference']}/timeline?limit=200").json["items"]
        ]
        assert types.count("complaint.evidence_made") == 1

    def test_once_more_when_it_is_done(self, program: Program, senior: Caller, story: dict[str, Any]) -> None:
        job = ask(senior, story)
        (duty,) = helpers.duties(program.database, evidence_jobs.TOPIC)
        for _ in range(2):
            evidence_jobs.build(program.tools, duty, UUID(job["id"]))
        assert packs(senior, story)[0]["state"] == "ready"
        assert len(stored(program)) == 3

    def test_cancelled(self, program: Program, senior: Caller, story: dict[str, Any]) -> None:
        job = ask(senior, story)
        assert senior.post(f"/jobs/{job['id']}/cancel").status_code == 200
        perform(program)
        assert packs(senior, story)[0]["state"] == "failed"
        assert len(stored(program)) == 2
        ask(senior, story)

    def test_cancelled_on_the_way(self, program: Program, senior: Caller, story: dict[str, Any]) -> None:
        job = ask(senior, story)
        (duty,) = helpers.duties(program.database, evidence_jobs.TOPIC)

        class Cancelling(FolderStore):
            """The first file that is read for the pack is where somebody changes their mind."""

            def reading(self, name: str, start: int = 0, length: int | None = None) -> Any:
                senior.post(f"/jobs/{job['id']}/cancel")
                return super().reading(name, start, length)

        store = Cancelling(program.tools.store._folder)  # type: ignore[attr-defined]
        evidence_jobs.build(replace(program.tools, store=store), duty, UUID(job["id"]))
        assert packs(senior, story)[0]["state"] == "failed"
        assert senior.get(f"/jobs/{job['id']}").json["state"] == "cancelled"
        assert len(stored(program)) == 2

    def test_given_up(self, program: Program, senior: Caller, story: dict[str, Any]) -> None:
        job = ask(senior, story)
        with program.database.unit_of_work(SYSTEM) as uow:
            evidence_jobs.give_up(uow, UUID(job["id"]), "the store is away")
        assert senior.get(f"/jobs/{job['id']}").json["state"] == "failed"
        assert packs(senior, story)[0]["state"] == "failed"
        ask(senior, story)
