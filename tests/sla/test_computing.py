"""`helpdesk sla compute`: deadlines out of lines of JSON.

How it can fail: a bad line stops the good ones after it, or is answered out of turn; a misspelt, repeated or unknown field is
passed over and the deadline is silently another; an answer is no JSON (NaN, half a surrogate); a huge, deep or binary line
takes the process down; the answer to a line waits for the next one; it wants a database, or loads the whole program.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from helpdesk.cli import main
from helpdesk.sla.business_time import Conventions
from helpdesk.sla.computing import MAX_LINE_BYTES, answer

OFFICE = {
    "timezone": "Europe/London",
    "weekly_hours": {day: [["09:00", "17:00"]] for day in ("mon", "tue", "wed", "thu", "fri")},
    "holidays": ["2026-12-25", "2026-12-28"],
}
CHRISTMAS_EVE = OFFICE | {"start": "2026-12-24T16:00:00Z"}  # a Thursday
DAY = {"amount": 1, "unit": "business_days"}


def asked(line: Any, number: int = 1) -> Any:
    return answer(json.dumps(line).encode(), number)


def due(**more: Any) -> Any:
    found = asked(CHRISTMAS_EVE | more)
    assert "error" not in found, found
    return found["due_at"]


def refusal(line: Any) -> tuple[str, str | None]:
    error = asked(line, 7)["error"]
    assert error["line"] == 7
    assert error["detail"]
    return error["code"], error.get("pointer")


class TestAnswers:
    @pytest.mark.parametrize(
        ("amount", "unit", "expected"),
        [
            (60, "minutes", "2026-12-24T17:00:00Z"),
            (60.5, "minutes", "2026-12-29T09:00:30Z"),
            (0, "minutes", "2026-12-24T16:00:00Z"),
            (1, "business_days", "2026-12-29T17:00:00Z"),
            (1.0, "business_days", "2026-12-29T17:00:00Z"),
            (1, "calendar_days", "2026-12-26T00:00:00Z"),
            (8, "weeks", "2027-02-19T00:00:00Z"),
        ],
    )
    def test_units(self, amount: float, unit: str, expected: str) -> None:
        assert due(target={"amount": amount, "unit": unit}) == expected

    @pytest.mark.parametrize(
        ("conventions", "target", "expected"),
        [
            ({"boundary": "next_opening"}, {"amount": 60, "unit": "minutes"}, "2026-12-29T09:00:00Z"),
            ({"business_day": "same_time_nth_day"}, DAY, "2026-12-29T16:00:00Z"),
            ({"business_day": "end_of_nth_day"}, DAY, "2026-12-30T00:00:00Z"),
            ({"calendar_day": "same_time"}, {"amount": 1, "unit": "calendar_days"}, "2026-12-25T16:00:00Z"),
            ({}, DAY, "2026-12-29T17:00:00Z"),
        ],
    )
    def test_conventions(self, conventions: dict[str, Any], target: dict[str, Any], expected: str) -> None:
        assert due(conventions=conventions, target=target) == expected

    def test_segments_add_up_to_the_deadline(self) -> None:
        pauses = [["2026-12-24T16:15:00Z", "2026-12-24T16:45:00+00:00"]]
        found = asked(CHRISTMAS_EVE | {"id": "a-1", "target": {"amount": 60, "unit": "minutes"}, "pauses": pauses})
        assert found == {
            "id": "a-1",
            "due_at": "2026-12-29T09:30:00Z",
            "segments": [
                {"kind": "counted", "from": "2026-12-24T16:00:00Z", "to": "2026-12-24T16:15:00Z", "seconds": 900},
                {"kind": "paused", "from": "2026-12-24T16:15:00Z", "to": "2026-12-24T16:45:00Z", "seconds": 1800},
                {"kind": "counted", "from": "2026-12-24T16:45:00Z", "to": "2026-12-24T17:00:00Z", "seconds": 900},
                {"kind": "closed", "from": "2026-12-24T17:00:00Z", "to": "2026-12-29T09:00:00Z", "seconds": 403200},
                {"kind": "counted", "from": "2026-12-29T09:00:00Z", "to": "2026-12-29T09:30:00Z", "seconds": 1800},
            ],
        }

    def test_what_does_not_pause(self) -> None:
        pauses = [["2026-12-24T16:00:00Z", None]]
        hour = {"amount": 60, "unit": "minutes"}
        assert due(target=hour, pauses=pauses, conventions={"pausable": False}) == "2026-12-24T17:00:00Z"
        assert due(target={"amount": 1, "unit": "calendar_days"}, pauses=pauses) == "2026-12-26T00:00:00Z"

    @pytest.mark.parametrize("boundary", ["earliest", "next_opening"])
    def test_still_paused(self, boundary: str) -> None:
        pauses = [["2026-12-24T16:20:00Z", None], ["2026-12-24T16:05:00Z", "2026-12-24T16:10:00Z"]]
        given = {"target": {"amount": 60, "unit": "minutes"}, "pauses": pauses, "conventions": {"boundary": boundary}}
        found = asked(CHRISTMAS_EVE | given)
        assert (found["due_at"], found["remaining_seconds"]) == (None, 45 * 60)
        assert [each["seconds"] for each in found["segments"]] == [300, 300, 600]
        before = asked(CHRISTMAS_EVE | given | {"pauses": [["2026-12-01T00:00:00Z", None]]})
        assert (before["due_at"], before["remaining_seconds"], before["segments"]) == (None, 3600, [])

    def test_calendar_days_need_no_opening_hours(self) -> None:
        line = {"timezone": "Pacific/Apia", "start": "2011-12-30T02:00:00Z", "target": {"amount": 1, "unit": "weeks"}}
        found = asked(line)
        # The 29th there, and the 30th never was: the seventh local day after is the 6th.
        assert found["due_at"] == "2012-01-06T10:00:00Z"
        assert [each["kind"] for each in found["segments"]] == ["counted"]
        nothing = asked(line | {"target": {"amount": 0, "unit": "weeks"}, "conventions": {"calendar_day": "same_time"}})
        assert nothing == {"due_at": "2011-12-30T02:00:00Z", "segments": []}

    def test_make_up_days_and_nights(self) -> None:
        line = {
            "timezone": "Asia/Shanghai",
            "weekly_hours": {"mon": [["22:00", "06:00"]]},
            "working_days": {"2026-02-14": "mon"},
            "start": "2026-02-14T12:00:00+08:00",
        }
        assert asked(line | {"target": {"amount": 480, "unit": "minutes"}})["due_at"] == "2026-02-14T22:00:00Z"

    @pytest.mark.parametrize(("conventions", "seconds"), [({}, 3600), ({"pausable": False}, 5400)])
    def test_elapsed(self, conventions: dict[str, Any], seconds: int) -> None:
        pauses = [["2026-12-24T16:30:00Z", "2026-12-24T20:00:00Z"]]
        line = CHRISTMAS_EVE | {"id": None, "end": "2026-12-29T09:30:00Z", "pauses": pauses, "conventions": conventions}
        assert asked(line) == {"id": None, "elapsed_seconds": seconds}
        assert asked(line | {"end": "2026-12-01T00:00:00Z"}) == {"id": None, "elapsed_seconds": 0}

    @pytest.mark.parametrize("id_", ["é\ud800", 12345678901234567890, 1.5, None, False, [1], {"a": {"b": []}}])
    def test_an_id_is_echoed_whatever_it_is(self, id_: Any) -> None:
        assert json.loads(json.dumps(asked(CHRISTMAS_EVE | {"id": id_, "target": DAY})["id"])) == id_
        assert asked({"id": id_})["id"] == id_


TARGETED = CHRISTMAS_EVE | {"target": DAY}


class TestRefusals:
    @pytest.mark.parametrize(
        ("line", "code", "pointer"),
        [
            ([], "not_an_object", None),
            (None, "not_an_object", None),
            ({}, "target_or_end", ""),
            (TARGETED | {"end": "2026-12-29T09:00:00Z"}, "target_or_end", ""),
            (TARGETED | {"hollidays": []}, "unknown_field", "/hollidays"),
            (TARGETED | {"a/b~c": 1}, "unknown_field", "/a~1b~0c"),
            ({"target": DAY}, "missing", "/timezone"),
            ({"timezone": "UTC", "target": DAY}, "missing", "/start"),
            (TARGETED | {"timezone": "Mars/Olympus"}, "unknown_timezone", "/timezone"),
            (TARGETED | {"timezone": None}, "invalid", "/timezone"),
            (TARGETED | {"start": "2026-12-24T16:00:00"}, "bad_time", "/start"),
            (TARGETED | {"start": "2026-02-30T16:00:00Z"}, "bad_time", "/start"),
            (TARGETED | {"start": "0001-01-01T00:00:00+14:00"}, "bad_time", "/start"),
            (TARGETED | {"start": 5}, "bad_time", "/start"),
            (TARGETED | {"target": 5}, "invalid", "/target"),
            (TARGETED | {"target": {"amount": 5}}, "missing", "/target/unit"),
            (TARGETED | {"target": {"amount": 5, "unit": "days"}}, "invalid", "/target/unit"),
            (TARGETED | {"target": {"amount": 5, "unit": []}}, "invalid", "/target/unit"),
            (TARGETED | {"target": {"amount": "5", "unit": "minutes"}}, "invalid", "/target/amount"),
            (TARGETED | {"target": {"amount": True, "unit": "minutes"}}, "invalid", "/target/amount"),
            (TARGETED | {"target": {"amount": -1, "unit": "minutes"}}, "invalid", "/target/amount"),
            (TARGETED | {"target": {"amount": 1.5, "unit": "weeks"}}, "invalid", "/target/amount"),
            (TARGETED | {"target": {"amount": 10**399, "unit": "minutes"}}, "beyond_the_search", None),
            (TARGETED | {"target": {"amount": 1e308, "unit": "weeks"}}, "beyond_the_search", None),
            (TARGETED | {"target": DAY | {"hours": 1}}, "unknown_field", "/target/hours"),
            (TARGETED | {"weekly_hours": []}, "invalid", "/weekly_hours"),
            (TARGETED | {"weekly_hours": {"monday": []}}, "unknown_weekday", "/weekly_hours/monday"),
            (TARGETED | {"weekly_hours": {"mon": [["9:00", "17:00"]]}}, "bad_time", "/weekly_hours/mon/0/0"),
            (TARGETED | {"weekly_hours": {"mon": [["24:00", "17:00"]]}}, "bad_time", "/weekly_hours/mon/0/0"),
            (TARGETED | {"weekly_hours": {"mon": [["09:00"]]}}, "invalid", "/weekly_hours/mon/0"),
            (TARGETED | {"weekly_hours": {"tue": [["09:00", "12:00"]] * 2}}, "overlap", "/weekly_hours/tue/1"),
            (TARGETED | {"weekly_hours": {}}, "never_open", "/weekly_hours"),
            (TARGETED | {"holidays": ["2026-12-25", "2026-13-01"]}, "bad_date", "/holidays/1"),
            (TARGETED | {"holidays": ["2026-W01-1"]}, "bad_date", "/holidays/0"),
            (TARGETED | {"holidays": "2026-12-25"}, "invalid", "/holidays"),
            (TARGETED | {"working_days": {"2026-02-14": "sat"}}, "no_hours", "/working_days/2026-02-14"),
            (TARGETED | {"working_days": {"2026-02-14": 0}}, "unknown_weekday", "/working_days/2026-02-14"),
            (TARGETED | {"pauses": [["2026-12-24T16:00:00Z"]]}, "invalid", "/pauses/0"),
            (TARGETED | {"pauses": [[None, None]]}, "bad_time", "/pauses/0/0"),
            (TARGETED | {"pauses": [["2026-12-24T16:00:00Z", "2026-12-24T15:00:00Z"]]}, "backwards", "/pauses/0/1"),
            (TARGETED | {"pauses": {}}, "invalid", "/pauses"),
            (TARGETED | {"conventions": {"boundary": "whenever"}}, "invalid", "/conventions/boundary"),
            (TARGETED | {"conventions": {"boundary": {}}}, "invalid", "/conventions/boundary"),
            (TARGETED | {"conventions": {"pausable": 1}}, "invalid", "/conventions/pausable"),
            (TARGETED | {"conventions": {"weeks": 1}}, "unknown_field", "/conventions/weeks"),
            (TARGETED | {"conventions": None}, "invalid", "/conventions"),
            (CHRISTMAS_EVE | {"end": "2099-01-01T00:00:00Z"}, "beyond_the_search", None),
        ],
    )  # fmt: skip
    def test_what_has_no_answer(self, line: Any, code: str, pointer: str | None) -> None:
        assert refusal(line) == (code, pointer)

    @pytest.mark.parametrize(
        ("line", "code"),
        [
            (b"{", "not_json"),
            (b"{} {}", "not_json"),
            (b"\x00", "not_json"),
            (b"\xff{}", "not_utf8"),
            (b'{"target": {"amount": NaN, "unit": "minutes"}}', "not_json"),
            (b'{"target": {"amount": -Infinity, "unit": "minutes"}}', "not_json"),
            (b"[" * 500_000, "too_deep"),
            (b'{"id": ' + b"[" * 40 + b"]" * 40 + b"}", "too_deep"),
            (b'{"id": ' + b"9" * 5000 + b"}", "not_a_number"),
            (b" " * (MAX_LINE_BYTES + 1), "too_long"),
        ],
    )
    def test_what_is_no_line_of_json(self, line: bytes, code: str) -> None:
        found = answer(line, 3)
        assert found is not None
        assert (found["error"]["code"], found["error"]["line"]) == (code, 3)

    @pytest.mark.parametrize(
        ("twice", "pointer", "echoed"),
        [
            ('"id": 2', "/id", False),
            ('"id": {"a": 1, "b": [{"c": 1, "c": 2}]}', "/id/b/0/c", False),
            ('"timezone": "UTC"', "/timezone", True),
            ('"target": {"unit": "weeks", "unit": "minutes", "amount": 1}', "/target/unit", True),
            ('"weekly_hours": {"mon": [], "mon": []}', "/weekly_hours/mon", True),
        ],
    )
    def test_a_key_that_stands_twice(self, twice: str, pointer: str, echoed: bool) -> None:
        line = {key: value for key, value in TARGETED.items() if f'"{key}": ' not in twice or key == "timezone"}
        text = json.dumps(line if "[" in twice and '"id"' in twice else {"id": 1} | line)[:-1] + f", {twice}}}"
        found = answer(text.encode(), 1)
        assert found is not None
        assert (found["error"]["code"], found["error"]["pointer"]) == ("repeated_key", pointer)
        assert ("id" in found) == echoed

    def test_a_weekday_is_called_by_its_name_and_no_calendar_by_its_zone(self) -> None:
        closed = answer(json.dumps(TARGETED | {"working_days": {"2026-02-14": "sat"}}).encode(), 1)
        assert closed is not None
        assert "works as a Saturday" in closed["error"]["detail"]
        far = answer(json.dumps(TARGETED | {"target": {"amount": 10**9, "unit": "minutes"}}).encode(), 1)
        assert far is not None
        assert far["error"]["detail"].startswith("the calendar gives no answer")

    def test_the_conventions_are_the_engine_s(self) -> None:
        known = {name: getattr(Conventions(), name) for name in Conventions.__dataclass_fields__}
        assert due(target=DAY, conventions=known) == due(target=DAY)


GOOD = json.dumps({"id": 1} | TARGETED)


def started(*arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    """A real process with no settings, none of ours in its environment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HELPDESK_")}
    command = [sys.executable, "-m", "helpdesk", "sla", "compute", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, **options)


