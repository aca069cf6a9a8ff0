"""Trials on what has happened already.

How it can fail: something is changed by it; the past is told as it is today, or today's is told as the past's; what was
erased is guessed; a trial tells of complaints that the reader may not see; it never ends, or cannot be cancelled; it counts
other than the trigger would have fired; it is run twice.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine

from helpdesk.automation import dry_running
from helpdesk.automation.dry_running import SAMPLE, TOPIC
from helpdesk.kernel.clock import rfc3339
from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program
from tests.automation.rules import ESCALATE, NOTE, arrive, body, firings, of, react, shown, tag, timed, trigger
from tests.complaints.steps import GOOD
from tests.conftest import Caller, Join, make_team
from tests.recovery import helpers
from tests.tampering import past_the_trigger


def ago(**time: float) -> str:
    return rfc3339(datetime.now(UTC) - timedelta(**time))


def tried(caller: Caller, program: Program, trigger_: dict[str, Any] | str, **given: Any) -> dict[str, Any]:
    """What a trial found, run to its end."""
    which = {"trigger_id": trigger_} if isinstance(trigger_, str) else {"trigger": trigger_}
    answer = caller.post("/triggers/dry-runs", {**which, "since": ago(days=1), **given})
    assert answer.status_code == 202, answer.text
    job_id = answer.json["id"]
    assert caller.get(f"/triggers/dry-runs/{job_id}").status_code == 404, "not yet"
    helpers.perform(program, TOPIC)
    job = caller.get(f"/jobs/{job_id}").json
    assert job["state"] == "done", job
    found = caller.get(f"/triggers/dry-runs/{job_id}").json
    assert {name: found[name] for name in job["result"]} == job["result"]
    return dict(found)


def counts(found: dict[str, Any]) -> tuple[int, int, int]:
    return found["looked_at"], found["matched"], found["complaints"]


def leaf(found: dict[str, Any], place: int = 0) -> tuple[Any, bool, str]:
    why = found["sample"][place]["why"]
    return why["found"], why["holds"], why["as_of"]


class TestEvents:
    def test_how_often_and_why(self, manager: Caller, program: Program, team: UUID, database: Database) -> None:
        phone, mail = arrive(manager, team, channel="PHONE"), arrive(manager, team)
        before = helpers.scalar(database, "SELECT count(*) FROM event")
        found = tried(manager, program, body(condition=of("channel", "is", "PHONE"), actions=[ESCALATE]))
        assert counts(found) == (2, 1, 1)
        assert [(item["reference"], item["matched"]) for item in found["sample"]] == [
            (phone["reference"], True),
            (mail["reference"], False),
        ]
        assert (leaf(found), leaf(found, 1)) == (("PHONE", True, "then"), ("EMAIL", False, "then"))
        assert [item["actions"] for item in found["sample"]] == [[ESCALATE], []]
        assert found["cut_off"] is False
        assert shown(manager, phone)["escalation_level"] == 0
        assert helpers.scalar(database, "SELECT count(*) FROM event") == before
        assert helpers.scalar(database, "SELECT count(*) FROM automation_firing") == 0

    def test_as_it_was_then(self, manager: Caller, program: Program, team: UUID) -> None:
        complaint = arrive(manager, team, tags=["early"])
        path = f"/complaints/{complaint['reference']}"
        manager.post(f"{path}/tags", {"tags": ["late"]})
        manager.patch(path, {"price": helpers.eur("300.00")}, if_match="*")
        manager.post(f"{path}/actions/set_severity", GOOD["set_severity"])
        manager.post(f"{path}/actions/investigate", GOOD["investigate"])
        for condition, known in (
            (of("severity", "is", "S3"), ("S3", True, "then")),
            (of("status", "is", "received"), ("received", True, "then")),
            (of("tags", "is", "early"), (["early"], True, "then")),
            (of("price", "is", helpers.eur("200.00")), (helpers.eur("200.00"), True, "then")),
            ({"field": "investigated_at", "operator": "is_unset"}, (None, True, "then")),
            (of("minutes_since_received", "le", 1), (0, True, "then")),
            (of("event.type", "is", "complaint.received"), ("complaint.received", True, "then")),
            (of("clock.investigate.state", "is", "met"), ("met", True, "today")),
            (of("category", "is", "DEL"), ("DEL", True, "today")),
            (of("subject", "contains", "parcel"), (None, True, "then")),
        ):
            found = tried(manager, program, body(condition=condition))
            assert leaf(found) == known, condition

    def test_changes_are_those_of_the_event(self, manager: Caller, program: Program, team: UUID) -> None:
        complaint = arrive(manager, team)
        path = f"/complaints/{complaint['reference']}/tags"
        manager.post(path, {"tags": ["a"]})
        manager.post(path, {"tags": ["b"]})
        found = tried(manager, program, body("complaint.tagged", condition=of("tags", "changed_to", "b")))
        assert counts(found) == (2, 1, 1)
        assert found["sample"][0]["why"]["found"] == [["a"], ["a", "b"]]

    def test_it_counts_as_the_trigger_fires(self, manager: Caller, program: Program, team: UUID) -> None:
        made = trigger(
            manager, "complaint.received", "complaint.tagged", condition=of("severity", "le", "S3"), actions=[NOTE]
        )
        for number in range(3):
            complaint = arrive(manager, team)
            manager.post(f"/complaints/{complaint['reference']}/tags", {"tags": [f"t{number}"]})
        react(program)
        found = tried(manager, program, made["id"])
        assert counts(found) == (6, len(firings(manager, made)), 3)

    def test_what_was_erased_is_not_guessed(
        self, manager: Caller, program: Program, team: UUID, database: Database
    ) -> None:
        complaint = arrive(manager, team)
        manager.post(f"/complaints/{complaint['reference']}/actions/set_severity", GOOD["set_severity"])
        erase = "UPDATE event SET payload = NULL, salt = NULL WHERE type = 'complaint.severity_set'"
        past_the_trigger(database.engine, erase)
        found = tried(manager, program, body(condition=of("severity", "is", "S3")))
        assert leaf(found) == ("S2", False, "today")

    def test_a_field_that_is_gone_by_then(
        self, admin: Caller, manager: Caller, program: Program, database: Database
    ) -> None:
        field = admin.post("/custom-fields", {"key": "region", "label": "Region", "type": "text"}).json
        asked = {"trigger": body(condition=of("custom.region", "is", "north")), "since": ago(days=1)}
        job = manager.post("/triggers/dry-runs", asked).json
        assert admin.delete(f"/custom-fields/{field['id']}", if_match="*").status_code == 204
        (duty_id,) = helpers.duties(database, TOPIC)
        assert program.performer.perform([duty_id]) == {"done": 0, "skipped": 0, "failed": 1}
        ended = manager.get(f"/jobs/{job['id']}").json
        assert (ended["state"], helpers.duties(database, TOPIC)) == ("failed", [])
        assert "not there any more" in ended["error"]

    def test_a_period_and_a_limit(self, manager: Caller, program: Program, team: UUID) -> None:
        for _ in range(3):
            arrive(manager, team)
        assert counts(tried(manager, program, body(), until=ago(minutes=1))) == (0, 0, 0)
        found = tried(manager, program, body(), limit=2)
        assert (counts(found), found["cut_off"]) == ((2, 2, 2), True)
        for given, pointer in (
            ({"since": ago(days=1), "until": ago(days=2), "trigger": body()}, "/since"),
            ({"since": ago(days=1)}, "/trigger_id"),
            ({"since": ago(days=1), "trigger": body(), "trigger_id": str(UUID(int=7))}, "/trigger_id"),
            ({"since": ago(days=1), "trigger_id": str(UUID(int=7))}, "/trigger_id"),
            ({"since": ago(days=1), "trigger": body(condition=of("x", "is", 1))}, "/trigger/condition/field"),
            (
                {"since": ago(days=1), "trigger": body(actions=[{"step": "escalate"}])},
                "/trigger/actions/0/given/reason",
            ),
            ({"since": ago(days=1), "trigger": body(actions=[{"step": "claim"}])}, "/trigger/actions/0/step"),
            ({"since": ago(days=1), "trigger": body(), "limit": 0}, "/limit"),
        ):
            answer = manager.post("/triggers/dry-runs", given)
            assert (answer.status_code, [item["pointer"] for item in answer.json["errors"]]) == (422, [pointer])

    def test_all_of_the_past_and_the_future(self, manager: Caller, program: Program, team: UUID) -> None:
        arrive(manager, team)
        found = tried(manager, program, body(), since="0001-01-01T00:00:00Z", until="9999-12-31T23:59:59Z")
        assert counts(found) == (1, 1, 1)
        on = {"time": {"since": "last_inbound_at", "minutes": 525_600, "counted": "business"}}
        assert counts(tried(manager, program, body(on=on), since="0001-01-01T00:00:00Z")) == (0, 0, 0)
        answer = manager.post("/triggers/dry-runs", {"trigger": body(), "since": "9999-01-01T00:00:00Z"})
        assert answer.status_code == 422

    def test_a_sample_is_no_more_than_that(self, manager: Caller, program: Program, team: UUID) -> None:
        for _ in range(SAMPLE + 2):
            arrive(manager, team)
        found = tried(manager, program, body())
        assert (counts(found), len(found["sample"])) == ((SAMPLE + 2, SAMPLE + 2, SAMPLE + 2), SAMPLE)


class TestTime:
    def test_moments_of_the_period(self, manager: Caller, program: Program, team: UUID) -> None:
        come = arrive(manager, team, received_at=ago(hours=5))
        arrive(manager, team, received_at=ago(minutes=30))
        on = {"time": {"since": "received_at", "minutes": 60}}
        found = tried(manager, program, body(on=on))
        assert counts(found) == (1, 1, 1)
        (case,) = found["sample"]
        assert (case["reference"], case["event_id"]) == (come["reference"], None)
        assert case["at"] > come["received_at"]

    def test_one_that_was_over_before_its_moment(self, manager: Caller, program: Program, team: UUID) -> None:
        complaint = arrive(manager, team)
        path = f"/complaints/{complaint['reference']}/messages"
        for _ in range(2):
            manager.post(path, {"kind": "inbound", "body": "Hello?"})
        on = {"time": {"since": "last_inbound_at", "minutes": 0}}
        assert counts(tried(manager, program, body(on=on))) == (2, 2, 1)

    def test_what_waited_for_another_bears_an_earlier_time(
        self, manager: Caller, program: Program, engine: Engine
    ) -> None:
        """It stands later in the story, and had happened by then all the same."""
        complaint = arrive(manager, received_at=ago(hours=3))
        path = f"/complaints/{complaint['reference']}"
        manager.post(f"{path}/actions/set_severity", GOOD["set_severity"])
        manager.post(f"{path}/tags", {"tags": ["early"]})
        past_the_trigger(
            engine,
            "UPDATE event SET occurred_at = now() - interval '180 minutes' WHERE type <> 'complaint.severity_set'",
            "UPDATE event SET occurred_at = now() - interval '150 minutes' WHERE type = 'complaint.tagged'",
            "UPDATE event SET occurred_at = now() - interval '60 minutes' WHERE type = 'complaint.severity_set'",
        )
        on = {"time": {"since": "received_at", "minutes": 60}}
        condition = {"all": [of("severity", "is", "S3"), of("tags", "contains", "early")]}
        found = tried(manager, program, body(on=on, condition=condition))
        assert counts(found) == (1, 1, 1), found["sample"]

    def test_in_business_time(self, manager: Caller, program: Program, team: UUID) -> None:
        arrive(manager, team, received_at=ago(days=20))
        on = {"time": {"since": "received_at", "minutes": 60, "counted": "business"}}
        found = tried(manager, program, body(on=on), since=ago(days=30))
        assert counts(found) == (1, 1, 1)

    def test_one_that_is_there(self, manager: Caller, program: Program, team: UUID) -> None:
        made = timed(manager, "received_at", 0, actions=[tag("x")])
        complaint = arrive(manager, team)
        assert counts(tried(manager, program, made["id"])) == (1, 1, 1)
        assert shown(manager, complaint)["tags"] == []


class TestWho:
    def test_of_what_the_reader_sees(
        self, admin: Caller, agent: Caller, join: Join, team: UUID, database: Database, *, program: Program
    ) -> None:
        mine, other = arrive(agent, team), arrive(admin, make_team(database, "Elsewhere"))
        role = {"name": "reader", "description": "Reads.", "scope": "teams", "authority": "none"}
        held = ["complaint:read", "automation:read", "job:read_all"]
        assert admin.post("/roles", role | {"permissions": held}).status_code == 201
        reader = join("agent")
        assert admin.patch(f"/agents/{reader.id}", {"role": "reader"}, if_match="*").status_code == 200
        found = tried(admin, program, body())
        assert {item["reference"] for item in found["sample"]} == {mine["reference"], other["reference"]}
        seen = reader.get(f"/triggers/dry-runs/{found['id']}").json
        assert (counts(seen), [item["reference"] for item in seen["sample"]]) == ((2, 2, 2), [mine["reference"]])
        assert other["reference"] not in reader.get(f"/jobs/{found['id']}").text
        assert agent.get(f"/triggers/dry-runs/{found['id']}").status_code == 403


class TestAsAJob:
    def test_twice_and_when_it_is_not_wanted_any_more(
        self, manager: Caller, program: Program, team: UUID, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(dry_running, "_TOLD_EVERY", 1)
        for _ in range(3):
            arrive(manager, team)
        found = tried(manager, program, body())
        dry_running.run(database, UUID(found["id"]))
        assert helpers.scalar(database, "SELECT count(*) FROM automation_dry_run") == 1
        job = manager.post("/triggers/dry-runs", {"trigger": body(), "since": ago(days=1)}).json
        looked = dry_running._Found.add

        def cancelled(self: Any, matched: bool, told: dict[str, Any]) -> None:
            manager.post(f"/jobs/{job['id']}/cancel")
            looked(self, matched, told)

        monkeypatch.setattr(dry_running._Found, "add", cancelled)
        helpers.perform(program, TOPIC)
        assert manager.get(f"/jobs/{job['id']}").json["state"] == "cancelled"
        assert manager.get(f"/triggers/dry-runs/{job['id']}").status_code == 404
        assert helpers.duties(database, TOPIC) == []
