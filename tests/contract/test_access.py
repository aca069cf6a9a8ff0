"""Who sees 401, 403, 404 and who gets through, for every operation of the document and every kind of caller.

`access.txt` is the table, written by hand: an operation without a line fails, and so does a line without an operation.
"Through" is any answer but those three: the requests carry no body and no version, so most changes that get through end
as 422 or 428, and those that take neither happen.

How it can fail: a route forgets its permission; a row that hangs on a complaint is looked up past its visibility; a new
role or kind of credential gets further than it should; an expired one still works; who may not see a row learns by 403
that it exists.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text

from helpdesk.identity.permissions import ROLES, SHIPPED
from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program
from tests.conftest import Caller, complaint_body, make_agent, make_team
from tests.contract.document import OPERATIONS, Operation
from tests.contract.world import World

TABLE: Final = Path(__file__).with_name("access.txt")
KINDS: Final = {"complaint", "house", "own", "public", "signed", "tracked"}
EVERYTHING: Final = {name for name, shipped in SHIPPED.items() if shipped.rights.scope == "everything"}
"""Roles that see the complaints of every team."""
KEY_MAY: Final = "customer:read"
"""All that the API key without scope may do."""


@dataclass(frozen=True, slots=True)
class Line:
    """`rows`: whose rows the operation is about. `roles`: who gets through to those they may see."""

    rows: str
    roles: frozenset[str]


def table() -> Iterator[tuple[str, Line]]:
    """Of blocks: whose rows and which roles, with a colon; under it the operations."""
    block = Line("", frozenset())
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if line.endswith(":"):
            rows, *roles = line[:-1].split()
            assert rows in KINDS, line
            assert set(roles) <= {*ROLES, "everybody"}, line
            block = Line(rows, frozenset(ROLES) if roles == ["everybody"] else frozenset(roles))
        elif line and not line.startswith("#"):
            yield line.strip(), block


LINES: Final = dict(table())
TAGS: Final = sorted({operation.definition["tags"][0] for operation in OPERATIONS})


def test_every_operation_has_its_line_once() -> None:
    names = [operation for operation, _ in table()]
    assert sorted(names) == sorted(operation.id for operation in OPERATIONS)


@dataclass(frozen=True, slots=True)
class Who:
    """A caller. `role`: None for whoever is no agent: credentials that count for nothing, an API key, a complainant."""

    name: str
    token: str | None
    role: str | None = None
    inside: bool = False


def callers(app: Flask, database: Database, team: UUID, owner: Caller) -> list[Who]:
    elsewhere = make_team(database, "Elsewhere")
    found = [Who("anonymous", None), Who("unknown token", "hd_nothing")]
    for role in ROLES:
        for inside in (True, False):
            made = make_agent(app, database, role, [team if inside else elsewhere], None)
            found.append(Who(f"{role} {'inside' if inside else 'outside'}", made.token, role, inside))
    found += [Who("complainant", _tracking(app, owner)), *_keys(owner, database)]
    gone = {state: make_agent(app, database, "admin", [team], None) for state in ("expired", "revoked", "deactivated")}
    with database.engine.begin() as connection:
        for state, change in _GONE.items():
            connection.execute(text(change), {"id": gone[state].id})
    return [*found, *(Who(state, made.token) for state, made in gone.items())]


def _tracking(app: Flask, owner: Caller) -> str:
    """What a complainant shows: a session for a complaint of theirs."""
    taken = owner.post("/complaints", complaint_body()).json
    given = {"reference": taken["reference"], "secret": taken["tracking_secret"]}
    return str(Caller(app.test_client(), None, None).post("/public/tracking", given).json["token"])


def _keys(owner: Caller, database: Database) -> list[Who]:
    found = []
    for name in ("key without scope", "expired key", "revoked key"):
        body = {"name": name, "permissions": [KEY_MAY], "scope": "everything"}
        made = owner.post("/api-keys", body)
        assert made.status_code == 201, made.text
        found.append(Who(name, made.json["key"]))
        change = _KEY_GONE.get(name)
        if change is not None:
            with database.engine.begin() as connection:
                connection.execute(text(change), {"id": made.json["id"]})
    return found


_KEY_GONE: Final = {
    "expired key": "UPDATE api_key SET expires_at = now() - interval '1 second' WHERE id = :id",
    "revoked key": "UPDATE api_key SET revoked_at = now() WHERE id = :id",
}
_GONE: Final = {
    "expired": "UPDATE token SET expires_at = now() - interval '1 second' WHERE agent_id = :id",
    "revoked": "UPDATE token SET revoked_at = now() WHERE agent_id = :id",
    "deactivated": "UPDATE agent SET active = false WHERE id = :id",
}


def expected(operation: Operation, who: Who) -> set[str]:
    line = LINES.get(operation.id, Line("house", frozenset()))
    if line.rows == "public":
        return {"through", "404"}
    if line.rows == "signed":
        return {"401"}
    if line.rows == "tracked":
        return {"through", "404"} if who.name == "complainant" else {"401"}
    if who.name == "key without scope":
        needed = operation.definition.get("x-permission")
        return {"through", "403", "404"} if needed in {None, KEY_MAY} else {"403", "404"}
    if who.role is None:
        return {"401"}
    return _of_role(operation, line, who.role, inside=who.inside)


def _of_role(operation: Operation, line: Line, role: str, *, inside: bool) -> set[str]:
    entitled = role in line.roles
    if line.rows == "own":
        if entitled or not operation.path_names():
            return {"through"}
        return {"403", "404"} if "job:read_all" in ROLES[role] else {"404"}
    hidden = line.rows == "complaint" and operation.path_names() and not inside and role not in EVERYTHING
    if hidden and (entitled or operation.method != "get"):  # what is only read is refused before it is looked for
        return {"404"}
    return {"through"} if entitled else {"403"}


class Paths:
    """To rows of the team's, made by an administrator; to others as soon as one was changed or is gone."""

    def __init__(self, world: World, database: Database, team: UUID) -> None:
        self._world = world
        self._database = database
        self._team = team

    def of(self, operation: Operation) -> str:
        path = operation.path
        values = self._world.real(operation)
        if "/queues/{team_id}" in path:
            values = values | {"team_id": str(self._team)}
        for name, value in values.items():
            path = path.replace(f"{{{name}}}", quote(value, safe=""))
        return path

    def seen(self, app: Flask, operation: Operation, who: Who) -> str:
        headers = {"Idempotency-Key": f"{operation.id}-{who.name}".replace(" ", "-")}
        if who.token is not None:
            scheme = "Tracking" if who.name == "complainant" else "Bearer"
            headers["Authorization"] = f"{scheme} {who.token}"
        body: dict[str, Any] | None = {} if operation.body and "application/json" in operation.body else None
        path = self.of(operation)
        self._belong_to_the_team()
        answer = app.test_client().open(path, method=operation.method.upper(), headers=headers, json=body)
        assert answer.status_code < 500, (operation.id, who.name, answer.text)
        if operation.method != "get" and answer.status_code < 300:
            self._world.forget(operation)
        return str(answer.status_code) if answer.status_code in {401, 403, 404} else "through"

    def _belong_to_the_team(self) -> None:
        with self._database.engine.begin() as connection:
            moved = "UPDATE complaint SET team_id = :team, assignee_id = NULL WHERE team_id IS DISTINCT FROM :team"
            connection.execute(text(moved), {"team": self._team})


