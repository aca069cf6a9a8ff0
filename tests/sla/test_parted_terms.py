"""By what a survivor's clocks go when a merge is undone that had made it more urgent, or another policy's.

The survivor is held against one that never met the duplicate. How it can fail: terms stay that only the duplicate brought, or what they
broke does; what a person set meanwhile does not count; a question, or a round, that began meanwhile keeps them; an edit of the policies
is held against them; what is no complaint any more is owed something again; the audit of the clocks does not see it.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import integrity_verification
from tests.sla.climbing import ring
from tests.sla.test_merge_table import in_order
from tests.sla.test_parted_promises import follow
from tests.sla.test_reopened_survivors import close, stands
from tests.sla.watching import MONDAY, Story, change_policy, join, make_policy, part, promise, tagged, when

MINUTE: Final = timedelta(minutes=1)
SAFEGUARDING: Final[dict[str, Any]] = {"needs": [{"flag": "safeguarding_concern", "consent": True}]}
"""Makes an S1 of a complaint, and of what it is merged into."""
USUAL: Final = {"acknowledge": 60, "first_response": 80, "next_response": 40, "investigate": 180, "resolve": 240}
SHARES: Final = {"S1": 0.25, "S2": 0.5, "S3": 1, "S4": 2, "S5": 4}


def targets(share: float = 1, *kinds: str, **more: Any) -> dict[str, Any]:
    return {
        severity: {
            kind: {"amount": int(minutes * share * of_severity), "unit": "minutes", **more}
            for kind, minutes in USUAL.items()
            if not kinds or kind in kinds
        }
        for severity, of_severity in SHARES.items()
    }


@pytest.fixture(autouse=True)
def _promised(database: Database) -> None:
    promise(database, **targets())


def key_policy(database: Database, **more: Any) -> Any:
    """For what carries the tag `key`: three fifths of the time."""
    condition = when("tags", "key", "contains")
    return make_policy(database, "Key", targets=targets(0.6, on_reopen="continue"), condition=condition, **more)


def two(database: Database, **more: Any) -> tuple[Story, Story]:
    """The survivor, and one like it."""
    return Story(database, **more), Story(database, **more)


def told(story: Story, at: datetime) -> list[tuple[Any, ...]]:
    """All its clocks, after the sweep has come by."""
    ring(story, at)
    return [
        (kind, clock.round, clock.severity, clock.policy_id, clock.target_amount, *stands(clock))
        for kind in USUAL
        for clock in story.clocks(kind)
    ]


def alike(survivor: Story, alone: Story, at: datetime) -> bool:
    assert told(survivor, at) == told(alone, at)
    return True


def after(minutes: int) -> datetime:
    """Since the survivor began."""
    return MONDAY + minutes * MINUTE


def urgent(database: Database, minutes: int, survivor: Story, **more: Any) -> Story:
    """A duplicate that makes an S1 of the survivor, merged into it after so many minutes."""
    source = Story(database, after(minutes), **SAFEGUARDING, **more)
    join(source, survivor, after(minutes))
    ring(survivor, after(minutes))
    return source


def test_an_inquiry_is_owed_nothing(database: Database) -> None:
    survivor, alone = two(database)
    source = Story(database, after(9))
    join(source, survivor, after(10))
    for story in (survivor, alone):
        story.act("convert", after(11), record_type="inquiry", reason="A question.")
    part(source, after(12))
    assert {clock.state for kind in USUAL for clock in survivor.clocks(kind)} == {"cancelled"}
    assert alike(survivor, alone, after(12))
    in_order(database)


@pytest.mark.parametrize("older", [True, False])
def test_an_inquiry_that_the_duplicate_had_acknowledged_owes_no_acknowledgement(
    database: Database, older: bool
) -> None:
    survivor, alone = (Story(database, after(10)) for _ in range(2))
    source = Story(database, after(0 if older else 12))
    source.act("acknowledge", after(13), channel="PHONE")
    join(source, survivor, after(14))
    for story in (survivor, alone):
        story.act("convert", after(15), record_type="inquiry", reason="A question.")
    part(source, after(90))
    assert alike(survivor, alone, after(90))
    in_order(database)


@pytest.mark.parametrize("rang", [True, False])
@pytest.mark.parametrize("severities", [["S2"], ["S4"], ["S4", "S3"], ["S2", "S4"]])
def test_a_severity_that_a_person_set(database: Database, severities: list[str], rang: bool) -> None:
    """Early, when the survivor's own time is not over by any; and late, when it is by some."""
    survivor, alone = two(database)
    source = urgent(database, 2 if not rang else 70, survivor)
    at = 3 if not rang else 71
    for place, severity in enumerate(severities):
        for story in (survivor, alone):
            story.act("set_severity", after(at + place), severity=severity, reason="We looked.")
            ring(story, after(at + place))
    part(source, after(at + 5))
    assert alike(survivor, alone, after(at + 5))
    in_order(database)


