"""Why a clock says what it says.

How it can fail: the counted seconds are not the target, or not what was used; a pause, a night or an overdue stretch is missing
or counted twice; a clock of ten years is an answer of a megabyte; a clock of a complaint that one may not see is told of, or
one of another complaint; what a merge did is not said, or names a complaint that one may not see; words in the wrong language,
or none for a state.
"""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from helpdesk.kernel.clock import parse_rfc3339
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import accounts
from helpdesk.sla.business_time import elapsed
from helpdesk.sla.calendar_spec import Calendar, Interval
from helpdesk.sla.sweep import ring_due
from tests.conftest import Caller, Join, make_team
from tests.sla.watching import MONDAY, Story, promise
from tests.sla.watching import join as join_stories

OFFICE = Calendar("UTC", dict.fromkeys(range(5), (Interval(9 * 60, 17 * 60),)))


def explained(caller: Caller, complaint_id: Any, kind: str, round_: int = 1, **headers: str) -> dict[str, Any]:
    clocks = caller.get(f"/complaints/{complaint_id}/clocks").json["items"]
    (clock_id,) = [clock["id"] for clock in clocks if (clock["kind"], clock["round"]) == (kind, round_)]
    answer = caller.get(f"/complaints/{complaint_id}/clocks/{clock_id}/explain", **headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json
    assert found["clock"]["id"] == clock_id
    for name in ("until_due", "until_now"):
        if found[name] is not None:
            check(found[name])
    assert found["left_seconds"] == found["target_seconds"] - found["used_seconds"]
    assert found["used_seconds"] == found["until_now"]["seconds"]["counted"]
    if found["until_due"] is not None:
        assert found["until_due"]["seconds"]["counted"] == found["target_seconds"]
        assert found["until_due"]["to"] == found["clock"]["due_at"]
    return found


def check(account: dict[str, Any]) -> None:
    """It has no gaps, and adds up."""
    listed, left_out = account["segments"], account["left_out"]
    sums = dict.fromkeys(("counted", "paused", "closed"), 0)
    for segment in listed:
        sums[segment["kind"]] += segment["seconds"]
        lasts = parse_rfc3339(segment["to"]) - parse_rfc3339(segment["from"])
        assert segment["seconds"] == lasts.total_seconds() > 0
    ends = [(segment["from"], segment["to"]) for segment in listed]
    if left_out is not None:
        ends.insert(left_out["after"], (left_out["from"], left_out["to"]))
        sums = {kind: seconds + left_out["seconds"][kind] for kind, seconds in sums.items()}
    assert sums == account["seconds"]
    assert all(one[1] == other[0] for one, other in pairwise(ends))
    if ends:
        assert (ends[0][0], ends[-1][1]) == (account["from"], account["to"])


class TestExplanation:
    def test_anonymous_and_strangers_and_other_complaints(
        self, anonymous: Caller, join: Join, database: Database, complaint: dict[str, Any], agent: Caller
    ) -> None:
        ref = complaint["reference"]
        clock_id = agent.get(f"/complaints/{ref}/clocks").json["items"][0]["id"]
        path = f"/complaints/{ref}/clocks/{clock_id}/explain"
        assert anonymous.get(path).status_code == 401
        stranger = join("agent", team_ids=[make_team(database, "Elsewhere")])
        own = Story(database)
        assert stranger.get(path).status_code == 404
        assert agent.get(f"/complaints/{own.id}/clocks/{clock_id}/explain").status_code == 404
        assert agent.get(f"/complaints/{ref}/clocks/{new_id()}/explain").status_code == 404
        assert agent.get(f"{path}?x=1").status_code == 422

    def test_one_that_runs(self, database: Database, agent: Caller) -> None:
        received = datetime.now(UTC).replace(microsecond=0)
        story = Story(database, received)
        found = explained(agent, story.id, "resolve")
        assert found["clock"]["state"] == "running"
        assert (found["policy"]["name"], found["policy"]["version"], found["policy"]["severity"]) == (
            "Default",
            1,
            "S3",
        )
        assert (found["calendar"]["name"], found["calendar"]["version"]) == ("Office hours", 1)
        assert found["conventions"] == {
            "boundary": "earliest",
            "business_day": "close_of_nth_day",
            "calendar_day": "end_of_nth_day",
            "pausable": True,
        }
        assert found["target_seconds"] >= 5 * 8 * 3600
        assert found["rule"] is found["joined"] is None
        assert "to resolve within 5 business days" in found["text"]
        assert "are left" in found["text"]

    def test_one_in_minutes_has_exactly_those(self, database: Database, agent: Caller) -> None:
        story = Story(database)
        story.act("ask_customer", MONDAY + timedelta(hours=1), message="Which parcel?")
        story.act("resume", MONDAY + timedelta(hours=3))
        story.act("acknowledge", MONDAY + timedelta(hours=4), channel="PHONE")
        found = explained(agent, story.id, "acknowledge")
        assert (found["clock"]["state"], found["target_seconds"], found["used_seconds"]) == ("met", 240 * 60, 2 * 3600)
        assert found["used_seconds"] == found["clock"]["elapsed_seconds"]
        assert [(item["kind"], item["seconds"]) for item in found["until_due"]["segments"]] == [
            ("counted", 3600),
            ("paused", 7200),
            ("counted", 10800),
        ]
        assert found["text"] == (
            "Promised: to acknowledge within 240 business minutes, counted from 2026-03-02 09:00 by the calendar “Office "
            "hours” (UTC). So says the policy “Default”, version 1, for severity S3. Pauses so far: 1, with 2 h of business "
            "time, which do not count. It was kept at 2026-03-02 13:00, after 2 h of 4 h; it was due at 2026-03-02 15:00."
        )
        chinese = explained(agent, story.id, "acknowledge", accept_language="zh-CN")
        assert chinese["language"] == "zh"
        assert "已于 2026-03-02 13:00 按时完成" in chinese["text"]
        assert "共 4 小时" in chinese["text"]

    def test_one_that_is_paused_has_no_deadline_and_adds_up_all_the_same(
        self, database: Database, agent: Caller
    ) -> None:
        story = Story(database)
        story.act("ask_customer", MONDAY + timedelta(hours=1), message="Which parcel?")
        found = explained(agent, story.id, "acknowledge")
        assert found["until_due"] is None
        assert (found["target_seconds"], found["used_seconds"], found["left_seconds"]) == (14_400, 3_600, 10_800)
        assert found["left_seconds"] == found["clock"]["remaining_seconds"]
        assert {item["kind"] for item in found["until_now"]["segments"]} == {"counted", "paused", "closed"}
        assert "stands still since 2026-03-02 10:00" in found["text"]
        in_days = explained(agent, story.id, "resolve")
        assert in_days["target_seconds"] == 3_600 + in_days["clock"]["remaining_seconds"]

    @pytest.mark.parametrize(
        ("business_day", "due"),
        [("same_time_nth_day", "2026-03-03 18:00"), ("end_of_nth_day", "2026-03-04 00:00")],
    )
    def test_one_that_was_due_in_closed_hours_while_others_were_waited_for(
        self, database: Database, agent: Caller, business_day: str, due: str
    ) -> None:
        """Waiting gives back business time only, and there was none: it is broken, and the words say by what."""
        target = {"amount": 1, "unit": "business_days", "conventions": {"business_day": business_day}}
        promise(database, S3={"resolve": target})
        story = Story(database, MONDAY + timedelta(hours=9))
        story.act("ask_customer", MONDAY + timedelta(days=1, hours=8, minutes=30), message="Which parcel?")
        found = explained(agent, story.id, "resolve")
        assert (found["clock"]["state"], found["left_seconds"]) == ("paused", 0)
        assert found["text"].endswith("no business time left before its due time, so that waiting does not move it.")
        story.write("inbound", MONDAY + timedelta(days=2))
        found = explained(agent, story.id, "resolve")
        said = f"Its due time, {due}, lay in closed hours within the wait from 2026-03-03 17:30 to 2026-03-04 09:00: "
        assert said in found["text"]
        assert "It is broken" in found["text"]
        chinese = explained(agent, story.id, "resolve", accept_language="zh")["text"]
        assert f"到期时间 {due} 处于 2026-03-03 17:30 至 2026-03-04 09:00 的等待之内" in chinese

    def test_one_that_a_wait_has_put_off_says_nothing_of_that(self, database: Database, agent: Caller) -> None:
        promise(database, S3={"resolve": {"amount": 1, "unit": "business_days"}})
        story = Story(database)
        story.act("ask_customer", MONDAY + timedelta(days=1, hours=7), message="Which parcel?")
        assert "does not move it" not in explained(agent, story.id, "resolve")["text"]
        story.write("inbound", MONDAY + timedelta(days=2))
        assert story.clock("resolve").due_at == MONDAY + timedelta(days=2, hours=1)
        assert "closed hours" not in explained(agent, story.id, "resolve")["text"]

    def test_one_that_was_broken_before_and_after_it_is_stopped(self, database: Database, agent: Caller) -> None:
        story = Story(database)
        ring_due(database)
        found = explained(agent, story.id, "acknowledge")
        assert found["clock"]["state"] == "breached"
        assert found["left_seconds"] < 0
        assert "is not done" in found["text"]
        assert [alarm["threshold"] for alarm in found["alarms"]] == [50, 75, 90, 100]
        story.act("acknowledge", MONDAY + timedelta(hours=7), channel="PHONE")
        found = explained(agent, story.id, "acknowledge")
        assert (found["used_seconds"], found["left_seconds"]) == (7 * 3600, -3 * 3600)
        assert found["used_seconds"] == found["clock"]["elapsed_seconds"]
        assert found["text"].endswith(
            "It was broken: due at 2026-03-02 13:00, done at 2026-03-02 16:00 after 7 h, 3 h more than the 4 h there were."
        )

    def test_one_that_is_late_though_no_alarm_rang(self, database: Database, agent: Caller) -> None:
        assert "It is broken" in explained(agent, Story(database).id, "acknowledge")["text"]

    def test_one_that_was_broken_and_never_done(self, database: Database, agent: Caller) -> None:
        story = Story(database)
        story.act("withdraw", MONDAY + timedelta(hours=7), reason="They gave up.")
        text = explained(agent, story.id, "acknowledge")["text"]
        assert "due at 2026-03-02 13:00, and not done by 2026-03-02 16:00, when it was not owed here any more" in text
        assert "7 h were used by then, 3 h more than the 4 h there were." in text
        assert "至 2026-03-02 16:00 仍未完成" in explained(agent, story.id, "acknowledge", accept_language="zh")["text"]

    def test_one_that_was_cancelled(self, database: Database, agent: Caller) -> None:
        story = Story(database)
        story.act("withdraw", MONDAY + timedelta(hours=2), reason="They found it.")
        found = explained(agent, story.id, "resolve")
        assert found["clock"]["state"] == "cancelled"
        assert found["used_seconds"] == 7200
        assert "nothing is owed any more" in found["text"]

    def test_calendar_days_count_all_time(self, database: Database, agent: Caller) -> None:
        promise(database, S3={"resolve": (2, "calendar_days")})
        story = Story(database)
        story.act("ask_customer", MONDAY + timedelta(hours=1), message="Which parcel?")
        found = explained(agent, story.id, "resolve")
        assert found["clock"]["due_at"] == "2026-03-05T00:00:00Z"
        assert [item["kind"] for item in found["until_due"]["segments"]] == ["counted"]
        assert found["target_seconds"] == 2 * 86400 + 15 * 3600
        assert "nothing pauses it" in found["text"]

    def test_a_regulators(self, database: Database, agent: Caller) -> None:
        sent = {"complaint_sent_to_company": MONDAY}
        story = Story(database, jurisdiction="US", sector="financial", clock_starts=sent)
        kind = next(
            clock["kind"]
            for clock in agent.get(f"/complaints/{story.id}/clocks").json["items"]
            if clock["rule_id"] is not None
        )
        found = explained(agent, story.id, kind)
        assert found["policy"] is None
        assert found["rule"]["id"] == kind
        assert found["calendar"] | {"timezone": ""} == {"id": None, "name": found["calendar"]["timezone"]} | {
            "version": None,
            "timezone": "",
        }
        assert "not legal advice" in found["text"]

    def test_one_that_was_reopened_is_another(self, database: Database, agent: Caller) -> None:
        story = Story(database)
        story.act("withdraw", MONDAY + timedelta(hours=2), reason="They found it.")
        story.act("reopen", MONDAY + timedelta(days=1), reason="It was another parcel.")
        assert explained(agent, story.id, "resolve")["clock"]["state"] == "cancelled"
        assert explained(agent, story.id, "resolve", 2)["clock"]["started_at"] == "2026-03-03T09:00:00Z"


class TestJoined:
    def test_what_a_merge_did_is_said_but_not_of_a_complaint_out_of_sight(
        self, database: Database, agent: Caller, join: Join, team: UUID
    ) -> None:
        elsewhere = make_team(database, "Elsewhere")
        older, survivor = Story(database, team_id=elsewhere), Story(database, MONDAY + timedelta(days=1), team_id=team)
        join_stories(older, survivor, MONDAY + timedelta(days=1, hours=1))
        found = explained(agent, survivor.id, "investigate")
        assert found["clock"]["started_at"] == "2026-03-02T09:00:00Z"
        assert found["joined"] == {"own_start": "2026-03-03T09:00:00Z", "with": []}
        assert "the older of complaints that were merged" in found["text"]
        seen = explained(join("manager"), survivor.id, "investigate")["joined"]["with"]
        assert [item["id"] for item in seen] == [str(older.id)]

    def test_a_regulators_deadline_that_came_with_another(self, database: Database, agent: Caller, team: UUID) -> None:
        sent = {"complaint_sent_to_company": MONDAY}
        told: dict[str, Any] = {"jurisdiction": "US", "sector": "financial", "clock_starts": sent}
        older, survivor = Story(database, team_id=team, **told), Story(database, team_id=team)
        join_stories(older, survivor, MONDAY + timedelta(days=1))
        (kind, *_) = sorted(kind for kind in older.kinds("cancelled") if kind.startswith("us."))
        found = explained(agent, survivor.id, kind)
        assert found["joined"] == {"own_start": None, "with": found["joined"]["with"]}
        assert "came with a complaint that was merged" in found["text"]


class TestAccounts:
    @pytest.mark.parametrize("days", [0, 1, 40, 400, 4000])
    def test_however_long_it_is_short_and_adds_up(self, days: int) -> None:
        end = MONDAY + timedelta(days=days, hours=3)
        pauses = [(MONDAY + timedelta(days=n, hours=1), MONDAY + timedelta(days=n, hours=2)) for n in range(0, days, 3)]
        account = accounts.by_calendar(OFFICE, MONDAY, end, pauses)
        assert len(account.segments) <= accounts.MOST
        assert account.seconds.counted == elapsed(OFFICE, MONDAY, end, pauses)
        left = account.left_out.seconds if account.left_out else accounts.Seconds()
        for kind in accounts.KINDS:
            listed = sum(item.seconds for item in account.segments if item.kind == kind)
            assert listed + getattr(left, kind) == getattr(account.seconds, kind)

    def test_longer_than_one_look_at_a_calendar(self) -> None:
        always = Calendar("UTC", {day: (Interval(0, 1440),) for day in range(7)})
        end = MONDAY + timedelta(days=365 * 50)
        account = accounts.by_calendar(always, MONDAY, end, ())
        assert [(item.kind, item.start, item.end) for item in account.segments] == [("counted", MONDAY, end)]

    def test_an_end_before_the_start_is_nothing(self) -> None:
        before = MONDAY - timedelta(days=1)
        assert accounts.by_the_wall(MONDAY, before).segments == []
        assert accounts.by_calendar(OFFICE, MONDAY, before, ()).segments == []
