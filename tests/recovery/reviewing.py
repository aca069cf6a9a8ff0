"""Scores and reviews of claims, step by step."""

from typing import Any

from helpdesk.recovery.guard_rules import SHIPPED
from tests.conftest import Caller
from tests.recovery.helpers import (
    act,
    draft,
    eur,
    voucher,
)

NEED = {"flag": "hearing", "consent": True}
SAFETY = {"category": "PRD", "issue": "PRD.SAFETY"}
WU = {"name": "Wu", "email": "wu@example.com"}
RULES = "/recovery-guards"


def refund(amount: str) -> dict[str, Any]:
    return {"kind": "partial_refund", "amount": eur(amount), "reason": "It is owed."}


def set_rules(caller: Caller, **more: Any) -> Any:
    answer = caller.put(RULES, SHIPPED | {"reason": "To try it."} | more, if_match="*")
    assert answer.status_code == 200, answer.text
    return answer.json


def score(caller: Caller, complaint: dict[str, Any]) -> Any:
    return caller.get(f"/complaints/{complaint['reference']}/claim-score")


def submitted(caller: Caller, complaint: dict[str, Any], body: Any = None) -> dict[str, Any]:
    return act(caller, draft(caller, complaint, body or voucher("20.00")), "submit")


def approve(caller: Caller, offer: dict[str, Any]) -> Any:
    return caller.pay(f"/offers/{offer['id']}/actions/approve", {"reason": "Looked at."})


def only_review(caller: Caller, state: str = "open") -> dict[str, Any]:
    (found,) = caller.get(f"/claim-reviews?state={state}").json["items"]
    return dict(found)


def settle(caller: Caller, review: dict[str, Any], decision: str = "cleared", **headers: str) -> Any:
    body = {"decision": decision, "reason": "Two parcels came late."}
    return caller.post(f"/claim-reviews/{review['id']}/settle", body, **({"if_match": "*"} | headers))
