"""The severity of complaints that are merged, taken apart again, and split.

How it can fail: a merge brings an issue of safety into a mild complaint, which stays mild; undoing it leaves the severity of
what is gone; the duplicate counts as a repeat of itself, or the part of a split as one of the other; what a person has passed
over comes back through a merge or a split; the severity is another than the last assessment says; what is no complaint is
judged.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from helpdesk.kernel.unit_of_work import Database
from tests.complaints.merging import merge, new, read, unmerge, verified
from tests.complaints.steps import GOOD
from tests.conftest import Caller

SAFETY: dict[str, Any] = {"issues": [{"category": "PRD", "issue": "PRD.SAFETY"}]}
MILD: dict[str, Any] = {"issues": [{"category": "STF", "issue": "STF.RUDE"}]}


def act(caller: Caller, complaint: dict[str, Any], action: str, **more: Any) -> None:
    answer = caller.post(f"/complaints/{complaint['reference']}/actions/{action}", GOOD[action] | more)
    assert answer.status_code == 200, answer.text


def told(caller: Caller, complaint: dict[str, Any]) -> list[tuple[str, str, str | None, list[str]]]:
    """Cause, severity, the one before, and rules of each assessment, the first one first."""
    items = caller.get(f"/complaints/{complaint['reference']}/severity-assessments").json["items"]
    return [
        (row["cause"], row["severity"], row["before"], [reason["rule"] for reason in row["reasons"]])
        for row in reversed(items)
    ]


def split(caller: Caller, complaint: dict[str, Any], codes: Sequence[str]) -> dict[str, Any]:
    issues = read(caller, complaint)["issues"]
    body = {"issues": [issue["id"] for issue in issues if issue["issue"] in codes], "reason": "Two matters."}
    answer = caller.post(f"/complaints/{complaint['reference']}/split", body)
    assert answer.status_code == 201, answer.text
    return read(caller, answer.json)


class TestMerged:
    def test_an_issue_that_comes_along_raises(self, senior: Caller, team: UUID, database: Database) -> None:
        source, survivor = new(senior, team, **SAFETY), new(senior, team, **MILD)
        act(senior, survivor, "triage", impact=2, urgency=2, category="STF", issue="STF.RUDE")
        merge(senior, source, survivor)
        assert read(senior, survivor)["severity"] == "S1"
        assert told(senior, survivor)[-1] == ("merged", "S1", "S4", ["matrix", "safety"])
        verified(database)
        unmerge(senior, source)
        assert read(senior, survivor)["severity"] == "S4"
        assert read(senior, source)["severity"] == "S1"
        assert told(senior, survivor)[-1][:3] == ("unmerged", "S4", "S1")
        verified(database)

    def test_a_need_that_comes_along_raises(self, senior: Caller, team: UUID, database: Database) -> None:
        source = new(senior, team, needs=[{"flag": "hearing", "consent": True}], **MILD)
        survivor = new(senior, team, issues=[{"category": "SVC", "issue": "SVC.OUTAGE"}])
        assert read(senior, survivor)["severity"] == "S3"
        merge(senior, source, survivor)
        assert read(senior, survivor)["severity"] == "S2"
        assert told(senior, survivor) == [("merged", "S2", "S3", ["essential_service"])]
        verified(database)

    def test_a_judgement_that_comes_along_is_kept_as_one(self, senior: Caller, team: UUID, database: Database) -> None:
        source, survivor = new(senior, team), new(senior, team)
        act(senior, survivor, "triage", impact=2, urgency=2)
        act(senior, source, "triage", impact=5, urgency=4)
        merge(senior, source, survivor)
        assert read(senior, survivor)["severity"] == "S1"
        assert told(senior, survivor)[-1][:2] == ("merged", "S1")
        verified(database)

    def test_a_duplicate_is_no_repeat_of_itself(self, senior: Caller, team: UUID) -> None:
        source, survivor = new(senior, team), new(senior, team)
        act(senior, source, "triage", impact=3, urgency=1)
        merge(senior, source, survivor)
        assert all("repeat" not in rules for *_, rules in told(senior, survivor))

    def test_what_somebody_passed_over_stays_so(self, senior: Caller, team: UUID, database: Database) -> None:
        source, survivor = new(senior, team, **SAFETY), new(senior, team, **MILD)
        act(senior, source, "set_severity", severity="S4", reason="A splinter.")
        merge(senior, source, survivor)
        assert read(senior, survivor)["severity"] == "S3"
        assert told(senior, survivor) == []
        verified(database)

    def test_what_is_no_complaint_is_not_judged(self, senior: Caller, team: UUID) -> None:
        source = new(senior, team, record_type="inquiry", **SAFETY)
        survivor = new(senior, team, record_type="inquiry", **MILD)
        merge(senior, source, survivor)
        assert read(senior, survivor)["severity"] == "S3"
        assert told(senior, survivor) == []

    def test_two_are_undone_in_either_order(self, senior: Caller, team: UUID, database: Database) -> None:
        survivor = new(senior, team, **MILD)
        sources = [new(senior, team, **SAFETY), new(senior, team, issues=[{"category": "PRV", "issue": "PRV.BREACH"}])]
        for source in sources:
            merge(senior, source, survivor)
        assert read(senior, survivor)["severity"] == "S1"
        unmerge(senior, sources[0])
        assert read(senior, survivor)["severity"] == "S2"
        verified(database)
        unmerge(senior, sources[1])
        assert read(senior, survivor)["severity"] == "S3"
        verified(database)

    def test_clocks_go_by_the_severity_together(self, senior: Caller, team: UUID) -> None:
        source, survivor = new(senior, team, **SAFETY), new(senior, team, **MILD)
        before = read(senior, survivor)["next_due_at"]
        merge(senior, source, survivor)
        assert read(senior, survivor)["next_due_at"] < before


BOTH = [*SAFETY["issues"], *MILD["issues"]]


class TestSplit:
    def test_the_part_is_judged_by_what_went_over(self, senior: Caller, team: UUID, database: Database) -> None:
        origin = new(senior, team, issues=BOTH)
        part = split(senior, origin, ["PRD.SAFETY"])
        assert part["severity"] == "S1"
        assert told(senior, part) == [("split", "S1", None, ["safety"])]
        assert read(senior, origin)["severity"] == "S1"  # nothing is lowered by itself
        verified(database)

    def test_what_somebody_passed_over_stays_so(self, senior: Caller, team: UUID, database: Database) -> None:
        origin = new(senior, team, issues=BOTH)
        act(senior, origin, "set_severity", severity="S4", reason="A splinter.")
        part = split(senior, origin, ["PRD.SAFETY"])
        assert part["severity"] == "S4"
        assert told(senior, part) == [("split", "S4", None, ["safety"])]
        verified(database)

    def test_the_rest_is_no_repeat(self, senior: Caller, team: UUID) -> None:
        late = [{"category": "DEL", "issue": "DEL.LATE", "detail": day} for day in ("Monday", "Friday")]
        origin = new(senior, team, issues=late)
        act(senior, origin, "triage", impact=3, urgency=2)
        issues = read(senior, origin)["issues"]
        body = {"issues": [issues[1]["id"]], "reason": "Two parcels."}
        part = senior.post(f"/complaints/{origin['reference']}/split", body).json
        assert read(senior, part)["severity"] == read(senior, origin)["severity"] == "S3"

    def test_a_guess_stays_a_guess(self, senior: Caller, team: UUID) -> None:
        origin = new(senior, team, issues=[{"category": "DEL", "issue": "DEL.LATE"}, *MILD["issues"]])
        part = split(senior, origin, ["STF.RUDE"])
        assert told(senior, part) == []
        assert senior.get(f"/complaints/{part['reference']}/triage").json["provisional"] is True
