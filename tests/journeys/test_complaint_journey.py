"""A complaint's whole life over HTTP, with real workers; and the wrong turns on the way."""

from datetime import UTC, datetime
from typing import Any

import pytest

from helpdesk.verifying import violations
from tests.conftest import complaint_body
from tests.system import Answer, System, wait_until

LETTER = {
    "finding": "Your parcel was four days late.",
    "reasons": "Our depot missed a scan.",
    "remedy": "We offer you a voucher of 40 EUR.",
    "next_stage": "If you disagree, write to our complaints director within two months.",
}
FINDINGS = {
    "findings": [{"finding": "The depot missed a scan.", "evidence": "Carrier log of 2 March."}],
    "root_cause": "RC.HAND",
    "fault": "firm",
}


@pytest.fixture(scope="module")
def budget(system: System) -> dict[str, Any]:
    year = datetime.now(UTC).year
    opened: dict[str, Any] = ok(
        system.call(
            "POST",
            "/budgets",
            {"name": "Goodwill", "currency": "EUR", "starts_on": f"{year}-01-01", "ends_on": f"{year + 1}-12-31"},
            idempotency_key="open-goodwill",
        ),
        201,
    )
    allocation = {"amount": {"amount": "1000.00", "currency": "EUR"}}
    path = f"/budgets/{opened['id']}/allocations"
    ok(system.call("POST", path, allocation, idempotency_key="allocate-goodwill", if_match='"v1"'), 201)
    return opened


def ok(answer: Answer, status: int = 200) -> Any:
    assert answer.status == status, (answer.status, answer.body)
    return answer.body


def receive(system: System, **more: Any) -> str:
    return str(ok(system.call("POST", "/complaints", complaint_body(**more)), 201)["reference"])


def act(system: System, ref: str, action: str, **body: Any) -> Any:
    return ok(system.call("POST", f"/complaints/{ref}/actions/{action}", body))


def offer_voucher(system: System, ref: str, amount: str = "40.00") -> Any:
    """Drafted, submitted (within an administrator's authority) and put before the customer."""
    drafted = ok(
        system.call(
            "POST",
            f"/complaints/{ref}/offers",
            {
                "kind": "voucher",
                "amount": {"amount": amount, "currency": "EUR"},
                "reason": "Your parcel came four days late.",
                "override_reason": "Agreed with the team.",
                "allow_duplicate": True,
                "duplicate_reason": "Another journey's parcel.",
            },
        ),
        201,
    )
    for action in ("submit", "offer"):
        path = f"/offers/{drafted['id']}/actions/{action}"
        seen = f'"v{drafted["version"]}"'
        drafted = ok(system.call("POST", path, {}, idempotency_key=f"{action}-{drafted['id']}", if_match=seen))
    return drafted


def test_from_receipt_to_follow_up(system: System, budget: dict[str, Any]) -> None:
    ref = receive(system)
    act(system, ref, "acknowledge", channel="PHONE")
    act(system, ref, "triage", impact=3, urgency=2, category="DEL", issue="DEL.LATE", track="investigate")

    refused = system.call("POST", f"/complaints/{ref}/actions/resolve", {})
    assert refused.status == 409
    assert refused.headers["Content-Type"] == "application/problem+json"
    allowed = {entry["action"] for entry in refused.body["allowed_actions"]}
    assert "investigate" in allowed
    assert "resolve" not in allowed

    act(system, ref, "investigate", **FINDINGS)
    suggestion = ok(system.call("GET", f"/complaints/{ref}/suggestion"))
    assert suggestion["lines"]

    resolution = {"outcomes": [{"outcome": "upheld"}], "letter": LETTER, "remedy": {}}
    too_early = system.call("POST", f"/complaints/{ref}/actions/resolve", resolution)
    assert (too_early.status, too_early.body["errors"][0]["pointer"]) == (422, "/remedy/none_because")

    offered = offer_voucher(system, ref)
    assert offered["status"] == "offered"
    resolved = act(system, ref, "resolve", **resolution)
    assert (resolved["status"], resolved["outcome"]) == ("resolved", "upheld")
    assert resolved["remedies_undelivered"] == 1

    early = system.call("POST", f"/complaints/{ref}/actions/follow_up", {"result": "contact_made"})
    assert (early.status, early.body["missing"][0]["code"]) == (409, "remedy_undelivered")

    link = offered["link"].rsplit("/", 1)[-1]
    shown = ok(system.call("GET", f"/public/offers/{link}", token=None))
    assert (shown["status"], shown["amount"]) == ("offered", {"amount": "40.00", "currency": "EUR"})
    accepted = system.call("POST", f"/public/offers/{link}/accept", {}, token=None, idempotency_key="customer-accepts")
    ok(accepted)

    issued = wait_until(
        lambda: (found := ok(system.call("GET", f"/offers/{offered['id']}")))["status"] == "issued" and found,
        "the voucher to be issued by a worker",
    )
    voucher = ok(system.call("GET", f"/vouchers/{issued['issued_reference']}"))
    assert voucher["amount"] == {"amount": "40.00", "currency": "EUR"}

    shown = ok(system.call("GET", f"/public/offers/{link}", token=None))
    assert shown["voucher_code"] == issued["issued_reference"]
    wait_until(
        lambda: ok(system.call("GET", f"/offers/{offered['id']}"))["delivered_at"] is not None,
        "it to be recorded that the customer has seen the code",
    )
    ended = act(system, ref, "follow_up", result="contact_made", note="Content with the outcome.")
    assert ended["status"] == "followed_up"

    timeline = ok(system.call("GET", f"/complaints/{ref}/timeline?limit=200"))["items"]
    types = [entry["type"] for entry in timeline]
    for expected in ("complaint.received", "complaint.acknowledged", "complaint.resolved", "complaint.followed_up"):
        assert expected in types
    assert ok(system.call("GET", f"/complaints/{ref}/timeline/verification"))["valid"]
    clocks = ok(system.call("GET", f"/complaints/{ref}/clocks"))["items"]
    assert {clock["state"] for clock in clocks} == {"met"}
    left = ok(system.call("GET", f"/budgets/{budget['id']}"))
    assert left["committed"]["amount"] == "40.00"
    assert list(violations(system.program.database)) == []


