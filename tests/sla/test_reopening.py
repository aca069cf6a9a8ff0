"""What becomes of promises when a complaint is reopened: the whole time anew, or what was left of it, as each target says.

How it can fail: what was used before is forgotten, or the time in which nothing was owed is counted; what others were waited for
before counts after all; a promise that was kept early has used as much as the whole round; severity, a merge, a split or a recompute
counts such a clock as one that began with its round; an edit of the word alone moves what is open; a message that waited for an
answer when the complaint was closed is forgotten, or one is owed an answer that nobody waits for; the audit of pauses takes the time
in which a complaint was closed for waiting.
"""

from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from sqlalchemy.orm import Session

from helpdesk.complaints import acts, queries
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import (
    integrity_verification,
    pause_queries,
    policies_in_force,
    policy_file,
    recomputing,
    regime_in_force,
    transition_verification,
)
from helpdesk.sla import queries as clock_queries
from helpdesk.sla.models import Clock
from tests.conftest import Caller, complaint_body
from tests.sla.climbing import ring
from tests.sla.regulated import DECISION
from tests.sla.test_policies import body as policy_body
from tests.sla.watching import AGENT, MONDAY, Story, act, clocks_of, join, part, promise, wrong

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
CLOSED: Final = MONDAY + 4 * HOUR
REOPENED: Final = MONDAY + 2 * DAY
"""Wednesday, at opening time."""


def on(amount: int, unit: str = "minutes", **more: Any) -> dict[str, Any]:
    return {"amount": amount, "unit": unit, "on_reopen": "continue", **more}


@pytest.fixture(autouse=True)
def _promised(database: Database) -> None:
    """A week of five days of eight office hours for each; a day at S1."""
    kinds = ("acknowledge", "first_response", "next_response", "investigate", "resolve")
    promise(database, S3={kind: on(2400) for kind in kinds}, S1={kind: on(480) for kind in kinds})


def reopened(database: Database, began: datetime = MONDAY, *, by: str = "withdraw", at: datetime = REOPENED) -> Story:
    story = Story(database, began)
    story.act(by, CLOSED, **({"reason": "x"} if by == "withdraw" else {"reason_code": "spam"}))
    story.act("reopen", at, reason="It did not come.")
    return story


def in_order(database: Database) -> None:
    assert wrong(database) == []
    with Session(database.engine) as session:
        checks = (*integrity_verification.CHECKS, *transition_verification.CHECKS)
        assert [f"{item.subject}: {item.detail}" for check in checks for item in check(session)] == []


def stands(clock: Clock) -> tuple[Any, ...]:
    return clock.state, clock.started_at, clock.due_at, clock.remaining_seconds, clock.severity, clock.stopped_at


