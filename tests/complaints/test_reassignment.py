"""What becomes of an agent's open complaints when the agent leaves.

How it can fail: one is left behind, or given on twice; a worker dies half way; the one who is to have them has left too, may
not handle complaints, or is complained about; somebody is given a complaint at the very moment in which they leave; the
agent is back before it is done, or has left again with other instructions; a closed one loses who handled it, or comes back
to somebody who is gone; who may not assign complaints does it this way; an offer waits for somebody who is gone.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from helpdesk.complaints import reassignment, reassignment_jobs
from helpdesk.complaints.reassignment_jobs import collect_left_behind
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel import walking
from helpdesk.kernel.duties import Performer
from helpdesk.kernel.unit_of_work import Database
from helpdesk.verifying import violations
from helpdesk.wiring import HANDLERS, Program
from tests.complaints.steps import brought_to
from tests.conftest import Caller, Join, complaint_body, make_team
from tests.racing import at_once, behind_lock, until, waiting
from tests.recovery import helpers

_WORKER = """
import sys
from uuid import UUID
from helpdesk.kernel.settings import Settings
from helpdesk.wiring import assemble
assemble(Settings.from_environment()).performer.perform([UUID(sys.argv[1])])
"""


def new(caller: Caller, assignee: Caller | None = None, **more: Any) -> str:
    """A complaint's address; assigned."""
    path = f"/complaints/{caller.post('/complaints', complaint_body(**more)).json['reference']}"
    if assignee is not None:
        give(caller, path, assignee)
    return path


def give(caller: Caller, path: str, assignee: Caller) -> None:
    answer = caller.put(f"{path}/assignment", {"assignee_id": str(assignee.id)}, if_match="*")
    assert answer.status_code == 200, answer.text


def leave(admin: Caller, agent: Caller, **more: Any) -> Any:
    return admin.patch(f"/agents/{agent.id}", {"active": False} | more, if_match="*")


def owed(engine: Engine) -> list[UUID]:
    with engine.connect() as connection:
        statement = "SELECT id FROM duty WHERE topic = :topic AND done_at IS NULL ORDER BY number"
        return list(connection.execute(text(statement), {"topic": reassignment.TOPIC}).scalars())


def perform(program: Program, *duty_ids: UUID) -> None:
    Performer(program.database, HANDLERS, SYSTEM, program.tools).perform(duty_ids or owed(program.engine))


def assigned(admin: Caller, path: str) -> list[dict[str, Any]]:
    """Payloads of the entries that say who has it, oldest first."""
    items = admin.get(f"{path}/timeline?limit=200").json["items"]
    return [item["payload"] for item in items if item["type"] == "complaint.assigned"]


class TestAsking:
    def test_only_who_leaves(self, admin: Caller, agent: Caller) -> None:
        to = {"team_id": str(uuid4())}
        for body in ({"reassign_to": to}, {"reassign_to": None, "name": "x"}, {"active": True, "reassign_to": to}):
            answer = admin.patch(f"/agents/{agent.id}", body, if_match="*")
            assert answer.status_code == 422
            assert [item["code"] for item in answer.json["errors"]] == ["not_leaving"]

    def test_who_had_left_before_has_nothing_to_give(self, admin: Caller, agent: Caller, senior: Caller) -> None:
        assert admin.patch(f"/agents/{agent.id}", {"active": False}, if_match="*").status_code == 200
        body = {"active": False, "reassign_to": {"agent_id": str(senior.id)}}
        answer = admin.patch(f"/agents/{agent.id}", body, if_match="*")
        assert [item["code"] for item in answer.json["errors"]] == ["not_leaving"]
        assert admin.patch(f"/agents/{agent.id}", {"active": False}, if_match="*").status_code == 200

    @pytest.mark.parametrize(
        ("to", "pointer"),
        [
            ({"agent_id": str(uuid4())}, "/reassign_to/agent_id"),
            ({"team_id": str(uuid4())}, "/reassign_to/team_id"),
            ({}, "/reassign_to"),
            ({"team_id": str(uuid4()), "agent_id": str(uuid4())}, "/reassign_to"),
            ("somebody", "/reassign_to"),
            ({"agent_id": None}, "/reassign_to/agent_id"),
        ],
    )
    def test_bad(self, admin: Caller, agent: Caller, to: Any, pointer: str) -> None:
        answer = leave(admin, agent, reassign_to=to)
        assert answer.status_code == 422
        assert pointer in [item["pointer"] for item in answer.json["errors"]]
        assert agent.get("/me").status_code == 200

    def test_not_to_themselves_or_who_has_left(self, admin: Caller, agent: Caller, join: Join) -> None:
        gone = join()
        leave(admin, gone)
        for heir in (agent, gone):
            answer = leave(admin, agent, reassign_to={"agent_id": str(heir.id)})
            assert answer.json["errors"][0]["pointer"] == "/reassign_to/agent_id"

    def test_takes_the_right_to_assign_anything(self, admin: Caller, agent: Caller, join: Join) -> None:
        """Else it would be a way to see what one is not to see."""
        held = ["agent:read", "agent:manage", "role:manage", "complaint:read", "complaint:claim"]
        body = {"name": "clerk", "permissions": held, "scope": "teams"}
        assert admin.post("/roles", body).status_code == 201
        clerk = join("clerk")
        answer = leave(clerk, agent, reassign_to={"agent_id": str(clerk.id)})
        beyond = {"permissions": ["complaint:assign"], "scope": "everything"}
        assert (answer.status_code, answer.json["beyond"]) == (403, beyond)
        assert leave(clerk, agent).status_code == 200


