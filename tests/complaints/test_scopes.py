"""Which complaints exist for whom, by the scope of the role: what is assigned to oneself, what one's teams have, everything.

How it can fail: a list, a count, a filter, or something that hangs on a complaint (messages, clocks, offers, timeline, an
act) asks another condition than the rest; a route that is added later forgets to ask. So the routes are taken from the
OpenAPI document, and the expected set is computed here, from the rows, in Python.
"""

import random
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from helpdesk.identity.actors import Actor
from helpdesk.identity.permissions import ROLES
from helpdesk.kernel.unit_of_work import Database
from tests.conftest import Caller, Join, complaint_body, make_team
from tests.contract.document import OPERATIONS, Operation
from tests.recovery import helpers

Row = dict[str, Any]


def hanging_on_a_complaint(*methods: str) -> list[Operation]:
    """Operations whose path names a complaint and, but for fixed words, nothing else."""
    return [operation for operation in OPERATIONS if operation.method in methods and operation.path_names() == ["ref"]]


@pytest.fixture
def scoped(admin: Caller, join: Join) -> Callable[..., Caller]:
    """Agents who may do what a manager may, on the complaints of a scope."""
    for scope in ("own", "teams", "everything"):
        held = sorted(ROLES["manager"] | ROLES["admin"] - {"agent:manage", "role:manage", "token:manage"})
        body = {"name": f"sees {scope}", "permissions": held, "scope": scope, "authority": "manager"}
        assert admin.post("/roles", body).status_code == 201

    def one(scope: str, *team_ids: UUID) -> Caller:
        return join(f"sees {scope}", team_ids=list(team_ids))

    return one


def integration(app: Flask, admin: Caller, scope: str, *team_ids: UUID) -> Caller:
    """A program with a key that may read whatever hangs on a complaint."""
    asked = {operation.definition["x-permission"] for operation in hanging_on_a_complaint("get")}
    held = sorted({"complaint:read", "offer:read", "event:read", "agent:read"} | asked)
    body = {"name": "x", "permissions": held, "scope": scope, "team_ids": [str(team_id) for team_id in team_ids]}
    shown = admin.post("/api-keys", body).json
    actor = Actor(kind="integration", id=UUID(shown["id"]), scope=scope, team_ids=team_ids)
    return Caller(app.test_client(), actor, shown["key"])


def exists_for(caller: Caller, row: Row) -> bool:
    actor = caller.actor
    if actor.scope == "everything" or row["assignee_id"] == str(actor.id):
        return True
    return actor.scope == "teams" and (row["team_id"] is None or UUID(row["team_id"]) in actor.team_ids)


def everything(caller: Caller, path: str) -> list[Row]:
    answer = caller.get(f"{path}{'&' if '?' in path else '?'}limit=5").json
    items = list(answer["items"])
    while answer["next_cursor"]:
        answer = caller.get(f"{path}{'&' if '?' in path else '?'}limit=5&cursor={answer['next_cursor']}").json
        items += answer["items"]
    return items


def address(operation: Operation, row: Row) -> str:
    return operation.path.replace("{ref}", row["reference"])