class TestUsedStaysUsed:
    def test_the_whole_time_anew_where_nothing_is_said(self, database: Database) -> None:
        promise(database, S3={"resolve": (2400, "minutes")})
        clock = reopened(database).clock("resolve", 2)
        assert (clock.started_at, clock.due_at) == (REOPENED, REOPENED + 6 * DAY + 8 * HOUR)
        assert (clock.carried, clock.on_reopen) == (None, "restart")
        in_order(database)

    @pytest.mark.parametrize("by", ["withdraw", "dismiss"])
    def test_what_was_left_of_it(self, database: Database, by: str) -> None:
        """Four hours were used on Monday; 36 are left on Wednesday morning."""
        story = reopened(database, by=by)
        for kind in ("acknowledge", "first_response", "investigate", "resolve"):
            clock = story.clock(kind, 2)
            assert (clock.state, clock.started_at, clock.due_at) == ("running", MONDAY, MONDAY + 8 * DAY + 4 * HOUR)
            assert clock.on_reopen == "continue"
        in_order(database)
        story.act("acknowledge", REOPENED + HOUR, channel="PHONE")
        assert story.clock("acknowledge", 2).elapsed_seconds == 5 * 3600
        in_order(database)

    def test_what_was_waited_before_does_not_count_after(self, database: Database) -> None:
        story = Story(database)
        story.act("ask_customer", MONDAY + HOUR, message="Which?")
        story.act("resume", MONDAY + 2 * HOUR)
        story.act("ask_customer", MONDAY + 3 * HOUR, message="And?")
        story.act("withdraw", CLOSED, reason="x")
        story.act("reopen", REOPENED, reason="x")
        clock = story.clock("resolve", 2)
        assert clock.due_at == MONDAY + 8 * DAY + 6 * HOUR  # two hours were used
        story.act("ask_customer", REOPENED + HOUR, message="Which?")
        assert story.clock("resolve", 2).remaining_seconds == 37 * 3600
        story.act("resume", REOPENED + 2 * HOUR)
        in_order(database)

    def test_each_has_used_its_own(self, database: Database) -> None:
        """What was investigated in two hours has two hours used, however long the decision took."""
        story = Story(database)
        found = {"finding": "A scan was missed.", "evidence": "Log."}
        story.act("investigate", MONDAY + 2 * HOUR, findings=[found], root_cause="RC.HAND", fault="firm")
        story.act("resolve", MONDAY + 6 * HOUR, **DECISION)
        story.act("reopen", REOPENED, reason="x")
        assert story.clock("investigate", 2).due_at == MONDAY + 8 * DAY + 6 * HOUR
        assert story.clock("resolve", 2).due_at == MONDAY + 8 * DAY + 2 * HOUR
        in_order(database)

    def test_reopened_twice(self, database: Database) -> None:
        story = reopened(database)
        story.act("withdraw", REOPENED + HOUR, reason="x")
        story.act("reopen", REOPENED + DAY, reason="x")
        clock = story.clock("resolve", 3)
        assert (clock.started_at, clock.due_at) == (MONDAY, MONDAY + 9 * DAY + 3 * HOUR)  # five hours were used
        in_order(database)

    @pytest.mark.parametrize("target", [on(15, "calendar_days"), on(2400, pausable=False)])
    def test_what_cannot_pause_counts_on(self, database: Database, target: dict[str, Any]) -> None:
        promise(database, S3={"resolve": target})
        story = reopened(database)
        assert story.clock("resolve", 2).due_at == story.clock("resolve", 1).due_at
        in_order(database)

    def test_what_was_used_up_is_late(self, database: Database) -> None:
        promise(database, S3={"acknowledge": on(60)})
        story = reopened(database)
        ring(story, REOPENED + HOUR)
        clock = story.clock("acknowledge", 2)
        assert (clock.state, clock.breached_at) == ("breached", MONDAY + HOUR)
        in_order(database)

    def test_a_promise_that_was_none_before_begins(self, database: Database) -> None:
        promise(database, S3={"resolve": on(2400)})
        story = Story(database)
        story.act("withdraw", CLOSED, reason="x")
        promise(database, S3={"resolve": on(2400), "investigate": on(2400)})
        story.act("reopen", REOPENED, reason="x")
        assert story.clock("resolve", 2).on_reopen == "continue"
        assert (story.clock("investigate", 2).started_at, story.clock("investigate", 2).on_reopen) == (
            REOPENED,
            "restart",
        )


