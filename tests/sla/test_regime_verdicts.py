"""Whether a regulator's deadline was kept follows from when things were done, not from when they were recorded.

How it can fail: what was done in time stays late because its record came after the alarm; what was done late passes because its
record came before the alarm; a fact that is taken back, or put right, leaves the verdict that it had given; complaints that were
withdrawn or reopened meanwhile keep theirs; the events tell another story than the rows; the reports count what is no more so;
`helpdesk verify clocks` says nothing of a verdict that does not follow.
"""

import random
from datetime import datetime, time, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import clocks, queries, regime_verification, verification
from helpdesk.sla.models import Clock
from helpdesk.sla.sweep import ring_due
from tests.conftest import Caller
from tests.sla.regulated import DAY, HOUSING, Regulated
from tests.sla.test_transitions import differences, last, told
from tests.sla.watching import MONDAY, Story, join, wrong

AIRLINE: dict[str, Any] = {"jurisdiction": "DE", "sector": "airline"}
BERLIN: Final = ZoneInfo("Europe/Berlin")
REFUND = "eu.261.refund"
"""Seven calendar days from the passenger's choice until the refund was paid."""


def rung(database: Database) -> Regulated:
    """The refund was chosen on Monday and is overdue; the alarm has rung."""
    story = Regulated(database, **AIRLINE)
    story.fact("passenger_chooses_refund", MONDAY)
    ring_due(database)
    assert story.clock(REFUND).state == "breached"
    return story


def said(database: Database, story: Story) -> list[int]:
    """Generations of the refund's clock in which it was said to be broken."""
    breaches = told(database, story.id, "sla.breached")
    return [payload["generation"] for _, payload in breaches if payload["kind"] == REFUND]


class TestRecordedAfterTheAlarm:
    def test_what_was_done_in_time_was_kept(self, database: Database) -> None:
        story = rung(database)
        story.fact("refund_paid", MONDAY + 30 * DAY, MONDAY + 2 * DAY)
        clock = story.clock(REFUND)
        assert (clock.state, clock.breached_at, clock.stopped_at) == ("met", None, MONDAY + 2 * DAY)
        item = last(database, story, "sla.met")[REFUND]
        assert (item["late"], item["breach_taken_back"]) == (False, True)
        assert item["changes"]["state"] == ["breached", "met"]
        assert said(database, story) == [1]  # that it was said stays
        assert differences(database) == []
        assert wrong(database) == []

    def test_at_the_due_time_itself_it_was_kept_and_a_second_later_not(self, database: Database) -> None:
        for seconds, state in ((0, "met"), (1, "breached")):
            story = rung(database)
            due = story.clock(REFUND).due_at
            assert due is not None
            story.fact("refund_paid", MONDAY + 30 * DAY, due + timedelta(seconds=seconds))
            assert story.clock(REFUND).state == state
        assert wrong(database) == []

    def test_in_a_chain_too(self, database: Database) -> None:
        story = Regulated(database, **HOUSING)
        story.act("acknowledge", MONDAY + DAY, channel="LETTER")
        ring_due(database)
        assert story.clock("uk.housing.s1").state == "breached"
        story.fact("stage1_response_sent", MONDAY + 40 * DAY, MONDAY + 9 * DAY)
        assert story.clock("uk.housing.s1").state == "met"
        assert differences(database) == []
        assert wrong(database) == []

    def test_what_one_is_told(self, database: Database, agent: Caller) -> None:
        story = rung(database)
        path = f"/complaints/{story.id}/clocks/{story.clock(REFUND).id}/explain"
        assert "It is broken" in agent.get(path).json["text"]
        window = "stopped_from=2026-03-01T00:00:00Z&stopped_before=2026-04-01T00:00:00Z&by=kind"
        story.fact("refund_paid", MONDAY + 30 * DAY, MONDAY + 2 * DAY)
        found = agent.get(path).json
        assert "It was kept at" in found["text"]
        assert found["left_seconds"] > 0
        (row,) = [item for item in agent.get(f"/sla/attainment?{window}").json["items"] if item["kind"] == REFUND]
        assert (row["met"], row["breached"], row["percentage"]) == (1, 0, 100.0)

    def test_taken_back_it_is_broken_again_and_that_is_said_again(self, database: Database) -> None:
        story = rung(database)
        paid = story.fact("refund_paid", MONDAY + 30 * DAY, MONDAY + 2 * DAY)
        story.withdraw(paid, MONDAY + 31 * DAY)
        ring_due(database)
        clock = story.clock(REFUND)
        assert (clock.state, clock.stopped_at, clock.breached_at) == ("breached", None, clock.due_at)
        assert said(database, story) == [1, 2]
        assert differences(database) == []
        assert wrong(database) == []

    def test_an_earlier_time_goes_before_a_late_one_and_leaves_when_it_is_taken_back(self, database: Database) -> None:
        story = rung(database)
        story.fact("refund_paid", MONDAY + 30 * DAY, MONDAY + 20 * DAY)
        late = story.clock(REFUND)
        assert (late.state, late.stopped_at) == ("breached", MONDAY + 20 * DAY)
        early = story.fact("refund_paid", MONDAY + 31 * DAY, MONDAY + 2 * DAY)
        clock = story.clock(REFUND)
        assert (clock.state, clock.breached_at, clock.generation) == ("met", None, late.generation)
        assert last(database, story, "sla.recomputed")[REFUND]["breach_taken_back"]
        story.withdraw(early, MONDAY + 32 * DAY)
        again = story.clock(REFUND)
        assert (again.state, again.stopped_at, again.breached_at) == ("breached", MONDAY + 20 * DAY, again.due_at)
        assert again.elapsed_seconds == late.elapsed_seconds
        assert differences(database) == []
        assert wrong(database) == []


