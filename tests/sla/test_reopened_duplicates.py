"""A merge of a complaint whose promises go on from before it was reopened (`on_reopen: continue`).

How it can fail: the survivor's promise counts from when the duplicate was reopened, so that merging buys time; the time in which the
duplicate was closed is counted, so that merging takes time; undone, the survivor keeps what the duplicate had waited; of several the
next oldest is forgotten; a part of such a complaint, or the audit of the clocks, does not know where its waits come from.
"""

from datetime import datetime, timedelta
from typing import Final

import pytest

from helpdesk.kernel.unit_of_work import Database
from tests.sla.climbing import ring
from tests.sla.test_reopening import CLOSED, REOPENED, in_order, on, reopened, stands
from tests.sla.watching import MONDAY, Story, join, part, promise

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
KINDS: Final = ("acknowledge", "first_response", "investigate", "resolve")
RECEIVED: Final = REOPENED + HOUR
JOINED: Final = REOPENED + 2 * HOUR
DUE: Final = MONDAY + 8 * DAY + 4 * HOUR
"""Of what was reopened: four of forty hours were used before."""


@pytest.fixture(autouse=True)
def _promised(database: Database) -> None:
    promise(database, S3={kind: on(2400) for kind in (*KINDS, "next_response")}, S1={kind: on(480) for kind in KINDS})


@pytest.mark.parametrize("by", ["withdraw", "dismiss"])
def test_the_earlier_promise_wins(database: Database, by: str) -> None:
    source, survivor, alone = reopened(database, by=by), Story(database, RECEIVED), Story(database, RECEIVED)
    assert source.clock("resolve", 2).due_at == DUE
    assert survivor.clock("resolve").due_at == RECEIVED + 7 * DAY
    join(source, survivor, JOINED)
    for kind in KINDS:
        clock = survivor.clock(kind)
        assert (clock.state, clock.started_at, clock.due_at) == ("running", MONDAY, DUE), kind
    in_order(database)
    part(source, JOINED + HOUR)
    for kind in KINDS:
        assert stands(survivor.clock(kind)) == stands(alone.clock(kind)), kind
        assert survivor.clock(kind).carried is None, kind
    in_order(database)


@pytest.mark.parametrize(
    ("received", "due"),
    [
        (MONDAY + HOUR, MONDAY + 4 * DAY + 8 * HOUR),  # before it was closed: it has counted ever since Monday
        (
            MONDAY + DAY,
            MONDAY + 7 * DAY + 4 * HOUR,
        ),  # while it was closed: four hours, and what the survivor used since
    ],
)
def test_less_what_it_was_closed_before_the_other_came(database: Database, received: datetime, due: datetime) -> None:
    source, survivor, alone = reopened(database), Story(database, received), Story(database, received)
    join(source, survivor, JOINED)
    for kind in KINDS:
        assert (survivor.clock(kind).started_at, survivor.clock(kind).due_at) == (MONDAY, due), kind
    in_order(database)
    survivor.triage(JOINED, "S1")
    alone.triage(JOINED, "S1")
    in_order(database)
    part(source, JOINED + HOUR)
    ring(alone, JOINED + HOUR)  # as undoing does with what it finds broken
    assert stands(survivor.clock("resolve")) == stands(alone.clock("resolve"))
    in_order(database)


def test_of_several_the_next_oldest_counts(database: Database) -> None:
    first, second, plain = reopened(database), reopened(database, MONDAY + HOUR), Story(database, REOPENED)
    survivor, with_second = Story(database, RECEIVED), Story(database, RECEIVED)
    join(reopened(database, MONDAY + HOUR), with_second, JOINED)
    for source in (plain, second, first):
        join(source, survivor, JOINED)
    assert survivor.clock("resolve").due_at == DUE
    in_order(database)
    part(first, JOINED + HOUR)
    part(plain, JOINED + HOUR)
    for kind in KINDS:
        assert stands(survivor.clock(kind)) == stands(with_second.clock(kind)), kind
    in_order(database)


def test_what_was_done_meanwhile_was_done(database: Database) -> None:
    source, survivor = reopened(database), Story(database, RECEIVED)
    join(source, survivor, JOINED)
    survivor.act("acknowledge", JOINED + HOUR, channel="PHONE")
    assert survivor.clock("acknowledge").elapsed_seconds == (4 + 3) * 3600
    part(source, JOINED + 2 * HOUR)
    clock = survivor.clock("acknowledge")
    assert (clock.state, clock.started_at, clock.elapsed_seconds) == ("met", RECEIVED, 2 * 3600)
    in_order(database)


def test_a_question_that_waits_since_a_round_before(database: Database) -> None:
    source = Story(database)
    source.write("public_reply", MONDAY)
    asked = source.write("inbound", MONDAY + HOUR)
    source.act("withdraw", CLOSED, reason="x")
    source.act("reopen", REOPENED, reason="x")
    due = source.clock("next_response", 2).due_at
    survivor, asking = Story(database, RECEIVED), Story(database, RECEIVED)
    for story in (survivor, asking):
        story.write("public_reply", RECEIVED)
    asking.write("inbound", RECEIVED + HOUR)
    before = stands(asking.clock("next_response"))
    join(source, survivor, JOINED)
    clock = survivor.clock("next_response")
    assert (clock.subject_id, clock.due_at) == (asked, due)
    in_order(database)
    part(source, JOINED)
    join(source, asking, JOINED + HOUR)
    assert asking.clock("next_response").started_at == MONDAY + HOUR
    assert asking.clock("next_response").due_at == due
    part(source, JOINED + 2 * HOUR)
    assert stands(asking.clock("next_response")) == before
    in_order(database)


def test_a_part_of_such_a_complaint(database: Database) -> None:
    source, survivor = reopened(database), Story(database, RECEIVED, issues=[{"category": "DEL"}, {"category": "COM"}])
    join(source, survivor, JOINED)
    new = survivor.split(JOINED + HOUR)
    assert new.clock("resolve").due_at == DUE
    in_order(database)


def test_a_part_of_one_that_was_reopened_and_a_part_of_that(database: Database) -> None:
    """What it carries it has of the round before the split."""
    issues = [{"category": "DEL"}, {"category": "COM"}]
    story = Story(database, issues=issues)
    story.act("withdraw", CLOSED, reason="x")
    story.act("reopen", REOPENED, reason="x")
    new = story.split(REOPENED + HOUR)
    in_order(database)
    new.act("withdraw", REOPENED + 2 * HOUR, reason="x")
    new.act("reopen", REOPENED + 3 * HOUR, reason="x")
    assert new.clock("resolve", 2).due_at == DUE + HOUR
    in_order(database)
