"""The log of administrative acts.

How it can fail: an act is not in it, or without what was before; it holds a secret; who may not read it does, or reads it
through the event feed; an act that was changed, removed or put elsewhere goes unnoticed; two acts at once fork the chain,
or wait for each other; a long log cannot be verified; the list reads the whole event log.
"""

import ast
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.orm import Session

import helpdesk.identity
from helpdesk.identity import administration_queries
from helpdesk.identity.actors import SYSTEM
from helpdesk.identity.administration import record_administration
from helpdesk.identity.administration_models import ADMINISTRATION
from helpdesk.identity.administration_queries import list_acts
from helpdesk.identity.authentication import ensure_bootstrap_administrator
from helpdesk.identity.events import TeamCreated
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.pagination import Page
from helpdesk.kernel.unit_of_work import Database
from helpdesk.verifying import violations
from helpdesk.wiring import Program
from tests.conftest import Caller, Join
from tests.racing import at_once, behind_lock
from tests.tampering import past_the_trigger

ANA = {"email": "ana@example.com", "name": "Ana Souza", "role": "agent"}


def acts(reader: Caller, query: str = "") -> list[dict[str, Any]]:
    answer = reader.get(f"/audit-log?limit=200&{query}")
    assert answer.status_code == 200, answer.text
    return list(answer.json["items"])


def last(reader: Caller, kind: str) -> dict[str, Any]:
    return acts(reader, f"type={kind}")[0]


def explained(connection: Connection, ask: Callable[[], Any]) -> str:
    """The plan of the one statement that `ask` sends."""
    sent: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        sent.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    ask()
    event.remove(connection, "before_cursor_execute", note)
    ((statement, parameters),) = sent
    return "\n".join(connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars())


@pytest.fixture
def auditor(join: Join) -> Caller:
    return join("auditor")


class TestReading:
    def test_anonymous_and_wrong_role(self, anonymous: Caller, manager: Caller, agent: Caller) -> None:
        for path in ("/audit-log", "/audit-log/verification"):
            assert anonymous.get(path).status_code == 401
            for caller in (agent, manager):
                answer = caller.get(path)
                assert (answer.status_code, answer.json["permission"]) == (403, "audit:read")

    def test_newest_first_with_pages(self, admin: Caller, auditor: Caller) -> None:
        for number in range(5):
            assert admin.post("/teams", {"name": f"Team {number}"}).status_code == 201
        path = "/audit-log?type=team.created&limit=2"
        page = auditor.get(path).json
        seen = page["items"]
        while page["next_cursor"]:
            page = auditor.get(f"{path}&cursor={page['next_cursor']}").json
            seen += page["items"]
        assert [item["payload"]["name"] for item in seen] == [f"Team {number}" for number in (4, 3, 2, 1, 0)]
        assert auditor.get("/audit-log?type=team.created&count=true").json["total"] == 5

    def test_filters(self, admin: Caller, join: Join, auditor: Caller) -> None:
        other = join("admin")
        mine = UUID(admin.post("/teams", {"name": "Mine"}).json["id"])
        theirs = UUID(other.post("/teams", {"name": "Theirs"}).json["id"])
        assert [item["subject_id"] for item in acts(auditor, f"actor_id={admin.id}")] == [str(mine)]
        assert [item["actor_id"] for item in acts(auditor, f"subject_id={theirs}")] == [str(other.id)]
        assert acts(auditor, f"subject_id={theirs}&actor_id={admin.id}") == []
        newest, older = acts(auditor, "type=team.created")
        assert acts(auditor, f"type=team.created&occurred_from={newest['occurred_at']}") == [newest]
        assert acts(auditor, f"type=team.created&occurred_before={newest['occurred_at']}") == [older]
        assert auditor.get("/audit-log?role=admin").status_code == 422

    def test_the_feed_is_no_side_door(self, admin: Caller, manager: Caller) -> None:
        """Who reads the feed reads what is administrative only with the same permission as here."""
        admin.post("/teams", {"name": "Billing"})
        types = {"types": "team.created", "limit": "100"}
        query = "&".join(f"{name}={value}" for name, value in types.items())
        assert manager.get(f"/events?{query}").json["items"] == []
        assert [item["payload"]["name"] for item in admin.get(f"/events?{query}").json["items"]] == ["Billing"]

    def test_filters_are_served_by_indexes(self, engine: Engine) -> None:
        """Among many other events, with the statements that the list sends."""
        fill = """
            INSERT INTO event (id, stream_id, stream_seq, type, subject_id, occurred_at, actor_kind, digest, prev_hash, hash)
            SELECT gen_random_uuid(), CASE WHEN n % 4 = 0 THEN CAST('{log}' AS uuid)::uuid END, CASE WHEN n % 4 = 0 THEN n + 100 END,
                'type ' || n % 50, gen_random_uuid(), now() - n * interval '1 minute', 'agent', '', '', ''
            FROM generate_series(1, 20000) n
        """
        asked: dict[str, dict[str, Any]] = {
            "": {"occurred_before": datetime.now(UTC)},
            "_type": {"type": "type 8"},
            "_subject": {"subject_id": uuid4()},
            "_actor": {"actor_id": uuid4()},
        }
        with engine.connect() as connection, Session(connection) as session:
            connection.execute(text(fill.format(log=ADMINISTRATION)))
            connection.execute(text("ANALYZE event"))
            for name, given in asked.items():
                plan = explained(connection, partial(list_acts, session, Page.of(given, ""), given))
                assert f"ix_event_administration{name} " in plan, plan
                assert "Sort" not in plan, plan
            connection.rollback()