class TestASecondBreach:
    def test_after_one_was_taken_back_it_is_told_too(self, database: Database) -> None:
        """Late it was done, in time it was thought to be done, and that was a slip."""
        story = rung(database)
        slip = story.fact("refund_paid", MONDAY + 30 * DAY, MONDAY + 2 * DAY)
        story.fact("refund_paid", MONDAY + 31 * DAY, MONDAY + 20 * DAY)
        assert story.clock(REFUND).state == "met"
        story.withdraw(slip, MONDAY + 32 * DAY)
        clock = story.clock(REFUND)
        assert (clock.state, clock.breached_at, clock.stopped_at) == ("breached", clock.due_at, MONDAY + 20 * DAY)
        assert said(database, story) == [1, 2]
        assert story.rang(REFUND)[-2:] == [100, 100]
        assert differences(database) == []
        assert wrong(database) == []


class TestWithoutAReason:
    """A clock that should never have been is broken by nothing, whatever rang."""

    def as_if_it_had_not_been(self, database: Database, story: Regulated, kind: str, *, told_of: int) -> None:
        clock = story.clock(kind)
        assert (clock.state, clock.breached_at, clock.elapsed_seconds) == ("cancelled", None, None)
        assert clock.next_alarm_at is None
        assert last(database, story, "sla.cancelled")[kind].get("breach_taken_back", False) == bool(told_of)
        breaches = told(database, story.id, "sla.breached")
        assert len([payload for _, payload in breaches if payload["kind"] == kind]) == told_of  # what was said stays
        assert differences(database) == []
        assert wrong(database) == []

    @pytest.mark.parametrize("rang", [True, False])
    def test_the_fact_that_started_it_was_another_ones(self, database: Database, agent: Caller, rang: bool) -> None:
        story = Regulated(database, **AIRLINE)
        chosen = story.fact("passenger_chooses_refund", MONDAY)
        if rang:
            ring_due(database)
        story.withdraw(chosen, MONDAY + 30 * DAY)
        self.as_if_it_had_not_been(database, story, REFUND, told_of=rang)
        window = "due_from=2026-03-01T00:00:00Z&due_before=2026-04-01T00:00:00Z&by=kind"
        (row,) = [item for item in agent.get(f"/sla/attainment?{window}").json["items"] if item["kind"] == REFUND]
        assert (row["met"], row["breached"], row["percentage"]) == (0, 0, None)

    def test_also_where_it_had_stopped_late(self, database: Database) -> None:
        story = Regulated(database, **AIRLINE)
        chosen = story.fact("passenger_chooses_refund", MONDAY)
        story.fact("refund_paid", MONDAY + 30 * DAY)
        assert story.clock(REFUND).state == "breached"
        story.withdraw(chosen, MONDAY + 31 * DAY)
        self.as_if_it_had_not_been(database, story, REFUND, told_of=1)

    def test_the_jurisdiction_was_mistyped(self, database: Database) -> None:
        story = rung(database)
        story.edit(MONDAY + 30 * DAY, jurisdiction="AU")
        self.as_if_it_had_not_been(database, story, REFUND, told_of=1)
        story.edit(MONDAY + 31 * DAY, jurisdiction="DE")
        ring_due(database)
        assert story.clock(REFUND).state == "breached"
        assert said(database, story) == [1, 2]
        assert differences(database) == []
        assert wrong(database) == []

    def test_the_rule_is_not_for_it(self, database: Database) -> None:
        story = rung(database)
        story.decide(REFUND, MONDAY + 30 * DAY, applies=False)
        self.as_if_it_had_not_been(database, story, REFUND, told_of=1)

    def test_what_its_chain_started_from_was_not_so(self, database: Database) -> None:
        story = Regulated(database, **HOUSING)
        told_them = story.fact("acknowledged_defined_logged", MONDAY + DAY)
        ring_due(database)
        assert story.clock("uk.housing.s1").state == "breached"
        story.withdraw(told_them, MONDAY + 40 * DAY)
        self.as_if_it_had_not_been(database, story, "uk.housing.s1", told_of=1)

    def test_a_rule_that_is_switched_off_leaves_what_was_broken(self, database: Database, manager: Caller) -> None:
        story = rung(database)
        assert (
            manager.post(f"/sla/regimes/{REFUND}/switch-off", {"reason": "We sell no flights any more."}).status_code
            < 300
        )
        story.fact("delay_letter_sent", MONDAY + 30 * DAY)
        assert story.clock(REFUND).state == "breached"
        assert wrong(database) == []

    def test_of_a_complaint_that_was_withdrawn(self, database: Database) -> None:
        story = Regulated(database, **AIRLINE)
        chosen = story.fact("passenger_chooses_refund", MONDAY)
        ring_due(database)
        story.act("withdraw", MONDAY + 20 * DAY, reason="They gave up.")
        story.withdraw(chosen, MONDAY + 30 * DAY)
        self.as_if_it_had_not_been(database, story, REFUND, told_of=1)
        story.fact("passenger_chooses_refund", MONDAY + 31 * DAY, MONDAY)  # it was theirs after all
        clock = story.clock(REFUND)
        assert (clock.state, clock.breached_at, clock.stopped_at) == ("breached", clock.due_at, MONDAY + 20 * DAY)
        assert said(database, story) == [1, 2]
        assert differences(database) == []
        assert wrong(database) == []

    def test_of_an_earlier_round(self, database: Database) -> None:
        story = Regulated(database, **AIRLINE)
        chosen = story.fact("passenger_chooses_refund", MONDAY)
        ring_due(database)
        story.decided(MONDAY + 20 * DAY)
        story.act("reopen", MONDAY + 21 * DAY, reason="It did not come.")
        story.withdraw(chosen, MONDAY + 30 * DAY)
        assert (story.clock(REFUND, 1).state, story.clock(REFUND, 1).breached_at) == ("cancelled", None)
        assert differences(database) == []
        assert wrong(database) == []

    def test_reopening_does_not_bring_it_back(self, database: Database) -> None:
        story = Regulated(database, **AIRLINE)
        chosen = story.fact("passenger_chooses_refund", MONDAY)
        story.withdraw(chosen, MONDAY + DAY)
        story.act("withdraw", MONDAY + 2 * DAY, reason="They gave up.")
        story.act("reopen", MONDAY + 3 * DAY, reason="They do not.")
        assert [clock.round for clock in story.clocks(REFUND)] == [1]
        assert wrong(database) == []

    def test_cancelled_though_it_was_owed_it_is_named(self, database: Database) -> None:
        rung(database)
        with database.engine.begin() as connection:
            late = "state = 'cancelled', breached_at = NULL, stopped_at = due_at + interval '1 hour'"
            connection.execute(text(f"UPDATE sla_clock SET {late} WHERE kind = '{REFUND}'"))
        assert [item for item in wrong(database) if item.startswith("regime") and "is cancelled, but" in item]


