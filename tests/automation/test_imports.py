"""What an import brings sets off only triggers that ask for it.

How it can fail: last year's complainants are written to because their complaints were imported, by what was recorded with
them, by promises that were over long before, or by a moment that had come; a trigger that asks for imports is not asked; what
happens to an imported complaint later sets nothing off; a trial counts other than the trigger fires; an import that no trigger
asks for is slowed by duties.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from helpdesk.automation.jobs import run_timed
from helpdesk.automation.subscribers import MANY_TOPIC, TOPIC
from helpdesk.complaints import intake, tagging
from helpdesk.complaints.schemas import ComplaintIn
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.clock import rfc3339
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla.sweep import ring_due
from helpdesk.wiring import Program
from tests.automation.rules import NOTE, arrive, body, firings, of, react, tag, timed, trigger
from tests.automation.test_dry_run import counts, tried
from tests.conftest import Caller, complaint_body
from tests.recovery import helpers


def imported(database: Database, **given: Any) -> str:
    """The reference of a complaint that an import brought."""
    with database.unit_of_work(SYSTEM) as uow:
        loaded = tagging.in_many(uow, [ComplaintIn().load(complaint_body(complainant={}, **given))])
        (complaint_id,) = intake.receive_many(uow, loaded, imported=True)
    return str(helpers.scalar(database, "SELECT reference FROM complaint WHERE id = :id", id=complaint_id))


def references(caller: Caller, made: dict[str, Any]) -> list[str]:
    return [item["reference"] for item in firings(caller, made)]


class TestEvents:
    def test_only_who_asks_for_it(self, manager: Caller, program: Program, database: Database) -> None:
        made = trigger(manager, "complaint.received", "complaint.tagged", actions=[NOTE])
        assert made["imports"] is False
        reference = imported(database, tags=["late"])
        assert (helpers.duties(database, TOPIC), helpers.duties(database, MANY_TOPIC)) == ([], [])
        asks = trigger(manager, imports=True, condition=of("event.imported", "is", True), actions=[tag("in")])
        second = imported(database)
        typed = arrive(manager)["reference"]
        react(program)
        assert references(manager, asks) == [second]
        # It was tagged by the other, after the import.
        assert sorted(references(manager, made)) == sorted([typed, second])
        manager.post(f"/complaints/{reference}/tags", {"tags": ["now"]})
        react(program)
        assert references(manager, made)[-1] == reference, "what happens afterwards is as with any other"

    def test_it_can_be_asked_for_later(self, manager: Caller, program: Program, database: Database) -> None:
        made = trigger(manager)
        changed = manager.patch(f"/triggers/{made['id']}", {"imports": True}, if_match="*").json
        assert (changed["imports"], changed["version"]) == (True, 2)
        versions = manager.get(f"/triggers/{made['id']}/versions").json["items"]
        assert [item["imports"] for item in versions] == [True, False]
        reference = imported(database)
        react(program)
        assert references(manager, made) == [reference]

    def test_promises_that_were_over(self, manager: Caller, program: Program, database: Database) -> None:
        made = trigger(manager, "sla.breached", "sla.warned", actions=[NOTE])
        asks = trigger(manager, "sla.breached", imports=True, condition=of("event.promise", "is", "acknowledge"))
        old = imported(database, received_at="2026-01-05T09:00:00Z")
        typed = arrive(manager, received_at="2026-01-05T09:00:00Z")["reference"]
        ring_due(database)
        react(program)
        assert set(references(manager, made)) == {typed}
        assert sorted(references(manager, asks)) == sorted([old, typed])

    def test_a_promise_that_is_broken_later(self, manager: Caller, program: Program, database: Database) -> None:
        made = trigger(manager, "sla.breached", condition=of("event.promise", "is", "resolve"))
        reference = imported(database)
        over = "SET due_at = now(), next_alarm_at = now(), next_threshold = 100 WHERE kind = 'resolve'"
        helpers.execute(database, f"UPDATE sla_clock {over}")
        ring_due(database)
        react(program)
        assert references(manager, made) == [reference]


class TestTime:
    def test_moments_before_it(self, manager: Caller, database: Database) -> None:
        late = timed(manager, "received_at", 60, actions=[NOTE])
        asks = timed(manager, "received_at", 60, imports=True, actions=[NOTE])
        writes = timed(manager, "last_inbound_at", 0, actions=[NOTE])
        reference = imported(database, received_at=rfc3339(datetime.now(UTC) - timedelta(days=300)))
        run_timed(database)
        assert (references(manager, late), references(manager, asks)) == ([], [reference])
        assert references(manager, writes) == []
        manager.post(f"/complaints/{reference}/messages", {"kind": "inbound", "body": "Hello?"})
        run_timed(database)
        assert references(manager, writes) == [reference]
        assert references(manager, late) == []


class TestTrials:
    def test_as_it_would_have_fired(self, manager: Caller, program: Program, team: UUID, database: Database) -> None:
        imported(database, team_id=str(team))
        arrive(manager, team)
        on = {"time": {"since": "received_at", "minutes": 0}}
        for given, count in (({}, 1), ({"imports": True}, 2), ({"on": on}, 1), ({"on": on, "imports": True}, 2)):
            assert counts(tried(manager, program, body(**given))) == (count, count, count), given
