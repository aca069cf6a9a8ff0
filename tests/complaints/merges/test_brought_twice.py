"""What several duplicates bring alike stays with the survivor until the last of them has gone home, in whatever order they go.

How it can fail: the second one's need is left with it because the survivor has one, and nobody has it when the first one's goes; the
survivor is no longer urgent although somebody who is in danger is still merged into it; its clocks go by what is gone; what a person
had passed over comes back.
"""

from typing import Any
from uuid import UUID

import pytest

from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import Database
from tests.complaints import merging
from tests.complaints.merges.acting import Complaint, act
from tests.complaints.merges.test_theirs import ASIDE, QUIET, SAFEGUARD, new
from tests.complaints.merging import merge, read, unmerge, verified
from tests.conftest import Caller


def clocks(caller: Caller, complaint: Complaint) -> list[tuple[Any, ...]]:
    """What is promised, and by which severity; not when, since the complaints came one after another."""
    items = caller.get(f"/complaints/{complaint['reference']}/clocks").json["items"]
    return sorted((item["kind"], item["state"], item["severity"]) for item in items if item["state"] != "cancelled")


def shown(caller: Caller, complaint: Complaint) -> dict[str, Any]:
    found = read(caller, complaint)
    facts = {name: found[name] for name in ("severity", "vulnerable")}
    parts = {
        "issues": sorted(issue["issue"] or issue["category"] for issue in found["issues"]),
        "needs": [need["flag"] for need in found["needs"]],
    }
    return facts | parts | {"clocks": clocks(caller, complaint)}


@pytest.mark.parametrize("first", [0, 1])
def test_it_stays_until_the_last_of_them_goes(senior: Caller, team: UUID, database: Database, first: int) -> None:
    """As one into which that one alone was merged; then as one that was never merged."""
    survivor, with_one, alone = (new(senior, team) for _ in range(3))
    two, other = [new(senior, team, **SAFEGUARD) for _ in range(2)], new(senior, team, **SAFEGUARD)
    itself = new(senior, team, **SAFEGUARD)
    for source in two:
        merge(senior, source, survivor, **ASIDE)
    merge(senior, other, with_one, **ASIDE)
    unmerge(senior, two[first], **QUIET)
    assert shown(senior, survivor) == shown(senior, with_one)
    assert shown(senior, two[first]) == shown(senior, itself)
    verified(database)
    unmerge(senior, two[1 - first], **QUIET)
    assert shown(senior, survivor) == shown(senior, alone)
    assert shown(senior, two[1 - first]) == shown(senior, itself)
    verified(database)


@pytest.mark.parametrize("first", [0, 1])
def test_of_one_person(senior: Caller, team: UUID, database: Database, first: int) -> None:
    person = {"complainant": {"name": "Somebody", "email": f"{new_id()}@example.com"}}
    survivor = merging.new(senior, team, **person)
    two = [merging.new(senior, team, **person, **SAFEGUARD) for _ in range(2)]
    for source in two:
        merge(senior, source, survivor)
    unmerge(senior, two[first], **QUIET)
    found = read(senior, survivor)
    assert (found["severity"], found["vulnerable"], len(found["needs"])) == ("S1", True, 1)
    unmerge(senior, two[1 - first], **QUIET)
    found = read(senior, survivor)
    assert (found["severity"], found["vulnerable"], found["needs"]) == ("S3", False, [])
    verified(database)


def test_three_of_them(senior: Caller, team: UUID, database: Database) -> None:
    survivor, three = new(senior, team), [new(senior, team, **SAFEGUARD) for _ in range(3)]
    for source in three:
        merge(senior, source, survivor, **ASIDE)
    for source, severity in zip(three, ("S1", "S1", "S3"), strict=True):
        unmerge(senior, source, **QUIET)
        assert read(senior, survivor)["severity"] == severity
        assert len(read(senior, source)["needs"]) == 1
    verified(database)


def test_one_that_brings_nothing(senior: Caller, team: UUID, database: Database) -> None:
    survivor, safe, plain = new(senior, team), new(senior, team, **SAFEGUARD), new(senior, team)
    for source in (safe, plain):
        merge(senior, source, survivor, **ASIDE)
    unmerge(senior, safe, **QUIET)
    assert (read(senior, survivor)["severity"], read(senior, survivor)["vulnerable"]) == ("S3", False)
    verified(database)


def test_a_need_that_somebody_took_out_of_the_survivor_stays_out(
    senior: Caller, team: UUID, database: Database
) -> None:
    """Of what goes home alone another one comes in its place."""
    survivor, two = new(senior, team), [new(senior, team, **SAFEGUARD) for _ in range(2)]
    for source in two:
        merge(senior, source, survivor, **ASIDE)
    path = f"/complaints/{survivor['reference']}"
    (need,) = senior.get(path).json["needs"]
    answer = senior.delete(f"{path}/needs/{need['id']}", if_match="*")
    assert answer.status_code in {200, 204}, answer.text
    unmerge(senior, two[0], **QUIET)
    assert read(senior, survivor)["needs"] == []
    verified(database)


class TestPassedOver:
    def test_before(self, senior: Caller, team: UUID, database: Database) -> None:
        survivor, *two = (new(senior, team, **SAFEGUARD) for _ in range(3))
        act(senior, survivor, "set_severity", severity="S4")
        for source in two:
            merge(senior, source, survivor, **ASIDE)
        assert read(senior, survivor)["severity"] == "S4"
        for source in two:
            unmerge(senior, source, **QUIET)
            assert read(senior, survivor)["severity"] == "S4"
        verified(database)

    def test_between(self, senior: Caller, team: UUID, database: Database) -> None:
        """What a person said of the first one is not said of the second: without the first it would have raised it."""
        survivor, two = new(senior, team), [new(senior, team, **SAFEGUARD) for _ in range(2)]
        merge(senior, two[0], survivor, **ASIDE)
        act(senior, survivor, "set_severity", severity="S4")
        merge(senior, two[1], survivor, **ASIDE)
        assert read(senior, survivor)["severity"] == "S4"
        unmerge(senior, two[0], **QUIET)
        assert read(senior, survivor)["severity"] == "S1"
        unmerge(senior, two[1], **QUIET)
        assert read(senior, survivor)["severity"] == "S4"
        verified(database)