class TestOfAnOlderRelease:
    """It left a clock broken that had stopped in time."""

    @pytest.mark.parametrize("withdrawn", [False, True])
    def test_it_is_put_right_when_the_rules_are_chosen_anew(self, database: Database, withdrawn: bool) -> None:
        story = rung(database)
        story.fact("refund_paid", MONDAY + 30 * DAY, MONDAY + 2 * DAY)
        if withdrawn:
            story.act("withdraw", MONDAY + 31 * DAY, reason="It came.")
        with database.engine.begin() as connection:
            left = f"UPDATE sla_clock SET state = 'breached', breached_at = due_at WHERE kind = '{REFUND}'"
            connection.execute(text(left))
        assert [item for item in wrong(database) if "is breached, but was stopped at" in item]
        story.fact("delay_letter_sent", MONDAY + 32 * DAY)
        assert (story.clock(REFUND).state, story.clock(REFUND).breached_at) == ("met", None)
        assert wrong(database) == []


class TestRecordedBeforeTheAlarm:
    def test_what_was_done_late_was_broken(self, database: Database) -> None:
        story = Regulated(database, **AIRLINE)
        story.fact("passenger_chooses_refund", MONDAY)
        story.fact("refund_paid", MONDAY + 30 * DAY, MONDAY + 20 * DAY)
        clock = story.clock(REFUND)
        assert (clock.state, clock.breached_at) == ("breached", clock.due_at)
        assert last(database, story, "sla.met")[REFUND]["late"]
        assert said(database, story) == [1]
        assert differences(database) == []
        assert wrong(database) == []

    def test_a_late_time_that_is_put_right_was_no_breach(self, database: Database) -> None:
        story = Regulated(database, **AIRLINE)
        story.fact("passenger_chooses_refund", MONDAY)
        slip = story.fact("refund_paid", MONDAY + 30 * DAY, MONDAY + 20 * DAY)
        story.fact("refund_paid", MONDAY + 31 * DAY, MONDAY + 2 * DAY)
        story.withdraw(slip, MONDAY + 31 * DAY)
        assert story.clock(REFUND).state == "met"
        assert wrong(database) == []

    def test_a_time_in_time_that_turns_out_late_is_a_breach_which_is_said(self, database: Database) -> None:
        story = Regulated(database, **AIRLINE)
        story.fact("passenger_chooses_refund", MONDAY)
        slip = story.fact("refund_paid", MONDAY + 5 * DAY, MONDAY + 2 * DAY)
        story.fact("refund_paid", MONDAY + 20 * DAY, MONDAY + 19 * DAY)
        assert story.clock(REFUND).state == "met"
        story.withdraw(slip, MONDAY + 21 * DAY)
        assert story.clock(REFUND).state == "breached"
        assert said(database, story) == [1]
        assert differences(database) == []
        assert wrong(database) == []

    def test_another_start_is_another_verdict(self, database: Database) -> None:
        story = Regulated(database, **AIRLINE)
        story.fact("passenger_chooses_refund", MONDAY)
        story.fact("refund_paid", MONDAY + 5 * DAY, MONDAY + 5 * DAY)
        sooner = story.fact("passenger_chooses_refund", MONDAY + 6 * DAY, MONDAY - 10 * DAY)
        assert story.clock(REFUND).state == "breached"
        story.withdraw(sooner, MONDAY + 7 * DAY)
        assert story.clock(REFUND).state == "met"
        assert differences(database) == []
        assert wrong(database) == []


