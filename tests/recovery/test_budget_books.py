"""Transfers, closing, alerts and the forecast of budgets.

How they can fail: money is made or lost between two budgets, or goes below zero; two transfers at once wait for each other;
an amount is taken twice by a repeat; a closed budget goes on paying, or keeps what comes back into it; an offer on its way loses
its money when its budget is closed; an alert is lost, or told twice by two at once, or never again; a forecast divides by
nothing, or runs out of the calendar.
"""

from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, ClassVar
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import budget_closing
from helpdesk.recovery.budget_arithmetic import standing
from helpdesk.recovery.forecast import Forecast, Purse, forecast, window
from helpdesk.recovery.jobs import fail_abandoned
from helpdesk.wiring import Program
from tests.conftest import Caller, Join, complaint_body
from tests.racing import at_once, while_it_waits
from tests.recovery.answers import NO_ID, codes, refused
from tests.recovery.helpers import (
    WHY,
    accepted,
    act,
    another,
    draft,
    eur,
    execute,
    found_by,
    issued,
    offered,
    open_budget,
    perform,
    scalar,
    violations,
    voucher,
)

SETTLE = "recovery.settle_closed_budget"
TELL = "recovery.tell_budget_alert"


def sums(caller: Caller, budget_id: str) -> dict[str, str]:
    names = ("allocated", "transferred", "lapsed", "reserved", "committed", "available")
    found = caller.get(f"/budgets/{budget_id}").json
    return {name: found[name]["amount"] for name in names if found[name]["amount"] != "0.00"}


def kinds(caller: Caller, budget_id: str) -> list[tuple[str, str]]:
    return [
        (entry["kind"], entry["amount"]["amount"])
        for entry in caller.get(f"/budgets/{budget_id}/entries").json["items"]
    ]


def transfer(caller: Caller, source: str, target: str, amount: str, **headers: str) -> Any:
    body = {"to_budget_id": target, "amount": eur(amount), "reason": "They have more to make good."}
    return caller.pay(f"/budgets/{source}/transfers", body, **headers)


def close(caller: Caller, budget_id: str, **more: Any) -> Any:
    return caller.pay(f"/budgets/{budget_id}/actions/close", {"reason": "End of the year."} | more)


def transferring(caller: Caller, source: str, target: str, amount: str) -> Callable[[], int]:
    """For another thread."""
    who = another(caller)
    return lambda: int(transfer(who, source, target, amount).status_code)


def deciding(caller: Caller, offer: dict[str, Any], action: str) -> Callable[[], tuple[int, str | None]]:
    """For another thread: the status and, where it was refused, the code."""
    who = another(caller)

    def decide() -> tuple[int, str | None]:
        answer = who.pay(f"/offers/{offer['id']}/actions/{action}", WHY if action == "approve" else {})
        return answer.status_code, answer.json.get("code")

    return decide


@pytest.fixture
def second(manager: Caller, budget: str) -> str:
    return open_budget(manager, "50.00", name="Second", ends_on="2999-12-30")


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


def alerts(caller: Caller, budget_id: str) -> list[tuple[int, bool]]:
    """Percent, and whether it still stands; oldest first."""
    items = caller.get(f"/budgets/{budget_id}/alerts").json["items"]
    return [(item["percent"], item["fell_at"] is None) for item in reversed(items)]


