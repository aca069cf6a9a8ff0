"""The routes of approvals."""

from typing import Any
from uuid import UUID

from helpdesk.kernel.unit_of_work import Database
from tests.conftest import Caller, Join, complaint_body
from tests.racing import at_once
from tests.recovery.answers import NO_ID, refused
from tests.recovery.helpers import (
    WHY,
    act,
    draft,
    eur,
    execute,
    open_budget,
    scalar,
    violations,
    voucher,
)
from tests.recovery.lending import Crew, counted_today


class TestApproval:
    def pending(self, agent: Caller, complaint: dict[str, Any], amount: str = "60.00") -> dict[str, Any]:
        offer = act(agent, draft(agent, complaint, voucher(amount)), "submit")
        assert offer["status"] == "pending_approval"
        return offer

    def test_anonymous(self, anonymous: Caller) -> None:
        assert anonymous.pay(f"/offers/{NO_ID}/actions/approve", {}).status_code == 401

    def test_wrong_role(self, agent: Caller, budget: str, complaint: dict[str, Any], join: Join) -> None:
        offer = self.pending(agent, complaint)
        assert refused(join("agent").pay(f"/offers/{offer['id']}/actions/approve", {})) == (403, "forbidden")

    def test_by_a_colleague_with_the_authority(
        self, database: Database, agent: Caller, senior: Caller, budget: str, complaint: dict[str, Any]
    ) -> None:
        offer = self.pending(agent, complaint)
        assert scalar(database, "SELECT count(*) FROM budget_entry WHERE kind = 'reserve'") == 0
        approved = act(senior, offer, "approve")
        assert (approved["status"], approved["approvals"][0]["agent_id"]) == ("approved", str(senior.id))
        assert violations(database) == []

    def test_reaching_a_limit_is_within_it(self, agent: Caller, budget: str, complaint: dict[str, Any]) -> None:
        assert act(agent, draft(agent, complaint, voucher("50.00")), "submit")["status"] == "approved"

    def test_splitting_does_not_help(self, agent: Caller, budget: str, complaint: dict[str, Any]) -> None:
        assert act(agent, draft(agent, complaint, voucher("30.00")), "submit")["status"] == "approved"
        assert act(agent, draft(agent, complaint, voucher("20.01")), "submit")["status"] == "pending_approval"

    def test_a_customer_in_a_year_over_all_their_complaints(
        self, database: Database, agent: Caller, budget: str, team: UUID
    ) -> None:
        states = []
        for _ in range(4):
            complaint = agent.post("/complaints", complaint_body(team_id=str(team))).json
            states.append(act(agent, draft(agent, complaint, voucher("50.00")), "submit")["status"])
            execute(database, "UPDATE offer SET granted_at = granted_at - interval '8 days'")  # nothing that is split
        assert states == ["approved"] * 3 + ["pending_approval"]
        execute(database, "UPDATE offer SET granted_at = granted_at - interval '366 days'")
        execute(database, "UPDATE offer_transition SET at = at - interval '366 days'")
        complaint = agent.post("/complaints", complaint_body(team_id=str(team))).json
        assert act(agent, draft(agent, complaint, voucher("50.00")), "submit")["status"] == "approved"

    def test_another_currency_is_no_other_allowance(self, crew: Crew) -> None:
        """Neither for one customer and what belongs together, nor for the day."""
        for currency in ("USD", "GBP", "CHF", "JPY"):
            open_budget(crew.manager, "90000", currency=currency)

        def given(caller: Caller, amount: str, currency: str, email: str) -> str:
            money = {"amount": amount, "currency": currency}
            theirs = complaint_body(team_id=str(crew.team), price=money, complainant={"name": "Wu", "email": email})
            offer = draft(caller, caller.post("/complaints", theirs).json, voucher() | {"amount": money})
            return str(act(caller, offer, "submit")["status"])

        currencies = ("EUR", "USD", "GBP", "CHF")
        told = [given(crew.director, "10000.00", currency, "one@example.com") for currency in currencies]
        assert told == ["approved", *["pending_approval"] * 3]
        assert [given(crew.agent, "50.00", currency, "two@example.com") for currency in currencies] == [
            "approved",
            *["pending_approval"] * 3,
        ]
        (*_, flag) = crew.manager.get(f"/offer-flags?person_id={crew.agent.id}").json["items"]
        assert (flag["total"], flag["offers"][0]["amount"]) == (
            {"amount": "100.00", "currency": "USD"},
            {"amount": "50.00", "currency": "EUR"},
        )
        busy = crew.join("agent")
        for place in range(9):
            assert given(busy, "50.00", currencies[place % 4], f"p{place}@example.com") == "approved"
        assert given(busy, "50", "JPY", "p10@example.com") == "approved"
        with counted_today(crew.database):
            assert given(busy, "1", "JPY", "p11@example.com") == "pending_approval"
        assert violations(crew.database) == []

    def test_what_came_to_nothing_does_not_count(
        self, agent: Caller, manager: Caller, budget: str, complaint: dict[str, Any]
    ) -> None:
        first = act(agent, draft(agent, complaint, voucher("50.00")), "submit")
        act(manager, first, "revoke", reason="x")
        assert act(agent, draft(agent, complaint, voucher("40.00")), "submit")["status"] == "approved"

    def test_nobody_approves_their_own(self, senior: Caller, budget: str, complaint: dict[str, Any]) -> None:
        offer = self.pending(senior, complaint, "200.01")
        shown = senior.get(f"/offers/{offer['id']}").json
        approve = next(item for item in shown["allowed_actions"] if item["action"] == "approve")
        assert [need["code"] for need in approve["missing"]] == ["own_approval"]
        assert refused(senior.pay(f"/offers/{offer['id']}/actions/approve", {})) == (403, "own_approval")

    def test_beyond_authority_names_each_limit(
        self, agent: Caller, senior: Caller, budget: str, complaint: dict[str, Any]
    ) -> None:
        offer = self.pending(agent, complaint, "400.01")
        answer = senior.pay(f"/offers/{offer['id']}/actions/approve", {})
        assert refused(answer) == (403, "beyond_authority")
        assert [item["limit"] for item in answer.json["limits"]] == ["case", "customer"]
        assert answer.json["limits"][0] == {"limit": "case", "allowed": eur("200.00"), "would_be": eur("400.01")}
        approve = senior.get(f"/offers/{offer['id']}").json["allowed_actions"][0]
        assert (approve["action"], approve["missing"][0]["code"]) == ("approve", "beyond_authority")

    def test_not_by_whom_it_is_about(
        self, agent: Caller, senior: Caller, budget: str, complaint: dict[str, Any]
    ) -> None:
        agent.post(f"/complaints/{complaint['reference']}/subjects", {"agent_id": str(senior.id)})
        offer = self.pending(agent, complaint)
        assert refused(senior.pay(f"/offers/{offer['id']}/actions/approve", {})) == (403, "conflict_of_interest")
        assert act(senior, draft(senior, complaint, voucher("1.00")), "submit")["status"] == "pending_approval"

    def test_given_back_with_the_reason(
        self, database: Database, agent: Caller, senior: Caller, budget: str, complaint: dict[str, Any]
    ) -> None:
        offer = self.pending(agent, complaint)
        back = act(senior, offer, "refuse", reason="Too much for a late parcel.")
        assert (back["status"], back["status_reason"]) == ("drafted", "Too much for a late parcel.")
        assert act(agent, offer, "submit")["status"] == "pending_approval"
        assert violations(database) == []

    def test_above_the_top_two_directors(
        self, database: Database, agent: Caller, manager: Caller, join: Join, complaint: dict[str, Any]
    ) -> None:
        open_budget(manager, "20000.00")
        offer = self.pending(agent, complaint, "10000.01")
        path = f"/offers/{offer['id']}/actions/approve"
        director, admin = join("director"), join("admin")
        first = director.pay(path, WHY)
        assert (first.json["status"], len(first.json["approvals"])) == ("pending_approval", 1)
        assert scalar(database, "SELECT count(*) FROM budget_entry WHERE kind = 'reserve'") == 0
        assert refused(director.pay(path, {})) == (403, "own_approval")
        assert refused(manager.pay(path, {})) == (403, "beyond_authority")
        second = admin.pay(path, WHY)
        assert (second.json["status"], len(second.json["approvals"])) == ("approved", 2)
        assert violations(database) == []

    def test_two_directors_at_once_are_two(
        self, database: Database, agent: Caller, manager: Caller, join: Join, complaint: dict[str, Any]
    ) -> None:
        open_budget(manager, "20000.00")
        path = f"/offers/{self.pending(agent, complaint, '10000.01')['id']}/actions/approve"
        answers = at_once(*(lambda who=who: who.pay(path, WHY) for who in (join("director"), join("admin"))))
        assert sorted(answer.json["status"] for answer in answers) == ["approved", "pending_approval"]
        assert violations(database) == []
