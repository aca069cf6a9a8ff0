"""The routes of budgets and vouchers."""

from typing import Any
from uuid import UUID

import pytest

from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program
from tests.conftest import Caller
from tests.racing import at_once
from tests.recovery.answers import NO_ID, codes, refused
from tests.recovery.helpers import (
    another,
    eur,
    execute,
    issued,
    open_budget,
    scalar,
    violations,
)


class TestBudgets:
    BODY = {"name": "Goodwill", "currency": "EUR", "starts_on": "2026-01-01", "ends_on": "2026-12-31"}  # noqa: RUF012

    def test_anonymous(self, anonymous: Caller) -> None:
        assert anonymous.get("/budgets").status_code == 401
        assert anonymous.post("/budgets", self.BODY).status_code == 401
        assert anonymous.pay(f"/budgets/{NO_ID}/allocations", {"amount": eur("1.00")}).status_code == 401

    def test_wrong_role(self, agent: Caller, senior: Caller, budget: str) -> None:
        for path in ("/budgets", f"/budgets/{budget}", f"/budgets/{budget}/entries"):
            assert agent.get(path).status_code == 403
            assert senior.get(path).status_code == 200
        assert senior.post("/budgets", self.BODY).status_code == 403
        assert senior.pay(f"/budgets/{budget}/allocations", {"amount": eur("1.00")}).status_code == 403

    def test_opened_and_filled(self, manager: Caller, team: UUID) -> None:
        answer = manager.post("/budgets", self.BODY | {"team_id": str(team)})
        assert answer.status_code == 201
        path = f"/budgets/{answer.json['id']}"
        assert answer.headers["Location"] == f"/api/v1{path}"
        assert answer.json["available"] == eur("0.00")
        money = {"amount": eur("100.00"), "note": "First quarter"}
        assert refused(manager.post(f"{path}/allocations", money)) == (400, "idempotency_key_required")
        for _ in range(2):
            filled = manager.pay(f"{path}/allocations", money, idempotency_key="first-quarter")
            assert (filled.status_code, filled.json["available"]) == (201, eur("100.00"))
        (entry,) = manager.get(f"{path}/entries").json["items"]
        assert (entry["kind"], entry["amount"], entry["note"]) == ("allocate", eur("100.00"), "First quarter")

    def test_what_does_not_fit(self, manager: Caller, budget: str) -> None:
        answer = manager.post("/budgets", self.BODY | {"ends_on": "2025-12-31", "currency": "XXX"})
        assert answer.status_code == 422
        assert ("/currency", "invalid") in codes(answer)
        late = manager.post("/budgets", self.BODY | {"ends_on": "2025-12-31"})
        assert codes(late) == [("/ends_on", "invalid")]
        unknown = manager.post("/budgets", self.BODY | {"team_id": str(NO_ID)})
        assert codes(unknown) == [("/team_id", "unknown")]
        money = {"amount": {"amount": "5", "currency": "JPY"}}
        assert codes(manager.pay(f"/budgets/{budget}/allocations", money)) == [("/amount/currency", "currency")]
        assert manager.pay(f"/budgets/{NO_ID}/allocations", {"amount": eur("1.00")}).status_code == 404

    def test_the_same_again(self, manager: Caller) -> None:
        first = manager.post("/budgets", self.BODY)
        again = manager.post("/budgets", self.BODY)
        assert (refused(again), again.json["budget_id"]) == ((409, "budget_exists"), first.json["id"])

    def test_two_at_once_make_one(self, manager: Caller) -> None:
        callers = [another(manager), another(manager)]
        answers = at_once(*(lambda who=who: who.post("/budgets", self.BODY) for who in callers))
        assert sorted(answer.status_code for answer in answers) == [201, 409]

    def test_filters(self, manager: Caller, budget: str, team: UUID) -> None:
        own = open_budget(manager, team_id=str(team), currency="JPY", ends_on="2010-01-01", amount="5")

        def listed(query: str) -> list[str]:
            return [item["id"] for item in manager.get(f"/budgets?{query}").json["items"]]

        assert listed("") == [budget, own]
        assert listed(f"team_id={team}") == listed("currency=JPY") == [own]
        assert listed("on=2026-06-01") == [budget]
        assert manager.get("/budgets?limit=1&count=true").json["total"] == 2


class TestVouchers:
    @pytest.fixture
    def code(self, program: Program, agent: Caller, budget: str, complaint: dict[str, Any]) -> str:
        return str(issued(program, agent, complaint)["issued_reference"])

    def test_anonymous(self, anonymous: Caller, code: str) -> None:
        assert anonymous.get(f"/vouchers/{code}").status_code == 401
        assert anonymous.pay(f"/vouchers/{code}/redeem").status_code == 401

    def test_wrong_role(self, senior: Caller, code: str) -> None:
        assert senior.get(f"/vouchers/{code}").status_code == 403
        assert senior.pay(f"/vouchers/{code}/redeem").status_code == 403

    def test_looked_up_as_it_is_typed(self, manager: Caller, code: str) -> None:
        shown = manager.get(f"/vouchers/{code.lower().replace('-', '')}").json
        assert set(shown) == {"code", "amount", "balance", "partial_use", "status", "expires_at", "redeemed_at"}
        assert (shown["code"], shown["status"]) == (code, "valid")
        for bad in ("x", code[:-1] + ("A" if code[-1] != "A" else "B")):
            assert manager.get(f"/vouchers/{bad}").status_code == 404
            assert manager.pay(f"/vouchers/{bad}/redeem").status_code == 404

    def test_used_once(self, database: Database, manager: Caller, agent: Caller, code: str) -> None:
        assert refused(manager.post(f"/vouchers/{code}/redeem")) == (400, "idempotency_key_required")
        used = manager.pay(f"/vouchers/{code}/redeem")
        assert (used.status_code, used.json["status"]) == (200, "redeemed")
        again = manager.pay(f"/vouchers/{code}/redeem")
        assert (refused(again), again.json["voucher_status"]) == ((409, "voucher_not_valid"), "redeemed")
        assert agent.get("/offers?status=redeemed&count=true").json["total"] == 1
        assert violations(database) == []

    def test_used_twice_at_once(self, database: Database, manager: Caller, code: str) -> None:
        tills = [another(manager) for _ in range(4)]
        answers = at_once(*(lambda till=till: till.pay(f"/vouchers/{code}/redeem") for till in tills))
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
        assert scalar(database, "SELECT count(*) FROM event WHERE type = 'offer.redeemed'") == 1
        assert violations(database) == []

    def test_past_its_time(self, database: Database, manager: Caller, code: str) -> None:
        execute(database, "UPDATE voucher SET expires_at = now()")
        answer = manager.pay(f"/vouchers/{code}/redeem")
        assert (refused(answer), answer.json["voucher_status"]) == ((409, "voucher_not_valid"), "expired")

    def test_used_and_reversed_at_once(
        self, database: Database, manager: Caller, director: Caller, agent: Caller, code: str
    ) -> None:
        offer = agent.get("/offers?status=issued").json["items"][0]
        answers = at_once(
            lambda: manager.pay(f"/vouchers/{code}/redeem"),
            lambda: director.pay(f"/offers/{offer['id']}/actions/reverse", {"reason": "x"}),
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        assert violations(database) == []
