"""Questions and their answers when a merge is undone.

How it can fail: the survivor stays late, or kept, for a question that it has no more; what was answered while the two were one is owed
again; what the survivor was asked meanwhile is owed by nobody; a question that went on to a third complaint is owed by two; reopened or
split, the source forgets that it was answered; the audit of the clocks does not see it.
"""

from datetime import timedelta
from typing import Any, Final

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from helpdesk.complaints.models import Message
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import integrity_verification
from helpdesk.sla.models import Alarm, Clock
from tests.sla.climbing import ring
from tests.sla.test_merge_table import in_order
from tests.sla.watching import MONDAY, Story, join, part, promise

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
KIND: Final = "next_response"
ISSUES: Final[Any] = [{"category": "DEL"}, {"category": "COM"}]


@pytest.fixture(autouse=True)
def _promised(database: Database) -> None:
    """Half a day, and two days."""
    promise(database, S3={KIND: (240, "minutes"), "first_response": (960, "minutes")})


def two(database: Database) -> tuple[Story, Story]:
    """The duplicate, which asks at ten and is merged at eleven, and the survivor."""
    source, survivor = Story(database), Story(database, issues=ISSUES)
    source.write("inbound", MONDAY + HOUR)
    join(source, survivor, MONDAY + 2 * HOUR)
    return source, survivor


def told(story: Story, kind: str = KIND) -> list[tuple[Any, ...]]:
    return [(clock.state, clock.breached_at, clock.elapsed_seconds) for clock in story.clocks(kind)]


@pytest.mark.parametrize("rang", [True, False])
def test_what_nobody_answered_is_broken_once_at_most(database: Database, rang: bool) -> None:
    """At the source, by its own time: when it went on in the other is a wait."""
    source, survivor = two(database)
    if rang:
        ring(survivor, MONDAY + 7 * HOUR)
        assert told(survivor) == [("breached", MONDAY + 5 * HOUR, None)]
    part(source, MONDAY + 7 * HOUR)
    ring(survivor, MONDAY + 7 * HOUR)
    assert told(survivor) == [("cancelled", None, None)]
    (clock,) = source.clocks(KIND)
    assert (clock.state, clock.due_at) == ("running", MONDAY + DAY + 2 * HOUR)
    in_order(database)


@pytest.mark.parametrize("pausable", [True, False])
@pytest.mark.parametrize("at", [3, 6])
def test_what_was_answered_meanwhile_is_answered_in_both(database: Database, at: int, pausable: bool) -> None:
    """In time or late by the source's own clock; the survivor was never asked."""
    target = {"amount": 240, "unit": "minutes", "pausable": pausable}
    promise(database, S3={KIND: target, "first_response": (960, "minutes")})
    source, survivor = two(database)
    survivor.write("public_reply", MONDAY + at * HOUR)
    part(source, MONDAY + 7 * HOUR)
    assert told(survivor) == [("cancelled", None, None)]
    late = not pausable and at == 6
    used = 3600 if pausable else (at - 1) * 3600
    assert told(source) == [("breached" if late else "met", MONDAY + 5 * HOUR if late else None, used)]
    assert [state for state, *_ in told(source, "first_response")] == ["met"]
    assert [state for state, *_ in told(survivor, "first_response")] == ["met"]
    in_order(database)


@pytest.mark.parametrize("pausable", [True, False])
@pytest.mark.parametrize("asked_before", [True, False])
@pytest.mark.parametrize("rang", [True, False])
@pytest.mark.parametrize("at", [6, 9])
def test_what_was_asked_by_the_old_reference_is_answered_in_both(
    database: Database, at: int, rang: bool, asked_before: bool, pausable: bool
) -> None:
    """By another person's duplicate: in time or late by when it was asked, as in one that was never merged."""
    promise_answers(database, pausable=pausable)
    source, survivor, alone = by_others(database)
    if asked_before:
        for story in (source, alone):
            story.write("inbound", MONDAY + HOUR / 2)
    join(source, survivor, MONDAY + HOUR)
    if asked_before:
        for story in (survivor, alone):
            story.write("public_reply", MONDAY + 2 * HOUR)
    for story in (source, alone):
        story.write("inbound", MONDAY + 3 * HOUR)
        story.write("inbound", MONDAY + 4 * HOUR)
    if rang:
        ring(survivor, MONDAY + 9 * HOUR)
    for story in (survivor, alone):
        story.write("public_reply", MONDAY + at * HOUR)
    part(source, MONDAY + 10 * HOUR)
    assert {state for state, *_ in told(survivor)} == {"cancelled"}
    assert told(source)[-1] == told(alone)[-1]
    assert told(source)[-1][0] == ("met" if at == 6 else "breached")
    assert len(told(source)) == len(told(alone)) == 1 + asked_before
    in_order(database)


