"""Transfers and closing of budgets.

How they can fail: money is made or lost between two budgets, or goes below zero; two transfers at once wait for each other;
an amount is taken twice by a repeat; a closed budget goes on paying, or keeps what comes back into it; an offer on its way loses
its money when its budget is closed.
"""

from collections import Counter
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Engine

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import budget_closing
from helpdesk.recovery.jobs import fail_abandoned
from helpdesk.wiring import Program
from tests.conftest import Caller, Join, complaint_body
from tests.racing import at_once, while_it_waits
from tests.recovery.answers import NO_ID, codes, refused
from tests.recovery.budgeting import SETTLE, close, deciding, kinds, sums, transfer, transferring
from tests.recovery.helpers import (
    accepted,
    act,
    another,
    draft,
    eur,
    execute,
    offered,
    open_budget,
    perform,
    scalar,
    violations,
    voucher,
)


class TestTransfer:
    BODY: ClassVar = {"to_budget_id": str(NO_ID), "amount": eur("1.00"), "reason": "x"}

    def test_anonymous(self, anonymous: Caller) -> None:
        assert anonymous.pay(f"/budgets/{NO_ID}/transfers", self.BODY).status_code == 401

    def test_wrong_role(self, senior: Caller, budget: str) -> None:
        assert senior.pay(f"/budgets/{budget}/transfers", self.BODY).status_code == 403
        assert senior.pay(f"/budgets/{NO_ID}/transfers", self.BODY).status_code == 404

    def test_out_of_the_one_into_the_other(
        self, database: Database, manager: Caller, auditor: Caller, budget: str, second: str
    ) -> None:
        answer = transfer(manager, budget, second, "120.50")
        assert answer.status_code == 201
        assert answer.headers["Location"] == f"/api/v1/budgets/{budget}"
        assert sums(manager, budget) == {"allocated": "1000.00", "transferred": "-120.50", "available": "879.50"}
        assert sums(manager, second) == {"allocated": "50.00", "transferred": "120.50", "available": "170.50"}
        (out,) = manager.get(f"/budgets/{budget}/entries").json["items"][1:]
        (into,) = manager.get(f"/budgets/{second}/entries").json["items"][1:]
        assert (out["kind"], into["kind"], out["transfer_id"]) == ("transfer_out", "transfer_in", into["transfer_id"])
        assert (out["other_budget_id"], into["other_budget_id"]) == (second, budget)
        assert out["note"] == into["note"] == "They have more to make good."
        told = auditor.get("/audit-log?limit=1").json["items"][0]
        assert (told["type"], told["payload"]["to_changes"]) == (
            "budget.transferred",
            {"transferred_minor": [0, 12050]},
        )
        assert violations(database) == []

    def test_all_of_it_and_back(self, database: Database, manager: Caller, budget: str, second: str) -> None:
        assert transfer(manager, budget, second, "1000.00").status_code == 201
        assert transfer(manager, second, budget, "1050.00").status_code == 201
        assert sums(manager, second) == {"allocated": "50.00", "transferred": "-50.00"}
        assert violations(database) == []

    def test_repeated_is_once(self, manager: Caller, budget: str, second: str) -> None:
        etag = manager.get(f"/budgets/{budget}").headers["ETag"]
        for _ in range(2):
            assert transfer(manager, budget, second, "10.00", idempotency_key="once", if_match=etag).status_code == 201
        assert sums(manager, second)["transferred"] == "10.00"
        assert transfer(manager, budget, second, "10.00", if_match=etag).status_code == 412

    def test_what_it_asks_for(self, manager: Caller, budget: str, second: str) -> None:
        body = {"to_budget_id": second, "amount": eur("1.00"), "reason": "x"}
        assert manager.post(f"/budgets/{budget}/transfers", body, idempotency_key="k").status_code == 428
        assert refused(manager.post(f"/budgets/{budget}/transfers", body, if_match="*"))[0] == 400
        assert sorted(codes(manager.pay(f"/budgets/{budget}/transfers", {}))) == [
            ("/amount", "required"),
            ("/reason", "required"),
            ("/to_budget_id", "required"),
        ]
        for named in (None, 5, [second], "x" * 300, {"id": second}):
            answer = manager.pay(f"/budgets/{budget}/transfers", body | {"to_budget_id": named})
            assert [pointer for pointer, _ in codes(answer)] == ["/to_budget_id"], named
        for whole in (["x"], "x", 5):
            assert manager.pay(f"/budgets/{budget}/transfers", whole).status_code == 422
        assert manager.pay(f"/budgets/{budget}/transfers").status_code == 415

    def test_where_it_cannot_go(self, manager: Caller, budget: str, second: str) -> None:
        yen = open_budget(manager, "500", name="Yen", currency="JPY")
        assert codes(transfer(manager, budget, str(NO_ID), "1.00")) == [("/to_budget_id", "unknown")]
        assert codes(transfer(manager, budget, budget, "1.00")) == [("/to_budget_id", "same")]
        assert codes(transfer(manager, budget, yen, "1.00")) == [("/to_budget_id", "currency")]
        assert codes(transfer(manager, yen, budget, "1.00")) == [
            ("/amount/currency", "currency"),
            ("/to_budget_id", "currency"),
        ]
        assert close(manager, second).status_code == 200
        assert codes(transfer(manager, budget, second, "1.00")) == [("/to_budget_id", "closed")]
        assert refused(transfer(manager, second, budget, "1.00")) == (409, "budget_closed")

    def test_what_is_set_aside_stays(
        self, manager: Caller, agent: Caller, complaint: dict[str, Any], budget: str, second: str
    ) -> None:
        act(agent, draft(agent, complaint, voucher("40.00")), "submit")  # the second pays: it ends first
        answer = transfer(manager, second, budget, "10.01")
        assert (refused(answer), answer.json["available"]) == ((409, "transfer_too_large"), eur("10.00"))
        assert transfer(manager, second, budget, "10.00").status_code == 201

    def test_not_beyond_what_can_be_counted(self, manager: Caller, budget: str) -> None:
        most = "90071992547409.92"
        rich = open_budget(manager, most, name="Rich")
        assert codes(transfer(manager, budget, rich, "0.01")) == [("/amount/amount", "range")]
        assert codes(close(manager, budget, successor_id=rich)) == [("/successor_id", "range")]

    def test_both_ways_at_once(self, database: Database, manager: Caller, budget: str, second: str) -> None:
        ways = [(budget, second), (second, budget)] * 6
        answers = at_once(*(transferring(manager, *way, "5.00") for way in ways))
        assert set(answers) == {201}
        assert sums(manager, budget) == {"allocated": "1000.00", "available": "1000.00"}
        assert violations(database) == []

    def test_never_more_than_there_is_at_once(
        self, database: Database, manager: Caller, budget: str, second: str
    ) -> None:
        answers = at_once(*(transferring(manager, second, budget, "15.00") for _ in range(8)))
        assert sorted(answers) == [201] * 3 + [409] * 5
        assert sums(manager, second) == {"allocated": "50.00", "transferred": "-45.00", "available": "5.00"}
        assert violations(database) == []


