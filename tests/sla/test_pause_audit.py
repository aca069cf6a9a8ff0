"""Time in which clocks stood still though the complainant had replied.

How it can fail: nights and week-ends are counted; two clocks that pause together count twice; a second reply in a pause counts
again; a reply before the pause, or after it, counts; a pause that goes on has no time; what one may not see is added up; a page
skips or repeats; a name that begins with `=` runs in somebody's spreadsheet.
"""

import csv
from datetime import datetime, timedelta
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner
from sqlalchemy import text, update

from helpdesk.complaints.models import Complaint
from helpdesk.complaints.thread import add_message
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.spreadsheets import BOM, harmless, line
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla.pause_cli import pause_audit_command
from helpdesk.wiring import Program
from tests.conftest import Caller, Join, make_team
from tests.sla.watching import MONDAY, Story

HOUR = timedelta(hours=1)
SPRING = "replied_from=2026-03-01T00:00:00Z&replied_before=2026-04-01T00:00:00Z"


def write(database: Database, story: Story, at: datetime) -> None:
    """A reply that ends no pause: an agent waits for somebody else, or an import brought it."""
    with database.unit_of_work(SYSTEM, now=at) as uow:
        complaint = uow.session.get_one(Complaint, story.id, with_for_update=True)
        add_message(uow, SYSTEM, complaint, kind="inbound", body="Here is the number.")


def paused(database: Database, replied: timedelta, until: timedelta | None, **more: Any) -> Story:
    """Waiting since 10:00 on Monday."""
    story = Story(database, **more)
    story.act("ask_third_party", MONDAY + HOUR, note="Asked the carrier.")
    write(database, story, MONDAY + replied)
    if until is not None:
        story.act("resume", MONDAY + until)
    return story


def listed(caller: Caller, query: str = SPRING) -> list[dict[str, Any]]:
    answer = caller.get(f"/sla/pause-audit?{query}")
    assert answer.status_code == 200, answer.text
    return list(answer.json["items"])


