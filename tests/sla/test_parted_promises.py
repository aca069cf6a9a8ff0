"""A merge is undone after the survivor was promised something else meanwhile, while the merge had its clocks broken.

The survivor is held against one that never met the duplicate. How it can fail: it goes by the severity, the policy or the version of
before; what it had broken by itself is mended by what came later; a round that is over keeps the wrong verdict; the severity of the
duplicate breaks what is the survivor's; the audit of the clocks does not see it.
"""

from datetime import timedelta
from typing import Any, Final

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from helpdesk.complaints import queries as complaints
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import integrity_verification, policies_in_force, queries, recomputing, regime_in_force
from tests.sla.climbing import ring
from tests.sla.test_merge_table import in_order
from tests.sla.test_reopened_survivors import close, stands
from tests.sla.watching import MONDAY, Story, join, make_policy, part, promise, tagged, when

MINUTE: Final = timedelta(minutes=1)
START: Final = MONDAY + 60 * MINUTE
"""Of the survivor; the duplicate's is an hour before."""
JOINED: Final = MONDAY + 150 * MINUTE
"""The duplicate's promise was broken after 140 minutes."""
MEANWHILE: Final = JOINED + 2 * MINUTE
PARTED: Final = JOINED + 4 * MINUTE
KINDS: Final = ("investigate", "resolve")


@pytest.fixture(autouse=True)
def _promised(database: Database) -> None:
    targets = {"S1": 70, "S3": 140, "S5": 210}
    promise(database, **{severity: dict.fromkeys(KINDS, (minutes, "minutes")) for severity, minutes in targets.items()})


def three(database: Database) -> tuple[Story, Story, Story]:
    """The duplicate, the survivor, and one like it; the first two are one, and broken."""
    source, survivor, alone = Story(database, MONDAY), Story(database, START), Story(database, START)
    join(source, survivor, JOINED)
    ring(survivor, JOINED)
    assert survivor.clock("resolve").state == "breached"
    return source, survivor, alone


def alike(survivor: Story, alone: Story, at: Any) -> bool:
    for story in (survivor, alone):
        ring(story, at)
    mine, other = (
        [
            (clock.kind, clock.round, clock.severity, clock.policy_id, clock.target_amount, *stands(clock))
            for kind in KINDS
            for clock in story.clocks(kind)
        ]
        for story in (survivor, alone)
    )
    assert mine == other
    return True


@pytest.mark.parametrize("severities", [["S1"], ["S5"], ["S5", "S3"], ["S1", "S5"], ["S5", "S1"]])
def test_another_severity(database: Database, severities: list[str]) -> None:
    source, survivor, alone = three(database)
    for place, severity in enumerate(severities):
        for story in (survivor, alone):
            story.triage(MEANWHILE + place * MINUTE, severity)
            ring(story, MEANWHILE + place * MINUTE)
    part(source, PARTED)
    if severities[0] == "S1":
        assert survivor.clock("resolve").state == "breached"  # at once, with no alarm that comes by
    assert alike(survivor, alone, PARTED)
    in_order(database)


@pytest.mark.parametrize("at", [130, 150])
def test_what_it_had_broken_by_itself_stays_broken(database: Database, at: int) -> None:
    """A milder severity came before that, or after it."""
    source, survivor, alone = three(database)
    for story in (survivor, alone):
        story.triage(START + at * MINUTE, "S5")
    part(source, START + 160 * MINUTE)
    assert alone.clock("resolve").state == ("running" if at == 130 else "breached")
    assert alike(survivor, alone, START + 160 * MINUTE)
    in_order(database)


@pytest.mark.parametrize(("severity", "waiting"), [("S1", False), ("S5", False), ("S5", True)])
def test_a_round_that_is_over(database: Database, severity: str, waiting: bool) -> None:
    source, survivor, alone = three(database)
    for story in (survivor, alone):
        if waiting:
            story.act("ask_customer", MEANWHILE - MINUTE, message="Which?")
        story.triage(MEANWHILE, severity)
        close(story, "resolve", PARTED)
        story.act("reopen", PARTED + MINUTE, reason="Again.")
        story.triage(PARTED + 2 * MINUTE, "S3")
    part(source, PARTED + 3 * MINUTE)
    assert {clock.state for kind in KINDS for clock in alone.clocks(kind) if clock.round == 1} == {
        "breached" if severity == "S1" else "met"
    }
    assert alike(survivor, alone, PARTED + 3 * MINUTE)
    in_order(database)


