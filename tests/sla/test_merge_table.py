"""What becomes of every kind of clock in a merge, and when it is undone: the table of cases.

The survivor's clock of a kind, by how it stands there and how it stands on the duplicate:

| survivor | duplicate | merged | undone |
| --- | --- | --- | --- |
| runs, waits | owed (runs, waits, broken) | counts from the older start of the two; waits if the survivor does | as if they had never met |
| runs, waits | done, in time or late | as above; a first response keeps its own start; an acknowledgement is the duplicate's | as if they had never met |
| broken, not done | any | stays; an acknowledgement of the duplicate ends it, and tells whether it is in time | stays |
| done, in time or late | any | stays | stays |

A message that waits for an answer is the older of two that wait; one that waits in the duplicate only begins in the survivor, and
goes back. A regulator's clock counts from the older start to the first stop after it, by the facts of both, whatever it was before;
undone, by its own facts. What was done while they were one was done, and whether in time follows from the clock's own start.

How it can fail: a notice that nobody wrote is taken for an answer; a merge mends what was broken or breaks what was kept; whether an
alarm has come by makes a difference; what was stopped meanwhile keeps the other one's start; a regulator's broken deadline is forgotten
with the duplicate.
"""

from datetime import datetime, timedelta
from itertools import product
from typing import Any, Final

import pytest
from sqlalchemy.orm import Session

from helpdesk.complaints import queries
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import integrity_verification, transition_verification
from helpdesk.sla.models import Clock
from tests.sla.climbing import ring
from tests.sla.regulated import FINANCIAL, MORTGAGE, Regulated
from tests.sla.watching import MONDAY, Story, join, part, promise, wrong

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
LONG_AGO: Final = MONDAY - 28 * DAY
JOINED: Final = MONDAY + DAY
MEANWHILE: Final = JOINED + HOUR
PARTED: Final = JOINED + 2 * HOUR
KINDS: Final = ("acknowledge", "first_response", "investigate", "resolve")
STANDS: Final = ("runs", "waits", "broken", "silent", "kept", "late")
"""How a complaint's promises stand. `silent`: broken, and no alarm has rung yet. `kept` and `late`: all but the decision."""
DONE: Final = frozenset({"kept", "late"})


@pytest.fixture(autouse=True)
def _promised(database: Database) -> None:
    """Three days of eight office hours."""
    kinds = (*KINDS, "next_response")
    promise(database, S3=dict.fromkeys(kinds, (1440, "minutes")))


def began(stand: str, *, first: bool) -> datetime:
    return (MONDAY if stand in {"runs", "waits", "kept"} else LONG_AGO) + (0 if first else 3) * HOUR


def done(story: Story, at: datetime, *, acknowledged: bool = False) -> None:
    if not acknowledged:
        story.act("acknowledge", at, channel="PHONE")
    story.write("public_reply", at)
    with story.database.reader() as session:
        issues = [issue.id for issue in queries.issues_of(session, story.id)]
    found = [{"issue_id": issue_id, "finding": "The scan was missed.", "evidence": "Log."} for issue_id in issues]
    story.act("investigate", at, findings=found, root_cause="RC.HAND", fault="firm")


def story_of(database: Database, stand: str, *, first: bool, **more: Any) -> Regulated:
    start = began(stand, first=first)
    story = Regulated(database, start, **more)
    if stand == "waits":
        story.act("ask_customer", start + HOUR, message="Which?")
    elif stand == "broken":
        ring(story, JOINED - HOUR)
    elif stand in DONE:
        at = start + HOUR if stand == "kept" else start + 14 * DAY
        done(story, at)
        if more:
            story.fact("written_acknowledgement_sent", at)
    return story


def in_kind(stand: str, kind: str) -> str:
    """The decision was not made in any."""
    return {"kept": "runs", "late": "silent"}.get(stand, stand) if kind == "resolve" else stand


def stands(clock: Clock) -> tuple[Any, ...]:
    """All that a clock says of itself."""
    return clock.state, clock.started_at, clock.due_at, clock.remaining_seconds, clock.stopped_at, clock.elapsed_seconds


def all_stand(story: Story, at: datetime, *kinds: str) -> dict[str, tuple[Any, ...]]:
    """After the sweep has come by."""
    ring(story, at)
    return {kind: stands(story.clock(kind)) for kind in kinds}


def in_order(database: Database) -> None:
    assert wrong(database) == []
    with Session(database.engine) as session:
        checks = (*integrity_verification.CHECKS, *transition_verification.CHECKS)
        assert [f"{item.subject}: {item.detail}" for check in checks for item in check(session)] == []


CASES: Final = list(product(STANDS, STANDS, (True, False)))


