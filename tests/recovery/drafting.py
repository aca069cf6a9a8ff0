"""Drafting, and what is recorded of a case: shared by the tests of what differs from a suggestion and of floors."""

from typing import Any

from tests.complaints.merging import new
from tests.conftest import Caller

WHY = {"override_reason": "She had to take a day off."}
FLIGHT = {"cause": "delay", "distance_km": "1840", "within_eu": False, "delay_hours": "4", "extraordinary": False}
FLOOR = {"floor_reason": "Paid by the agency on 2 March."}


def draft(caller: Caller, complaint: dict[str, Any], kind: str, amount: str | None, **more: Any) -> Any:
    body: dict[str, Any] = {"kind": kind, "reason": "It came late."} if amount else {"kind": kind}
    if amount:
        body["amount"] = {"amount": amount, "currency": more.pop("currency", "EUR")}
    return caller.post(f"/complaints/{complaint['reference']}/offers", body | more)


def bought(caller: Caller, **more: Any) -> dict[str, Any]:
    """S3 and the firm's fault, of a product, at a price of 200: goodwill 40, or a voucher of 50."""
    return new(caller, **{"issues": [{"category": "PRD", "issue": "PRD.DEFECT"}]} | more)


def flown(caller: Caller) -> dict[str, Any]:
    """A flight for which 400 are laid down."""
    complaint = bought(caller, jurisdiction="DE")
    recorded(caller, complaint, **FLIGHT)
    return complaint


def recorded(caller: Caller, complaint: dict[str, Any], **facts: Any) -> None:
    answer = caller.patch(f"/complaints/{complaint['reference']}/recovery-facts", facts, if_match="*")
    assert answer.status_code == 200, answer.text


def step(caller: Caller, offer: Any, action: str, **given: Any) -> Any:
    return caller.pay(f"/offers/{offer['id']}/actions/{action}", given)


def foretold(caller: Caller, offer: Any, action: str) -> list[tuple[str, str]]:
    """What an action is shown to be refused with."""
    shown = caller.get(f"/offers/{offer['id']}").json["allowed_actions"]
    (found,) = [item for item in shown if item["action"] == action]
    return [(need["code"], need["detail"]) for need in found["missing"]]
