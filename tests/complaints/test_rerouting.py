"""Routing after intake: at an act, of what waits for somebody, and to whoever stands in.

How it can fail: a complaint that is sent to a team bounces back; one who comes back is given nothing; what waits for nobody is
looked at for ever; an import routes thousands in one transaction, or not at all; what is somebody's goes to another although
they are there, or to nobody, or round in a circle, while they are away.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from helpdesk.complaints import intake
from helpdesk.complaints.routing_jobs import route_waiting
from helpdesk.complaints.schemas import ComplaintIn
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.clock import rfc3339
from helpdesk.kernel.unit_of_work import Database
from helpdesk.schedule import SWEEPS
from helpdesk.verifying import violations
from helpdesk.wiring import Program
from tests.complaints.routes import NOW, decision, now, of, reasons, rule, to
from tests.complaints.work import arrive, assign, at, profile
from tests.conftest import Caller, Join, complaint_body, make_team


class TestLater:
    def test_asked_for(self, manager: Caller, agent: Caller, senior: Caller, team: UUID) -> None:
        complaint = arrive(agent, team)
        assert agent.post(at(complaint, "routing")).status_code == 403
        assert senior.post(at(complaint, "routing")).json["assignee_id"] is None
        rule(manager, condition=of("category", "is", "DEL"))
        routed = senior.post(at(complaint, "routing"))
        assert routed.json["assignee_id"] is not None
        assert senior.post(at(complaint, "routing")).status_code == 409
        closed = arrive(agent, team, issues=[{"category": "BIL"}])
        senior.post(at(closed, "actions/withdraw"), {"reason": "Found."})
        assert senior.post(at(closed, "routing")).status_code == 409

    def test_at_triage(self, manager: Caller, agent: Caller, team: UUID, database: Database, join: Join) -> None:
        billing = make_team(database, "Billing")
        ana = join(team_ids=[billing])
        rule(manager, condition=of("category", "is", "BIL"), result=to(billing))
        triage = {"impact": 3, "urgency": 2, "category": "BIL", "issue": "BIL.OVER", "track": "investigate"}
        free, taken = arrive(agent, team), arrive(agent, team)
        agent.post(at(taken, "claim"))
        for complaint in (free, taken):
            answer = agent.post(at(complaint, "actions/triage"), triage)
            assert answer.status_code == 200, answer.text
        assert now(manager, free) == (str(ana.id), str(billing))
        assert now(manager, taken) == (str(agent.id), str(team)), "who has it keeps it"
        assert decision(manager, free)["cause"] == "triaged"

    def test_sent_to_a_team_it_is_routed_there_and_does_not_bounce(
        self, manager: Caller, team: UUID, database: Database, join: Join
    ) -> None:
        billing = make_team(database, "Billing")
        ana = join(team_ids=[billing])
        rule(manager, name="all", result=to(team, strategy="queue_only"))
        complaint = arrive(manager, None)
        assert now(manager, complaint) == (None, str(team))
        assign(manager, complaint, team_id=billing)
        assert now(manager, complaint) == (None, str(billing)), "everybody's rules do not take it back"
        rule(manager, name="own", team_id=billing)
        assign(manager, complaint, team_id=team)
        assign(manager, complaint, team_id=billing)
        assert now(manager, complaint) == (str(ana.id), str(billing))
        assert decision(manager, complaint)["cause"] == "team_changed"

    def test_reopened(self, manager: Caller, admin: Caller, team: UUID, join: Join, agent: Caller) -> None:
        def close_and_reopen(complaint: dict[str, Any]) -> tuple[str | None, str | None]:
            manager.post(at(complaint, "actions/withdraw"), {"reason": "Found."})
            answer = manager.post(at(complaint, "actions/reopen"), {"reason": "Lost again."})
            assert answer.status_code == 200, answer.text
            return now(manager, complaint)

        ana = join()
        complaint = arrive(agent, team)
        assign(manager, complaint, assignee_id=ana.id)
        assert close_and_reopen(complaint) == (str(ana.id), str(team)), "who had it goes on"
        profile(admin, ana, capacity=0)
        assert close_and_reopen(complaint) == (None, str(team)), "they have no room, and no rule looks for another"
        assign(manager, complaint, assignee_id=ana.id, override=True, reason="Hers.")
        rule(manager, condition=of("reopened_count", "ge", 1), result={"strategy": "least_loaded"})
        found = close_and_reopen(complaint)
        assert found[0] not in {None, str(ana.id)}
        assert decision(manager, complaint)["cause"] == "reopened"

    def test_who_turns_out_to_be_complained_about(self, manager: Caller, team: UUID, agent: Caller, join: Join) -> None:
        rule(manager)
        complaint = arrive(manager, team)
        had = now(manager, complaint)[0]
        answer = manager.post(at(complaint, "subjects"), {"agent_id": had})
        assert answer.status_code == 201, answer.text
        has = now(manager, complaint)[0]
        assert has not in {None, had}
        assert reasons(decision(manager, complaint))[str(had)] == ["complaint_is_about_them"]


class TestWaiting:
    def test_the_most_urgent_first_when_somebody_comes_back(
        self, manager: Caller, agent: Caller, admin: Caller, database: Database, *, engine: Engine, join: Join
    ) -> None:
        team = make_team(database, "Second line")
        ana = join(team_ids=[team])
        profile(admin, ana, capacity=1)
        rule(manager, result=to(team))
        first = arrive(agent, None)
        mild = arrive(agent, None, impact=1, urgency=1)
        worst = arrive(agent, None, impact=5, urgency=4)
        assert now(manager, first)[0] == str(ana.id)
        assert route_waiting(database) == 0
        assert manager.get(f"/queues/{team}/complaints?unassigned=true").json["items"][0]["awaits_agent"] is True
        manager.post(at(first, "actions/withdraw"), {"reason": "Found."})
        assert route_waiting(database) == 1
        assert now(manager, worst)[0] == str(ana.id)
        assert decision(manager, worst)["cause"] == "agent_available"
        assert route_waiting(database) == 0
        profile(admin, ana, capacity=5)
        assert route_waiting(database) == 1
        assert now(manager, mild)[0] == str(ana.id)
        assert route_waiting(database) == 0
        assert list(violations(database, ["chain", "complaints", "clocks"])) == []

    def test_looking_in_vain_says_nothing_and_writes_nothing(
        self, manager: Caller, agent: Caller, database: Database, statements: Callable[[], Any], join: Join
    ) -> None:
        team = make_team(database, "Second line")
        ana = join(team_ids=[team])
        ana.post(f"/agents/{ana.id}/availability", {"availability": "away"})
        rule(manager, result=to(team))
        complaint = arrive(agent, None)
        version = manager.get(at(complaint)).json["version"]
        route_waiting(database)
        with statements() as seen:
            assert route_waiting(database) == 0
        assert all(statement.lstrip().startswith("SELECT") for statement in seen.seen)
        assert not any("FOR UPDATE" in statement for statement in seen.seen)
        assert len(manager.get(at(complaint, "routing")).json["items"]) == 1
        assert manager.get(at(complaint)).json["version"] == version

    def test_another_rule_is_asked_of_what_waits(
        self, manager: Caller, agent: Caller, database: Database, join: Join, team: UUID
    ) -> None:
        empty = make_team(database, "Empty")
        made = rule(manager, result=to(empty))
        complaint = arrive(agent, None)
        route_waiting(database)
        manager.patch(f"/routing/rules/{made['id']}", {"result": to(team, strategy="least_loaded")}, if_match="*")
        assert route_waiting(database) == 1
        assert now(manager, complaint)[1] == str(team)

    def test_one_somebody_is_at_work_on_waits_for_the_next_time(
        self, manager: Caller, agent: Caller, admin: Caller, engine: Engine, *, database: Database, team: UUID
    ) -> None:
        for one in (manager, agent, admin):
            one.post(f"/agents/{one.id}/availability", {"availability": "away"})
        rule(manager)
        complaint = arrive(agent, team)
        agent.post(f"/agents/{agent.id}/availability", {"availability": "available"})
        with engine.connect() as holder:
            holder.execute(text("SELECT id FROM complaint FOR UPDATE"))
            assert route_waiting(database) == 0
            holder.rollback()
        assert route_waiting(database) == 1
        assert now(manager, complaint)[0] == str(agent.id)

    def test_what_is_taken_or_closed_waits_no_more(
        self, manager: Caller, agent: Caller, senior: Caller, database: Database, *, team: UUID, engine: Engine
    ) -> None:
        for one in (manager, agent, senior):
            one.post(f"/agents/{one.id}/availability", {"availability": "away"})
        rule(manager)
        taken, closed = arrive(agent, team), arrive(agent, team)
        agent.post(at(taken, "claim"))
        agent.post(at(closed, "actions/withdraw"), {"reason": "Found."})
        with engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM complaint WHERE awaits_agent")).scalar_one() == 0
            due = SWEEPS["complaints.route_waiting"].due
            assert connection.execute(text(due or "")).scalar_one() is False

    def test_an_import_is_routed_only_when_asked_and_one_by_one(
        self, program: Program, database: Database, manager: Caller, agent: Caller, *, team: UUID, admin: Caller
    ) -> None:
        rule(manager, condition={"not": of("subject", "is", "Not mine")})
        many = [ComplaintIn().load(complaint_body(team_id=str(team), subject=name)) for name in ("a", "b", "Not mine")]
        with database.unit_of_work(SYSTEM) as uow:
            plain = intake.receive_many(uow, many)
            asked = intake.receive_many(uow, many, route_later=True)
        assert now(manager, {"reference": str(plain[0])}) == (None, str(team))
        assert SWEEPS["complaints.route_waiting"].work(program) == 2
        assert all(now(manager, {"reference": str(one)})[0] is not None for one in asked[:2])
        assert [now(manager, {"reference": str(one)})[0] for one in (*plain, asked[2])] == [None] * 4
        assert SWEEPS["complaints.route_waiting"].work(program) == 0


class TestSubstitutes:
    @staticmethod
    def away(caller: Caller, substitute: Caller | None) -> None:
        body: dict[str, Any] = {
            "starts_at": rfc3339(NOW - timedelta(days=1)),
            "ends_at": rfc3339(NOW + timedelta(days=6)),
            "substitute_id": None if substitute is None else str(substitute.id),
        }
        assert caller.post(f"/agents/{caller.id}/absences", body).status_code == 201

    @pytest.fixture
    def hers(self, agent: Caller, team: UUID) -> dict[str, Any]:
        """A complaint that `agent` has."""
        complaint = arrive(agent, team)
        assert agent.post(at(complaint, "claim")).status_code == 200
        return complaint

    @staticmethod
    def write(caller: Caller, complaint: dict[str, Any], kind: str = "inbound") -> None:
        assert caller.post(at(complaint, "messages"), {"kind": kind, "body": "Well?"}).status_code == 201

    def test_what_the_complainant_writes_goes_to_them(
        self, agent: Caller, senior: Caller, join: Join, hers: dict[str, Any], database: Database
    ) -> None:
        ben = join()
        self.away(agent, ben)
        self.write(senior, hers, "internal_note")
        assert now(senior, hers)[0] == str(agent.id)
        self.write(senior, hers)
        assert now(senior, hers)[0] == str(ben.id)
        assert senior.get(at(hers, "assignments")).json["items"][-1]["how"] == "substituted"
        assert {item["kind"] for item in ben.get("/notifications").json["items"]} == {"assigned", "inbound_message"}
        self.write(senior, hers)
        assert now(senior, hers)[0] == str(ben.id), "who is there keeps it"
        assert list(violations(database, ["chain", "complaints"])) == []

    def test_what_becomes_urgent(self, agent: Caller, senior: Caller, join: Join, hers: dict[str, Any]) -> None:
        ben = join()
        self.away(agent, ben)
        body = {"impact": 1, "urgency": 1, "category": "DEL", "issue": "DEL.LATE", "track": "investigate"}
        senior.post(at(hers, "actions/triage"), body)
        assert now(senior, hers)[0] == str(agent.id), "mild: it can wait"
        senior.post(at(hers, "actions/triage"), body | {"impact": 5, "urgency": 4})
        assert now(senior, hers)[0] == str(ben.id)

    def test_escalated(self, agent: Caller, senior: Caller, join: Join, hers: dict[str, Any]) -> None:
        ben = join()
        self.away(agent, ben)
        senior.post(at(hers, "actions/escalate"), {"reason": "A director wrote."})
        assert now(senior, hers)[0] == str(ben.id)

    def test_a_chain_and_a_circle(self, agent: Caller, senior: Caller, join: Join, hers: dict[str, Any]) -> None:
        ben, cleo = join(), join()
        self.away(agent, ben)
        self.away(ben, cleo)
        self.write(senior, hers)
        assert now(senior, hers)[0] == str(cleo.id)
        self.away(cleo, ben)
        self.write(senior, hers)
        assert now(senior, hers)[0] == str(cleo.id), "a circle: it stays, and nothing hangs"
        found = decision(senior, hers)
        assert (found["outcome"], found["cause"]) == ("kept", "handler_absent")

    def test_one_who_cannot_take_it(
        self, agent: Caller, senior: Caller, admin: Caller, join: Join, hers: dict[str, Any], *, manager: Caller
    ) -> None:
        ben, cleo = join(), join()
        self.away(agent, ben)
        profile(admin, ben, capacity=0)
        self.write(senior, hers)
        assert now(senior, hers)[0] == str(agent.id), "no rule finds another"
        found = decision(senior, hers)
        assert (found["outcome"], reasons(found)) == ("kept", {str(ben.id): ["at_capacity"]})
        for one in (senior, manager, admin):
            one.post(f"/agents/{one.id}/availability", {"availability": "away"})
        rule(manager, team_id=UUID(hers["team_id"]))
        self.write(senior, hers)
        assert now(senior, hers)[0] == str(cleo.id), "routed by the team's rules"

    def test_nobody_stands_in(self, agent: Caller, senior: Caller, hers: dict[str, Any]) -> None:
        self.away(agent, None)
        self.write(senior, hers)
        assert now(senior, hers)[0] == str(agent.id)

    def test_not_beside_the_time(self, agent: Caller, senior: Caller, join: Join, hers: dict[str, Any]) -> None:
        later = {
            "starts_at": rfc3339(NOW + timedelta(days=1)),
            "ends_at": rfc3339(NOW + timedelta(days=2)),
            "substitute_id": str(join().id),
        }
        agent.post(f"/agents/{agent.id}/absences", later)
        self.write(senior, hers)
        assert now(senior, hers)[0] == str(agent.id)
