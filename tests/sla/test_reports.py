"""What is told of promises altogether: which come due, and how they were kept.

How it can fail: what one may not see is counted; what was broken, stopped or paused is foretold; an hour of another time zone, or
one at the edge, is in the wrong place; a promise is in no group or in two; a breach is none because its alarm has not rung; a
percentage of nothing; an answer without end; a span that never ends; a filter that is not known.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text, update

from helpdesk.kernel.clock import parse_rfc3339, rfc3339
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import report_queries
from helpdesk.sla.models import Clock
from helpdesk.sla.sweep import ring_due
from tests.conftest import Caller, Join, make_team
from tests.sla.watching import MONDAY, Story

HOUR = timedelta(hours=1)


def due(database: Database, story: Story, kind: str, at: datetime) -> None:
    with database.engine.begin() as connection:
        connection.execute(
            update(Clock).where(Clock.complaint_id == story.id, Clock.kind == kind).values(due_at=at, next_alarm_at=at)
        )


def forecast(caller: Caller, query: str = "") -> dict[str | None, dict[str, int]]:
    """Team -> hour -> clocks."""
    answer = caller.get(f"/sla/forecast{query}")
    assert answer.status_code == 200, answer.text
    assert answer.json["clocks"] == sum(team["clocks"] for team in answer.json["items"])
    return {team["team"]: {item["hour"]: item["clocks"] for item in team["hours"]} for team in answer.json["items"]}


class TestForecast:
    def test_who_may(self, anonymous: Caller, join: Join) -> None:
        assert anonymous.get("/sla/forecast").status_code == 401
        assert join("agent").get("/sla/forecast").status_code == 200

    @pytest.mark.parametrize("query", ["hours=0", "hours=169", "hours=x", "team_id=x", "until=2026-01-01T00:00:00Z"])
    def test_what_it_does_not_know_is_refused(self, agent: Caller, query: str) -> None:
        assert agent.get(f"/sla/forecast?{query}").status_code == 422

    def test_by_team_and_hour(self, database: Database, manager: Caller, team: UUID) -> None:
        next_hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + HOUR
        ours, nobodys = Story(database, next_hour, team_id=team), Story(database, next_hour)
        due(database, ours, "acknowledge", next_hour)
        due(database, ours, "investigate", next_hour + HOUR - timedelta(seconds=1))
        due(database, ours, "resolve", next_hour + HOUR)
        due(database, nobodys, "resolve", next_hour + 2 * HOUR)
        first, second, third = (rfc3339(next_hour + number * HOUR) for number in range(3))
        assert forecast(manager, "?hours=4&kind=resolve") == {"Complaints": {second: 1}, None: {third: 1}}
        found = manager.get(f"/sla/forecast?hours=2&team_id={team}").json
        assert found["items"][0]["hours"][0] == {"hour": first, "clocks": 2, "complaints": 1}
        assert forecast(manager, "?hours=1&team_id=" + str(make_team(database, "Idle"))) == {}

    def test_what_was_broken_stopped_or_waits_is_not_foretold(self, database: Database, manager: Caller) -> None:
        now = datetime.now(UTC)
        broken, stopped, paused = (Story(database, now) for _ in range(3))
        for story in (broken, stopped, paused):
            for kind in ("acknowledge", "investigate"):
                due(database, story, kind, now + timedelta(days=60))
        due(database, broken, "resolve", now - timedelta(seconds=1))
        ring_due(database)
        stopped.act("withdraw", now, reason="They found it.")
        paused.act("ask_customer", now, message="Which parcel?")
        for story in (stopped, paused):
            due_at = "UPDATE sla_clock SET due_at = now() + interval '1 hour' WHERE complaint_id = :id AND state = 'cancelled'"
            with database.engine.begin() as connection:
                connection.execute(text(due_at), {"id": story.id})
        assert forecast(manager, "?hours=2") == {}

    def test_of_its_beginning_alone_a_span_ends_now(self, manager: Caller) -> None:
        now = datetime.now(UTC).replace(microsecond=0)
        since = rfc3339(now - timedelta(days=300))
        found = attainment(manager, f"due_from={since}&kind=acknowledge")
        assert found["from"] == since
        assert abs(parse_rfc3339(found["before"]) - now) < timedelta(minutes=5)
        for query, code in (
            (f"due_from={rfc3339(now + timedelta(days=1))}", "future"),
            (f"stopped_from={rfc3339(now - timedelta(days=401))}", "too_long"),
        ):
            answer = manager.get(f"/sla/attainment?{query}")
            assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, code)

    @pytest.mark.parametrize("path", ["forecast", "attainment"])
    def test_a_kind_that_no_promise_is_of_is_refused(self, manager: Caller, path: str) -> None:
        for kind in ("nope", "nope/notice.1", "us.respa.respond/notice."):
            answer = manager.get(f"/sla/{path}?kind={kind}")
            assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, "unknown_kind")
        for kind in ("resolve", "us.cfpb.15", "us.respa.respond/notice.1"):
            assert manager.get(f"/sla/{path}?kind={kind}").status_code == 200

    def test_each_sees_their_own(self, database: Database, join: Join, team: UUID) -> None:
        now = datetime.now(UTC)
        for team_id in (team, make_team(database, "Elsewhere")):
            due(database, Story(database, now, team_id=team_id), "resolve", now + timedelta(minutes=90))
        assert set(forecast(join("agent"), "?hours=3&kind=resolve")) == {"Complaints"}
        assert set(forecast(join("manager"), "?hours=3&kind=resolve")) == {"Complaints", "Elsewhere"}


SPRING = "due_from=2026-02-01T00:00:00Z&due_before=2026-06-01T00:00:00Z"


def attainment(caller: Caller, query: str) -> dict[str, Any]:
    answer = caller.get(f"/sla/attainment?{query}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json
    for name in ("met", "breached", "cancelled", "open"):
        assert found["total"][name] == sum(item[name] for item in found["items"])
    return found


@pytest.fixture
def spring(database: Database, team: UUID) -> None:
    """Of March 2026: acknowledged in time after one, two and three hours, once too late, once not at all; one withdrawn."""
    for hours in (1, 2, 3, 6):
        Story(database, team_id=team).act("acknowledge", MONDAY + hours * HOUR, channel="PHONE")
    Story(database)
    Story(database).act("withdraw", MONDAY + HOUR, reason="They found it.")


@pytest.mark.usefixtures("spring")
class TestAttainment:
    def test_who_may(self, anonymous: Caller, agent: Caller) -> None:
        assert anonymous.get("/sla/attainment").status_code == 401
        assert agent.get("/sla/attainment").status_code == 200

    @pytest.mark.parametrize(
        "query",
        [
            "by=assignee",
            "by=",
            "severity=S9",
            "period=fortnight",
            "due_from=yesterday",
            "due_from=2026-03-02T00:00:00Z&due_before=2026-03-02T00:00:00Z",
            "due_from=2025-01-01T00:00:00Z&due_before=2026-03-02T00:00:00Z",
            "due_from=2026-01-01T00:00:00Z&stopped_from=2026-01-01T00:00:00Z",
        ],
    )
    def test_what_makes_no_sense_is_refused(self, agent: Caller, query: str) -> None:
        assert agent.get(f"/sla/attainment?{query}").status_code == 422

    def test_by_kind(self, manager: Caller) -> None:
        found = attainment(manager, SPRING)
        (acknowledged,) = [item for item in found["items"] if item["kind"] == "acknowledge"]
        assert acknowledged == {
            "kind": "acknowledge",
            "team_id": None,
            "team": None,
            "severity": None,
            "period": None,
            "met": 3,
            "breached": 2,
            "cancelled": 1,
            "open": 0,
            "percentage": 60.0,
            "median_seconds": 7200,
            "p90_seconds": 6 * 3600,
        }

    def test_a_breach_is_one_before_its_alarm_rings(self, database: Database, manager: Caller) -> None:
        before = attainment(manager, SPRING)
        ring_due(database)
        assert attainment(manager, SPRING)["items"] == before["items"]

    def test_by_everything(self, manager: Caller, team: UUID) -> None:
        found = attainment(manager, f"{SPRING}&by=team,severity,period,kind&period=week&kind=acknowledge")
        told = [
            (item["team"], item["team_id"], item["severity"], item["period"], item["met"], item["breached"])
            for item in found["items"]
        ]
        assert told == [("Complaints", str(team), "S3", "2026-03-02", 3, 1), (None, None, "S3", "2026-03-02", 0, 1)]

    def test_by_when_they_were_stopped(self, manager: Caller) -> None:
        span = "stopped_from=2026-03-02T11:00:00Z&stopped_before=2026-03-02T15:00:00Z"
        found = attainment(manager, f"{span}&kind=acknowledge")
        assert (found["window"], found["total"]["met"], found["total"]["breached"]) == ("stopped", 2, 0)
        assert attainment(manager, "stopped_before=2026-03-02T10:00:00Z")["total"]["percentage"] is None

    def test_of_its_end_alone_a_span_is_thirty_days(self, manager: Caller) -> None:
        found = attainment(manager, "due_before=2026-03-31T00:00:00Z")
        assert found["from"] == "2026-03-01T00:00:00Z"

    def test_each_sees_their_own(self, database: Database, join: Join) -> None:
        stranger = join("agent", team_ids=[make_team(database, "Elsewhere")])
        assert attainment(stranger, f"{SPRING}&kind=acknowledge")["total"]["met"] == 0
        assert attainment(join("agent"), f"{SPRING}&kind=acknowledge")["total"]["met"] == 3

    def test_an_answer_has_an_end(self, manager: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(report_queries, "MOST_GROUPS", 1)
        answer = manager.get(f"/sla/attainment?{SPRING}")
        assert answer.status_code == 422
        assert answer.json["errors"][0]["code"] == "too_many"