class TestOfWhatIsOver:
    def test_withdrawn(self, database: Database) -> None:
        """What was done before the withdrawal was done; what happens after it is nothing to a clock."""
        story = rung(database)
        story.act("withdraw", MONDAY + 20 * DAY, reason="They gave up.")
        assert (story.clock(REFUND).state, story.clock(REFUND).elapsed_seconds) == ("breached", None)
        story.fact("refund_paid", MONDAY + 30 * DAY, MONDAY + 25 * DAY)
        assert story.clock(REFUND).elapsed_seconds is None
        paid = story.fact("refund_paid", MONDAY + 30 * DAY, MONDAY + 2 * DAY)
        assert (story.clock(REFUND).state, story.clock(REFUND).stopped_at) == ("met", MONDAY + 2 * DAY)
        story.withdraw(paid, MONDAY + 31 * DAY)
        clock = story.clock(REFUND)
        assert (clock.state, clock.stopped_at, clock.elapsed_seconds) == ("breached", MONDAY + 20 * DAY, None)
        assert differences(database) == []
        assert wrong(database) == []

    def test_withdrawn_in_time(self, database: Database) -> None:
        story = Regulated(database, **AIRLINE)
        story.fact("passenger_chooses_refund", MONDAY)
        story.act("withdraw", MONDAY + 3 * DAY, reason="They gave up.")
        assert story.clock(REFUND).state == "cancelled"
        paid = story.fact("refund_paid", MONDAY + 30 * DAY, MONDAY + 2 * DAY)
        assert story.clock(REFUND).state == "met"
        story.withdraw(paid, MONDAY + 31 * DAY)
        assert (story.clock(REFUND).state, story.clock(REFUND).stopped_at) == ("cancelled", MONDAY + 3 * DAY)
        assert differences(database) == []
        assert wrong(database) == []

    @pytest.mark.parametrize("ended", ["withdraw", "decided"])
    def test_reopened_it_counts_on_broken_or_not(self, database: Database, ended: str) -> None:
        """It is one deadline: of the two clocks the later one tells whether it was broken."""
        story = rung(database)
        if ended == "withdraw":
            story.act("withdraw", MONDAY + 20 * DAY, reason="They gave up.")
        else:
            story.decided(MONDAY + 20 * DAY)
        story.act("reopen", MONDAY + 21 * DAY, reason="It did not come.")
        before, clock = story.clock(REFUND, 1), story.clock(REFUND, 2)
        assert (before.state, before.breached_at) == ("cancelled", None)
        assert (clock.started_at, clock.due_at, clock.stopped_at) == (before.started_at, before.due_at, None)
        ring_due(database)
        assert (story.clock(REFUND, 2).state, story.clock(REFUND, 2).breached_at) == ("breached", clock.due_at)
        assert (differences(database), wrong(database)) == ([], [])
        paid = story.fact("refund_paid", MONDAY + 30 * DAY, MONDAY + 2 * DAY)
        assert [item.state for item in story.clocks(REFUND)] == ["cancelled", "met"]
        story.withdraw(paid, MONDAY + 31 * DAY)
        ring_due(database)
        assert sorted(item.state for item in story.clocks(REFUND)) == ["breached", "cancelled"]
        story.act("withdraw", MONDAY + 32 * DAY, reason="They gave up again.")
        assert (story.clock(REFUND, 2).state, story.clock(REFUND, 2).stopped_at) == ("breached", MONDAY + 32 * DAY)
        assert (differences(database), wrong(database)) == ([], [])

    def test_kept_and_taken_back_after_its_time_it_counts_on_too(self, database: Database) -> None:
        story = Regulated(database, **AIRLINE)
        story.fact("passenger_chooses_refund", MONDAY)
        paid = story.fact("refund_paid", MONDAY + 2 * DAY)
        story.act("withdraw", MONDAY + 30 * DAY, reason="It came.")
        story.act("reopen", MONDAY + 31 * DAY, reason="It was another one's.")
        assert [item.round for item in story.clocks(REFUND)] == [1]
        story.withdraw(paid, MONDAY + 32 * DAY)
        ring_due(database)
        assert (story.clock(REFUND, 1).state, story.clock(REFUND, 1).breached_at) == ("cancelled", None)
        assert (story.clock(REFUND, 2).state, story.clock(REFUND, 2).stopped_at) == ("breached", None)
        assert (differences(database), wrong(database)) == ([], [])

    def test_one_that_does_not_count_on_is_named(self, database: Database) -> None:
        """An older release left it so; choosing anew puts it right."""
        story = rung(database)
        story.act("withdraw", MONDAY + 20 * DAY, reason="They gave up.")
        story.act("reopen", MONDAY + 21 * DAY, reason="They did not.")
        with database.engine.begin() as connection:
            connection.execute(text(f"DELETE FROM sla_clock WHERE kind = '{REFUND}' AND round = 2"))
            left = "state = 'breached', breached_at = due_at"
            connection.execute(text(f"UPDATE sla_clock SET {left} WHERE kind = '{REFUND}'"))
        assert any("does not go on in the present one" in item for item in wrong(database))
        story.fact("delay_letter_sent", MONDAY + 22 * DAY)
        ring_due(database)
        assert [item.state for item in story.clocks(REFUND)] == ["cancelled", "breached"]
        assert wrong(database) == []

    def test_kept_by_a_mistake_in_an_earlier_round_it_counts_on(self, database: Database) -> None:
        story = Regulated(database, **AIRLINE)
        story.fact("passenger_chooses_refund", MONDAY)
        paid = story.fact("refund_paid", MONDAY + 2 * DAY)
        story.act("withdraw", MONDAY + 3 * DAY, reason="It came.")
        story.act("reopen", MONDAY + 4 * DAY, reason="It was another one's.")
        story.withdraw(paid, MONDAY + 5 * DAY)
        assert story.clock(REFUND, 1).state == "cancelled"
        assert (story.clock(REFUND, 2).state, story.clock(REFUND, 2).started_at) == ("running", MONDAY)
        assert differences(database) == []
        assert wrong(database) == []