class TestMeanwhile:
    def test_another_severity_counts_by_what_was_used(self, database: Database) -> None:
        story = reopened(database)
        story.triage(REOPENED + HOUR, "S1")
        clock = story.clock("resolve", 2)
        assert (clock.severity, clock.due_at) == ("S1", REOPENED + 4 * HOUR)  # of eight hours four were used
        in_order(database)

    def test_an_edit_counts_by_what_was_used_and_the_word_alone_moves_nothing(self, database: Database) -> None:
        story = reopened(database)
        before = stands(story.clock("resolve", 2)), story.clock("resolve", 2).generation
        promise(database, S3={"resolve": (2400, "minutes")})
        assert (stands(story.clock("resolve", 2)), story.clock("resolve", 2).generation) == before
        promise(database, S3={"resolve": (2880, "minutes")})
        with database.unit_of_work(SYSTEM, now=REOPENED + HOUR) as uow:
            complaint = queries.complaint_by_id_for_update(uow.session, story.id)
            uow.know_stream(complaint)
            found = clock_queries.clocks_at_hand(uow.session, story.id, 2)
            policies = policies_in_force.in_force(uow.session)
            recomputing.follow(uow, complaint, found, policies, regime_in_force.in_force(uow.session))
        assert story.clock("resolve", 2).due_at == MONDAY + 9 * DAY + 4 * HOUR
        in_order(database)

    @pytest.mark.parametrize("source_first", [True, False])
    def test_merged_and_parted(self, database: Database, source_first: bool) -> None:
        story, alone, other = reopened(database), reopened(database), Story(database, MONDAY + DAY)
        source, survivor = (story, other) if source_first else (other, story)
        join(source, survivor, REOPENED + HOUR)
        in_order(database)
        assert survivor.clock("resolve", 1 if source_first else 2).started_at <= MONDAY + DAY
        part(source, REOPENED + 2 * HOUR)
        if source_first:
            alone.act("ask_customer", REOPENED + HOUR, message="?")
            alone.act("resume", REOPENED + 2 * HOUR)
        for kind in ("first_response", "investigate", "resolve"):
            assert stands(story.clock(kind, 2)) == stands(alone.clock(kind, 2)), kind
        in_order(database)

    def test_a_part_goes_on_too(self, database: Database) -> None:
        story = Story(database, issues=[{"category": "DEL"}, {"category": "COM"}])
        story.act("withdraw", CLOSED, reason="x")
        story.act("reopen", REOPENED, reason="x")
        new = story.split(REOPENED + HOUR)
        assert new.clock("resolve").due_at == story.clock("resolve", 2).due_at
        new.triage(REOPENED + 2 * HOUR, "S1")
        assert new.clock("resolve").due_at == REOPENED + 4 * HOUR
        assert wrong(database) == []

    def test_being_closed_is_no_waiting_for_the_complainant(self, database: Database) -> None:
        story = Story(database)
        story.act("withdraw", CLOSED, reason="x")
        story.write("inbound", CLOSED + DAY)
        story.act("reopen", REOPENED, reason="x")
        with Session(database.engine) as session:
            asked = pause_queries.replies(SYSTEM, {}, MONDAY, REOPENED)
            assert session.execute(asked).all() == []


class TestUnanswered:
    def test_what_waited_when_it_was_closed_waits_again(self, database: Database) -> None:
        story = Story(database)
        asked = story.write("inbound", MONDAY + HOUR)
        story.write("inbound", MONDAY + 2 * HOUR)
        story.act("withdraw", CLOSED, reason="x")
        story.act("reopen", REOPENED, reason="x")
        (_, clock) = story.clocks("next_response")
        assert (clock.subject_id, clock.round, clock.started_at) == (asked, 2, MONDAY + HOUR)
        assert (clock.due_at, clock.on_reopen) == (MONDAY + 8 * DAY + 5 * HOUR, "continue")  # three hours were used
        in_order(database)
        story.write("public_reply", REOPENED + HOUR)
        assert story.clocks("next_response")[1].elapsed_seconds == 4 * 3600
        in_order(database)

    def test_again_where_it_was_not_promised_for_a_while(self, database: Database) -> None:
        promise(database, S3={"next_response": (2400, "minutes")}, S1={"resolve": (2400, "minutes")})
        story = Story(database)
        story.write("inbound", MONDAY + HOUR)
        story.act("withdraw", CLOSED, reason="x")
        story.act("reopen", REOPENED, reason="x")
        before = stands(story.clocks("next_response")[1])
        story.triage(REOPENED + HOUR, "S1")
        assert story.clocks("next_response")[1].state == "cancelled"
        story.triage(REOPENED + 2 * HOUR, "S3")
        assert stands(story.clocks("next_response")[1]) == before
        in_order(database)

    def test_anew_where_nothing_is_said(self, database: Database) -> None:
        promise(database, S3={"next_response": (240, "minutes")})
        story = Story(database)
        asked = story.write("inbound", MONDAY + HOUR)
        story.act("withdraw", CLOSED, reason="x")
        story.act("reopen", REOPENED, reason="x")
        (_, clock) = story.clocks("next_response")
        assert (clock.subject_id, clock.started_at, clock.due_at) == (asked, REOPENED, REOPENED + 4 * HOUR)
        in_order(database)

    def test_also_where_it_was_not_promised_then(self, database: Database) -> None:
        promise(database, S3={"resolve": (2400, "minutes")})
        story = Story(database)
        asked = story.write("inbound", MONDAY + HOUR)
        story.act("withdraw", CLOSED, reason="x")
        promise(database, S3={"next_response": on(240)})
        story.act("reopen", REOPENED, reason="x")
        (clock,) = story.clocks("next_response")
        assert (clock.subject_id, clock.started_at) == (asked, REOPENED)

    @pytest.mark.parametrize("answered", ["reply", "decision", "closed"])
    def test_what_was_answered_or_written_to_a_closed_complaint_does_not(
        self, database: Database, answered: str
    ) -> None:
        story = Story(database)
        if answered != "closed":
            story.write("inbound", MONDAY + HOUR)
        if answered == "reply":
            story.write("public_reply", MONDAY + 2 * HOUR)
        if answered == "decision":
            found = {"finding": "A scan was missed.", "evidence": "Log."}
            story.act("investigate", CLOSED, findings=[found], root_cause="RC.HAND", fault="firm")
            _resolve(database, story, CLOSED)
        else:
            story.act("withdraw", CLOSED, reason="x")
        if answered == "closed":
            story.write("inbound", CLOSED + HOUR)
        story.act("reopen", REOPENED, reason="x")
        assert [clock for clock in story.clocks("next_response") if clock.round == 2] == []
        in_order(database)