class TestWhatIsInIt:
    """Before and after of every field, and no secret."""

    def test_agents(self, admin: Caller, auditor: Caller, team: UUID) -> None:
        made = admin.post("/agents", ANA | {"team_ids": [str(team)]}).json
        created = last(auditor, "agent.created")
        assert (created["actor_id"], created["subject_id"]) == (str(admin.id), made["id"])
        assert created["payload"]["team_ids"] == [str(team)]
        change = {"name": "Ana", "role": "senior", "active": False, "team_ids": []}
        assert admin.patch(f"/agents/{made['id']}", change, if_match="*").status_code == 200
        assert last(auditor, "agent.changed")["payload"]["changes"] == {
            "name": ["Ana Souza", "Ana"],
            "role": ["agent", "senior"],
            "active": [True, False],
            "team_ids": [[str(team)], []],
        }

    def test_teams(self, admin: Caller, agent: Caller, auditor: Caller, team: UUID) -> None:
        before = sorted(admin.get(f"/teams/{team}").json["agent_ids"])
        admin.put(f"/teams/{team}/members", {"agent_ids": [str(agent.id)]}, if_match="*")
        assert last(auditor, "team.members_changed")["payload"]["changes"] == {"agent_ids": [before, [str(agent.id)]]}

    def test_tokens(self, agent: Caller, auditor: Caller) -> None:
        made = agent.post("/tokens", {"name": "report"}).json
        agent.post(f"/tokens/{made['id']}/revoke")
        created, revoked = last(auditor, "token.created"), last(auditor, "token.revoked")
        assert created["payload"]["expires_at"] == made["expires_at"]
        assert revoked["payload"]["changes"]["revoked_at"][0] is None
        assert made["token"] not in str(acts(auditor))

    def test_the_administrator_of_the_environment(self, database: Database, auditor: Caller) -> None:
        tokens = ["first-" + "x" * 32, "second-" + "x" * 32]
        for token in (tokens[0], tokens[1], tokens[0], tokens[0]):
            ensure_bootstrap_administrator(database, token)
        kinds = [item["type"] for item in reversed(acts(auditor)) if item["actor_kind"] == "system"]
        assert kinds[-6:-4] == ["agent.created", "token.created"]
        assert sorted(kinds[-4:-2]) == ["token.created", "token.revoked"]
        assert sorted(kinds[-2:]) == ["token.restored", "token.revoked"]
        assert not any(token in str(acts(auditor)) for token in tokens)

    def test_calendars_and_policies(self, admin: Caller, auditor: Caller) -> None:
        hours = {"mon": [["09:00", "17:00"]]}
        made = admin.post("/sla/calendars", {"name": "Office", "timezone": "UTC", "weekly_hours": hours}).json
        created = last(auditor, "sla.calendar_changed")["payload"]
        assert (created["version"], created["changes"]["name"]) == (1, [None, "Office"])
        longer = {"mon": [["09:00", "18:00"]]}
        body = {"timezone": "UTC", "weekly_hours": longer}
        assert admin.put(f"/sla/calendars/{made['id']}", body, if_match="*").status_code == 200
        assert last(auditor, "sla.calendar_changed")["payload"]["changes"] == {"weekly_hours": [hours, longer]}
        policy = admin.get("/sla/policies").json["items"][0]
        changed = {name: policy[name] for name in ("calendar_id", "targets")} | {"thresholds": [60]}
        assert admin.put(f"/sla/policies/{policy['id']}", changed, if_match="*").status_code == 200
        changes = last(auditor, "sla.policy_changed")["payload"]["changes"]
        assert changes == {"thresholds": [policy["thresholds"], [60]]}

    def test_budgets(self, manager: Caller, auditor: Caller) -> None:
        period = {"starts_on": "2026-01-01", "ends_on": "2026-12-31"}
        made = manager.post("/budgets", {"name": "Goodwill", "currency": "EUR", **period}).json
        assert last(auditor, "budget.opened")["subject_id"] == made["id"]
        for _ in range(2):
            money = {"amount": {"amount": "10.00", "currency": "EUR"}}
            assert manager.pay(f"/budgets/{made['id']}/allocations", money).status_code == 201
        assert last(auditor, "budget.allocated")["payload"]["changes"] == {"allocated_minor": [1000, 2000]}

    def test_what_fails_is_not_in_it(self, admin: Caller, auditor: Caller) -> None:
        before = acts(auditor)
        assert admin.post("/agents", ANA | {"team_ids": [str(uuid4())]}).status_code == 422
        assert admin.patch(f"/agents/{admin.id}", {"role": "agent"}, if_match="*").status_code == 409
        assert acts(auditor) == before


