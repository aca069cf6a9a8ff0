"""Steps: what can be done with a complaint, by name and as data.

How it can fail: a step asks for less than the route of the same name, or takes another body; a bad field is not named
where it stands; a step that is added later has no route, or a route for which there ought to be a step.
"""

from typing import Any, Final
from uuid import UUID

import pytest

from helpdesk.complaints import queries
from helpdesk.complaints.lifecycle import LIFECYCLE
from helpdesk.complaints.steps import STEPS, perform, read_step, read_steps
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.errors import Forbidden, ValidationFailed
from helpdesk.kernel.unit_of_work import Database
from tests.complaints.steps import GOOD
from tests.conftest import Caller, Join
from tests.contract.document import OPERATIONS, Operation

ROUTES: Final = {
    "edit": "PATCH /api/v1/complaints/{ref}",
    "write_message": "POST /api/v1/complaints/{ref}/messages",
    "assign": "PUT /api/v1/complaints/{ref}/assignment",
    "claim": "POST /api/v1/complaints/{ref}/claim",
    "release": "POST /api/v1/complaints/{ref}/release",
    "add_tags": "POST /api/v1/complaints/{ref}/tags",
    "remove_tags": "POST /api/v1/complaints/{ref}/tags/remove",
    **{action: f"POST /api/v1/complaints/{{ref}}/actions/{action}" for action in LIFECYCLE.actions},
}


def route(name: str) -> Operation:
    method, _, path = ROUTES[name].partition(" ")
    return next(item for item in OPERATIONS if item.method == method.lower() and item.path == path)


def test_every_step_has_its_route() -> None:
    assert set(STEPS) <= set(ROUTES)


@pytest.mark.parametrize("name", STEPS)
def test_asks_for_what_its_route_asks_for(name: str) -> None:
    assert STEPS[name].permission == route(name).definition["x-permission"]


@pytest.mark.parametrize("name", STEPS)
def test_takes_what_its_route_takes(name: str) -> None:
    body = STEPS[name].body
    described = route(name).body
    if body is None:
        assert described is None
        return
    assert described is not None
    schema = next(iter(described.values()))["schema"]
    assert schema["$ref"].rpartition("/")[2] == body.__name__


@pytest.mark.parametrize("name", STEPS)
def test_not_without_the_permission(name: str, join: Join, complaint: dict[str, Any], database: Database) -> None:
    auditor = join("auditor").actor
    given: dict[str, Any] = {
        "edit": {"subject": "x"},
        "write_message": {"kind": "internal_note", "body": "x"},
        "add_tags": {"tags": ["x"]},
        "remove_tags": {"tags": ["x"]},
    }
    body = GOOD.get(name) or given.get(name) or {}
    with database.unit_of_work(auditor) as uow:
        row = queries.complaint_by_id_for_update(uow.session, UUID(complaint["id"]))
        with pytest.raises(Forbidden):
            perform(uow, auditor, row, read_step({"step": name, "given": body}))


def test_every_bad_field_of_every_step_is_named() -> None:
    items = [
        {"step": "add_tags", "given": {"tags": ["a", "b,c"]}},
        {"step": "claim", "given": {}},
        {"step": "triage", "given": GOOD["triage"] | {"impact": 9, "colour": "red"}},
    ]
    with pytest.raises(ValidationFailed) as refused:
        read_steps(items)
    assert {error["pointer"] for error in refused.value.errors} == {
        "/steps/0/given/tags/1",
        "/steps/2/given/impact",
        "/steps/2/given/colour",
    }


def test_several_in_one_transaction(database: Database, agent: Caller, complaint: dict[str, Any]) -> None:
    read = read_steps(
        [
            {"step": "add_tags", "given": {"tags": ["a"]}},
            {"step": "escalate", "given": GOOD["escalate"]},
            {"step": "remove_tags", "given": {"tags": ["a"]}},
        ]
    )
    with database.unit_of_work(SYSTEM) as uow:
        row = queries.complaint_by_id_for_update(uow.session, UUID(complaint["id"]))
        for step in read:
            perform(uow, SYSTEM, row, step)
    shown = agent.get(f"/complaints/{complaint['reference']}").json
    assert (shown["tags"], shown["escalation_level"]) == ([], 1)
