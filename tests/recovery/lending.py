"""Steps that tests of authority share."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from helpdesk.kernel.unit_of_work import Database
from tests.conftest import Caller, Join, complaint_body
from tests.recovery.helpers import WHY, act, draft, execute, voucher


def in_days(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


def lend(lender: Caller, delegate: Caller, **more: Any) -> Any:
    body = {"delegate_id": str(delegate.id), "ends_at": in_days(3), "reason": "On leave."} | more
    return lender.post("/authority-delegations", body)


def lent(lender: Caller, delegate: Caller, **more: Any) -> dict[str, Any]:
    answer = lend(lender, delegate, **more)
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def new(caller: Caller, team: UUID, email: str | None = None) -> dict[str, Any]:
    """Of one customer, or (with another address) of another."""
    body = complaint_body(team_id=str(team))
    if email is not None:
        body["complainant"] = {"name": "Wu", "email": email}
    return dict(caller.post("/complaints", body).json)


def pending(caller: Caller, complaint: dict[str, Any], amount: str = "60.00") -> dict[str, Any]:
    offer = act(caller, draft(caller, complaint, voucher(amount)), "submit")
    assert offer["status"] == "pending_approval", offer
    return offer


def approve(caller: Caller, offer: dict[str, Any], **more: Any) -> Any:
    return caller.pay(f"/offers/{offer['id']}/actions/approve", WHY | more)


def decisions(caller: Caller, offer: dict[str, Any]) -> list[dict[str, Any]]:
    answer = caller.get(f"/offers/{offer['id']}/decisions")
    assert answer.status_code == 200, answer.text
    return list(answer.json["items"])


def missing(caller: Caller, offer: dict[str, Any]) -> list[str]:
    shown = caller.get(f"/offers/{offer['id']}").json
    action = next(item for item in shown["allowed_actions"] if item["action"] == "approve")
    return [need["code"] for need in action["missing"]]


@contextmanager
def counted_today(database: Database) -> Iterator[None]:
    """What was granted so far counts in the sums of the day, and goes on doing so past midnight UTC: they ask since when it was
    granted, and nobody asks them until when. Afterwards it was granted when it was.
    """
    with database.reader() as session:
        kept = list(session.scalars(text("SELECT id FROM offer_decision")))
    move = "UPDATE offer_decision SET at = at + CAST(:by AS interval) WHERE id = ANY(:kept)"
    execute(database, move, by="1 day", kept=kept)
    yield
    execute(database, move, by="-1 day", kept=kept)


def granted_by_day(database: Database, offers: list[dict[str, Any]]) -> list[int]:
    """How many of these offers were granted, on each day that any were."""
    with database.reader() as session:
        return list(
            session.scalars(
                text("""SELECT count(*) FROM offer_decision WHERE action = 'approve' AND offer_id = ANY(:ids)
                    GROUP BY date_trunc('day', at AT TIME ZONE 'UTC') ORDER BY min(at)"""),
                {"ids": [UUID(offer["id"]) for offer in offers]},
            )
        )


@dataclass(frozen=True)
class Crew:
    """Everybody, with a budget that is large enough."""

    database: Database
    team: UUID
    join: Join
    agent: Caller
    senior: Caller
    manager: Caller
    director: Caller
    admin: Caller