def change(where: str, what: str) -> str:
    return f"UPDATE event SET {what} WHERE stream_id = '{ADMINISTRATION}' AND stream_seq = {where}"


REMOVE = f"DELETE FROM event WHERE stream_id = '{ADMINISTRATION}' "


class TestChain:
    @pytest.fixture
    def count(self, admin: Caller, auditor: Caller) -> int:
        for number in range(4):
            admin.post("/teams", {"name": f"Team {number}"})
        return int(acts(auditor)[0]["sequence"])

    def test_holds(self, auditor: Caller, count: int, database: Database) -> None:
        report = auditor.get("/audit-log/verification").json
        assert report == {"valid": True, "events": count, "verified_to": count, "complete": True, "broken": []}
        assert list(violations(database, ["chain"])) == []

    @pytest.mark.parametrize(
        ("tampering", "named"),
        [
            (change("2", "payload = '{}'"), lambda _: 2),
            (change("2", "actor_id = gen_random_uuid()"), lambda _: 2),
            (change("2", "occurred_at = occurred_at - interval '1 day'"), lambda _: 2),
            (REMOVE + "AND stream_seq = 2", lambda _: 2),
            (REMOVE + "AND stream_seq > 3", lambda _: 4),
            (REMOVE, lambda _: 1),
            ("UPDATE administration_log SET event_count = event_count - 1", lambda count: count),
        ],
    )
    def test_tampering_is_found_and_named(
        self, auditor: Caller, count: int, program: Program, tampering: str, named: Callable[[int], int]
    ) -> None:
        past_the_trigger(program.engine, tampering)
        report = auditor.get("/audit-log/verification").json
        assert not report["valid"]
        assert named(count) in [item["sequence"] for item in report["broken"]]
        told = {item.subject for item in violations(program.database, ["chain"])}
        assert f"administration log, act {named(count)}" in told

    def test_two_that_change_places(self, auditor: Caller, count: int, engine: Engine) -> None:
        past_the_trigger(
            engine, change("2", "stream_seq = -2"), change("3", "stream_seq = 2"), change("-2", "stream_seq = 3")
        )
        assert {2, 3} <= {item["sequence"] for item in auditor.get("/audit-log/verification").json["broken"]}

    def test_in_several_calls(self, count: int, database: Database, engine: Engine, auditor: Caller) -> None:
        """Each goes on where the one before ended, and what is broken is told once."""

        def verified() -> list[dict[str, Any]]:
            parts, place, complete = [], 0, False
            with database.reader() as session:
                while not complete:
                    parts.append(administration_queries.verification(session, place, 2))
                    place, complete = parts[-1]["verified_to"], parts[-1]["complete"]
            return parts

        whole = verified()
        assert sum(part["events"] for part in whole) == count
        assert all(part["valid"] for part in whole)
        past_the_trigger(engine, change("2", "actor_kind = 'nobody'"))
        assert [broken.stream_seq for part in verified() for broken in part["broken"]] == [2]
        beyond = auditor.get(f"/audit-log/verification?after={count + 1}").json
        assert (beyond["valid"], beyond["complete"]) == (False, True)
        assert auditor.get(f"/audit-log/verification?after={count}").json["valid"]
        for wrong in ("-1", "x", str(2**31)):
            assert auditor.get(f"/audit-log/verification?after={wrong}").status_code == 422

    def test_many_at_once_make_one_chain(self, app: Flask, admin: Caller, auditor: Caller) -> None:
        callers = [Caller(app.test_client(), admin.actor, admin.token) for _ in range(6)]
        answers = at_once(
            *(lambda caller=caller, n=n: caller.post("/teams", {"name": f"T{n}"}) for n, caller in enumerate(callers))
        )
        assert [answer.status_code for answer in answers] == [201] * 6
        assert auditor.get("/audit-log/verification").json["valid"]
        assert len(acts(auditor, "type=team.created")) == 6

    def test_the_lock_is_the_last_one(self, admin: Caller, agent: Caller, engine: Engine, auditor: Caller) -> None:
        """One makes a token, which refers to the agent that the other is changing: with the chain locked at once, each
        would hold what the other waits for.
        """
        deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        with engine.connect() as connection:
            broken = connection.execute(text(deadlocks)).scalar_one()
        answers = behind_lock(
            engine,
            "SELECT 1 FROM administration_log FOR UPDATE",
            lambda: admin.patch(f"/agents/{agent.id}", {"name": "Ana"}, if_match="*"),
            lambda: agent.post("/tokens", {"name": "x"}),
        )
        assert [answer.status_code for answer in answers] == [200, 201]
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_stat_force_next_flush()"))
            assert connection.execute(text(deadlocks)).scalar_one() == broken
        assert auditor.get("/audit-log/verification").json["valid"]

    def test_several_in_one_transaction(self, database: Database, auditor: Caller) -> None:
        with database.unit_of_work(SYSTEM) as uow:
            for number in range(25):
                record_administration(uow, TeamCreated(team_id=new_id(), name=str(number)))
        names = [item["payload"]["name"] for item in reversed(acts(auditor, "type=team.created"))]
        assert names == [str(number) for number in range(25)]
        assert auditor.get("/audit-log/verification").json["valid"]


def test_nothing_administrative_is_recorded_elsewhere() -> None:
    """Of this domain everything is: an event beside the chain could be removed unnoticed."""
    wrong = [
        path.name
        for path in Path(helpdesk.identity.__file__).parent.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "record"
    ]
    assert wrong == []
