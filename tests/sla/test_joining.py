"""The clocks of complaints that were merged, taken apart, and split.

How it can fail: merging two buys time, or takes time that was spent waiting for the customer; a promise that was kept or
broken is judged anew; a regulator's deadline is forgotten with the duplicate, or stays on the survivor when it is taken
apart; taking apart gives another deadline than if they had never met; the time away counts against the one that comes
back; a part that was split off has lost what it had waited; a severity judged later counts from the wrong start.
"""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import pytest
from sqlalchemy.exc import NoResultFound

from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla.models import Clock
from helpdesk.sla.rounds import Act, History, Joined, Parted, Round, present_round
from tests.sla.climbing import ring
from tests.sla.watching import MONDAY, Story, join, part, promise, wrong

DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)
TARGETS: Final = {"acknowledge": (480, "minutes"), "investigate": (2400, "minutes"), "resolve": (4800, "minutes")}
"""A day, a week and two weeks of eight office hours."""
CFPB: Final[dict[str, Any]] = {"jurisdiction": "US", "sector": "financial"}


@pytest.fixture(autouse=True)
def _promised(database: Database) -> None:
    promise(database, S1={kind: (number // 4, unit) for kind, (number, unit) in TARGETS.items()}, S3=TARGETS)


def stands(clock: Clock) -> tuple[Any, ...]:
    """What a clock promises, whatever way it got there."""
    return clock.state, clock.started_at, clock.due_at, clock.remaining_seconds, clock.severity


class TestEarlierWins:
    @pytest.mark.parametrize("older", ["source", "survivor"])
    def test_the_survivor_counts_from_the_older(self, database: Database, older: str) -> None:
        first, second = Story(database, MONDAY), Story(database, MONDAY + DAY)
        source, survivor = (first, second) if older == "source" else (second, first)
        due = first.clock("resolve").due_at
        join(source, survivor, MONDAY + 2 * DAY)
        for kind in ("investigate", "resolve"):
            assert survivor.clock(kind).started_at == MONDAY
        assert survivor.clock("resolve").due_at == due
        assert {source.clock(kind).state for kind in ("investigate", "resolve")} == {"cancelled"}
        assert wrong(database) == []

    def test_what_the_older_waited_before_the_other_came_is_not_counted(self, database: Database) -> None:
        source = Story(database, MONDAY)
        source.act("ask_customer", MONDAY + HOUR, message="Which?")  # waits on when the other comes, on Wednesday
        survivor = Story(database, MONDAY + 2 * DAY)
        join(source, survivor, MONDAY + 3 * DAY)
        clock = survivor.clock("resolve")
        assert clock.started_at == MONDAY
        # One hour was used on Monday; from Wednesday morning on it counts again: 80 - 1 hours.
        assert clock.due_at == datetime.fromisoformat("2026-03-17T16:00:00+00:00")
        assert wrong(database) == []

    def test_what_the_survivor_waits_goes_on(self, database: Database) -> None:
        source, survivor = Story(database, MONDAY), Story(database, MONDAY + DAY)
        survivor.act("ask_customer", MONDAY + DAY + HOUR, message="Which?")
        join(source, survivor, MONDAY + 2 * DAY)
        assert survivor.clock("resolve").state == "paused"
        assert survivor.clock("resolve").remaining_seconds == (80 - 8 - 1) * 3600
        survivor.act("resume", MONDAY + 3 * DAY)
        assert wrong(database) == []

    def test_what_was_kept_is_kept(self, database: Database) -> None:
        source, survivor = Story(database, MONDAY), Story(database, MONDAY + 4 * DAY)
        survivor.act("acknowledge", MONDAY + 4 * DAY + HOUR, channel="PHONE")
        join(source, survivor, MONDAY + 7 * DAY)
        assert survivor.clock("acknowledge").state == "met"
        assert source.clock("acknowledge").state == "breached"  # nobody had written to them in a day
        assert wrong(database) == []

    def test_what_was_acknowledged_is(self, database: Database) -> None:
        """The complainant has been written to, under whichever reference."""
        source, survivor = Story(database, MONDAY), Story(database, MONDAY + HOUR)
        source.act("acknowledge", MONDAY + 2 * HOUR, channel="PHONE")
        join(source, survivor, MONDAY + 3 * DAY)
        clock = survivor.clock("acknowledge")
        assert (clock.state, clock.stopped_at) == ("met", MONDAY + 2 * HOUR)
        assert wrong(database) == []

    def test_an_overdue_promise_is_overdue_for_both(self, database: Database) -> None:
        source, survivor = Story(database, MONDAY), Story(database, MONDAY + 21 * DAY)
        join(source, survivor, MONDAY + 22 * DAY)
        clock = survivor.clock("resolve")
        assert clock.due_at == MONDAY + 11 * DAY + 8 * HOUR
        assert clock.next_alarm_at == clock.due_at

    def test_the_worse_severity_promises_more(self, database: Database) -> None:
        source, survivor = Story(database, MONDAY), Story(database, MONDAY + DAY)
        source.triage(MONDAY + HOUR, "S1")
        join(source, survivor, MONDAY + DAY + HOUR)
        clock = survivor.clock("resolve")
        assert (clock.severity, clock.target_amount, clock.started_at) == ("S1", 1200, MONDAY)
        assert wrong(database) == []

    def test_a_severity_judged_later_counts_from_there_too(self, database: Database) -> None:
        source, survivor = Story(database, MONDAY), Story(database, MONDAY + DAY)
        join(source, survivor, MONDAY + DAY + HOUR)
        survivor.triage(MONDAY + 2 * DAY, "S1")
        assert survivor.clock("resolve").started_at == MONDAY
        assert wrong(database) == []

    def test_in_a_later_round(self, database: Database) -> None:
        """The survivor was reopened after the other one had come: the promise is the other one's."""
        source, survivor = Story(database, MONDAY + DAY), Story(database, MONDAY)
        survivor.act("withdraw", MONDAY + HOUR, reason="x")
        survivor.act("reopen", MONDAY + 2 * DAY, reason="x")
        join(source, survivor, MONDAY + 3 * DAY)
        assert survivor.clock("resolve", 2).started_at == MONDAY + DAY
        assert survivor.clock("resolve", 1).state == "cancelled"
        assert wrong(database) == []

    def test_along_a_chain(self, database: Database) -> None:
        a, b, c = (Story(database, MONDAY + number * DAY) for number in range(3))
        join(a, b, MONDAY + 3 * DAY)
        join(b, c, MONDAY + 4 * DAY)
        assert c.clock("resolve").started_at == MONDAY
        part(b, MONDAY + 7 * DAY)
        assert c.clock("resolve").started_at == MONDAY + 2 * DAY
        assert b.clock("resolve").started_at == MONDAY
        part(a, MONDAY + 8 * DAY)
        assert b.clock("resolve").started_at == MONDAY + DAY
        assert wrong(database) == []


class TestApart:
    @pytest.mark.parametrize("severity", [None, "S1"])
    def test_the_survivor_is_as_if_they_had_never_met(self, database: Database, severity: str | None) -> None:
        source, survivor, alone = Story(database, MONDAY), Story(database, MONDAY + DAY), Story(database, MONDAY + DAY)
        if severity:
            source.triage(MONDAY + HOUR, severity)
        source.act("acknowledge", MONDAY + HOUR, channel="PHONE")
        join(source, survivor, MONDAY + DAY + HOUR)
        part(source, MONDAY + DAY + 3 * HOUR)
        for kind in TARGETS:
            assert stands(survivor.clock(kind)) == stands(alone.clock(kind)), kind
        assert wrong(database) == []

    def test_the_time_away_does_not_count(self, database: Database) -> None:
        source, survivor, alone = Story(database, MONDAY), Story(database, MONDAY), Story(database, MONDAY)
        join(source, survivor, MONDAY + HOUR)
        part(source, MONDAY + 2 * DAY)
        alone.act("ask_customer", MONDAY + HOUR, message="?")
        alone.act("resume", MONDAY + 2 * DAY)
        for kind in ("investigate", "resolve"):
            assert stands(source.clock(kind)) == stands(alone.clock(kind))
        source.triage(MONDAY + 3 * DAY, "S1")
        alone.triage(MONDAY + 3 * DAY, "S1")
        assert stands(source.clock("resolve")) == stands(alone.clock("resolve"))
        assert wrong(database) == []

    def test_whoever_was_waited_for_still_is(self, database: Database) -> None:
        source, survivor = Story(database, MONDAY), Story(database, MONDAY)
        source.act("ask_customer", MONDAY + HOUR, message="?")
        before = stands(source.clock("resolve"))
        join(source, survivor, MONDAY + 2 * HOUR)
        part(source, MONDAY + 2 * DAY)
        assert stands(source.clock("resolve")) == before
        assert source.clock("resolve").state == "paused"
        assert wrong(database) == []

    def test_what_was_broken_before_stays_broken(self, database: Database) -> None:
        source, survivor = Story(database, MONDAY), Story(database, MONDAY)
        join(source, survivor, MONDAY + 3 * DAY)
        part(source, MONDAY + 4 * DAY)
        clock = source.clock("acknowledge")
        assert (clock.state, clock.stopped_at) == ("breached", None)
        source.act("acknowledge", MONDAY + 4 * DAY + HOUR, channel="PHONE")
        assert source.clock("acknowledge").state == "breached"
        assert wrong(database) == []

    def test_of_several_the_next_oldest_counts(self, database: Database) -> None:
        a, b, survivor = (Story(database, MONDAY + number * DAY) for number in range(3))
        for source in (a, b):
            join(source, survivor, MONDAY + 3 * DAY)
        part(a, MONDAY + 4 * DAY)
        assert survivor.clock("resolve").started_at == MONDAY + DAY
        part(b, MONDAY + 4 * DAY + HOUR)
        assert survivor.clock("resolve").started_at == MONDAY + 2 * DAY
        assert wrong(database) == []


class TestRegulators:
    def sent(self, database: Database, at: datetime, sent: datetime) -> Story:
        return Story(database, at, **CFPB, channel="REGULATOR", clock_starts={"complaint_sent_to_company": sent})

    def test_counts_on_at_the_survivor_and_goes_back(self, database: Database) -> None:
        source = self.sent(database, MONDAY, MONDAY - DAY)
        survivor = Story(database, MONDAY, channel="REGULATOR")
        due = source.clock("us.cfpb.15").due_at
        join(source, survivor, MONDAY + DAY)
        assert (survivor.clock("us.cfpb.15").due_at, survivor.clock("us.cfpb.15").state) == (due, "running")
        assert source.clock("us.cfpb.15").state == "cancelled"
        part(source, MONDAY + 2 * DAY)
        assert survivor.clock("us.cfpb.15").state == "cancelled"
        clock = source.clock("us.cfpb.15")
        assert (clock.state, clock.due_at, clock.pauses) == ("running", due, [])
        join(source, survivor, MONDAY + 3 * DAY)
        assert (survivor.clock("us.cfpb.15").state, survivor.clock("us.cfpb.15").due_at) == ("running", due)
        assert wrong(database) == []

    def test_the_earlier_of_two(self, database: Database) -> None:
        one, other = self.sent(database, MONDAY, MONDAY - 3 * DAY), self.sent(database, MONDAY, MONDAY - DAY)
        early, late = one.clock("us.cfpb.15").due_at, other.clock("us.cfpb.15").due_at
        join(one, other, MONDAY + DAY)
        assert other.clock("us.cfpb.15").due_at == early
        part(one, MONDAY + 2 * DAY)
        assert other.clock("us.cfpb.15").due_at == late
        assert one.clock("us.cfpb.15").due_at == early
        assert wrong(database) == []

    def test_of_three_taken_apart_one_by_one(self, database: Database) -> None:
        stories = [self.sent(database, MONDAY, MONDAY - number * DAY) for number in (1, 2, 3)]
        own = [story.clock("us.cfpb.15").started_at for story in stories]
        survivor = stories[0]
        for source in stories[1:]:
            join(source, survivor, MONDAY + DAY)
        assert survivor.clock("us.cfpb.15").started_at == own[2]
        part(stories[2], MONDAY + 2 * DAY)
        assert survivor.clock("us.cfpb.15").started_at == own[1]
        part(stories[1], MONDAY + 2 * DAY + HOUR)
        assert survivor.clock("us.cfpb.15").started_at == own[0]
        assert wrong(database) == []


class TestSplit:
    def story(self, database: Database, **more: Any) -> Story:
        return Story(database, MONDAY, issues=[{"category": "DEL"}, {"category": "COM"}], **more)

    def test_goes_on_from_where_the_first_one_began(self, database: Database) -> None:
        story = self.story(database)
        story.act("ask_customer", MONDAY + HOUR, message="?")
        story.act("resume", MONDAY + DAY)
        new = story.split(MONDAY + 2 * DAY)
        for kind in TARGETS:
            assert stands(new.clock(kind)) == stands(story.clock(kind)) or kind == "acknowledge"
        new.triage(MONDAY + 3 * DAY, "S1")
        story.triage(MONDAY + 3 * DAY, "S1")
        assert stands(new.clock("resolve")) == stands(story.clock("resolve"))
        assert wrong(database) == []

    def test_while_somebody_is_waited_for(self, database: Database) -> None:
        """It is ours to act on the new one: the wait ends for it with the split."""
        story = self.story(database)
        story.act("ask_customer", MONDAY + HOUR, message="?")
        new = story.split(MONDAY + DAY)
        assert (new.clock("resolve").state, new.clock("resolve").started_at) == ("running", MONDAY)
        assert story.clock("resolve").state == "paused"
        assert wrong(database) == []

    def test_what_was_acknowledged_is_not_owed_again(self, database: Database) -> None:
        story = self.story(database)
        story.act("acknowledge", MONDAY + HOUR, channel="PHONE")
        new = story.split(MONDAY + DAY)
        with pytest.raises(NoResultFound):
            new.clock("acknowledge")

    def test_a_regulators_deadline_is_for_both(self, database: Database) -> None:
        story = self.story(
            database, **CFPB, channel="REGULATOR", clock_starts={"complaint_sent_to_company": MONDAY - DAY}
        )
        new = story.split(MONDAY + DAY)
        assert new.clock("us.cfpb.15").due_at == story.clock("us.cfpb.15").due_at
        assert wrong(database) == []


class TestArithmetic:
    """`present_round`, without a database."""

    OWN: Final = Round(MONDAY + DAY, ())
    OLDER: Final = Round(MONDAY, ((MONDAY + HOUR, MONDAY + 2 * HOUR), (MONDAY + 3 * HOUR, None)))

    def test_the_older_with_its_waits_until_then(self) -> None:
        source = uuid4()
        history = History(self.OWN, [Joined(source, self.OLDER)])
        joined = present_round(history)
        assert joined == Round(MONDAY, ((MONDAY + HOUR, MONDAY + 2 * HOUR), (MONDAY + 3 * HOUR, MONDAY + DAY)))
        assert present_round(history.and_then(Parted(source))) == self.OWN
        assert present_round(history.and_then(Parted(uuid4()))) == joined
        reopened = Act(reopened=True, at=MONDAY + 2 * DAY, waiting_on="us")
        assert present_round(history.and_then(reopened)) == Round(MONDAY + 2 * DAY, ())

    def test_a_younger_changes_nothing(self) -> None:
        younger = Joined(uuid4(), Round(MONDAY + 2 * DAY, ((MONDAY + 2 * DAY, None),)))
        assert present_round(History(self.OWN, [younger])) == self.OWN


def test_who_asked_is_answered_however_often_the_two_are_merged_and_parted(database: Database) -> None:
    """The clock of the one message is one: it counts again, and does not begin a second time."""
    promise(database, S3={"next_response": (2400, "minutes")})
    source, survivor = Story(database), Story(database)
    source.write("inbound", MONDAY + HOUR)
    for number in (2, 4):
        join(source, survivor, MONDAY + number * HOUR)
        assert [clock.state for clock in survivor.clocks("next_response")] == ["running"]
        part(source, MONDAY + (number + 1) * HOUR)
        assert [clock.state for clock in survivor.clocks("next_response")] == ["cancelled"]
    join(source, survivor, MONDAY + 6 * HOUR)
    (clock,) = survivor.clocks("next_response")
    assert (clock.state, clock.started_at) == ("running", MONDAY + HOUR)
    assert wrong(database) == []


def test_who_asked_and_was_not_answered_in_time_is_owed_the_answer_again(database: Database) -> None:
    promise(database, S3={"next_response": (240, "minutes")})
    source, survivor = Story(database), Story(database)
    source.write("inbound", MONDAY + HOUR)
    join(source, survivor, MONDAY + 2 * HOUR)
    part(source, MONDAY + 7 * HOUR)
    (clock,) = survivor.clocks("next_response")
    assert (clock.state, clock.breached_at) == ("cancelled", None)
    join(source, survivor, MONDAY + DAY)
    ring(survivor, MONDAY + DAY)
    (clock,) = survivor.clocks("next_response")
    assert (clock.state, clock.stopped_at) == ("breached", None)
    assert wrong(database) == []
