"""Queues: what a team has open, by urgency, and "give me the next one".

How it can fail: somebody sees, counts or takes what they may not see; the most urgent is not first; a page skips or repeats;
two who ask at once get the same one, or one of them waits for the other; somebody gets what they cannot handle (about them,
another language, a skill they have not, beyond their capacity) or what waits for somebody else; an empty queue is an error.
"""

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from helpdesk.complaints.models import NOTHING_DUE
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import Database
from helpdesk.verifying import violations
from tests.complaints.work import arrive, assign, at, profile
from tests.conftest import Caller, Join, make_team
from tests.racing import at_once

WORST: Final = {"impact": 5, "urgency": 4}
MILD: Final = {"impact": 1, "urgency": 1}


def refs(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["reference"] for item in answer.json["items"]]


def require(engine: Engine, complaint: dict[str, Any], skills: str) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE complaint SET required_skills = CAST(:skills AS jsonb) WHERE id = :id"),
            {"skills": skills, "id": complaint["id"]},
        )


class TestFigures:
    def test_who_may(
        self, anonymous: Caller, agent: Caller, join: Join, team: UUID, *, database: Database, manager: Caller
    ) -> None:
        elsewhere = make_team(database, "Elsewhere")
        for path in ("/queues", f"/queues/{team}", "/queues/no-team"):
            assert anonymous.get(path).status_code == 401
        assert [item["team_id"] for item in agent.get("/queues").json["items"]] == [str(team)]
        seen = {item["team_id"] for item in manager.get("/queues").json["items"]}
        assert seen == {str(team), str(elsewhere)}
        for path in (f"/queues/{elsewhere}", f"/queues/{new_id()}"):
            assert agent.get(path).status_code == 404
            assert agent.get(f"{path}/complaints").status_code == 404
            assert agent.post(f"{path}/next").status_code == 404
        assert manager.get(f"/queues/{elsewhere}").json["open"] == 0
        assert join("auditor").post(f"/queues/{team}/next").status_code == 403

    def test_what_they_say(self, agent: Caller, senior: Caller, team: UUID, engine: Engine) -> None:
        worst, mine, asked, closed = (
            arrive(agent, team, **WORST),
            arrive(agent, team),
            arrive(agent, team),
            arrive(agent, team),
        )
        arrive(agent)  # of no team
        agent.post(at(mine, "claim"))
        agent.post(at(asked, "actions/ask_customer"), {"message": "Which day suits you?"})
        agent.post(at(closed, "actions/withdraw"), {"reason": "Found."})
        with engine.begin() as connection:
            connection.execute(
                text("UPDATE complaint SET next_due_at = now() - interval '1 hour' WHERE id = :id"),
                {"id": worst["id"]},
            )
        found = agent.get(f"/queues/{team}").json
        assert agent.get("/queues").json["items"] == [found]
        names = ("team_name", "open", "unassigned", "mine", "waiting_on_us", "overdue", "urgent_unassigned")
        assert {name: found[name] for name in names} == {
            "team_name": "Complaints",
            "open": 3,
            "unassigned": 2,
            "mine": 1,
            "waiting_on_us": 2,
            "overdue": 1,
            "urgent_unassigned": 1,
        }
        assert found["oldest_received_at"] == worst["received_at"]
        assert agent.get("/queues/no-team").json["open"] == 1

    def test_an_empty_one(self, agent: Caller, team: UUID) -> None:
        found = agent.get(f"/queues/{team}").json
        assert (found["open"], found["next_due_at"], found["oldest_received_at"]) == (0, None, None)
        assert agent.get(f"/queues/{team}/complaints").json == {"items": [], "next_cursor": None}
        assert agent.post(f"/queues/{team}/next").status_code == 204

    def test_cost_does_not_grow_with_the_teams(
        self, manager: Caller, database: Database, statements: Callable[[], Any]
    ) -> None:
        for number in range(10):
            make_team(database, f"Team {number}")
        with statements() as seen:
            assert len(manager.get("/queues").json["items"]) == 11
        assert len(seen) == 2, seen.seen


