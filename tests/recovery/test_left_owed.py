"""What covers what is owed ends, though goodwill stands: nobody can refuse a customer's decline, so those who have the case are told.

How it can fail: nobody is told, or twice, or each time that anything ends; who took the step themselves; of goodwill that nobody
has yet, of an apology, of what is covered otherwise or was said to be less; the wrong amount; the customer is refused.
"""

from collections.abc import Callable
from typing import Any

import pytest

from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import jobs
from helpdesk.wiring import Program
from tests.conftest import Caller, complaint_body
from tests.racing import at_once
from tests.recovery.drafting import FLOOR, draft, flown, recorded, step
from tests.recovery.helpers import act, eur, execute, open_budget, perform, scalar, token, told, violations

ANOTHER = {"allow_duplicate": True, "duplicate_reason": "Another order.", "override_reason": "It was their wish."}
EVENT, NEWS = "offer.left_owed", "owed_not_offered"


@pytest.fixture(autouse=True)
def _money(manager: Caller) -> None:
    open_budget(manager, "9000.00")


def put(caller: Caller, manager: Caller, complaint: dict[str, Any], kind: str, amount: str | None, **more: Any) -> Any:
    """An offer of the caller's before the customer."""
    answer = draft(caller, complaint, kind, amount, **({} if amount is None else ANOTHER), **more)
    assert answer.status_code == 201, answer.text
    if act(caller, answer.json, "submit")["status"] == "pending_approval":
        act(manager, answer.json, "approve")
    return act(caller, answer.json, "offer")


def news(caller: Caller) -> list[dict[str, Any]]:
    items = caller.get("/notifications").json["items"]
    return [item["detail"] for item in items if item["kind"] == NEWS]


def left(caller: Caller, complaint: dict[str, Any]) -> Any:
    """What is owed and to be offered yet."""
    return caller.get(f"/complaints/{complaint['reference']}/suggestion").json["remaining"]["owed"]


def declined(anonymous: Caller, offer: dict[str, Any]) -> None:
    assert anonymous.pay(f"/public/offers/{token(offer)}/decline", {}).status_code == 200


class TestTold:
    def test_the_customer_declines(self, database: Database, anonymous: Caller, agent: Caller, manager: Caller) -> None:
        complaint = flown(agent)
        refund = put(agent, manager, complaint, "partial_refund", "400.00")
        put(agent, manager, complaint, "voucher", "40.00")
        assert left(agent, complaint) == eur("0.00")
        declined(anonymous, refund)
        assert news(agent) == [{"offer_id": refund["id"], "missing": eur("400.00")}]
        assert left(agent, complaint) == eur("400.00")
        assert told(database, EVENT) == 1
        assert violations(database) == []

    def test_who_records_it_and_who_has_the_complaint(self, agent: Caller, manager: Caller, program: Program) -> None:
        """The drafter records it themselves, on a complaint that somebody else has by then."""
        complaint = flown(agent)
        refund = put(agent, manager, complaint, "partial_refund", "400.00")
        put(agent, manager, complaint, "goodwill_payment", "40.00")
        execute(program.database, "UPDATE complaint SET assignee_id = :who", who=manager.id)
        act(agent, refund, "decline", said_by="phone")
        for caller in (agent, manager):
            assert news(caller) == [{"offer_id": refund["id"], "missing": eur("360.00")}], "what is money covers a part"

    def test_while_nobody_can_tell_how_much(self, anonymous: Caller, agent: Caller, manager: Caller) -> None:
        complaint = flown(agent)
        refund = put(agent, manager, complaint, "partial_refund", "400.00")
        put(agent, manager, complaint, "voucher", "40.00")
        recorded(agent, complaint, extraordinary=None)
        declined(anonymous, refund)
        assert news(agent) == [{"offer_id": refund["id"], "missing": None}]

    def test_it_is_not_answered(self, database: Database, agent: Caller, manager: Caller) -> None:
        complaint = flown(agent)
        refund = put(agent, manager, complaint, "partial_refund", "400.00")
        put(agent, manager, complaint, "voucher", "40.00")
        execute(database, "UPDATE offer SET valid_until = now() WHERE id = :id", id=refund["id"])
        assert [jobs.expire_offers(database), jobs.expire_offers(database)] == [1, 0]
        assert news(agent) == [{"offer_id": refund["id"], "missing": eur("400.00")}]

    def test_after_the_voucher_was_issued(self, program: Program, agent: Caller, manager: Caller) -> None:
        complaint = flown(agent)
        refund = put(agent, manager, complaint, "partial_refund", "400.00")
        act(agent, put(agent, manager, complaint, "voucher", "40.00"), "accept", said_by="phone")
        perform(program)
        act(agent, refund, "counter", said_by="phone", words="Something else.")
        assert news(agent) == []
        act(agent, refund, "decline", said_by="phone")
        assert news(agent) == [{"offer_id": refund["id"], "missing": eur("400.00")}]
        assert violations(program.database) == []

    def test_in_the_currency_that_is_laid_down_in(self, anonymous: Caller, agent: Caller, manager: Caller) -> None:
        open_budget(manager, "900.00", currency="GBP")
        body = complaint_body(
            jurisdiction="GB", complainant={"name": "李伟", "language": "zh-CN", "email": "li@example.com"}
        )
        del body["price"]
        complaint = agent.post("/complaints", body).json
        recorded(agent, complaint, failed_standards=2)
        refund = put(agent, manager, complaint, "partial_refund", "80.00", currency="GBP")
        put(agent, manager, complaint, "voucher", "10.00", currency="GBP")
        declined(anonymous, refund)
        assert news(agent) == [{"offer_id": refund["id"], "missing": {"amount": "80.00", "currency": "GBP"}}]

    def test_once_of_each_that_ends(self, anonymous: Caller, agent: Caller, manager: Caller) -> None:
        complaint = flown(agent)
        parts = [
            put(manager, manager, complaint, "partial_refund", amount, **more)
            for amount, more in (("150.00", FLOOR), ("250.00", {}))
        ]
        put(agent, manager, complaint, "voucher", "40.00")
        for offer in parts:
            declined(anonymous, offer)
        assert [item["missing"] for item in reversed(news(manager))] == [eur("150.00"), eur("400.00")]

    @pytest.mark.parametrize("action", ["withdraw", "dismiss"])
    def test_the_complaint_ends(
        self, database: Database, agent: Caller, manager: Caller, senior: Caller, action: str
    ) -> None:
        complaint = flown(agent)
        put(agent, manager, complaint, "partial_refund", "400.00")
        voucher = put(agent, manager, complaint, "voucher", "40.00")
        put(agent, manager, complaint, "voucher", "10.00")
        act(agent, voucher, "accept", said_by="phone")
        given = {"reason_code": "out_of_scope"} if action == "dismiss" else {"reason": "Settled elsewhere."}
        answer = senior.post(f"/complaints/{complaint['reference']}/actions/{action}", given)
        assert answer.status_code == 200, answer.text
        assert [item["missing"] for item in news(agent)] == [eur("400.00")]
        assert told(database, EVENT) == 1
        assert violations(database) == []

    def test_declined_while_the_goodwill_is_accepted(
        self, database: Database, anonymous: Caller, agent: Caller, manager: Caller
    ) -> None:
        complaint = flown(agent)
        refund = put(agent, manager, complaint, "partial_refund", "400.00")
        voucher = put(agent, manager, complaint, "voucher", "40.00")
        other = Caller(anonymous.client.application.test_client(), None, None)
        answers = at_once(
            lambda: anonymous.pay(f"/public/offers/{token(refund)}/decline", {}),
            lambda: other.pay(f"/public/offers/{token(voucher)}/accept", {}),
        )
        assert [answer.status_code for answer in answers] == [200, 200]
        assert told(database, EVENT) == len(news(agent)) == 1


