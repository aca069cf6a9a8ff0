"""Habits of every operation (versions, deletions, addresses), tried on real rows.

How it can fail: a version that the caller looked at is asked for and not compared, or compared after something was done;
a DELETE says that the row is gone and it is still there, or shows one that is gone; an address in `Location` leads
nowhere, to something else, or tells of a complaint that the caller may not see.
"""

from typing import Any, Final
from urllib.parse import quote

import pytest
from flask import Flask

from helpdesk.wiring import Program
from tests.conftest import Caller, complaint_body
from tests.contract.document import OPERATIONS, Operation
from tests.contract.forms import FORM, form
from tests.contract.world import World

STALE: Final = '"v999999"'
GUARDED: Final = [operation for operation in OPERATIONS if operation.parameter("header", "If-Match")]
DELETING: Final = [operation for operation in OPERATIONS if operation.method == "delete" and operation.path_names()]
GETS: Final = {operation.path for operation in OPERATIONS if operation.method == "get"}


@pytest.fixture
def world(app: Flask, program: Program, admin: Caller) -> World:
    return World(app, program, admin)


def address(operation: Operation, values: dict[str, str]) -> str:
    path = operation.path
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    return path


def test_a_version_that_is_not_there_is_refused_before_anything_else(world: World) -> None:
    """Before the state and the body are looked at (409, 422): the requests say nothing else that is right."""
    wrong = {}
    for operation in GUARDED:
        headers = world.headers(operation) | {"If-Match": STALE}
        body, kind = form(b'{"file": "text"}') if FORM in (operation.body or {}) else (b"{}", "application/json")
        answer = world.caller.client.open(
            address(operation, world.real(operation)),
            method=operation.method.upper(),
            data=body if operation.body else None,
            headers=headers | ({"Content-Type": kind} if operation.body else {}),
        )
        if (answer.status_code, (answer.json or {}).get("code")) != (412, "precondition_failed"):
            wrong[operation.id] = (answer.status_code, answer.text[:200])
    assert wrong == {}


def test_a_deleted_row_is_gone_or_shown_as_it_stays(world: World) -> None:
    wrong = {}
    for operation in DELETING:
        values = world.real(operation)
        path, headers = address(operation, values), world.headers(operation)
        done = world.caller.client.delete(path, headers=headers)
        again = world.caller.client.get(path, headers=headers) if operation.path in GETS else None
        if done.status_code == 204:
            sound = not done.data and (again is None or again.status_code == 404)
        else:
            shown, told = (
                (again and again.json) or {},
                done.json or {},
            )  # beside it stands what follows, as with every edit
            sound = done.status_code == 200 and all(told.get(name) == value for name, value in shown.items())
        if not sound:
            wrong[operation.id] = (done.status_code, done.text[:200], None if again is None else again.status_code)
    assert wrong == {}
    assert len(DELETING) > 15


class TestLocation:
    """Of what is made beneath something else."""

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("issues", {"category": "COM", "issue": "COM.WAIT"}),
            ("affected", {"name": "Li Na"}),
            ("needs", {"flag": "hearing", "adjustment": "Write, do not call.", "consent": True}),
            ("messages", {"kind": "internal_note", "body": "Called the depot."}),
            ("drafts", {"kind": "internal_note", "body": "We have"}),
        ],
    )
    def test_leads_to_what_was_made(self, agent: Caller, path: str, body: dict[str, Any]) -> None:
        complaint = agent.post("/complaints", complaint_body()).json
        made = agent.post(f"/complaints/{complaint['reference']}/{path}", body)
        assert made.status_code == 201, made.text
        assert agent.get(made.headers["Location"]).json == made.json

    def test_of_a_draft_that_was_sent(self, agent: Caller) -> None:
        path = f"/complaints/{agent.post('/complaints', complaint_body()).json['reference']}"
        draft = agent.post(f"{path}/drafts", {"kind": "internal_note", "body": "We have"}).json
        sent = agent.post(f"{path}/drafts/{draft['id']}/send", {})
        assert agent.get(sent.headers["Location"]).json == sent.json
