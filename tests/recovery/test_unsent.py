"""Offers whose money is set aside and that nobody sends, and money that is not there.

How it can fail: what was never sent holds its money, and nobody finds it; an action is offered that is refused at once.
"""

from typing import Any

from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery.dead_letter_queries import GAUGES
from tests.conftest import Caller
from tests.recovery.helpers import act, draft, execute, offered, open_budget, scalar, voucher

LONG_AGO = "UPDATE offer SET granted_at = granted_at - interval '30 days'"


def found(caller: Caller, before: str) -> list[str]:
    return [item["id"] for item in caller.get(f"/offers?approved_before={before}").json["items"]]


def test_what_was_approved_and_never_sent_is_found(
    database: Database, agent: Caller, budget: str, complaint: dict[str, Any]
) -> None:
    waits = act(agent, draft(agent, complaint), "submit")
    offered(agent, complaint, voucher("5.00"))
    assert found(agent, "2020-01-01T00:00:00Z") == []
    assert found(agent, "2999-01-01T00:00:00Z") == [waits["id"]]
    assert agent.get("/offers?approved_before=x").status_code == 422
    _, counting = GAUGES["helpdesk_offers_unsent"]
    before = scalar(database, counting)
    execute(database, LONG_AGO)
    assert scalar(database, counting) - before == 1


def missing(caller: Caller, offer: dict[str, Any], action: str) -> list[str]:
    allowed = caller.get(f"/offers/{offer['id']}").json["allowed_actions"]
    return [need["code"] for item in allowed if item["action"] == action for need in item["missing"]]


def test_that_there_is_no_money_is_told_before(
    agent: Caller, senior: Caller, manager: Caller, complaint: dict[str, Any]
) -> None:
    small, large = draft(agent, complaint), draft(agent, complaint, voucher("60.00"))
    assert missing(agent, small, "submit") == ["no_budget"]
    assert agent.pay(f"/offers/{small['id']}/actions/submit", {}).json["code"] == "no_budget"
    assert missing(agent, large, "submit") == [], "it waits for somebody else, and for money then"
    act(agent, large, "submit")
    assert missing(senior, large, "approve") == ["no_budget"]
    open_budget(manager, "40.00")
    assert missing(agent, small, "submit") == []
    assert missing(senior, large, "approve") == ["budget_exhausted"]
