"""Regulators' clocks of a survivor when the merge is undone: what only the duplicate's facts had started is gone, also where it was kept.

How it can fail: what was kept by the duplicate's acknowledgement stays kept on both; what the survivor had kept by itself is lost with it;
one merge that is left does not count any more; the audit of the clocks does not see it.
"""

from typing import Final

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import integrity_verification
from helpdesk.sla.models import Clock
from tests.sla.regulated import DAY, FINANCIAL, HOUSING, Regulated
from tests.sla.test_merge_table import in_order, stands
from tests.sla.watching import MONDAY, join, part

ACK: Final = "uk.housing.ack"
STAGE_1: Final = "uk.housing.s1"
JOINED: Final = MONDAY + 7 * DAY


def counted(story: Regulated) -> dict[str, str]:
    """Of its clocks by rules of social housing those that are not cancelled."""
    states = ("running", "met", "breached")
    return {kind: state for state in states for kind in story.kinds(state) if kind.startswith("uk.housing")}


def test_what_the_duplicates_acknowledgement_had_started_is_gone(database: Database) -> None:
    survivor, alone = (Regulated(database, **HOUSING) for _ in range(2))
    source = Regulated(database, **HOUSING)
    for story in (survivor, alone):
        story.fact("stage1_response_sent", MONDAY + 6 * DAY)
    source.fact("acknowledgement_sent", MONDAY + 2 * DAY)
    join(source, survivor, JOINED)
    assert counted(survivor)[STAGE_1] == "met"
    part(source, JOINED + DAY)
    assert counted(survivor) == counted(alone)
    assert STAGE_1 not in counted(survivor)
    assert counted(source)[STAGE_1] == "running"
    in_order(database)


@pytest.mark.parametrize("reopened", [False, True])
def test_what_was_kept_of_the_duplicates_sector_is_gone(database: Database, reopened: bool) -> None:
    """Also in a round that is over."""
    survivor, source = Regulated(database, **FINANCIAL), Regulated(database, **HOUSING)
    source.fact("acknowledgement_sent", MONDAY + 2 * DAY)
    join(source, survivor, JOINED)
    survivor.fact("stage1_response_sent", JOINED + DAY)
    assert (counted(survivor)[ACK], counted(survivor)[STAGE_1]) == ("met", "met")
    if reopened:
        survivor.act("withdraw", JOINED + 2 * DAY, reason="x")
        survivor.act("reopen", JOINED + 3 * DAY, reason="x")
    part(source, JOINED + 4 * DAY)
    assert counted(survivor) == {}
    assert (counted(source)[ACK], counted(source)[STAGE_1]) == ("met", "running")
    in_order(database)


def test_what_the_survivor_had_kept_stays(database: Database) -> None:
    """By its facts, or by a sector that it had then; and so does what another duplicate brings."""
    survivor = Regulated(database, **HOUSING)
    survivor.fact("acknowledgement_sent", MONDAY + DAY)
    survivor.edit(MONDAY + 2 * DAY, sector="financial")
    assert counted(survivor)[ACK] == "met"
    first, second = (Regulated(database, **HOUSING) for _ in range(2))
    for source in (first, second):
        source.fact("acknowledgement_sent", MONDAY + 3 * DAY)
        join(source, survivor, JOINED)
    survivor.fact("stage1_response_sent", JOINED + DAY)
    part(first, JOINED + 2 * DAY)
    assert (counted(survivor)[ACK], counted(survivor)[STAGE_1]) == ("met", "met")
    part(second, JOINED + 3 * DAY)
    assert counted(survivor) == {ACK: "met"}
    in_order(database)


def told(story: Regulated) -> list[tuple[object, ...]]:
    """But for what was never owed in the end."""
    with Session(story.database.engine) as session:
        mine = select(Clock).where(
            Clock.complaint_id == story.id, Clock.rule_id.is_not(None), Clock.state != "cancelled"
        )
        return [(clock.kind, *stands(clock)) for clock in session.scalars(mine.order_by(Clock.kind, Clock.round))]


