"""Clocks follow the life of a complaint: what starts, pauses, stops and rings, and that nothing rings twice."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final
from uuid import UUID

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from helpdesk.complaints import acts, intake
from helpdesk.complaints.models import NOTHING_DUE, Complaint
from helpdesk.complaints.verification import reopenings_are_counted
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.event_log import EventRow
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import queries, service, verification
from helpdesk.sla.models import Alarm, Clock, SlaPolicy
from helpdesk.sla.rounds import Act, History, Round, present_round
from helpdesk.sla.sweep import ring_due
from tests.conftest import Caller, Join, complaint_body

LETTER = {"finding": "It was late.", "reasons": "A scan was missed.", "remedy": "None.", "next_stage": "Write to us."}


def clocks_of(caller: Caller, ref: str) -> dict[str, dict[str, Any]]:
    """Kind -> the newest clock of that kind."""
    answer = caller.get(f"/complaints/{ref}/clocks")
    assert answer.status_code == 200, answer.text
    return {clock["kind"]: clock for clock in answer.json["items"]}


def act(caller: Caller, ref: str, action: str, **body: Any) -> dict[str, Any]:
    answer = caller.post(f"/complaints/{ref}/actions/{action}", body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


def resolve(caller: Caller, ref: str) -> None:
    finding = {"finding": "The scan was missed.", "evidence": "Carrier log."}
    act(caller, ref, "investigate", findings=[finding], root_cause="RC.HAND", fault="firm")
    outcome = {"outcomes": [{"outcome": "upheld"}], "letter": LETTER, "remedy": {"none_because": "They wanted none."}}
    act(caller, ref, "resolve", **outcome)


def move_clocks(database: Database, ref: str, **by: Any) -> None:
    """Let time pass for one complaint: everything its clocks stand on moves into the past together."""
    delta = timedelta(**by)
    with database.engine.begin() as connection:
        complaint_id = select(Complaint.id).where(Complaint.reference == ref).scalar_subquery()
        connection.execute(
            update(Clock)
            .where(Clock.complaint_id == complaint_id)
            .values(
                started_at=Clock.started_at - delta,
                due_at=Clock.due_at - delta,
                next_alarm_at=Clock.next_alarm_at - delta,
            )
        )
        moved = {"next_due_at": Complaint.next_due_at - delta}
        due = Complaint.next_due_at < NOTHING_DUE
        connection.execute(update(Complaint).where(Complaint.reference == ref, due).values(moved))


def violations(database: Database) -> list[str]:
    with database.snapshot() as session:
        return [
            f"{item.check} {item.subject} {item.detail}" for check in verification.CHECKS for item in check(session)
        ]


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
        from helpdesk.complaints import intake
        from helpdesk.identity.actors import SYSTEM

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
        from helpdesk.identity.actors import SYSTEM
        from helpdesk.sla import clocks as acts
        from helpdesk.sla.queries import open_clocks_for_update

        monday, tuesday = datetime(2026, 3, 2, 10, tzinfo=UTC), datetime(2026, 3, 3, 10, tzinfo=UTC)
        with database.unit_of_work(SYSTEM) as uow:
            complaint = uow.session.get(Complaint, UUID(created["id"]), with_for_update=True)
            assert complaint is not None
            uow.know_stream(complaint)
            for clock in open_clocks_for_update(uow.session, [complaint.id]):
                if clock.kind == "acknowledge":
                    assert clock.due_at == datetime(2026, 3, 2, 13, tzinfo=UTC)
                    acts.pause(uow, clock, monday)
                    assert clock.remaining_seconds == 3 * 3600
                    acts.resume(uow, clock, tuesday)
                    # Three hours were left at 10:00 on Monday; they are counted from 10:00 on Tuesday.
                    assert clock.due_at == datetime(2026, 3, 3, 13, tzinfo=UTC)

    def test_regulatory_clocks_never_pause(self, database: Database, agent: Caller) -> None:
        from helpdesk.complaints import intake
        from helpdesk.identity.actors import SYSTEM

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
            if entry["type"].startswith("sla.") and entry["payload"]["kind"] == "resolve"
        ]
        assert resolve_alarms == [50, 75, 90, 100]
        assert all(entry["payload"]["late_seconds"] > 0 for entry in entries if entry["type"].startswith("sla."))
        assert violations(database) == []

    def test_what_was_overdue_before_we_knew_of_it_is_a_breach_without_warnings(
        self, database: Database, agent: Caller
    ) -> None:
        agent.post("/complaints", complaint_body(received_at="2026-01-05T09:00:00Z"))
        ring_due(database)
        assert {threshold for _, threshold in self.alarms(database)} == {100}

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
        barrier, rang = threading.Barrier(4), []

        def sweep() -> None:
            barrier.wait()
            rang.append(ring_due(database))

        threads = [threading.Thread(target=sweep) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
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


MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
"""Opening time. The shipped policy gives S3 240 minutes to acknowledge, 3 business days to investigate, 5 to resolve."""


class Story:
    """One complaint whose every act happens when the test says: what is due when does not depend on today."""

    def __init__(self, database: Database, received_at: datetime = MONDAY, **more: Any) -> None:
        self.database = database
        given = {"channel": "EMAIL", "subject": "Late", "description": "It came late."} | more
        with database.unit_of_work(SYSTEM, now=received_at) as uow:
            self.id = intake.receive(uow, SYSTEM, given)

    def act(self, action: str, at: datetime, **given: Any) -> None:
        with self.database.unit_of_work(SYSTEM, now=at) as uow:
            complaint = uow.session.get_one(Complaint, self.id, with_for_update=True)
            acts.act(uow, SYSTEM, complaint, action, given)

    def triage(self, at: datetime, severity: str = "S1") -> None:
        impact, urgency = {"S1": (5, 4), "S3": (3, 2), "S5": (1, 1)}[severity]
        given = {"category": "DEL", "issue": "DEL.LATE", "track": "investigate"}
        self.act("triage", at, impact=impact, urgency=urgency, **given)

    def clock(self, kind: str, round_: int = 1) -> Clock:
        with Session(self.database.engine) as session:
            return session.scalars(
                select(Clock).where(Clock.complaint_id == self.id, Clock.kind == kind, Clock.round == round_)
            ).one()

    def kinds(self, state: str) -> set[str]:
        with Session(self.database.engine) as session:
            found = select(Clock.kind).where(Clock.complaint_id == self.id, Clock.state == state)
            return set(session.scalars(found))

    def rang(self, kind: str) -> list[int]:
        with Session(self.database.engine) as session:
            found = select(Alarm.threshold).join(Clock, Clock.id == Alarm.clock_id).where(Clock.complaint_id == self.id)
            return list(session.scalars(found.where(Clock.kind == kind).order_by(Alarm.generation, Alarm.threshold)))


def promise(database: Database, **targets: dict[str, tuple[int, str]]) -> None:
    """Put the targets of these severities in the place of those that the policy has for them."""
    with database.unit_of_work(SYSTEM) as uow:
        policy = uow.session.scalars(select(SlaPolicy).with_for_update()).one()
        present = queries.policy_detail(uow.session, policy.id)
        given = {name: present[name] for name in ("calendar_id", "thresholds", "targets")}
        changed = {
            severity: {kind: list(target) for kind, target in kinds.items()} for severity, kinds in targets.items()
        }
        service.change_policy(uow, policy, given | {"targets": given["targets"] | changed})


class TestRounds:
    def test_a_round_is_told_by_the_reopenings_not_by_other_clocks(self, database: Database) -> None:
        """In the first round nothing was promised, so there is no row that could tell."""
        promise(database, S3={})
        story = Story(database)
        story.act("withdraw", MONDAY + timedelta(hours=1), reason="It came.")
        promise(database, S3={"resolve": (5, "business_days")})
        story.act("reopen", MONDAY + timedelta(hours=2), reason="It was the wrong parcel.")
        assert story.clock("resolve", 2).started_at == MONDAY + timedelta(hours=2)
        story.act("withdraw", MONDAY + timedelta(hours=3), reason="It came.")
        story.act("reopen", MONDAY + timedelta(hours=4), reason="It was the wrong parcel again.")
        assert story.clock("resolve", 3).state == "running"
        assert not [item for item in violations(database) if "round" in item]

    def test_a_follow_up_belongs_to_the_round_that_was_resolved(
        self, agent: Caller, senior: Caller, complaint: dict[str, Any], database: Database
    ) -> None:
        ref = complaint["reference"]
        resolve(agent, ref)
        act(senior, ref, "reopen", reason="It was the wrong parcel.")
        resolve(agent, ref)
        assert (clocks_of(agent, ref)["follow_up"]["round"], violations(database)) == (2, [])

    def test_what_the_row_says_is_compared_with_the_history(self, database: Database) -> None:
        story = Story(database)
        story.act("withdraw", MONDAY, reason="It came.")
        story.act("reopen", MONDAY, reason="It did not.")
        with database.snapshot() as session:
            assert list(reopenings_are_counted(session)) == []
        with database.engine.begin() as connection:
            connection.execute(text("UPDATE complaint SET reopened_count = 3"))
        with database.snapshot() as session:
            (named,) = reopenings_are_counted(session)
        assert named.subject == f"complaint {story.id}"
        assert "says it was reopened 3 times, its history has 1" in named.detail
        assert any("is of round 2, its complaint in round 4" in item for item in violations(database))

    def test_what_was_waited_for_is_read_from_what_was_done(self) -> None:
        hours = [MONDAY + timedelta(hours=number) for number in range(8)]
        waited = ["us", "customer", "third_party", "us", "us", "customer"]
        done = [Act(reopened=False, at=at, waiting_on=on) for at, on in zip(hours[1:], waited, strict=False)]
        story = History(Round(MONDAY, ()), done)
        assert present_round(story).waits == ((hours[2], hours[4]), (hours[6], None))
        reopened = story.and_then(Act(reopened=True, at=hours[7], waiting_on="us"))
        assert present_round(reopened) == Round(hours[7], ())


class TestOtherSeverityOtherPromises:
    ONE: Final = {"resolve": (5, "business_days")}
    MORE: Final = {"acknowledge": (60, "minutes"), "investigate": (240, "minutes"), "resolve": (1, "business_days")}

    def test_what_was_not_promised_before_is_promised_from_receipt(self, database: Database) -> None:
        promise(database, S3=self.ONE, S1=self.MORE)
        story = Story(database)
        assert story.kinds("running") == {"resolve"}
        story.triage(MONDAY + timedelta(minutes=30))
        assert story.kinds("running") == set(self.MORE)
        acknowledge = story.clock("acknowledge")
        assert (acknowledge.started_at, acknowledge.due_at) == (MONDAY, MONDAY + timedelta(hours=1))
        assert (acknowledge.next_threshold, acknowledge.severity) == (75, "S1")

    def test_what_was_done_already_is_not_promised(self, database: Database) -> None:
        promise(database, S3=self.ONE, S1=self.MORE)
        story = Story(database)
        story.act("acknowledge", MONDAY, channel="EMAIL")
        story.triage(MONDAY + timedelta(minutes=30))
        assert story.kinds("running") == {"investigate", "resolve"}

    def test_waiting_before_and_during_counts_for_the_new_ones_too(self, database: Database) -> None:
        promise(database, S3=self.ONE, S1=self.MORE)
        story = Story(database)
        story.act("ask_customer", MONDAY, message="Which parcel?")
        story.act("resume", MONDAY + timedelta(minutes=30))
        story.triage(MONDAY + timedelta(minutes=40))
        assert story.clock("acknowledge").due_at == MONDAY + timedelta(minutes=90)
        waiting = Story(database)
        waiting.act("ask_customer", MONDAY + timedelta(minutes=10), message="Which parcel?")
        waiting.triage(MONDAY + timedelta(minutes=40))
        assert waiting.kinds("paused") == set(self.MORE)
        assert waiting.clock("acknowledge").remaining_seconds == 50 * 60
        waiting.act("resume", MONDAY + timedelta(hours=2))
        assert waiting.clock("acknowledge").due_at == MONDAY + timedelta(hours=2, minutes=50)
        assert not [item for item in violations(database) if not item.startswith("alarm_overdue")]

    def test_what_is_not_promised_any_more_is_cancelled_and_can_come_back(self, database: Database) -> None:
        promise(database, S3=self.MORE, S5=self.ONE)
        story = Story(database)
        story.triage(MONDAY + timedelta(minutes=5), "S5")
        assert (story.kinds("running"), story.kinds("cancelled")) == ({"resolve"}, {"acknowledge", "investigate"})
        assert story.clock("acknowledge").next_alarm_at is None
        story.triage(MONDAY + timedelta(minutes=10), "S3")
        acknowledge = story.clock("acknowledge")
        assert (acknowledge.state, acknowledge.stopped_at) == ("running", None)
        assert (acknowledge.started_at, acknowledge.due_at) == (MONDAY, MONDAY + timedelta(hours=1))

    def test_a_target_that_begins_to_pause_has_paused_since_the_question(self, database: Database) -> None:
        promise(database, S3={"resolve": (7, "calendar_days")}, S1=self.MORE)
        story = Story(database)
        story.act("ask_customer", MONDAY + timedelta(hours=1), message="Which parcel?")
        assert story.clock("resolve").state == "running"
        story.triage(MONDAY + timedelta(hours=2))
        resolving = story.clock("resolve")
        assert (resolving.state, resolving.remaining_seconds) == ("paused", 15 * 3600)  # of Monday and Tuesday

    def test_a_shorter_time_that_was_over_before_the_question_is_broken(self, database: Database) -> None:
        promise(database, S1=self.MORE)
        story = Story(database)
        story.act("ask_customer", MONDAY + timedelta(hours=3), message="Which parcel?")
        assert story.clock("acknowledge").state == "paused"
        story.triage(MONDAY + timedelta(hours=4))
        assert (story.clock("acknowledge").due_at, story.kinds("paused")) == (
            MONDAY + timedelta(hours=1),
            {"investigate", "resolve"},
        )
        ring_due(database)
        assert story.clock("acknowledge").breached_at == MONDAY + timedelta(hours=1)
        assert violations(database) == []


class TestLateSweep:
    """What is due by the facts rings, although nobody has looked until the clock is changed."""

    WEDNESDAY: Final = MONDAY + timedelta(days=2)

    def test_pausing_swallows_no_warning(self, database: Database) -> None:
        story = Story(database)
        story.act("ask_customer", MONDAY + timedelta(hours=3, minutes=30), message="Which parcel?")
        assert story.rang("acknowledge") == [50, 75]
        paused = story.clock("acknowledge")
        assert (paused.state, paused.remaining_seconds) == ("paused", 30 * 60)
        story.act("resume", self.WEDNESDAY)
        resumed = story.clock("acknowledge")
        assert (resumed.next_threshold, resumed.next_alarm_at) == (90, self.WEDNESDAY + timedelta(minutes=6))

    def test_a_warning_due_at_the_very_moment_rings_and_rings_once(self, database: Database) -> None:
        story = Story(database)
        story.act("ask_customer", MONDAY + timedelta(hours=2), message="Which parcel?")
        story.act("resume", MONDAY + timedelta(hours=2))
        assert story.rang("acknowledge") == [50]
        assert story.clock("acknowledge").next_threshold == 75

    def test_stopping_swallows_no_warning(self, database: Database) -> None:
        story = Story(database)
        story.act("acknowledge", MONDAY + timedelta(hours=4), channel="EMAIL")  # the due time itself: in time
        assert (story.clock("acknowledge").state, story.rang("acknowledge")) == ("met", [50, 75, 90])

    def test_stopping_late_warns_and_breaks(self, database: Database) -> None:
        story = Story(database)
        story.act("acknowledge", MONDAY + timedelta(hours=4, seconds=1), channel="EMAIL")
        assert (story.clock("acknowledge").state, story.rang("acknowledge")) == ("breached", [50, 75, 90, 100])

    def test_cancelling_swallows_nothing(self, database: Database) -> None:
        story = Story(database)
        story.act("withdraw", self.WEDNESDAY, reason="It came.")
        assert (story.clock("acknowledge").state, story.rang("acknowledge")) == ("breached", [50, 75, 90, 100])
        assert (story.clock("investigate").state, story.rang("investigate")) == ("cancelled", [50])

    def test_a_milder_severity_mends_nothing_that_is_broken(self, database: Database) -> None:
        story = Story(database)
        story.triage(self.WEDNESDAY, "S5")
        acknowledge = story.clock("acknowledge")
        assert (acknowledge.state, acknowledge.severity) == ("breached", "S3")
        assert story.rang("acknowledge") == [50, 75, 90, 100]
        assert (story.clock("investigate").severity, story.rang("investigate")) == ("S5", [50])

    def test_nothing_is_left_to_pause_when_the_time_is_used_up(self, database: Database) -> None:
        story = Story(database)
        story.act("ask_customer", MONDAY + timedelta(hours=4), message="Which parcel?")
        acknowledge = story.clock("acknowledge")
        assert (acknowledge.state, acknowledge.due_at) == ("running", MONDAY + timedelta(hours=4))
        ring_due(database)
        assert story.clock("acknowledge").state == "breached"
        assert violations(database) == []


class TestRegulator:
    GIVEN: ClassVar[dict[str, Any]] = {
        "channel": "REGULATOR",
        "jurisdiction": "US",
        "sector": "financial",
        "clock_starts": {"complaint_sent_to_company": MONDAY},
    }

    def test_a_dismissal_by_mistake_does_not_end_a_regulatory_deadline(self, database: Database) -> None:
        story = Story(database, **self.GIVEN)
        before = story.clock("us.cfpb.15")
        story.act("dismiss", MONDAY + timedelta(days=1), reason_code="spam")
        assert story.clock("us.cfpb.15").state == "cancelled"
        story.act("reopen", MONDAY + timedelta(days=2), reason="It was none.")
        again = story.clock("us.cfpb.15", 2)
        assert (again.state, again.started_at, again.due_at) == ("running", before.started_at, before.due_at)
        assert not [item for item in violations(database) if not item.startswith("alarm_overdue")]

    def test_what_was_answered_stays_answered(self, database: Database) -> None:
        story = Story(database, **self.GIVEN)
        finding = {"finding": "The scan was missed.", "evidence": "Carrier log."}
        story.act("investigate", MONDAY, findings=[finding], root_cause="RC.HAND", fault="firm")
        decided = {"outcomes": [{"outcome": "upheld"}], "letter": LETTER, "remedy": {"none_because": "None wanted."}}
        story.act("resolve", MONDAY + timedelta(days=1), **decided)
        story.act("reopen", MONDAY + timedelta(days=2), reason="It did not come.")
        assert {"us.cfpb.15", "us.cfpb.60"} <= story.kinds("met")
        assert not {"us.cfpb.15", "us.cfpb.60"} & story.kinds("running")


class TestVerification:
    def test_a_deadline_that_does_not_follow_from_the_facts_is_named(
        self, database: Database, complaint: dict[str, Any]
    ) -> None:
        assert violations(database) == []
        with database.engine.begin() as connection:
            connection.execute(text("UPDATE sla_clock SET due_at = due_at + interval '1 hour' WHERE kind = 'resolve'"))
        assert any("the facts say" in item for item in violations(database))

    def test_what_is_left_of_a_paused_clock_follows_from_facts_too(self, database: Database) -> None:
        story = Story(database)
        story.act("ask_customer", MONDAY + timedelta(hours=1), message="Which parcel?")
        assert violations(database) == []
        with database.engine.begin() as connection:
            connection.execute(text("UPDATE sla_clock SET remaining_seconds = 7 WHERE kind = 'acknowledge'"))
        assert [item.split(" ", 3)[3] for item in violations(database)] == [
            "has 7 business seconds left, but the facts say 10800"
        ]

    def test_a_pause_after_the_due_time_is_named(self, database: Database) -> None:
        story = Story(database)
        story.act("ask_customer", MONDAY + timedelta(hours=1), message="Which parcel?")
        with database.engine.begin() as connection:
            moved = "UPDATE sla_clock SET started_at = started_at - interval '1 week' WHERE kind = 'acknowledge'"
            connection.execute(text(moved))
        assert any("but the facts say it was due at 2026-02-23T13:00:00" in item for item in violations(database))

    def test_a_pause_without_end_on_a_clock_that_runs_is_named(self, database: Database) -> None:
        story = Story(database)
        story.act("ask_customer", MONDAY, message="Which parcel?")
        story.act("resume", MONDAY + timedelta(hours=1))
        with database.engine.begin() as connection:
            connection.execute(text("UPDATE sla_clock SET pauses = jsonb_set(pauses, '{-1,1}', 'null')"))
        assert any("is running, but its last pause has no end" in item for item in violations(database))

    def test_a_promise_kept_late_is_named(self, database: Database) -> None:
        story = Story(database)
        story.act("acknowledge", MONDAY, channel="EMAIL")
        with database.engine.begin() as connection:
            connection.execute(
                text("UPDATE sla_clock SET stopped_at = due_at + interval '1 second' WHERE state = 'met'")
            )
        assert any(item.startswith("kept_late") for item in violations(database))

    def test_an_alarm_that_did_not_ring_is_named(self, database: Database, complaint: dict[str, Any]) -> None:
        """Owed since its time, or since the complaint was entered: an import of old ones is given time to ring."""
        move_clocks(database, complaint["reference"], weeks=6)
        assert not any(item.startswith("alarm_overdue") for item in violations(database))
        with database.unit_of_work(SYSTEM) as uow:
            uow.session.execute(text("UPDATE complaint SET created_at = now() - interval '6 minutes'"))
        assert any(item.startswith("alarm_overdue") for item in violations(database))

    def test_a_breach_said_twice_is_named(self, database: Database, complaint: dict[str, Any]) -> None:
        move_clocks(database, complaint["reference"], weeks=6)
        ring_due(database)
        with database.engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO event (id, type, subject_id, occurred_at, actor_kind, payload, salt, digest, prev_hash, hash)"
                    " SELECT gen_random_uuid(), type, subject_id, occurred_at, actor_kind, payload, salt, digest, prev_hash,"
                    " hash FROM event WHERE type = 'sla.breached' LIMIT 1"
                )
            )
        assert any("2 times" in item for item in violations(database))


class TestClocksApi:
    def test_anonymous_and_other_teams_see_nothing(
        self, anonymous: Caller, join: Join, complaint: dict[str, Any]
    ) -> None:
        ref = complaint["reference"]
        assert anonymous.get(f"/complaints/{ref}/clocks").status_code == 401
        assert join("agent", team_ids=[]).get(f"/complaints/{ref}/clocks").status_code == 404
        assert join("auditor", team_ids=[]).get(f"/complaints/{ref}/clocks").status_code == 200


class TestCalendarsApi:
    BODY: dict[str, Any] = {  # noqa: RUF012  # never changed
        "name": "Berlin office",
        "timezone": "Europe/Berlin",
        "weekly_hours": {"mon": [["09:00", "12:00"], ["13:00", "17:00"]], "fri": [["22:00", "06:00"]]},
        "holidays": ["2026-12-25"],
        "working_days": {"2026-02-14": "mon"},
    }

    def test_who_may(self, anonymous: Caller, agent: Caller, manager: Caller) -> None:
        assert anonymous.post("/sla/calendars", self.BODY).status_code == 401
        assert agent.post("/sla/calendars", self.BODY).status_code == 403
        created = manager.post("/sla/calendars", self.BODY)
        assert created.status_code == 201, created.text
        assert created.json["weekly_hours"] == self.BODY["weekly_hours"]
        assert agent.get(f"/sla/calendars/{created.json['id']}").json["version"] == 1
        again = manager.post("/sla/calendars", self.BODY)
        assert (again.status_code, again.json["code"]) == (409, "name_taken")

    @pytest.mark.parametrize(
        ("change", "pointer"),
        [
            ({"timezone": "Mars/Olympus"}, "/timezone"),
            ({"weekly_hours": {}, "working_days": {}}, "/weekly_hours"),
            ({"weekly_hours": {"mon": [["09:00", "12:00"], ["11:00", "17:00"]]}}, "/weekly_hours"),
            ({"weekly_hours": {"mon": [["9", "17"]]}}, "/weekly_hours"),
            ({"weekly_hours": {"mon": [["25:00", "26:00"]]}}, "/weekly_hours"),
            ({"weekly_hours": {"moon": [["09:00", "17:00"]]}}, "/weekly_hours"),
            ({"weekly_hours": {"mon": [["09:00"]]}}, "/weekly_hours"),
            ({"holidays": ["25.12.2026"]}, "/holidays"),
            ({"holidays": ["2026-02-30"]}, "/holidays/0"),
            ({"holidays": ["0001-01-01"]}, "/holidays"),
            ({"holidays": ["9999-12-31"]}, "/holidays"),
            ({"working_days": {"0001-01-01": "mon"}}, "/working_days/0001-01-01"),
            ({"working_days": {"9999-12-31": "mon"}}, "/working_days/9999-12-31"),
        ],
    )
    def test_impossible_calendars_are_refused(self, manager: Caller, change: dict[str, Any], pointer: str) -> None:
        answer = manager.post("/sla/calendars", self.BODY | change)
        assert answer.status_code == 422, answer.text
        assert any(error["pointer"].startswith(pointer) for error in answer.json["errors"]), answer.json
        made = manager.post("/sla/calendars", self.BODY)
        body = {name: value for name, value in (self.BODY | change).items() if name != "name"}
        answer = manager.put(f"/sla/calendars/{made.json['id']}", body, if_match=made.headers["ETag"])
        assert answer.status_code == 422, answer.text
        assert any(error["pointer"].startswith(pointer) for error in answer.json["errors"]), answer.json

    def test_page_by_page(self, manager: Caller) -> None:
        made = [manager.post("/sla/calendars", self.BODY | {"name": name}).json for name in ("One", "Two")]
        page = manager.get("/sla/calendars?limit=2&count=true").json
        rest = manager.get(f"/sla/calendars?limit=2&cursor={page['next_cursor']}").json
        assert (page["total"], rest["next_cursor"]) == (3, None)
        assert (page["items"] + rest["items"])[1:] == made  # the shipped one is the first

    def test_new_hours_hold_for_new_clocks_only(
        self, manager: Caller, agent: Caller, complaint: dict[str, Any], database: Database
    ) -> None:
        policy = manager.get("/sla/policies").json["items"][0]
        calendar = manager.get(f"/sla/calendars/{policy['calendar_id']}")
        before = clocks_of(agent, complaint["reference"])["resolve"]
        body = {"timezone": "UTC", "weekly_hours": {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed")}}
        path = f"/sla/calendars/{policy['calendar_id']}"
        assert manager.put(path, body).status_code == 428
        changed = manager.put(path, body, if_match=calendar.headers["ETag"])
        assert (changed.status_code, changed.json["version"]) == (200, 2)
        assert manager.put(path, body, if_match=calendar.headers["ETag"]).status_code == 412
        assert clocks_of(agent, complaint["reference"])["resolve"] == before
        newer = agent.post("/complaints", complaint_body()).json
        assert clocks_of(agent, newer["reference"])["resolve"]["calendar_version"] == 2
        act(agent, complaint["reference"], "ask_customer", message="Which day?")
        act(agent, complaint["reference"], "resume")
        assert clocks_of(agent, complaint["reference"])["resolve"]["calendar_version"] == 1
        assert violations(database) == []


class TestPoliciesApi:
    def body(self, manager: Caller) -> tuple[str, dict[str, Any], str]:
        listed = manager.get("/sla/policies").json["items"][0]
        path = f"/sla/policies/{listed['id']}"
        found = manager.get(path)
        return (
            path,
            {name: found.json[name] for name in ("calendar_id", "thresholds", "targets")},
            found.headers["ETag"],
        )

    def test_who_may(self, anonymous: Caller, agent: Caller, manager: Caller) -> None:
        path, body, tag = self.body(manager)
        assert anonymous.put(path, body).status_code == 401
        assert agent.put(path, body, if_match=tag).status_code == 403
        body["targets"]["S3"]["resolve"] = [7, "calendar_days"]
        assert manager.put(path, body, if_match=tag).json["targets"]["S3"]["resolve"] == [7, "calendar_days"]
        created = agent.post("/complaints", complaint_body()).json
        clock = clocks_of(agent, created["reference"])["resolve"]
        assert (clock["target_unit"], clock["policy_version"], clock["pausable"]) == ("calendar_days", 2, False)

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda body: body["targets"]["S3"].update(resolve=[-1, "minutes"]),
            lambda body: body["targets"]["S3"].update(resolve=[1, "fortnights"]),
            lambda body: body["targets"]["S3"].update(resolve=[1.5, "minutes"]),
            lambda body: body["targets"]["S3"].update(resolve="soon"),
            lambda body: body["targets"].update(S9={}),
            lambda body: body.update(thresholds=[90, 50]),
            lambda body: body.update(thresholds=[100]),
            lambda body: body.update(calendar_id="0192f0c1-7d1e-7c3a-9a51-2f6f0f6f3a10"),
        ],
    )
    def test_what_cannot_be_is_refused(self, manager: Caller, spoil: Callable[[dict[str, Any]], None]) -> None:
        path, body, tag = self.body(manager)
        spoil(body)
        answer = manager.put(path, body, if_match=tag)
        assert answer.status_code == 422, answer.text