def _resolve(database: Database, story: Story, at: datetime) -> None:
    """By an agent, whose letter it is."""
    with database.unit_of_work(AGENT, now=at) as uow:
        acts.act(uow, AGENT, queries.complaint_by_id_for_update(uow.session, story.id), "resolve", DECISION)


class TestSaid:
    def test_in_the_clock_and_in_words(self, agent: Caller, senior: Caller) -> None:
        ref = agent.post("/complaints", complaint_body()).json["reference"]
        assert clocks_of(agent, ref)["resolve"]["on_reopen"] is None
        act(agent, ref, "withdraw", reason="It came.")
        act(senior, ref, "reopen", reason="It was another one.")
        clock = clocks_of(agent, ref)["resolve"]
        assert clock["on_reopen"] == "continue"
        path = f"/complaints/{ref}/clocks/{clock['id']}/explain"
        assert "what was used before stays used" in agent.get(path).json["text"]
        assert "此前已用时间保留" in agent.get(path, **{"Accept-Language": "zh"}).json["text"]

    @pytest.mark.parametrize(
        ("kind", "word", "pointer"),
        [
            ("resolve", "perhaps", "/targets/S3/resolve/on_reopen"),
            ("resolve", None, "/targets/S3/resolve/on_reopen"),
            ("remedy_delivered", "continue", "/targets/S3/remedy_delivered/on_reopen"),
            ("follow_up", "restart", "/targets/S3/follow_up/on_reopen"),
        ],
    )
    def test_words_that_are_none(self, manager: Caller, kind: str, word: str | None, pointer: str) -> None:
        targets = {"S3": {kind: {"amount": 2, "unit": "business_days", "on_reopen": word}}}
        refused = manager.post("/sla/policies", policy_body(manager, targets=targets))
        assert (refused.status_code, [item["pointer"] for item in refused.json["errors"]]) == (422, [pointer])

    def test_a_version_keeps_it(self, manager: Caller) -> None:
        targets = {"S3": {"resolve": {"amount": 2, "unit": "business_days", "on_reopen": "continue"}}}
        policy = manager.post("/sla/policies", policy_body(manager, targets=targets)).json
        path = f"/sla/policies/{policy['id']}"
        manager.patch(path, {"targets": {"S3": {"resolve": [2, "business_days"]}}}, if_match="*")
        kept = manager.get(f"{path}/versions/1").json["targets"]["S3"]["resolve"]
        assert kept["on_reopen"] == "continue"

    def test_in_a_file_of_policies(self) -> None:
        text = """
            [calendar]
            timezone = "UTC"
            [calendar.weekly_hours]
            mon = [["09:00", "17:00"]]
            [policy]
            [policy.targets.S3]
            resolve = { amount = 2, unit = "business_days", on_reopen = "continue" }
        """
        found = policy_file.read_policies(text).default.promise("resolve", "S3", None)
        assert found is not None
        assert found.on_reopen == "continue"
