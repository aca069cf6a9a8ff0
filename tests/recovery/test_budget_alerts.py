"""What is told of how much of a budget is used.

How it can fail: an alert is lost, or told twice by two at once, or never again; it is told to who may not read budgets.
"""

from typing import Any

import pytest

from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery.budget_arithmetic import standing
from helpdesk.wiring import Program
from tests.conftest import Caller
from tests.racing import at_once
from tests.recovery.answers import NO_ID, codes, refused
from tests.recovery.budgeting import TELL, deciding, transfer
from tests.recovery.helpers import (
    act,
    draft,
    eur,
    execute,
    open_budget,
    perform,
    scalar,
    violations,
    voucher,
)


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