Case = Callable[[Caller, Caller, dict[str, Any]], Any]
CASES: dict[str, Case] = {
    "nothing beside it": lambda agent, manager, complaint: None,
    "an apology": lambda agent, manager, complaint: put(agent, manager, complaint, "apology_letter", None),
    "a voucher that nobody has approved": lambda agent, manager, complaint: draft(
        agent, complaint, "voucher", "40.00", **ANOTHER
    ),
    "all of it once more": lambda agent, manager, complaint: [
        put(agent, manager, complaint, kind, amount)
        for kind, amount in (("partial_refund", "400.00"), ("voucher", "40.00"))
    ],
    "a voucher that was declined": lambda agent, manager, complaint: act(
        agent, put(agent, manager, complaint, "voucher", "40.00"), "decline", said_by="phone"
    ),
}


class TestNothingToTell:
    @pytest.mark.parametrize("beside", CASES.values(), ids=CASES)
    def test_where_no_goodwill_is_left_alone(
        self, database: Database, anonymous: Caller, agent: Caller, manager: Caller, beside: Case
    ) -> None:
        complaint = flown(agent)
        refund = put(agent, manager, complaint, "partial_refund", "400.00")
        beside(agent, manager, complaint)
        declined(anonymous, refund)
        assert (news(agent), told(database, EVENT)) == ([], 0)

    def test_where_somebody_said_why_it_is_less(
        self, database: Database, anonymous: Caller, agent: Caller, manager: Caller
    ) -> None:
        complaint = flown(agent)
        put(manager, manager, complaint, "voucher", "40.00", **FLOOR)
        refund = put(manager, manager, complaint, "partial_refund", "100.00", **FLOOR)
        declined(anonymous, refund)
        assert (news(manager), told(database, EVENT)) == ([], 0)

    def test_where_the_goodwill_ends_itself(self, database: Database, agent: Caller, manager: Caller) -> None:
        complaint = flown(agent)
        put(agent, manager, complaint, "partial_refund", "400.00")
        voucher = put(agent, manager, complaint, "voucher", "40.00")
        act(agent, voucher, "decline", said_by="phone")
        assert told(database, EVENT) == 0

    def test_where_all_of_it_ends_with_the_complaint(
        self, database: Database, agent: Caller, manager: Caller, senior: Caller
    ) -> None:
        complaint = flown(agent)
        put(agent, manager, complaint, "partial_refund", "400.00")
        put(agent, manager, complaint, "voucher", "40.00")
        answer = senior.post(f"/complaints/{complaint['reference']}/actions/withdraw", {"reason": "Settled elsewhere."})
        assert answer.status_code == 200, answer.text
        assert (news(agent), told(database, EVENT)) == ([], 0)

    def test_where_nothing_is_laid_down(
        self, database: Database, anonymous: Caller, agent: Caller, manager: Caller, complaint: dict[str, Any]
    ) -> None:
        refund = put(agent, manager, complaint, "goodwill_payment", "30.00")
        put(agent, manager, complaint, "voucher", "20.00")
        declined(anonymous, refund)
        assert told(database, EVENT) == 0

    def test_of_what_is_refused_nothing(self, database: Database, agent: Caller, manager: Caller) -> None:
        complaint = flown(agent)
        refund = put(agent, manager, complaint, "partial_refund", "400.00")
        put(agent, manager, complaint, "voucher", "40.00")
        assert step(agent, refund, "reverse", reason="x").status_code in {403, 409}
        assert told(database, EVENT) == 0
        assert scalar(database, "SELECT count(*) FROM offer WHERE status = 'offered'") == 2