@pytest.mark.parametrize("seed", [1, 2])
def test_one_condition_everywhere(
    app: Flask, admin: Caller, scoped: Callable[..., Caller], database: Database, seed: int
) -> None:
    chance = random.Random(seed)
    north, south = make_team(database, "North"), make_team(database, "South")
    callers = [
        scoped("own"),
        scoped("own", north, south),
        scoped("teams"),
        scoped("teams", north),
        scoped("everything"),
        integration(app, admin, "teams", south),
        integration(app, admin, "everything"),
    ]
    for number in range(14):
        ref = admin.post("/complaints", complaint_body(subject=f"Number {number}")).json["reference"]
        given = {
            "team_id": chance.choice([None, str(north), str(south)]),
            "assignee_id": chance.choice([None, None, *(str(caller.id) for caller in callers if caller.actor.role)]),
        }
        assert admin.put(f"/complaints/{ref}/assignment", given, if_match="*").status_code == 200
        if number % 2:
            helpers.draft(admin, {"reference": ref}, {"kind": "apology_letter"})
    rows = everything(admin, "/complaints")
    offers = everything(admin, "/offers")
    reading = hanging_on_a_complaint("get")
    assert len(reading) >= 6
    for caller in callers:
        seen = {row["id"] for row in rows if exists_for(caller, row)}
        assert {row["id"] for row in everything(caller, "/complaints")} == seen
        assert caller.get("/complaints?count=true").json["total"] == len(seen)
        mine = {row["id"] for row in rows if row["assignee_id"] == str(caller.id)}
        assert {row["id"] for row in everything(caller, "/complaints?mine=true")} == mine
        of_these = {offer["id"] for offer in offers if offer["complaint_id"] in seen}
        assert {offer["id"] for offer in everything(caller, "/offers")} == of_these
        told = {row["stream_id"] for row in caller.get("/events?limit=200&types=complaint.received").json["items"]}
        assert {row["id"] for row in rows} & told == seen
        for row in rows:
            for operation in reading:
                status = caller.get(address(operation, row)).status_code
                assert (status != 404) == (row["id"] in seen), (operation.id, caller.actor.scope)
        for offer in offers:
            status = caller.get(f"/offers/{offer['id']}").status_code
            assert status == (200 if offer["id"] in of_these else 404)


def test_no_act_reaches_what_one_does_not_see(
    admin: Caller, scoped: Callable[..., Caller], team: UUID, database: Database, engine: Engine
) -> None:
    """Whatever the act and its body: 404, and nothing has happened."""
    callers = [scoped("own", team), scoped("teams", make_team(database, "Other"))]
    row = admin.post("/complaints", complaint_body(team_id=str(team))).json
    acting = hanging_on_a_complaint("post", "put", "patch", "delete")
    assert len(acting) >= 20
    counted = "SELECT (SELECT count(*) FROM event), (SELECT sum(version) FROM complaint), (SELECT count(*) FROM offer)"
    with engine.connect() as connection:
        before = connection.execute(text(counted)).one()
    for caller in callers:
        for operation in acting:
            headers = {"If-Match": "*", "Idempotency-Key": f"{caller.id}-{operation.id}"}
            answer = caller._send(operation.method.upper(), address(operation, row), {}, headers)
            assert answer.status_code == 404, (operation.id, answer.text)
    with engine.connect() as connection:
        assert connection.execute(text(counted)).one() == before


def test_own_begins_and_ends_with_the_assignment(admin: Caller, scoped: Callable[..., Caller], team: UUID) -> None:
    """Who has it sees it, and who gives it away sees what they have done, and then no more."""
    caller, other = scoped("own", team), scoped("own", team)
    path = f"/complaints/{admin.post('/complaints', complaint_body(team_id=str(team))).json['reference']}"
    assert caller.get(path).status_code == 404
    assert caller.post(f"{path}/claim").status_code == 404
    admin.put(f"{path}/assignment", {"assignee_id": str(caller.id)}, if_match="*")
    assert caller.get(path).status_code == 200
    given = caller.put(f"{path}/assignment", {"assignee_id": str(other.id)}, if_match="*")
    assert (given.status_code, given.json["assignee_id"]) == (200, str(other.id))
    assert (caller.get(path).status_code, other.get(path).status_code) == (404, 200)


def test_own_takes_in_what_it_does_not_see(scoped: Callable[..., Caller], team: UUID, database: Database) -> None:
    """Whoever takes a complaint in is shown it once; it goes to the team's queue, which is not theirs to read."""
    caller = scoped("own", team)
    made = caller.post("/complaints", complaint_body(team_id=str(team)))
    assert made.status_code == 201
    assert caller.get(made.headers["Location"]).status_code == 404
    elsewhere = complaint_body(team_id=str(make_team(database, "Other")))
    assert caller.post("/complaints", elsewhere).status_code == 422
