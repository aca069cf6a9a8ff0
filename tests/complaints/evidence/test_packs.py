"""Evidence packs.

How it can fail: something is missing in it, or does not agree with the rest; it tells what the one who asked may not read
(needs, offers), there or in the list; its proof does not prove, or only to us; a name in it leads out of it; the same
complaint gives two packs that differ; a large one sits in memory; the worker dies on the way, or two make it at once; it is
cancelled; it outlives its time; its link outlives its maker's rights.
"""

import io
import json
import os
import re
import subprocess
import sys
import tracemalloc
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from helpdesk.complaints import evidence_jobs, pack_check
from helpdesk.complaints.evidence_models import Evidence
from helpdesk.complaints.evidence_pack import MANIFEST, SUMS, Pack
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import faults, files, jobs
from helpdesk.kernel.duties import Performer
from helpdesk.kernel.event_log import canonical
from helpdesk.kernel.storage import FolderStore
from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import HANDLERS, Program
from tests.complaints.attachments.sending import get, sent, stored
from tests.complaints.steps import GOOD, LETTER
from tests.conftest import Caller, Join, complaint_body, make_team
from tests.kernel.test_sniffing import PDF, PNG
from tests.racing import at_once
from tests.recovery import helpers
from tests.tampering import past_the_trigger

ASKED = {"reason": "Asked for by the ombudsman."}
HOSTILE = '<script>alert(1)</script> \u202eevil & "quotes" \'</pre>'


@pytest.fixture
def story(program: Program, agent: Caller, manager: Caller, team: UUID) -> dict[str, Any]:
    """A complaint with something of everything that goes into a pack."""
    helpers.open_budget(manager)
    body = complaint_body(team_id=str(team), subject=HOSTILE, needs=[{"flag": "hearing", "consent": True}])
    complaint: dict[str, Any] = agent.post("/complaints", body).json
    path = f"/complaints/{complaint['reference']}"
    for action in ("acknowledge", "triage", "investigate"):
        assert agent.post(f"{path}/actions/{action}", GOOD[action]).status_code == 200
    assert agent.post(f"{path}/messages", {"kind": "internal_note", "body": HOSTILE}).status_code == 201
    helpers.offered(agent, complaint, helpers.voucher("40.00"))
    letter = LETTER | {"finding": HOSTILE}
    answer = agent.post(f"{path}/actions/resolve", GOOD["resolve"] | {"letter": letter, "remedy": {}})
    assert answer.status_code == 200, answer.text
    sent(agent, complaint, PDF, name="Invoice.pdf")
    sent(agent, complaint, PNG, name="../../发票.png")
    return complaint


def ask(caller: Caller, complaint: dict[str, Any], **given: Any) -> dict[str, Any]:
    answer = caller.post(f"/complaints/{complaint['reference']}/evidence", ASKED | given)
    assert answer.status_code == 202, answer.text
    return dict(answer.json)


def perform(program: Program, *topics: str) -> None:
    performer = Performer(program.database, HANDLERS, SYSTEM, program.tools)
    for topic in topics or (evidence_jobs.TOPIC,):
        performer.perform(helpers.duties(program.database, topic))


def packs(caller: Caller, complaint: dict[str, Any]) -> list[dict[str, Any]]:
    return list(caller.get(f"/complaints/{complaint['reference']}/evidence").json["items"])


def had(caller: Caller, complaint: dict[str, Any], evidence_id: str) -> bytes:
    """The pack's bytes, by link."""
    link = caller.post(f"/complaints/{complaint['reference']}/evidence/{evidence_id}/link", {})
    assert link.status_code == 200, link.text
    answer = get(caller, link.json["url"])
    assert answer.status_code == 200, answer.text
    return bytes(answer.data)


def made(program: Program, caller: Caller, complaint: dict[str, Any], **given: Any) -> zipfile.ZipFile:
    job = ask(caller, complaint, **given)
    perform(program)
    done = caller.get(f"/jobs/{job['id']}").json
    assert done["state"] == "done", done
    return zipfile.ZipFile(io.BytesIO(had(caller, complaint, done["result"]["evidence_id"])))


def of(pack: zipfile.ZipFile, name: str) -> Any:
    return json.loads(pack.read(name))


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