@pytest.mark.parametrize(("mine", "theirs", "older"), CASES)
def test_promises_of_a_policy(database: Database, mine: str, theirs: str, older: bool) -> None:
    """`older`: the duplicate began before the survivor, of two that stand alike."""
    survivor, alone = (story_of(database, mine, first=not older) for _ in range(2))
    source, apart = (story_of(database, theirs, first=older) for _ in range(2))
    before = {kind: stands(survivor.clock(kind)) for kind in KINDS}
    own, other = began(mine, first=not older), began(theirs, first=older)
    join(source, survivor, JOINED)
    ring(survivor, JOINED)
    for kind in KINDS:
        clock, here, there = survivor.clock(kind), in_kind(mine, kind), in_kind(theirs, kind)
        brought_it = kind == "acknowledge" and there in DONE
        if here in DONE:
            assert stands(clock) == before[kind], kind
        elif here in {"broken", "silent"} and not brought_it:
            assert (clock.state, clock.started_at, clock.stopped_at) == ("breached", own, None), kind
        else:
            start = own if kind == "first_response" and there in DONE else min(own, other)
            over = start < MONDAY
            if brought_it:
                done_at = other + (HOUR if there == "kept" else 14 * DAY)
                expected: tuple[str, datetime | None] = ("breached" if over else "met", max(done_at, start))
            else:
                expected = ("breached" if over else "paused" if here == "waits" else "running", None)
            assert (clock.state, clock.stopped_at, clock.started_at) == (*expected, start), kind
    in_order(database)

    part(source, PARTED)
    assert all_stand(survivor, PARTED, *KINDS) == all_stand(alone, PARTED, *KINDS)
    if theirs != "waits":  # the time away is a wait, as one that there is goes on
        apart.act("ask_customer", JOINED, message="?")
        apart.act("resume", PARTED)
    assert all_stand(source, PARTED, *KINDS) == all_stand(apart, PARTED, *KINDS)
    in_order(database)


@pytest.mark.parametrize(("mine", "theirs", "older"), [case for case in CASES if case[0] not in DONE])
def test_what_was_done_while_they_were_one(database: Database, mine: str, theirs: str, older: bool) -> None:
    survivor, alone = (story_of(database, mine, first=not older) for _ in range(2))
    source = story_of(database, theirs, first=older)
    join(source, survivor, JOINED)
    done(survivor, MEANWHILE, acknowledged=theirs in DONE)
    done(alone, MEANWHILE)
    part(source, PARTED)
    kinds = [kind for kind in KINDS if kind != "acknowledge" or theirs not in DONE]
    assert all_stand(survivor, PARTED, *kinds) == all_stand(alone, PARTED, *kinds)
    in_order(database)


ASKED: Final = ("nothing", "asked", "overdue", "answered")


def asking(database: Database, asked: str, *, first: bool) -> Story:
    start = (MONDAY if asked != "overdue" else LONG_AGO) + (0 if first else 3) * HOUR
    story = Story(database, start)
    story.write("public_reply", start)
    if asked != "nothing":
        story.write("inbound", start + HOUR)
    if asked == "answered":
        story.write("public_reply", start + 2 * HOUR)
    return story


@pytest.mark.parametrize(("mine", "theirs", "older"), list(product(ASKED, ASKED, (True, False))))
def test_a_message_that_waits_for_an_answer(database: Database, mine: str, theirs: str, older: bool) -> None:
    survivor, alone = (asking(database, mine, first=not older) for _ in range(2))
    source = asking(database, theirs, first=older)
    waiting = {"asked", "overdue"}
    starts = [
        clock.started_at
        for story, asked in ((survivor, mine), (source, theirs))
        for clock in story.clocks("next_response")
        if asked in waiting
    ]
    join(source, survivor, JOINED)
    ring(survivor, JOINED)
    still = [clock for clock in survivor.clocks("next_response") if clock.stopped_at is None]
    if not starts:
        assert still == []
    else:
        (clock,) = still
        start = survivor.clocks("next_response")[-1].started_at if mine == "overdue" else min(starts)
        assert (clock.started_at, clock.state) == (start, "breached" if start < MONDAY else "running")
    in_order(database)
    part(source, PARTED)
    for story in (survivor, alone):
        ring(story, PARTED)
    owed = [stands(clock) for clock in survivor.clocks("next_response") if clock.stopped_at is None]
    assert owed == [stands(clock) for clock in alone.clocks("next_response") if clock.stopped_at is None]
    for clock in source.clocks("next_response"):
        assert (clock.stopped_at is None) == (theirs in waiting)
    in_order(database)


RULES: Final = ("uk.fca.ack", "uk.fca.src", "uk.fca.final")


