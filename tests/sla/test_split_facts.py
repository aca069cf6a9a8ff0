"""Regulators' clocks of a part: the facts of the complaint that it comes from are its own until the split, and no others.

How it can fail: the part goes by facts that it does not show; a fact that was recorded by mistake, and is withdrawn, goes on in the part;
what the whole had kept counts again as soon as anything is recorded on the part; a part of a part forgets where it comes from; a part of
a complaint into which another was merged forgets that; the notice that moved a deadline is not listed where it counts; what is told of a
complaint that the caller may not see.
"""

from datetime import timedelta
from typing import Any, Final

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from helpdesk.complaints import queries, splitting
from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import regime_verification
from helpdesk.sla.models import Clock
from tests.conftest import Caller
from tests.sla.climbing import ring
from tests.sla.regulated import DAY, HOUSING, Regulated
from tests.sla.test_merge_table import in_order
from tests.sla.watching import MONDAY, join, part

ACK: Final = "uk.housing.ack"
STAGE: Final = "uk.housing.s1"
HOUR: Final = timedelta(hours=1)
TOLD: Final = "acknowledged_defined_logged"
ACKNOWLEDGED: Final = MONDAY + DAY
SPLIT: Final = MONDAY + 3 * DAY


def story_of(database: Database, received_at: Any = MONDAY) -> Regulated:
    issues = [{"category": each} for each in ("DEL", "COM", "BIL")]
    return Regulated(database, received_at, issues=issues, **HOUSING)


def split(story: Regulated, at: Any) -> Regulated:
    """All but its first issue."""
    with story.database.unit_of_work(SYSTEM, now=at) as uow:
        complaint = queries.complaint_by_id_for_update(uow.session, story.id)
        named = [issue.id for issue in queries.issues_of(uow.session, story.id)[1:]]
        new_id = splitting.split(uow, SYSTEM, complaint, {"issues": named, "reason": "Two.", "silent": True})
    return Regulated.of(story.database, new_id)


def kinds(story: Regulated) -> dict[str, str]:
    return {clock.kind: clock.state for kind in (ACK, STAGE) for clock in story.clocks(kind)}


def facts(caller: Caller, story: Regulated) -> list[tuple[Any, ...]]:
    items = caller.get(f"/complaints/{story.id}/regulatory-facts").json["items"]
    return [(item["kind"], item["own"], item["reference"] is not None, item["withdrawn_at"] is None) for item in items]


def test_what_the_whole_had_kept_does_not_count_again(database: Database) -> None:
    story = story_of(database)
    story.fact(TOLD, ACKNOWLEDGED)
    new = split(story, SPLIT)
    assert kinds(new) == {STAGE: "running"}
    new.fact("stage1_response_sent", SPLIT + HOUR)
    assert kinds(new) == {STAGE: "met"}
    assert kinds(story) == {ACK: "met", STAGE: "running"}
    in_order(database)


def test_a_part_of_a_part_knows_where_it_comes_from(database: Database) -> None:
    """Whatever is recorded on it, stage 1 counts from the acknowledgement of the first one."""
    story = story_of(database)
    story.fact(TOLD, ACKNOWLEDGED)
    newer = split(split(story, SPLIT), SPLIT + HOUR)
    newer.fact("escalation_requested", SPLIT + 2 * HOUR)
    assert kinds(newer) == {STAGE: "running"}
    assert newer.clock(STAGE).started_at == ACKNOWLEDGED
    in_order(database)


def test_a_part_of_a_survivor_knows_what_was_so_of_the_duplicate(database: Database) -> None:
    """Also after that merge was undone: until the split it was so of both."""
    source, survivor = story_of(database), story_of(database, MONDAY + HOUR)
    source.fact(TOLD, ACKNOWLEDGED)
    join(source, survivor, MONDAY + 2 * DAY)
    new = split(survivor, SPLIT)
    before = new.clock(STAGE).started_at
    new.fact("escalation_requested", SPLIT + HOUR)
    assert (kinds(new)[STAGE], new.clock(STAGE).started_at) == ("running", before)
    part(source, SPLIT + 2 * HOUR)
    new.fact("escalation_requested", SPLIT + 3 * HOUR)
    assert (kinds(new)[STAGE], new.clock(STAGE).started_at) == ("running", ACKNOWLEDGED)
    in_order(database)