@pytest.mark.parametrize("answered", [None, 5, 30])
@pytest.mark.parametrize("before", [True, False])
def test_a_question_that_was_asked_meanwhile(database: Database, answered: int | None, before: bool) -> None:
    """Or waited when they were merged."""
    survivor, alone = two(database)
    for story in (survivor, alone):
        story.write("public_reply", after(1))
        if before:
            story.write("inbound", after(2))
    source = urgent(database, 3, survivor)
    if before:
        assert survivor.clocks("next_response")[0].severity == "S1"
    for story in (survivor, alone):
        if not before:
            story.write("inbound", after(3))
        ring(story, after(4))
        if answered is not None:
            ring(story, after(answered))
            story.write("public_reply", after(answered))
    part(source, after(35))
    (clock,) = survivor.clocks("next_response")
    assert (clock.severity, clock.target_amount) == ("S3", 40)
    assert alike(survivor, alone, after(35))
    in_order(database)


@pytest.mark.parametrize("rang", [True, False])
def test_what_the_policy_of_the_duplicates_tag_had_broken(database: Database, rang: bool) -> None:
    key_policy(database)
    survivor, alone = two(database)
    source = Story(database, after(199), tags=["key"])
    join(source, survivor, after(200))
    if rang:
        ring(survivor, after(201))
    part(source, after(202))
    assert alone.clock("resolve").state == "running"
    assert alike(survivor, alone, after(202))
    in_order(database)


@pytest.mark.parametrize("rang", [True, False])
def test_what_was_late_only_by_the_policy_of_the_duplicates_tag(database: Database, rang: bool) -> None:
    key_policy(database)
    survivor, alone = two(database)
    source = Story(database, after(50), tags=["key"])
    join(source, survivor, after(60))
    if rang:
        ring(survivor, after(61))
    for story in (survivor, alone):
        story.write("public_reply", after(62))
    part(source, after(63))
    assert alone.clock("first_response").state == "met"
    assert alike(survivor, alone, after(63))
    in_order(database)


def test_a_tag_that_both_are_given_counts(database: Database) -> None:
    """Given by a person to the survivor beside the one that the duplicate had brought."""
    key_policy(database)
    make_policy(database, "Now", targets=targets(0.3), condition=when("tags", "now", "contains"), position=1)
    survivor, alone = two(database)
    source = Story(database, after(9), tags=["key"])
    join(source, survivor, after(10))
    for story in (survivor, alone):
        tagged(story, after(11), "now")
    part(source, after(12))
    assert alone.clock("resolve").target_amount == 72
    assert alike(survivor, alone, after(12))
    in_order(database)


@pytest.mark.parametrize("on_reopen", ["continue", "restart"])
def test_a_round_that_began_meanwhile(database: Database, on_reopen: str) -> None:
    condition = when("tags", "key", "contains")
    make_policy(database, "Key", targets=targets(0.6, on_reopen=on_reopen), condition=condition)
    survivor, alone = two(database, tags=["key"])
    source = urgent(database, 40, survivor, tags=["key"])
    for story in (survivor, alone):
        close(story, "resolve", after(41))
        story.act("reopen", after(42), reason="Again.")
    part(source, after(43))
    assert [survivor.clock(kind, 2).target_amount for kind in ("acknowledge", "investigate", "resolve")] == [
        36,
        108,
        144,
    ]
    assert alike(survivor, alone, after(43))
    in_order(database)


@pytest.mark.parametrize("rang", [True, False])
def test_a_round_that_began_meanwhile_and_is_over(database: Database, rang: bool) -> None:
    survivor, alone = two(database)
    source = urgent(database, 2, survivor)
    for story in (survivor, alone):
        close(story, "withdraw", after(3))
        story.act("reopen", after(4), reason="Again.")
        if rang:
            ring(story, after(40))
        story.act("acknowledge", after(41), channel="PHONE")
        close(story, "withdraw", after(42))
        story.act("reopen", after(43), reason="Again.")
    part(source, after(44))
    assert alike(survivor, alone, after(44))
    in_order(database)


