"""Tags: on complaints, in lists, and their vocabulary.

How it can fail: two spellings make two tags; a tag that nobody may make is made; of two who use a new name at once both
make it, or one is refused; a tag put on and taken off in one transaction stays; a renaming reaches some complaints, or
one twice, because a worker was killed; somebody uses the old name meanwhile; two merges in opposite directions; a tag is
deleted while somebody puts it on; a number tells of complaints that the caller does not see; names that are empty, turn
the text around, hold the comma that separates names, or what COPY and arrays take for their own.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from helpdesk.complaints import intake, queries, tagging
from helpdesk.complaints.schemas import ComplaintIn
from helpdesk.complaints.tag_schemas import AT_ONCE
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.errors import ValidationFailed
from helpdesk.kernel.folding import fold
from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program
from tests.complaints.calling import at, everything, new, problems
from tests.conftest import Caller, Join, complaint_body, make_team
from tests.racing import at_once, behind_lock
from tests.recovery.helpers import execute, perform, scalar, violations


def tagged(caller: Caller, shown: dict[str, Any], *names: str) -> dict[str, Any]:
    answer = caller.post(at(shown, "tags"), {"tags": list(names)})
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


def tag(caller: Caller, name: str) -> dict[str, Any]:
    """The tag as the vocabulary shows it."""
    return next(item for item in everything(caller, "/tags", limit=200) if item["name"] == name)


def references(caller: Caller, query: str) -> set[str]:
    answer = caller.get(f"/complaints?{query}&limit=200")
    assert answer.status_code == 200, answer.text
    return {item["reference"] for item in answer.json["items"]}


def tag_events(caller: Caller, shown: dict[str, Any]) -> list[Any]:
    timeline = everything(caller, at(shown, "timeline"))
    return [item["payload"] for item in timeline if item["type"] == "complaint.tagged"]


class TestAdd:
    def test_anonymous_role_team(self, anonymous: Caller, join: Join, database: Database, complaint: Any) -> None:
        body = {"tags": ["late"]}
        elsewhere = join("agent", team_ids=[make_team(database, "Elsewhere")])
        for path in ("tags", "tags/remove"):
            assert anonymous.post(at(complaint, path), body).status_code == 401
            assert join("auditor").post(at(complaint, path), body).status_code == 403
            assert elsewhere.post(at(complaint, path), body).status_code == 404

    def test_good(self, agent: Caller, complaint: dict[str, Any]) -> None:
        shown = tagged(agent, complaint, "Späte Lieferung", "包裹")
        assert shown["tags"] == ["Späte Lieferung", "包裹"]
        assert shown["version"] == complaint["version"] + 1
        assert agent.get("/complaints").json["items"][0]["tags"] == shown["tags"]
        (event,) = tag_events(agent, complaint)
        assert event["changes"] == {"tags": [[], shown["tags"]]}
        assert event["because"] is None
        assert agent.get(at(complaint, "timeline/verification")).json["valid"]

    def test_twice_is_once(self, agent: Caller, complaint: dict[str, Any]) -> None:
        before = tagged(agent, complaint, "late")
        assert tagged(agent, complaint, "late")["version"] == before["version"]
        assert len(tag_events(agent, complaint)) == 1

    @pytest.mark.parametrize("name", ["LATE", "\uff2c\uff21\uff34\uff25", "  late ", "la\u200dte"])
    def test_another_spelling_is_the_same_tag(self, agent: Caller, complaint: dict[str, Any], name: str) -> None:
        tagged(agent, complaint, "Late")
        assert tagged(agent, complaint, name)["tags"] == ["Late"]
        assert len(everything(agent, "/tags")) == 1

    @pytest.mark.parametrize(
        "name",
        ["", " ", "\u200d", "a,b", "\u202eevil", "la\u00adte", "x" * 51, "a\nb\x00", "a\x07", 7, None, "\ufdfa" * 50],
    )
    def test_bad_name(self, agent: Caller, complaint: dict[str, Any], name: Any) -> None:
        assert list(problems(agent.post(at(complaint, "tags"), {"tags": ["good", name]}))) == ["/tags/1"]
        assert agent.get(at(complaint)).json["tags"] == []
        assert everything(agent, "/tags") == []

    def test_too_many(self, agent: Caller, complaint: dict[str, Any]) -> None:
        names = [f"tag {number}" for number in range(tagging.MOST + 1)]
        assert problems(agent.post(at(complaint, "tags"), {"tags": names})) == {"/tags": "length"}
        assert problems(agent.post(at(complaint, "tags"), {"tags": []})) == {"/tags": "length"}
        for first in range(0, tagging.MOST, 10):
            tagged(agent, complaint, *names[first : first + 10])
        assert problems(agent.post(at(complaint, "tags"), {"tags": names[-1:]})) == {"/tags": "length"}
        assert names[-1] not in {item["name"] for item in everything(agent, "/tags", limit=200)}

    def test_old_version(self, agent: Caller, complaint: dict[str, Any]) -> None:
        tagged(agent, complaint, "late")
        answer = agent.post(at(complaint, "tags"), {"tags": ["x"]}, if_match=f'"v{complaint["version"]}"')
        assert answer.status_code == 412

    def test_only_known_ones_without_the_permission(
        self, agent: Caller, senior: Caller, complaint: Any, database: Database
    ) -> None:
        known = senior.post("/tags", {"name": "late"}).json
        bound = replace(agent.actor, permissions=agent.actor.permissions - {"tag:create"})
        with database.unit_of_work(bound) as uow:
            row = queries.complaint_for_update(uow.session, bound, complaint["reference"])
            with pytest.raises(ValidationFailed) as refused:
                tagging.add(uow, bound, row, {"tags": ["late", "new"]})
            tagging.add(uow, bound, row, {"tags": ["LATE"]})
        assert [error["pointer"] for error in refused.value.errors] == ["/tags/1"]
        assert agent.get(at(complaint)).json["tags"] == [known["name"]]

    def test_out_of_use(self, agent: Caller, senior: Caller, complaint: dict[str, Any]) -> None:
        tagged(agent, complaint, "late")
        known = tag(agent, "late")
        assert senior.patch(f"/tags/{known['id']}", {"active": False}, if_match="*").status_code == 200
        assert tagged(agent, complaint, "late")["tags"] == ["late"]
        other = new(agent)
        assert problems(agent.post(at(other, "tags"), {"tags": ["late"]})) == {"/tags/0": "inactive"}
        assert agent.post(at(complaint, "tags/remove"), {"tags": ["late"]}).json["tags"] == []

    def test_two_at_once_put_on_both(self, agent: Caller, engine: Engine, complaint: dict[str, Any]) -> None:
        lock = "SELECT FROM complaint WHERE id = :id FOR UPDATE"
        behind_lock(
            engine,
            lock,
            lambda: agent.post(at(complaint, "tags"), {"tags": ["one"]}),
            lambda: agent.post(at(complaint, "tags"), {"tags": ["two"]}),
            id=complaint["id"],
        )
        assert agent.get(at(complaint)).json["tags"] == ["one", "two"]

    def test_a_new_name_at_once_is_one_tag(self, agent: Caller, database: Database) -> None:
        rows = [new(agent) for _ in range(4)]
        names = ["Brand new", "BRAND NEW", "brand new", "another", "\uff21nother"]

        def tagging_it(place: int) -> Callable[[], Any]:
            caller = Caller(agent.client.application.test_client(), agent.actor, agent.token)
            return lambda: caller.post(at(rows[place], "tags"), {"tags": names[place:] + names[:place]})

        calls = [tagging_it(place) for place in range(4)]
        assert {answer.status_code for answer in at_once(*calls)} == {200}
        assert len(everything(agent, "/tags")) == 2
        assert violations(database) == []


class TestRemove:
    def test_good(self, agent: Caller, complaint: dict[str, Any]) -> None:
        tagged(agent, complaint, "late", "damaged")
        answer = agent.post(at(complaint, "tags/remove"), {"tags": ["LATE", "never heard of"]})
        assert (answer.status_code, answer.json["tags"]) == (200, ["damaged"])
        assert tag_events(agent, complaint)[-1]["changes"] == {"tags": [["damaged", "late"], ["damaged"]]}
        assert references(agent, "tag=late") == set()

    def test_what_is_not_there(self, agent: Caller, complaint: dict[str, Any]) -> None:
        answer = agent.post(at(complaint, "tags/remove"), {"tags": ["late"]})
        assert answer.json["version"] == complaint["version"]

    def test_put_on_and_taken_off_in_one_transaction(self, complaint: dict[str, Any], database: Database) -> None:
        with database.unit_of_work(SYSTEM) as uow:
            row = queries.complaint_by_id_for_update(uow.session, UUID(complaint["id"]))
            tagging.add(uow, SYSTEM, row, {"tags": ["a", "b"]})
            tagging.remove(uow, row, {"tags": ["a"]})
            tagging.add(uow, SYSTEM, row, {"tags": ["c"]})
            assert row.tags == ["b", "c"]
        assert violations(database) == []


class TestIntake:
    def test_one(self, agent: Caller, database: Database) -> None:
        shown = new(agent, tags=["Late", "late", "new"])
        assert shown["tags"] == ["Late", "new"]
        assert [event["changes"] for event in tag_events(agent, shown)] == [{"tags": [[], ["Late", "new"]]}]
        assert references(agent, "tag=LATE,new") == {shown["reference"]}
        assert violations(database) == []

    def test_bad(self, agent: Caller) -> None:
        assert problems(agent.post("/complaints", complaint_body(tags=["a", ""]))) == {"/tags/1": "length"}
        too_many = [f"t{number}" for number in range(AT_ONCE + 1)]
        assert problems(agent.post("/complaints", complaint_body(tags=too_many))) == {"/tags": "length"}

    def test_many_by_copy(self, database: Database, admin: Caller) -> None:
        """Names that mean something to COPY or to an array come through as they are."""
        odd = ['say "hi"', "back\\slash", "{brace}", "NULL", "'quote'", "\\N", "标签"]
        many = [ComplaintIn().load(complaint_body(tags=odd if number % 2 else [])) for number in range(40)]
        with database.unit_of_work(SYSTEM) as uow:
            intake.receive_many(uow, tagging.in_many(uow, many))
        rows = everything(admin, "/complaints", limit=200)
        assert (
            sorted(map(tuple, (row["tags"] for row in rows)))
            == [()] * 20 + [tuple(sorted(odd, key=lambda name: (fold(name), name)))] * 20
        )
        assert violations(database) == []


class TestFilters:
    @pytest.fixture
    def found(self, agent: Caller) -> Callable[..., set[str]]:
        rows = {
            "both": new(agent, tags=["late", "damaged"]),
            "late": new(agent, tags=["late"]),
            "damaged": new(agent, tags=["damaged"]),
            "none": new(agent),
        }
        names = {row["reference"]: name for name, row in rows.items()}
        return lambda query: {names[reference] for reference in references(agent, query)}

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("tag=late", {"both", "late"}),
            ("tag=LATE", {"both", "late"}),
            ("tag=late,damaged", {"both"}),
            ("tag=damaged,late", {"both"}),
            ("any_tag=late,damaged", {"both", "late", "damaged"}),
            ("any_tag=late,unheard", {"both", "late"}),
            ("tag=late&any_tag=damaged", {"both"}),
            ("tag=late,unheard", set()),
            ("tag=unheard", set()),
            ("any_tag=unheard", set()),
            ("has_tag=true", {"both", "late", "damaged"}),
            ("has_tag=false", {"none"}),
            ("has_tag=true&tag=late", {"both", "late"}),
            ("tag=late&sort=severity", {"both", "late"}),
            ("tag=late&sort=-updated_at", {"both", "late"}),
            ("tag=late&status=received&category=DEL&open=true", {"both", "late"}),
            ("tag=late&open=false", set()),
        ],
    )
    def test_finds(self, found: Callable[..., set[str]], query: str, expected: set[str]) -> None:
        assert found(query) == expected

    def test_pages_and_counts_agree(self, agent: Caller) -> None:
        for number in range(7):
            new(agent, tags=["late"] if number % 2 else ["late", "x"])
        for sort in ("received_at", "-received_at", "severity", "-severity", "updated_at", "-updated_at"):
            rows = everything(agent, "/complaints", tag="late", sort=sort)
            assert len({row["id"] for row in rows}) == 7
            by = "received_at" if sort.endswith("severity") else sort.lstrip("-")
            keys = [(row["severity"], row[by], row["id"]) for row in rows]
            assert keys == sorted(keys, reverse=sort.startswith("-")), sort
        assert agent.get("/complaints?tag=late&count=true&limit=1").json["total"] == 7
        assert agent.get("/complaints?tag=late,x&count=true&limit=1").json["total"] == 4

    def test_many_names(self, agent: Caller) -> None:
        names = ",".join(f"t{number}" for number in range(AT_ONCE))
        assert references(agent, f"tag={names}") == set()
        assert agent.get(f"/complaints?tag={names},one").status_code == 422


class TestVocabulary:
    def test_anonymous_and_role(self, anonymous: Caller, agent: Caller, senior: Caller) -> None:
        body = {"name": "late"}
        assert anonymous.get("/tags").status_code == 401
        assert anonymous.post("/tags", body).status_code == 401
        assert agent.post("/tags", body).status_code == 403
        made = senior.post("/tags", body).json
        path = f"/tags/{made['id']}"
        assert agent.patch(path, {"active": False}, if_match="*").status_code == 403
        assert agent.delete(path, if_match="*").status_code == 403
        assert agent.post(f"{path}/merge", {"into_id": made["id"]}).status_code == 403
        assert senior.get(f"/tags/{uuid4()}").status_code == 404

    def test_defined_and_described(self, agent: Caller, senior: Caller) -> None:
        answer = senior.post("/tags", {"name": " Late  delivery ", "colour": "#c0392b", "description": "Too late."})
        assert answer.status_code == 201
        made = answer.json
        assert (made["name"], made["colour"], made["complaints"]) == ("Late delivery", "#c0392b", 0)
        assert senior.get(answer.headers["Location"].removeprefix("/api/v1")).json == made
        assert senior.post("/tags", {"name": "LATE DELIVERY"}).json["code"] == "tag_taken"
        assert problems(senior.post("/tags", {"name": "x", "colour": "red"})) == {"/colour": "invalid"}
        changed = senior.patch(f"/tags/{made['id']}", {"description": None}, if_match='"v1"')
        assert (changed.json["description"], changed.json["version"]) == (None, 2)
        assert senior.patch(f"/tags/{made['id']}", {"colour": None}).status_code == 428
        assert senior.patch(f"/tags/{made['id']}", {"colour": None}, if_match='"v1"').status_code == 412
        senior.post("/tags", {"name": "Other"})
        assert [item["name"] for item in agent.get("/tags?q=LIVER").json["items"]] == ["Late delivery"]
        assert len(agent.get("/tags?active=true&q=%25").json["items"]) == 0

    def test_numbers_are_what_the_caller_sees(self, join: Join, agent: Caller, team: UUID, database: Database) -> None:
        for _ in range(3):
            new(agent, tags=["late"], team_id=str(team))
        new(agent, tags=["late"])
        elsewhere = join("agent", team_ids=[make_team(database, "Elsewhere")])
        assert tag(agent, "late")["complaints"] == 4
        assert tag(elsewhere, "late")["complaints"] == 1
        assert tag(join("auditor"), "late")["complaints_is_exact"] is True

    def test_deleted(self, agent: Caller, senior: Caller, complaint: dict[str, Any]) -> None:
        tagged(agent, complaint, "late")
        path = f"/tags/{tag(agent, 'late')['id']}"
        assert senior.delete(path, if_match="*").json["code"] == "tag_in_use"
        agent.post(at(complaint, "tags/remove"), {"tags": ["late"]})
        assert senior.delete(path).status_code == 428
        answer = senior.delete(path, if_match="*")
        assert (answer.status_code, answer.data) == (204, b"")
        assert senior.get(path).status_code == 404

    def test_deleted_while_it_is_put_on(self, agent: Caller, senior: Caller, engine: Engine, complaint: Any) -> None:
        """Whoever comes first, no complaint carries a tag that there is not."""
        made = senior.post("/tags", {"name": "late"}).json
        answers = behind_lock(
            engine,
            "SELECT FROM tag WHERE id = :id FOR UPDATE",
            lambda: senior.delete(f"/tags/{made['id']}", if_match="*"),
            lambda: agent.post(at(complaint, "tags"), {"tags": ["late"]}),
            id=made["id"],
        )
        shown = agent.get(at(complaint)).json
        assert [answer.status_code for answer in answers] in ([204, 200], [409, 200])
        assert shown["tags"] == ["late"]
        assert tag(agent, "late")["complaints"] == 1


class TestRename:
    def test_good(self, program: Program, agent: Caller, senior: Caller, database: Database) -> None:
        rows = [new(agent, tags=["late", "zebra"]) for _ in range(3)]
        made = tag(agent, "late")
        answer = senior.patch(f"/tags/{made['id']}", {"name": "Überfällig"}, if_match="*")
        assert answer.json["job_id"]
        assert references(agent, "tag=überfällig") == {row["reference"] for row in rows}  # at once
        assert perform(program, tagging.TOPIC)["done"] == 1
        assert perform(program, tagging.TOPIC)["done"] == 0
        assert agent.get(at(rows[0])).json["tags"] == ["zebra", "Überfällig"]
        job = senior.get(f"/jobs/{answer.json['job_id']}").json
        assert (job["state"], job["done"], job["result"]) == ("done", 3, {"complaints": 3})
        event = tag_events(agent, rows[1])[-1]
        assert (event["because"], event["changes"]) == (
            "renamed",
            {"tags": [["late", "zebra"], ["zebra", "Überfällig"]]},
        )
        assert violations(database) == []

    def test_killed_on_the_way(self, program: Program, agent: Caller, senior: Caller, database: Database) -> None:
        """The next one does the rest, and nothing twice."""
        rows = [new(agent, tags=["late"]) for _ in range(3)]
        made = tag(agent, "late")
        senior.patch(f"/tags/{made['id']}", {"name": "overdue"}, if_match="*")
        with database.unit_of_work(SYSTEM) as uow:
            tagging.rename_on(uow, queries.complaint_by_id_for_update(uow.session, UUID(rows[1]["id"])))
        assert perform(program, tagging.TOPIC)["done"] == 1
        for row in rows:
            assert agent.get(at(row)).json["tags"] == ["overdue"]
            assert len(tag_events(agent, row)) == 2

    def test_the_duty_twice(self, program: Program, agent: Caller, senior: Caller, database: Database) -> None:
        row = new(agent, tags=["late"])
        senior.patch(f"/tags/{tag(agent, 'late')['id']}", {"name": "overdue"}, if_match="*")
        duty_id = scalar(database, "SELECT id FROM duty WHERE topic = :topic", topic=tagging.TOPIC)
        assert program.performer.perform([duty_id, duty_id]) == {"done": 1, "skipped": 1, "failed": 0}
        execute(database, "UPDATE duty SET done_at = NULL WHERE id = :id", id=duty_id)
        assert program.performer.perform([duty_id])["done"] == 1
        assert len(tag_events(agent, row)) == 2

    def test_cancelled_and_taken_up_again(self, program: Program, agent: Caller, senior: Caller) -> None:
        row = new(agent, tags=["late"])
        path = f"/tags/{tag(agent, 'late')['id']}"
        first = senior.patch(path, {"name": "overdue"}, if_match="*").json
        assert senior.patch(path, {"name": "third"}, if_match="*").json["code"] == "tag_changing"
        assert senior.post(f"/jobs/{first['job_id']}/cancel").status_code == 200
        assert perform(program, tagging.TOPIC)["done"] == 1
        assert agent.get(at(row)).json["tags"] == ["late"]
        second = senior.patch(path, {"name": "overdue"}, if_match="*").json
        assert second["job_id"] != first["job_id"]
        perform(program, tagging.TOPIC)
        assert agent.get(at(row)).json["tags"] == ["overdue"]

    def test_to_a_name_that_is_taken(self, agent: Caller, senior: Caller, complaint: dict[str, Any]) -> None:
        tagged(agent, complaint, "late", "slow")
        answer = senior.patch(f"/tags/{tag(agent, 'late')['id']}", {"name": "SLOW"}, if_match="*")
        assert (answer.status_code, answer.json["code"]) == (409, "tag_taken")

    def test_the_old_name_goes_on_to_mean_it(self, program: Program, agent: Caller, senior: Caller) -> None:
        row = new(agent, tags=["late"])
        path = f"/tags/{tag(agent, 'late')['id']}"
        senior.patch(path, {"name": "overdue"}, if_match="*")
        perform(program, tagging.TOPIC)
        assert references(agent, "tag=late") == {row["reference"]}
        assert tagged(agent, new(agent), "LATE")["tags"] == ["overdue"]
        assert senior.post("/tags", {"name": "late"}).json["code"] == "tag_taken"
        senior.patch(path, {"name": "Late"}, if_match="*")  # and back
        perform(program, tagging.TOPIC)
        assert agent.get(at(row)).json["tags"] == ["Late"]
        assert {item["name"]: item["active"] for item in everything(agent, "/tags")} == {"Late": True, "overdue": False}
        old = tag(agent, "overdue")
        assert senior.delete(f"/tags/{old['id']}", if_match="*").status_code == 204
        assert tagged(agent, new(agent), "overdue")["tags"] == ["overdue"]

    def test_capitals_only(self, program: Program, agent: Caller, senior: Caller, complaint: dict[str, Any]) -> None:
        tagged(agent, complaint, "late")
        senior.patch(f"/tags/{tag(agent, 'late')['id']}", {"name": "Late"}, if_match="*")
        perform(program, tagging.TOPIC)
        assert agent.get(at(complaint)).json["tags"] == ["Late"]

    def test_nobody_carries_it(self, senior: Caller) -> None:
        made = senior.post("/tags", {"name": "late"}).json
        assert senior.patch(f"/tags/{made['id']}", {"name": "overdue"}, if_match="*").json["job_id"] is None


class TestMerge:
    def test_good(self, program: Program, agent: Caller, senior: Caller, database: Database) -> None:
        both, one, other = new(agent, tags=["late", "slow"]), new(agent, tags=["late"]), new(agent, tags=["slow"])
        late, slow = tag(agent, "late"), tag(agent, "slow")
        answer = senior.post(f"/tags/{late['id']}/merge", {"into_id": slow["id"]})
        assert answer.status_code == 202
        assert answer.json["kind"] == "tags.merge"
        assert tagged(agent, new(agent), "LATE")["tags"] == ["slow"]  # the name means the other one at once
        assert perform(program, tagging.TOPIC)["done"] == 1
        for row in (both, one, other):
            assert agent.get(at(row)).json["tags"] == ["slow"]
        assert [len(tag_events(agent, row)) for row in (both, one, other)] == [2, 2, 1]
        assert len(references(agent, "tag=late")) == 4
        assert tag(agent, "late") | {"version": 0} == late | {
            "active": False,
            "merged_into_id": slow["id"],
            "complaints": 0,
            "job_id": answer.json["id"],
            "version": 0,
        }
        assert senior.patch(f"/tags/{late['id']}", {"name": "x"}, if_match="*").json["code"] == "tag_merged"
        assert violations(database) == []

    def test_into_one_that_was_merged_itself(self, program: Program, agent: Caller, senior: Caller) -> None:
        ids = {name: senior.post("/tags", {"name": name}).json["id"] for name in ("a", "b", "c")}
        new(agent, tags=["a"])
        for name, into in (("a", "b"), ("b", "c")):
            assert senior.post(f"/tags/{ids[name]}/merge", {"into_id": ids[into]}).status_code == 202
            perform(program, tagging.TOPIC)
        assert tagged(agent, new(agent), "a")["tags"] == ["c"]
        refused = senior.post(f"/tags/{ids['c']}/merge", {"into_id": ids["a"]})
        assert problems(refused) == {"/into_id": "unknown"}
        assert problems(senior.post(f"/tags/{ids['c']}/merge", {"into_id": ids["c"]})) == {"/into_id": "unknown"}
        assert senior.post(f"/tags/{ids['a']}/merge", {"into_id": ids["c"]}).status_code == 202  # nothing left to do

    def test_cancelled_and_taken_up_again(self, program: Program, agent: Caller, senior: Caller) -> None:
        row = new(agent, tags=["late"])
        late, slow = tag(agent, "late")["id"], senior.post("/tags", {"name": "slow"}).json["id"]
        job = senior.post(f"/tags/{late}/merge", {"into_id": slow}).json
        assert senior.post(f"/tags/{late}/merge", {"into_id": slow}).json["code"] == "tag_changing"
        senior.post(f"/jobs/{job['id']}/cancel")
        perform(program, tagging.TOPIC)
        assert agent.get(at(row)).json["tags"] == ["late"]
        assert senior.post(f"/tags/{late}/merge", {"into_id": slow}).status_code == 202
        perform(program, tagging.TOPIC)
        assert agent.get(at(row)).json["tags"] == ["slow"]

    def test_opposite_ways_at_once(self, senior: Caller, join: Join, engine: Engine) -> None:
        other = join("senior")
        a, b = (senior.post("/tags", {"name": name}).json["id"] for name in ("a", "b"))
        answers = behind_lock(
            engine,
            "SELECT FROM tag WHERE id IN (:a, :b) ORDER BY id FOR UPDATE",
            lambda: senior.post(f"/tags/{a}/merge", {"into_id": b}),
            lambda: other.post(f"/tags/{b}/merge", {"into_id": a}),
            a=a,
            b=b,
        )
        assert sorted(answer.status_code for answer in answers) == [202, 422]


class TestFolding:
    @given(st.text(max_size=60))
    def test_twice_is_once(self, name: str) -> None:
        assert fold(fold(name)) == fold(name)

    @given(st.text(max_size=60))
    def test_case_and_spacing_make_no_difference(self, name: str) -> None:
        assert fold(f"  {name} ") == fold(name)
        assert fold(name.lower().casefold()) == fold(name.casefold())
