"""A merge that is undone after the survivor was closed and reopened.

The survivor is held against one that never met the duplicate, round by round. How it can fail: the round that was over keeps the
duplicate's start, and what was broken by that alone stays broken; what goes on from that round counts from there (`on_reopen: continue`);
of several merges the one that is left loses its start, or brings it to what it never met; an acknowledgement of the duplicate's is the
survivor's for ever; the audit of the clocks does not see it.
"""

from datetime import timedelta
from itertools import product
from typing import Any, Final

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from helpdesk.complaints import queries
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import integrity_verification
from helpdesk.sla.models import Clock
from tests.conftest import Caller
from tests.sla.climbing import ring
from tests.sla.regulated import DECISION
from tests.sla.test_merge_table import DAY, DONE, HOUR, JOINED, KINDS, STANDS, began, done, in_order, story_of
from tests.sla.watching import LETTER, Story, join, part, promise

CLOSED: Final = JOINED + HOUR
REOPENED: Final = JOINED + 2 * HOUR
PARTED: Final = JOINED + 4 * HOUR


def promised(database: Database, on_reopen: str) -> None:
    """Three days of eight office hours."""
    target = {"amount": 1440, "unit": "minutes", "on_reopen": on_reopen}
    promise(database, S3=dict.fromkeys((*KINDS, "next_response"), target))


def close(story: Story, by: str, at: Any = CLOSED) -> None:
    if by == "withdraw":
        story.act("withdraw", at, reason="x")
        return
    with story.database.reader() as session:
        issues = [issue.id for issue in queries.issues_of(session, story.id)]
        investigated = queries.get_one(session, story.id).status == "investigated"
    if not investigated:
        found = [{"issue_id": each, "finding": "The scan was missed.", "evidence": "Log."} for each in issues]
        story.act("investigate", at, findings=found, root_cause="RC.HAND", fault="firm")
    decision = {**DECISION, "outcomes": [{"issue_id": each, "outcome": "upheld"} for each in issues], "letter": LETTER}
    story.act("resolve", at, **decision)


def stands(clock: Clock) -> tuple[Any, ...]:
    return (
        *(clock.state, clock.started_at, clock.due_at, clock.remaining_seconds),
        *(clock.stopped_at, clock.elapsed_seconds, clock.pauses, clock.carried, clock.breached_at),
    )


def all_stand(story: Story, at: Any, *kinds: str) -> dict[tuple[str, int], tuple[Any, ...]]:
    """Of every round, after the sweep has come by."""
    ring(story, at)
    return {(kind, clock.round): stands(clock) for kind in kinds for clock in story.clocks(kind)}


CASES: Final = [
    (on_reopen, by, mine, theirs)
    for number, (mine, theirs) in enumerate(product(("runs", "waits", "broken", "kept"), STANDS))
    for on_reopen in ("restart", "continue")
    for by in (("withdraw", "resolve")[(number + (on_reopen == "restart")) % 2],)
]


@pytest.mark.parametrize(("on_reopen", "by", "mine", "theirs"), CASES)
def test_every_round_is_as_if_they_had_never_met(
    database: Database, on_reopen: str, by: str, mine: str, theirs: str
) -> None:
    promised(database, on_reopen)
    survivor, alone = (story_of(database, mine, first=False) for _ in range(2))
    source = story_of(database, theirs, first=True)
    join(source, survivor, JOINED)
    for story in (survivor, alone):
        ring(story, CLOSED)
        close(story, by)
        story.act("reopen", REOPENED, reason="It did not come.")
        ring(story, REOPENED + HOUR)
    part(source, PARTED)
    kinds = [kind for kind in KINDS if kind != "acknowledge" or by == "withdraw" or theirs not in DONE]
    assert all_stand(survivor, PARTED, *kinds) == all_stand(alone, PARTED, *kinds)
    in_order(database)


@pytest.mark.parametrize("on_reopen", ["restart", "continue"])
def test_what_was_done_in_the_round_after_was_done(database: Database, on_reopen: str) -> None:
    promised(database, on_reopen)
    survivor, alone = (story_of(database, "runs", first=False) for _ in range(2))
    source = story_of(database, "silent", first=True)
    join(source, survivor, JOINED)
    for story in (survivor, alone):
        close(story, "withdraw")
        story.act("reopen", REOPENED, reason="It did not come.")
        done(story, REOPENED + HOUR)
    part(source, PARTED)
    assert all_stand(survivor, PARTED, *KINDS) == all_stand(alone, PARTED, *KINDS)
    in_order(database)


