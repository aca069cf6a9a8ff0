"""Clocks follow the life of a complaint: what starts, pauses, stops and rings, and that nothing rings twice."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from helpdesk.complaints import intake
from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.event_log import EventRow
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import clocks, queries
from helpdesk.sla.models import Alarm, Clock
from helpdesk.sla.queries import open_clocks_for_update
from helpdesk.sla.sweep import ring_due
from tests.conftest import Caller, complaint_body
from tests.racing import at_once
from tests.sla.watching import Story, act, clocks_of, make_policy, move_clocks, resolve, violations, wrong

RINGING = ("sla.warned", "sla.breached")


class TestStart:
    def test_receiving_starts_the_promises_of_the_severity(self, agent: Caller, complaint: dict[str, Any]) -> None:
        found = clocks_of(agent, complaint["reference"])
        assert set(found) == {"acknowledge", "investigate", "resolve"}
        assert {clock["state"] for clock in found.values()} == {"running"}
        assert (found["acknowledge"]["target_amount"], found["acknowledge"]["target_unit"]) == (240, "minutes")
        assert found["resolve"]["next_threshold"] == 50

    def test_a_judged_severity_has_its_own_targets(self, agent: Caller) -> None:
        created = agent.post("/complaints", complaint_body(impact=5, urgency=4)).json
        assert created["severity"] == "S1"
        assert clocks_of(agent, created["reference"])["acknowledge"]["target_amount"] == 15

    def test_a_promise_is_counted_from_receipt_not_from_entry(self, agent: Caller) -> None:
        # Friday 16:00 in UTC office hours: one hour on Friday, three on Monday.
        created = agent.post("/complaints", complaint_body(received_at="2026-03-06T16:00:00Z")).json
        assert clocks_of(agent, created["reference"])["acknowledge"]["due_at"] == "2026-03-09T12:00:00Z"

    def test_a_regime_starts_at_its_own_clock_start(self, database: Database, agent: Caller) -> None:
        sent = datetime(2026, 3, 2, 5, tzinfo=UTC)
        given = {
            "channel": "REGULATOR",
            "subject": "Report",
            "description": "An error.",
            "jurisdiction": "US",
            "sector": "financial",
            "clock_starts": {"complaint_sent_to_company": sent},
        }
        with database.unit_of_work(SYSTEM) as uow:
            complaint_id = intake.receive(uow, SYSTEM, given)
        found = clocks_of(agent, str(complaint_id))
        # The 15th day after 2 March in New York ends at local midnight, which by then is at 04:00 UTC (summer time).
        assert found["us.cfpb.15"]["due_at"] == "2026-03-18T04:00:00Z"
        assert found["us.cfpb.60"]["due_at"] == "2026-05-02T04:00:00Z"
        assert not found["us.cfpb.15"]["pausable"]

    def test_a_complaint_from_before_1990_is_refused(self, agent: Caller) -> None:
        answer = agent.post("/complaints", complaint_body(received_at="1924-01-01T00:00:00Z"))
        assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/received_at")


class TestStop:
    def test_acknowledging_in_time_keeps_the_promise(self, agent: Caller, complaint: dict[str, Any]) -> None:
        act(agent, complaint["reference"], "acknowledge", channel="EMAIL")
        clock = clocks_of(agent, complaint["reference"])["acknowledge"]
        assert (clock["state"], clock["next_alarm_at"]) == ("met", None)
        assert clock["stopped_at"] is not None

    def test_stopping_late_is_a_breach_said_once(
        self, agent: Caller, complaint: dict[str, Any], database: Database
    ) -> None:
        ref = complaint["reference"]
        move_clocks(database, ref, weeks=2)
        act(agent, ref, "acknowledge", channel="EMAIL")  # before any sweep has looked
        assert clocks_of(agent, ref)["acknowledge"]["state"] == "breached"
        ring_due(database)
        said = [
            entry for entry in agent.get(f"/complaints/{ref}/timeline").json["items"] if entry["type"] == "sla.breached"
        ]
        assert len([entry for entry in said if entry["payload"]["kind"] == "acknowledge"]) == 1

    def test_a_clock_older_than_a_calendar_is_searched_stops_too(
        self, agent: Caller, complaint: dict[str, Any], database: Database
    ) -> None:
        """Forty years is the bound of one search, and 68 years are more seconds than an int4 counts."""
        ref = complaint["reference"]
        move_clocks(database, ref, days=45_000)
        act(agent, ref, "acknowledge", channel="EMAIL")
        ring_due(database)
        clock = clocks_of(agent, ref)["acknowledge"]
        # 8 hours on 5 days of 7, whatever the holidays and whichever day of the week it is today.
        whole = 45_000 // 7 * 5 * 8 * 3600
        assert clock["state"] == "breached"
        assert 0.9 * whole < clock["elapsed_seconds"] <= whole + 5 * 8 * 3600
        with database.reader() as session:
            assert session.scalars(select(func.max(Alarm.late_seconds))).one() > 2**31

    def test_resolving_stops_the_rest_and_starts_the_follow_up(self, agent: Caller, complaint: dict[str, Any]) -> None:
        resolve(agent, complaint["reference"])
        found = clocks_of(agent, complaint["reference"])
        assert {kind: clock["state"] for kind, clock in found.items()} == {
            "acknowledge": "met",
            "investigate": "met",
            "resolve": "met",
            "follow_up": "running",
        }
        act(agent, complaint["reference"], "follow_up", result="contact_made")
        assert clocks_of(agent, complaint["reference"])["follow_up"]["state"] == "met"

    def test_withdrawing_cancels(self, agent: Caller, complaint: dict[str, Any]) -> None:
        act(agent, complaint["reference"], "withdraw", reason="It came after all.")
        assert {clock["state"] for clock in clocks_of(agent, complaint["reference"]).values()} == {"cancelled"}

    def test_reopening_promises_anew(self, agent: Caller, senior: Caller, complaint: dict[str, Any]) -> None:
        act(agent, complaint["reference"], "withdraw", reason="It came after all.")
        act(senior, complaint["reference"], "reopen", reason="It was the wrong parcel.")
        found = clocks_of(agent, complaint["reference"])
        assert {kind: (clock["round"], clock["state"]) for kind, clock in found.items()} == {
            "acknowledge": (2, "running"),
            "investigate": (2, "running"),
            "resolve": (2, "running"),
        }


class TestPause:
    def test_waiting_for_the_customer_pauses_and_the_answer_resumes(
        self, agent: Caller, complaint: dict[str, Any], database: Database
    ) -> None:
        ref = complaint["reference"]
        act(agent, ref, "ask_customer", message="Which day suits you?")
        paused = clocks_of(agent, ref)["resolve"]
        assert (paused["state"], paused["due_at"], paused["next_alarm_at"]) == ("paused", None, None)
        assert paused["remaining_seconds"] > 0
        answer = agent.post(f"/complaints/{ref}/messages", {"kind": "inbound", "body": "Friday."})
        assert answer.status_code == 201
        resumed = clocks_of(agent, ref)["resolve"]
        assert (resumed["state"], resumed["remaining_seconds"]) == ("running", None)
        assert resumed["generation"] == paused["generation"] + 1
        assert violations(database) == []

    def test_business_time_spent_waiting_is_given_back(self, database: Database, agent: Caller) -> None:
        created = agent.post("/complaints", complaint_body(received_at="2026-03-02T09:00:00Z")).json
        monday, tuesday = datetime(2026, 3, 2, 10, tzinfo=UTC), datetime(2026, 3, 3, 10, tzinfo=UTC)
        with database.unit_of_work(SYSTEM) as uow:
            complaint = uow.session.get(Complaint, UUID(created["id"]), with_for_update=True)
            assert complaint is not None
            uow.know_stream(complaint)
            for clock in open_clocks_for_update(uow.session, [complaint.id]):
                if clock.kind == "acknowledge":
                    assert clock.due_at == datetime(2026, 3, 2, 13, tzinfo=UTC)
                    clocks.pause(uow, clock, monday)
                    assert clock.remaining_seconds == 3 * 3600
                    clocks.resume(uow, clock, tuesday)
                    # Three hours were left at 10:00 on Monday; they are counted from 10:00 on Tuesday.
                    assert clock.due_at == datetime(2026, 3, 3, 13, tzinfo=UTC)

    @pytest.mark.parametrize("sunday", [datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)])
    def test_a_clock_change_meanwhile(self, database: Database, admin: Caller, sunday: datetime) -> None:
        """Asked half an hour before the zone's change, answered half an hour after it: what was left is counted from there."""
        night = {"timezone": "Europe/Berlin", "weekly_hours": {"sun": [["00:00", "06:00"]]}, "name": "Nights"}
        calendar = admin.post("/sla/calendars", night)
        assert calendar.status_code == 201, calendar.text
        targets = {"S3": {"resolve": {"amount": 180, "unit": "minutes"}}}
        make_policy(database, "Nights", calendar_id=UUID(calendar.json["id"]), targets=targets)
        story = Story(database, sunday - timedelta(minutes=30))
        (clock,) = story.clocks("resolve")
        assert clock.due_at == sunday + timedelta(hours=2, minutes=30)
        story.act("ask_third_party", sunday + timedelta(minutes=30), note="Asked the carrier.")
        (clock,) = story.clocks("resolve")
        assert (clock.due_at, clock.remaining_seconds) == (None, 120 * 60)
        story.act("resume", sunday + timedelta(minutes=90))
        (clock,) = story.clocks("resolve")
        assert clock.due_at == sunday + timedelta(minutes=90 + 120)
        assert wrong(database) == []

    def test_regulatory_clocks_never_pause(self, database: Database, agent: Caller) -> None:
        given = {
            "channel": "REGULATOR",
            "subject": "Report",
            "description": "An error.",
            "jurisdiction": "US",
            "sector": "financial",
        }
        with database.unit_of_work(SYSTEM) as uow:
            complaint_id = intake.receive(uow, SYSTEM, given | {"clock_starts": {"complaint_sent_to_company": uow.now}})
        act(agent, str(complaint_id), "ask_customer", message="Which account?")
        found = clocks_of(agent, str(complaint_id))
        assert (found["us.cfpb.15"]["state"], found["resolve"]["state"]) == ("running", "paused")