class TestContents:
    def test_all_of_it(self, program: Program, manager: Caller, story: dict[str, Any]) -> None:
        pack = made(program, manager, story, needs=True)
        names = pack.namelist()
        letters = [name for name in names if name.startswith("letters/")]
        assert len(letters) == 2
        assert set(names) - set(letters) == {
            "complaint.json",
            "people.json",
            "timeline.json",
            "timeline.html",
            "timeline.txt",
            "thread.json",
            "thread.html",
            "clocks.json",
            "offers.json",
            "chain.jsonl",
            "chain.json",
            "elsewhere.jsonl",
            "verification.json",
            "ALGORITHM.txt",
            "verify.py",
            "README.txt",
            "attachments/0001-Invoice.pdf",
            "attachments/0002-发票.png",
            "attachments.json",
            "manifest.json",
            "MANIFEST.sha256",
        }
        complaint = of(pack, "complaint.json")
        assert (complaint["reference"], complaint["status"]) == (story["reference"], "resolved")
        assert complaint["subject"] == HOSTILE
        assert complaint["needs"][0]["flag"] == "hearing"
        assert "allowed_actions" not in complaint
        assert of(pack, "people.json")[0]["name"] == "Li Wei"
        timeline = of(pack, "timeline.json")
        assert [item["sequence"] for item in timeline] == list(range(1, len(timeline) + 1))
        assert timeline[-1]["type"] == "complaint.evidence_requested"
        assert len(of(pack, "thread.json")) == 3
        assert pack.read("attachments/0001-Invoice.pdf") == PDF
        clocks = of(pack, "clocks.json")
        assert {clock["kind"] for clock in clocks} >= {"acknowledge", "resolve"}
        assert all(clock["policy_version"] and clock["policy_spec"] and clock["calendar_spec"] for clock in clocks)
        (offer,) = of(pack, "offers.json")
        assert (offer["amount_minor"], offer["status"]) == (4000, "offered")
        assert [step["action"] for step in offer["steps"]] == ["submit", "approve", "offer"]
        assert "issued_reference" not in offer
        listed = of(pack, "attachments.json")
        assert [item["path"] for item in listed] == ["attachments/0001-Invoice.pdf", "attachments/0002-发票.png"]

    def test_in_chinese(self, program: Program, senior: Caller, story: dict[str, Any]) -> None:
        pack = made(program, senior, story, language="zh")
        assert "<h1>时间线</h1>" in pack.read("timeline.html").decode()
        assert of(pack, "timeline.json")[0]["summary"].startswith("收到")
        assert "证据包" in pack.read("README.txt").decode()

    def test_nothing_in_a_page_runs(self, program: Program, senior: Caller, story: dict[str, Any]) -> None:
        pack = made(program, senior, story)
        for name in ("timeline.html", "thread.html"):
            page = pack.read(name).decode()
            assert "<script" not in page
            assert "default-src 'none'" in page
        assert "&lt;script&gt;" in pack.read("thread.html").decode()

    def test_needs_are_masked(self, program: Program, senior: Caller, story: dict[str, Any]) -> None:
        senior.post(f"/complaints/{story['reference']}/needs", {"flag": "sight", "ground": "Told on the phone."})
        pack = made(program, senior, story)
        everything = b"".join(pack.read(name) for name in pack.namelist() if name != "verify.py")
        for word in (b"hearing", b"sight", b"Told on the phone"):
            assert word not in everything
        assert of(pack, "complaint.json")["needs"][0].keys() == {"id", "withheld"}
        (masked,) = [item for item in of(pack, "timeline.json") if item["type"] == "complaint.need_recorded"]
        assert (masked["payload"], masked["withheld"]) == (None, True)
        assert list(pack_check.faults(Archive(pack))) == []

    def test_offers_are_for_who_may_read_them(
        self, program: Program, senior: Caller, manager: Caller, story: dict[str, Any]
    ) -> None:
        with_offers = made(program, senior, story)
        helpers.execute(
            program.database,
            "UPDATE role SET permissions = array_remove(permissions, 'offer:read') WHERE name = 'senior'",
        )
        assert packs(senior, story) == []  # what he had made tells of them
        pack = made(program, senior, story)
        assert "offers.json" in with_offers.namelist()
        assert "offers.json" not in pack.namelist()
        told = [item for item in of(pack, "timeline.json") if item["type"].startswith("offer.")]
        assert told
        assert all(item["payload"] is None and item["withheld"] for item in told)
        assert b"40.00" not in pack.read("timeline.txt")
        assert list(pack_check.faults(Archive(pack))) == []
        assert len(packs(senior, story)) == 1
        assert len(packs(manager, story)) == 2

    def test_files_that_are_not_in_it(
        self, program: Program, senior: Caller, story: dict[str, Any], engine: Engine
    ) -> None:
        first, second = senior.get(f"/complaints/{story['reference']}/attachments").json["items"]
        senior.post(f"/complaints/{story['reference']}/attachments/{first['id']}/redact", {"reason": "A mistake."})
        infected = f"UPDATE complaint_attachment SET scan = 'infected' WHERE id = '{second['id']}'"
        helpers.execute(program.database, infected)
        pack = made(program, senior, story)
        assert not [name for name in pack.namelist() if name.startswith("attachments/")]
        assert [item["left_out"] for item in of(pack, "attachments.json")] == ["redacted", "infected"]
        assert of(pack, "attachments.json")[0]["sha256"] == first["sha256"]

    def test_files_that_nobody_asked_for(self, program: Program, senior: Caller, story: dict[str, Any]) -> None:
        pack = made(program, senior, story, attachments=False)
        assert not [name for name in pack.namelist() if name.startswith("attachments/")]
        assert {item["left_out"] for item in of(pack, "attachments.json")} == {"not asked for"}

    def test_no_name_leads_out_of_it(self, program: Program, senior: Caller, story: dict[str, Any]) -> None:
        for name in made(program, senior, story).namelist():
            parts = PurePosixPath(name).parts
            assert ".." not in parts
            assert not name.startswith("/")
            assert "\\" not in name
            assert len(parts) <= 2

    def test_the_same_moment_gives_the_same_bytes(
        self, program: Program, senior: Caller, story: dict[str, Any]
    ) -> None:
        ask(senior, story)
        with program.database.unit_of_work(SYSTEM) as uow:
            asked = uow.session.query(Evidence).one()
            jobs.start(uow.session, asked.job_id)
        sums = []
        for place in range(2):
            pack, _ = evidence_jobs._write(program.tools, asked, asked.job_id, UUID(int=place))
            name = UUID(int=place).hex
            sums.append(sha256(b"".join(program.tools.store.reading(name))).hexdigest())
            assert sums[-1] == pack.sha256
        assert sums[0] == sums[1]


