"""What is in an evidence pack.

How it can fail: something is missing in it, or does not agree with the rest; it tells what the one who asked may not read
(needs, offers), there or in the list; a name in it leads out of it; the same complaint gives two packs that differ; a large
one sits in memory.
"""

import io
import tracemalloc
import zipfile
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from helpdesk.complaints import evidence_jobs, pack_check
from helpdesk.complaints.evidence_models import Evidence
from helpdesk.complaints.evidence_pack import MANIFEST, SUMS, Pack
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import jobs
from helpdesk.wiring import Program
from tests.complaints.evidence.packing import HOSTILE, Archive, ask, made, of, packs
from tests.conftest import Caller
from tests.kernel.test_sniffing import PDF
from tests.recovery import helpers


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
