"""Agents as handlers: profiles, availability, absences.

How it can fail: somebody sets their own skills or capacity, or those of an agent whom they do not lead; a change is lost
between two who make it at once (also the first one, when there is no row yet); a time that is over, or ends before it
begins, is taken; a body with a zone, a day or a level that does not exist ends in a 500 later, when somebody routes.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from helpdesk.kernel.clock import rfc3339
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import Database
from helpdesk.verifying import violations
from tests.complaints.work import arrive, at, profile
from tests.conftest import Caller, Join, make_team
from tests.racing import behind_lock

NOW = datetime.now(UTC)
WEEK = {"timezone": "Europe/Berlin", "weekly": {"mon": [["09:00", "12:00"], ["13:00", "17:00"]]}}


def of(agent: Caller, more: str = "profile") -> str:
    return f"/agents/{agent.id}/{more}"


def codes(answer: Any) -> list[tuple[str, str]]:
    assert answer.status_code == 422, answer.text
    return [(item["pointer"], item["code"]) for item in answer.json["errors"]]


class TestProfile:
    def test_who_may(
        self, anonymous: Caller, agent: Caller, senior: Caller, join: Join, database: Database, *, admin: Caller
    ) -> None:
        elsewhere = join("senior", team_ids=[make_team(database, "Elsewhere")])
        assert anonymous.get(of(agent)).status_code == 401
        assert agent.get(of(senior)).status_code == 200
        assert agent.get(f"/agents/{new_id()}/profile").status_code == 404
        given = {"capacity": 3}
        for caller, status in ((anonymous, 401), (agent, 403), (elsewhere, 403), (senior, 200), (admin, 200)):
            assert caller.patch(of(agent), given, if_match="*").status_code == status
        assert join("auditor").patch(of(agent), given, if_match="*").status_code == 403
        assert senior.patch(of(senior), given, if_match="*").status_code == 200, "they lead their own team"
        assert admin.patch(f"/agents/{new_id()}/profile", given, if_match="*").status_code == 404

    def test_of_whom_nothing_is_known(self, agent: Caller) -> None:
        answer = agent.get(of(agent))
        assert answer.json == {
            "agent_id": str(agent.id),
            "skills": [],
            "languages": [],
            "capacity": None,
            "weights": {},
            "working_hours": None,
            "availability": "available",
            "away_until": None,
            "away_reason": None,
            "ready": True,
            "unready": [],
            "load": 0,
            "substitute_id": None,
            "version": 0,
        }
        assert answer.headers["ETag"].startswith('"v0-')

    def test_set_and_kept(self, admin: Caller, agent: Caller, database: Database) -> None:
        given = {
            "skills": ["DEL", "BIL", "DEL"],
            "languages": [{"tag": "zh-CN", "level": "native"}, {"tag": "en"}],
            "capacity": 5,
            "weights": {"S1": 3},
            "working_hours": WEEK,
        }
        assert admin.patch(of(agent), given).status_code == 428
        first = admin.patch(of(agent), given, if_match='"v0"')
        assert first.status_code == 200, first.text
        assert first.json["skills"] == ["DEL", "BIL"]
        assert first.json["languages"] == [{"tag": "zh-CN", "level": "native"}, {"tag": "en", "level": "good"}]
        assert first.json["version"] == 1
        assert admin.patch(of(agent), {"capacity": 6}, if_match='"v0"').status_code == 412
        second = admin.patch(of(agent), {"capacity": None}, if_match='"v1"').json
        assert second["capacity"] is None
        assert second["weights"] == {"S1": 3}
        assert admin.patch(of(agent), {"capacity": None}, if_match="*").json["version"] == 2, "nothing changed"
        (entry,) = [
            item
            for item in admin.get("/audit-log?limit=200").json["items"]
            if item["type"] == "agent.profile_changed" and "weights" in item["payload"]["changes"]
        ]
        assert entry["payload"]["changes"]["capacity"] == [None, 5]
        assert list(violations(database, ["chain"])) == []

    @pytest.mark.parametrize(
        ("given", "pointer", "code"),
        [
            ({"skills": ["a b"]}, "/skills/0", "invalid"),
            ({"skills": ["lang:zh:native"]}, "/skills/0", "invalid"),
            ({"skills": ["x"] * 201}, "/skills", "length"),
            ({"languages": [{"tag": "chinese!"}]}, "/languages/0/tag", "invalid"),
            ({"languages": [{"tag": "en"}, {"tag": "EN"}]}, "/languages", "invalid"),
            ({"languages": [{"tag": "en", "level": "fluent"}]}, "/languages/0/level", "choice"),
            ({"capacity": -1}, "/capacity", "range"),
            ({"capacity": 10_001}, "/capacity", "range"),
            ({"capacity": 1.5}, "/capacity", "invalid"),
            ({"weights": {"S9": 1}}, "/weights/S9", "choice"),
            ({"weights": {"S1": -1}}, "/weights/S1", "range"),
            ({"working_hours": {"timezone": "Mars/Base", "weekly": {}}}, "/working_hours/timezone", "invalid"),
            ({"working_hours": {"timezone": "UTC", "weekly": {"mon": [["17:00", "09:00"]]}}}, "/working_hours/weekly", "invalid"),
            ({"working_hours": {"timezone": "UTC", "weekly": {"mon": [["09:00", "10:00"]] * 11}}}, "/working_hours/weekly", "invalid"),
            ({"working_hours": {"timezone": "UTC", "weekly": {"lundi": []}}}, "/working_hours/weekly/lundi", "unknown_field"),
            ({"availability": "away"}, "/availability", "unknown_field"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_meant(
        self, admin: Caller, agent: Caller, given: dict[str, Any], pointer: str, code: str
    ) -> None:
        assert codes(admin.patch(of(agent), given, if_match="*")) == [(pointer, code)]
        assert agent.get(of(agent)).json["version"] == 0

    def test_two_first_ones_at_once(self, admin: Caller, senior: Caller, agent: Caller, engine: Engine) -> None:
        answers = behind_lock(
            engine,
            "SELECT id FROM agent WHERE id = :id FOR NO KEY UPDATE",
            lambda: admin.patch(of(agent), {"capacity": 1}, if_match='"v0"'),
            lambda: senior.patch(of(agent), {"skills": ["DEL"]}, if_match='"v0"'),
            id=agent.id,
        )
        assert sorted(answer.status_code for answer in answers) == [200, 412]
        assert agent.get(of(agent)).json["version"] == 1

    def test_a_lower_capacity_takes_nothing_away(self, admin: Caller, agent: Caller, team: UUID) -> None:
        for _ in range(2):
            agent.post(at(arrive(agent, team), "claim"))
        shown = profile(admin, agent, capacity=1)
        assert (shown["load"], shown["ready"], shown["unready"]) == (2, False, ["at_capacity"])


class TestAvailability:
    def test_by_oneself_or_who_leads(
        self, anonymous: Caller, agent: Caller, senior: Caller, join: Join, database: Database
    ) -> None:
        elsewhere = join("senior", team_ids=[make_team(database, "Elsewhere")])
        away = {"availability": "away", "away_reason": "Training"}
        for caller, status in ((anonymous, 401), (join(), 403), (elsewhere, 403), (agent, 200), (senior, 200)):
            assert caller.post(of(agent, "availability"), away).status_code == status
        shown = agent.get(of(agent)).json
        assert (shown["ready"], shown["unready"], shown["away_reason"]) == (False, ["away"], "Training")
        assert agent.post(of(agent, "availability"), away, if_match='"v7"').status_code == 412
        back = agent.post(of(agent, "availability"), {"availability": "available"}).json
        assert (back["ready"], back["away_reason"], back["away_until"]) == (True, None, None)

    def test_until_it_is_over(self, agent: Caller, engine: Engine) -> None:
        given = {"availability": "away", "away_until": rfc3339(NOW + timedelta(days=1))}
        assert agent.post(of(agent, "availability"), given).json["ready"] is False
        with engine.begin() as connection:
            connection.execute(text("UPDATE agent_profile SET away_until = now() - interval '1 second'"))
        assert agent.get(of(agent)).json["ready"] is True

    def test_what_cannot_be_meant(self, agent: Caller) -> None:
        for given, pointer, code in (
            ({}, "/availability", "required"),
            ({"availability": "asleep"}, "/availability", "choice"),
            ({"availability": "available", "away_reason": "x"}, "/away_reason", "invalid"),
            ({"availability": "away", "away_until": "2020-01-01T00:00:00Z"}, "/away_until", "past"),
        ):
            assert codes(agent.post(of(agent, "availability"), given)) == [(pointer, code)]

    def test_of_somebody_who_is_gone(self, admin: Caller, agent: Caller) -> None:
        admin.patch(f"/agents/{agent.id}", {"active": False}, if_match="*")
        shown = admin.get(of(agent)).json
        assert (shown["ready"], shown["unready"]) == (False, ["not_active"])


class TestAbsences:
    @staticmethod
    def body(**more: Any) -> dict[str, Any]:
        return {"starts_at": rfc3339(NOW - timedelta(days=1)), "ends_at": rfc3339(NOW + timedelta(days=7))} | more

    def test_who_may(self, anonymous: Caller, agent: Caller, senior: Caller, join: Join) -> None:
        for caller, status in ((anonymous, 401), (join(), 403), (agent, 201), (senior, 201)):
            assert caller.post(of(agent, "absences"), self.body()).status_code == status
        (first, _) = join().get(of(agent, "absences")).json["items"]
        path = of(agent, f"absences/{first['id']}")
        assert anonymous.get(path).status_code == 401
        assert join().get(path).json == agent.get(path).json == first
        assert agent.get(of(senior, f"absences/{first['id']}")).status_code == 404
        assert agent.delete(path).status_code == 428
        assert join().delete(path, if_match="*").status_code == 403
        assert agent.delete(of(senior, f"absences/{first['id']}"), if_match="*").status_code == 404

    def test_planned_changed_and_cancelled(self, agent: Caller, join: Join) -> None:
        other = join()
        answer = agent.post(of(agent, "absences"), self.body(substitute_id=str(other.id), note="Leave"))
        planned = answer.json
        assert agent.get(answer.headers["Location"]).json == planned
        shown = agent.get(of(agent)).json
        assert (shown["unready"], shown["substitute_id"]) == (["out_of_office"], str(other.id))
        path = of(agent, f"absences/{planned['id']}")
        later = {"starts_at": rfc3339(NOW + timedelta(days=3))}
        assert agent.patch(path, later, if_match='"v1"').json["version"] == 2
        assert agent.patch(path, later, if_match='"v1"').status_code == 412
        assert agent.get(of(agent)).json["ready"] is True
        assert agent.delete(path, if_match='"v2"').status_code == 204
        assert agent.get(path).status_code == 404
        assert agent.get(of(agent, "absences")).json["items"] == []

    def test_what_cannot_be_meant(self, agent: Caller, admin: Caller, join: Join) -> None:
        gone = join()
        admin.patch(f"/agents/{gone.id}", {"active": False}, if_match="*")
        past = {"starts_at": "2020-01-01T00:00:00Z", "ends_at": "2020-01-02T00:00:00Z"}
        for given, pointer, code in (
            ({"starts_at": rfc3339(NOW + timedelta(days=8))}, "/ends_at", "range"),
            (past, "/ends_at", "past"),
            ({"substitute_id": str(agent.id)}, "/substitute_id", "self"),
            ({"substitute_id": str(gone.id)}, "/substitute_id", "unknown"),
            ({"substitute_id": str(new_id())}, "/substitute_id", "unknown"),
        ):
            assert codes(agent.post(of(agent, "absences"), self.body(**given))) == [(pointer, code)]

    def test_not_without_end(self, agent: Caller, engine: Engine) -> None:
        agent.post(of(agent, "absences"), self.body())
        with engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO agent_absence (id, agent_id, starts_at, ends_at) "
                    "SELECT gen_random_uuid(), agent_id, starts_at, ends_at FROM agent_absence, generate_series(1, 99)"
                )
            )
        assert agent.post(of(agent, "absences"), self.body()).status_code == 409