class TestSeverity:
    def test_triage_moves_the_deadlines_and_keeps_the_start(self, agent: Caller, complaint: dict[str, Any]) -> None:
        ref = complaint["reference"]
        before = clocks_of(agent, ref)["resolve"]
        act(agent, ref, "triage", impact=5, urgency=4, category="DEL", issue="DEL.LATE", track="investigate")
        after = clocks_of(agent, ref)["resolve"]
        assert (after["severity"], after["target_amount"]) == ("S1", 1)
        assert after["started_at"] == before["started_at"]
        assert after["due_at"] < before["due_at"]
        assert after["generation"] == before["generation"] + 1

    def test_a_paused_clock_is_recomputed_too(
        self, agent: Caller, complaint: dict[str, Any], database: Database
    ) -> None:
        ref = complaint["reference"]
        act(agent, ref, "ask_third_party", note="Asked the carrier.")
        act(agent, ref, "triage", impact=5, urgency=4, category="DEL", issue="DEL.LATE", track="investigate")
        paused = clocks_of(agent, ref)["resolve"]
        assert (paused["state"], paused["target_amount"]) == ("paused", 1)
        act(agent, ref, "resume")
        assert clocks_of(agent, ref)["resolve"]["state"] == "running"
        assert violations(database) == []

    def test_what_was_broken_stays_broken(self, agent: Caller, complaint: dict[str, Any], database: Database) -> None:
        ref = complaint["reference"]
        move_clocks(database, ref, weeks=6)
        ring_due(database)
        act(agent, ref, "triage", impact=1, urgency=1, category="DEL", issue="DEL.LATE", track="investigate")
        assert {clock["state"] for clock in clocks_of(agent, ref).values()} == {"breached"}


