"""Replaying complaints through policies: what would have been promised, and which of it kept.

How it can fail: a bad line ends the run, or is passed over in silence; a pause is not counted; a column that is not there is judged
as never done; another deadline than the clock of the same policy has; a condition, a tier, a calendar or a convention of the file is
not heard; a slip in the file of policies is taken for nothing; local times, quotes, line breaks and other scripts.
"""

import json
from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import case_queries
from helpdesk.sla.policy_file import UnusablePolicies, read_policies
from helpdesk.sla.simulate_cli import simulate
from helpdesk.sla.sweep import ring_due
from helpdesk.wiring import Program
from tests.conftest import make_team
from tests.sla.watching import MONDAY, Story

SHIPPED = Path(str(resources.files("helpdesk.sla").joinpath("data/default_policy.toml")))
REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "cfpb_complaints_sample.csv"
HOUR = timedelta(hours=1)

MORE = """
[calendars.Always]
timezone = "Asia/Shanghai"
[calendars.Always.weekly_hours]
mon = [["00:00", "24:00"]]
tue = [["00:00", "24:00"]]
wed = [["00:00", "24:00"]]

[[policies]]
name = "Chat"
condition = { field = "channel", operator = "is", value = "CHAT" }
[policies.targets.S3]
acknowledge = [10, "minutes"]
resolve = { amount = 1, unit = "business_days", calendar = "Always", conventions = { business_day = "same_time_nth_day" } }
[policies.tiers.key.S3]
acknowledge = { amount = 5, unit = "minutes", pausable = false }
"""


def run(source: Path | str, *more: str, policies: Path = SHIPPED, program: Program | None = None) -> Result:
    return CliRunner().invoke(simulate, [str(policies), "--from", str(source), *more], obj=lambda: program)


def told(source: Path | str, *more: str, **how: Any) -> dict[str, Any]:
    done = run(source, "--json", *more, **how)
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout))


def states(found: dict[str, Any], kind: str) -> dict[str, int]:
    (total,) = [item for item in found["totals"] if item["kind"] == kind]
    return {name: total[name] for name in ("met", "breached", "cancelled", "open") if total[name]}


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


