"""Filters of several values: the list, its count, a bulk change, a view and the search agree with a look at every complaint.

How it can fail: one is there twice; a page skips or repeats one where values meet; a value of another kind is taken; of two filters
one is forgotten; an agent sees another team's complaint because their own team stands beside it; a view of one value goes no more;
the address of the next page has lost a value.
"""

import itertools
import random
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

import pytest

from helpdesk.complaints.list_queries import SORTS
from helpdesk.kernel.unit_of_work import Database
from tests.complaints.calling import at, done, new
from tests.conftest import Caller, Join, make_team

WORLD: Final = 24
TRIES: Final = 42
NOBODY: Final = "0192f0c1-7d1e-7c3a-9a51-2f6f0f6f3a10"


class World:
    """Complaints of all kinds. The senior sees those of their team, their own, and what no team has; the manager all."""

    def __init__(self, join: Join, database: Database, team: UUID, senior: Caller) -> None:
        self.teams = [str(team), str(make_team(database, "Others")), str(make_team(database, "Idle"))]
        self.senior, self.manager, self.idle = senior, join("manager"), join()
        life = random.Random(3)
        refs = [self._one(life, number)["reference"] for number in range(WORLD)]
        self.rows = [self.manager.get(f"/complaints/{ref}").json for ref in refs]
        self.watched = {row["id"] for row in self.rows[::5]}
        for row in self.rows[::5]:
            assert self.manager.put(at(row, "watchers", str(self.manager.id)), None).status_code == 200

    def _one(self, life: random.Random, number: int) -> dict[str, Any]:
        given: dict[str, Any] = {
            "channel": life.choice(("EMAIL", "PHONE", "WEB")),
            "language": life.choice(("en", "zh")),
            "source": life.choice(("shop", "branch", "web")),
            "external_id": f"x-{number}",
            "record_type": life.choice(("complaint", "complaint", "inquiry")),
            "issues": [{"category": life.choice(("DEL", "BIL", "COM"))}],
            "needs": [{"flag": "hearing", "consent": True}] if number % 4 == 0 else [],
        }
        team_id = life.choice((*self.teams[:2], None))
        shown = new(self.manager, **given | ({} if team_id is None else {"team_id": team_id}))
        if number % 3 == 0:
            body = {"assignee_id": str(life.choice((self.senior, self.manager)).id)}
            assert self.manager.put(at(shown, "assignment"), body, if_match="*").status_code == 200
        if given["record_type"] == "complaint" and number % 2:
            done(self.manager, shown, *life.choice((("ask_customer",), ("withdraw",), ("escalate",), ("investigate",))))
        return shown

    def values(self) -> Mapping[str, list[Any]]:
        return {
            "status": ["received", "withdrawn", "investigated", "dismissed"],
            "severity": ["S1", "S2", "S3", "S5"],
            "channel": ["EMAIL", "PHONE", "CHAT"],
            "record_type": ["complaint", "inquiry", "request"],
            "waiting_on": ["us", "customer", "nobody"],
            "category": ["DEL", "BIL", "SVC"],
            "source": ["shop", "web", "nowhere"],
            "stage": ["1", "external"],
            "team_id": self.teams,
            "assignee_id": [str(self.senior.id), str(self.manager.id), str(self.idle.id)],
            "language": ["en"],
            "escalation_level": [1],
            "vulnerable": [True, False],
            "watched": [True, False],
            "mine": [True, False],
            "unassigned": [True, False],
            "open": [True, False],
        }

    def sees(self, caller: Caller, row: Mapping[str, Any]) -> bool:
        return caller is self.manager or row["team_id"] in {None, self.teams[0]} or row["assignee_id"] == str(caller.id)

    def expected(self, caller: Caller, filters: Mapping[str, Any]) -> set[str]:
        return {
            row["reference"]
            for row in self.rows
            if self.sees(caller, row) and all(self.passes(caller, row, name, value) for name, value in filters.items())
        }

    def passes(self, caller: Caller, row: Mapping[str, Any], name: str, value: Any) -> bool:
        if name == "category":
            has: Any = {issue["category"] for issue in row["issues"]}
        elif name == "watched":
            has = {row["id"] in self.watched and caller is self.manager}
        elif name == "mine":
            has = {row["assignee_id"] == str(caller.id)}
        elif name == "unassigned":
            has = {row["assignee_id"] is None}
        elif name == "open":
            has = {row["status"] in {"received", "investigated"}}
        else:
            has = {row[name]}
        return bool(has & set(value if isinstance(value, list) else [value]))


_ONE_ONLY: Final = {"language", "escalation_level", "vulnerable", "watched", "mine", "unassigned", "open"}


def drawn(world: World, life: random.Random) -> dict[str, Any]:
    values = world.values()
    names = life.sample(sorted(values), life.choice((1, 2, 2, 3)))
    filters: dict[str, Any] = {}
    for name in names:
        some = life.sample(values[name], life.randint(1, 1 if name in _ONE_ONLY else len(values[name])))
        filters[name] = some if len(some) > 1 else some[0]
    return filters


