"""Saved views: kept, counted, listed.

How it can fail: a view shows its caller more than the list would, or counts it; somebody else's own view is seen or
changed; a team's is written by who is not in it; what a view names is gone and the answer is a 500, or a list without the
filter, which is more than was asked for; counts of many views are many statements; a cursor goes on in a view that is
another by now; two write one at once.
"""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine

from helpdesk.complaints import list_queries, tagging
from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program
from tests.complaints.calling import at, everything, new, problems
from tests.complaints.test_custom_fields import define
from tests.conftest import Caller, Join, make_team
from tests.racing import behind_lock
from tests.recovery.helpers import another, execute, perform


def view(caller: Caller, **more: Any) -> dict[str, Any]:
    answer = caller.post("/views", {"name": "A view"} | more)
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def seen(caller: Caller, path: str = "/views") -> dict[str, Any]:
    """Name -> the view."""
    return {item["name"]: item for item in everything(caller, path)}


def references(caller: Caller, view_id: str) -> set[str]:
    return {item["reference"] for item in everything(caller, f"/views/{view_id}/complaints")}


class TestWrite:
    def test_anonymous_and_role(self, anonymous: Caller, join: Join, agent: Caller) -> None:
        body = {"name": "A view"}
        assert anonymous.get("/views").status_code == 401
        assert anonymous.post("/views", body).status_code == 401
        assert join("auditor").post("/views", body).status_code == 403
        answer = agent.post("/views", body | {"scope": "shared"})
        assert (answer.status_code, answer.json["permission"]) == (403, "view:share")

    def test_good(self, agent: Caller, team: UUID) -> None:
        filters = {
            "status": "received",
            "mine": True,
            "team_id": str(team),
            "received_from": "2026-01-01T01:00:00+01:00",
            "ref": ["7k3m9qx2tam"],
        }
        body = {"name": "Mine", "filters": filters, "sort": "received_at", "columns": ["reference"], "position": 3}
        answer = agent.post("/views", body)
        shown = answer.json
        assert answer.status_code == 201
        assert agent.get(answer.headers["Location"].removeprefix("/api/v1")).json == shown
        assert shown["filters"] == filters | {"received_from": "2026-01-01T00:00:00Z"}
        assert (shown["scope"], shown["agent_id"], shown["sort"]) == ("own", str(agent.id), "received_at")
        assert (shown["complaints"], shown["complaints_is_exact"], shown["broken"]) == (0, True, [])

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ({"name": ""}, {"/name": "length"}),
            ({"filters": {"colour": "red"}}, {"/filters/colour": "unknown_field"}),
            ({"filters": {"limit": 3}}, {"/filters/limit": "unknown_field"}),
            ({"filters": {"sort": "severity"}}, {"/filters/sort": "unknown_field"}),
            ({"filters": {"status": "open"}}, {"/filters/status": "choice"}),
            ({"filters": {"mine": "true"}}, {"/filters/mine": "invalid"}),
            ({"filters": {"tag": "late"}}, {"/filters/tag": "invalid"}),
            ({"filters": {"tag": ["unheard"]}}, {"/filters/tag/0": "unknown"}),
            (
                {"filters": {"any_tag": ["unheard", "of"]}},
                {"/filters/any_tag/0": "unknown", "/filters/any_tag/1": "unknown"},
            ),
            ({"filters": {"custom": ["nothing:1"]}}, {"/filters/custom/0": "unknown_field"}),
            ({"filters": {"custom": ["nothing"]}}, {"/filters/custom/0": "invalid"}),
            ({"filters": {"assignee_id": str(UUID(int=1))}}, {"/filters/assignee_id": "unknown"}),
            ({"filters": {"team_id": str(UUID(int=1))}}, {"/filters/team_id": "unknown"}),
            ({"filters": {"ref": ["nonsense"]}}, {"/filters/ref": "invalid"}),
            ({"filters": {"updated_from": "2026-01-01T00:00:00Z"}, "sort": "severity"}, {"/sort": "invalid"}),
            ({"columns": ["reference", "password"]}, {"/columns/1": "choice"}),
            ({"columns": ["custom_fields.nothing"]}, {"/columns/0": "unknown_field"}),
            ({"scope": "team"}, {"/team_id": "invalid"}),
            ({"team_id": str(UUID(int=1))}, {"/team_id": "invalid"}),
            ({"sort": "subject"}, {"/sort": "choice"}),
        ],
    )
    def test_bad(self, senior: Caller, body: dict[str, Any], expected: dict[str, str]) -> None:
        assert problems(senior.post("/views", {"name": "A view"} | body)) == expected
        assert everything(senior, "/views") == []

    def test_a_team_that_is_not_ones_own(self, senior: Caller, manager: Caller, database: Database) -> None:
        elsewhere = str(make_team(database, "Elsewhere"))
        body = {"name": "Theirs", "scope": "team", "team_id": elsewhere}
        assert problems(senior.post("/views", body)) == {"/team_id": "unknown"}
        assert view(manager, **body)["team_id"] == elsewhere
        assert "Theirs" not in seen(senior)

    def test_replaced_and_deleted(self, agent: Caller) -> None:
        shown = view(agent, filters={"mine": True})
        path = f"/views/{shown['id']}"
        body = {"name": "Other", "filters": {"open": True}}
        assert agent.put(path, body).status_code == 428
        changed = agent.put(path, body, if_match='"v1"').json
        assert (changed["name"], changed["filters"], changed["version"]) == ("Other", {"open": True}, 2)
        assert agent.put(path, body, if_match='"v2"').json["version"] == 2  # nothing changed
        assert agent.delete(path, if_match='"v1"').status_code == 412
        assert agent.delete(path, if_match='"v2"').status_code == 204
        assert agent.get(path).status_code == 404

    def test_filters_are_shown_as_they_were_given(self, agent: Caller, team: UUID) -> None:
        for filters in (
            {"team_id": [str(team)]},
            {"team_id": str(team)},
            {"status": ["received"], "category": ["DEL"]},
        ):
            shown = view(agent, filters=filters)
            assert shown["filters"] == filters
            assert agent.get(f"/views/{shown['id']}").json["filters"] == filters
            assert agent.get(f"/views/{shown['id']}/complaints").status_code == 200

    def test_filters_are_never_lost_for_not_being_named(self, agent: Caller) -> None:
        shown = view(agent, filters={"mine": True})
        path = f"/views/{shown['id']}"
        answer = agent.put(path, {"name": "Other"}, if_match='"v1"')
        assert (answer.status_code, [item["pointer"] for item in answer.json["errors"]]) == (422, ["/filters"])
        assert agent.get(path).json["filters"] == {"mine": True}
        assert agent.put(path, {"name": "Other", "filters": {}}, if_match='"v1"').json["filters"] == {}

    def test_two_write_at_once(self, senior: Caller, join: Join, engine: Engine) -> None:
        other = join("senior")
        shown = view(senior, scope="shared")
        answers = behind_lock(
            engine,
            "SELECT FROM complaint_view WHERE id = :id FOR UPDATE",
            lambda: senior.put(
                f"/views/{shown['id']}", {"name": "A", "scope": "shared", "filters": {}}, if_match='"v1"'
            ),
            lambda: other.put(
                f"/views/{shown['id']}", {"name": "B", "scope": "shared", "filters": {}}, if_match='"v1"'
            ),
            id=shown["id"],
        )
        assert sorted(answer.status_code for answer in answers) == [200, 412]

    def test_never_too_many(self, agent: Caller, database: Database) -> None:
        execute(
            database,
            "INSERT INTO complaint_view (id, name, scope, agent_id, sort) "
            "SELECT gen_random_uuid(), 'v' || n, 'own', :agent, '-received_at' FROM generate_series(1, 100) AS n",
            agent=agent.id,
        )
        assert agent.post("/views", {"name": "One more"}).json["code"] == "too_many_views"

    def test_never_too_many_by_two_at_once(self, agent: Caller, database: Database, engine: Engine) -> None:
        execute(
            database,
            "INSERT INTO complaint_view (id, name, scope, agent_id, sort) "
            "SELECT gen_random_uuid(), 'v' || n, 'own', :agent, '-received_at' FROM generate_series(1, 99) AS n",
            agent=agent.id,
        )
        answers = behind_lock(
            engine,
            "LOCK TABLE complaint_view IN SHARE ROW EXCLUSIVE MODE",
            *(partial(each.post, "/views", {"name": "One more"}) for each in (agent, another(agent))),
        )
        assert sorted(answer.status_code for answer in answers) == [201, 409]

    def test_only_shared_ones_are_on_the_record(self, senior: Caller, join: Join) -> None:
        view(senior)
        shared = view(senior, scope="shared", name="Shared")
        senior.delete(f"/views/{shared['id']}", if_match="*")
        told = [item for item in everything(join("auditor"), "/audit-log") if item["type"].startswith("view.")]
        assert sorted(item["type"] for item in told) == ["view.created", "view.deleted"]