class Archive(pack_check.Archive):
    def __init__(self, pack: zipfile.ZipFile) -> None:
        self.archive = pack


class TestProof:
    def test_a_third_party_can_check_it(
        self, program: Program, senior: Caller, story: dict[str, Any], tmp_path: Path
    ) -> None:
        """With what is in the pack and a bare Python."""
        pack = made(program, senior, story)
        assert of(pack, "verification.json")["valid"]
        pack.extractall(tmp_path / "unpacked")
        (tmp_path / "pack.zip").write_bytes(pack.fp.getvalue())  # type: ignore[union-attr]
        script = tmp_path / "unpacked" / "verify.py"
        bare = [sys.executable, "-I", "-S", str(script)]
        for arguments in ([], [str(tmp_path / "pack.zip")]):
            done = subprocess.run([*bare, *arguments], capture_output=True, text=True, check=False)
            told = "5 texts compared with their digests, 0 have none.\nAll holds.\n"
            assert (done.returncode, done.stdout, done.stderr) == (0, told, "")
        sums = subprocess.run(
            ["sha256sum", "-c", "--strict", SUMS],
            cwd=tmp_path / "unpacked",
            capture_output=True,
            text=True,
            check=False,
        )
        assert sums.returncode == 0, sums.stdout + sums.stderr

    @pytest.mark.parametrize(
        ("name", "was", "becomes", "fault"),
        [
            ("complaint.json", '"resolved"', '"received"', "complaint.json is not what the manifest says"),
            ("chain.jsonl", '"type":"complaint.triaged"', '"type":"complaint.received"', "header was changed"),
            ("chain.jsonl", '"DEL.LATE"', '"DEL.LOST"', "payload was changed"),
            ("chain.json", '"count": ', '"count": 1', "its owner knows of"),
            ("complaint.json", "alert(1)", "alert(2)", "subject is not what was written"),
            ("thread.json", "alert(1)", "alert(2)", "is not what was written"),
            ("thread.json", '"salt":"', '"salt":"00', "is not what was written"),
            ("letters/0001-acknowledgement.txt", "\n\n", "\n\nNo. ", "is not what the thread has"),
        ],
    )
    def test_what_was_changed_is_found(  # noqa: PLR0917
        self,
        program: Program,
        senior: Caller,
        story: dict[str, Any],
        tmp_path: Path,
        name: str,
        was: str,
        becomes: str,
        fault: str,
    ) -> None:
        made(program, senior, story).extractall(tmp_path)
        path = tmp_path / name
        whole = path.read_text(encoding="utf-8")
        assert was in whole
        path.write_text(whole.replace(was, becomes, 1), encoding="utf-8")
        assert any(fault in found for found in pack_check.faults(pack_check.Folder(tmp_path)))

    def test_events_taken_out_or_put_elsewhere(
        self, program: Program, senior: Caller, story: dict[str, Any], tmp_path: Path
    ) -> None:
        made(program, senior, story).extractall(tmp_path)
        path = tmp_path / "chain.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        for changed in (lines[:-1], lines[1:], [lines[1], lines[0], *lines[2:]], [*lines, lines[-1]], []):
            path.write_text("".join(changed), encoding="utf-8")
            assert list(pack_check.chain_wrong(pack_check.Folder(tmp_path)))
        (tmp_path / "more.txt").write_text("x")
        (tmp_path / "README.txt").unlink()
        told = list(pack_check.files_wrong(pack_check.Folder(tmp_path)))
        assert "more.txt is not in the manifest" in told
        assert "README.txt is missing" in told

    def test_a_chain_that_was_broken_here_is_said_to_be(
        self, program: Program, senior: Caller, story: dict[str, Any]
    ) -> None:
        past_the_trigger(
            program.engine,
            f"DELETE FROM event WHERE stream_id = '{story['id']}' AND type = 'complaint.triaged'",
        )
        pack = made(program, senior, story)
        found = of(pack, "verification.json")
        assert not found["valid"]
        assert [item["kind"] for item in found["broken"]] == ["missing"]
        assert list(pack_check.faults(Archive(pack)))

    def test_an_erased_payload(self, program: Program, senior: Caller, story: dict[str, Any], engine: Engine) -> None:
        with engine.begin() as connection:
            connection.execute(text("UPDATE event SET payload = NULL, salt = NULL WHERE type = 'complaint.triaged'"))
        pack = made(program, senior, story)
        assert of(pack, "verification.json")["valid"]
        assert list(pack_check.faults(Archive(pack))) == []

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
            max_leaves=12,
        )
    )
    def test_a_bare_python_writes_what_we_digest(self, value: Any) -> None:
        try:
            ours = canonical(value)
        except (TypeError, orjson.JSONEncodeError):  # what no event can hold: lone surrogates
            return
        assert pack_check.text_of(json.loads(ours)) == ours


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


