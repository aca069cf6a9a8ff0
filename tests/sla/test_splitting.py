"""The clocks of answers when a complaint is split.

How it can fail: the question goes over, and its promise stays behind; the part owes an answer to what was answered before, or from the
moment of the split; what was waited is forgotten; of several questions the wrong one counts in one of the two threads; a promise that
was broken is broken twice; the part and the first one are merged again, and nobody is owed the answer.
"""

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Complaint
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import integrity_verification, transition_verification
from helpdesk.sla.models import Clock
from tests.sla.climbing import ring
from tests.sla.watching import MONDAY, Story, join, promise, wrong

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
SPLIT: Final = MONDAY + DAY
KIND: Final = "next_response"


@pytest.fixture(autouse=True)
def _promised(database: Database) -> None:
    """Two days of eight office hours for each."""
    promise(
        database,
        S3={KIND: (960, "minutes"), "first_response": (960, "minutes"), "resolve": (4800, "minutes")},
        S1={KIND: (480, "minutes"), "first_response": (480, "minutes")},
    )


def in_order(database: Database) -> None:
    assert wrong(database) == []
    with Session(database.engine) as session:
        checks = (*integrity_verification.CHECKS, *transition_verification.CHECKS)
        assert [f"{item.subject}: {item.detail}" for check in checks for item in check(session)] == []


def story_of(database: Database) -> Story:
    """Of two matters, whose first response was given."""
    story = Story(database, issues=[{"category": "DEL"}, {"category": "COM"}])
    story.write("public_reply", MONDAY)
    return story


def waiting(story: Story) -> list[tuple[UUID | None, Any]]:
    """What is owed an answer, and from when."""
    return [(clock.subject_id, clock.started_at) for clock in story.clocks(KIND) if clock.stopped_at is None]


def stands(clock: Clock) -> tuple[Any, ...]:
    return clock.subject_id, clock.state, clock.started_at, clock.due_at, clock.remaining_seconds, clock.carried


def next_due(story: Story) -> Any:
    with Session(story.database.engine) as session:
        return session.get_one(Complaint, story.id).next_due_at


def test_the_promise_goes_with_the_question(database: Database) -> None:
    story = story_of(database)
    asked = story.write("inbound", MONDAY + HOUR)
    (before,) = story.clocks(KIND)
    part = story.split(SPLIT, move_messages=[asked])
    assert [stands(clock) for clock in part.clocks(KIND)] == [stands(before)]
    assert [clock.state for clock in story.clocks(KIND)] == ["cancelled"]
    assert next_due(part) == before.due_at
    assert next_due(story) == story.clock("resolve").due_at
    in_order(database)
    part.write("public_reply", SPLIT + HOUR)
    (clock,) = part.clocks(KIND)
    assert (clock.state, clock.elapsed_seconds) == ("met", 8 * 3600)
    in_order(database)


def test_less_what_was_waited(database: Database) -> None:
    story = story_of(database)
    asked = story.write("inbound", MONDAY + HOUR)
    story.act("ask_customer", MONDAY + 2 * HOUR, message="Which?")
    story.act("resume", MONDAY + 4 * HOUR)
    (before,) = story.clocks(KIND)
    part = story.split(SPLIT, move_messages=[asked])
    assert [stands(clock) for clock in part.clocks(KIND)] == [stands(before)]
    in_order(database)


def test_of_several_the_oldest_in_each(database: Database) -> None:
    story = story_of(database)
    first, second, third = (story.write("inbound", MONDAY + number * HOUR) for number in (1, 2, 3))
    part = story.split(SPLIT, move_messages=[first, third])
    assert waiting(part) == [(first, MONDAY + HOUR)]
    assert waiting(story) == [(second, MONDAY + 2 * HOUR)]
    in_order(database)


def test_a_younger_one_waits_in_the_part(database: Database) -> None:
    story = story_of(database)
    first, second = (story.write("inbound", MONDAY + number * HOUR) for number in (1, 2))
    part = story.split(SPLIT, move_messages=[second])
    assert waiting(story) == [(first, MONDAY + HOUR)]
    assert waiting(part) == [(second, MONDAY + 2 * HOUR)]
    in_order(database)