@pytest.mark.parametrize("pausable", [True, False])
def test_what_was_asked_by_the_old_reference_and_not_answered_is_owed(database: Database, pausable: bool) -> None:
    """The time in which it went on in the other is a wait to a promise that can pause."""
    promise_answers(database, pausable=pausable)
    source, survivor, _ = by_others(database)
    join(source, survivor, MONDAY + HOUR)
    source.write("inbound", MONDAY + 3 * HOUR)
    part(source, MONDAY + 8 * HOUR)
    ring(source, MONDAY + 8 * HOUR)
    assert [state for state, *_ in told(source)] == ["running" if pausable else "breached"]
    assert [state for state, *_ in told(survivor)] == ["cancelled"]
    in_order(database)


def promise_answers(database: Database, *, pausable: bool) -> None:
    target = {"amount": 240, "unit": "minutes", "pausable": pausable}
    promise(database, S3={KIND: target, "first_response": (960, "minutes")})


def by_others(database: Database) -> tuple[Story, Story, Story]:
    """The duplicate, the survivor, and one that is never merged, of three people."""
    first, second, third = (
        Story(database, complainant={"name": name, "email": f"{name}@example.com"}) for name in ("li", "wu", "xu")
    )
    return first, second, third


def test_what_was_broken_before_they_met_is_broken_and_answered(database: Database) -> None:
    source, survivor = Story(database), Story(database)
    source.write("inbound", MONDAY + HOUR)
    join(source, survivor, MONDAY + 6 * HOUR)
    survivor.write("public_reply", MONDAY + 7 * HOUR)
    part(source, MONDAY + DAY)
    assert told(survivor) == [("cancelled", None, None)]
    assert told(source) == [("breached", MONDAY + 5 * HOUR, 6 * 3600)]
    in_order(database)


def test_an_answer_from_before_they_met_is_none(database: Database) -> None:
    source, survivor = Story(database), Story(database)
    survivor.write("public_reply", MONDAY + HOUR)
    source.write("inbound", MONDAY + HOUR)
    join(source, survivor, MONDAY + 2 * HOUR)
    part(source, MONDAY + 3 * HOUR)
    survivor.write("public_reply", MONDAY + 4 * HOUR)
    assert [state for state, *_ in told(source)] == ["running"]
    in_order(database)


@pytest.mark.parametrize("by", ["reopening", "split"])
def test_the_source_remembers_that_it_was_answered(database: Database, by: str) -> None:
    source, survivor = Story(database, issues=ISSUES), Story(database)
    asked = source.write("inbound", MONDAY + HOUR)
    join(source, survivor, MONDAY + 2 * HOUR)
    survivor.write("public_reply", MONDAY + 3 * HOUR)
    part(source, MONDAY + 4 * HOUR)
    if by == "split":
        new = source.split(MONDAY + 5 * HOUR, move_messages=[asked])
        assert (new.clocks(KIND), new.clocks("first_response")) == ([], [])
        in_order(database)
        return
    source.triage(MONDAY + 5 * HOUR, "S1")
    source.triage(MONDAY + 5 * HOUR, "S3")
    source.act("withdraw", MONDAY + 6 * HOUR, reason="x")
    source.act("reopen", MONDAY + 7 * HOUR, reason="x")
    assert len(source.clocks(KIND)) == 1
    in_order(database)


def test_what_the_survivor_was_asked_meanwhile_waits(database: Database) -> None:
    source, survivor = two(database)
    asked = survivor.write("inbound", MONDAY + 3 * HOUR)
    part(source, MONDAY + 4 * HOUR)
    (clock,) = [clock for clock in survivor.clocks(KIND) if clock.stopped_at is None]
    assert (clock.subject_id, clock.started_at) == (asked, MONDAY + 3 * HOUR)
    in_order(database)


def test_along_a_chain_the_answer_comes_home(database: Database) -> None:
    first, middle, survivor = (Story(database) for _ in range(3))
    first.write("inbound", MONDAY + HOUR)
    join(first, middle, MONDAY + 2 * HOUR)
    join(middle, survivor, MONDAY + 3 * HOUR)
    survivor.write("public_reply", MONDAY + 4 * HOUR)
    part(middle, MONDAY + 5 * HOUR)
    assert [state for state, *_ in told(middle)] == ["met"]
    part(first, MONDAY + 6 * HOUR)
    assert [[state for state, *_ in told(story)] for story in (first, middle, survivor)] == [
        ["met"],
        ["cancelled"],
        ["cancelled"],
    ]
    in_order(database)


@pytest.mark.parametrize("closed", [True, False])
def test_a_question_that_went_on_is_waited_for_there(database: Database, closed: bool) -> None:
    """And in none of the two that it was asked in."""
    source, survivor = two(database)
    asked = source.clocks(KIND)[0].subject_id
    assert asked is not None
    third = survivor.split(MONDAY + 3 * HOUR, move_messages=[asked])
    if closed:
        third.act("withdraw", MONDAY + 3 * HOUR, reason="x")
    answer = part(source, MONDAY + 4 * HOUR)
    assert answer["elsewhere"]["messages"] == [str(asked)]
    assert [state for state, *_ in told(source)] == [state for state, *_ in told(survivor)] == ["cancelled"]
    assert [state for state, *_ in told(third)] == ["cancelled" if closed else "running"]
    in_order(database)


