"""Vouchers at the till, step by step."""

from typing import Any, Final

from sqlalchemy import text

from helpdesk.kernel.unit_of_work import Database
from tests.conftest import Caller
from tests.recovery.helpers import eur, voucher

IN_PARTS: Final = voucher("30.00", voucher_partial=True)
REASON: Final = {"reason": "Typed for the wrong customer."}


def shop(admin: Caller, name: str) -> Caller:
    """A key that may redeem, and nothing else."""
    body = {"name": name, "permissions": ["voucher:redeem"], "scope": "everything"}
    answer = admin.post("/api-keys", body)
    assert answer.status_code == 201, answer.text
    return Caller(admin.client.application.test_client(), admin.actor, str(answer.json["key"]))


def use(till: Caller, code: str, external_id: str | None = None, amount: str | None = None) -> Any:
    body: dict[str, Any] = {} if external_id is None else {"external_id": external_id}
    return till.pay(f"/vouchers/{code}/redeem", body | ({} if amount is None else {"amount": eur(amount)}))


def take_back(till: Caller, code: str, used: Any) -> Any:
    return till.pay(f"/vouchers/{code}/redemptions/{used.json['redemption']['id']}/reverse", REASON)


def the_offer(agent: Caller) -> dict[str, Any]:
    (found,) = agent.get("/offers").json["items"]
    return dict(found)


def past_its_time(database: Database) -> None:
    """Without `execute`, which locks whole tables: at once with a till that is a deadlock of the test's own making."""
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE voucher SET expires_at = now() - interval '1 day'"))
