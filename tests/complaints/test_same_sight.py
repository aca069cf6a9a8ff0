"""One set of complaints exists for a caller, by whichever door it is asked for.

How it can fail: a count, a view, a search, the number beside a tag, or a bulk change by filter reaches further than the
list, or less far; a filter means one thing here and another there. The expected set is computed in Python, from the rows.
"""

import random
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from helpdesk.kernel.unit_of_work import Database
from tests.complaints.calling import everything, new
from tests.complaints.test_custom_fields import define
from tests.complaints.test_scopes import exists_for, integration, scoped
from tests.complaints.test_search import hits
from tests.conftest import Caller, complaint_body, make_team

__all__ = ["scoped"]  # a fixture

Row = dict[str, Any]
TAGS = ("late", "damaged", "vip")


def _weight(row: Row) -> int:
    return int(row["custom_fields"].get("weight", -1))


FILTERS: list[tuple[dict[str, Any], str, Callable[[Row], bool]]] = [
    ({}, "", lambda _: True),
    ({"tag": ["late"]}, "tag=late", lambda row: "late" in row["tags"]),
    ({"tag": ["late", "vip"]}, "tag=late,vip", lambda row: {"late", "vip"} <= set(row["tags"])),
    ({"any_tag": ["vip", "damaged"]}, "any_tag=vip,damaged", lambda row: bool({"vip", "damaged"} & set(row["tags"]))),
    ({"has_tag": False}, "has_tag=false", lambda row: not row["tags"]),
    ({"open": True}, "open=true", lambda row: row["status"] in {"received", "investigated"}),
    (
        {"status": "withdrawn", "has_tag": True},
        "status=withdrawn&has_tag=true",
        lambda row: row["status"] == "withdrawn" and bool(row["tags"]),
    ),
    ({"custom": ["weight:2"]}, "custom=weight:2", lambda row: _weight(row) == 2),
    (
        {"custom": ["weight:1..3"], "open": True},
        "custom=weight:1..3&open=true",
        lambda row: 1 <= _weight(row) <= 3 and row["status"] == "received",
    ),
    (
        {"severity": "S1", "unassigned": True},
        "severity=S1&unassigned=true",
        lambda row: row["severity"] == "S1" and row["assignee_id"] is None,
    ),
]


@pytest.mark.parametrize("seed", [1, 2])
def test_list_count_view_bulk_search_and_tags(
    app: Flask,
    admin: Caller,
    scoped: Callable[..., Caller],
    database: Database,
    seed: int,
) -> None:
    chance = random.Random(seed)
    define(admin, "weight")
    teams = [make_team(database, name) for name in ("North", "South")]
    bulk = ["complaint:read", "complaint:bulk", "complaint:tag"]
    program = integration(app, admin, "teams", teams[1])
    program.token = admin.post(
        "/api-keys", {"name": "b", "permissions": bulk, "scope": "teams", "team_ids": [str(teams[1])]}
    ).json["key"]
    callers = [
        scoped("own", *teams),
        scoped("teams"),
        scoped("teams", teams[0]),
        scoped("everything"),
        scoped("teams", *teams),
        program,
    ]
    _world(chance, admin, [caller for caller in callers if caller.actor.role], teams)
    rows = everything(admin, "/complaints", limit=200)
    views = {
        query: admin.post("/views", {"name": "v", "scope": "shared", "filters": given}).json["id"]
        for given, query, _ in FILTERS
    }
    for caller in callers:
        visible = [row for row in rows if exists_for(caller, row)]
        for number, (given, query, passes) in enumerate(FILTERS):
            expected = {row["reference"] for row in visible if passes(row)}
            _check(caller, query, views[query], expected)
            chosen = {"where": given} if number % 2 else {"view_id": views[query]}
            if number % 3 == seed % 3:  # each complaint is tried, which takes its time
                assert _tried(caller, chosen) == expected, query
        for tag in everything(caller, "/tags"):
            assert tag["complaints"] == sum(tag["name"] in row["tags"] for row in visible)


def _world(chance: random.Random, admin: Caller, agents: list[Caller], teams: list[UUID]) -> None:
    for _ in range(16):
        more: dict[str, Any] = {"tags": chance.sample(TAGS, chance.randint(0, 3))}
        if chance.random() < 0.6:
            more["custom_fields"] = {"weight": str(chance.randint(0, 4))}
        if chance.random() < 0.5:
            more |= {"impact": 5, "urgency": 4}
        ref = new(admin, **more)["reference"]
        given = {
            "team_id": chance.choice([None, *map(str, teams)]),
            "assignee_id": chance.choice([None, None, *(str(agent.id) for agent in agents)]),
        }
        assert admin.put(f"/complaints/{ref}/assignment", given, if_match="*").status_code == 200
        if chance.random() < 0.3:
            assert admin.post(f"/complaints/{ref}/actions/withdraw", {"reason": "Found."}).status_code == 200


def _check(caller: Caller, query: str, view_id: str, expected: set[str]) -> None:
    listed = caller.get(f"/complaints?limit=200&count=true&{query}".rstrip("&")).json
    assert {row["reference"] for row in listed["items"]} == expected, query
    assert listed["total"] == len(expected), query
    assert {row["reference"] for row in everything(caller, f"/views/{view_id}/complaints")} == expected, query
    shown = caller.get(f"/views/{view_id}").json
    assert (shown["complaints"], shown["broken"]) == (len(expected), []), query
    words = complaint_body()["subject"].split()[0]
    parts = dict(part.split("=", 1) for part in query.split("&") if part)
    assert set(hits(caller, words, limit="200", **parts)) == expected, query


def _tried(caller: Caller, chosen: dict[str, Any]) -> set[str]:
    """What a bulk change would be done to."""
    body = {"step": "add_tags", "given": {"tags": ["x"]}, "dry_run": True} | chosen
    answer = caller.post("/complaints/bulk", body)
    assert answer.status_code == 200, answer.text
    return {item["subject"] for item in answer.json["items"]}