def test_over_several_rounds(database: Database) -> None:
    """Each goes on from the one before."""
    promised(database, "continue")
    survivor, alone = (story_of(database, "runs", first=False) for _ in range(2))
    source = story_of(database, "silent", first=True)
    join(source, survivor, JOINED)
    for story in (survivor, alone):
        for number in range(3):
            at = CLOSED + number * DAY
            story.act("withdraw", at, reason="x")
            story.act("reopen", at + HOUR, reason="x")
    part(source, PARTED + 3 * DAY)
    assert all_stand(survivor, PARTED + 3 * DAY, *KINDS) == all_stand(alone, PARTED + 3 * DAY, *KINDS)
    in_order(database)


@pytest.mark.parametrize("first_parted", ["first", "second"])
@pytest.mark.parametrize("joins", ["before", "after"])
def test_of_two_merges_the_other_one_is_left(database: Database, first_parted: str, joins: str) -> None:
    """The second is merged before the survivor is closed, or after it was reopened."""
    promised(database, "continue")
    survivor, alone, with_one = (story_of(database, "runs", first=False) for _ in range(3))
    first, second, like = (story_of(database, "silent", first=True) for _ in range(3))
    second_at = JOINED if joins == "before" else REOPENED + HOUR
    join(first, survivor, JOINED)
    if joins == "before":
        join(second, survivor, second_at)
    if first_parted == "second" or joins == "before":
        join(like, with_one, JOINED)
    for story in (survivor, alone, with_one):
        close(story, "withdraw")
        story.act("reopen", REOPENED, reason="It did not come.")
    if joins == "after":
        join(second, survivor, second_at)
        if first_parted == "first":
            join(like, with_one, second_at)
    here, there = (first, second) if first_parted == "first" else (second, first)
    part(here, PARTED)
    assert all_stand(survivor, PARTED, *KINDS) == all_stand(with_one, PARTED, *KINDS)
    in_order(database)
    part(there, PARTED + HOUR)
    assert all_stand(survivor, PARTED + HOUR, *KINDS) == all_stand(alone, PARTED + HOUR, *KINDS)
    in_order(database)


def test_what_began_while_they_were_one(database: Database) -> None:
    """A promise that was none when they were merged begins where the older of the two did."""
    promise(database, S3={"resolve": (1440, "minutes")})
    survivor, alone = (story_of(database, "runs", first=False) for _ in range(2))
    source = story_of(database, "silent", first=True)
    join(source, survivor, JOINED)
    promised(database, "restart")
    for story in (survivor, alone):
        story.triage(CLOSED, "S1")
        story.triage(CLOSED, "S3")
    assert survivor.clock("investigate").started_at == began("silent", first=True)
    part(source, PARTED)
    kinds = [kind for kind in KINDS if kind != "acknowledge"]
    assert all_stand(survivor, PARTED, *kinds) == all_stand(alone, PARTED, *kinds)
    in_order(database)


def test_what_was_done_before_another_came_is_not_broken_by_it(database: Database) -> None:
    promised(database, "restart")
    survivor = story_of(database, "runs", first=False)
    first, second = (story_of(database, stand, first=True) for stand in ("runs", "silent"))
    join(first, survivor, JOINED)
    done(survivor, JOINED + HOUR)
    join(second, survivor, JOINED + 2 * HOUR)
    part(first, PARTED)
    for kind in ("acknowledge", "first_response", "investigate"):
        assert (survivor.clock(kind).state, survivor.clock(kind).started_at) == ("met", began("runs", first=False))
    in_order(database)


def test_the_explanation_names_the_merge_in_the_round_after(database: Database, senior: Caller) -> None:
    promised(database, "continue")
    survivor = story_of(database, "runs", first=False)
    source = story_of(database, "runs", first=True)
    join(source, survivor, JOINED)
    close(survivor, "withdraw")
    survivor.act("reopen", REOPENED, reason="It did not come.")
    path = f"/complaints/{survivor.id}/clocks/{survivor.clock('resolve', 2).id}/explain"
    found = senior.get(path).json["joined"]
    assert (found["own_start"], len(found["with"])) == (f"{began('runs', first=False):%Y-%m-%dT%H:%M:%SZ}", 1)
    part(source, PARTED)
    assert senior.get(path).json["joined"] is None


@pytest.mark.parametrize("round_", [1, 2])
def test_the_audit_sees_a_start_that_nobody_brought(database: Database, round_: int) -> None:
    promised(database, "continue")
    survivor = story_of(database, "runs", first=False)
    source = story_of(database, "runs", first=True)
    join(source, survivor, JOINED)
    close(survivor, "withdraw")
    survivor.act("reopen", REOPENED, reason="It did not come.")
    part(source, PARTED)
    clock = survivor.clock("investigate", round_)
    with Session(database.engine) as session:
        moved = {"started_at": clock.started_at - timedelta(days=1)}
        session.execute(update(Clock).where(Clock.id == clock.id).values(moved))
        session.commit()
    with Session(database.engine) as session:
        found = [item.detail for check in integrity_verification.CHECKS for item in check(session)]
    assert any("began at" in each for each in found)