def test_the_link_answers_once(system: System, budget: dict[str, Any]) -> None:
    ref = receive(system)
    link = offer_voucher(system, ref, "10.00")["link"].rsplit("/", 1)[-1]
    ok(system.call("POST", f"/public/offers/{link}/decline", {}, token=None, idempotency_key="declines"))
    late = system.call("POST", f"/public/offers/{link}/accept", {}, token=None, idempotency_key="accepts-late")
    assert late.status == 409
    assert system.call("GET", f"/public/offers/{link[:-2]}xx", token=None).status == 404


def test_every_state_refuses_what_does_not_belong_to_it(system: System) -> None:
    """Each action that is not in `allowed_actions` answers 409 and lists what is."""
    ref = receive(system)
    bodies: dict[str, dict[str, Any]] = {
        "resolve": {"outcomes": [{"outcome": "upheld"}], "letter": LETTER, "remedy": {"none_because": "None wanted."}},
        "investigate": FINDINGS,
        "follow_up": {"result": "contact_made"},
        "withdraw": {"reason": "It came after all."},
        "reopen": {"reason": "Wrong parcel."},
        "dismiss": {"reason_code": "out_of_scope"},
        "acknowledge": {"channel": "PHONE"},
    }
    for step in ("acknowledge", "investigate", "resolve", "follow_up", "reopen", "withdraw", "reopen", "dismiss"):
        present = ok(system.call("GET", f"/complaints/{ref}"))
        possible = {entry["action"] for entry in present["allowed_actions"] if not entry["missing"]}
        for action in bodies.keys() - possible:
            refused = system.call("POST", f"/complaints/{ref}/actions/{action}", bodies[action])
            assert refused.status == 409, (present["status"], action, refused.body)
            assert refused.body["code"] == "action_not_allowed"
            listed = {entry["action"] for entry in refused.body["allowed_actions"] if not entry["missing"]}
            assert listed == possible
        act(system, ref, step, **bodies[step])
    assert ok(system.call("GET", f"/complaints/{ref}"))["status"] == "dismissed"


def test_an_alarm_rings_in_a_worker(system: System) -> None:
    """A promise that was broken before it came to us is said to be, once, by a worker that the scheduler rang for."""
    ref = receive(system, received_at="2026-01-05T09:00:00Z")
    breached = wait_until(
        lambda: [
            entry
            for entry in ok(system.call("GET", f"/complaints/{ref}/timeline?limit=200"))["items"]
            if entry["type"] == "sla.breached"
        ],
        "the breaches",
    )
    wait_until(
        lambda: all(
            clock["state"] == "breached" for clock in ok(system.call("GET", f"/complaints/{ref}/clocks"))["items"]
        ),
        "every clock to be breached",
    )
    assert breached[0]["actor_kind"] == "system"


def test_metrics_and_health_tell_of_the_work(system: System) -> None:
    ready = system.call("GET", "/health/ready", token=None)
    assert (ready.status, ready.body["checks"]["redis"]["status"]) == (200, "ok")
    text = system.call("GET", "/metrics", token=None).body
    assert "helpdesk_requests_total" in text
    assert "helpdesk_duties_owed" in text