@pytest.mark.parametrize("tag", TAGS)
def test_who_gets_how_far(tag: str, app: Flask, program: Program, database: Database, team: UUID) -> None:
    owner = make_agent(app, database, "admin", [team], None)
    world = World(app, program, owner)
    asked = [operation for operation in OPERATIONS if operation.definition["tags"][0] == tag]
    paths = Paths(world, database, team)
    everybody = callers(app, database, team, owner)
    wrong = []
    for operation in asked:
        answers = {who: paths.seen(app, operation, who) for who in everybody}
        differs = {who.name: (answer, expected(operation, who)) for who, answer in answers.items()
                   if answer not in expected(operation, who)}  # fmt: skip
        if differs:
            wrong.append(f"{operation.id}: {differs}; seen: {_as_line(operation, answers)}")
    assert not wrong, "\n".join(wrong)


def _as_line(operation: Operation, answers: dict[Who, str]) -> str:
    """What was seen, as the table would have it, for whoever has looked at it and finds it right."""
    by_name = {who.name: answer for who, answer in answers.items()}
    if by_name["anonymous"] != "401":
        return f"{operation.id} public"
    if by_name["complainant"] != "401":
        return f"{operation.id} tracked"
    through = [role for role in ROLES if _of(answers, role, inside=True) == "through"]
    outside = {role for role in ROLES if _of(answers, role, inside=False) == "404"}
    inside = {role for role in ROLES if _of(answers, role, inside=True) == "404"}
    rows = "own" if inside else "complaint" if outside or "/complaints" in operation.path else "house"
    roles = "everybody" if len(through) == len(ROLES) else " ".join(through)
    return f"{operation.id} {rows} {roles}"


def _of(answers: dict[Who, str], role: str, *, inside: bool) -> str:
    return next(answer for who, answer in answers.items() if (who.role, who.inside) == (role, inside))


def test_the_callers_are_who_they_are_said_to_be(app: Flask, database: Database, team: UUID) -> None:
    """Without this, a table of refusals would hold for ever."""
    found = callers(app, database, team, make_agent(app, database, "admin", [team], None))
    through = [who.name for who in found if _me(app, who).status_code == 200]
    assert through == [who.name for who in found if who.role is not None or who.name == "key without scope"]


def _me(app: Flask, who: Who) -> Any:
    return Caller(app.test_client(), None, who.token).get("/me")