class TestClose:
    def test_anonymous(self, anonymous: Caller) -> None:
        assert close(anonymous, str(NO_ID)).status_code == 401

    def test_wrong_role(self, senior: Caller, budget: str) -> None:
        assert close(senior, budget).status_code == 403
        assert close(senior, str(NO_ID)).status_code == 404

    def test_what_is_left_lapses(self, database: Database, manager: Caller, auditor: Caller, budget: str) -> None:
        answer = close(manager, budget)
        assert answer.status_code == 200
        assert (answer.json["closed_reason"], answer.json["closed_by"]) == ("End of the year.", str(manager.id))
        assert sums(manager, budget) == {"allocated": "1000.00", "lapsed": "1000.00"}
        assert kinds(manager, budget)[-1] == ("lapse", "1000.00")
        told = auditor.get("/audit-log?limit=1").json["items"][0]
        assert (told["type"], told["payload"]["left_minor"]) == ("budget.closed", 100_000)
        assert violations(database) == []

    def test_or_goes_to_the_successor(self, database: Database, manager: Caller, budget: str, second: str) -> None:
        assert close(manager, second, successor_id=budget).json["successor_id"] == budget
        assert sums(manager, second) == {"allocated": "50.00", "transferred": "-50.00"}
        assert sums(manager, budget)["transferred"] == "50.00"
        assert violations(database) == []

    def test_closed_is_closed(self, manager: Caller, budget: str, second: str) -> None:
        assert close(manager, budget, successor_id=second).status_code == 200
        answer = close(manager, budget)
        assert (refused(answer), answer.json["successor_id"]) == ((409, "budget_closed"), second)
        assert answer.json["closed_at"] == manager.get(f"/budgets/{budget}").json["closed_at"]
        money = {"amount": eur("1.00")}
        assert refused(manager.pay(f"/budgets/{budget}/allocations", money)) == (409, "budget_closed")
        assert refused(manager.patch(f"/budgets/{budget}", {"name": "New"}, if_match="*")) == (409, "budget_closed")
        assert [item["id"] for item in manager.get("/budgets?closed=true").json["items"]] == [budget]
        assert [item["id"] for item in manager.get("/budgets?on=2026-06-01").json["items"]] == [second]

    def test_what_does_not_fit(self, manager: Caller, budget: str) -> None:
        assert codes(manager.pay(f"/budgets/{budget}/actions/close", {})) == [("/reason", "required")]
        assert codes(close(manager, budget, carry_reservations=True)) == [("/carry_reservations", "invalid")]
        assert codes(close(manager, budget, successor_id=str(NO_ID))) == [("/successor_id", "unknown")]
        assert codes(close(manager, budget, successor_id=budget)) == [("/successor_id", "same")]
        body = {"reason": "x"}
        assert manager.post(f"/budgets/{budget}/actions/close", body, idempotency_key="k").status_code == 428

    def test_another_pays_from_then_on_or_none(
        self, agent: Caller, manager: Caller, complaint: dict[str, Any], team: UUID, budget: str
    ) -> None:
        own = open_budget(manager, team_id=str(team))
        assert act(agent, draft(agent, complaint), "submit")["budget_id"] == own
        assert close(manager, own).status_code == 200
        assert act(agent, draft(agent, complaint, voucher("5.00")), "submit")["budget_id"] == budget
        assert close(manager, budget).status_code == 200
        offer = draft(agent, complaint, voucher("6.00"))
        assert refused(agent.pay(f"/offers/{offer['id']}/actions/submit", {})) == (409, "no_budget")

    def test_open_reservations_are_settled_where_they_are(
        self, program: Program, agent: Caller, manager: Caller, complaint: dict[str, Any], budget: str
    ) -> None:
        kept, dropped = accepted(agent, complaint), offered(agent, complaint, voucher("20.00"))
        assert close(manager, budget).status_code == 200
        assert sums(manager, budget) == {"allocated": "1000.00", "lapsed": "950.00", "reserved": "50.00"}
        assert perform(program)["done"] == 1
        act(agent, dropped, "decline", said_by="phone")
        assert sums(manager, budget)["available"] == "20.00"
        assert violations(program.database) == []  # somebody owes it
        assert perform(program, SETTLE)["done"] == 1
        assert sums(manager, budget) == {"allocated": "1000.00", "lapsed": "970.00", "committed": "30.00"}
        act(manager, kept, "reverse", reason="The wrong one.")
        assert perform(program, SETTLE)["done"] == 1
        assert sums(manager, budget) == {"allocated": "1000.00", "lapsed": "1000.00"}
        assert violations(program.database) == []

    def test_what_comes_back_goes_to_the_last_of_the_successors(
        self, program: Program, manager: Caller, complaint: dict[str, Any], budget: str, second: str
    ) -> None:
        offer = offered(manager, complaint)  # out of the second
        third = open_budget(manager, "1.00", name="Third")
        assert close(manager, second, successor_id=budget).status_code == 200
        assert close(manager, budget, successor_id=third).status_code == 200
        act(manager, offer, "decline", said_by="phone")
        assert perform(program, SETTLE)["done"] == 1
        assert sums(manager, third) == {"allocated": "1.00", "transferred": "1050.00", "available": "1051.00"}
        assert violations(program.database) == []

    def test_or_are_carried_into_the_successor(
        self, program: Program, manager: Caller, complaint: dict[str, Any], budget: str, second: str
    ) -> None:
        kept, dropped = accepted(manager, complaint, voucher("15.00")), offered(manager, complaint, voucher("20.00"))
        assert close(manager, second, successor_id=budget, carry_reservations=True).json["carries"] is True
        assert [manager.get(f"/offers/{kept['id']}").json["budget_id"]] == [second]
        assert violations(program.database) == []
        assert perform(program, SETTLE)["done"] == 1
        assert sums(manager, second) == {"allocated": "50.00", "transferred": "-50.00"}
        assert sums(manager, budget) == {
            "allocated": "1000.00",
            "transferred": "50.00",
            "reserved": "35.00",
            "available": "1015.00",
        }
        carried = manager.get(f"/offers/{kept['id']}").json
        assert (carried["budget_id"], carried["version"] > kept["version"]) == (budget, True)
        told = manager.get(f"/complaints/{complaint['reference']}/timeline?limit=200").json["items"]
        assert [item["type"] for item in told].count("offer.carried") == 2
        assert violations(program.database) == []
        assert perform(program)["done"] == 1
        act(manager, dropped, "decline", said_by="phone")
        assert sums(manager, budget)["committed"] == "15.00"
        assert "reserved" not in sums(manager, budget)
        assert violations(program.database) == []

    def test_carrying_twice_is_carrying_once(
        self, program: Program, manager: Caller, complaint: dict[str, Any], budget: str, second: str
    ) -> None:
        offer = offered(manager, complaint)
        assert close(manager, second, successor_id=budget, carry_reservations=True).status_code == 200

        def carrying() -> bool:
            with program.database.unit_of_work(SYSTEM) as uow:
                return budget_closing.carry(uow, UUID(offer["id"]), UUID(second))

        assert sorted(at_once(carrying, carrying)) == [False, True]
        assert perform(program, SETTLE)["done"] == 1
        assert kinds(manager, second) == [
            ("allocate", "50.00"),
            ("reserve", "30.00"),
            ("transfer_out", "20.00"),
            ("carry_out", "30.00"),
        ]
        assert violations(program.database) == []

    def test_a_retry_takes_the_budget_of_today(
        self, program: Program, manager: Caller, complaint: dict[str, Any], budget: str, second: str
    ) -> None:
        offer = accepted(manager, complaint)
        execute(program.database, "UPDATE duty SET dead_at = now() WHERE topic = 'recovery.issue'")
        assert fail_abandoned(program.database) == 1
        assert close(manager, second).status_code == 200
        assert act(manager, offer, "retry")["budget_id"] == budget
        assert perform(program)["done"] == 1
        assert violations(program.database) == []

    def test_closed_while_an_approval_is_under_way(
        self, engine: Engine, agent: Caller, manager: Caller, complaint: dict[str, Any], budget: str
    ) -> None:
        """It saw room, and finds the budget closed when it comes to take the money."""
        offer = draft(agent, complaint)
        answer = while_it_waits(
            engine,
            f"SELECT FROM budget WHERE id = '{budget}' FOR UPDATE",
            lambda: agent.pay(f"/offers/{offer['id']}/actions/submit", {}),
            f"UPDATE budget SET closed_at = now(), closed_reason = 'x' WHERE id = '{budget}'",
        )
        assert refused(answer) == (409, "no_budget")
        assert agent.get(f"/offers/{offer['id']}").json["status"] == "drafted"

    def test_another_with_room_is_found_when_the_first_has_none_any_more(
        self, engine: Engine, agent: Caller, complaint: dict[str, Any], budget: str, second: str
    ) -> None:
        offer = draft(agent, complaint)
        answer = while_it_waits(
            engine,
            f"SELECT FROM budget WHERE id = '{second}' FOR UPDATE",
            lambda: agent.pay(f"/offers/{offer['id']}/actions/submit", {}),
            f"UPDATE budget SET reserved_minor = 4000 WHERE id = '{second}'",
        )
        assert (answer.status_code, answer.json["budget_id"]) == (200, budget)

    def test_closings_and_offers_at_once(
        self, program: Program, manager: Caller, complaint: dict[str, Any], budget: str, second: str
    ) -> None:
        ready = [draft(manager, complaint, voucher("1.00", allow_duplicate=True)) for _ in range(8)]
        given, closer = {"successor_id": budget, "carry_reservations": True}, another(manager)
        answers = at_once(
            lambda: (close(closer, second, **given).status_code, None),
            *(deciding(manager, offer, "submit") for offer in ready),
        )
        assert set(answers) == {(200, None)}
        perform(program, SETTLE)
        assert sums(manager, second) == {"allocated": "50.00", "transferred": "-50.00"}
        assert sums(manager, budget)["reserved"] == "8.00"
        assert violations(program.database) == []


