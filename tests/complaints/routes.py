"""Routing rules, and where they sent a complaint, and why."""

from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from tests.complaints.work import at
from tests.conftest import Caller

NOW: Final = datetime.now(UTC)


def rule(caller: Caller, **given: Any) -> dict[str, Any]:
    """A rule for every complaint: to the least loaded, unless `given` says otherwise. `result` is what differs."""
    result = {"strategy": "least_loaded"} | given.pop("result", {})
    body = {"name": "Everything", "result": result} | given
    answer = caller.post("/routing/rules", {name: str(it) if isinstance(it, UUID) else it for name, it in body.items()})
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def to(team: UUID, **more: Any) -> dict[str, Any]:
    return {"team_id": str(team), **more}


def of(field: str, operator: str, value: Any) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


def decision(caller: Caller, complaint: dict[str, Any]) -> dict[str, Any]:
    """The newest one."""
    answer = caller.get(at(complaint, "routing"))
    assert answer.status_code == 200, answer.text
    return dict(answer.json["items"][0])


def reasons(found: dict[str, Any]) -> dict[str, list[str]]:
    return {item["agent_id"]: item["reasons"] for item in found["candidates"]}


def now(caller: Caller, complaint: dict[str, Any]) -> tuple[str | None, str | None]:
    shown = caller.get(at(complaint)).json
    return shown["assignee_id"], shown["team_id"]
