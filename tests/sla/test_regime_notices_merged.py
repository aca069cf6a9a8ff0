"""Notices that moved a regulator's deadline, when two complaints are one.

How it can fail: the extension that one of the two was given is lost, or both are added up; a notice moves what was over when it was
given; undone, one of the two keeps the other's; the explanation does not know the notice; what was done in the time that a notice
gave is late.
"""

from typing import Any, Final

import pytest

from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla.models import Clock
from helpdesk.sla.regime_rules import notice_kind
from tests.conftest import Caller
from tests.sla.climbing import ring
from tests.sla.regulated import DAY, Regulated
from tests.sla.test_merge_table import in_order
from tests.sla.watching import MONDAY, join, part

PAYMENTS: Final[dict[str, Any]] = {"jurisdiction": "GB", "sector": "payments"}
KIND: Final = "uk.fca.psd.15"
LETTER: Final = notice_kind(KIND, 1)
LATER: Final = MONDAY + 2 * DAY
NOTICE: Final = MONDAY + 3 * DAY
JOINED: Final = MONDAY + 4 * DAY


def stands(clock: Clock) -> tuple[Any, ...]:
    return clock.state, clock.started_at, clock.due_at, clock.extensions, clock.target_amount, clock.stopped_at


def two(database: Database, older: str) -> tuple[Regulated, Regulated]:
    """The duplicate and the survivor."""
    first, second = Regulated(database, MONDAY, **PAYMENTS), Regulated(database, LATER, **PAYMENTS)
    return (first, second) if older == "source" else (second, first)


@pytest.mark.parametrize("older", ["source", "survivor"])
@pytest.mark.parametrize("extended", ["source", "survivor", "both"])
def test_a_notice_is_a_fact_of_both(database: Database, older: str, extended: str) -> None:
    source, survivor = two(database, older)
    whole = Regulated(database, MONDAY, **PAYMENTS)
    whole.extend(KIND, NOTICE)
    for name, story in (("source", source), ("survivor", survivor)):
        if extended in {name, "both"}:
            story.extend(KIND, NOTICE)
    before = [stands(story.clock(KIND)) for story in (source, survivor)]
    join(source, survivor, JOINED)
    assert stands(survivor.clock(KIND)) == stands(whole.clock(KIND))
    in_order(database)
    survivor.fact("delay_letter_sent", JOINED)
    assert stands(survivor.clock(KIND)) == stands(whole.clock(KIND))
    part(source, JOINED + DAY)
    assert [stands(story.clock(KIND)) for story in (source, survivor)] == before
    in_order(database)


def test_what_was_given_while_they_were_one_stays_with_the_survivor(database: Database) -> None:
    source, survivor = two(database, "source")
    alone = Regulated(database, LATER, **PAYMENTS)
    join(source, survivor, NOTICE)
    for story in (survivor, alone):
        story.extend(KIND, JOINED)
    part(source, JOINED + DAY)
    assert stands(survivor.clock(KIND)) == stands(alone.clock(KIND))
    assert stands(survivor.clock(LETTER)) == stands(
        alone.clock(LETTER)
    )  # that it was sent in time is told by its own start too
    assert source.clock(KIND).extensions == 0
    in_order(database)


@pytest.mark.parametrize("rang", [True, False])
def test_one_that_came_after_the_older_deadline_moves_nothing(database: Database, rang: bool) -> None:
    survivor, source = Regulated(database, MONDAY, **PAYMENTS), Regulated(database, MONDAY + 14 * DAY, **PAYMENTS)
    due = survivor.clock(KIND).due_at
    assert due is not None
    if rang:
        ring(survivor, due + DAY)
    source.extend(KIND, due + DAY)
    join(source, survivor, due + 2 * DAY)
    ring(survivor, due + 2 * DAY)
    clock = survivor.clock(KIND)
    assert (clock.state, clock.extensions, clock.due_at) == ("breached", 0, due)
    in_order(database)


def test_what_was_done_in_the_time_that_a_notice_gave_is_in_time(database: Database) -> None:
    """The survivor had no such regulator: its clock begins with the merge, and has stopped by then."""
    source, survivor = Regulated(database, MONDAY, **PAYMENTS), Regulated(database, LATER)
    due = source.clock(KIND).due_at
    assert due is not None
    source.extend(KIND, NOTICE)
    source.fact("final_response_sent", due + DAY)
    join(source, survivor, due + 3 * DAY)
    clock = survivor.clock(KIND)
    assert (clock.state, clock.extensions, clock.stopped_at) == ("met", 1, due + DAY)
    in_order(database)


def test_the_second_one_counts_alone_when_the_first_goes(database: Database, senior: Caller) -> None:
    """The duplicate was given the first, and the two together the second, which is the survivor's first without it."""
    bank: dict[str, Any] = {"jurisdiction": "CN", "sector": "bank"}
    kind = "cn.bank.15"
    source, survivor = Regulated(database, MONDAY, **bank), Regulated(database, LATER, **bank)
    source.extend(kind, NOTICE)
    join(source, survivor, JOINED)
    survivor.extend(kind, JOINED + DAY)
    assert survivor.clock(kind).target_amount == 60
    part(source, JOINED + 2 * DAY)
    assert (survivor.clock(kind).extensions, survivor.clock(kind).target_amount) == (1, 30)
    assert survivor.clock(f"{kind}/notice.2").state == "met"
    in_order(database)
    survivor.extend(kind, JOINED + 3 * DAY)
    assert (survivor.clock(kind).extensions, survivor.clock(kind).target_amount) == (2, 60)
    assert survivor.clock(f"{kind}/notice.3").state == "met"
    survivor.fact("delay_letter_sent", JOINED + 4 * DAY)
    assert {survivor.clock(f"{kind}/notice.{number}").state for number in (2, 3)} == {"met"}
    found = senior.get(f"/complaints/{survivor.id}/clocks/{survivor.clock(kind).id}/explain").json
    assert "moved nothing" not in found["text"]
    in_order(database)


def test_the_explanation_tells_it(database: Database, senior: Caller) -> None:
    source, survivor = two(database, "source")
    source.extend(KIND, NOTICE)
    join(source, survivor, JOINED)
    found = senior.get(f"/complaints/{survivor.id}/clocks/{survivor.clock(KIND).id}/explain").json
    assert [item["number"] for item in found["extensions"]] == [1]
    assert f"The notice of {NOTICE:%Y-%m-%d} extended it" in found["text"]


def test_along_a_chain_the_oldest_counts_with_its_notice(database: Database) -> None:
    """Of what was merged into the duplicate before too, and for as long as that goes on in it."""
    oldest, middle, survivor = (Regulated(database, MONDAY + number * DAY, **PAYMENTS) for number in range(3))
    alone = Regulated(database, MONDAY + 2 * DAY, **PAYMENTS)
    whole = Regulated(database, MONDAY, **PAYMENTS)
    for story in (oldest, whole):
        story.extend(KIND, NOTICE)
    join(oldest, middle, JOINED)
    join(middle, survivor, JOINED + DAY)
    assert stands(survivor.clock(KIND)) == stands(whole.clock(KIND))
    in_order(database)
    part(middle, JOINED + 2 * DAY)
    assert stands(survivor.clock(KIND)) == stands(alone.clock(KIND))
    assert stands(middle.clock(KIND)) == stands(whole.clock(KIND))
    in_order(database)
