"""A regulatory fact that was recorded of a duplicate, and is wrong: it is withdrawn where that goes on.

How it can fail: each of the two sends to the other one; the survivor goes on by it; the duplicate has it again when the merge is
undone; it can be taken back only while the merge can be undone; who may not see the duplicate changes it.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.errors import NotFound
from helpdesk.kernel.unit_of_work import Database
from helpdesk.sla import regime_queries
from tests.complaints.merging import merge, new, path_of, verified
from tests.conftest import Caller, make_team
from tests.sla.regulated import DAY, HOUSING, Regulated
from tests.sla.test_merge_table import in_order
from tests.sla.test_split_facts import ACKNOWLEDGED, HOUR, TOLD, kinds, story_of
from tests.sla.watching import MONDAY, join, part

MERGED = MONDAY + 2 * DAY


def two(database: Database) -> tuple[Regulated, Regulated]:
    """The duplicate, and the survivor, which came later."""
    source, survivor = story_of(database), story_of(database, MONDAY + HOUR)
    return source, survivor


def lived(story: Regulated) -> list[tuple[Any, ...]]:
    found = [clock for kind in kinds(story) for clock in story.clocks(kind)]
    return sorted((each.kind, each.state, each.started_at, str(each.due_at), str(each.stopped_at)) for each in found)


@pytest.mark.parametrize("undone", [None, "after", "before"])
def test_both_are_what_they_would_be_without_it(database: Database, undone: str | None) -> None:
    source, survivor = two(database)
    lone_source, lone = two(database)
    fact_id = source.fact(TOLD, ACKNOWLEDGED)
    for duplicate, other in ((source, survivor), (lone_source, lone)):
        join(duplicate, other, MERGED)
    assert set(kinds(survivor).values()) == {"met", "running"}
    if undone == "before":
        part(source, MERGED + HOUR)
    (source if undone == "before" else survivor).withdraw(fact_id, MERGED + 2 * HOUR)
    if undone == "before":
        part(lone_source, MERGED + HOUR)
    elif undone == "after":
        for duplicate in (source, lone_source):
            part(duplicate, MERGED + 3 * HOUR)
    states = [{clock[:3] for clock in lived(story) if clock[1] != "cancelled"} for story in (source, survivor)]
    assert states == [{clock[:3] for clock in lived(story) if clock[1] != "cancelled"} for story in (lone_source, lone)]
    in_order(database)


def test_along_a_chain(database: Database) -> None:
    source, survivor = two(database)
    middle = Regulated(database, MONDAY, **HOUSING)
    fact_id = source.fact(TOLD, ACKNOWLEDGED)
    join(source, middle, MERGED)
    join(middle, survivor, MERGED + HOUR)
    assert "met" in kinds(survivor).values()
    survivor.withdraw(fact_id, MERGED + 2 * HOUR)
    assert "met" not in kinds(survivor).values()
    in_order(database)


@pytest.mark.parametrize("days", [0, 30])
def test_there_is_one_place_for_it(
    senior: Caller, manager: Caller, team: UUID, engine: Engine, database: Database, days: int
) -> None:
    source, survivor = (new(senior, team, jurisdiction="GB", sector="social housing") for _ in range(2))
    recorded = manager.post(f"{path_of(source)}/regulatory-facts", {"kind": "acknowledgement_sent"})
    fact = recorded.json
    assert recorded.status_code == 201
    merge(senior, source, survivor, silent=True)
    with engine.begin() as connection:
        late = {"by": timedelta(days=days)}
        connection.execute(text("UPDATE complaint_merge SET undo_until = undo_until - CAST(:by AS interval)"), late)
    given = {"reason": "It was another one's."}
    there = manager.post(f"{path_of(source)}/regulatory-facts/{fact['id']}/withdraw", given)
    assert (there.status_code, there.json["code"]) == (409, "complaint_merged")
    assert there.json["merged_into"]["reference"] == survivor["reference"]
    path = f"{path_of(survivor)}/regulatory-facts/{fact['id']}/withdraw"
    stale = manager.post(path, given, if_match='"v1"')
    assert stale.status_code == 412
    done = manager.post(path, given)
    assert (done.status_code, done.json["own"], done.json["reference"]) == (200, False, source["reference"])
    assert done.json["withdrawn_because"] == given["reason"]
    again = manager.post(path, given)
    assert (again.status_code, again.json["code"]) == (409, "fact_withdrawn")
    told = manager.get(f"{path_of(source)}/timeline?limit=200").json["items"]
    assert any(item["type"] == "sla.fact_withdrawn" for item in told)
    verified(database)


def test_not_by_who_may_not_see_the_duplicate(senior: Caller, manager: Caller, team: UUID, database: Database) -> None:
    elsewhere = make_team(database, "Elsewhere")
    source = new(manager, elsewhere, jurisdiction="GB", sector="social housing")
    survivor = new(senior, team, jurisdiction="GB", sector="social housing")
    fact = manager.post(f"{path_of(source)}/regulatory-facts", {"kind": "acknowledgement_sent"}).json
    merge(manager, source, survivor, silent=True)
    path = f"{path_of(survivor)}/regulatory-facts/{fact['id']}/withdraw"
    refused = senior.post(path, {"reason": "It was another one's."})
    assert (refused.status_code, refused.json["code"]) == (409, "fact_elsewhere")
    assert source["reference"] not in refused.text
    assert manager.post(path, {"reason": "It was another one's."}).status_code == 200


def test_what_is_by_itself_again_is_its_own(database: Database) -> None:
    source, survivor = two(database)
    fact_id = source.fact(TOLD, ACKNOWLEDGED)
    join(source, survivor, MERGED)
    part(source, MERGED + HOUR)
    with database.snapshot() as session, pytest.raises(NotFound):
        regime_queries.fact_for_update(session, SYSTEM, str(survivor.id), fact_id)
