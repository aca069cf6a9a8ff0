"""One step on many complaints.

How it can fail: one that is refused keeps the others back, or takes them along; an outcome is another than a request of
its own would have had; an item happens twice because a worker was killed, two were rung for, or the caller asked again
after the process had died; somebody who has left or lost a right goes on changing things; a job that was cancelled goes
on; a trial leaves something behind; what is chosen by filter is more than the caller sees, or grows while it is done.
"""

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import pytest
from flask import Flask

from helpdesk.complaints import bulk_changes, intake, steps
from helpdesk.complaints.bulk_changes import AT_ONCE, MOST, TOPIC, Plan
from helpdesk.complaints.schemas import ComplaintIn
from helpdesk.complaints.steps import STEPS
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.errors import MovedMeanwhile
from helpdesk.kernel.idempotency import attempt
from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program
from tests.complaints.calling import at, everything, new, problems
from tests.complaints.steps import GOOD
from tests.complaints.test_custom_fields import define
from tests.complaints.test_scopes import integration
from tests.complaints.test_tags import references
from tests.conftest import Caller, Join, complaint_body, make_team
from tests.racing import at_once, behind_lock
from tests.recovery.helpers import duties, execute, perform, scalar, violations

TAG: Final = {"step": "add_tags", "given": {"tags": ["bulk"]}}


ALONE: Final[list[tuple[str, dict[str, Any], str]]] = [
    ("add_tags", {"tags": ["bulk"]}, "tags"),
    ("assign", {"assignee_id": str(UUID(int=1))}, "assignment"),
    ("edit", {"subject": "Another"}, ""),
    ("edit", {"custom_fields": {"nothing": "x"}}, ""),
    ("write_message", {"kind": "public_reply", "body": "Hello."}, "messages"),
    ("claim", {}, "claim"),
    *((action, body, f"actions/{action}") for action, body in GOOD.items() if action in STEPS),
]
"""Steps and bodies, and where on a complaint they are a request of their own."""


def change(caller: Caller, **body: Any) -> Any:
    return caller.post("/complaints/bulk", TAG | body)


def outcomes(answer: Any) -> list[tuple[int, str | None]]:
    assert answer.status_code == 200, answer.text
    assert answer.json["state"] == "done"
    assert [item["place"] for item in answer.json["items"]] == list(range(answer.json["total"]))
    return [(item["status"], item["code"]) for item in answer.json["items"]]


def many(database: Database, count: int, **more: Any) -> list[str]:
    """References of so many complaints, in no team."""
    given = [ComplaintIn().load(complaint_body(**more)) for _ in range(count)]
    with database.unit_of_work(SYSTEM) as uow:
        ids = intake.receive_many(uow, given)
    with database.reader() as session:
        statement = "SELECT reference FROM complaint WHERE id = ANY (CAST(:ids AS uuid[])) ORDER BY id"
        return list(session.connection().exec_driver_sql(statement.replace(":ids", "%(ids)s"), {"ids": ids}).scalars())


def tagged_times(database: Database) -> set[int]:
    """How often each complaint was tagged: a set of the numbers."""
    counted = "SELECT array_agg(DISTINCT n) FROM (SELECT count(*) AS n FROM event WHERE type = 'complaint.tagged' GROUP BY stream_id) AS c"
    return set(scalar(database, counted) or [])