class _Counting:
    def __init__(self) -> None:
        self.most = 0

    def write(self, data: bytes, /) -> int:
        self.most = max(self.most, len(data))
        return len(data)

    def flush(self) -> None:
        pass


def test_a_large_pack_is_never_in_memory() -> None:
    sink = _Counting()
    tracemalloc.start()
    try:
        with Pack(sink, datetime(2026, 3, 2, tzinfo=UTC), {}) as pack:
            pack.add("attachments/0001-film.mp4", (b"x" * 65_536 for _ in range(3_000)), "video/mp4")
            pack.add_lines("chain.jsonl", ({"n": number, "text": "y" * 100} for number in range(20_000)))
            pack.add_list("timeline.json", ({"n": number} for number in range(20_000)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert pack.size > 190_000_000
    assert peak < 10_000_000
    assert sink.most <= 1_000_000


def test_left_by_an_exception_it_is_no_archive() -> None:
    kept = io.BytesIO()
    with pytest.raises(ZeroDivisionError), Pack(kept, datetime(2026, 3, 2, tzinfo=UTC), {}) as pack:
        pack.add_text("a.txt", str(1 // 0))
    assert not zipfile.is_zipfile(io.BytesIO(kept.getvalue()))


@given(st.lists(st.text(min_size=1, max_size=40), min_size=1, max_size=5))
def test_any_name_stays_in_it(names: list[str]) -> None:
    kept = io.BytesIO()
    with Pack(kept, datetime(1971, 1, 1, tzinfo=UTC).replace(year=1980), {}) as pack:
        for place, name in enumerate(names):
            pack.add_text(f"attachments/{place}-{name.replace('/', '-')}", "x")
    found = zipfile.ZipFile(io.BytesIO(kept.getvalue())).namelist()
    assert found[-2:] == [MANIFEST, SUMS]
    for name in found[:-2]:
        assert PurePosixPath(name).parts[0] == "attachments"
        assert len(PurePosixPath(name).parts) == 2
        assert ".." not in PurePosixPath(name).parts
