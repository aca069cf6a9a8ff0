"""Whatever is said of an offer is kept, and the last of it counts: what its draft differed by, and each shortfall after.

How it can fail: the report tells a smaller shortfall than the one that went out, or under a reason that was given for
another; an offer counts twice; what was said first is overwritten; a draft's own reason is lost with the first shortfall; the
report counts it for whoever drafted the offer, and the list for who decided to offer less.
"""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from tests.conftest import Caller
from tests.recovery.drafting import FLIGHT, WHY, bought, draft, flown, recorded, step
from tests.recovery.helpers import eur, open_budget, scalar, violations

REPORT = "/reports/suggestion-overrides"
ITEMS = f"{REPORT}/items"


@pytest.fixture(autouse=True)
def _money(manager: Caller) -> None:
    open_budget(manager, "9000.00")


def said(items: list[Any]) -> list[tuple[Any, ...]]:
    return [(item["floor_reason"], item["suggested"]["amount"], item["by"]["amount"], item["counts"]) for item in items]


def test_the_last_shortfall_counts_and_each_is_listed(
    database: Database, agent: Caller, manager: Caller, auditor: Caller
) -> None:
    complaint = flown(agent)
    refund = draft(agent, complaint, "partial_refund", "400.00").json
    for passengers, action, reason in ((2, "submit", "at submit"), (3, "offer", "at send")):
        recorded(agent, complaint, passengers=passengers)
        assert step(manager, refund, action, floor_reason=reason).status_code == 200
    kept = agent.get(f"/offers/{refund['id']}").json["override"]
    assert (kept["suggested"], kept["by"], kept["floor_reason"]) == (eur("1200.00"), eur("-800.00"), "at send")
    found = auditor.get(REPORT).json
    (below,) = found["by_direction"]
    assert (found["offers"], found["overrides"], found["share"]) == (1, 1, 1.0)
    assert (below["count"], below["total"], below["p90"]) == (1, eur("800.00"), eur("800.00"))
    items = auditor.get(ITEMS).json["items"]
    assert said(items) == [("at send", "1200.00", "-800.00", True), ("at submit", "800.00", "-400.00", False)]
    assert items[0]["given"] == eur("400.00")
    assert items[0]["at"] > items[1]["at"]
    first = auditor.get(f"{ITEMS}?limit=1").json
    second = auditor.get(f"{ITEMS}?limit=1&cursor={first['next_cursor']}").json
    assert [*first["items"], *second["items"]] == items
    assert violations(database) == []
    with pytest.raises(DBAPIError, match="never changed"), database.unit_of_work(SYSTEM) as uow:
        uow.session.execute(text("UPDATE offer_override SET floor_reason = 'other'"))


def test_a_draft_s_own_reason_stands_beside_a_shortfall(agent: Caller, manager: Caller, auditor: Caller) -> None:
    complaint = bought(agent, jurisdiction="DE")
    voucher = draft(agent, complaint, "voucher", "90.00", **WHY).json
    recorded(agent, complaint, **FLIGHT)
    assert step(manager, voucher, "submit", floor_reason="Paid outside.").json["override"] == {
        "direction": "below_floor",
        "suggested": eur("400.00"),
        "by": eur("-400.00"),
        "reason": WHY["override_reason"],
        "floor_reason": "Paid outside.",
    }
    assert [(row["direction"], row["count"]) for row in auditor.get(REPORT).json["by_direction"]] == [
        ("below_floor", 1)
    ]
    items = auditor.get(ITEMS).json["items"]
    assert [(it["direction"], it["reason"], it["counts"]) for it in items] == [
        ("below_floor", WHY["override_reason"], True),
        ("over", WHY["override_reason"], False),
    ]


def test_what_was_waived_says_nothing_anew(database: Database, agent: Caller, manager: Caller) -> None:
    complaint = flown(agent)
    voucher = draft(manager, complaint, "voucher", "10.00", floor_reason="At once.").json
    for action in ("submit", "offer"):
        assert step(manager, voucher, action, floor_reason="Again.").json["override"]["floor_reason"] == "At once."
    assert scalar(database, "SELECT count(*) FROM offer_override") == 1


def by_agent(caller: Caller) -> dict[str | None, tuple[int, int, int, int]]:
    rows = caller.get(REPORT).json["by_agent"]
    return {row["agent_id"]: (row["offers"], row["overrides"], row["over"], row["below_floor"]) for row in rows}


def listed(caller: Caller, agent_id: Any, query: str = "") -> int:
    return len(caller.get(f"{ITEMS}?agent_id={agent_id}{query}").json["items"])


def test_who_decided_it_has_it_in_report_and_list(agent: Caller, manager: Caller, auditor: Caller) -> None:
    complaint = flown(agent)
    refund = draft(agent, complaint, "partial_refund", "400.00").json
    assert step(agent, refund, "submit").json["status"] == "pending_approval"
    recorded(agent, complaint, passengers=2)
    assert step(manager, refund, "approve", reason="x", floor_reason="Paid outside.").status_code == 200
    assert by_agent(auditor) == {str(agent.id): (1, 0, 0, 0), str(manager.id): (0, 1, 0, 1)}
    assert (listed(auditor, agent.id), listed(auditor, manager.id)) == (0, 1)
    more = draft(
        agent, bought(agent), "voucher", "60.00", **WHY, allow_duplicate=True, duplicate_reason="Another order."
    )
    assert more.status_code == 201
    assert by_agent(auditor) == {str(agent.id): (2, 1, 1, 0), str(manager.id): (0, 1, 0, 1)}
    assert (listed(auditor, agent.id), listed(auditor, manager.id)) == (1, 1)
    rows = auditor.get(REPORT).json["by_agent"]
    assert sorted(row["name"] for row in rows) == sorted(caller.get("/me").json["name"] for caller in (agent, manager))


def test_what_a_key_decides_who_answered_for_it_then_has_decided(
    admin: Caller, agent: Caller, manager: Caller, auditor: Caller
) -> None:
    given = {"name": "A desk", "permissions": ["complaint:read", "offer:draft", "offer:read"], "scope": "everything"}
    made = admin.post("/api-keys", given)
    assert made.status_code == 201, made.text
    desk = Caller(admin.client, admin.actor, made.json["key"])
    assert draft(desk, bought(agent), "voucher", "60.00", **WHY).status_code == 201
    draft(agent, bought(agent), "voucher", "10.00", allow_duplicate=True, duplicate_reason="Another order.")
    other = {"owner_id": str(manager.id)}
    assert admin.patch(f"/api-keys/{made.json['id']}", other, if_match="*").status_code == 200
    assert by_agent(auditor) == {str(admin.id): (1, 1, 1, 0), str(agent.id): (1, 0, 0, 0)}
    assert (listed(auditor, admin.id), listed(auditor, manager.id)) == (1, 0)
    (told,) = auditor.get(ITEMS).json["items"]
    assert told["actor_kind"] == "integration"