class TestGivenOn:
    def test_to_the_queue(self, admin: Caller, agent: Caller, team: UUID, program: Program) -> None:
        ours, nobodys, theirs = new(admin, agent, team_id=str(team)), new(admin, agent), new(admin)
        assert leave(admin, agent).status_code == 200
        perform(program)
        for path, team_id in ((ours, str(team)), (nobodys, None)):
            shown = admin.get(path).json
            assert (shown["assignee_id"], shown["team_id"]) == (None, team_id)
            last = assigned(admin, path)[-1]
            assert (last["how"], last["changes"]["assignee_id"]) == ("reassigned", [str(agent.id), None])
            entry = admin.get(f"{path}/timeline?limit=200").json["items"][-1]
            assert (entry["actor_kind"], entry["payload"]["reason"]) == ("system", reassignment.LEFT)
        assert assigned(admin, theirs) == []
        assert list(violations(program.database)) == []

    def test_to_an_agent(self, admin: Caller, agent: Caller, join: Join, team: UUID, program: Program) -> None:
        heir, path = join(), new(admin, agent, team_id=str(team))
        leave(admin, agent, reassign_to={"agent_id": str(heir.id)})
        perform(program)
        shown = heir.get(path).json
        assert (shown["assignee_id"], shown["team_id"]) == (str(heir.id), str(team))
        act = admin.get("/audit-log?type=agent.changed").json["items"][0]["payload"]
        assert (act["changes"], act["reassign_to"]) == ({"active": [True, False]}, {"agent_id": str(heir.id)})

    def test_to_a_team(self, admin: Caller, agent: Caller, team: UUID, program: Program, database: Database) -> None:
        other, path = make_team(database, "Other"), new(admin, agent, team_id=str(team))
        leave(admin, agent, reassign_to={"team_id": str(other)})
        perform(program)
        shown = admin.get(path).json
        assert (shown["assignee_id"], shown["team_id"]) == (None, str(other))

    def test_nobody_named_it_is_routed_anew(
        self, admin: Caller, join: Join, program: Program, database: Database
    ) -> None:
        """As one that has just come in: to whoever the rules find, or to wait for them."""
        team = make_team(database, "Elsewhere")
        agent = join("agent", team_ids=[team])
        path = new(admin, agent, team_id=str(team))
        result = {"team_id": str(team), "strategy": "least_loaded"}
        assert admin.post("/routing/rules", {"name": "Everything", "result": result}).status_code == 201
        other = join("agent", team_ids=[team])
        leave(admin, agent)
        perform(program)
        perform(program)
        assert admin.get(path).json["assignee_id"] == str(other.id)
        assert [item["how"] for item in assigned(admin, path)] == ["assigned", "reassigned", "routed"]
        leave(admin, other)
        perform(program)
        shown = admin.get(path).json
        assert (shown["assignee_id"], shown["team_id"]) == (None, str(team))
        decided = admin.get(f"{path}/timeline?type=complaint.routed&limit=200").json["items"][-1]["payload"]
        assert (decided["cause"], decided["outcome"], decided["reason"]) == ("handler_gone", "queued", "nobody_ready")
        assert list(violations(program.database)) == []

    def test_a_team_that_was_named_keeps_it(
        self, admin: Caller, agent: Caller, team: UUID, program: Program, database: Database
    ) -> None:
        elsewhere = make_team(database, "Elsewhere")
        path = new(admin, agent, team_id=str(team))
        result = {"team_id": str(team), "strategy": "queue_only"}
        assert admin.post("/routing/rules", {"name": "Everything", "result": result}).status_code == 201
        leave(admin, agent, reassign_to={"team_id": str(elsewhere)})
        perform(program)
        assert admin.get(path).json["team_id"] == str(elsewhere)

    def test_whom_it_is_about_and_who_has_left_are_passed_over(
        self, admin: Caller, agent: Caller, join: Join, team: UUID, program: Program
    ) -> None:
        heir = join()
        about, plain = (new(admin, agent, team_id=str(team)) for _ in range(2))
        admin.post(f"{about}/subjects", {"agent_id": str(heir.id)})
        leave(admin, agent, reassign_to={"agent_id": str(heir.id)})
        perform(program)
        assert [admin.get(path).json["assignee_id"] for path in (about, plain)] == [None, str(heir.id)]
        second, third = join(), join()
        path = new(admin, second, team_id=str(team))
        leave(admin, second, reassign_to={"agent_id": str(third.id)})
        leave(admin, third)
        perform(program)
        assert admin.get(path).json["assignee_id"] is None

    def test_closed_ones_keep_who_handled_them(
        self, admin: Caller, agent: Caller, program: Program, database: Database
    ) -> None:
        """Until they are taken up again: then nobody has them."""
        path = f"/complaints/{brought_to(database, 'withdrawn')}"
        give(admin, path, agent)
        leave(admin, agent)
        perform(program)
        assert admin.get(path).json["assignee_id"] == str(agent.id)
        assert list(violations(database)) == []
        reopened = admin.post(f"{path}/actions/reopen", {"reason": "It was not settled."})
        assert (reopened.status_code, reopened.json["assignee_id"]) == (200, None)
        assert assigned(admin, path)[-1]["how"] == "reassigned"
        assert admin.get(f"{path}/timeline/verification").json["valid"]

    def test_reopened_for_who_is_there_it_stays_theirs(self, admin: Caller, agent: Caller, database: Database) -> None:
        path = f"/complaints/{brought_to(database, 'withdrawn')}"
        give(admin, path, agent)
        reopened = admin.post(f"{path}/actions/reopen", {"reason": "It was not settled."})
        assert reopened.json["assignee_id"] == str(agent.id)


