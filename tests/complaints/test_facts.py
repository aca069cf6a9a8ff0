"""Facts of a complaint: all there, of the kind they say, and no dearer than what is asked for.

How it can fail: a name in the vocabulary that nothing fills (its conditions are never true, and nobody notices); a value
that its kind cannot read (the same); a statement for facts that no condition asks for.
"""

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import pytest

from helpdesk.complaints import facts, intake, queries
from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.expressions import read
from helpdesk.kernel.facts import Facts
from helpdesk.kernel.money import Money
from helpdesk.kernel.unit_of_work import Database
from tests.complaints import steps
from tests.conftest import Caller

MORE: Final[dict[str, Any]] = {
    "needs": [{"flag": "hearing", "consent": True}],
    "issues": [{"category": "DEL", "issue": "DEL.LATE"}, {"category": "PRD", "issue": "PRD.SAFETY"}, {}],
    "channel": "REGULATOR",
    "jurisdiction": "GB",
    "sector": "retail",
    "source": "shop",
    "external_id": "1",
    "impact": 3,
    "urgency": 2,
    "loss": {"amount": "5.00", "currency": "EUR"},
}


def of(database: Database, complaint_id: UUID, wanted: set[str]) -> Facts:
    with database.unit_of_work(SYSTEM) as uow:
        row = queries.complaint_by_id_for_update(uow.session, complaint_id)
        return facts.facts_of(uow.session, row, wanted, uow.now)


@pytest.fixture
def told(database: Database, agent: Caller, team: UUID) -> dict[str, Any]:
    """What is known of a complaint to which as much has happened as can."""
    complaint_id = steps.receive(database, team_id=str(team), **MORE)
    for body in ({"kind": "inbound", "body": "Where is it?"}, {"kind": "public_reply", "body": "On its way."}):
        assert agent.post(f"/complaints/{complaint_id}/messages", body).status_code == 201
    assert agent.post(f"/complaints/{complaint_id}/claim").status_code == 200
    steps.do(database, complaint_id, "triage")
    steps.do(database, complaint_id, "acknowledge")
    agent.post(f"/complaints/{complaint_id}/tags", {"tags": ["vip"]})
    return dict(of(database, complaint_id, set(facts.VOCABULARY)).values)


LATER: Final = {
    "investigated_at",
    "resolved_at",
    "followed_up_at",
    "outcome",
    "fault",
    "root_cause",
    "dismissal",
}
"""Nothing of it is known of a complaint that is not decided."""


def test_every_name_is_filled_and_read_by_its_kind(told: dict[str, Any]) -> None:
    assert set(told) == set(facts.VOCABULARY)
    assert {name for name, value in told.items() if value is None} == LATER
    for name in set(facts.VOCABULARY) - LATER:
        condition = {"field": name, "operator": "is_set"}
        assert read(condition, facts.VOCABULARY).holds(Facts(told)), name


def test_every_choice_is_a_word_of_the_column(told: dict[str, Any]) -> None:
    for name, field in facts.VOCABULARY.items():
        if field.choices is None or told[name] is None:
            continue
        found = told[name] if field.kind.many else [told[name]]
        assert set(found) <= set(field.choices), name


def test_what_they_say(told: dict[str, Any], agent: Caller) -> None:
    assert told["category"] == "DEL"
    assert told["categories"] == ["DEL", "PRD"]
    assert told["issues"] == ["DEL.LATE", "PRD.SAFETY"]
    assert told["regulator"] is True
    assert told["price"] == Money(20000, "EUR")
    assert told["assignee_id"] == agent.id
    assert told["customer_tier"] == "ordinary"
    assert told["minutes_since_public_reply"] == told["minutes_since_received"] == 0


def test_what_is_decided_is_known_too(database: Database) -> None:
    values = of(database, steps.brought_to(database, "followed_up"), set(facts.VOCABULARY)).values
    assert {name for name in LATER if values[name] is None} == {"dismissal"}
    dismissed = of(database, steps.brought_to(database, "dismissed"), {"dismissal"}).values
    assert dismissed["dismissal"] == "out_of_scope"


@pytest.mark.parametrize(
    ("wanted", "cost"),
    [
        (set(), 0),
        ({"severity", "price"}, 0),
        ({"category", "issues"}, 1),
        ({"customer_tier"}, 1),
        ({"last_inbound_at", "minutes_since_inbound"}, 1),
        (set(facts.VOCABULARY), 3),
    ],
)
def test_what_they_cost(database: Database, statements: Callable[[], Any], wanted: set[str], cost: int) -> None:
    complaint_id = steps.receive(database)
    with database.unit_of_work(SYSTEM) as uow:
        row: Complaint = queries.complaint_by_id_for_update(uow.session, complaint_id)
        now = uow.now
        with statements() as seen:
            facts.facts_of(uow.session, row, wanted, now)
        assert len(seen) == cost, seen.seen


def test_of_nobody_and_nothing(database: Database) -> None:
    with database.unit_of_work(SYSTEM) as uow:
        complaint_id = intake.receive(uow, SYSTEM, {"channel": "PHONE", "subject": "x", "description": "y"})
    values = of(database, complaint_id, set(facts.VOCABULARY)).values
    assert values["category"] is None
    assert values["issues"] == []
    assert values["price"] is None
    assert "customer_tier" not in values
    assert values["minutes_since_inbound"] is None
