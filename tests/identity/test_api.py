"""Agents, teams, roles and tokens over HTTP.

How it can fail: somebody who may not manage agents does; nobody is left who can; two administrators take each other's
role at the same moment; a membership that was changed on one side is lost on the other; a secret is shown twice; one
sees or revokes another's tokens.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from helpdesk.identity.permissions import ROLES
from helpdesk.kernel.unit_of_work import Database
from tests.conftest import Caller, Join, make_team
from tests.racing import at_once, behind_lock

DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
ANA = {"email": "ana@example.com", "name": "Ana Souza", "role": "agent"}


def problems(answer: Any) -> dict[str, str]:
    """The code of each bad field, by its pointer."""
    assert answer.status_code == 422, answer.text
    return {item["pointer"]: item["code"] for item in answer.json["errors"]}


def events(engine: Engine, kind: str) -> list[Any]:
    with engine.connect() as connection:
        statement = text("SELECT payload FROM event WHERE type = :kind ORDER BY seq")
        return list(connection.execute(statement, {"kind": kind}).scalars())


class TestMeAndRoles:
    def test_anonymous(self, anonymous: Caller) -> None:
        for path in ("/me", "/roles", "/agents", "/teams", "/tokens"):
            assert anonymous.get(path).status_code == 401

    def test_roles(self, agent: Caller) -> None:
        items = agent.get("/roles").json["items"]
        assert {item["name"]: set(item["permissions"]) for item in items} == ROLES  # as they are shipped


class TestAgents:
    def test_anonymous_and_wrong_role(self, anonymous: Caller, manager: Caller, agent: Caller) -> None:
        for path in ("/agents", f"/agents/{agent.id}"):
            assert anonymous.get(path).status_code == 401
        assert anonymous.post("/agents", ANA).status_code == 401
        for caller in (manager, agent):
            answer = caller.post("/agents", ANA)
            assert (answer.status_code, answer.json["permission"]) == (403, "agent:manage")
            assert caller.patch(f"/agents/{agent.id}", {"role": "admin"}, if_match="*").status_code == 403

    def test_create(self, admin: Caller, team: UUID, engine: Engine) -> None:
        answer = admin.post("/agents", ANA | {"team_ids": [str(team), str(team)]})
        shown = answer.json
        assert answer.status_code == 201
        assert answer.headers["Location"] == f"/api/v1/agents/{shown['id']}"
        assert (shown["active"], shown["version"], shown["team_ids"]) == (True, 1, [str(team)])
        assert ANA.items() <= shown.items()
        assert admin.get(answer.headers["Location"]).json == shown
        assert events(engine, "agent.created")[-1]["email"] == "ana@example.com"

    def test_same_address(self, admin: Caller) -> None:
        admin.post("/agents", ANA)
        answer = admin.post("/agents", ANA | {"email": "ANA@Example.com"})
        assert (answer.status_code, answer.json["code"]) == (409, "email_taken")

    def test_same_address_at_once(self, app: Flask, admin: Caller, engine: Engine) -> None:
        callers = [Caller(app.test_client(), admin.actor, admin.token) for _ in range(4)]
        answers = at_once(*(lambda caller=caller: caller.post("/agents", ANA) for caller in callers))
        assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
        assert len([item for item in events(engine, "agent.created") if item["email"] == "ana@example.com"]) == 1

    @pytest.mark.parametrize(
        ("more", "pointer"),
        [
            ({"email": "ana"}, "/email"),
            ({"email": None}, "/email"),
            ({"name": "  "}, "/name"),
            ({"name": "x" * 201}, "/name"),
            ({"name": "a\x00"}, "/name"),
            ({"role": "owner"}, "/role"),
            ({"team_ids": [str(uuid4())]}, "/team_ids/0"),
            ({"team_ids": ["x"]}, "/team_ids/0"),
            ({"team_ids": "x"}, "/team_ids"),
            ({"team_ids": [str(UUID(int=0))] * 101}, "/team_ids"),
            ({"active": False}, "/active"),
        ],
    )
    def test_bad(self, admin: Caller, more: dict[str, Any], pointer: str) -> None:
        assert pointer in problems(admin.post("/agents", ANA | more))

    def test_change(self, admin: Caller, agent: Caller, engine: Engine) -> None:
        path = f"/agents/{agent.id}"
        assert admin.patch(path, {"name": "李娜"}).status_code == 428
        assert admin.patch(path, {"name": "李娜"}, if_match='"v9"').status_code == 412
        answer = admin.patch(path, {"name": "李娜", "role": "senior"}, if_match='"v1"')
        assert (answer.json["name"], answer.json["role"], answer.headers["ETag"][:4]) == ("李娜", "senior", '"v2-')
        assert events(engine, "agent.changed")[-1]["changes"]["role"] == ["agent", "senior"]
        assert admin.patch(path, {"name": "李娜"}, if_match='"v2"').json["version"] == 2
        assert admin.patch(f"/agents/{uuid4()}", {"name": "x"}, if_match="*").status_code == 404

    def test_list_and_filters(self, admin: Caller, join: Join) -> None:
        made = [join("agent"), join("senior"), join("agent")]
        admin.patch(f"/agents/{made[2].id}", {"active": False}, if_match="*")
        for query, wanted in {
            "role=agent": {made[0].id, made[2].id},
            "role=agent&active=true": {made[0].id},
            "active=false": {made[2].id},
        }.items():
            answer = admin.get(f"/agents?{query}&count=true").json
            assert {UUID(row["id"]) for row in answer["items"]} == wanted
            assert answer["total"] == len(wanted)
        assert admin.get("/agents?role=owner").json["items"] == []


class TestLastAdministrator:
    @pytest.mark.parametrize("change", [{"role": "manager"}, {"active": False}, {"active": False, "role": "admin"}])
    def test_cannot_leave(self, admin: Caller, change: dict[str, Any]) -> None:
        answer = admin.patch(f"/agents/{admin.id}", change, if_match="*")
        assert (answer.status_code, answer.json["code"]) == (409, "last_administrator")
        assert admin.get("/me").json["role"] == "admin"

    def test_may_change_otherwise(self, admin: Caller) -> None:
        assert admin.patch(f"/agents/{admin.id}", {"name": "x", "role": "admin"}, if_match="*").status_code == 200

    def test_one_that_left_does_not_count(self, admin: Caller, join: Join) -> None:
        other = join("admin")
        assert admin.patch(f"/agents/{other.id}", {"active": False}, if_match="*").status_code == 200
        assert admin.patch(f"/agents/{admin.id}", {"role": "agent"}, if_match="*").status_code == 409

    def test_may_leave_when_there_is_another(self, admin: Caller, join: Join) -> None:
        join("admin")
        assert admin.patch(f"/agents/{admin.id}", {"role": "agent"}, if_match="*").status_code == 200
        assert admin.post("/agents", ANA).status_code == 403

    def test_two_who_demote_each_other(self, join: Join, engine: Engine) -> None:
        """One of them is told that nobody would be left, or that they are no longer the one to say so."""
        first, second = join("admin"), join("admin")
        answers = behind_lock(
            engine,
            "SELECT 1 FROM agent WHERE role = 'admin' FOR UPDATE",
            lambda: first.patch(f"/agents/{second.id}", {"role": "agent"}, if_match="*"),
            lambda: second.patch(f"/agents/{first.id}", {"role": "agent"}, if_match="*"),
        )
        assert sorted(answer.status_code for answer in answers) in ([200, 403], [200, 409])
        with engine.connect() as connection:
            statement = text("SELECT count(*) FROM agent WHERE role = 'admin' AND active")
            assert connection.execute(statement).scalar_one() == 1

    def test_two_who_leave_at_once(self, join: Join, engine: Engine) -> None:
        callers = [join("admin"), join("admin")]
        answers = behind_lock(
            engine,
            "SELECT 1 FROM agent WHERE role = 'admin' FOR UPDATE",
            *(
                lambda caller=caller: caller.patch(f"/agents/{caller.id}", {"active": False}, if_match="*")
                for caller in callers
            ),
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409]


class TestTeams:
    def test_anonymous_and_wrong_role(self, anonymous: Caller, manager: Caller, team: UUID) -> None:
        assert anonymous.post("/teams", {"name": "x"}).status_code == 401
        assert anonymous.get(f"/teams/{team}").status_code == 401
        assert manager.post("/teams", {"name": "x"}).status_code == 403
        assert manager.put(f"/teams/{team}/members", {"agent_ids": []}, if_match="*").status_code == 403
        assert manager.get(f"/teams/{team}").status_code == 200

    def test_create(self, admin: Caller) -> None:
        answer = admin.post("/teams", {"name": " Billing "})
        assert (answer.status_code, answer.json["name"], answer.json["agent_ids"]) == (201, "Billing", [])
        assert admin.get(answer.headers["Location"]).json == answer.json
        for name in ("Billing", "BILLING"):
            again = admin.post("/teams", {"name": name})
            assert (again.status_code, again.json["code"]) == (409, "name_taken")

    def test_two_of_one_name_at_once(self, app: Flask, admin: Caller, engine: Engine) -> None:
        """Both have looked and found the name free; the database lets one in."""
        callers = [Caller(app.test_client(), admin.actor, admin.token) for _ in range(2)]
        answers = behind_lock(
            engine,
            "LOCK TABLE team IN SHARE MODE",
            *(
                lambda caller=caller, name=name: caller.post("/teams", {"name": name})
                for caller, name in zip(callers, ("Billing", "billing"), strict=True)
            ),
        )
        assert sorted(answer.status_code for answer in answers) == [201, 409]

    @pytest.mark.parametrize("name", ["", "\u200b\x00", None, "x" * 201, 5])
    def test_bad_name(self, admin: Caller, name: Any) -> None:
        assert "/name" in problems(admin.post("/teams", {"name": name}))

    def test_members(self, admin: Caller, join: Join, team: UUID) -> None:
        one, two = join(team_ids=[]), join(team_ids=[])
        path = f"/teams/{team}/members"
        version = admin.get(f"/teams/{team}").headers["ETag"]
        assert admin.put(path, {"agent_ids": []}).status_code == 428
        answer = admin.put(path, {"agent_ids": [str(one.id), str(two.id), str(one.id)]}, if_match=version)
        assert sorted(answer.json["agent_ids"]) == sorted([str(one.id), str(two.id)])
        assert one.get("/me").json["team_ids"] == [str(team)]
        assert admin.put(path, {"agent_ids": []}, if_match=version).status_code == 412
        assert admin.put(path, {"agent_ids": []}, if_match="*").json["agent_ids"] == []
        assert one.get("/me").json["team_ids"] == []

    def test_unknown_and_inactive_members(self, admin: Caller, join: Join, team: UUID) -> None:
        gone = join()
        admin.patch(f"/agents/{gone.id}", {"active": False}, if_match="*")
        body = {"agent_ids": [str(admin.id), str(uuid4()), str(gone.id)]}
        answer = admin.put(f"/teams/{team}/members", body, if_match="*")
        assert problems(answer) == {"/agent_ids/1": "unknown", "/agent_ids/2": "unknown"}

    def test_a_membership_is_a_change_of_both(self, admin: Caller, join: Join, database: Database) -> None:
        """Whoever looked at the team before an agent was put into it has an old version, and the other way round."""
        team_id, member = make_team(database, "Other"), join(team_ids=[])
        team, agent = f"/teams/{team_id}", f"/agents/{member.id}"
        seen = {path: admin.get(path).headers["ETag"] for path in (team, agent)}
        admin.patch(agent, {"team_ids": [str(team_id)]}, if_match=seen[agent])
        assert admin.get(team, if_none_match=seen[team]).json["agent_ids"] == [str(member.id)]
        assert admin.put(f"{team}/members", {"agent_ids": []}, if_match=seen[team]).status_code == 412
        seen = {path: admin.get(path).headers["ETag"] for path in (team, agent)}
        admin.put(f"{team}/members", {"agent_ids": []}, if_match=seen[team])
        assert admin.get(agent, if_none_match=seen[agent]).json["team_ids"] == []
        assert admin.patch(agent, {"team_ids": []}, if_match=seen[agent]).status_code == 412
        made = admin.post("/agents", ANA | {"team_ids": [str(team_id)]})
        assert made.status_code == 201
        assert admin.get(team).json["agent_ids"] == [made.json["id"]]

    def test_changed_from_both_sides_at_once(self, join: Join, engine: Engine, team: UUID) -> None:
        """One puts the team onto the agent, the other takes the agents out of the team: no two of them may wait for each
        other.
        """
        first, second, member = join("admin"), join("admin"), join()
        with engine.connect() as connection:
            broken = connection.execute(text(DEADLOCKS)).scalar_one()
        for _ in range(3):
            answers = behind_lock(
                engine,
                "SELECT 1 FROM team_member FOR UPDATE",
                lambda: first.patch(f"/agents/{member.id}", {"team_ids": []}, if_match="*"),
                lambda: second.put(f"/teams/{team}/members", {"agent_ids": []}, if_match="*"),
            )
            assert [answer.status_code for answer in answers] == [200, 200]
            assert first.put(f"/teams/{team}/members", {"agent_ids": [str(member.id)]}, if_match="*").status_code == 200
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_stat_force_next_flush()"))
            assert connection.execute(text(DEADLOCKS)).scalar_one() == broken

    def test_no_change_is_no_version(self, admin: Caller, agent: Caller, team: UUID, engine: Engine) -> None:
        etag = admin.get(f"/agents/{agent.id}").headers["ETag"]
        assert admin.patch(f"/agents/{agent.id}", {"team_ids": [str(team)]}, if_match=etag).headers["ETag"] == etag
        before = admin.get(f"/teams/{team}")
        again = admin.put(f"/teams/{team}/members", {"agent_ids": before.json["agent_ids"]}, if_match="*")
        assert again.headers["ETag"] == before.headers["ETag"]
        assert events(engine, "team.members_changed") == events(engine, "agent.changed") == []


class TestTokens:
    def test_anonymous(self, anonymous: Caller) -> None:
        assert anonymous.post("/tokens", {"name": "x"}).status_code == 401
        assert anonymous.post(f"/tokens/{uuid4()}/revoke").status_code == 401

    def test_for_oneself(self, agent: Caller, anonymous: Caller, engine: Engine) -> None:
        answer = agent.post("/tokens", {"name": "nightly report"})
        secret = answer.json["token"]
        assert answer.status_code == 201
        assert anonymous.get("/me", Authorization=f"Bearer {secret}").json["id"] == str(agent.id)
        listed = agent.get("/tokens")
        assert {row["name"] for row in listed.json["items"]} == {"test", "nightly report"}
        assert secret not in listed.text
        assert secret not in str(events(engine, "token.created"))

    def test_for_another(self, agent: Caller, admin: Caller, anonymous: Caller) -> None:
        body = {"name": "x", "agent_id": str(agent.id)}
        assert admin.post("/tokens", {"name": "x", "agent_id": str(uuid4())}).status_code == 422
        refused = agent.post("/tokens", {"name": "x", "agent_id": str(admin.id)})
        assert (refused.status_code, refused.json["permission"]) == (403, "token:manage")
        secret = admin.post("/tokens", body).json["token"]
        assert anonymous.get("/me", Authorization=f"Bearer {secret}").json["id"] == str(agent.id)

    def test_not_for_one_who_left(self, agent: Caller, admin: Caller) -> None:
        admin.patch(f"/agents/{agent.id}", {"active": False}, if_match="*")
        assert problems(admin.post("/tokens", {"name": "x", "agent_id": str(agent.id)})) == {"/agent_id": "unknown"}

    @pytest.mark.parametrize("days", [-1, 0, 367, 366_000])
    def test_bad_end(self, agent: Caller, days: int) -> None:
        end = datetime.now(UTC) + timedelta(days=days, seconds=-5)
        assert problems(agent.post("/tokens", {"name": "x", "expires_at": end.isoformat()})) == {"/expires_at": "range"}

    def test_its_end(self, agent: Caller) -> None:
        end = datetime.now(UTC) + timedelta(hours=1)
        assert (
            datetime.fromisoformat(
                agent.post("/tokens", {"name": "x", "expires_at": end.isoformat()}).json["expires_at"]
            )
            == end
        )

    def test_revoke(self, agent: Caller, anonymous: Caller, engine: Engine) -> None:
        made = agent.post("/tokens", {"name": "x"}).json
        first, second = (agent.post(f"/tokens/{made['id']}/revoke") for _ in range(2))
        assert first.json["revoked_at"] == second.json["revoked_at"] is not None
        assert "token" not in first.json
        assert anonymous.get("/me", Authorization=f"Bearer {made['token']}").status_code == 401
        assert len(events(engine, "token.revoked")) == 1

    def test_others_tokens_do_not_exist(self, agent: Caller, senior: Caller, admin: Caller) -> None:
        made = agent.post("/tokens", {"name": "secret purpose"}).json
        assert senior.post(f"/tokens/{made['id']}/revoke").status_code == 404
        assert "secret purpose" not in senior.get("/tokens").text
        assert "secret purpose" in admin.get("/tokens").text
        assert admin.post(f"/tokens/{made['id']}/revoke").status_code == 200
        assert agent.post(f"/tokens/{uuid4()}/revoke").status_code == 404

    def test_count_is_of_what_is_seen(self, agent: Caller, admin: Caller) -> None:
        assert agent.get("/tokens?count=true").json["total"] == 1
        assert admin.get("/tokens?count=true").json["total"] == 2