def test_the_next_question_of_the_source_is_waited_for_by_it(database: Database) -> None:
    source, survivor = Story(database), Story(database, issues=ISSUES)
    first, second = (source.write("inbound", MONDAY + number * HOUR) for number in (1, 2))
    join(source, survivor, MONDAY + 3 * HOUR)
    survivor.split(MONDAY + 4 * HOUR, move_messages=[first])
    part(source, MONDAY + 5 * HOUR)
    waits = [(clock.subject_id, clock.started_at) for clock in source.clocks(KIND) if clock.stopped_at is None]
    assert waits == [(second, MONDAY + 2 * HOUR)]
    assert {state for state, *_ in told(survivor)} == {"cancelled"}
    in_order(database)


def test_what_was_waited_for_again_after_a_reopening_goes_home(database: Database) -> None:
    source, survivor = two(database)
    survivor.act("withdraw", MONDAY + 3 * HOUR, reason="x")
    survivor.act("reopen", MONDAY + 4 * HOUR, reason="x")
    assert [state for state, *_ in told(survivor)] == ["cancelled", "running"]
    part(source, MONDAY + 5 * HOUR)
    assert [state for state, *_ in told(survivor)] == ["cancelled", "cancelled"]
    assert [state for state, *_ in told(source)] == ["running"]
    in_order(database)


@pytest.mark.parametrize("pausable", [True, False])
@pytest.mark.parametrize("answered", [4, 9, None])
@pytest.mark.parametrize("by", ["reply", "withdraw", "waits"])
def test_its_own_question_waited_beside_the_one_that_goes_home(
    database: Database, pausable: bool, answered: int | None, by: str
) -> None:
    """In time or late by when it was asked itself, as in one that never met the duplicate."""
    target = {"amount": 240, "unit": "minutes", "pausable": pausable}
    promise(database, S3={KIND: target, "first_response": (960, "minutes")})
    source, survivor = two(database)
    alone = Story(database, issues=ISSUES)
    for story in (survivor, alone):
        story.write("inbound", MONDAY + 3 * HOUR)
        if by == "waits":
            story.act("ask_customer", MONDAY + 3 * HOUR + HOUR / 2, message="Which?")
        if answered is not None and by == "withdraw":
            story.act("withdraw", MONDAY + answered * HOUR, reason="x")
            story.act("reopen", MONDAY + answered * HOUR + HOUR / 4, reason="x")
        elif answered is not None:
            story.write("public_reply", MONDAY + answered * HOUR)
        ring(story, MONDAY + 10 * HOUR)
    part(source, MONDAY + 10 * HOUR)
    ring(survivor, MONDAY + 10 * HOUR)
    assert lived(survivor) == lived(alone)
    in_order(database)


def lived(story: Story) -> list[tuple[Any, ...]]:
    """But for what goes home."""
    return [
        (
            clock.round,
            clock.state,
            clock.started_at,
            clock.due_at,
            clock.remaining_seconds,
            clock.stopped_at,
            clock.pauses,
        )
        for clock in story.clocks(KIND)
        if clock.state != "cancelled" or clock.round == 1
        if not goes_home(story, clock)
    ]


def goes_home(story: Story, clock: Clock) -> bool:
    with Session(story.database.engine) as session:
        return session.get_one(Message, clock.subject_id).complaint_id != story.id


def test_merged_and_parted_again_it_is_the_same_question(database: Database) -> None:
    source, survivor = two(database)
    survivor.write("inbound", MONDAY + 3 * HOUR)
    survivor.write("public_reply", MONDAY + 4 * HOUR)
    part(source, MONDAY + 5 * HOUR)
    before = lived(survivor)
    assert [state for _, state, *_ in before] == ["met"]
    source.write("inbound", MONDAY + 6 * HOUR)
    join(source, survivor, MONDAY + 6 * HOUR)
    survivor.write("public_reply", MONDAY + 7 * HOUR)
    part(source, MONDAY + 8 * HOUR)
    assert lived(survivor) == before
    in_order(database)


def test_the_audit_sees_a_question_that_nothing_waited_for(database: Database) -> None:
    source, survivor = two(database)
    asked = survivor.write("inbound", MONDAY + 3 * HOUR)
    survivor.write("public_reply", MONDAY + 4 * HOUR)
    part(source, MONDAY + 5 * HOUR)
    with Session(database.engine) as session:
        session.execute(delete(Alarm).where(Alarm.clock_id.in_(select(Clock.id).where(Clock.subject_id == asked))))
        session.execute(delete(Clock).where(Clock.subject_id == asked))
        session.commit()
    with Session(database.engine) as session:
        found = [item.detail for check in integrity_verification.CHECKS for item in check(session)]
    assert any(f"nothing waited for the message {asked}" in each for each in found)


def test_the_audit_sees_a_question_that_stands_elsewhere(database: Database) -> None:
    story, other = Story(database), Story(database)
    asked = story.write("inbound", MONDAY + HOUR)
    with Session(database.engine) as session:
        session.execute(update(Message).where(Message.id == asked).values(complaint_id=other.id))
        session.commit()
    with Session(database.engine) as session:
        found = [item.detail for check in integrity_verification.CHECKS for item in check(session)]
    assert any(f"the message {asked} stands in another complaint" in each for each in found)