@pytest.mark.parametrize(("minutes", "state"), [(60, "breached"), (145, "running")])
def test_another_version_of_the_policy(database: Database, minutes: int, state: str) -> None:
    source, survivor, alone = three(database)
    promise(database, S3=dict.fromkeys(KINDS, (minutes, "minutes")))
    for story in (survivor, alone):
        follow(database, story, MEANWHILE)
    part(source, PARTED)
    assert alone.clock("resolve").target_amount == minutes
    assert alike(survivor, alone, PARTED)
    assert survivor.clock("resolve").state == state
    in_order(database)


def follow(database: Database, story: Story, at: Any) -> None:
    """As the job of an edit does."""
    with database.unit_of_work(SYSTEM, now=at) as uow:
        complaint = complaints.complaint_by_id_for_update(uow.session, story.id)
        uow.know_stream(complaint)
        found = queries.clocks_at_hand(uow.session, story.id, complaint.round)
        policies, regimes = policies_in_force.in_force(uow.session), regime_in_force.in_force(uow.session)
        recomputing.follow(uow, complaint, found, policies, regimes)


@pytest.mark.parametrize("back", [False, True])
def test_a_tag_brings_another_policy(database: Database, back: bool) -> None:
    targets = {severity: {kind: [60, "minutes"] for kind in KINDS} for severity in ("S1", "S3", "S5")}
    make_policy(database, "Urgent", targets=targets, condition=when("tags", "urgent", "contains"), position=1)
    source, survivor, alone = three(database)
    for story in (survivor, alone):
        tagged(story, MEANWHILE, "urgent")
        if back:
            tagged(story, MEANWHILE + MINUTE, "urgent", off=True)
    part(source, PARTED)
    assert survivor.clock("resolve").state == "breached"
    assert alike(survivor, alone, PARTED)
    in_order(database)


def test_the_severity_that_the_duplicate_brought_breaks_nothing(database: Database) -> None:
    survivor, alone = Story(database, START), Story(database, START)
    source = Story(database, START + MINUTE)
    source.triage(START + 2 * MINUTE, "S1")
    join(source, survivor, START + 10 * MINUTE)
    ring(survivor, START + 80 * MINUTE)
    assert (survivor.clock("resolve").severity, survivor.clock("resolve").state) == ("S1", "breached")
    part(source, START + 81 * MINUTE)
    assert alike(survivor, alone, START + 81 * MINUTE)
    in_order(database)


def test_of_two_merges_the_other_one_is_left(database: Database) -> None:
    source, survivor, alone = three(database)
    other = Story(database, START + MINUTE)
    join(other, survivor, JOINED + MINUTE)
    for story in (survivor, alone):
        story.triage(MEANWHILE, "S5")
    part(source, PARTED)
    assert alike(survivor, alone, PARTED)
    part(other, PARTED + MINUTE)
    assert alike(survivor, alone, PARTED + MINUTE)
    in_order(database)


@pytest.mark.parametrize("round_", [1, 2])
def test_the_audit_sees_what_goes_by_another_promise(database: Database, round_: int) -> None:
    source, survivor, _ = three(database)
    survivor.triage(MEANWHILE, "S1")
    if round_ == 2:
        close(survivor, "resolve", PARTED)
        survivor.act("reopen", PARTED + MINUTE, reason="Again.")
    part(source, PARTED + 2 * MINUTE)
    in_order(database)
    with Session(database.engine) as session:
        back = "UPDATE sla_clock SET severity = 'S3', target_amount = 140 WHERE id = :id"
        session.execute(text(back), {"id": survivor.clock("resolve").id})
        session.commit()
    with Session(database.engine) as session:
        found = [item.detail for check in integrity_verification.CHECKS for item in check(session)]
    assert any("should by 70 minutes for S1" in each for each in found)