class TestList:
    def test_who_may(self, anonymous: Caller, join: Join) -> None:
        for path in ("/sla/pause-audit", "/sla/pause-audit/summary"):
            assert anonymous.get(path).status_code == 401
            assert join("agent").get(path).status_code == 200
            assert join("agent").get(f"{path}?replied_from={MONDAY.date()}").status_code == 422
            assert join("agent").get(f"{path}?by=colour").status_code == 422

    def test_business_time_from_the_reply_to_the_end_of_the_pause(self, database: Database, manager: Caller) -> None:
        story = paused(database, 6 * HOUR, 25 * HOUR)  # 15:00 to 10:00 on Tuesday: two hours and one
        (found,) = listed(manager)
        assert found["complaint_id"] == str(story.id)
        assert (found["replied_at"], found["until"]) == ("2026-03-02T15:00:00Z", "2026-03-03T10:00:00Z")
        assert found["paused_seconds"] == 3 * 3600
        assert {clock["kind"] for clock in found["clocks"]} == {"acknowledge", "investigate", "resolve"}
        assert {clock["paused_seconds"] for clock in found["clocks"]} == {3 * 3600}

    def test_a_reply_outside_a_pause_and_a_second_one_in_it_do_not_count(
        self, database: Database, manager: Caller
    ) -> None:
        story = paused(database, 2 * HOUR, 4 * HOUR)
        for after in (3 * HOUR, 4 * HOUR, timedelta(minutes=30)):
            write(database, story, MONDAY + after)
        assert [item["replied_at"] for item in listed(manager)] == ["2026-03-02T11:00:00Z"]

    def test_a_pause_that_goes_on(self, database: Database, manager: Caller) -> None:
        paused(database, 2 * HOUR, None)
        (found,) = listed(manager)
        assert found["until"] is None
        assert found["paused_seconds"] > 6 * 3600

    def test_what_was_answered_at_once_is_no_time(self, database: Database, manager: Caller) -> None:
        story = Story(database)
        story.act("ask_customer", MONDAY + HOUR, message="Which parcel?")
        answer = manager.post(f"/complaints/{story.id}/messages", {"kind": "inbound", "body": "That one."})
        assert answer.status_code == 201
        assert listed(manager, "") == []

    def test_pages(self, database: Database, manager: Caller) -> None:
        for number in range(5):
            paused(database, timedelta(hours=2, minutes=number // 2), 4 * HOUR)
        whole = listed(manager)
        found, cursor, page = [], "", {}
        for _ in range(3):
            page = manager.get(f"/sla/pause-audit?{SPRING}&limit=2&count=true{cursor}").json
            assert page["total"] == 5
            found += page["items"]
            cursor = f"&cursor={page['next_cursor']}"
        assert [item["message_id"] for item in found] == [item["message_id"] for item in whole]
        assert page["next_cursor"] is None

    def test_each_sees_their_own(self, database: Database, join: Join, team: UUID) -> None:
        for team_id in (team, make_team(database, "Elsewhere")):
            paused(database, 2 * HOUR, 4 * HOUR, team_id=team_id)
        assert [item["team"] for item in listed(join("agent"))] == ["Complaints"]
        assert len(listed(join("manager"))) == 2
        assert [item["team"] for item in listed(join("manager"), f"{SPRING}&team_id={team}")] == ["Complaints"]


class TestSummary:
    @pytest.mark.parametrize(("by", "name"), [("team", "Complaints"), ("agent", "Mei")])
    def test_added_up(self, database: Database, join: Join, team: UUID, by: str, name: str) -> None:
        mine = [paused(database, 2 * HOUR, hours * HOUR, team_id=team) for hours in (4, 6)]
        paused(database, 2 * HOUR, 3 * HOUR)
        with database.engine.begin() as connection:
            given = update(Complaint).where(Complaint.id.in_([story.id for story in mine]))
            connection.execute(given.values(assignee_id=join("agent", name="Mei").id))
        found = join("manager").get(f"/sla/pause-audit/summary?{SPRING}&by={by}").json["items"]
        assert [item["name"] for item in found] == [name, None]
        assert [(item["replies"], item["paused_seconds"], item["longest_seconds"]) for item in found] == [
            (2, 6 * 3600, 4 * 3600),
            (1, 3600, 3600),
        ]

    def test_by_complaint_over_several_looks(
        self, database: Database, manager: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("helpdesk.sla.pause_audit._TOGETHER", 2)
        for _ in range(5):
            paused(database, 2 * HOUR, 4 * HOUR)
        found = manager.get(f"/sla/pause-audit/summary?{SPRING}&by=complaint").json["items"]
        assert [item["paused_seconds"] for item in found] == [2 * 3600] * 5
        monkeypatch.setattr("helpdesk.sla.pause_audit.MOST_REPLIES", 4)
        assert manager.get(f"/sla/pause-audit/summary?{SPRING}").status_code == 422


class TestExport:
    def test_as_csv(self, database: Database, program: Program, team: UUID) -> None:
        with database.engine.begin() as connection:
            connection.execute(text("UPDATE team SET name = '=HYPERLINK(\"https://example.com\")'"))
        paused(database, 2 * HOUR, timedelta(hours=3, minutes=30), team_id=team)
        asked = ["--from", "2026-03-01T00:00:00Z", "--before", "2026-04-01T00:00:00Z", "--team", str(team)]
        done = CliRunner().invoke(pause_audit_command, asked, obj=lambda: program)
        assert done.exit_code == 0, done.output
        assert done.output.startswith(BOM)
        (row,) = csv.DictReader(StringIO(done.output.removeprefix(BOM)))
        assert row["team"] == '\'=HYPERLINK("https://example.com")'
        assert (row["paused_minutes"], row["clocks"]) == ("90.0", "acknowledge investigate resolve")

    def test_a_time_that_is_none(self, program: Program) -> None:
        done = CliRunner().invoke(pause_audit_command, ["--from", "yesterday"], obj=lambda: program)
        assert done.exit_code == 2

    @pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@A1", "\t=1", "\r=1", "\n=1", "  =1", "\uff1d1"])
    def test_a_formula_is_text(self, cell: str) -> None:
        assert harmless(cell) == f"'{cell}"

    def test_what_is_harmless_stays(self) -> None:
        assert line(["a, b", 'said "x"', -3, None, MONDAY, "7K3M-9QX2-TAM"]) == (
            '"a, b","said ""x""",-3,,2026-03-02T09:00:00Z,7K3M-9QX2-TAM\r\n'
        )
