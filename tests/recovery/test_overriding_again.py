"""Whatever is said of an offer is kept, and the last of it counts: what its draft differed by, and each shortfall after.

How it can fail: the report tells a smaller shortfall than the one that went out, or under a reason that was given for
another; an offer counts twice; what was said first is overwritten; a draft's own reason is lost with the first shortfall.
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
