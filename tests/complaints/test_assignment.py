"""Giving, taking and giving back a complaint.

How it can fail: somebody is filled beyond their capacity, by two at once too; the person complained about gets the
complaint; a complaint stays with somebody who left its team, or goes to somebody who may not see any; one who is away is
given something in silence; a limit is passed over without a reason; two have it; who had it when is told wrongly, or to
whoever may not see it; the note for the next one is lost.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from helpdesk.kernel.clock import rfc3339
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import Database
from helpdesk.verifying import violations
from tests.complaints.work import arrive, assign, at, profile
from tests.conftest import Caller, Join, make_agent, make_team
from tests.racing import at_once, behind_lock


def state(answer: Any) -> tuple[str | None, str | None]:
    assert answer.status_code == 200, answer.text
    return answer.json["assignee_id"], answer.json["team_id"]


def refused(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json["code"]) == (status, code), answer.text
    return dict(answer.json)


class TestAssign:
    def test_who_may(
        self,
        anonymous: Caller,
        agent: Caller,
        senior: Caller,
        join: Join,
        complaint: dict[str, Any],
        *,
        database: Database,
    ) -> None:
        stranger = join("senior", team_ids=[make_team(database, "Elsewhere")])
        for caller, status in ((anonymous, 401), (stranger, 404), (agent, 403), (senior, 200)):
            assert assign(caller, complaint, assignee_id=agent.id).status_code == status
        assert senior.put(at(complaint, "assignment"), {"assignee_id": None}).status_code == 428
        assert senior.put(at(complaint, "assignment"), {}, if_match='"v1"').status_code == 412

    def test_what_cannot_be_meant(self, senior: Caller, complaint: dict[str, Any], engine: Engine, join: Join) -> None:
        gone = join()
        with engine.begin() as connection:
            connection.execute(text("UPDATE agent SET active = false WHERE id = :id"), {"id": gone.id})
        auditor = join("auditor")
        for given, pointer, code in (
            ({"assignee_id": new_id()}, "/assignee_id", "unknown"),
            ({"assignee_id": gone.id}, "/assignee_id", "unknown"),
            ({"team_id": new_id()}, "/team_id", "unknown"),
            ({"assignee_id": auditor.id}, "/assignee_id", "may_not_handle"),
            ({"override": True, "assignee_id": senior.id}, "/reason", "invalid"),
            ({"note": ""}, "/note", "length"),
        ):
            problem = refused(assign(senior, complaint, **given), 422, "validation_failed")
            assert [(item["pointer"], item["code"]) for item in problem["errors"]] == [(pointer, code)]

    def test_to_another_team_it_stays_only_with_a_member(
        self, senior: Caller, agent: Caller, join: Join, complaint: dict[str, Any], *, team: UUID, database: Database
    ) -> None:
        second = make_team(database, "Second line")
        both = join(team_ids=[team, second])
        assign(senior, complaint, assignee_id=agent.id)
        assert state(assign(senior, complaint, team_id=second)) == (None, str(second))
        boss = join("manager")
        assert state(assign(boss, complaint, assignee_id=both.id)) == (str(both.id), str(second))
        assert state(assign(boss, complaint, team_id=team)) == (str(both.id), str(team))
        assert state(assign(boss, complaint, team_id=None)) == (str(both.id), None)

    def test_whoever_has_it_sees_it(self, join: Join, senior: Caller, complaint: dict[str, Any], app: Flask) -> None:
        """Not in the team: given to them, it comes into their sight, and goes out of it again."""
        outsider = make_agent(app, app.extensions["helpdesk_program"].database, "agent", [])
        assert outsider.get(at(complaint)).status_code == 404
        assign(senior, complaint, assignee_id=outsider.id)
        assert outsider.get(at(complaint)).status_code == 200
        assert outsider.post(at(complaint, "release")).status_code == 200
        assert outsider.get(at(complaint)).status_code == 404

    def test_not_to_the_person_it_is_about(self, senior: Caller, agent: Caller, complaint: dict[str, Any]) -> None:
        senior.post(at(complaint, "subjects"), {"agent_id": str(agent.id)})
        for more in ({}, {"override": True, "reason": "There is nobody else."}):
            refused(assign(senior, complaint, assignee_id=agent.id, **more), 409, "subject_cannot_handle")
            refused(agent.post(at(complaint, "claim"), more), 409, "subject_cannot_handle")
        assert agent.post("/queues/" + complaint["team_id"] + "/next").status_code == 204

    def test_what_is_told(self, senior: Caller, agent: Caller, complaint: dict[str, Any]) -> None:
        note = "The carrier has promised its scan by Friday."
        assign(senior, complaint, assignee_id=agent.id, reason="She knows the carrier.", note=note)
        *_, entry = [
            item for item in senior.get(at(complaint, "timeline")).json["items"] if item["type"] == "complaint.assigned"
        ]
        assert entry["payload"]["changes"] == {"assignee_id": [None, str(agent.id)]}
        assert entry["payload"]["how"] == "assigned"
        assert entry["payload"]["reason"] == "She knows the carrier."
        (message,) = senior.get(at(complaint, "messages")).json["items"]
        assert (message["kind"], message["purpose"], message["body"]) == ("internal_note", "handover", note)


class TestCapacity:
    def test_full(self, admin: Caller, senior: Caller, agent: Caller, team: UUID) -> None:
        profile(admin, agent, capacity=1)
        first, second = arrive(agent, team), arrive(agent, team)
        assert agent.post(at(first, "claim")).status_code == 200
        for answer in (agent.post(at(second, "claim")), assign(senior, second, assignee_id=agent.id)):
            problem = refused(answer, 409, "agent_unavailable")
            assert problem["reasons"] == ["at_capacity"]
            assert (problem["load"], problem["capacity"]) == (1, 1)
        problem = refused(agent.post(f"/queues/{team}/next"), 409, "agent_unavailable")
        assert problem["reasons"] == ["at_capacity"]
        assert problem["detail"] == "You have 1 of 1: finish or release something first."
        assert assign(senior, first, assignee_id=agent.id).status_code == 200, "what they have does not count twice"

    def test_passed_over_with_a_reason(self, admin: Caller, senior: Caller, agent: Caller, team: UUID) -> None:
        profile(admin, agent, capacity=0)
        one, other = arrive(agent, team), arrive(agent, team)
        refused(agent.post(at(one, "claim"), {"override": True}), 422, "validation_failed")
        assert agent.post(at(one, "claim"), {"override": True, "reason": "I know them."}).status_code == 200
        assert assign(senior, other, assignee_id=agent.id, override=True, reason="All hands.").status_code == 200
        last = agent.get(at(one, "assignments")).json["items"][-1]
        assert (last["override"], last["reason"], last["how"]) == (True, "I know them.", "claimed")

    def test_what_is_closed_weighs_nothing(self, admin: Caller, senior: Caller, agent: Caller, team: UUID) -> None:
        profile(admin, agent, capacity=1)
        one, other, third = (arrive(agent, team) for _ in range(3))
        assert agent.post(at(one, "claim")).status_code == 200
        assert agent.post(at(one, "actions/withdraw"), {"reason": "Found."}).status_code == 200
        assert agent.post(at(other, "claim")).status_code == 200
        senior.post(at(third, "actions/withdraw"), {"reason": "Found."})
        assert assign(senior, third, assignee_id=agent.id).status_code == 200, "a closed one needs no room"

    def test_weights(self, admin: Caller, agent: Caller, team: UUID) -> None:
        profile(admin, agent, capacity=4, weights={"S1": 3, "S5": 0})
        heavy = [arrive(agent, team, impact=5, urgency=4) for _ in range(2)]
        assert {item["severity"] for item in heavy} == {"S1"}
        assert agent.post(at(heavy[0], "claim")).status_code == 200
        refused(agent.post(at(heavy[1], "claim")), 409, "agent_unavailable")
        assert agent.post(at(arrive(agent, team), "claim")).status_code == 200
        assert agent.get(f"/agents/{agent.id}/profile").json["load"] == 4

    def test_two_at_once_do_not_overfill(
        self, admin: Caller, senior: Caller, agent: Caller, team: UUID, engine: Engine
    ) -> None:
        """Both wait for the agent; whoever comes second counts what the first one did while it waited."""
        profile(admin, agent, capacity=1)
        one, other, third = (arrive(agent, team) for _ in range(3))
        answers = behind_lock(
            engine,
            "SELECT id FROM agent WHERE id = :id FOR NO KEY UPDATE",
            lambda: agent.post(at(one, "claim")),
            lambda: assign(senior, other, assignee_id=agent.id),
            lambda: assign(admin, third, assignee_id=agent.id),
            id=agent.id,
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409]

    def test_assigned_while_they_are_deactivated(
        self, admin: Caller, senior: Caller, agent: Caller, complaint: dict[str, Any], engine: Engine
    ) -> None:
        answers = behind_lock(
            engine,
            "UPDATE agent SET active = active WHERE id = :id",
            lambda: assign(senior, complaint, assignee_id=agent.id),
            lambda: admin.patch(f"/agents/{agent.id}", {"active": False}, if_match="*"),
            id=agent.id,
        )
        assert answers[1].status_code == 200
        assert answers[0].status_code in {200, 422}


class TestAway:
    def test_nothing_in_silence(self, senior: Caller, agent: Caller, join: Join, complaint: dict[str, Any]) -> None:
        agent.post(f"/agents/{agent.id}/availability", {"availability": "away"})
        assert refused(assign(senior, complaint, assignee_id=agent.id), 409, "agent_unavailable")["reasons"] == ["away"]
        assert assign(senior, complaint, assignee_id=agent.id, override=True, reason="Back soon.").status_code == 200
        assert agent.post(at(complaint, "release")).status_code == 200
        assert agent.post(at(complaint, "claim")).status_code == 200, "who takes it themselves is there"

    def test_out_of_office_names_the_substitute(
        self, senior: Caller, agent: Caller, join: Join, complaint: dict[str, Any]
    ) -> None:
        substitute, now = join(), datetime.now(UTC)
        body = {
            "starts_at": rfc3339(now - timedelta(hours=1)),
            "ends_at": rfc3339(now + timedelta(days=7)),
            "substitute_id": str(substitute.id),
        }
        assert agent.post(f"/agents/{agent.id}/absences", body).status_code == 201
        problem = refused(assign(senior, complaint, assignee_id=agent.id), 409, "agent_unavailable")
        assert problem["reasons"] == ["out_of_office"]
        assert problem["substitute_id"] == str(substitute.id)
        problem = refused(agent.post(f"/queues/{complaint['team_id']}/next"), 409, "agent_unavailable")
        assert problem["reasons"] == ["out_of_office"]
        assert "override" not in problem["detail"]
        assert agent.post(at(complaint, "claim")).status_code == 200, "who takes it themselves is there"

    def test_who_is_away_is_given_no_next_one(self, agent: Caller, complaint: dict[str, Any], admin: Caller) -> None:
        path = f"/queues/{complaint['team_id']}/next"
        agent.post(f"/agents/{agent.id}/availability", {"availability": "away"})
        assert refused(agent.post(path), 409, "agent_unavailable")["reasons"] == ["away"]
        agent.post(f"/agents/{agent.id}/availability", {"availability": "available"})
        profile(admin, agent, working_hours={"timezone": "UTC", "weekly": {}})
        assert agent.post(path).json["id"] == complaint["id"], "overtime is one's own affair"


class TestClaimAndRelease:
    def test_an_empty_object_is_a_body_too(self, agent: Caller, complaint: dict[str, Any]) -> None:
        assert agent.post(at(complaint, "claim"), {}).status_code == 200
        assert agent.post(at(complaint, "release"), {}).status_code == 200
        refused(agent.post(at(complaint, "claim"), {"force": True}), 422, "validation_failed")
        assert (
            agent.client.post(
                f"/api/v1{at(complaint, 'claim')}",
                data="override=1",
                headers={"Authorization": f"Bearer {agent.token}", "Content-Type": "application/x-www-form-urlencoded"},
            ).status_code
            == 415
        )

    def test_given_back_with_a_reason_and_a_note(self, agent: Caller, complaint: dict[str, Any], team: UUID) -> None:
        agent.post(at(complaint, "claim"))
        body = {"reason": "I am on holiday.", "note": "Call her in the evening."}
        assert state(agent.post(at(complaint, "release"), body)) == (None, str(team))
        (note,) = agent.get(at(complaint, "messages")).json["items"]
        assert note["purpose"] == "handover"
        assert agent.get(at(complaint, "assignments")).json["items"][-1]["reason"] == "I am on holiday."

    def test_a_repeat_is_one(self, agent: Caller, complaint: dict[str, Any]) -> None:
        first = agent.post(at(complaint, "claim"), {}, idempotency_key="one")
        agent.post(at(complaint, "release"))
        again = agent.post(at(complaint, "claim"), {}, idempotency_key="one")
        assert again.headers["Idempotent-Replayed"] == "true"
        assert again.json == first.json
        assert agent.get(at(complaint)).json["assignee_id"] is None


class TestPeriods:
    def test_who_may(
        self, anonymous: Caller, agent: Caller, join: Join, complaint: dict[str, Any], database: Database
    ) -> None:
        stranger = join(team_ids=[make_team(database, "Elsewhere")])
        for caller, status in ((anonymous, 401), (stranger, 404), (agent, 200), (join("auditor"), 200)):
            assert caller.get(at(complaint, "assignments")).status_code == status

    def test_from_when_until_when(
        self, agent: Caller, senior: Caller, complaint: dict[str, Any], team: UUID, database: Database
    ) -> None:
        agent.post(at(complaint, "claim"))
        agent.post(at(complaint, "release"))
        assign(senior, complaint, assignee_id=senior.id, reason="Mine.")
        items = agent.get(at(complaint, "assignments")).json["items"]
        assert [(item["how"], item["assignee_id"]) for item in items] == [
            ("received", None),
            ("claimed", str(agent.id)),
            ("released", None),
            ("assigned", str(senior.id)),
        ]
        assert {item["team_id"] for item in items} == {str(team)}
        assert items[1]["assignee_name"] == agent.actor.name
        for one, following in pairwise(items):
            assert one["until"] == following["since"]
            assert one["seconds"] == int((_time(one["until"]) - _time(one["since"])).total_seconds())
        assert (items[-1]["until"], items[-1]["seconds"]) == (None, None)
        pages = [agent.get(at(complaint, "assignments?limit=3")).json]
        pages.append(agent.get(at(complaint, f"assignments?limit=3&cursor={pages[0]['next_cursor']}")).json)
        assert [item for page in pages for item in page["items"]] == items
        assert list(violations(database, ["chain", "complaints", "clocks"])) == []

    def test_a_period_ends_where_the_next_page_begins(self, agent: Caller, complaint: dict[str, Any]) -> None:
        agent.post(at(complaint, "claim"))
        page = agent.get(at(complaint, "assignments?limit=1")).json
        assert page["items"][0]["until"] is not None


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_many_claim_one(join: Join, complaint: dict[str, Any], database: Database) -> None:
    callers = [join() for _ in range(5)]
    answers = at_once(*(lambda caller=caller: caller.post(at(complaint, "claim")) for caller in callers))
    assert sorted(answer.status_code for answer in answers) == [200, *[409] * (len(callers) - 1)]
    assert list(violations(database, ["chain", "complaints"])) == []


Counting = Callable[[], Any]


def test_what_it_costs(agent: Caller, senior: Caller, admin: Caller, team: UUID, statements: Counting) -> None:
    one, other = arrive(agent, team), arrive(agent, team)
    with statements() as seen:
        agent.post(at(one, "claim"))
    without = len(seen)
    profile(admin, agent, capacity=5)
    with statements() as seen:
        agent.post(at(other, "claim"))
    assert len(seen) == without + 1, "only who has a limit is counted"


@pytest.mark.parametrize(
    ("tampered", "check"),
    [
        ("assigned_at = NULL", "assigned_at"),
        ("awaits_agent = true", "awaits_agent"),
        ("assignee_id = NULL", "assigned_at"),
        ("awaits_agent = true, assignee_id = NULL, assigned_at = NULL, status = 'withdrawn'", "awaits_agent"),
    ],
)
def test_what_must_hold_is_verified(
    agent: Caller, complaint: dict[str, Any], database: Database, tampered: str, check: str
) -> None:
    agent.post(at(complaint, "claim"))
    assert list(violations(database, ["complaints"])) == []
    with database.engine.begin() as connection:
        connection.execute(text(f"UPDATE complaint SET {tampered}"))
    assert check in {item.check for item in violations(database, ["complaints"])}