class TestProcess:
    def test_good_and_bad_lines(self) -> None:
        lines = [GOOD, "", "nonsense", "\t \r", GOOD.replace("1,", "2,", 1) + "\r", "x" * (3 * MAX_LINE_BYTES), GOOD]
        with started() as process:
            out, err = process.communicate("\n".join(lines).encode("utf-8-sig"), timeout=60)
        found = [json.loads(line) for line in out.splitlines()]
        assert (process.returncode, err) == (0, b"")
        assert [each.get("id") for each in found] == [1, None, 2, None, 1]
        assert [each.get("error", {}).get("line") for each in found] == [None, 3, None, 6, None]
        assert {each["due_at"] for each in found if "due_at" in each} == {"2026-12-29T17:00:00Z"}

    def test_an_answer_does_not_wait_for_the_next_line(self) -> None:
        with started() as process:
            assert process.stdin is not None
            assert process.stdout is not None
            for _ in range(2):
                process.stdin.write(GOOD.encode() + b"\n")
                process.stdin.flush()
                assert json.loads(process.stdout.readline())["id"] == 1
            process.stdin.close()
            assert process.wait(60) == 0

    def test_whoever_reads_no_more_is_not_shouted_at(self) -> None:
        with started() as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            process.stdin.write(GOOD.encode() + b"\n")
            process.stdin.close()
            assert process.stderr.read() == b""
            assert process.wait(60) == 0

    def test_it_loads_nothing_of_the_rest(self) -> None:
        said = "import sys; sys.argv[1:] = ['sla', 'compute']; from helpdesk.__main__ import main"
        code = f"{said}\ntry: main()\nfinally: print(*sorted(sys.modules), file=sys.stderr)"
        done = subprocess.run([sys.executable, "-c", code], input=GOOD.encode(), capture_output=True, check=True)
        loaded = set(done.stderr.decode().split())
        assert "helpdesk.sla.business_time" in loaded
        assert not loaded & {
            "sqlalchemy",
            "flask",
            "marshmallow",
            "holidays",
            "helpdesk.kernel.settings",
            "helpdesk.cli",
        }