class TestAlerts:
    def test_anonymous(self, anonymous: Caller) -> None:
        assert anonymous.get(f"/budgets/{NO_ID}/alerts").status_code == 401
        assert anonymous.patch(f"/budgets/{NO_ID}", {}, if_match="*").status_code == 401

    def test_wrong_role(self, agent: Caller, senior: Caller, budget: str) -> None:
        assert agent.get(f"/budgets/{budget}/alerts").status_code == 403
        assert senior.patch(f"/budgets/{budget}", {}, if_match="*").status_code == 403

    def test_told_once_to_those_who_manage_budgets(
        self, program: Program, agent: Caller, manager: Caller, senior: Caller, complaint: dict[str, Any]
    ) -> None:
        budget_id = open_budget(manager, "50.00")
        act(agent, draft(agent, complaint, voucher("39.99")), "submit")
        assert alerts(manager, budget_id) == []
        act(agent, draft(agent, complaint, voucher("0.01")), "submit")
        act(agent, draft(agent, complaint, voucher("0.02")), "submit")
        assert alerts(manager, budget_id) == [(80, True)]
        assert manager.get(f"/budgets/{budget_id}").json["alerted"] == [80]
        assert perform(program, TELL) == {"done": 1, "skipped": 0, "failed": 0}
        (told,) = manager.get("/notifications?kind=budget_alert").json["items"]
        assert (told["complaint_id"], told["reference"], told["detail"]["budget_id"]) == (None, None, budget_id)
        assert told["detail"]["text"] == "80 % of the budget Goodwill are used: 40.00 EUR of 50.00 EUR."
        assert manager.get("/notifications/unread").json["unread"] == 1
        read = manager.post(f"/notifications/{told['id']}/read")
        assert (read.status_code, read.json["read_at"] is not None) == (200, True)
        assert senior.get("/notifications").json["items"] == []
        events = [item for item in manager.get("/events?limit=500").json["items"] if item["type"] == "budget.alerted"]
        assert [item["payload"]["percent"] for item in events] == [80]
        assert violations(program.database) == []

    def test_again_only_after_it_fell_below(
        self, program: Program, agent: Caller, manager: Caller, complaint: dict[str, Any]
    ) -> None:
        budget_id = open_budget(manager, "50.00")
        offer = act(agent, draft(agent, complaint, voucher("50.00")), "submit")
        assert alerts(manager, budget_id) == [(80, True), (100, True)]
        manager.pay(f"/budgets/{budget_id}/allocations", {"amount": eur("10.00")})
        assert alerts(manager, budget_id) == [(80, True), (100, False)]
        act(manager, offer, "revoke", reason="x")
        assert alerts(manager, budget_id) == [(80, False), (100, False)]
        act(agent, draft(agent, complaint, voucher("48.00")), "submit")
        assert alerts(manager, budget_id) == [(80, False), (100, False), (80, True)]
        assert perform(program, TELL)["done"] == 3  # each had been reached
        assert violations(program.database) == []

    def test_a_transfer_moves_both(
        self, agent: Caller, manager: Caller, complaint: dict[str, Any], budget: str, second: str
    ) -> None:
        act(agent, draft(agent, complaint, voucher("30.00")), "submit")
        transfer(manager, second, budget, "20.00")
        assert manager.get(f"/budgets/{second}").json["alerted"] == [80, 100]
        transfer(manager, budget, second, "500.00")
        assert manager.get(f"/budgets/{second}").json["alerted"] == []
        assert alerts(manager, second) == [(80, False), (100, False)]

    def test_thresholds_are_data(self, database: Database, manager: Caller, auditor: Caller, agent: Caller,
                                 complaint: dict[str, Any]) -> None:  # fmt: skip
        budget_id = open_budget(manager, "50.00", alert_percents=[90, 10])
        path = f"/budgets/{budget_id}"
        assert manager.get(path).json["alert_percents"] == [10, 90]
        act(agent, draft(agent, complaint, voucher("30.00")), "submit")
        assert alerts(manager, budget_id) == [(10, True)]
        changed = manager.patch(path, {"alert_percents": [60, 50], "name": "Renamed"}, if_match="*")
        assert (changed.json["alert_percents"], changed.json["name"]) == ([50, 60], "Renamed")
        assert alerts(manager, budget_id) == [(10, False), (50, True), (60, True)]
        told = auditor.get("/audit-log?limit=1").json["items"][0]["payload"]["changes"]
        assert told == {"alert_percents": [[10, 90], [50, 60]], "name": ["Goodwill", "Renamed"]}
        version = changed.json["version"]
        assert manager.patch(path, {"name": "Renamed"}, if_match="*").json["version"] == version
        assert manager.patch(path, {"alert_percents": []}, if_match="*").json["alerted"] == []
        assert violations(database) == []

    @pytest.mark.parametrize("percents", [[0], [101], [50, 50], [True], ["80"], [1.5], list(range(1, 12)), 80, None])
    def test_thresholds_that_are_none(self, manager: Caller, budget: str, percents: Any) -> None:
        answer = manager.patch(f"/budgets/{budget}", {"alert_percents": percents}, if_match="*")
        assert {pointer.split("/")[1] for pointer, _ in codes(answer)} == {"alert_percents"}

    def test_a_name_that_is_taken(self, manager: Caller, budget: str) -> None:
        same = open_budget(manager, name="Another")
        answer = manager.patch(f"/budgets/{same}", {"name": "Goodwill"}, if_match="*")
        assert (refused(answer), answer.json["budget_id"]) == ((409, "budget_exists"), budget)
        assert manager.patch(f"/budgets/{same}", {"name": "X"}).status_code == 428

    def test_once_though_many_pass_it_at_once(
        self, program: Program, agent: Caller, manager: Caller, complaint: dict[str, Any]
    ) -> None:
        budget_id = open_budget(manager, "10.00")
        ready = [draft(agent, complaint, voucher("1.00", allow_duplicate=True)) for _ in range(10)]
        answers = at_once(*(deciding(agent, offer, "submit") for offer in ready))
        assert set(answers) == {(200, None)}
        assert alerts(manager, budget_id) == [(80, True), (100, True)]
        duties = perform(program, TELL)
        assert duties["done"] == 2
        assert violations(program.database) == []

    def test_telling_twice_is_telling_once(
        self, program: Program, agent: Caller, manager: Caller, complaint: dict[str, Any]
    ) -> None:
        open_budget(manager, "30.00")
        act(agent, draft(agent, complaint), "submit")
        perform(program, TELL)
        execute(program.database, f"UPDATE duty SET done_at = NULL WHERE topic = '{TELL}'")
        perform(program, TELL)
        assert len(manager.get("/notifications?kind=budget_alert").json["items"]) == 2  # of 80 and of 100 percent

    def test_by_mail_where_that_is_wished(
        self, program: Program, agent: Caller, manager: Caller, complaint: dict[str, Any]
    ) -> None:
        wish = {"mail": ["budget_alert"], "muted": []}
        assert manager.put("/notifications/preferences", wish, if_match="*").status_code == 200
        open_budget(manager, "31.00", alert_percents=[95])
        act(agent, draft(agent, complaint), "submit")
        perform(program, TELL)
        assert perform(program, "notification.mail")["done"] == 1
        body = scalar(program.database, "SELECT body FROM outbound_mail WHERE subject = 'Budget alert'")
        assert "95 % of the budget Goodwill are used: 30.00 EUR of 31.00 EUR." in body

    def test_who_may_no_longer_see_budgets_is_shown_none(
        self, program: Program, agent: Caller, manager: Caller, complaint: dict[str, Any]
    ) -> None:
        open_budget(manager, "30.00", alert_percents=[100])
        act(agent, draft(agent, complaint), "submit")
        perform(program, TELL)
        execute(program.database, "UPDATE agent SET role = 'agent' WHERE id = :id", id=manager.id)
        assert manager.get("/notifications").json["items"] == []
        assert manager.get("/notifications/unread").json["unread"] == 0

    @pytest.mark.parametrize(
        ("percents", "used", "funds", "expected"),
        [
            ([80, 100], 0, 0, []),
            ([80, 100], 79_99, 100_00, []),
            ([100, 80], 80_00, 100_00, [80]),
            ([80, 100], 100_00, 100_00, [80, 100]),
            ([1], 2**53, 2**53, [1]),
            ([33], 1, 3, [33]),
            ([34], 1, 3, []),
            ([], 5, 5, []),
        ],
    )
    def test_which_stand(self, percents: list[int], used: int, funds: int, expected: list[int]) -> None:
        assert standing(percents, used, funds) == expected


