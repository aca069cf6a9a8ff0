"""What an edit would do to open deadlines, told before it is made: as it then happens, and nothing of it is done.

How it can fail: a trial counts otherwise than what then happens; it writes something, locks something, or leaves in a copy that all
requests go by what was only supposed; it tells of complaints that are not for the caller's eyes, or takes what the edit refuses; one
that takes long is never done, done twice, or told of nowhere.
"""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import dry_running, policies_in_force, recomputing, revising
from helpdesk.sla.dry_running import Edit
from helpdesk.sla.models import SlaPolicy
from helpdesk.sla.outcomes import COUNTED
from helpdesk.wiring import Program
from tests.conftest import Caller, Join, complaint_body, make_team
from tests.recovery import helpers as offers
from tests.sla.editing import (
    OFFICE,
    Now,
    calendar_id,
    carried_out,
    new_targets,
    ring_everything,
    with_holiday,
    worked,
)
from tests.sla.test_revising import live
from tests.sla.test_transitions import differences
from tests.sla.watching import MONDAY, Story, promise, when, wrong


class TestTrial:
    """What an edit would do, told by what then does it."""

    def try_and_do(self, database: Database, edit: Edit) -> tuple[dict[str, Any], dict[str, Any]]:
        tried = dry_running.at_once(database, SYSTEM, edit, Now.at)
        assert tried is not None
        job_id = carried_out(database, edit)
        return tried, {} if job_id is None else worked(database, job_id)

    @pytest.mark.usefixtures("tuesday")
    @pytest.mark.parametrize("number", [*range(10), *(pytest.param(n, marks=pytest.mark.fire) for n in range(10, 150))])
    def test_it_says_what_then_happens(self, database: Database, number: int) -> None:
        """Random complaints, random edits, one after the other: kind by kind and team by team."""
        chance = random.Random(number)  # a life, no secret
        kinds = ("acknowledge", "first_response", "next_response", "investigate", "resolve")
        promise(database, **{each: dict.fromkeys(kinds, (600, "minutes")) for each in ("S1", "S3", "S5")})
        teams = [None, make_team(database, "Parcels"), make_team(database, "Letters")]
        for place in range(4):
            regulated = {"jurisdiction": chance.choice(["GB", "US"]), "sector": "financial"} if place % 2 else {}
            began = MONDAY + timedelta(minutes=90 * place)
            story = Story(database, began, **regulated)
            with database.engine.begin() as connection:
                connection.execute(
                    update(Complaint).where(Complaint.id == story.id).values(team_id=chance.choice(teams))
                )
            live(story, Story(database, began), chance)
        Now.at = MONDAY + timedelta(days=chance.choice((1, 2, 4, 9)), minutes=chance.choice((0, 240, 700)))
        for _ in range(3):
            edit = _any_edit(database, chance)
            tried, done = self.try_and_do(database, edit)
            if done:
                for name in ("complaints", "clocks", "by_kind", "by_team"):
                    assert tried[name] == done[name], (edit, name)
            else:
                assert tried["looked_at"] == 0
            if chance.random() < 0.5:
                ring_everything(database, Now.at)
            assert differences(database) == []

    @pytest.mark.usefixtures("tuesday")
    def test_nothing_is_written_and_nobody_kept_waiting(self, database: Database) -> None:
        """The complaint is held by somebody the whole time."""
        story = Story(database)
        before = _everything(database)
        with Session(database.engine) as holder:
            holder.get_one(Complaint, story.id, with_for_update=True)
            tried = dry_running.at_once(database, SYSTEM, with_holiday(database, "2026-03-04"), Now.at)
        assert tried is not None
        assert tried["clocks"]["later"] == 2
        assert _everything(database) == before
        with database.reader() as session:
            assert policies_in_force.in_force(session).default.version == 1
            assert policies_in_force.in_force(session).default.calendar.holidays == frozenset()

    @pytest.mark.usefixtures("tuesday")
    def test_what_was_only_supposed_is_in_no_copy(self, database: Database) -> None:
        """The next version has the number of the supposed one, and says something else."""
        story = Story(database)
        dry_running.at_once(database, SYSTEM, with_holiday(database, "2026-03-04", "2026-03-05"), Now.at)
        dry_running.at_once(database, SYSTEM, new_targets(database, resolve=[50, "business_days"]), Now.at)
        worked(database, carried_out(database, with_holiday(database, "2026-03-04")))
        assert story.clock("resolve").due_at == MONDAY + timedelta(days=8, hours=8)
        assert wrong(database) == []

    @pytest.mark.usefixtures("tuesday")
    def test_one_that_cannot_be_computed_is_counted(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        stories = [Story(database) for _ in range(3)]
        real = revising.revise

        def breaking(uow: Any, complaint: Any, *rest: Any, **more: Any) -> None:
            if complaint.id == stories[1].id:
                raise ArithmeticError("no such day")
            real(uow, complaint, *rest, **more)

        monkeypatch.setattr("helpdesk.sla.recomputing.revise", breaking)
        tried = dry_running.at_once(database, SYSTEM, with_holiday(database, "2026-03-04"), Now.at)
        assert tried is not None
        assert (tried["looked_at"], tried["failed"], tried["complaints"]) == (3, 1, 2)


def _any_edit(database: Database, chance: random.Random) -> Edit:
    with Session(database.engine) as session:
        rows = session.scalars(
            select(SlaPolicy).where(~SlaPolicy.is_default, SlaPolicy.removed_at.is_(None)).order_by(SlaPolicy.position)
        ).all()
        policy_ids = [row.id for row in rows]
    unit = chance.choice(["minutes", "business_days", "calendar_days"])
    amount = chance.choice([1, 2, 5]) if unit != "minutes" else chance.choice([60, 500, 3000])
    target: Any = [amount, unit]
    if unit != "calendar_days" and chance.random() < 0.3:
        target = {"amount": amount, "unit": unit, "pausable": False}
    kind = chance.choice(["acknowledge", "first_response", "next_response", "investigate", "resolve"])
    edits: list[Callable[[], Edit]] = [
        lambda: new_targets(database, **{kind: target}),
        lambda: with_holiday(database, *chance.sample([f"2026-03-{day:02}" for day in range(2, 20)], 3)),
        lambda: Edit(
            "create_policy",
            None,
            {
                "name": f"Policy {chance.random()}",
                "active": True,
                "position": chance.choice([1, 2, 3]),
                "condition": chance.choice([when("tags", "urgent", "contains"), when("severity", "S3"), {"all": []}]),
                "calendar_id": calendar_id(database),
                "thresholds": [50],
                "targets": {"S3": {kind: target}, "S1": {kind: target, "resolve": [90, "minutes"]}},
            },
        ),
    ]
    if policy_ids:
        one = chance.choice(policy_ids)
        edits += [
            lambda: Edit("change_policy", one, {"active": chance.random() < 0.5}),
            lambda: Edit("change_policy", one, {"targets": {"S3": {kind: target}}}),
            lambda: Edit("reorder_policies", None, {"policy_ids": chance.sample(policy_ids, len(policy_ids))}),
        ]
    made: Edit = chance.choice(edits)()
    return made


def _everything(database: Database) -> dict[str, Any]:
    """Of every table that an edit, or what follows from it, would write."""
    tables = ("sla_clock", "sla_alarm", "sla_policy", "sla_policy_version", "sla_calendar", "event", "job", "duty")
    with database.engine.connect() as connection:
        return {
            name: sorted(connection.execute(text(f"SELECT to_jsonb({name})::text FROM {name}")).scalars())
            for name in (*tables, "sla_calendar_version", "complaint")
        }


class TestRoutes:
    def paths(self, manager: Caller) -> dict[str, tuple[str, dict[str, Any]]]:
        default = next(item for item in manager.get("/sla/policies").json["items"] if item["is_default"])
        made = {"name": "Quick", "calendar_id": default["calendar_id"], "targets": {"S3": {"resolve": [60, "minutes"]}}}
        calendar = {"timezone": "UTC", "weekly_hours": OFFICE["weekly_hours"], "holidays": ["2030-01-02"]}
        of_calendar = f"/sla/calendars/{default['calendar_id']}"
        return {
            "creation": ("/sla/policies/dry-run", made),
            "edit": (f"/sla/policies/{default['id']}/dry-run", {"thresholds": [10]}),
            "order": ("/sla/policies/reorder/dry-run", {"policy_ids": []}),
            "calendar": (f"{of_calendar}/dry-run", calendar),
            "refresh": (f"{of_calendar}/refresh-holidays/dry-run", {}),
            "recompute": ("/sla/recomputes", {}),
        }

    def test_who_may(self, anonymous: Caller, senior: Caller, join: Join, manager: Caller) -> None:
        for path, body in self.paths(manager).values():
            assert anonymous.post(path, body).status_code == 401, path
            for caller in (senior, join("auditor")):
                assert caller.post(path, body).status_code == 403, path
            assert manager.post(path, body).status_code in {200, 202}, path

    def test_what_is_not_there(self, manager: Caller) -> None:
        for path in (f"/sla/policies/{uuid4()}/dry-run", f"/sla/policies/{uuid4()}/deletion/dry-run"):
            assert manager.post(path, {} if path.endswith("y/dry-run") else None).status_code == 404, path

    def test_it_refuses_what_the_edit_refuses(self, manager: Caller) -> None:
        paths = self.paths(manager)
        path, made = paths["creation"]
        assert manager.post("/sla/policies", made).status_code == 201
        assert manager.post(path, made).json["code"] == "name_taken"
        assert manager.post(path, {**made, "name": "x", "surprise": 1}).status_code == 422
        assert manager.post(paths["edit"][0], {"active": False}).json["code"] == "default_policy"
        empty = {"timezone": "UTC", "weekly_hours": {}}
        assert manager.post(paths["calendar"][0], empty).status_code == 422
        default = next(item for item in manager.get("/sla/policies").json["items"] if item["is_default"])
        assert manager.post(f"/sla/policies/{default['id']}/deletion/dry-run").json["code"] == "default_policy"

    def test_counts_and_examples(self, manager: Caller, agent: Caller) -> None:
        refs = {agent.post("/complaints", complaint_body()).json["reference"] for _ in range(7)}
        path, made = self.paths(manager)["creation"]
        answer = manager.post(path, made)
        assert answer.status_code == 200, answer.text
        assert answer.json["job_id"] is None
        result = answer.json["result"]
        assert (result["looked_at"], result["failed"], result["complaints"]) == (7, 0, 7)
        assert (result["clocks"]["cancelled"], result["clocks"]["earlier"]) == (14, 7)
        (earlier,) = [item["references"] for item in result["examples"] if item["outcome"] == "earlier"]
        assert len(earlier) == dry_running.EXAMPLES
        assert set(earlier) < refs
        assert [item["team_id"] for item in result["by_team"]] == [None]

    def test_examples_are_of_what_the_caller_sees(
        self, database: Database, manager: Caller, agent: Caller, team: UUID
    ) -> None:
        elsewhere = make_team(database, "Elsewhere")
        for name in (team, elsewhere):
            assert manager.post("/complaints", complaint_body(team_id=str(name))).status_code == 201
        tried = dry_running.at_once(database, agent.actor, Edit("create_policy", None, _loaded(manager)))
        assert tried is not None
        assert tried["complaints"] == 2
        assert {len(item["references"]) for item in tried["examples"]} == {1}

    def test_more_than_one_waits_for(
        self, program: Program, manager: Caller, agent: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(dry_running, "AT_ONCE", 2)
        monkeypatch.setattr(dry_running, "_NARROW", 2)
        monkeypatch.setattr(dry_running, "_TOGETHER", 1)
        for _ in range(3):
            agent.post("/complaints", complaint_body())
        for name, (path, body) in self.paths(manager).items():
            if name in {"order", "refresh", "recompute"}:
                continue
            answer = manager.post(path, body)
            assert (answer.status_code, answer.json["result"]) == (202, None), name
            assert answer.headers["Location"] == f"/api/v1/jobs/{answer.json['job_id']}"
            offers.perform(program, dry_running.TOPIC)
            offers.perform(program, dry_running.TOPIC)
            job = manager.get(answer.headers["Location"]).json
            assert (job["state"], job["done"], job["total"]) == ("done", 3, 3), job
            assert job["result"]["looked_at"] == 3
            assert job["result"]["clocks"].keys() == {*COUNTED}

    def test_a_job_whose_edit_cannot_be_made_any_more_says_why(
        self, program: Program, manager: Caller, agent: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(dry_running, "AT_ONCE", 0)
        agent.post("/complaints", complaint_body())
        path, made = self.paths(manager)["creation"]
        answer = manager.post(path, made)
        assert manager.post("/sla/policies", made).status_code == 201
        offers.perform(program, dry_running.TOPIC)
        job = manager.get(f"/jobs/{answer.json['job_id']}").json
        assert job["state"] == "failed"
        assert job["error"]

    def test_an_edit_links_to_its_job(self, program: Program, manager: Caller, agent: Caller) -> None:
        ref = agent.post("/complaints", complaint_body()).json["reference"]
        default = next(item for item in manager.get("/sla/policies").json["items"] if item["is_default"])
        path = f"/sla/policies/{default['id']}"
        terms = {name: default[name] for name in ("calendar_id", "thresholds", "targets")}
        terms["targets"] = {**terms["targets"], "S3": {"resolve": [50, "business_days"]}}
        left = manager.put(path, {**terms, "recompute": False}, if_match="*")
        assert left.json["recompute_job_id"] is None
        begun = manager.post("/sla/recomputes")
        assert (begun.status_code, begun.json["kind"]) == (202, "sla.recompute")
        again = manager.patch(path, {"thresholds": [10]}, if_match="*").json
        assert again["recompute_job_id"] == begun.json["id"]  # no worker has come yet
        offers.execute(program.database, "UPDATE duty SET not_before = now(), next_at = now()")
        offers.perform(program, recomputing.TOPIC)
        job = manager.get(f"/jobs/{begun.json['id']}").json
        assert (job["state"], job["done"], job["result"]["complaints"]) == ("done", 1, 1)
        clocks_ = {item["kind"]: item for item in agent.get(f"/complaints/{ref}/clocks").json["items"]}
        assert clocks_["resolve"]["target_amount"] == 50
        assert clocks_["acknowledge"]["state"] == "cancelled"

    def test_calendars_and_rules_too(self, manager: Caller) -> None:
        paths = self.paths(manager)
        path, body = paths["calendar"]
        changed = manager.put(path.removesuffix("/dry-run"), body, if_match="*")
        assert changed.json["recompute_job_id"]
        changed = manager.put(path.removesuffix("/dry-run"), {**body, "recompute": False}, if_match="*")
        assert changed.json["recompute_job_id"] is None
        rule = next(item["id"] for item in manager.get("/sla/regimes").json["items"])
        assert manager.post(f"/sla/regimes/{rule}/switch-off", {"reason": "Tried."}).status_code == 200
        switched = manager.post(f"/sla/regimes/{rule}/switch-on", {"reason": "Tried."})
        assert switched.json["recompute_job_id"]


def _loaded(manager: Caller) -> dict[str, Any]:
    default = next(item for item in manager.get("/sla/policies").json["items"] if item["is_default"])
    targets = {"S3": {"resolve": [60, "minutes"]}}
    return {
        "name": "Q",
        "active": True,
        "calendar_id": UUID(default["calendar_id"]),
        "thresholds": [],
        "targets": targets,
    }