class TestFile:
    def test_csv(self, tmp_path: Path) -> None:
        path = written(
            tmp_path,
            "past.csv",
            "\ufeffreceived,acknowledged,resolved,severity,team,pauses,note\r\n"
            '2026-03-02T09:00:00Z,2026-03-02T13:00:00Z,2026-03-09T17:00:00Z,S3,投诉,,"two\nlines, ""quoted"""\r\n'
            "2026-03-02T09:00:00Z,2026-03-02T13:00:01Z,2026-03-09T17:00:01Z,S3,投诉,,\r\n"
            "2026-03-02T09:00:00Z,2026-03-02T15:00:00Z,,S3,投诉,2026-03-02T10:00:00Z/2026-03-02T12:00:00Z,\r\n",
        )
        found = told(path)
        assert (found["cases"], found["refused"]) == (3, 0)
        assert states(found, "acknowledge") == {"met": 2, "breached": 1}
        assert states(found, "resolve") == {"met": 1, "breached": 1, "open": 1}
        (item,) = [item for item in found["items"] if item["kind"] == "acknowledge"]
        assert (item["severity"], item["team"], item["promised"], item["percentage"]) == ("S3", "投诉", 3, 66.7)
        assert (item["median_seconds"], item["p90_seconds"]) == (4 * 3600, 4 * 3600 + 1)
        assert states(told(path, "--as-of", "2026-05-01T00:00:00Z"), "resolve") == {"met": 1, "breached": 2}

    def test_json_lines(self, tmp_path: Path) -> None:
        case: dict[str, Any] = {
            "received": "2026-03-02T09:00:00Z",
            "acknowledged": None,
            "resolved": "2026-03-02T10:00:00Z",
            "severity": "S1",
        }
        lines = [
            case,
            case | {"received": "2026-03-02T09:50:00+00:00", "followed_up": "2026-03-30T10:00:00Z"},
            case | {"resolved": None, "ended": "2026-03-02T09:10:00Z"},
            case | {"resolved": None, "pauses": [["2026-03-02T09:05:00Z", None]]},
        ]
        path = written(tmp_path, "past.jsonl", "\n".join(map(json.dumps, lines)) + "\n\n")
        found = told(path, "--as-of", "2026-05-01T00:00:00Z")
        assert states(found, "acknowledge") == {"breached": 1, "met": 1, "cancelled": 1, "open": 1}
        assert states(found, "follow_up") == {"breached": 1}
        assert "first_response" not in {item["kind"] for item in found["totals"]}  # the policy promises none

    def test_what_a_file_does_not_tell_is_not_judged(self, tmp_path: Path) -> None:
        path = written(tmp_path, "past.csv", "received,acknowledged\n2026-03-02T09:00:00Z,2026-03-02T09:10:00Z\n")
        assert [item["kind"] for item in told(path)["totals"]] == ["acknowledge"]

    def test_what_was_resolved_tells_nothing_of_what_has_no_column(self, tmp_path: Path) -> None:
        """A complaint may have been acknowledged long before it was resolved."""
        path = written(tmp_path, "past.csv", "received,resolved\n2026-03-02T09:00:00Z,2026-03-20T09:10:00Z\n")
        assert [item["kind"] for item in told(path)["totals"]] == ["resolve"]

    def test_a_column_may_be_called_as_the_target_is_and_what_is_passed_over_is_told(self, tmp_path: Path) -> None:
        path = written(
            tmp_path, "past.csv", "received,acknowledge,Date in\n2026-03-02T09:00:00Z,2026-03-02T09:10:00Z,x\n"
        )
        done = run(path, "--json")
        assert states(json.loads(done.stdout), "acknowledge") == {"met": 1}
        assert json.loads(done.stdout)["passed_over"] == ["Date in"]
        assert "columns passed over: Date in" in done.stderr
        path = written(
            tmp_path, "past.jsonl", '{"received": "2026-03-02T09:00:00Z", "acknowledge": null, "colour": 1}\n'
        )
        assert told(path)["passed_over"] == ["colour"]

    def test_help_shows_the_columns_as_a_list(self) -> None:
        said = CliRunner().invoke(simulate, ["--help"]).output
        assert "\b" not in said
        assert "\\b" not in said
        assert any(line.split() == ["received", "needed"] for line in said.splitlines())

    def test_bad_lines_are_told_and_the_rest_go_on(self, tmp_path: Path) -> None:
        good = "2026-03-02T09:00:00Z,2026-03-02T09:10:00Z,S3,,"
        bad = {
            3: "yesterday,,S3,,",
            4: ",,S3,,",
            5: "2026-03-02T09:00:00Z,2026-03-01T09:10:00Z,S3,,",
            6: "2026-03-02T09:00:00Z,,S9,,",
            7: "2026-03-02T09:00:00Z,,S3,2026-03-02T09:00:00Z,",
            8: "2026-03-02T09:00:00Z,,S3,2026-03-02T09:00:00Z/2026-03-01T09:00:00Z,",
            9: "2026-03-02T09:00:00Z,,S3",
            10: "2026-03-02T09:00:00Z,9999-12-31T00:00:00Z,S3,,",
            11: "2026-03-02T09:00:00Z,,S3,,gold",
            12: "2999-03-02T09:00:00Z,,S3,,",
            13: "2026-03-02T09:00:00Z,2999-03-02T09:00:00Z,S3,,",
            14: "2026-03-02T09:00:00Z,,S3,2026-03-02T09:00:00Z/2999-03-01T09:00:00Z,",
        }
        lines = ["received,acknowledged,severity,pauses,tier", good, *bad.values(), good]
        done = run(written(tmp_path, "past.csv", "\n".join(lines)), "--json")
        found = json.loads(done.stdout)
        assert done.exit_code == 0
        assert [problem["line"] for problem in found["problems"]] == list(bad)
        assert (found["cases"], found["refused"]) == (2, len(bad))
        assert "line 3: received:" in done.stderr
        future = {12: "received", 13: "acknowledged", 14: "pauses"}
        for line, name in future.items():
            assert f"line {line}: {name}: it lies in the future" in done.stderr

    def test_bad_json_lines(self, tmp_path: Path) -> None:
        good = '{"received": "2026-03-02T09:00:00Z", "resolved": null}'
        lines = ["[]", "{", "[" * 100_000, '{"received": 7}', '{"received": "2026-03-02T09:00:00Z", "pauses": 3}', good]
        found = told(written(tmp_path, "past.jsonl", "\n".join(lines)))
        assert [problem["line"] for problem in found["problems"]] == [1, 2, 3, 4, 5]
        assert found["cases"] == 1

    def test_a_header_that_is_no_csv(self, tmp_path: Path) -> None:
        done = run(written(tmp_path, "past.txt", '{"received":"2026-03-02T09:30:00Z","x":1}\n'))
        assert done.exit_code == 1
        assert "no header of CSV" in done.output
        assert "*.jsonl" in done.output

    def test_local_times_and_other_names(self, tmp_path: Path) -> None:
        path = written(tmp_path, "past.csv", "Date in,Done\n2026-03-02,2026-03-02 20:59\n")
        asked = ("--column", "received=Date in", "--column", "resolved=Done", "--time-zone", "America/New_York")
        assert states(told(path, *asked, "--severity", "S1"), "resolve") == {"met": 1}
        assert run(path, "--column", "received").exit_code == 1
        assert "no column 'Came in'" in run(path, "--column", "received=Came in").output
        unknown = run(path, *asked, "--column", "reolved=Done")
        assert unknown.exit_code == 1
        assert "nothing is read from 'reolved'" in unknown.output
        names = unknown.output.partition("OURS is one of ")[2].strip().split(", ")
        assert {"received", "resolved", "severity", "tags"} <= set(names)
        assert len(names) == len(set(names))
        assert run(path, *asked, "--column", "resolve=Done").exit_code == 1
        assert run(path, *asked[:4], "--time-zone", "Mars/Base").exit_code == 1

    def test_a_table(self, tmp_path: Path) -> None:
        path = written(tmp_path, "past.csv", "received,acknowledged\n2026-03-02T09:00:00Z,2026-03-02T10:30:00Z\n")
        lines = run(path).output.splitlines()
        assert lines[0].split() == [
            "target",
            "severity",
            "team",
            "promised",
            "met",
            "breached",
            "cancelled",
            "open",
            "kept",
            "median",
            "p90",
        ]
        assert lines[1].split() == ["acknowledge", "S3", "-", "1", "1", "0", "0", "0", "100.0", "%", "1:30", "1:30"]
        assert lines[-1] == "1 complaints replayed, 0 lines refused."

    def test_the_table_says_that_what_is_undone_is_open(self, tmp_path: Path) -> None:
        """Only where some is, and nobody has said by when it is broken."""
        path = written(tmp_path, "past.csv", "received,acknowledged\n2026-03-02T09:00:00Z,\n")
        assert (
            run(path).output.splitlines()[-1].startswith("What is not done is open, however old, and outside of kept")
        )
        dated = run(path, "--as-of", "2026-05-01T00:00:00Z").output.splitlines()
        assert dated[-1] == "1 complaints replayed, 0 lines refused."

    def test_dates_without_a_zone_name_the_option_that_says_it(self, tmp_path: Path) -> None:
        path = written(tmp_path, "past.csv", "received,acknowledged\n2026-03-02,\n2026-03-03 09:30,\nyesterday,\n")
        done = run(path)
        assert done.exit_code == 1
        assert "line 2: received: it has no offset from UTC: say with --time-zone" in done.stderr
        assert "line 3: received: it has no offset from UTC: say with --time-zone" in done.stderr
        assert "line 4: received:" in done.stderr
        assert "--time-zone" not in done.stderr.splitlines()[-1]
        assert "0 complaints replayed, 3 lines refused." in done.stdout
        found = told(path, "--time-zone", "Asia/Shanghai")
        assert (found["cases"], found["refused"]) == (2, 1)

    @pytest.mark.parametrize("text", ["", "when\n2026-03-02\n"])
    def test_no_such_file(self, tmp_path: Path, text: str) -> None:
        assert run(written(tmp_path, "past.csv", text)).exit_code == 1
        assert run(tmp_path / "nowhere.csv").exit_code == 1
        assert run(tmp_path).exit_code == 1

    @pytest.mark.skipif(not REAL.exists(), reason="the real file is not here")
    def test_the_real_file(self) -> None:
        """Of 6 623 complaints the agency's forwarding is taken for the acknowledgement."""
        columns = {"received": "Date received", "acknowledged": "Date sent to company", "team": "Product"}
        asked = [part for ours, theirs in columns.items() for part in ("--column", f"{ours}={theirs}")]
        found = told(REAL, *asked, "--time-zone", "America/New_York")
        assert (found["cases"], found["refused"]) == (6623, 0)
        (total,) = found["totals"]
        assert total["promised"] == 6623
        assert total["met"] > 3000
        assert total["breached"] > 500
        assert {item["team"] for item in found["items"]} > {"Debt collection", "Mortgage"}