class TestRefused:
    def test_anonymous_and_role(self, anonymous: Caller, join: Join, complaint: dict[str, Any]) -> None:
        assert change(anonymous, refs=[complaint["reference"]]).status_code == 401
        answer = change(join("auditor"), refs=[complaint["reference"]])
        assert (answer.status_code, answer.json["permission"]) == (403, "complaint:bulk")

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ({}, {"/refs": "invalid"}),
            ({"refs": []}, {"/refs": "length"}),
            ({"refs": ["x"], "where": {}}, {"/refs": "invalid"}),
            ({"where": {}}, {"/where": "invalid"}),
            ({"where": {}, "everything": False}, {"/where": "invalid"}),
            ({"where": {"mine": False}, "everything": True}, {"/everything": "invalid"}),
            ({"refs": ["x"], "everything": True}, {"/everything": "invalid"}),
            ({"refs": ["x", "y", "x"]}, {"/refs/2": "invalid"}),
            ({"refs": [f"r{number}" for number in range(MOST + 1)]}, {"/refs": "length"}),
            ({"refs": ["x"], "versions": {"y": 1}}, {"/versions/y": "invalid"}),
            ({"refs": ["x"], "versions": {"x": 0}}, {"/versions/x": "range"}),
            ({"refs": ["x"], "step": "destroy"}, {"/step": "choice"}),
            ({"refs": ["x"], "given": {}}, {"/given/tags": "required"}),
            ({"refs": ["x"], "given": {"tags": ["a,b"]}}, {"/given/tags/0": "invalid"}),
            ({"refs": ["x"], "step": "claim", "given": {"nothing": 1}}, {"/given/nothing": "unknown_field"}),
            ({"where": {"colour": "red"}}, {"/where/colour": "unknown_field"}),
            ({"where": {"custom": ["nothing:1"]}}, {"/where/custom/0": "unknown_field"}),
        ],
    )
    def test_bad(self, agent: Caller, body: dict[str, Any], expected: dict[str, str]) -> None:
        assert problems(change(agent, **body)) == expected
        assert everything(agent, "/jobs") == []

    def test_another_ones_view(self, agent: Caller, join: Join) -> None:
        theirs = join("agent").post("/views", {"name": "Theirs"}).json["id"]
        assert problems(change(agent, view_id=theirs)) == {"/view_id": "unknown"}

    def test_everything_only_in_so_many_words(self, agent: Caller) -> None:
        """Somebody's slip, or a view that another has emptied, changes nothing."""
        refs = sorted(new(agent)["reference"] for _ in range(2))
        view = agent.post("/views", {"name": "All"}).json["id"]
        assert problems(change(agent, view_id=view)) == {"/view_id": "everything"}
        assert everything(agent, "/jobs") == []
        ways: tuple[dict[str, Any], ...] = ({"where": {}}, {"view_id": view})
        for which in ways:
            answer = change(agent, **which, everything=True, dry_run=True)
            assert sorted(item["subject"] for item in answer.json["items"]) == refs

    def test_everything_is_not_a_view_with_filters(self, agent: Caller) -> None:
        view = agent.post("/views", {"name": "Mine", "filters": {"mine": True}}).json["id"]
        assert problems(change(agent, view_id=view, everything=True)) == {"/everything": "invalid"}
        assert everything(agent, "/jobs") == []

    def test_a_broken_view(self, agent: Caller, senior: Caller) -> None:
        made = senior.post("/tags", {"name": "late"}).json
        shown = agent.post("/views", {"name": "Late", "filters": {"tag": ["late"]}}).json
        senior.delete(f"/tags/{made['id']}", if_match="*")
        assert change(agent, view_id=shown["id"]).json["code"] == "view_broken"