class TestAlarms:
    def alarms(self, database: Database) -> list[tuple[str, int]]:
        with database.reader() as session:
            rows = session.execute(select(Clock.kind, Alarm.threshold).join(Alarm, Alarm.clock_id == Clock.id))
            return sorted((row.kind, row.threshold) for row in rows)

    def test_nothing_rings_before_its_time(self, database: Database, complaint: dict[str, Any]) -> None:
        assert ring_due(database) == 0
        assert self.alarms(database) == []

    def test_an_outage_is_caught_up_in_order_once_and_says_how_late(
        self, database: Database, complaint: dict[str, Any], agent: Caller
    ) -> None:
        ref = complaint["reference"]
        move_clocks(database, ref, weeks=6)
        assert ring_due(database) == 12
        assert ring_due(database) == 0
        assert self.alarms(database) == [
            (kind, threshold) for kind in ("acknowledge", "investigate", "resolve") for threshold in (50, 75, 90, 100)
        ]
        entries = agent.get(f"/complaints/{ref}/timeline?limit=200").json["items"]
        resolve_alarms = [
            entry["payload"].get("threshold", 100)
            for entry in entries
            if entry["type"] in RINGING and entry["payload"]["kind"] == "resolve"
        ]
        assert resolve_alarms == [50, 75, 90, 100]
        assert all(entry["payload"]["late_seconds"] > 0 for entry in entries if entry["type"] in RINGING)
        assert violations(database) == []

    def test_what_was_overdue_before_we_knew_of_it_is_a_breach_without_warnings(
        self, database: Database, agent: Caller
    ) -> None:
        agent.post("/complaints", complaint_body(received_at="2026-01-05T09:00:00Z"))
        ring_due(database)
        assert {threshold for _, threshold in self.alarms(database)} == {100}

    def test_what_is_due_later_or_was_seen_is_left_out(self, database: Database, complaint: dict[str, Any]) -> None:
        move_clocks(database, complaint["reference"], weeks=6)
        with database.reader() as session:
            now = queries.clock_time(session)
            assert queries.due_complaints(session, 10, by=now) == [UUID(complaint["id"])]
            assert queries.due_complaints(session, 10, by=now - timedelta(weeks=10)) == []
            assert queries.due_complaints(session, 10, [UUID(complaint["id"])], now) == []

    def test_a_paused_or_stopped_clock_has_nothing_to_ring(
        self, database: Database, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        ref = complaint["reference"]
        act(agent, ref, "ask_customer", message="Which day?")
        move_clocks(database, ref, weeks=6)
        assert ring_due(database) == 0

    def test_two_sweeps_at_once_ring_each_alarm_once(self, database: Database, agent: Caller) -> None:
        for _ in range(30):
            agent.post("/complaints", complaint_body())
        with database.engine.begin() as connection:
            connection.execute(text("UPDATE sla_clock SET next_alarm_at = now() - interval '1 second'"))
        rang = at_once(*[lambda: ring_due(database)] * 4)
        rang.append(ring_due(database))  # what was locked by another sweep at that moment
        with database.reader() as session:
            warned = session.execute(
                select(func.count()).select_from(EventRow).where(EventRow.type == "sla.warned")
            ).scalar_one()
        assert sum(rang) == warned == 90
        assert len(self.alarms(database)) == 90

    def test_a_complaint_in_somebodys_hands_waits_for_the_next_sweep(
        self, database: Database, complaint: dict[str, Any]
    ) -> None:
        move_clocks(database, complaint["reference"], weeks=6)
        with Session(database.engine) as holder:
            holder.execute(select(Complaint).where(Complaint.id == UUID(complaint["id"])).with_for_update())
            assert ring_due(database) == 0
        assert ring_due(database) == 12