@pytest.mark.parametrize("how", ["doubled", "halved", "off"])
@pytest.mark.parametrize("rang", [True, False])
def test_a_policy_that_was_edited_meanwhile(database: Database, how: str, rang: bool) -> None:
    condition = when("tags", "ed", "contains")
    policy_id = make_policy(database, "Ed", targets=targets(0.5, "resolve", "first_response"), condition=condition)
    survivor, alone = two(database, tags=["ed"])
    source = urgent(database, 100, survivor)
    if rang:
        ring(survivor, after(101))
    edits: dict[str, Any] = {
        "doubled": {"targets": targets(1, "resolve", "first_response")},
        "halved": {"targets": targets(0.25, "resolve", "first_response")},
        "off": {"active": False},
    }
    change_policy(database, policy_id, **edits[how])
    for story in (survivor, alone):
        follow(database, story, after(102))
    part(source, after(103))
    assert alike(survivor, alone, after(103))
    in_order(database)


@pytest.mark.parametrize("urgent_first", [True, False])
@pytest.mark.parametrize("undone_first", ["urgent", "key"])
def test_two_duplicates_that_brought_something(database: Database, urgent_first: bool, undone_first: str) -> None:
    """One the severity, one the policy: each is undone by itself, and the survivor is as one that met the other alone."""
    key_policy(database)
    survivor, beside, alone = (Story(database) for _ in range(3))

    def merged(kind: str, into: Story, at: int) -> Story:
        more = SAFEGUARDING if kind == "urgent" else {"tags": ["key"]}
        source = Story(database, after(19), **more)
        join(source, into, after(at))
        ring(into, after(at))
        return source

    places = {"urgent": 20 if urgent_first else 21, "key": 21 if urgent_first else 20}
    sources = {kind: merged(kind, survivor, places[kind]) for kind in sorted(places, key=places.__getitem__)}
    left = "key" if undone_first == "urgent" else "urgent"
    other = merged(left, beside, places[left])
    part(sources[undone_first], after(23))
    assert alike(survivor, beside, after(23))
    in_order(database)
    part(sources[left], after(24))
    part(other, after(24))
    assert alike(beside, alone, after(24))
    assert alike(survivor, alone, after(24))
    in_order(database)


def test_issues_that_the_duplicate_brings_are_another_policys(database: Database) -> None:
    condition = when("categories", "BIL", "contains")
    policy_id = make_policy(database, "Bills", targets=targets(0.6), condition=condition)
    survivor, alone = (Story(database, issues=[{"category": "DEL"}]) for _ in range(2))
    source = Story(database, after(1), issues=[{"category": "BIL", "issue": "BIL.FEE"}])
    join(source, survivor, after(2))
    assert survivor.clock("resolve").policy_id == policy_id
    in_order(database)
    part(source, after(3))
    assert alike(survivor, alone, after(3))
    in_order(database)


def audited(database: Database) -> list[str]:
    with Session(database.engine) as session:
        return [item.detail for check in integrity_verification.CHECKS for item in check(session)]


def far(database: Database, **more: Any) -> tuple[Story, Story]:
    """A survivor whose promises are not due for long, and a duplicate that was merged into it and parted again."""
    start = datetime.now(UTC) - MINUTE
    survivor, source = Story(database, start, **more), Story(database, start, tags=["key"])
    join(source, survivor, start)
    part(source, start)
    return survivor, source


@pytest.mark.parametrize("changed", ["severity", "policy"])
def test_the_audit_sees_an_open_clock_of_something_else(database: Database, changed: str) -> None:
    policy_id = key_policy(database)
    survivor, _ = far(database)
    assert audited(database) == []
    wrong = {
        "severity": "UPDATE sla_clock SET severity = 'S4', target_amount = 480 WHERE id = :id",
        "policy": "UPDATE sla_clock SET policy_id = :policy, policy_version = 1, target_amount = 144 WHERE id = :id",
    }
    with Session(database.engine) as session:
        given = {"id": survivor.clock("resolve").id, "policy": policy_id}
        session.execute(text(wrong[changed]), {name: given[name] for name in given if f":{name}" in wrong[changed]})
        session.commit()
    expected = "is for severity S4, should be for S3" if changed == "severity" else "goes by the policy Key, should by"
    assert any(expected in each for each in audited(database))


def test_what_an_edit_left_alone_is_in_order(database: Database) -> None:
    """Of the policies that were in force when it began: no other is for it now until something else changes."""
    survivor, _ = far(database, tags=["new"])
    make_policy(database, "New", targets=targets(0.6), condition=when("tags", "new", "contains"), position=1)
    assert survivor.clock("resolve").target_amount == 240
    assert audited(database) == []