def words(filters: Mapping[str, Any]) -> str:
    return urlencode(
        {name: str(value).lower() if isinstance(value, bool) else value for name, value in filters.items()}, doseq=True
    )


def pages(caller: Caller, query: str, limit: int) -> Iterator[dict[str, Any]]:
    """As a client does that follows the links."""
    path = f"/api/v1/complaints?{query}&limit={limit}"
    while path:
        answer = caller.get(path)
        assert answer.status_code == 200, answer.text
        yield from answer.json["items"]
        link = answer.headers.get("Link", "")
        path = link[1 : link.index(">")].partition("http://helpdesk.test")[2] if link else ""


def references(rows: Any) -> list[str]:
    return [row["reference"] for row in rows]


class TestAgreement:
    def test_with_a_look_at_every_complaint(self, join: Join, database: Database, team: UUID, senior: Caller) -> None:
        world = World(join, database, team, senior)
        life = random.Random(11)
        for number in range(TRIES):
            filters = drawn(world, life)
            caller = life.choice((world.senior, world.manager))
            sort = SORTS[number % len(SORTS)]
            expected = world.expected(caller, filters)
            told = f"{filters} by {sort}, {'all' if caller is world.manager else 'some'}"
            found = references(pages(caller, f"{words(filters)}&sort={sort}", life.choice((2, 50))))
            assert (len(found), set(found)) == (len(expected), expected), told
            whole = references(pages(caller, f"sort={sort}", 200))
            assert found == [ref for ref in whole if ref in expected], told
            counted = caller.get(f"/complaints?{words(filters)}&count=true&limit=1").json
            assert counted["total"] == len(expected), told
            searched = caller.get(f"/complaints/search?q=parcel&{words(filters)}&limit=200").json["items"]
            assert {hit["complaint"]["reference"] for hit in searched} == expected, told
            if number % 6:
                continue
            step = {"step": "add_tags", "given": {"tags": ["seen"]}, "where": filters, "dry_run": True}
            bulk = world.manager.post("/complaints/bulk", step)
            assert bulk.json["total"] == len(world.expected(world.manager, filters)), (told, bulk.text)
            body = {"name": f"View {number}", "filters": filters, "scope": "shared"}
            view = world.manager.post("/views", body)
            assert view.status_code == 201, view.text
            assert view.json["complaints"] == len(world.expected(world.manager, filters)), told
            listed = caller.get(f"/views/{view.json['id']}/complaints?limit=200").json["items"]
            assert set(references(listed)) == expected, told


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("status=received&status=lost", "choice"),
            ("status=received&status=received", "invalid"),
            ("team_id=x&team_id=y", "invalid"),
            ("customer_id=a&customer_id=b", "repeated"),
            ("language=en&language=zh", "repeated"),
            ("&".join(f"source=s{number}" for number in range(21)), "invalid"),
            ("escalation_level=9", "range"),
        ],
    )
    def test_in_an_address(self, agent: Caller, query: str, code: str) -> None:
        answer = agent.get(f"/complaints?{query}")
        assert answer.status_code == 422, answer.text
        assert {item["code"] for item in answer.json["errors"]} == {code}

    def test_in_a_payload(self, agent: Caller) -> None:
        for filters, pointer in (
            ({"status": []}, "/filters/status"),
            ({"status": ["received", "lost"]}, "/filters/status/1"),
            ({"team_id": [NOBODY, NOBODY]}, "/filters/team_id"),
            ({"assignee_id": [NOBODY, str(agent.id)]}, "/filters/assignee_id/0"),
        ):
            answer = agent.post("/views", {"name": "x", "filters": filters})
            assert [item["pointer"] for item in answer.json["errors"]] == [pointer], answer.text


class TestViews:
    def test_what_was_given_is_shown(self, agent: Caller) -> None:
        view = agent.post("/views", {"name": "One", "filters": {"severity": "S3", "status": ["received"]}}).json
        assert view["filters"] == {"severity": "S3", "status": ["received"]}
        many = agent.post("/views", {"name": "Two", "filters": {"severity": ["S2", "S3"]}}).json
        assert many["filters"] == {"severity": ["S2", "S3"]}
        shown = new(agent)
        assert many["complaints"] == 0
        assert agent.get(f"/views/{many['id']}").json["complaints"] == 1
        for view_id in (view["id"], many["id"]):
            assert references(agent.get(f"/views/{view_id}/complaints").json["items"]) == [shown["reference"]]


def test_every_pair_in_every_order(agent: Caller) -> None:
    """Two of several values each, in every order; whatever there is, none is refused by the database."""
    two = {
        "status": ["received", "resolved"],
        "severity": ["S1", "S2"],
        "team_id": [NOBODY, *map(str, agent.actor.team_ids)],
        "source": ["a", "b"],
        "category": ["DEL", "BIL"],
    }
    for (one, other), sort in itertools.product(itertools.combinations(two, 2), SORTS):
        answer = agent.get(f"/complaints?{words({one: two[one], other: two[other]})}&sort={sort}&count=true")
        assert answer.status_code == 200, answer.text