def purse(**more: Any) -> Purse:
    given = {
        "begins_on": date(2026, 1, 1),
        "ends_on": date(2026, 12, 31),
        "closed_on": None,
        "committed": 0,
        "remaining": 100_00,
    }
    return Purse(**(given | more))


TODAY = date(2026, 3, 10)


class TestForecast:
    def test_anonymous(self, anonymous: Caller) -> None:
        assert anonymous.get(f"/budgets/{NO_ID}/forecast").status_code == 401

    def test_wrong_role(self, agent: Caller, senior: Caller, budget: str) -> None:
        assert agent.get(f"/budgets/{budget}/forecast").status_code == 403
        assert senior.get(f"/budgets/{NO_ID}/forecast").status_code == 404
        assert senior.get(f"/budgets/{budget}/forecast").status_code == 200
        assert codes(senior.get(f"/budgets/{budget}/forecast?days=0")) == [("days", "range")]
        assert codes(senior.get(f"/budgets/{budget}/forecast?days=367")) == [("days", "range")]

    def test_no_data_is_null(self, manager: Caller, budget: str) -> None:
        found = manager.get(f"/budgets/{budget}/forecast").json
        unknown = {name: found[name] for name in ("rate_per_day", "exhausted_on", "lasts", "projected_total")}
        assert set(unknown.values()) == {None}
        assert found["rests_on"] == {"days": 1, "entries": 0}

    def test_from_the_ledger(
        self, program: Program, agent: Caller, manager: Caller, complaint: dict[str, Any], budget: str
    ) -> None:
        kept, undone = issued(program, manager, complaint), issued(program, manager, complaint, voucher("20.00"))
        offered(manager, complaint, voucher("7.00"))
        act(manager, undone, "reverse", reason="x")
        assert kept["status"] == "issued"
        found = manager.get(f"/budgets/{budget}/forecast?days=7").json
        assert found["rests_on"] == {"days": 1, "entries": 3}
        assert [item["spent"] for item in found["spent_by_day"]] == [eur("30.00")]
        assert (found["rate_per_day"], found["remaining"], found["committed"]) == (
            eur("30.00"),
            eur("970.00"),
            eur("30.00"),
        )
        today = date.fromisoformat(found["as_of"][:10])
        assert found["exhausted_on"] == (today + timedelta(days=33)).isoformat()  # 970 / 30, rounded up
        assert (found["lasts"], found["days_left"]) == (False, (date(2999, 12, 31) - today).days)

    @pytest.mark.parametrize(
        ("period", "day"),
        [
            ({"starts_on": "2999-01-01", "ends_on": "2999-12-31"}, 0),
            ({"starts_on": "0001-01-01", "ends_on": "0001-01-01"}, 0),
            ({"starts_on": "0001-01-01", "ends_on": "9999-12-31"}, 1),
        ],
    )
    def test_of_any_period(self, manager: Caller, period: dict[str, str], day: int) -> None:
        budget_id = open_budget(manager, **period)
        for days in (1, 366):
            found = manager.get(f"/budgets/{budget_id}/forecast?days={days}")
            assert (found.status_code, found.json["rests_on"]["days"]) == (200, day)

    def test_of_a_closed_one(
        self, program: Program, agent: Caller, manager: Caller, complaint: dict[str, Any], budget: str
    ) -> None:
        issued(program, agent, complaint)
        close(manager, budget)
        found = manager.get(f"/budgets/{budget}/forecast").json
        assert (found["projected_total"], found["days_left"], found["remaining"]) == (eur("30.00"), 0, eur("0.00"))

    def test_the_arithmetic(self) -> None:
        found = forecast(purse(committed=10_00), TODAY, 3, {TODAY: (1_00, 2), date(2026, 3, 8): (1_00, 1)})
        assert found == Forecast(
            spent=((date(2026, 3, 8), 1_00), (date(2026, 3, 9), 0), (TODAY, 1_00)),
            entries=3,
            days_left=296,
            rate=67,
            exhausted_on=date(2026, 8, 7),  # 100.00 at 2/3 a day: 150 days
            lasts=False,
            projected=10_00 + 197_33,
        )

    def test_it_lasts(self) -> None:
        found = forecast(purse(), TODAY, 10, {TODAY: (1, 1)})
        assert (found.exhausted_on, found.lasts, found.rate) == (None, True, 0)

    def test_more_came_back_than_was_spent(self) -> None:
        found = forecast(purse(committed=5), TODAY, 1, {TODAY: (-300, 2)})
        assert (found.rate, found.exhausted_on, found.lasts, found.projected) == (-300, None, True, 5)

    def test_nothing_remains(self) -> None:
        found = forecast(purse(remaining=0), TODAY, 1, {TODAY: (300, 2)})
        assert (found.exhausted_on, found.lasts) == (TODAY, False)

    def test_the_largest(self) -> None:
        found = forecast(purse(ends_on=date.max, committed=2**53), TODAY, 1, {TODAY: (2**53, 1)})
        assert found.exhausted_on == TODAY + timedelta(days=1)
        assert found.projected == 2**53 + 2**53 * (date.max - TODAY).days

    @pytest.mark.parametrize(
        ("more", "expected"),
        [
            ({}, (date(2026, 3, 4), TODAY)),
            ({"begins_on": date(2026, 3, 9)}, (date(2026, 3, 9), TODAY)),
            ({"ends_on": date(2026, 2, 1)}, (date(2026, 1, 26), date(2026, 2, 1))),
            ({"closed_on": date(2026, 2, 2)}, (date(2026, 1, 27), date(2026, 2, 2))),
            ({"begins_on": date(2027, 1, 1), "ends_on": date(2027, 2, 1)}, (date(2027, 1, 1), TODAY)),
            ({"begins_on": date.min, "ends_on": date.min}, (date.min, date.min)),
        ],
    )
    def test_the_window(self, more: dict[str, date], expected: tuple[date, date]) -> None:
        assert window(purse(**more), TODAY, 7) == expected