class TestExactlyOnce:
    def test_killed_half_way_and_rung_again(
        self, admin: Caller, agent: Caller, program: Program, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The second run goes on where the first one died; more of them find nothing to do."""
        paths = [new(admin, agent) for _ in range(7)]
        leave(admin, agent)
        monkeypatch.setattr(walking, "BATCH", 3)
        (duty_id,) = owed(program.engine)
        real = reassignment.give_on
        seen: list[Any] = []

        def dying(*given: Any) -> bool:
            if len(seen) == 4:
                raise KeyboardInterrupt  # as if the process were gone
            seen.append(given)
            return real(*given)

        monkeypatch.setattr(reassignment, "give_on", dying)
        with pytest.raises(KeyboardInterrupt):
            reassignment_jobs.reassign(program.tools, duty_id, agent.id)
        monkeypatch.setattr(reassignment, "give_on", real)
        assert sorted(len(assigned(admin, path)) for path in paths) == [1, 1, 1, 2, 2, 2, 2]
        for _ in range(2):
            reassignment_jobs.reassign(program.tools, duty_id, agent.id)
        assert [len(assigned(admin, path)) for path in paths] == [2] * 7
        assert owed(program.engine) == []

    def test_a_worker_that_is_killed(self, admin: Caller, agent: Caller, program: Program) -> None:
        """A process of its own, in the middle of the fourth complaint, and kill -9."""
        paths = [new(admin, agent) for _ in range(6)]
        ids = sorted(str(admin.get(path).json["id"]) for path in paths)
        leave(admin, agent)
        with program.engine.connect() as holder, program.engine.connect() as watcher:
            holder.execute(text("SELECT 1 FROM complaint WHERE id = :id FOR UPDATE"), {"id": ids[3]})
            worker = subprocess.Popen(
                [sys.executable, "-c", _WORKER, str(owed(program.engine)[0])],
                env=os.environ | {"HELPDESK_DATABASE_URL": program.settings.database_url or ""},
            )
            until(lambda: waiting(watcher) > 0)
            worker.kill()
            worker.wait()
            holder.rollback()
        assert sorted(len(assigned(admin, path)) for path in paths) == [1, 1, 1, 2, 2, 2]

        def finished() -> bool:
            perform(program)  # goes past the duty until PostgreSQL has noticed that its worker is gone
            return not owed(program.engine)

        until(finished)
        assert [len(assigned(admin, path)) for path in paths] == [2] * 6
        assert list(violations(program.database)) == []

    def test_two_at_once(self, admin: Caller, agent: Caller, program: Program) -> None:
        """Whatever the fence says: the rows are the truth."""
        paths = [new(admin, agent) for _ in range(6)]
        leave(admin, agent)
        (duty_id,) = owed(program.engine)
        work = [lambda: reassignment_jobs.reassign(program.tools, duty_id, agent.id)] * 2
        at_once(*work, lambda: collect_left_behind(program.database))
        assert [len(assigned(admin, path)) for path in paths] == [2] * 6

    def test_given_to_somebody_meanwhile(self, admin: Caller, agent: Caller, join: Join, program: Program) -> None:
        other, path = join(), new(admin, agent)
        leave(admin, agent)
        give(admin, path, other)
        perform(program)
        assert admin.get(path).json["assignee_id"] == str(other.id)

    def test_back_before_it_is_done(self, admin: Caller, agent: Caller, program: Program) -> None:
        """Who is there keeps what they have."""
        path = new(admin, agent)
        leave(admin, agent)
        answer = admin.patch(f"/agents/{agent.id}", {"active": True}, if_match="*")
        assert (answer.status_code, answer.json["active"]) == (200, True)
        perform(program)
        assert admin.get(path).json["assignee_id"] == str(agent.id)
        assert owed(program.engine) == []

    def test_left_again_with_other_instructions(
        self, admin: Caller, agent: Caller, join: Join, program: Program
    ) -> None:
        first, second, path = join(), join(), new(admin, agent)
        leave(admin, agent, reassign_to={"agent_id": str(first.id)})
        admin.patch(f"/agents/{agent.id}", {"active": True}, if_match="*")
        leave(admin, agent, reassign_to={"agent_id": str(second.id)})
        perform(program)
        assert admin.get(path).json["assignee_id"] == str(second.id)
        assert len(assigned(admin, path)) == 2

    def test_leaving_twice_is_leaving_once(self, admin: Caller, agent: Caller, program: Program) -> None:
        assert [leave(admin, agent).status_code for _ in range(2)] == [200, 200]
        assert len(owed(program.engine)) == 1

    def test_the_sweep_collects_what_nobody_owes(
        self, admin: Caller, agent: Caller, join: Join, program: Program
    ) -> None:
        """A duty that was given up, or a system from before there were any. What is owed is left to the duty."""
        heir, path = join(), new(admin, agent)
        leave(admin, agent, reassign_to={"agent_id": str(heir.id)})
        assert collect_left_behind(program.database) == 0
        with program.engine.begin() as connection:
            connection.execute(
                text("UPDATE duty SET dead_at = now(), last_error = 'x' WHERE topic = :topic"),
                {"topic": reassignment.TOPIC},
            )
        assert [item.check for item in violations(program.database, ["complaints"])] == ["assignee"]
        assert [collect_left_behind(program.database) for _ in range(2)] == [1, 0]
        assert admin.get(path).json["assignee_id"] is None
        assert list(violations(program.database, ["complaints"])) == []


class TestAtTheSameMoment:
    """Nothing ends with somebody who has left."""

    @pytest.mark.parametrize("round_", range(3))
    def test_assigned_and_leaving(
        self, app: Flask, admin: Caller, agent: Caller, program: Program, round_: int
    ) -> None:
        paths = [new(admin) for _ in range(3)]
        body = {"assignee_id": str(agent.id)}

        def assign(path: str) -> Any:
            caller = Caller(app.test_client(), admin.actor, admin.token)
            return caller.put(f"{path}/assignment", body, if_match="*")

        calls: list[Callable[[], Any]] = [partial(assign, path) for path in paths]
        calls.insert(round_, partial(leave, admin, agent))
        answers = behind_lock(program.engine, "SELECT 1 FROM agent WHERE id = :id FOR UPDATE", *calls, id=agent.id)
        assert {answer.status_code for answer in answers} <= {200, 422}
        perform(program)
        assert {admin.get(path).json["assignee_id"] for path in paths} == {None}
        assert list(violations(program.database)) == []

    def test_claimed_and_leaving(self, app: Flask, admin: Caller, agent: Caller, program: Program) -> None:
        path = new(admin)
        claimed, left = at_once(lambda: agent.post(f"{path}/claim", {}), lambda: leave(admin, agent))
        assert left.status_code == 200
        assert claimed.status_code in {200, 401, 403}
        perform(program)
        assert admin.get(path).json["assignee_id"] is None

    def test_reopened_and_leaving(self, admin: Caller, agent: Caller, program: Program, database: Database) -> None:
        path = f"/complaints/{brought_to(database, 'withdrawn')}"
        give(admin, path, agent)
        other = Caller(admin.client.application.test_client(), admin.actor, admin.token)
        at_once(
            lambda: other.post(f"{path}/actions/reopen", {"reason": "Again."}),
            lambda: leave(admin, agent),
        )
        perform(program)
        assert admin.get(path).json["assignee_id"] is None
        assert list(violations(database)) == []


def test_out_at_once(admin: Caller, agent: Caller, anonymous: Caller) -> None:
    """Tokens for good, keys as long as nobody else answers for them."""
    token = agent.post("/tokens", {"name": "x"}).json
    leave(admin, agent)
    for secret in (agent.token, token["token"]):
        assert anonymous.get("/me", Authorization=f"Bearer {secret}").status_code == 401
    admin.patch(f"/agents/{agent.id}", {"active": True}, if_match="*")
    assert agent.get("/me").status_code == 401
    fresh = admin.post("/tokens", {"name": "back", "agent_id": str(agent.id)}).json["token"]
    assert anonymous.get("/me", Authorization=f"Bearer {fresh}").json["id"] == str(agent.id)
    assert len(admin.get("/audit-log?type=token.revoked").json["items"]) == 2


def test_an_offer_that_waits_for_who_has_left(
    admin: Caller, agent: Caller, manager: Caller, team: UUID, join: Join
) -> None:
    """It waits for nobody in particular: another with the authority approves it."""
    period = {"starts_on": "2000-01-01", "ends_on": "2999-12-31"}
    budget = admin.post("/budgets", {"name": "Goodwill", "currency": "EUR", **period}).json
    admin.pay(f"/budgets/{budget['id']}/allocations", {"amount": helpers.eur("50000.00")})
    path = new(agent, team_id=str(team))
    offer = agent.post(f"{path}/offers", helpers.voucher("500.00")).json
    above = agent.post(f"{path}/offers", helpers.voucher("20000.00")).json
    director = join("director")
    for item in (offer, above):
        assert agent.pay(f"/offers/{item['id']}/actions/submit", {}).json["status"] == "pending_approval"
    assert director.pay(f"/offers/{above['id']}/actions/approve", helpers.WHY).json["status"] == "pending_approval"
    for gone in (manager, director, agent):  # who could have approved it, who has signed it, who drafted it
        assert leave(admin, gone).status_code == 200
    second = join("director")
    for item in (offer, above):
        assert second.pay(f"/offers/{item['id']}/actions/approve", helpers.WHY).json["status"] == "approved"
