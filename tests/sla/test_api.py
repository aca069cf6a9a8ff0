"""Clocks, calendars and policies through the API."""

from collections.abc import Callable
from typing import Any

import pytest

from helpdesk.kernel.unit_of_work import Database
from tests.conftest import Caller, Join, complaint_body
from tests.sla.watching import act, clocks_of, violations


class TestClocksApi:
    def test_anonymous_and_other_teams_see_nothing(
        self, anonymous: Caller, join: Join, complaint: dict[str, Any]
    ) -> None:
        ref = complaint["reference"]
        assert anonymous.get(f"/complaints/{ref}/clocks").status_code == 401
        assert join("agent", team_ids=[]).get(f"/complaints/{ref}/clocks").status_code == 404
        assert join("auditor", team_ids=[]).get(f"/complaints/{ref}/clocks").status_code == 200


class TestCalendarsApi:
    BODY: dict[str, Any] = {  # noqa: RUF012  # never changed
        "name": "Berlin office",
        "timezone": "Europe/Berlin",
        "weekly_hours": {"mon": [["09:00", "12:00"], ["13:00", "17:00"]], "fri": [["22:00", "06:00"]]},
        "holidays": ["2026-12-25"],
        "working_days": {"2026-02-14": "mon"},
    }

    def test_who_may(self, anonymous: Caller, agent: Caller, manager: Caller) -> None:
        assert anonymous.post("/sla/calendars", self.BODY).status_code == 401
        assert agent.post("/sla/calendars", self.BODY).status_code == 403
        created = manager.post("/sla/calendars", self.BODY)
        assert created.status_code == 201, created.text
        assert created.json["weekly_hours"] == self.BODY["weekly_hours"]
        assert agent.get(f"/sla/calendars/{created.json['id']}").json["version"] == 1
        again = manager.post("/sla/calendars", self.BODY)
        assert (again.status_code, again.json["code"]) == (409, "name_taken")

    @pytest.mark.parametrize(
        ("change", "pointer"),
        [
            ({"timezone": "Mars/Olympus"}, "/timezone"),
            ({"weekly_hours": {}, "working_days": {}}, "/weekly_hours"),
            ({"weekly_hours": {"mon": [["09:00", "12:00"], ["11:00", "17:00"]]}}, "/weekly_hours"),
            ({"weekly_hours": {"mon": [["9", "17"]]}}, "/weekly_hours"),
            ({"weekly_hours": {"mon": [["25:00", "26:00"]]}}, "/weekly_hours"),
            ({"weekly_hours": {"moon": [["09:00", "17:00"]]}}, "/weekly_hours"),
            ({"weekly_hours": {"mon": [["09:00"]]}}, "/weekly_hours"),
            ({"holidays": ["25.12.2026"]}, "/holidays"),
            ({"holidays": ["2026-02-30"]}, "/holidays/0"),
            ({"holidays": ["0001-01-01"]}, "/holidays"),
            ({"holidays": ["9999-12-31"]}, "/holidays"),
            ({"working_days": {"0001-01-01": "mon"}}, "/working_days/0001-01-01"),
            ({"working_days": {"9999-12-31": "mon"}}, "/working_days/9999-12-31"),
        ],
    )
    def test_impossible_calendars_are_refused(self, manager: Caller, change: dict[str, Any], pointer: str) -> None:
        answer = manager.post("/sla/calendars", self.BODY | change)
        assert answer.status_code == 422, answer.text
        assert any(error["pointer"].startswith(pointer) for error in answer.json["errors"]), answer.json
        made = manager.post("/sla/calendars", self.BODY)
        body = {name: value for name, value in (self.BODY | change).items() if name != "name"}
        answer = manager.put(f"/sla/calendars/{made.json['id']}", body, if_match=made.headers["ETag"])
        assert answer.status_code == 422, answer.text
        assert any(error["pointer"].startswith(pointer) for error in answer.json["errors"]), answer.json

    def test_page_by_page(self, manager: Caller) -> None:
        made = [manager.post("/sla/calendars", self.BODY | {"name": name}).json for name in ("One", "Two")]
        page = manager.get("/sla/calendars?limit=4&count=true").json
        rest = manager.get(f"/sla/calendars?limit=4&cursor={page['next_cursor']}").json
        assert (page["total"], rest["next_cursor"]) == (8, None)
        assert (page["items"] + rest["items"])[6:] == made  # the shipped ones are the first

    def test_new_hours_hold_for_new_clocks_only(
        self, manager: Caller, agent: Caller, complaint: dict[str, Any], database: Database
    ) -> None:
        policy = manager.get("/sla/policies").json["items"][0]
        calendar = manager.get(f"/sla/calendars/{policy['calendar_id']}")
        before = clocks_of(agent, complaint["reference"])["resolve"]
        body = {"timezone": "UTC", "weekly_hours": {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed")}}
        path = f"/sla/calendars/{policy['calendar_id']}"
        assert manager.put(path, body).status_code == 428
        changed = manager.put(path, body, if_match=calendar.headers["ETag"])
        assert (changed.status_code, changed.json["version"]) == (200, 2)
        assert manager.put(path, body, if_match=calendar.headers["ETag"]).status_code == 412
        assert clocks_of(agent, complaint["reference"])["resolve"] == before
        newer = agent.post("/complaints", complaint_body()).json
        assert clocks_of(agent, newer["reference"])["resolve"]["calendar_version"] == 2
        act(agent, complaint["reference"], "ask_customer", message="Which day?")
        act(agent, complaint["reference"], "resume")
        assert clocks_of(agent, complaint["reference"])["resolve"]["calendar_version"] == 1
        assert violations(database) == []


class TestPoliciesApi:
    def body(self, manager: Caller) -> tuple[str, dict[str, Any], str]:
        listed = manager.get("/sla/policies").json["items"][0]
        path = f"/sla/policies/{listed['id']}"
        found = manager.get(path)
        return (
            path,
            {name: found.json[name] for name in ("calendar_id", "thresholds", "targets")},
            found.headers["ETag"],
        )

    def test_who_may(self, anonymous: Caller, agent: Caller, manager: Caller) -> None:
        path, body, tag = self.body(manager)
        assert anonymous.put(path, body).status_code == 401
        assert agent.put(path, body, if_match=tag).status_code == 403
        body["targets"]["S3"]["resolve"] = [7, "calendar_days"]
        assert manager.put(path, body, if_match=tag).json["targets"]["S3"]["resolve"] == [7, "calendar_days"]
        created = agent.post("/complaints", complaint_body()).json
        clock = clocks_of(agent, created["reference"])["resolve"]
        assert (clock["target_unit"], clock["policy_version"], clock["pausable"]) == ("calendar_days", 2, False)

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda body: body["targets"]["S3"].update(resolve=[-1, "minutes"]),
            lambda body: body["targets"]["S3"].update(resolve=[1, "fortnights"]),
            lambda body: body["targets"]["S3"].update(resolve=[1.5, "minutes"]),
            lambda body: body["targets"]["S3"].update(resolve="soon"),
            lambda body: body["targets"].update(S9={}),
            lambda body: body.update(thresholds=[90, 50]),
            lambda body: body.update(thresholds=[100]),
            lambda body: body.update(calendar_id="0192f0c1-7d1e-7c3a-9a51-2f6f0f6f3a10"),
        ],
    )
    def test_what_cannot_be_is_refused(self, manager: Caller, spoil: Callable[[dict[str, Any]], None]) -> None:
        path, body, tag = self.body(manager)
        spoil(body)
        answer = manager.put(path, body, if_match=tag)
        assert answer.status_code == 422, answer.text
