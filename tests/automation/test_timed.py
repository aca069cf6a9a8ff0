"""Timed triggers: when a moment comes, whom a sweep looks at, and that each moment is dealt with once.

How it can fail: a moment is missed (the sweep was down, the commit came late, the condition became true afterwards), or comes
twice; business time is counted by the clock, or backwards wrongly; a complaint is looked at by reading all of them; one that
waits after its own change fires for ever; a trigger that was out of force makes up for everything that it missed.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, event, text
from sqlalchemy.orm import Session

from helpdesk.automation import moment_queries, sweeping
from helpdesk.automation.jobs import run_timed
from helpdesk.automation.rules import forget
from helpdesk.automation.sweeping import OVERLAP
from helpdesk.automation.timing import ANCHORS, Timer
from helpdesk.kernel.clock import rfc3339
from helpdesk.kernel.unit_of_work import Database
from helpdesk.schedule import SWEEPS
from helpdesk.sla.calendar_spec import Calendar, Interval
from helpdesk.wiring import Program
from tests.automation.rules import ESCALATE, NOTE, arrive, firings, of, outcomes, react, shown, tag, timed
from tests.complaints.steps import GOOD
from tests.conftest import Caller
from tests.racing import at_once
from tests.recovery import helpers

OFFICE = Calendar("Europe/Berlin", {day: (Interval(540, 1020),) for day in range(5)}, name="office")


def ago(**time: float) -> str:
    return rfc3339(datetime.now(UTC) - timedelta(**time))


def look_back(database: Database, **time: float) -> None:
    """As if the last sweep had been so long ago."""
    helpers.execute(database, "UPDATE automation_trigger SET swept_to = :at", at=datetime.now(UTC) - timedelta(**time))


class TestMoments:
    def test_once_it_has_come(self, manager: Caller, database: Database) -> None:
        made = timed(manager, "received_at", 60, actions=[ESCALATE])
        come, to_come = arrive(manager, received_at=ago(minutes=61)), arrive(manager, received_at=ago(minutes=58))
        assert run_timed(database) == 1
        assert run_timed(database) == 0
        assert [shown(manager, item)["escalation_level"] for item in (come, to_come)] == [1, 0]
        (found,) = firings(manager, made)
        assert (found["event_id"], found["occurrence_at"], found["depth"]) == (None, come["received_at"], 1)

    def test_a_condition_that_becomes_true_later(self, manager: Caller, database: Database) -> None:
        made = timed(manager, "received_at", 60, condition=of("severity", "le", "S2"), actions=[NOTE])
        complaint = arrive(manager, received_at=ago(days=3))
        assert run_timed(database) == 0
        manager.post(f"/complaints/{complaint['reference']}/actions/set_severity", GOOD["set_severity"])
        assert run_timed(database) == 1
        manager.post(f"/complaints/{complaint['reference']}/tags", {"tags": ["x"]})
        assert run_timed(database) == 0
        assert outcomes(manager, made) == [("done", None)]

    def test_each_time_that_the_complainant_writes(self, manager: Caller, database: Database) -> None:
        made = timed(manager, "last_inbound_at", 0, actions=[tag("waits")])
        complaint = arrive(manager)
        path = f"/complaints/{complaint['reference']}"
        assert run_timed(database) == 0
        for count in (1, 2):
            manager.post(f"{path}/messages", {"kind": "inbound", "body": "Hello?"})
            assert run_timed(database) == 1
            manager.post(f"{path}/messages", {"kind": "internal_note", "body": "Seen."})
            assert run_timed(database) == 0
            assert len(firings(manager, made)) == count

    def test_one_that_nothing_changes_is_found_by_its_event(self, manager: Caller, database: Database) -> None:
        """Its moment comes though nothing has happened to it since the last sweep."""
        made = timed(manager, "last_public_reply_at", 30, actions=[NOTE])
        complaint = arrive(manager)
        manager.post(f"/complaints/{complaint['reference']}/messages", {"kind": "public_reply", "body": "We look."})
        helpers.execute(database, "UPDATE complaint SET updated_at = updated_at - interval '1 day'")
        look_back(database, minutes=0)
        assert run_timed(database) == 0
        helpers.execute(
            database, "UPDATE automation_trigger SET spec = jsonb_set(spec, '{on,time,minutes}', '0'), version = 2"
        )
        look_back(database, minutes=1)

        forget()
        assert run_timed(database) == 1
        assert outcomes(manager, made) == [("done", None)]

    @pytest.mark.parametrize(
        ("since", "steps"),
        [
            ("acknowledged_at", ["acknowledge"]),
            ("triaged_at", ["triage"]),
            ("assigned_at", ["claim"]),
            ("investigated_at", ["investigate"]),
            ("resolved_at", ["investigate", "resolve"]),
            ("followed_up_at", ["investigate", "resolve", "follow_up"]),
            ("last_inbound_at", ["inbound"]),
            ("last_public_reply_at", ["ask_customer"]),
            ("updated_at", []),
            ("received_at", []),
        ],
    )
    def test_every_time_there_is(
        self, manager: Caller, database: Database, since: str, steps: list[str], *, team: Any
    ) -> None:
        made = timed(manager, since, 0, actions=[NOTE])
        complaint = arrive(manager, team)
        path = f"/complaints/{complaint['reference']}"
        for step in steps:
            if step == "claim":
                answer = manager.post(f"{path}/claim")
            elif step == "inbound":
                answer = manager.post(f"{path}/messages", {"kind": "inbound", "body": "Hello?"})
            else:
                answer = manager.post(f"{path}/actions/{step}", GOOD[step])
            assert answer.status_code in {200, 201}, answer.text
        # Only its own moment leads to it: nothing changed lately.
        if steps:
            helpers.execute(database, "UPDATE complaint SET updated_at = now() - interval '30 minutes'")
        look_back(database, seconds=30)
        assert run_timed(database) == 1
        assert outcomes(manager, made) == [("done", None)]

    def test_before_a_promise_is_due(self, manager: Caller, database: Database) -> None:
        made = timed(manager, "next_due_at", -60, actions=[ESCALATE])
        complaint = arrive(manager)
        assert run_timed(database) == 0
        helpers.execute(
            database,
            "UPDATE complaint SET next_due_at = now() + interval '59 minutes', updated_at = now() - interval '1 day'",
        )
        look_back(database, minutes=5)
        assert run_timed(database) == 1
        assert outcomes(manager, made) == [("done", None)]
        assert shown(manager, complaint)["escalation_level"] == 1

    def test_every_anchor_is_tested(self) -> None:
        assert set(ANCHORS) == {
            "acknowledged_at",
            "triaged_at",
            "assigned_at",
            "investigated_at",
            "resolved_at",
            "followed_up_at",
            "last_inbound_at",
            "last_public_reply_at",
            "updated_at",
            "received_at",
            "next_due_at",
        }


class TestSweeps:
    def test_two_at_once(self, manager: Caller, database: Database) -> None:
        made = timed(manager, "received_at", 0, actions=[ESCALATE])
        complaints = [arrive(manager) for _ in range(4)]
        assert sum(at_once(*(lambda: run_timed(database) for _ in range(3)))) == 4
        assert [shown(manager, item)["escalation_level"] for item in complaints] == [1] * 4
        assert outcomes(manager, made) == [("done", None)] * 4

    def test_after_days_without_any(self, manager: Caller, database: Database) -> None:
        made = timed(manager, "received_at", 60)
        for hours in (1.5, 20, 49, 71):
            arrive(manager, received_at=ago(hours=hours))
        helpers.execute(database, "UPDATE complaint SET updated_at = received_at, created_at = received_at")
        look_back(database, days=2.5)
        assert run_timed(database) == 3, "the oldest had come due before the last sweep"
        assert len(firings(manager, made)) == 3

    def test_what_is_committed_late(self, manager: Caller, database: Database, engine: Engine) -> None:
        """A transaction that began before a sweep and ends after it."""
        made = timed(manager, "received_at", 0, condition=of("severity", "is", "S1"))
        arrive(manager)
        with engine.connect() as late:
            late.execute(text("UPDATE complaint SET severity = 'S1', updated_at = now() - interval '1 second'"))
            helpers.execute(database, "UPDATE automation_trigger SET swept_to = now() - interval '1 minute'")
            assert run_timed(database) == 0
            held = helpers.scalar(database, "SELECT swept_to FROM automation_trigger")
            assert held == late.execute(text("SELECT now()")).scalar_one() - OVERLAP
            late.commit()
        assert run_timed(database) == 1
        assert len(firings(manager, made)) == 1

    def test_what_is_committed_late_and_has_only_read_so_far(
        self, manager: Caller, database: Database, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What it writes after the sweep bears the time at which it began."""
        monkeypatch.setattr(sweeping, "OVERLAP", timedelta(microseconds=1))
        made = timed(manager, "received_at", 0, condition=of("severity", "is", "S1"))
        arrive(manager)
        helpers.execute(database, "UPDATE complaint SET updated_at = now() - interval '1 hour', received_at = now()")
        with engine.connect() as late:
            begun = late.execute(text("SELECT now()")).scalar_one()
            assert run_timed(database) == 0
            assert helpers.scalar(database, "SELECT swept_to FROM automation_trigger") < begun
            late.execute(text("UPDATE complaint SET severity = 'S1', updated_at = now()"))
            late.commit()
        assert run_timed(database) == 1
        assert len(firings(manager, made)) == 1

    def test_one_that_never_ends_is_not_waited_for(
        self, manager: Caller, database: Database, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        swept = "SELECT swept_to FROM automation_trigger"
        timed(manager, "received_at", 0, condition=of("severity", "is", "S1"))
        arrive(manager)
        with engine.connect() as stuck:
            stuck.execute(text("UPDATE complaint SET subject = subject"))
            begun = stuck.execute(text("SELECT now()")).scalar_one()
            look_back(database, minutes=1)
            run_timed(database)
            assert helpers.scalar(database, swept) == begun - OVERLAP
            monkeypatch.setattr(sweeping, "LONGEST", timedelta())
            run_timed(database)
            assert helpers.scalar(database, swept) > begun - OVERLAP

    def test_broken_off_it_goes_on_where_it_stood(
        self, manager: Caller, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = timed(manager, "received_at", 60)
        hours = [7, 6, 5, 4, 3, 2]
        for number in hours:
            arrive(manager, received_at=ago(hours=number))
        helpers.execute(database, "UPDATE complaint SET updated_at = received_at")
        look_back(database, hours=8)
        with monkeypatch.context() as patched:
            patched.setattr(sweeping, "MOST", 2)
            counts = [run_timed(database) for _ in range(len(hours) + 2)]
        assert sum(counts) == len(hours)
        assert max(counts) <= 2
        look_back(database, hours=8)
        with monkeypatch.context() as patched:
            patched.setattr(sweeping, "PATIENCE", -1.0)
            helpers.execute(database, "DELETE FROM automation_occurrence")
            assert run_timed(database) == 0
            reached = helpers.scalar(database, "SELECT swept_to FROM automation_trigger")
        assert reached < datetime.now(UTC) - timedelta(hours=5)
        assert run_timed(database) == len(hours)
        assert len(firings(manager, made)) == 2 * len(hours)

    def test_what_fails_is_not_tried_for_ever(self, manager: Caller, database: Database) -> None:
        made = timed(manager, "received_at", 0, actions=[{"step": "resume", "given": {"note": "x"}}])
        arrive(manager)
        for _ in range(3):
            run_timed(database)
        assert outcomes(manager, made) == [("failed", "action_not_allowed")]

    def test_one_that_waits_after_its_own_change(self, manager: Caller, database: Database) -> None:
        made = timed(manager, "updated_at", 0, actions=[ESCALATE])
        complaint = arrive(manager)
        for _ in range(5):
            run_timed(database)
        assert outcomes(manager, made) == [("done", None), ("stopped", "own_change")]
        manager.post(f"/complaints/{complaint['reference']}/tags", {"tags": ["x"]})
        run_timed(database)
        assert outcomes(manager, made)[-1] == ("done", None)

    def test_out_of_force_it_misses_what_comes(self, manager: Caller, database: Database) -> None:
        made = timed(manager, "received_at", 10)
        path = f"/triggers/{made['id']}"
        manager.patch(path, {"active": False}, if_match="*")
        arrive(manager, received_at=ago(minutes=20))
        helpers.execute(database, "UPDATE complaint SET updated_at = now() - interval '15 minutes'")
        assert run_timed(database) == 0
        manager.patch(path, {"active": True}, if_match="*")
        assert run_timed(database) == 0
        assert firings(manager, made) == []

    def test_it_can_become_one_of_events_and_back(self, manager: Caller, program: Program) -> None:
        made = timed(manager, "received_at", 0)
        path = f"/triggers/{made['id']}"
        answer = manager.patch(path, {"on": {"events": ["complaint.received"]}}, if_match="*")
        assert answer.json["on"] == {"events": ["complaint.received"]}
        arrive(manager)
        assert run_timed(program.database) == 0
        react(program)
        assert outcomes(manager, made) == [("done", None)]
        answer = manager.patch(path, {"on": {"time": {"since": "received_at", "minutes": 0}}}, if_match="*")
        assert answer.status_code == 200
        asked = manager.patch(path, {"condition": {"field": "severity", "operator": "changed"}}, if_match="*")
        assert asked.status_code == 422

    def test_the_schedule_asks_first(self, manager: Caller, program: Program, engine: Engine) -> None:
        due = SWEEPS["automation.run_timed"].due
        assert due is not None
        with engine.connect() as connection:
            assert connection.execute(text(due)).scalar_one() is False
        timed(manager, "received_at", 0)
        arrive(manager)
        with engine.connect() as connection:
            assert connection.execute(text(due)).scalar_one() is True
        assert SWEEPS["automation.run_timed"].work(program) == 1
        assert SWEEPS["automation.forget_firings"].work(program) == 0

    def test_nobody_is_looked_for_row_by_row(self, manager: Caller, engine: Engine) -> None:
        """Every search of a sweep goes by an index, of which it reads the stretch of time that it asks for."""
        seen: list[tuple[str, Any]] = []
        by = {None: "pk_event", "received_at": "uq_complaint_received_at_id"}
        by |= {name: f"ix_complaint_{name}_id" for name in ("updated_at", "next_due_at")}
        wanted = [by[anchor.column] for anchor in ANCHORS.values()] + [by["updated_at"]]

        def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
            seen.append((statement, parameters))

        now = datetime.now(UTC)
        event.listen(engine, "before_cursor_execute", note)
        try:
            with Session(engine) as session:
                for anchor in ANCHORS.values():
                    moment_queries.starts(session, anchor, now - timedelta(minutes=1), now, 100)
                moment_queries.changed(session, now - timedelta(minutes=1), now, 100)
        finally:
            event.remove(engine, "before_cursor_execute", note)
        with engine.connect() as connection:
            connection.execute(text("SET enable_seqscan = off"))
            for (statement, parameters), index in zip(seen, wanted, strict=True):
                plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars())
                assert re.search(rf"Index (Only )?Scan (using|on) {index}\b", plan), plan
                column = "id" if index == "pk_event" else index.removesuffix("_id").partition("complaint_")[2]
                assert re.search(rf"Index Cond: \(\({column} >=? .*\) AND \({column} <= ", plan), plan


class TestArithmetic:
    @given(
        st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)),  # noqa: DTZ001  # made aware below
        st.integers(0, 4000),
        st.sampled_from(["clock", "business"]),
    )
    def test_the_last_start_is_the_last(self, end: datetime, minutes: int, counted: str) -> None:
        timer, moment = Timer("received_at", minutes, counted), end.replace(tzinfo=UTC, microsecond=0)
        last = timer.last_start(moment, OFFICE)
        assert timer.due(last, OFFICE) <= moment
        assert timer.due(last + timedelta(seconds=1), OFFICE) > moment

    def test_business_time_is_not_the_clocks(self, manager: Caller, database: Database) -> None:
        timer = Timer("received_at", 60, "business")
        friday = datetime(2026, 3, 6, 15, 30, tzinfo=UTC)  # half past four in Berlin
        assert timer.due(friday, OFFICE) == datetime(2026, 3, 9, 8, 30, tzinfo=UTC)
        made = timed(manager, "received_at", 200_000, "business")
        soon = timed(manager, "received_at", 60, "business")
        arrive(manager, received_at=ago(days=30))
        assert run_timed(database) == 1
        assert (len(firings(manager, made)), len(firings(manager, soon))) == (0, 1)