@pytest.mark.parametrize(("mine", "theirs", "older"), CASES)
def test_regulators_follow_the_facts_of_both(database: Database, mine: str, theirs: str, older: bool) -> None:
    survivor, alone = (story_of(database, mine, first=not older, **FINANCIAL) for _ in range(2))
    source, apart = (story_of(database, theirs, first=older, **FINANCIAL) for _ in range(2))
    starts = {survivor: began(mine, first=not older), source: began(theirs, first=older)}
    join(source, survivor, JOINED)
    ring(survivor, JOINED)
    stops = [
        starts[story] + (HOUR if stand == "kept" else 14 * DAY)
        for story, stand in ((survivor, mine), (source, theirs))
        if stand in DONE
    ]
    start = min(starts.values())
    clock = survivor.clock("uk.fca.ack")
    assert clock.due_at is not None
    stop = min((at for at in stops if at >= start), default=None)
    assert (clock.started_at, clock.stopped_at) == (start, stop)
    over = (stop or JOINED) > clock.due_at
    assert clock.state == ("breached" if over else "running" if stop is None else "met")
    in_order(database)
    part(source, PARTED)
    assert all_stand(survivor, PARTED, *RULES) == all_stand(alone, PARTED, *RULES)
    assert all_stand(source, PARTED, *RULES) == all_stand(apart, PARTED, *RULES)
    in_order(database)


def test_the_notice_of_a_merge_answers_nobody(database: Database) -> None:
    """Nobody has written it: what was owed on either is owed on, and so is what is parted again."""
    source, survivor = Story(database, MONDAY), Story(database, MONDAY + 3 * HOUR)
    asked = source.write("inbound", MONDAY + HOUR)
    join(source, survivor, JOINED, silent=False)
    assert {clock.state for kind in ("first_response", "next_response") for clock in source.clocks(kind)} == {
        "cancelled"
    }
    assert (survivor.clock("first_response").state, survivor.clock("first_response").started_at) == ("running", MONDAY)
    (clock,) = survivor.clocks("next_response")
    assert (clock.state, clock.subject_id) == ("running", asked)
    in_order(database)
    part(source, PARTED, silent=False)
    assert survivor.clock("first_response").started_at == MONDAY + 3 * HOUR
    for kind in ("first_response", "next_response"):
        assert [clock.state for clock in source.clocks(kind)] == ["running"]
    in_order(database)


def test_of_several_the_first_response_counts_from_the_oldest_that_was_not_answered(database: Database) -> None:
    answered, a, b, survivor = (Story(database, MONDAY + number * HOUR) for number in range(4))
    answered.write("public_reply", MONDAY + HOUR)
    for source in (b, answered, a):
        join(source, survivor, JOINED)
    assert survivor.clock("first_response").started_at == MONDAY + HOUR
    assert survivor.clock("resolve").started_at == MONDAY
    part(a, PARTED)
    assert survivor.clock("first_response").started_at == MONDAY + 2 * HOUR
    part(answered, PARTED)
    assert survivor.clock("first_response").started_at == MONDAY + 2 * HOUR
    part(b, PARTED + HOUR)
    assert survivor.clock("first_response").started_at == MONDAY + 3 * HOUR
    in_order(database)


def test_a_regulator_of_the_duplicates_country_is_owed_by_the_survivor(database: Database) -> None:
    """Also after the facts were looked at again, and for as long as they are one."""
    source, survivor = Regulated(database, MONDAY, **FINANCIAL), Regulated(database, MONDAY, **MORTGAGE)
    due = source.clock("uk.fca.final").due_at
    theirs = {clock for clock in survivor.kinds("running") if clock.startswith("us.")}
    join(source, survivor, JOINED)
    survivor.fact("provisional_credit_posted", MEANWHILE)
    assert (survivor.clock("uk.fca.final").state, survivor.clock("uk.fca.final").due_at) == ("running", due)
    assert theirs <= survivor.kinds("running")
    survivor.decide("uk.fca.src", MEANWHILE, applies=False)
    assert survivor.clock("uk.fca.src").state == "cancelled"
    part(source, PARTED)
    assert survivor.clock("uk.fca.final").state == "cancelled"
    assert theirs <= survivor.kinds("running")
    in_order(database)


def test_a_fact_that_was_recorded_meanwhile_stays_and_is_listed(database: Database) -> None:
    """It is the survivor's; recorded on the other one with its time, it stops the clock there at that time."""
    source, survivor = Regulated(database, MONDAY, **FINANCIAL), Regulated(database, MONDAY)
    join(source, survivor, JOINED)
    fact_id = survivor.fact("final_response_sent", MEANWHILE)
    assert (survivor.clock("uk.fca.final").state, survivor.clock("uk.fca.final").stopped_at) == ("met", MEANWHILE)
    assert part(source, PARTED)["stayed"]["facts"] == [str(fact_id)]
    assert source.clock("uk.fca.final").stopped_at is None
    source.fact("final_response_sent", PARTED, so_at=MEANWHILE)
    assert (source.clock("uk.fca.final").state, source.clock("uk.fca.final").stopped_at) == ("met", MEANWHILE)
    in_order(database)