class TestPolicies:
    def test_conditions_tiers_calendars_and_conventions(self, tmp_path: Path) -> None:
        policies = written(tmp_path, "ours.toml", SHIPPED.read_text(encoding="utf-8") + MORE)
        path = written(
            tmp_path,
            "past.csv",
            "received,acknowledged,resolved,channel,tier\n"
            "2026-03-02T09:00:00Z,2026-03-02T09:20:00Z,2026-03-03T09:00:00Z,CHAT,\n"
            "2026-03-02T09:00:00Z,2026-03-02T09:08:00Z,2026-03-03T09:00:01Z,CHAT,ordinary\n"
            "2026-03-02T09:00:00Z,2026-03-02T09:08:00Z,,CHAT,key\n"
            "2026-03-02T09:00:00Z,2026-03-02T09:20:00Z,,EMAIL,key\n",
        )
        found = told(path, policies=policies)
        assert states(found, "acknowledge") == {"breached": 2, "met": 2}
        assert states(found, "resolve") == {"met": 1, "breached": 1, "open": 2}

    @pytest.mark.parametrize(
        ("more", "problem"),
        [
            ("[policies", "not well-formed TOML"),
            ("[polices]\nx = 1", "unknown: polices"),
            ("[[policies]]\nname = 'x'\ntargets = {S9 = {}}", "/policies/0/targets/S9"),
            ("[[policies]]\nname = 'x'\ntargets = {S1 = {resolve = [1, 'days']}}", "/policies/0/targets/S1"),
            ("[[policies]]\nname = 'x'\ntargets = {}\ncalendar = 'Mars'", "there is no calendar 'Mars'"),
            (
                "[[policies]]\nname = 'x'\ntargets = {}\ncondition = {field = 'colour', operator = 'is', value = 1}",
                "/condition",
            ),
            (
                "[calendars.X]\ntimezone = 'Mars/Base'\n[calendars.X.weekly_hours]\nmon = [['09:00', '17:00']]",
                "/calendars/X",
            ),
            ("[calendars.X]\ntimezone = 'UTC'\nhollidays = []", "unknown: hollidays"),
            ("[calendars.X]\ntimezone = 'UTC'", "/calendars/X/weekly_hours: it is never open"),
            ("[[policies]]\nname = 'x'\ntargets = {}\ncalendar_id = 'x'", "name the calendar"),
        ],
    )
    def test_a_slip_is_named(self, tmp_path: Path, more: str, problem: str) -> None:
        text = SHIPPED.read_text(encoding="utf-8") + "\n" + more
        with pytest.raises(UnusablePolicies, match=problem.replace("(", r"\(")):
            read_policies(text)
        done = run("DB", policies=written(tmp_path, "bad.toml", text))
        assert done.exit_code == 1

    def test_a_file_without_the_default_policy(self) -> None:
        with pytest.raises(UnusablePolicies):
            read_policies("[[policies]]\nname = 'x'\n")