class TestManyAtOnce:
    def test_a_hundred_approvals_for_thirty_seven(
        self, program: Program, join: Join, agent: Caller, manager: Caller, team: UUID
    ) -> None:
        """Through the API, ten directors with ten windows each; nobody waits for another but for the money."""
        budget_id = open_budget(manager, "2279.99")  # 37 times 60.00, and a cent less than 38 times
        waiting = []
        for _ in range(100):
            complaint = agent.post("/complaints", complaint_body(team_id=str(team), complainant={"name": "Li"})).json
            waiting.append(act(agent, draft(agent, complaint, voucher("60.00")), "submit"))
        assert {offer["status"] for offer in waiting} == {"pending_approval"}
        directors = [join("director") for _ in range(10)]
        answers = at_once(*(deciding(directors[place % 10], offer, "approve") for place, offer in enumerate(waiting)))
        assert Counter(answers) == {(200, None): 37, (409, "budget_exhausted"): 63}
        assert sums(manager, budget_id) == {"allocated": "2279.99", "reserved": "2220.00", "available": "59.99"}
        assert scalar(program.database, "SELECT count(*) FROM budget_entry WHERE kind = 'reserve'") == 37
        assert scalar(program.database, "SELECT count(*) FROM offer WHERE status = 'approved'") == 37
        assert violations(program.database) == []