@pytest.mark.parametrize("deep", [False, True])
def test_a_fact_that_was_none_is_none_of_the_part(database: Database, deep: bool) -> None:
    """Also of a part of the part."""
    story = story_of(database)
    fact_id = story.fact(TOLD, ACKNOWLEDGED)
    new = split(story, SPLIT)
    newest = split(new, SPLIT) if deep else new
    at = MONDAY + 23 * DAY
    for each in (story, new, newest):
        ring(each, at)
        assert kinds(each)[STAGE] == "breached"
    story.withdraw(fact_id, at)
    for each in (story, new, newest):
        ring(each, at)
        assert kinds(each) == {ACK: "breached", STAGE: "cancelled"}
    newest.fact(TOLD, at, MONDAY + 18 * DAY)
    assert kinds(newest) == {ACK: "breached", STAGE: "running"}
    assert kinds(story) == {ACK: "breached", STAGE: "cancelled"}
    in_order(database)


def test_where_a_fact_of_another_is_withdrawn_is_said(database: Database, manager: Caller) -> None:
    story = story_of(database)
    fact_id = story.fact(TOLD, ACKNOWLEDGED)
    new = split(story, SPLIT)
    answer = manager.post(f"/complaints/{new.id}/regulatory-facts/{fact_id}/withdraw", {"reason": "It was not."})
    assert (answer.status_code, answer.json["code"]) == (409, "fact_elsewhere")
    assert answer.json["reference"] == manager.get(f"/complaints/{story.id}").json["reference"]
    path = f"/complaints/{new.id}/regulatory-facts/{new.id}/withdraw"
    assert manager.post(path, {"reason": "It was not."}).status_code == 404


def test_nor_of_what_the_part_was_merged_into(database: Database) -> None:
    story, other = story_of(database), story_of(database, MONDAY + HOUR)
    fact_id = story.fact(TOLD, ACKNOWLEDGED)
    new = split(story, SPLIT)
    join(new, other, SPLIT + HOUR)
    assert kinds(other) == {ACK: "met", STAGE: "running"}
    story.withdraw(fact_id, SPLIT + 2 * HOUR)
    assert kinds(other) == {ACK: "running", STAGE: "cancelled"}
    part(new, SPLIT + 3 * HOUR)
    assert kinds(new) == {ACK: "running", STAGE: "cancelled"}
    in_order(database)


def test_nor_of_a_part_of_what_it_had_gone_on_in(database: Database) -> None:
    """The duplicate goes by itself again when it is found out; a part of before they met, or of after, is none of its own."""
    source, survivor = story_of(database), story_of(database, MONDAY + HOUR)
    fact_id = source.fact(TOLD, ACKNOWLEDGED)
    before = split(survivor, MONDAY + DAY)
    join(source, survivor, MONDAY + 2 * DAY)
    new = split(survivor, SPLIT)
    assert (kinds(new)[STAGE], kinds(before)) == ("running", {ACK: "running"})
    part(source, SPLIT + HOUR)
    source.withdraw(fact_id, SPLIT + 2 * HOUR)
    assert kinds(new) == {ACK: "running", STAGE: "cancelled"}
    assert kinds(before) == {ACK: "running"}
    in_order(database)


def test_what_is_recorded_on_the_first_after_the_split_is_not_so_of_the_part(
    database: Database, senior: Caller
) -> None:
    story = story_of(database)
    new = split(story, SPLIT)
    story.fact(TOLD, SPLIT + HOUR)
    assert (kinds(new), facts(senior, new)) == ({ACK: "running"}, [])
    in_order(database)