class TestOrder:
    def test_severity_then_what_is_due_first(self, agent: Caller, team: UUID, engine: Engine) -> None:
        mild, late, worst, soon = (
            arrive(agent, team, **MILD),
            arrive(agent, team),
            arrive(agent, team, **WORST),
            arrive(agent, team),
        )
        with engine.begin() as connection:
            for item, hours in ((late, 5), (soon, -5)):
                connection.execute(
                    text("UPDATE complaint SET next_due_at = now() + make_interval(hours => :hours) WHERE id = :id"),
                    {"hours": hours, "id": item["id"]},
                )
        wanted = [item["reference"] for item in (worst, soon, late, mild)]
        path = f"/queues/{team}/complaints"
        assert refs(agent.get(path)) == wanted
        pages = [agent.get(f"{path}?limit=3").json]
        pages.append(agent.get(f"{path}?limit=3&cursor={pages[0]['next_cursor']}").json)
        assert [item["reference"] for page in pages for item in page["items"]] == wanted
        assert agent.get(f"{path}?limit=1&count=true").json["total"] == 4

    def test_what_is_due_follows_the_clocks(self, agent: Caller, team: UUID, database: Database) -> None:
        complaint = arrive(agent, team)

        def due() -> str | None:
            (item,) = agent.get(f"/queues/{team}/complaints").json["items"]
            found: str | None = item["next_due_at"]
            return found

        clocks = agent.get(at(complaint, "clocks")).json["items"]
        assert due() == min(clock["due_at"] for clock in clocks)
        agent.post(at(complaint, "actions/acknowledge"), {"channel": "EMAIL"})
        running = [clock for clock in agent.get(at(complaint, "clocks")).json["items"] if clock["state"] == "running"]
        assert due() == min(clock["due_at"] for clock in running)
        agent.post(at(complaint, "actions/ask_customer"), {"message": "Which day suits you?"})
        assert due() is None, "nothing runs while the customer is waited for"
        assert list(violations(database, ["clocks"])) == []

    def test_unassigned_only(self, agent: Caller, team: UUID) -> None:
        one, other = arrive(agent, team), arrive(agent, team)
        agent.post(at(one, "claim"))
        assert refs(agent.get(f"/queues/{team}/complaints?unassigned=true")) == [other["reference"]]
        assert refs(agent.get(f"/queues/{team}/complaints?unassigned=false")) == [one["reference"]]
        assert agent.get(f"/queues/{team}/complaints?severity=S1").status_code == 422

    def test_of_no_team(self, agent: Caller, manager: Caller, team: UUID) -> None:
        arrive(agent, team)
        loose = arrive(agent)
        assert refs(agent.get("/queues/no-team/complaints")) == [loose["reference"]]
        assert agent.post("/queues/no-team/next").json["reference"] == loose["reference"]

    def test_nothing_due_is_last(self, agent: Caller, team: UUID, engine: Engine) -> None:
        nothing, due = arrive(agent, team), arrive(agent, team)
        with engine.begin() as connection:
            connection.execute(
                text("UPDATE complaint SET next_due_at = :never WHERE id = :id"),
                {"never": NOTHING_DUE, "id": nothing["id"]},
            )
        assert refs(agent.get(f"/queues/{team}/complaints")) == [due["reference"], nothing["reference"]]