class TestSeen:
    def test_by_whom(self, senior: Caller, agent: Caller, join: Join, team: UUID, database: Database) -> None:
        stranger = join("agent", team_ids=[make_team(database, "Elsewhere")])
        own = view(agent, name="Own")
        view(senior, name="Team", scope="team", team_id=str(team))
        view(senior, name="Shared", scope="shared")
        assert set(seen(agent)) == {"Own", "Team", "Shared"}
        assert set(seen(senior)) == {"Team", "Shared"}
        assert set(seen(stranger)) == {"Shared"}
        assert set(seen(join("auditor"))) == {"Team", "Shared"}
        assert [item["name"] for item in agent.get("/views?scope=own").json["items"]] == ["Own"]
        for path in ("", "/complaints"):
            assert senior.get(f"/views/{own['id']}{path}").status_code == 404
        assert senior.delete(f"/views/{own['id']}", if_match="*").status_code == 404
        assert agent.delete(f"/views/{seen(agent)['Team']['id']}", if_match="*").status_code == 403

    def test_in_order_of_place(self, agent: Caller) -> None:
        for name, position in (("c", 3), ("a", 1), ("b", 2)):
            view(agent, name=name, position=position)
        assert [item["name"] for item in everything(agent, "/views")] == ["a", "b", "c"]

    def test_never_more_than_the_list(self, senior: Caller, join: Join, team: UUID, database: Database) -> None:
        elsewhere = make_team(database, "Elsewhere")
        stranger = join("agent", team_ids=[elsewhere])
        ours = new(senior, team_id=str(team), tags=["late"])
        theirs = new(stranger, team_id=str(elsewhere), tags=["late"])
        open_to_all = new(senior, tags=["late"])
        shown = view(senior, scope="shared", filters={"tag": ["late"], "open": True})
        every = {row["reference"] for row in (ours, theirs, open_to_all)}
        for caller, expected in (
            (senior, {ours["reference"], open_to_all["reference"]}),
            (stranger, {theirs["reference"], open_to_all["reference"]}),
            (join("auditor"), every),
        ):
            assert references(caller, shown["id"]) == expected
            assert seen(caller)["A view"]["complaints"] == len(expected)
            answer = caller.get(f"/views/{shown['id']}/complaints?count=true&limit=1")
            assert answer.json["total"] == len(expected)

    def test_mine_is_whose_eyes_they_are(self, senior: Caller, agent: Caller) -> None:
        shown = view(senior, scope="shared", filters={"mine": True})
        complaint = new(agent)
        agent.post(at(complaint, "claim"))
        assert references(agent, shown["id"]) == {complaint["reference"]}
        assert references(senior, shown["id"]) == set()

    def test_every_filter_as_in_the_list(self, agent: Caller, manager: Caller) -> None:
        define(manager, "weight")
        rows = [new(agent, tags=["a"] if n % 2 else ["b"], custom_fields={"weight": str(n)}) for n in range(6)]
        agent.post(at(rows[0], "claim"))
        for filters, query in (
            ({"tag": ["a"]}, "tag=a"),
            ({"any_tag": ["a", "b"], "has_tag": True}, "any_tag=a,b&has_tag=true"),
            ({"custom": ["weight:2..4"]}, "custom=weight:2..4"),
            ({"custom": ["weight:3"], "tag": ["A"]}, "custom=weight:3&tag=a"),
            ({"unassigned": True, "channel": "EMAIL"}, "unassigned=true&channel=EMAIL"),
            ({"assignee_id": str(agent.id)}, f"assignee_id={agent.id}"),
            ({"ref": [row["reference"] for row in rows[:2]]}, f"ref={rows[0]['reference']},{rows[1]['reference']}"),
            ({"category": "DEL", "issue": "DEL.LATE"}, "category=DEL&issue=DEL.LATE"),
            ({"record_type": "inquiry"}, "record_type=inquiry"),
        ):
            shown = view(agent, filters=filters, sort="received_at")
            listed = agent.get(f"/complaints?{query}&sort=received_at&count=true&limit=200").json
            assert everything(agent, f"/views/{shown['id']}/complaints") == listed["items"], filters
            assert shown["complaints"] == listed["total"], filters

    def test_counted_so_far(self, agent: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(list_queries, "COUNTED_TO", 3)
        list_queries._counting.cache_clear()
        view(agent)
        for _ in range(3):
            new(agent)
        assert (seen(agent)["A view"]["complaints"], seen(agent)["A view"]["complaints_is_exact"]) == (3, True)
        new(agent)
        shown = seen(agent)["A view"]
        assert (shown["complaints"], shown["complaints_is_exact"]) == (3, False)
        answer = agent.get("/complaints?count=true&limit=1").json
        assert (answer["total"], answer["total_is_exact"]) == (3, False)
        list_queries._counting.cache_clear()

    def test_without_counts(self, agent: Caller) -> None:
        view(agent)
        (item,) = agent.get("/views?counts=false").json["items"]
        assert (item["complaints"], item["complaints_is_exact"]) == (None, None)

    def test_statements_do_not_grow_with_the_views(
        self, agent: Caller, manager: Caller, statements: Callable[[], Any], team: UUID
    ) -> None:
        define(manager, "weight")
        new(agent, tags=["late"])
        for number in range(12):
            filters = {
                "tag": ["late"],
                "custom": [f"weight:{number}"],
                "team_id": str(team),
                "assignee_id": str(agent.id),
            }
            view(agent, filters=filters, columns=["custom_fields.weight"])
        numbers = []
        for limit in (1, 12):
            with statements() as sent:
                assert len(agent.get(f"/views?limit={limit}").json["items"]) == limit
            numbers.append(len(sent))
        # The caller, the views, fields of columns, tags, fields of filters, agents, teams, and all counts.
        assert numbers == [8, 8]


class TestPages:
    def test_pages(self, agent: Caller) -> None:
        rows = {new(agent)["reference"] for _ in range(7)}
        shown = view(agent, filters={"open": True}, sort="severity")
        assert references(agent, shown["id"]) == rows

    def test_a_cursor_of_another_view_or_of_what_it_was(self, agent: Caller) -> None:
        for _ in range(3):
            new(agent)
        one, other = view(agent), view(agent)
        cursor = agent.get(f"/views/{one['id']}/complaints?limit=1").json["next_cursor"]
        assert agent.get(f"/views/{one['id']}/complaints?limit=1&cursor={cursor}").status_code == 200
        assert agent.get(f"/views/{other['id']}/complaints?limit=1&cursor={cursor}").status_code == 400
        agent.put(f"/views/{one['id']}", {"name": "A view", "filters": {"open": True}}, if_match="*")
        answer = agent.get(f"/views/{one['id']}/complaints?limit=1&cursor={cursor}")
        assert (answer.status_code, answer.json["code"]) == (400, "cursor_mismatch")

    def test_unknown(self, agent: Caller) -> None:
        assert agent.get(f"/views/{uuid4()}/complaints").status_code == 404


class TestBroken:
    @pytest.fixture
    def field(self, manager: Caller) -> dict[str, Any]:
        return define(manager, "weight")

    def check(self, caller: Caller, view_id: str, *pointers: str) -> None:
        shown = caller.get(f"/views/{view_id}").json
        assert [item["pointer"] for item in shown["broken"]] == list(pointers)
        assert (shown["complaints"], shown["complaints_is_exact"]) == (None, None)
        assert next(item for item in everything(caller, "/views") if item["id"] == view_id) == shown
        refused = caller.get(f"/views/{view_id}/complaints")
        assert (refused.status_code, refused.json["code"]) == (409, "view_broken")

    def test_tag(self, agent: Caller, senior: Caller) -> None:
        made = senior.post("/tags", {"name": "late"}).json
        shown = view(agent, filters={"tag": ["late"]})
        assert shown["broken"] == []
        senior.delete(f"/tags/{made['id']}", if_match="*")
        self.check(agent, shown["id"], "/filters/tag/0")
        senior.post("/tags", {"name": "late"})
        assert agent.get(f"/views/{shown['id']}").json["broken"] == []

    def test_field(self, agent: Caller, manager: Caller, field: dict[str, Any]) -> None:
        shown = view(agent, filters={"custom": ["weight:1"]})
        manager.patch(f"/custom-fields/{field['id']}", {"filterable": False}, if_match="*")
        self.check(agent, shown["id"], "/filters/custom/0")
        manager.patch(f"/custom-fields/{field['id']}", {"filterable": True, "active": False}, if_match="*")
        self.check(agent, shown["id"], "/filters/custom/0")
        manager.delete(f"/custom-fields/{field['id']}", if_match="*")
        self.check(agent, shown["id"], "/filters/custom/0")

    def test_column(self, agent: Caller, manager: Caller, field: dict[str, Any]) -> None:
        """It says so, and is not counted; what it finds is found all the same."""
        shown = view(agent, columns=["reference", "custom_fields.weight"])
        manager.delete(f"/custom-fields/{field['id']}", if_match="*")
        assert [item["pointer"] for item in agent.get(f"/views/{shown['id']}").json["broken"]] == ["/columns/1"]
        assert agent.get(f"/views/{shown['id']}/complaints").status_code == 200

    def test_agent(self, agent: Caller, join: Join, admin: Caller) -> None:
        other = join("agent")
        shown = view(agent, filters={"assignee_id": str(other.id)})
        admin.patch(f"/agents/{other.id}", {"active": False}, if_match="*")
        self.check(agent, shown["id"], "/filters/assignee_id")

    def test_a_word_that_has_left_the_vocabulary(self, agent: Caller, database: Database) -> None:
        """As a later version of the program might find it."""
        shown = view(agent, filters={"open": True})
        for filters, pointer in (
            ('{"category": "OLD", "open": true}', "/filters/category"),
            ('{"colour": "red"}', "/filters/colour"),
            ('{"received_from": "yesterday"}', "/filters/received_from"),
        ):
            statement = "UPDATE complaint_view SET filters = CAST(:filters AS jsonb) WHERE id = :id"
            execute(database, statement, filters=filters, id=shown["id"])
            self.check(agent, shown["id"], pointer)

    def test_another_view_is_counted_all_the_same(self, agent: Caller, senior: Caller) -> None:
        new(agent)
        made = senior.post("/tags", {"name": "late"}).json
        view(agent, name="Broken", filters={"tag": ["late"]}, position=1)
        view(agent, name="Sound", position=2)
        senior.delete(f"/tags/{made['id']}", if_match="*")
        shown = seen(agent)
        assert (shown["Broken"]["complaints"], shown["Sound"]["complaints"]) == (None, 1)

    def test_a_merged_tag_breaks_nothing(self, program: Program, agent: Caller, senior: Caller) -> None:
        row = new(agent, tags=["late"])
        shown = view(agent, filters={"tag": ["late"]})
        tag = next(item for item in everything(agent, "/tags") if item["name"] == "late")
        into = senior.post("/tags", {"name": "slow"}).json
        senior.post(f"/tags/{tag['id']}/merge", {"into_id": into["id"]})
        perform(program, tagging.TOPIC)
        assert references(agent, shown["id"]) == {row["reference"]}

    def test_a_renamed_tag(self, program: Program, agent: Caller, senior: Caller) -> None:
        """Its old name goes on to mean it."""
        row = new(agent, tags=["late"])
        shown = view(agent, filters={"tag": ["LATE"], "any_tag": ["late"]})
        tag = next(item for item in everything(agent, "/tags") if item["name"] == "late")
        senior.patch(f"/tags/{tag['id']}", {"name": "overdue"}, if_match="*")
        perform(program, tagging.TOPIC)
        assert references(agent, shown["id"]) == {row["reference"]}
        assert agent.get(f"/views/{shown['id']}").json["complaints"] == 1