class TestShown:
    def test_a_part_shows_the_facts_that_it_goes_by(self, database: Database, senior: Caller) -> None:
        story = story_of(database)
        fact_id = story.fact(TOLD, ACKNOWLEDGED)
        new = split(story, SPLIT)
        assert facts(senior, new) == [(TOLD, False, True, True)]
        new.fact("stage1_response_sent", SPLIT + HOUR)
        story.withdraw(fact_id, SPLIT + 2 * HOUR)
        assert facts(senior, new) == [(TOLD, False, True, False), ("stage1_response_sent", True, True, True)]
        assert facts(senior, story) == [(TOLD, True, True, False)]

    def test_a_survivor_shows_those_of_the_duplicate_while_they_are_one(
        self, database: Database, senior: Caller
    ) -> None:
        source, survivor = story_of(database), story_of(database)
        source.fact(TOLD, ACKNOWLEDGED)
        join(source, survivor, SPLIT)
        assert facts(senior, survivor) == [(TOLD, False, True, True)]
        part(source, SPLIT + HOUR)
        assert facts(senior, survivor) == []

    def test_a_notice_is_listed_where_it_counts(self, database: Database, senior: Caller) -> None:
        source, survivor = story_of(database), story_of(database, MONDAY + HOUR)
        for story in (source, survivor):
            story.fact(TOLD, ACKNOWLEDGED)
        source.extend(STAGE, SPLIT)
        join(source, survivor, SPLIT + HOUR)
        new = split(survivor, SPLIT + 2 * HOUR)
        for story, own in ((source, True), (survivor, False), (new, False)):
            path = f"/complaints/{story.id}/clocks/{story.clock(STAGE).id}"
            (item,) = senior.get(f"{path}/extensions").json["items"]
            assert (item["number"], item["counts"], item["own"]) == (1, True, own)
            assert (item["reason"], item["reference"] is not None) == ("The surveyor.", True)
            assert [each["number"] for each in senior.get(f"{path}/explain").json["extensions"]] == [1]
        part(source, SPLIT + 3 * HOUR)
        path = f"/complaints/{survivor.id}/clocks/{survivor.clock(STAGE).id}"
        assert senior.get(f"{path}/extensions").json["items"] == []

    def test_of_the_same_notice_of_both_the_first_counts(self, database: Database, senior: Caller) -> None:
        source, survivor = story_of(database), story_of(database, MONDAY + HOUR)
        for number, story in enumerate((source, survivor)):
            story.fact(TOLD, ACKNOWLEDGED)
            story.extend(STAGE, SPLIT - number * HOUR)
        join(source, survivor, SPLIT + HOUR)
        items = senior.get(f"/complaints/{survivor.id}/clocks/{survivor.clock(STAGE).id}/extensions").json["items"]
        assert [(item["number"], item["own"], item["counts"]) for item in items] == [(1, True, True), (1, False, False)]

    def test_of_what_one_may_not_see_neither_name_nor_words_are_told(
        self, database: Database, agent: Caller, admin: Caller
    ) -> None:
        """The agent is in no team."""
        team = admin.post("/teams", {"name": "Others"}).json
        story = story_of(database)
        story.fact(TOLD, ACKNOWLEDGED)
        story.extend(STAGE, SPLIT)
        new = split(story, SPLIT + HOUR)
        with Session(database.engine) as session:
            session.execute(update(Complaint).where(Complaint.id == story.id).values(team_id=team["id"]))
            session.commit()
        assert agent.get(f"/complaints/{story.id}").status_code == 404
        (fact,) = agent.get(f"/complaints/{new.id}/regulatory-facts").json["items"]
        path = f"/complaints/{new.id}/clocks/{new.clock(STAGE).id}/extensions"
        (notice,) = agent.get(path).json["items"]
        assert (fact["kind"], fact["reference"], fact["note"], notice["number"]) == (TOLD, None, None, 1)
        assert (notice["reference"], notice["reason"], notice["message_id"]) == (None, None, None)


def test_the_audit_sees_a_part_that_does_not_follow(database: Database) -> None:
    story = story_of(database)
    story.fact(TOLD, ACKNOWLEDGED)
    new = split(story, SPLIT)
    in_order(database)
    with Session(database.engine) as session:
        moved = {"started_at": ACKNOWLEDGED - DAY}
        session.execute(update(Clock).where(Clock.complaint_id == new.id, Clock.kind == STAGE).values(moved))
        session.commit()
    with Session(database.engine) as session:
        found = [item.detail for check in regime_verification.CHECKS for item in check(session)]
    assert any("its facts start it" in each for each in found)