def test_one_that_is_copied_waits_in_both(database: Database) -> None:
    story = story_of(database)
    asked = story.write("inbound", MONDAY + HOUR)
    part = story.split(SPLIT, copy_messages=[asked])
    assert waiting(story) == [(asked, MONDAY + HOUR)]
    assert [start for _, start in waiting(part)] == [MONDAY + HOUR]
    in_order(database)


@pytest.mark.parametrize("goes", ["question", "answer"])
def test_what_was_answered_is_in_both(database: Database, goes: str) -> None:
    story = story_of(database)
    asked = story.write("inbound", MONDAY + HOUR)
    answer = story.write("public_reply", MONDAY + 2 * HOUR)
    part = story.split(SPLIT, move_messages=[asked if goes == "question" else answer])
    part.triage(SPLIT + HOUR, "S1")  # what is owed is looked at again
    part.triage(SPLIT + 2 * HOUR, "S3")
    assert waiting(part) == waiting(story) == []
    assert [clock.state for clock in story.clocks(KIND)] == ["met"]
    assert part.clocks("first_response") == []
    in_order(database)


@pytest.mark.parametrize("rang", [True, False])
def test_what_is_broken_is_broken_once(database: Database, rang: bool) -> None:
    """Whether the alarm has come by makes no difference."""
    story = story_of(database)
    asked = story.write("inbound", MONDAY + HOUR)
    at = MONDAY + 4 * DAY
    if rang:
        ring(story, at - HOUR)
    part = story.split(at, move_messages=[asked])
    ring(part, at)
    assert [clock.state for clock in story.clocks(KIND)] == ["cancelled"]
    (clock,) = part.clocks(KIND)
    assert (clock.state, clock.started_at, clock.stopped_at) == ("breached", MONDAY + HOUR, None)
    in_order(database)


def test_merged_again_it_waits_there_again(database: Database) -> None:
    story = story_of(database)
    asked = story.write("inbound", MONDAY + HOUR)
    before = [stands(clock) for clock in story.clocks(KIND)]
    part = story.split(SPLIT, move_messages=[asked])
    join(part, story, SPLIT + HOUR)
    assert [stands(clock) for clock in story.clocks(KIND)] == before
    in_order(database)


def test_one_that_waits_since_a_round_before(database: Database) -> None:
    """It goes on, less the time in which the complaint was closed."""
    promise(database, S3={KIND: {"amount": 960, "unit": "minutes", "on_reopen": "continue"}})
    story = story_of(database)
    asked = story.write("inbound", MONDAY + HOUR)
    story.act("withdraw", MONDAY + 4 * HOUR, reason="x")
    story.act("reopen", SPLIT, reason="x")
    before = story.clocks(KIND)[-1]
    assert before.carried is not None
    part = story.split(SPLIT + HOUR, move_messages=[asked])
    assert [stands(clock) for clock in part.clocks(KIND)] == [stands(before)]
    assert waiting(story) == []
    in_order(database)
    part.write("public_reply", SPLIT + 2 * HOUR)
    assert part.clocks(KIND)[0].elapsed_seconds == 5 * 3600


def test_a_copy_of_one_that_waits_since_a_round_before(database: Database) -> None:
    promise(database, S3={KIND: {"amount": 960, "unit": "minutes", "on_reopen": "continue"}})
    story = story_of(database)
    asked = story.write("inbound", MONDAY + HOUR)
    story.act("withdraw", MONDAY + 4 * HOUR, reason="x")
    story.act("reopen", SPLIT, reason="x")
    (before,) = (clock for clock in story.clocks(KIND) if clock.stopped_at is None)
    part = story.split(SPLIT + HOUR, copy_messages=[asked])
    assert [stands(clock)[1:] for clock in part.clocks(KIND)] == [stands(before)[1:]]
    in_order(database)
