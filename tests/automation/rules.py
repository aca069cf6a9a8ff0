"""What the tests of triggers share."""

from typing import Any
from uuid import UUID

from helpdesk.automation.subscribers import MANY_TOPIC, TOPIC
from helpdesk.wiring import Program
from tests.conftest import Caller, complaint_body
from tests.recovery import helpers

ESCALATE: dict[str, Any] = {"step": "escalate", "given": {"reason": "By rule."}}
NOTE: dict[str, Any] = {"step": "write_message", "given": {"kind": "internal_note", "body": "Look at this."}}


def tag(*names: str) -> dict[str, Any]:
    return {"step": "add_tags", "given": {"tags": list(names)}}


def untag(*names: str) -> dict[str, Any]:
    return {"step": "remove_tags", "given": {"tags": list(names)}}


def of(field: str, operator: str, value: Any) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


def body(*events: str, **given: Any) -> dict[str, Any]:
    return {
        "name": "A rule",
        "on": {"events": list(events or ("complaint.received",))},
        "actions": [tag("seen")],
    } | given


def trigger(caller: Caller, *events: str, **given: Any) -> dict[str, Any]:
    answer = caller.post("/triggers", body(*events, **given))
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def timed(caller: Caller, since: str, minutes: int, counted: str = "clock", **given: Any) -> dict[str, Any]:
    on = {"time": {"since": since, "minutes": minutes, "counted": counted}}
    return trigger(caller, **({"on": on} | given))


def arrive(caller: Caller, team: UUID | None = None, **given: Any) -> dict[str, Any]:
    answer = caller.post("/complaints", complaint_body(**({} if team is None else {"team_id": str(team)}), **given))
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def react(program: Program) -> int:
    """Everything that is owed, and what is owed because of it, to the end; how many duties were done."""
    count = 0
    for _ in range(200):
        ids = [*helpers.duties(program.database, TOPIC), *helpers.duties(program.database, MANY_TOPIC)]
        if not ids:
            return count
        found = program.performer.perform(ids)
        assert found["failed"] == 0
        count += found["done"]
    raise AssertionError("it goes on for ever")


def firings(caller: Caller, made: dict[str, Any], **query: str) -> list[dict[str, Any]]:
    """The oldest first."""
    asked = "&".join(f"{name}={value}" for name, value in {"limit": "200", **query}.items())
    answer = caller.get(f"/triggers/{made['id']}/firings?{asked}")
    assert answer.status_code == 200, answer.text
    return list(reversed(answer.json["items"]))


def outcomes(caller: Caller, made: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [(item["outcome"], item["reason"]) for item in firings(caller, made)]


def shown(caller: Caller, complaint: dict[str, Any]) -> dict[str, Any]:
    answer = caller.get(f"/complaints/{complaint['reference']}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


def story(caller: Caller, complaint: dict[str, Any], *types: str) -> list[dict[str, Any]]:
    found = caller.get(f"/complaints/{complaint['reference']}/timeline?limit=200").json["items"]
    return [item for item in found if not types or item["type"] in types]
