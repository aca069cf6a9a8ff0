"""What an evidence pack proves, and to whom.

How it can fail: its proof does not prove, or only to us; something in it can be changed, left out or put in, and all still holds.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from helpdesk.complaints import pack_check
from helpdesk.complaints.evidence_pack import SUMS
from helpdesk.complaints.replaying import NEWBORN, REPLAYED
from helpdesk.complaints.schemas import Complaint as Shown
from helpdesk.kernel.event_log import canonical
from helpdesk.wiring import Program
from tests.complaints.evidence.packing import Archive, made, of
from tests.conftest import Caller
from tests.tampering import past_the_trigger


def rewritten(folder: Path, name: str, change: Callable[[Any], Any]) -> None:
    """A file of a pack, and the manifest with it: as somebody does it who does not want to be found out."""
    value = json.loads((folder / name).read_text(encoding="utf-8"))
    change(value)
    (folder / name).write_text(json.dumps(value), encoding="utf-8")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    whole = (folder / name).read_bytes()
    for entry in manifest["entries"]:
        if entry["path"] == name:
            entry.update(size=len(whole), sha256=sha256(whole).hexdigest())
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


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
            end = of(pack, "chain.json")
            told = (
                "5 texts compared with their digests, 0 have none.\n"
                f"The chain has {end['count']} events and ends with {end['head']}.\nAll holds.\n"
            )
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
    def test_what_was_changed_is_found(
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

    @pytest.mark.parametrize(
        ("name", "change", "fault"),
        [
            ("thread.json", lambda said: said.pop(1), "was removed"),
            ("thread.json", lambda said: said[1].update(kind="public_reply"), "its kind is another"),
            ("thread.json", lambda said: said[1].update(author_id=str(UUID(int=1))), "its author is another"),
            ("thread.json", lambda said: said[1].update(created_at="2026-01-01T00:00:00Z"), "its time is another"),
            ("thread.json", lambda said: said[1].pop("salt"), "its salt was removed"),
            ("thread.json", lambda said: said[1].pop("body"), "the texts cannot be read: KeyError"),
            ("complaint.json", lambda row: row.update(status="received"), "status is not what the events say"),
            ("complaint.json", lambda row: row.update(severity="S1"), "severity is not what the events say"),
            ("complaint.json", lambda row: row.update(tags=["mine"]), "tags is not what the events say"),
            (
                "complaint.json",
                lambda row: row.update(custom_fields={"a": "b"}),
                "custom_fields is not what the events",
            ),
            ("complaint.json", lambda row: row.update(received_at="2026-01-01T00:00:00Z"), "received_at is not what"),
            ("complaint.json", lambda row: row.update(escalation_level=2), "escalation_level is not what the events"),
            ("complaint.json", lambda row: row.clear(), "the texts cannot be read"),
            ("timeline.json", lambda told: told.__delitem__(slice(1, None)), "timeline.json has 1 entries"),
            ("timeline.json", lambda told: told[2].update(payload={}), "entry 3 is not what event 3 says"),
            ("chain.json", lambda end: end.update(count=1, head="x"), "its owner knows of 1"),
            ("manifest.json", lambda about: about.update(evidence_id="x"), "as far as the request for this pack"),
            ("attachments.json", lambda files: files.clear(), "was removed"),
            ("attachments.json", lambda files: files[0].update(sha256="0" * 64), "are not what its event says"),
            ("attachments.json", lambda files: files[0].update(path=None, left_out="redacted"), "and no event says so"),
            ("attachments.json", lambda files: files[0].update(path=None), "is none of the complaint's files"),
            ("complaint.json", lambda row: row["issues"][0].update(finding="No."), "finding of issue"),
            ("complaint.json", lambda row: row["issues"].clear(), "was removed"),
            ("offers.json", lambda told: told.clear(), "was removed"),
            ("offers.json", lambda told: told[0].update(status="issued"), "its status is not what its steps end in"),
            ("offers.json", lambda told: told[0].update(amount_minor=1), "4000 minor units are set aside for it"),
            ("offers.json", lambda told: told[0]["steps"].pop(), "its steps are not those that the events tell"),
            (
                "offers.json",
                lambda told: told[0]["steps"][1].update(at="2026-01-01T00:00:00Z"),
                "its steps are not those",
            ),
            ("offers.json", lambda told: told[0]["budget_entries"].clear(), "0 minor units are set aside for it"),
            (
                "offers.json",
                lambda told: told[0]["decisions"][0].update(actor_id=str(UUID(int=1))),
                "its decision 1 is of no step",
            ),
            ("offers.json", lambda told: told[0].update(dead_letter="failed"), "what somebody is to see to is another"),
            ("thread.json", lambda said: said[1].update(redacted_at="2026-01-01T00:00:00Z"), "and no event says so"),
        ],
    )
    def test_what_was_changed_is_found_where_the_manifest_was_made_anew(
        self,
        program: Program,
        senior: Caller,
        story: dict[str, Any],
        tmp_path: Path,
        name: str,
        change: Callable[[Any], Any],
        fault: str,
    ) -> None:
        made(program, senior, story).extractall(tmp_path)
        rewritten(tmp_path, name, change)
        found = list(pack_check.faults(pack_check.Folder(tmp_path)))
        assert any(fault in each for each in found), found
        assert not any("manifest" in each for each in found)

    @pytest.mark.parametrize(
        "name", ["clocks.json", "people.json", "thread.html", "attachments/", "letters/", "elsewhere.jsonl"]
    )
    def test_what_was_left_out_is_missing_though_the_manifest_was_made_anew(
        self, program: Program, senior: Caller, story: dict[str, Any], tmp_path: Path, name: str
    ) -> None:
        made(program, senior, story).extractall(tmp_path)
        gone = next(each for each in sorted(tmp_path.rglob("*")) if each.relative_to(tmp_path).as_posix().startswith(name)
                    and each.is_file())  # fmt: skip
        gone.unlink()
        path = gone.relative_to(tmp_path).as_posix()
        rewritten(tmp_path, "manifest.json", lambda about: about.update(
            entries=[each for each in about["entries"] if each["path"] != path]))  # fmt: skip
        found = list(pack_check.faults(pack_check.Folder(tmp_path)))
        assert any("is missing" in each for each in found), found

    def test_a_file_that_was_changed_is_found_though_the_manifest_was_made_anew(
        self, program: Program, senior: Caller, story: dict[str, Any], tmp_path: Path
    ) -> None:
        made(program, senior, story).extractall(tmp_path)
        one = next(iter((tmp_path / "attachments").iterdir()))
        one.write_bytes(one.read_bytes() + b"forged")
        whole, name = one.read_bytes(), one.relative_to(tmp_path).as_posix()

        def seal(about: dict[str, Any]) -> None:
            entry = next(each for each in about["entries"] if each["path"] == name)
            entry.update(size=len(whole), sha256=sha256(whole).hexdigest())

        rewritten(tmp_path, "manifest.json", seal)
        rewritten(
            tmp_path,
            "attachments.json",
            lambda files: next(each for each in files if each["path"] == name).update(
                size=len(whole), sha256=sha256(whole).hexdigest()
            ),
        )
        found = list(pack_check.faults(pack_check.Folder(tmp_path)))
        assert any("is not what was sent" in each for each in found), found
        assert any("are not what its event says" in each for each in found), found

    def test_a_chain_that_was_cut_is_told_by_a_head_that_was_noted(
        self, program: Program, senior: Caller, story: dict[str, Any], tmp_path: Path, capsys: Any
    ) -> None:
        """A pack cannot prove by itself that it is not one of another, shorter story."""
        path = f"/complaints/{story['reference']}/timeline/verification"
        before = senior.get(path).json["head"]
        pack = made(program, senior, story)
        (tmp_path / "pack.zip").write_bytes(pack.fp.getvalue())  # type: ignore[union-attr]
        after = senior.get(path).json["head"]
        assert pack_check.main([str(tmp_path / "pack.zip"), "--head", before]) == 0
        assert pack_check.main([str(tmp_path / "pack.zip"), "--head", before, "--head", after]) == 1
        assert f"WRONG: no event has the hash {after}" in capsys.readouterr().out
        (tmp_path / "pack.zip").write_bytes(b"no archive")
        assert pack_check.main([str(tmp_path / "pack.zip")]) == 1

    def test_a_message_that_was_removed_here(
        self, program: Program, senior: Caller, story: dict[str, Any], engine: Engine
    ) -> None:
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM complaint_message WHERE kind = 'internal_note'"))
        pack = made(program, senior, story)
        (fault,) = [item["what"] for item in of(pack, "verification.json")["broken"]]
        assert list(pack_check.faults(Archive(pack))) == [fault.replace(": it", "")]

    def test_what_all_are_born_with_is_the_same_here_and_there(self) -> None:
        shown = {name: value for name, value in NEWBORN.items() if name in pack_check.BORN}
        assert shown == pack_check.BORN
        assert all(NEWBORN[name] is None for name in pack_check.COLUMNS)
        told = {*pack_check.BORN, *pack_check.COLUMNS, *pack_check.RECEIVED}
        assert set(REPLAYED) & set(Shown().fields) <= told <= set(REPLAYED)

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
        past_the_trigger(engine, "UPDATE event SET payload = NULL, salt = NULL WHERE type = 'complaint.triaged'")
        pack = made(program, senior, story)
        assert [item["kind"] for item in of(pack, "verification.json")["broken"]] == ["erased"]
        (fault,) = pack_check.faults(Archive(pack))
        assert fault.endswith("its payload was erased, and no event accounts for it")

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