class TestVerification:
    """What a hand on the console has broken is named, with the budget and the offer."""

    @pytest.fixture
    def story(
        self, program: Program, manager: Caller, complaint: dict[str, Any], budget: str, second: str
    ) -> dict[str, str]:
        moved = offered(manager, complaint, voucher("10.00"))
        reserved = offered(manager, complaint, voucher("35.00"))
        transfer(manager, budget, second, "1.00")
        close(manager, second, successor_id=budget, carry_reservations=True)
        perform(program, SETTLE)
        spent = issued(program, manager, complaint, voucher("5.00"))
        perform(program, TELL)
        tight = open_budget(manager, "10.00", name="Tight", ends_on="2999-12-29")
        pending = offered(manager, complaint, voucher("9.00"))
        assert pending["budget_id"] == tight
        return {
            "budget": budget,
            "closed": second,
            "moved": moved["id"],
            "reserved": reserved["id"],
            "spent": spent["id"],
            "tight": tight,
        }

    def test_a_healthy_database(self, database: Database, story: dict[str, str]) -> None:
        assert violations(database) == []

    DAMAGE: tuple[tuple[str, str, str, str], ...] = (
        # statement, whose id goes in, the check that names it, the row that it names
        ("UPDATE budget SET allocated_minor = allocated_minor + 1 WHERE id = :id", "budget", "budget_sums", "budget"),
        ("UPDATE budget SET transferred_minor = 1 WHERE id = :id", "budget", "budget_sums", "budget"),
        ("UPDATE budget SET lapsed_minor = 1, transferred_minor = transferred_minor + 1 WHERE id = :id", "closed",
         "budget_sums", "closed"),
        ("UPDATE budget_entry SET amount_minor = amount_minor + 1 WHERE budget_id = :id AND kind = 'transfer_out'",
         "budget", "transfers_pair_up", "budget"),
        ("DELETE FROM budget_entry WHERE budget_id = :id AND kind = 'transfer_in'", "closed", "transfers_pair_up", "budget"),
        ("DELETE FROM budget_entry WHERE offer_id = :id AND kind = 'carry_out'", "moved", "transfers_pair_up", "budget"),
        (("UPDATE budget_entry SET other_budget_id = (SELECT id FROM budget WHERE name = 'Tight')"
         " WHERE offer_id = :id AND kind = 'carry_in'"), "moved", "transfers_pair_up", "budget"),
        ("UPDATE budget SET currency = 'USD' WHERE id = :id", "closed", "transfers_pair_up", "budget"),
        ("DELETE FROM budget_entry WHERE offer_id = :id AND kind = 'commit'", "spent", "offer_money", "spent"),
        ("DELETE FROM budget_entry WHERE offer_id = :id AND kind = 'reserve'", "reserved", "settled_once", "reserved"),
        ("UPDATE offer SET status = 'declined' WHERE id = :id", "reserved", "offer_money", "reserved"),
        ("UPDATE offer SET budget_id = (SELECT id FROM budget WHERE name = 'Tight') WHERE id = :id", "reserved",
         "offer_money", "reserved"),
        ("UPDATE offer SET currency = 'USD' WHERE id = :id", "reserved", "offer_money", "reserved"),
        ("UPDATE budget_entry SET kind = 'release' WHERE offer_id = :id AND kind = 'commit'", "spent", "offer_money", "spent"),
        ("UPDATE budget_entry SET round = 2 WHERE offer_id = :id AND kind = 'commit'", "spent", "settled_once", "spent"),
        ("UPDATE budget SET alerted = '{}' WHERE id = :id", "tight", "alerts_stand", "tight"),
        ("UPDATE budget SET alerted = '{100}' WHERE id = :id", "budget", "alerts_stand", "budget"),
        ("DELETE FROM budget_alert WHERE budget_id = :id", "tight", "alerts_stand", "tight"),
        ("UPDATE budget_alert SET fell_at = now() WHERE budget_id = :id", "tight", "alerts_stand", "tight"),
        ("DELETE FROM duty WHERE subject_id IN (SELECT id FROM budget_alert WHERE budget_id = :id)", "tight",
         "alerts_stand", "tight"),
        ("UPDATE budget SET closed_at = now(), closed_reason = 'x' WHERE id = :id", "budget", "closed_are_empty", "budget"),
    )  # fmt: skip

    def test_every_damage_is_named(self, database: Database, story: dict[str, str]) -> None:
        for statement, whose, check, named in self.DAMAGE:
            found = _broken_by(database, statement, story[whose])
            assert [line for line in found if line.startswith(f"budgets.{check}:") and story[named] in line], (
                statement,
                found,
            )

    def test_a_second_settlement_even_without_the_index(self, database: Database, story: dict[str, str]) -> None:
        found = _broken_by(
            database,
            "DROP INDEX uq_budget_entry_settle; INSERT INTO budget_entry (id, budget_id, kind, amount_minor, offer_id, round, at, "
            "actor_kind) SELECT gen_random_uuid(), budget_id, 'release', amount_minor, offer_id, round, at, actor_kind "
            f"FROM budget_entry WHERE offer_id = '{story['spent']}' AND kind = 'commit'",
            None,
        )
        assert [line for line in found if line.startswith("budgets.settled_once:") and story["spent"] in line]


def _broken_by(database: Database, statement: str, subject: str | None) -> list[str]:
    """What the audit finds after a hand on the console; nothing of it stays."""
    with database.engine.connect() as connection:
        for table in ("budget_entry", "offer_transition"):
            connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        if subject is None:
            connection.exec_driver_sql(statement)
        else:
            connection.execute(text(statement), {"id": subject})
        found = found_by(Session(connection))
        connection.rollback()
    return found


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