def test_a_promise_of_ours_that_a_merge_finds_kept(database: Database) -> None:
    """Whose receipt was acknowledged in time in the one complaint had it acknowledged in the other."""
    source, survivor = Story(database), Story(database)
    source.act("acknowledge", MONDAY + timedelta(hours=1), channel="PHONE")
    with database.unit_of_work(SYSTEM, now=MONDAY + DAY) as uow:
        uow.know_stream(uow.session.get_one(Complaint, survivor.id, with_for_update=True))
        clocks.ring(uow, uow.session.get_one(Clock, survivor.clock("acknowledge").id), uow.now)
    assert survivor.clock("acknowledge").state == "breached"
    join(source, survivor, MONDAY + 2 * DAY)
    assert survivor.clock("acknowledge").state == "met"
    assert wrong(database) == []


class TestVerification:
    """`helpdesk verify clocks` holds the verdicts of clocks that have ended against the facts."""

    @pytest.mark.parametrize(
        ("statement", "found"),
        [
            ("state = 'breached', breached_at = due_at", "is breached, but was stopped at 2026-03-04T09:00:00+00:00"),
            ("due_at = due_at + interval '1 day'", "but the facts say"),
            (
                "elapsed_seconds = NULL, stopped_at = due_at + interval '1 hour', state = 'cancelled'",
                "is cancelled, but",
            ),
            ("stopped_at = stopped_at - interval '1 hour'", "but its facts stop it at 2026-03-04T09:00:00+00:00"),
        ],
    )
    def test_a_verdict_that_does_not_follow_is_named(self, database: Database, statement: str, found: str) -> None:
        story = Regulated(database, **AIRLINE)
        story.fact("passenger_chooses_refund", MONDAY)
        story.fact("refund_paid", MONDAY + 2 * DAY)
        assert wrong(database) == []
        with database.engine.begin() as connection:
            connection.execute(text(f"UPDATE sla_clock SET {statement} WHERE kind = '{REFUND}'"))
        assert any(found in item for item in wrong(database) if str(story.clock(REFUND).id) in item)

    def test_one_that_runs_though_it_was_done_is_named(self, database: Database) -> None:
        story = Regulated(database, **AIRLINE)
        story.fact("passenger_chooses_refund", MONDAY)
        story.fact("refund_paid", MONDAY + 2 * DAY)
        running = "state = 'running', stopped_at = NULL, elapsed_seconds = NULL"
        with database.engine.begin() as connection:
            connection.execute(text(f"UPDATE sla_clock SET {running} WHERE kind = '{REFUND}'"))
        (item,) = [item for item in wrong(database) if item.startswith("regime")]
        assert "is not stopped, but its facts stop it at 2026-03-04T09:00:00+00:00" in item

    def test_in_pieces(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(regime_verification, "_TOGETHER", 2)
        monkeypatch.setattr(verification, "_TOGETHER", 2)
        for _ in range(5):
            story = Regulated(database, **AIRLINE)
            story.fact("passenger_chooses_refund", MONDAY)
            story.fact("refund_paid", MONDAY + 2 * DAY)
        with database.engine.begin() as connection:
            late = f"UPDATE sla_clock SET stopped_at = stopped_at + interval '20 days' WHERE kind = '{REFUND}'"
            connection.execute(text(late))
        found = wrong(database)
        assert sum(item.startswith("kept_late") for item in found) == 5
        assert sum("its facts stop it at" in item for item in found) == 5


class TestInWhateverOrder:
    @pytest.mark.parametrize("number", range(25))
    def test_the_verdict_is_that_of_the_facts(self, database: Database, number: int) -> None:
        """Facts are recorded and taken back in any order, and the alarm rings somewhere between."""
        life = random.Random(number)  # a life, no secret
        story = Regulated(database, **AIRLINE)
        starts = {story.fact("passenger_chooses_refund", MONDAY): MONDAY}
        stops: dict[UUID, datetime] = {}
        now = MONDAY
        for _ in range(12):
            now += timedelta(hours=life.randint(1, 60))
            act = life.choice(["start", "stop", "stop", "stop", "unstart", "unstop", "unstop", "ring"])
            at = MONDAY + timedelta(seconds=life.randint(0, int((now - MONDAY).total_seconds())))
            if act == "start":
                starts[story.fact("passenger_chooses_refund", now, at)] = at
            elif act == "stop":
                stops[story.fact("refund_paid", now, at)] = at
            elif act == "ring":
                with database.unit_of_work(SYSTEM, now=now) as uow:
                    uow.know_stream(uow.session.get_one(Complaint, story.id, with_for_update=True))
                    for clock in queries.open_clocks_for_update(uow.session, [story.id]):
                        clocks.ring(uow, clock, now)
            elif (known := starts if act == "unstart" else stops) and (act == "unstop" or len(known) > 1):
                one = life.choice(list(known))
                story.withdraw(one, now)
                del known[one]
        ring_due(database)
        clock, start = story.clock(REFUND), min(starts.values())
        stop = min((at for at in stops.values() if at >= start), default=None)
        due = datetime.combine(start.astimezone(BERLIN).date() + 8 * DAY, time(), BERLIN)
        assert (clock.started_at, clock.due_at, clock.stopped_at) == (start, due, stop)
        assert clock.state == ("met" if stop is not None and stop <= due else "breached")
        assert clock.breached_at == (due if clock.state == "breached" else None)
        assert differences(database) == []
        assert wrong(database) == []
