"""Triggers by real processes: the API takes a complaint in, the relay rings, a worker acts, and another trigger follows."""

from helpdesk.verifying import violations
from tests.complaints.steps import GOOD
from tests.conftest import complaint_body
from tests.system import System, wait_until


def test_from_a_complaint_to_what_follows(system: System) -> None:
    escalate = {"step": "escalate", "given": {"reason": "By rule."}}
    tag = {"step": "add_tags", "given": {"tags": ["by rule"]}}
    made = {}
    for name, event, action in (
        ("first", "complaint.received", escalate),
        ("second", "complaint.escalated", tag),
    ):
        condition = {"field": "source", "operator": "is", "value": "journey"}
        body = {"name": name, "on": {"events": [event]}, "condition": condition, "actions": [action]}
        answer = system.call("POST", "/triggers", body)
        assert answer.status == 201, answer.body
        made[name] = answer.body["id"]
    complaint = system.call("POST", "/complaints", complaint_body(source="journey")).body
    path = f"/complaints/{complaint['reference']}"
    log = wait_until(
        lambda: (items := system.call("GET", f"{path}/automation").body["items"]) and len(items) == 2 and items,
        "two triggers to fire",
    )
    assert {(item["trigger_id"], item["outcome"], item["depth"]) for item in log} == {
        (made["first"], "done", 1),
        (made["second"], "done", 2),
    }
    shown = system.call("GET", path).body
    assert (shown["escalation_level"], shown["tags"]) == (1, ["by rule"])
    for trigger_id in made.values():
        assert system.call("DELETE", f"/triggers/{trigger_id}", if_match="*").status == 200
    assert system.call("POST", f"{path}/actions/withdraw", GOOD["withdraw"]).status == 200
    assert not list(violations(system.program.database, ["chain", "complaints"]))