class TestCommand:
    def test_files(self, tmp_path: Path) -> None:
        (tmp_path / "one").write_text(GOOD + "\n[]")
        (tmp_path / "two").write_text("[]\n" + GOOD)
        paths = [str(tmp_path / name) for name in ("one", "absent", "two")]
        done = CliRunner().invoke(main, ["sla", "compute", *paths])
        assert done.exit_code == 1
        assert done.stderr == f"{paths[1]}: No such file or directory\n"
        found = [json.loads(line) for line in done.stdout.splitlines()]
        assert [each.get("id") for each in found] == [1, None, None, 1]
        errors = [(each["error"]["file"], each["error"]["line"]) for each in found if "error" in each]
        assert errors == [(paths[0], 2), (paths[2], 1)]

    def test_nothing(self, tmp_path: Path) -> None:
        done = CliRunner().invoke(main, ["sla", "compute", "-"], input=b"")
        assert (done.exit_code, done.output) == (0, "")
        done = CliRunner().invoke(main, ["sla", "compute", str(tmp_path)])
        assert (done.exit_code, done.stdout) == (1, "")
        assert "directory" in done.stderr

    def test_help_names_every_field(self) -> None:
        said = CliRunner().invoke(main, ["sla", "compute", "--help"]).output
        for word in (
            *TARGETED,
            "working_days",
            "pauses",
            "conventions",
            *Conventions.__dataclass_fields__,
            "elapsed_seconds",
        ):
            assert word in said
