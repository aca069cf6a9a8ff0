"""What an evidence pack proves, and to whom.

How it can fail: its proof does not prove, or only to us; something in it can be changed, left out or put in, and all still holds.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from helpdesk.complaints import pack_check
from helpdesk.complaints.evidence_pack import SUMS
from helpdesk.kernel.event_log import canonical
from helpdesk.wiring import Program
from tests.complaints.evidence.packing import Archive, made, of
from tests.conftest import Caller
from tests.tampering import past_the_trigger


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
        past_the_trigger(engine, "UPDATE event SET payload = NULL, salt = NULL WHERE type = 'complaint.triaged'")
        pack = made(program, senior, story)
        assert [item["kind"] for item in of(pack, "verification.json")["broken"]] == ["erased"]

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