class TestNext:
    def test_the_most_urgent(self, agent: Caller, join: Join, team: UUID) -> None:
        mild, worst = arrive(agent, team, **MILD), arrive(agent, team, **WORST)
        first = agent.post(f"/queues/{team}/next")
        assert first.status_code == 200, first.text
        assert (first.json["reference"], first.json["assignee_id"]) == (worst["reference"], str(agent.id))
        assert join().post(f"/queues/{team}/next").json["reference"] == mild["reference"]
        nothing = agent.post(f"/queues/{team}/next")
        assert (nothing.status_code, nothing.data) == (204, b"")
        assert agent.get(at(worst, "assignments")).json["items"][-1]["how"] == "next"

    def test_a_repeat_is_one(self, agent: Caller, team: UUID) -> None:
        arrive(agent, team)
        arrive(agent, team)
        first, again = (agent.post(f"/queues/{team}/next", idempotency_key="one") for _ in range(2))
        assert first.json == again.json
        assert agent.get(f"/queues/{team}").json["mine"] == 1
        agent.post(f"/queues/{team}/next")
        nothing, repeated = (agent.post(f"/queues/{team}/next", idempotency_key="two") for _ in range(2))
        assert (nothing.status_code, repeated.status_code) == (204, 204)
        assert repeated.headers["Idempotent-Replayed"] == "true"

    def test_what_cannot_be_theirs_is_passed_over(
        self, agent: Caller, senior: Caller, admin: Caller, team: UUID, *, engine: Engine
    ) -> None:
        about, chinese, unskilled, waiting, taken = (
            arrive(agent, team, **WORST, **more)
            for more in ({}, {"language": "zh-CN"}, {}, {"language": "en"}, {"language": "de"})
        )
        fit = arrive(agent, team, **MILD, language="de-AT")
        senior.post(at(about, "subjects"), {"agent_id": str(agent.id)})
        require(engine, unskilled, '["BIL"]')
        agent.post(at(waiting, "actions/ask_customer"), {"message": "Which day suits you?"})
        assign(senior, taken, assignee_id=senior.id)
        profile(admin, agent, languages=[{"tag": "en"}, {"tag": "de-DE"}], skills=["DEL"])
        assert agent.post(f"/queues/{team}/next").json["reference"] == fit["reference"]
        assert agent.post(f"/queues/{team}/next").status_code == 204
        profile(admin, agent, languages=[{"tag": "zh"}, {"tag": "en"}], skills=["DEL", "BIL"])
        took = {agent.post(f"/queues/{team}/next").json["reference"] for _ in range(2)}
        assert took == {chinese["reference"], unskilled["reference"]}

    def test_what_there_is_no_room_for_is_passed_over(self, agent: Caller, admin: Caller, team: UUID) -> None:
        heavy, light = arrive(agent, team, **WORST), arrive(agent, team, **MILD)
        profile(admin, agent, capacity=2, weights={"S1": 3})
        assert heavy["severity"] == "S1"
        assert agent.post(f"/queues/{team}/next").json["reference"] == light["reference"]

    def test_twenty_at_once_get_twenty_different_ones(
        self, join: Join, team: UUID, agent: Caller, database: Database
    ) -> None:
        waiting = {arrive(agent, team)["reference"] for _ in range(19)}
        callers = [join() for _ in range(20)]
        answers = at_once(*(lambda caller=caller: caller.post(f"/queues/{team}/next") for caller in callers))
        assert sorted(answer.status_code for answer in answers) == [200] * 19 + [204]
        assert {answer.json["reference"] for answer in answers if answer.status_code == 200} == waiting
        assert list(violations(database, ["chain", "complaints"])) == []

    def test_one_agent_in_many_windows_is_not_overfilled(
        self, admin: Caller, agent: Caller, team: UUID, database: Database
    ) -> None:
        for _ in range(6):
            arrive(agent, team)
        profile(admin, agent, capacity=3)
        answers = at_once(*[lambda: agent.post(f"/queues/{team}/next")] * 6)
        assert sorted(answer.status_code for answer in answers) == [200] * 3 + [409] * 3
        assert agent.get(f"/agents/{agent.id}/profile").json["load"] == 3

    def test_one_that_is_being_taken_is_not_waited_for(
        self, agent: Caller, team: UUID, engine: Engine, join: Join
    ) -> None:
        worst, mild = arrive(agent, team, **WORST), arrive(agent, team, **MILD)
        with engine.connect() as holder:
            holder.execute(text("SELECT id FROM complaint WHERE id = :id FOR UPDATE"), {"id": worst["id"]})
            assert agent.post(f"/queues/{team}/next").json["reference"] == mild["reference"]
            holder.rollback()


@pytest.mark.parametrize("path", ["next", "complaints"])
def test_visibility_of_what_somebody_of_another_team_has(
    path: str, agent: Caller, join: Join, senior: Caller, *, database: Database, team: UUID
) -> None:
    """Theirs by assignment, in a queue that is not theirs."""
    outsider = join(team_ids=[make_team(database, "Elsewhere")])
    complaint = arrive(agent, team)
    assign(senior, complaint, assignee_id=outsider.id)
    assert outsider.get(at(complaint)).status_code == 200
    answer = outsider.post(f"/queues/{team}/next") if path == "next" else outsider.get(f"/queues/{team}/complaints")
    assert answer.status_code == 404
