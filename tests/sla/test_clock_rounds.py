"""Rounds of a complaint, another severity in the middle, sweeps that come late, and what a regulator's clock does."""

from datetime import timedelta
from typing import Any, ClassVar, Final

from sqlalchemy import text

from helpdesk.complaints.verification import reopenings_are_counted
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla.rounds import Act, History, Round, present_round
from helpdesk.sla.sweep import ring_due
from tests.conftest import Caller
from tests.sla.watching import LETTER, MONDAY, Story, act, clocks_of, promise, resolve, violations, wrong


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
            changed = "UPDATE complaint SET reopened_count = 3 RETURNING reference"
            reference = connection.execute(text(changed)).scalar_one()
        with database.snapshot() as session:
            (named,) = reopenings_are_counted(session)
        assert named.subject == f"complaint {reference}"
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
        story.act("acknowledge", MONDAY, channel="PHONE")
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
        assert wrong(database) == []

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
        story.act("acknowledge", MONDAY + timedelta(hours=4), channel="PHONE")  # the due time itself: in time
        assert (story.clock("acknowledge").state, story.rang("acknowledge")) == ("met", [50, 75, 90])

    def test_stopping_late_warns_and_breaks(self, database: Database) -> None:
        story = Story(database)
        story.act("acknowledge", MONDAY + timedelta(hours=4, seconds=1), channel="PHONE")
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
        assert wrong(database) == []

    def test_what_was_answered_stays_answered(self, database: Database) -> None:
        story = Story(database, **self.GIVEN)
        finding = {"finding": "The scan was missed.", "evidence": "Carrier log."}
        story.act("investigate", MONDAY, findings=[finding], root_cause="RC.HAND", fault="firm")
        decided = {"outcomes": [{"outcome": "upheld"}], "letter": LETTER, "remedy": {"none_because": "None wanted."}}
        story.act("resolve", MONDAY + timedelta(days=1), **decided)
        story.act("reopen", MONDAY + timedelta(days=2), reason="It did not come.")
        assert {"us.cfpb.15", "us.cfpb.60"} <= story.kinds("met")
        assert not {"us.cfpb.15", "us.cfpb.60"} & story.kinds("running")
