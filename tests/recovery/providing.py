"""Steps of tests with outside providers."""

import time
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text

from helpdesk.kernel import signatures
from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program
from tests.conftest import Caller
from tests.recovery.helpers import duties, execute, voucher
from tests.recovery.reference_provider import ReferenceProvider

KINDS = ["refund", "gift"]


def register(admin: Caller, provider: ReferenceProvider | None = None, **more: Any) -> dict[str, Any]:
    """An HTTP provider that the reference one answers for, with its secret; without one, the recording one."""
    body: dict[str, Any] = {"name": "Payments", "kinds": KINDS, "timeout_seconds": 5}
    body |= {"mode": "recording"} if provider is None else {"url": provider.url}
    answer = admin.post("/recovery/providers", body | more)
    assert answer.status_code == 201, answer.text
    if provider is not None:
        provider.secret = answer.json["secret"]
    return dict(answer.json)


def refund(amount: str = "20.00", **more: Any) -> dict[str, Any]:
    return voucher(amount, kind="refund", **more)


def order_of(database: Database, offer: dict[str, Any]) -> Any:
    """The newest order of an offer."""
    with database.reader() as session:
        return session.execute(
            text("SELECT * FROM remedy_order WHERE offer_id = :id ORDER BY round DESC LIMIT 1"), {"id": offer["id"]}
        ).one()


def work(program: Program, times: int = 1) -> None:
    """Perform what is owed, however far away, so many times over: time is data. Pauses of providers are over by then."""
    for _ in range(times):
        execute(program.database, "UPDATE remedy_provider SET paused_until = now() WHERE paused_until > now()")
        program.performer.perform(duties(program.database))


def status(caller: Caller, offer: dict[str, Any]) -> tuple[str, str | None]:
    shown = caller.get(f"/offers/{offer['id']}").json
    return shown["status"], shown["issuance"]


def let_pass(database: Database, offer: dict[str, Any], interval: str) -> None:
    """So long ago it was first asked."""
    execute(
        database,
        "UPDATE remedy_order SET first_asked_at = first_asked_at - cast(:passed AS interval) WHERE offer_id = :id",
        id=offer["id"],
        passed=interval,
    )


def call_back(
    anonymous: Caller,
    provider: dict[str, Any],
    body: Any,
    *,
    message_id: str = "msg_1",
    at: int | None = None,
    **more: Any,
) -> Any:
    """As the provider would, over the wire. `more`: headers instead of the right ones."""
    path, raw, headers = called_back(provider, body, message_id=message_id, at=at, **more)
    return anonymous.client.post(f"/api/v1{path}", data=raw, headers=headers)


def called_back(
    provider: dict[str, Any], body: Any, *, message_id: str = "msg_1", at: int | None = None, **more: Any
) -> tuple[str, bytes, dict[str, str]]:
    """Path, body and headers of a callback."""
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    headers = signatures.sign([provider["secret"]], message_id, int(time.time()) if at is None else at, raw)
    headers |= {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in more.items()}
    return f"/public/recovery/callbacks/{provider['id']}", raw, headers


def said(offer: dict[str, Any], word: str = "issued", round_: int = 1, **more: Any) -> dict[str, Any]:
    """The body of a callback."""
    defaults = {"issued": {"reference": "re_1"}, "failed": {"reason": "Account closed."}}.get(word, {})
    return {"idempotency_key": f"{UUID(offer['id'])}-{round_}", "status": word} | defaults | more
