"""What changes between the look without a lock and the lock, and what breaks in the middle.

How it can fail: a trigger fires for a moment that is none any more; one that was paused, changed or taken away goes on; an
event is passed over because its trigger was changed just then; of two who look at one event the second asks the triggers that
`stop_after` keeps from being asked; one event, or one trigger, that cannot be looked at keeps all others from being looked at;
one trigger has all the time.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine

from helpdesk.automation import reacting, rules
from helpdesk.automation.jobs import run_timed
from helpdesk.automation.reacting import Unsettled
from helpdesk.kernel.clock import rfc3339
from helpdesk.kernel.unit_of_work import Database
from tests.automation.rules import arrive, firings, of, outcomes, shown, tag, timed, trigger
from tests.automation.test_firing import events_owed
from tests.conftest import Caller
from tests.racing import behind_lock, while_it_waits
from tests.recovery import helpers
from tests.sla.test_calendars import changed as hours_changed
from tests.sla.test_calendars import hours, used
from tests.sla.test_calendars import made as calendar_made
from tests.tampering import past_the_trigger

LOCK = "SELECT 1 FROM complaint WHERE id = :id FOR UPDATE"
PAUSED = "UPDATE automation_trigger SET active = false"


def ago(**time: float) -> str:
    return rfc3339(datetime.now(UTC) - timedelta(**time))


class TestMoments:
    def test_one_that_moves_on_is_none_any_more(self, manager: Caller, database: Database, engine: Engine) -> None:
        made = timed(manager, "received_at", 60)
        complaint = arrive(manager, received_at=ago(minutes=90))
        later = "UPDATE complaint SET received_at = received_at + interval '25 minutes', updated_at = clock_timestamp()"
        assert while_it_waits(engine, LOCK, lambda: run_timed(database), later, id=complaint["id"]) == 0
        assert firings(manager, made) == []
        assert run_timed(database) == 1, "the moment that it is now had come too"
        assert firings(manager, made)[0]["occurrence_at"] == shown(manager, complaint)["received_at"]

    def test_a_trigger_that_is_paused_stops_at_once(self, manager: Caller, database: Database, engine: Engine) -> None:
        made = timed(manager, "received_at", 60)
        first, *_ = [arrive(manager, received_at=ago(hours=number)) for number in (4, 3, 2)]
        assert while_it_waits(engine, LOCK, lambda: run_timed(database), PAUSED, id=first["id"]) == 0
        assert firings(manager, made) == []
        helpers.execute(database, "UPDATE automation_trigger SET active = true, version = 2")
        assert run_timed(database) == 3, "what it had not come to is looked at by the version in force"
        assert {item["trigger_version"] for item in firings(manager, made)} == {2}


class TestEvents:
    def test_by_the_trigger_as_it_is_by_then(self, manager: Caller, database: Database, engine: Engine) -> None:
        trigger(manager, actions=[tag("old")])
        complaint = arrive(manager)
        events = events_owed(database)
        another = (
            "UPDATE automation_trigger SET version = 2, spec = jsonb_set(spec, '{actions,0,given,tags}', '[\"new\"]')"
        )
        look = lambda: reacting.react(database, events)  # noqa: E731
        assert while_it_waits(engine, LOCK, look, another, id=complaint["id"]) == 1
        assert shown(manager, complaint)["tags"] == ["new"]

    def test_not_by_one_that_is_paused_by_then(self, manager: Caller, database: Database, engine: Engine) -> None:
        made, other = trigger(manager, actions=[tag("a")]), trigger(manager, actions=[tag("b")])
        complaint = arrive(manager)
        events = events_owed(database)
        one_paused = f"{PAUSED} WHERE id = '{made['id']}'"
        look = lambda: reacting.react(database, events)  # noqa: E731
        assert while_it_waits(engine, LOCK, look, one_paused, id=complaint["id"]) == 1
        assert (firings(manager, made), shown(manager, complaint)["tags"]) == ([], ["b"])
        assert outcomes(manager, other) == [("done", None)]

    def test_the_second_of_two_stops_where_the_first_did(
        self, manager: Caller, database: Database, engine: Engine
    ) -> None:
        stops = trigger(manager, position=1, condition={"not": of("tags", "contains", "seen")}, stop_after=True)
        after = trigger(manager, position=2, actions=[tag("after")])
        complaint = arrive(manager)
        events = events_owed(database)
        look = lambda: reacting.react(database, events)  # noqa: E731
        counts = behind_lock(engine, LOCK, look, look, id=complaint["id"])
        assert (outcomes(manager, stops), firings(manager, after)) == ([("done", None)], [])
        assert shown(manager, complaint)["tags"] == ["seen"]
        assert sorted(counts) == [0, 1]


class TestWhatBreaks:
    def test_an_event_that_cannot_be_read_keeps_no_other_back(
        self, manager: Caller, database: Database, engine: Engine
    ) -> None:
        made = trigger(manager, "complaint.edited", condition={"field": "subject", "operator": "changed"})
        one, other = arrive(manager), arrive(manager)
        for complaint in (one, other):
            manager.patch(f"/complaints/{complaint['reference']}", {"subject": "Other"}, if_match="*")
        first, second = events_owed(database)
        past_the_trigger(
            engine, f"UPDATE event SET payload = '{{\"changes\": {{\"subject\": 1}}}}' WHERE id = '{first}'"
        )
        with pytest.raises(Unsettled):
            reacting.react(database, [first, second])
        assert [item["reference"] for item in firings(manager, made)] == [other["reference"]]

    def test_a_trigger_that_cannot_look_keeps_no_other_back(self, manager: Caller, database: Database) -> None:
        """As after a step back to an older release."""
        broken, other = timed(manager, "received_at", 0), timed(manager, "received_at", 0, actions=[tag("x")])
        arrive(manager)
        helpers.execute(
            database,
            "UPDATE automation_trigger SET spec = jsonb_set(spec, '{on,time,since}', '\"born_at\"') WHERE id = :id",
            id=UUID(broken["id"]),
        )
        rules.forget()
        assert run_timed(database) == 1
        assert outcomes(manager, other) == [("done", None)]

    def test_hours_that_became_too_few(self, admin: Caller, manager: Caller, database: Database) -> None:
        office = calendar_made(admin)
        used(admin, office)
        never = timed(manager, "received_at", 200_000, "business")
        soon = timed(manager, "received_at", 60, "business", actions=[tag("x")])
        hours_changed(admin, office, weekly_hours=hours("09:00", "10:00", ("mon",)))
        arrive(manager, received_at=ago(days=30))
        assert run_timed(database) == 1
        assert (firings(manager, never), outcomes(manager, soon)) == ([], [("done", None)])

    def test_a_moment_that_no_calendar_reaches_is_refused(self, admin: Caller, manager: Caller) -> None:
        few = calendar_made(admin, weekly_hours=hours("09:00", "10:00", ("mon",)))
        kept = timed(manager, "received_at", 200_000, "business")
        used(admin, few)
        on: dict[str, Any] = {"time": {"since": "received_at", "minutes": 200_000, "counted": "business"}}
        given = {"name": "Late", "on": on, "actions": [tag("x")]}
        for answer in (
            manager.post("/triggers", given),
            manager.patch(f"/triggers/{kept['id']}", {"on": on}, if_match="*"),
        ):
            assert [(item["pointer"], item["code"]) for item in answer.json["errors"]] == [
                ("/on/time/minutes", "uncomputable")
            ]
        assert (
            manager.post("/triggers", given | {"on": {"time": {**on["time"], "counted": "clock"}}}).status_code == 201
        )
        assert manager.patch(f"/triggers/{kept['id']}", {"name": "Mine"}, if_match="*").status_code == 200

    def test_who_has_waited_longest_comes_first(self, manager: Caller, database: Database) -> None:
        second, first = timed(manager, "received_at", 0), timed(manager, "received_at", 0, actions=[tag("x")])
        complaint = arrive(manager)
        helpers.execute(
            database,
            "UPDATE automation_trigger SET swept_to = swept_to - interval '1 minute' WHERE id = :id",
            id=UUID(first["id"]),
        )
        assert run_timed(database) == 2
        told = manager.get(f"/complaints/{complaint['reference']}/automation").json["items"]
        assert [item["trigger_id"] for item in reversed(told)] == [first["id"], second["id"]]
