"""Steps that the tests of budgets share."""

from collections.abc import Callable
from typing import Any

from tests.conftest import Caller
from tests.recovery.helpers import (
    WHY,
    another,
    eur,
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


def withdraw(caller: Caller, budget_id: str, amount: str, **headers: str) -> Any:
    body = {"amount": eur(amount), "reason": "A zero too many."}
    return caller.pay(f"/budgets/{budget_id}/withdrawals", body, **headers)


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