class TestAtOnce:
    def test_each_has_its_own_outcome(self, senior: Caller, join: Join, database: Database) -> None:
        elsewhere = make_team(database, "Elsewhere")
        theirs = new(join("agent", team_ids=[elsewhere]), team_id=str(elsewhere))
        acknowledged = new(senior)
        senior.post(at(acknowledged, "actions", "acknowledge"), GOOD["acknowledge"])
        good, old = new(senior), new(senior)
        refs = [good["reference"], theirs["reference"], "nonsense", acknowledged["reference"], old["id"]]
        answer = change(
            senior,
            step="acknowledge",
            given=GOOD["acknowledge"],
            refs=refs,
            versions={old["id"]: old["version"] + 1, good["reference"]: good["version"]},
        )
        assert outcomes(answer) == [
            (200, None),
            (404, "not_found"),
            (404, "not_found"),
            (409, "action_not_allowed"),
            (412, "precondition_failed"),
        ]
        items = answer.json["items"]
        assert items[1]["detail"] == items[2]["detail"]
        assert [item["subject"] for item in items] == [good["reference"], *refs[1:]]
        assert (answer.json["total"], answer.json["done"], answer.json["failed"]) == (5, 5, 4)
        assert senior.get(at(good)).json["acknowledged_at"] is not None
        assert senior.get(at(old)).json["acknowledged_at"] is None
        job = senior.get(answer.headers["Location"].removeprefix("/api/v1")).json
        assert job == {name: value for name, value in answer.json.items() if name != "items"}

    @pytest.mark.parametrize("role", ["agent", "senior", "bystander"])
    def test_as_a_request_of_its_own(self, join: Join, admin: Caller, role: str) -> None:
        """On two complaints that are alike, one by its own route and one in bulk."""
        if role == "bystander":
            held = ["complaint:read", "complaint:bulk"]
            body = {"name": role, "permissions": held, "scope": "everything", "authority": "none"}
            assert admin.post("/roles", body).status_code == 201
        caller = join(role)
        for step, given, path in ALONE:
            one, other = new(admin), new(admin)
            method = {"assign": caller.put, "edit": caller.patch}.get(step, caller.post)
            alone = method(at(one, path).rstrip("/"), given, **({} if method == caller.post else {"if_match": "*"}))
            ((status, code),) = outcomes(change(caller, step=step, given=given, refs=[other["reference"]]))
            expected = alone.status_code if alone.status_code >= 300 else 200
            assert (status, code) == (expected, alone.json["code"] if expected >= 300 else None), (step, alone.text)

    def test_by_filter_and_by_view(self, agent: Caller, manager: Caller, join: Join, database: Database) -> None:
        define(manager, "weight")
        elsewhere = make_team(database, "Elsewhere")
        new(join("agent", team_ids=[elsewhere]), team_id=str(elsewhere), custom_fields={"weight": "7"})
        rows = {new(agent, custom_fields={"weight": str(number)})["reference"] for number in range(4)}
        answer = change(agent, where={"custom": ["weight:1.."], "open": True})
        assert outcomes(answer) == [(200, None)] * 3
        shown = agent.post("/views", {"name": "Bulk", "filters": {"tag": ["bulk"]}}).json
        answer = change(agent, view_id=shown["id"], step="remove_tags")
        assert outcomes(answer) == [(200, None)] * 3
        assert references(agent, "tag=bulk") == set()
        assert {item["subject"] for item in answer.json["items"]} < rows

    def test_nothing_matches(self, agent: Caller) -> None:
        answer = change(agent, where={"status": "dismissed"})
        assert (answer.json["total"], answer.json["items"]) == (0, [])

    def test_more_match_than_can_be_changed(self, agent: Caller, database: Database) -> None:
        many(database, MOST + 1)
        answer = change(agent, where={}, everything=True)
        assert problems(answer) == {"/where": "too_many"}
        assert answer.json["more_than"] == MOST

    def test_only_tried(self, agent: Caller, database: Database) -> None:
        rows = [new(agent) for _ in range(2)]
        agent.post(at(rows[1], "actions", "escalate"), GOOD["escalate"])
        before = scalar(database, "SELECT count(*) FROM event")
        answer = change(
            agent,
            step="de_escalate",
            given=GOOD["de_escalate"],
            refs=[row["reference"] for row in rows],
            dry_run=True,
        )
        assert outcomes(answer) == [(409, "action_not_allowed"), (200, None)]
        assert answer.json["items"][1]["subject"] == rows[1]["reference"]
        assert scalar(database, "SELECT count(*) FROM event") == before
        assert agent.get(at(rows[1])).json["escalation_level"] == 1

    def test_one_that_was_moved_while_it_waited(self, agent: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is looked up anew, as a request of its own would be."""
        row, times = new(agent), list[int]()

        def moved(*given: Any) -> None:
            times.append(1)
            if len(times) == 1:
                raise MovedMeanwhile
            steps.perform(*given)

        monkeypatch.setattr(bulk_changes, "perform", moved)
        assert outcomes(change(agent, refs=[row["reference"]])) == [(200, None)]
        assert len(times) == 2

    def test_a_program(self, app: Flask, admin: Caller) -> None:
        """With the rights of its key."""
        body = {
            "name": "x",
            "permissions": ["complaint:read", "complaint:bulk", "complaint:tag"],
            "scope": "everything",
        }
        key = admin.post("/api-keys", body | {"team_ids": []}).json["key"]
        program = integration(app, admin, "everything")
        program.token = key
        row = new(admin)
        admin.post("/tags", {"name": "bulk"})
        assert outcomes(change(program, refs=[row["reference"]])) == [(200, None)]
        event = everything(admin, at(row, "timeline"))[-1]
        assert (event["type"], event["actor_kind"]) == ("complaint.tagged", "integration")

    def test_the_same_request_again(self, agent: Caller, database: Database) -> None:
        refs = many(database, 3)
        first = agent.post("/complaints/bulk", TAG | {"refs": refs}, idempotency_key="one")
        again = agent.post("/complaints/bulk", TAG | {"refs": refs}, idempotency_key="one")
        assert again.headers["Idempotent-Replayed"] == "true"
        assert again.json == first.json
        other = agent.post("/complaints/bulk", TAG | {"refs": refs[:1]}, idempotency_key="one")
        assert other.json["code"] == "idempotency_key_reused"

    def test_again_after_the_process_had_died(self, agent: Caller, database: Database) -> None:
        """Before it could keep its answer: what it did is not done again, and the rest is."""
        refs = many(database, 4)
        planned = Plan(refs, "escalate", GOOD["escalate"], {}, dry_run=False)
        request = attempt(f"agent:{agent.id}", "POST", "/bulk", "one", b"body")
        with database.unit_of_work(agent.actor) as uow:
            job_id = bulk_changes._begin(uow, agent.actor, planned, request)
        stops = iter([False, False, True])
        assert not bulk_changes.run(database, job_id, until=lambda: next(stops))
        assert bulk_changes.do_now(database, agent.actor, planned, request) == job_id
        assert {agent.get(f"/complaints/{ref}").json["escalation_level"] for ref in refs} == {1}

    def test_what_it_has_no_time_for(
        self, agent: Caller, database: Database, program: Program, monkeypatch: Any
    ) -> None:
        refs = many(database, 3)
        monkeypatch.setattr(bulk_changes, "PATIENCE", -1.0)
        answer = change(agent, refs=refs)
        assert (answer.status_code, answer.json["state"], answer.json["items"]) == (202, "running", [])
        assert perform(program, TOPIC)["done"] == 1
        assert tagged_times(database) == {1}
        assert agent.get(f"/jobs/{answer.json['id']}").json["state"] == "done"

    def test_the_duty_finds_it_done(self, agent: Caller, database: Database, program: Program) -> None:
        change(agent, refs=many(database, 2))
        assert (
            scalar(database, "SELECT count(*) FROM duty WHERE topic = :topic AND not_before > now()", topic=TOPIC) == 1
        )
        assert perform(program, TOPIC)["done"] == 1
        assert tagged_times(database) == {1}

    def test_while_somebody_works_on_one_of_them(self, agent: Caller, database: Database) -> None:
        refs = many(database, 3)
        change_it: Callable[[], Any] = lambda: change(agent, refs=refs)  # noqa: E731
        (answer,) = behind_lock(
            database.engine, "SELECT FROM complaint WHERE reference = :ref FOR UPDATE", change_it, ref=refs[1]
        )
        assert outcomes(answer) == [(200, None)] * 3
        assert violations(database) == []


class TestJob:
    @pytest.fixture
    def refs(self, database: Database) -> list[str]:
        return many(database, AT_ONCE + 1)

    def test_good(self, agent: Caller, program: Program, database: Database, refs: list[str]) -> None:
        answer = change(agent, refs=[*refs, "nonsense"])
        assert (answer.status_code, answer.json["state"], answer.json["total"]) == (202, "queued", AT_ONCE + 2)
        path = answer.headers["Location"].removeprefix("/api/v1")
        assert agent.get(path).json["done"] == 0
        assert perform(program, TOPIC)["done"] == 1
        job = agent.get(path).json
        assert (job["state"], job["done"], job["failed"]) == ("done", AT_ONCE + 2, 1)
        items = everything(agent, f"{path}/items", limit=200)
        assert [item["subject"] for item in items] == [*refs, "nonsense"]
        assert [item["status"] for item in items] == [200] * (AT_ONCE + 1) + [404]
        assert (tagged_times(database), len(references(agent, "tag=bulk"))) == ({1}, AT_ONCE + 1)
        assert violations(database) == []

    def test_killed_on_the_way_and_rung_for_twice(
        self, agent: Caller, program: Program, database: Database, refs: list[str]
    ) -> None:
        job_id = UUID(change(agent, refs=refs).json["id"])
        stops = iter([False] * 30 + [True])
        assert not bulk_changes.run(database, job_id, until=lambda: next(stops))
        assert agent.get(f"/jobs/{job_id}").json["done"] == 30
        owed = duties(database, TOPIC)
        assert program.performer.perform(owed + owed) == {"done": 1, "skipped": 1, "failed": 0}
        execute(database, "UPDATE duty SET done_at = NULL WHERE id = :id", id=owed[0])
        assert program.performer.perform(owed)["done"] == 1
        assert (tagged_times(database), agent.get(f"/jobs/{job_id}").json["done"]) == ({1}, AT_ONCE + 1)

    def test_two_workers_at_once(self, agent: Caller, database: Database, refs: list[str]) -> None:
        """As when a worker is taken for dead and is not."""
        job_id = UUID(change(agent, refs=refs).json["id"])
        at_once(lambda: bulk_changes.run(database, job_id), lambda: bulk_changes.run(database, job_id))
        assert tagged_times(database) == {1}
        job = agent.get(f"/jobs/{job_id}").json
        assert (job["done"], job["failed"]) == (AT_ONCE + 1, 0)

    def test_cancelled(self, agent: Caller, program: Program, database: Database, refs: list[str]) -> None:
        job_id = UUID(change(agent, refs=refs).json["id"])
        stops = iter([False] * 5 + [True])
        bulk_changes.run(database, job_id, until=lambda: next(stops))
        assert agent.post(f"/jobs/{job_id}/cancel").status_code == 200
        assert perform(program, TOPIC)["done"] == 1
        assert agent.get(f"/jobs/{job_id}").json["state"] == "cancelled"
        assert len(references(agent, "tag=bulk")) == 5

    def test_whoever_asked_has_left(
        self, agent: Caller, admin: Caller, program: Program, database: Database, refs: list[str]
    ) -> None:
        job_id = change(agent, refs=refs).json["id"]
        admin.patch(f"/agents/{agent.id}", {"active": False}, if_match="*")
        perform(program, TOPIC)
        items = everything(admin, f"/jobs/{job_id}/items", limit=200)
        assert {(item["status"], item["code"]) for item in items} == {(401, "unauthenticated")}
        assert tagged_times(database) == set()

    def test_whoever_asked_has_lost_the_right(
        self, agent: Caller, admin: Caller, program: Program, database: Database, refs: list[str]
    ) -> None:
        job_id = change(agent, refs=refs).json["id"]
        admin.patch(f"/agents/{agent.id}", {"role": "auditor"}, if_match="*")
        perform(program, TOPIC)
        items = everything(admin, f"/jobs/{job_id}/items", limit=200)
        assert {(item["status"], item["code"]) for item in items} == {(403, "forbidden")}

    def test_what_was_chosen_does_not_grow(
        self, agent: Caller, program: Program, database: Database, refs: list[str]
    ) -> None:
        answer = change(agent, where={"open": True})
        later = new(agent)["reference"]
        perform(program, TOPIC)
        assert references(agent, "tag=bulk") == set(refs)
        assert later not in references(agent, "tag=bulk")
        assert answer.json["total"] == len(refs)

    def test_the_same_request_again(self, agent: Caller, refs: list[str], program: Program, database: Database) -> None:
        first = agent.post("/complaints/bulk", TAG | {"refs": refs}, idempotency_key="one")
        assert agent.post("/complaints/bulk", TAG | {"refs": refs}, idempotency_key="one").json == first.json
        assert perform(program, TOPIC)["done"] == 1
        assert tagged_times(database) == {1}