class TestDatabase:
    def test_the_shipped_policy_says_what_the_clocks_say(self, database: Database, program: Program) -> None:
        team_id = make_team(database, "Deliveries")
        one, other, gone = (Story(database, team_id=team_id) for _ in range(3))
        one.act("ask_customer", MONDAY + HOUR, message="Which parcel?")
        one.act("resume", MONDAY + 3 * HOUR)
        one.act("acknowledge", MONDAY + 5 * HOUR, channel="PHONE")
        other.act("acknowledge", MONDAY + 5 * HOUR, channel="PHONE")
        gone.act("withdraw", MONDAY + HOUR, reason="They found it.")
        ring_due(database)
        found = told("DB", program=program)
        assert found["cases"] == 3
        assert states(found, "acknowledge") == {"met": 1, "breached": 1, "cancelled": 1}
        for kind in ("acknowledge", "investigate", "resolve"):
            clocks = [story.clock(kind) for story in (one, other, gone)]
            by_state = {
                state: sum(clock.state == state for clock in clocks) for state in ("met", "breached", "cancelled")
            }
            assert states(found, kind) == {state: number for state, number in by_state.items() if number}
        assert {item["team"] for item in found["items"]} == {"Deliveries"}
        assert told("DB", "--since", "2026-03-03T00:00:00Z", program=program)["cases"] == 0
        assert run("DB", "--since", "yesterday", program=program).exit_code == 1

    def test_in_pieces(self, database: Database, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
        for _ in range(5):
            Story(database)
        monkeypatch.setattr(case_queries, "_CASES", case_queries._CASES.limit(2))
        monkeypatch.setattr(case_queries, "_TOGETHER", 2)
        assert told("DB", program=program)["cases"] == 5