@pytest.mark.parametrize("reopened", [False, True])
def test_an_inquiry_keeps_nothing_of_the_duplicates(database: Database, reopened: bool) -> None:
    survivor, alone = (Regulated(database) for _ in range(2))
    source = Regulated(database, **HOUSING)
    source.fact("acknowledgement_sent", MONDAY + 2 * DAY)
    join(source, survivor, JOINED)
    assert counted(survivor)[ACK] == "met"
    for story in (survivor, alone):
        if reopened:
            story.act("withdraw", JOINED + DAY, reason="x")
            story.act("reopen", JOINED + DAY, reason="x")
        story.act("convert", JOINED + 2 * DAY, record_type="inquiry", reason="A question.")
    part(source, JOINED + 3 * DAY)
    assert counted(survivor) == counted(alone) == {}
    in_order(database)


@pytest.mark.parametrize("acknowledged", [True, False])
def test_an_inquiry_keeps_what_it_had_kept_by_itself(database: Database, acknowledged: bool) -> None:
    survivor, alone = (Regulated(database, **HOUSING) for _ in range(2))
    source = Regulated(database, MONDAY - DAY, **HOUSING)
    source.fact("acknowledgement_sent", MONDAY + DAY)
    for story in (survivor, alone) if acknowledged else ():
        story.fact("acknowledgement_sent", MONDAY + 2 * DAY)
    join(source, survivor, JOINED)
    for story in (survivor, alone):
        story.act("convert", JOINED + DAY, record_type="inquiry", reason="A question.")
    part(source, JOINED + 2 * DAY)
    assert told(survivor) == told(alone)
    assert counted(survivor).get(ACK) == ("met" if acknowledged else "breached")
    in_order(database)


@pytest.mark.parametrize("theirs", [{}, HOUSING])
@pytest.mark.parametrize("since", [16, 1])
@pytest.mark.parametrize("again", [True, False])
@pytest.mark.parametrize("jurisdiction", ["DE", None])
def test_what_it_had_kept_before_it_came_under_another_jurisdiction(
    database: Database, theirs: dict[str, str], since: int, again: bool, jurisdiction: str | None
) -> None:
    """By its own start, whether that of the duplicate had broken it or not."""
    survivor, alone = (Regulated(database, **HOUSING) for _ in range(2))
    for story in (survivor, alone):
        story.fact("acknowledgement_sent", MONDAY + DAY)
    source = Regulated(database, MONDAY - since * DAY, **theirs)
    join(source, survivor, JOINED)
    assert survivor.clock(ACK).started_at == MONDAY - since * DAY
    for story in (survivor, alone):
        story.edit(JOINED + DAY, jurisdiction=jurisdiction)
    if again:
        other = Regulated(database, MONDAY)
        join(other, survivor, JOINED + DAY)
    part(source, JOINED + 2 * DAY)
    assert told(survivor) == told(alone)
    assert counted(survivor) == {ACK: "met"}
    in_order(database)


@pytest.mark.parametrize("acknowledged", [True, False])
def test_one_that_is_of_no_jurisdiction_any_more(database: Database, acknowledged: bool) -> None:
    """It had the duplicate's regulator beside its own, and has neither then."""
    survivor, alone = (Regulated(database, **FINANCIAL) for _ in range(2))
    source = Regulated(database, MONDAY - DAY, **HOUSING)
    source.fact("acknowledgement_sent", MONDAY + DAY)
    for story in (survivor, alone) if acknowledged else ():
        story.fact("acknowledgement_sent", MONDAY + 2 * DAY)
    join(source, survivor, JOINED)
    assert ACK in counted(survivor)
    for story in (survivor, alone):
        story.edit(JOINED + DAY, jurisdiction=None)
    part(source, JOINED + 2 * DAY)
    assert told(survivor) == told(alone)
    assert counted(survivor) == {}
    assert counted(source)[ACK] == "met"
    in_order(database)


def test_the_audit_sees_what_was_kept_for_no_reason(database: Database) -> None:
    survivor, source = Regulated(database, **HOUSING), Regulated(database, **HOUSING)
    source.fact("acknowledgement_sent", MONDAY + 2 * DAY)
    survivor.fact("stage1_response_sent", MONDAY + 6 * DAY)
    join(source, survivor, JOINED)
    kept = survivor.clock(STAGE_1)
    part(source, JOINED + DAY)
    with Session(database.engine) as session:
        again = "UPDATE sla_clock SET state = 'met', stopped_at = :at, elapsed_seconds = 1 WHERE id = :id"
        session.execute(text(again), {"at": kept.stopped_at, "id": kept.id})
        session.commit()
    with Session(database.engine) as session:
        found = [item.detail for check in integrity_verification.CHECKS for item in check(session)]
    assert any("a merge that was undone had started it" in each for each in found)
