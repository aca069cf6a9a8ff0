"""What people do to a survivor while it is merged is theirs when that is undone: it is then what one is that was never merged.

How it can fail: what somebody said is taken back because it is what the merge had made of it; a triage is judged by what has gone
home; the next of several merges forgets it; an acknowledgement that the duplicate's had come before is lost.
"""

from typing import Any
from uuid import UUID

import pytest

from helpdesk.complaints.combining import COMBINED, Combining, combine, without
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.unit_of_work import Database
from tests.complaints import merging
from tests.complaints.merges.acting import Complaint, act
from tests.complaints.merging import merge, path_of, read, unmerge, verified
from tests.complaints.test_severity_together import told
from tests.conftest import Caller

SAFEGUARD: dict[str, Any] = {"needs": [{"flag": "safeguarding_concern", "consent": True}]}
"""S1 by rule."""
ASIDE: dict[str, Any] = {"silent": True, "other_complainant": True}
QUIET: dict[str, Any] = {"silent": True}

Deed = tuple[str, dict[str, Any]]


def new(caller: Caller, team: UUID, **more: Any) -> Complaint:
    """Of a customer of its own: none is a repeat of another."""
    person = {"name": "Somebody", "email": f"{new_id()}@example.com"}
    return merging.new(caller, team, complainant=person, **more)


def set_to(level: str) -> Deed:
    return "set_severity", {"severity": level}


def triaged(impact: int, urgency: int) -> Deed:
    return "triage", {"impact": impact, "urgency": urgency}


class TestSeverity:
    @pytest.mark.parametrize(
        "deeds",
        [
            [set_to("S4"), set_to("S1")],
            [set_to("S4")],
            [triaged(2, 2)],
            [triaged(5, 4)],
            [triaged(2, 2), set_to("S2")],
            [set_to("S2"), triaged(2, 2)],
            [triaged(2, 2), set_to("S2"), set_to("S1")],
        ],
    )
    def test_what_somebody_judged_is_as_if_it_had_never_been_merged(
        self, senior: Caller, team: UUID, database: Database, deeds: list[Deed]
    ) -> None:
        source, survivor, alone = new(senior, team, **SAFEGUARD), new(senior, team), new(senior, team)
        merge(senior, source, survivor, **ASIDE)
        assert read(senior, survivor)["severity"] == "S1"
        for complaint in (survivor, alone):
            for action, given in deeds:
                act(senior, complaint, action, **given)
        unmerge(senior, source, **QUIET)
        assert read(senior, survivor)["severity"] == read(senior, alone)["severity"]
        assert read(senior, source)["severity"] == "S1"
        verified(database)

    def test_a_triage_says_why_the_severity_is_what_it_is(self, senior: Caller, team: UUID, database: Database) -> None:
        source, survivor = new(senior, team, **SAFEGUARD), new(senior, team)
        merge(senior, source, survivor, **ASIDE)
        act(senior, survivor, "triage", impact=2, urgency=2)
        unmerge(senior, source, **QUIET)
        assert told(senior, survivor)[-1] == ("unmerged", "S4", "S1", ["matrix"])
        verified(database)

    @pytest.mark.parametrize("first", [0, 1])
    @pytest.mark.parametrize("deed", [triaged(2, 2), set_to("S5"), None])
    def test_between_two_merges(
        self, senior: Caller, team: UUID, database: Database, first: int, deed: Deed | None
    ) -> None:
        """Undone in either order; the second duplicate is about safety."""
        survivor = new(senior, team)
        sources = [
            new(senior, team, **SAFEGUARD),
            new(senior, team, issues=[{"category": "PRV", "issue": "PRV.BREACH"}]),
        ]
        merge(senior, sources[0], survivor, **ASIDE)
        if deed is not None:
            act(senior, survivor, deed[0], **deed[1])
        merge(senior, sources[1], survivor, **ASIDE)
        unmerge(senior, sources[first], **QUIET)
        unmerge(senior, sources[1 - first], **QUIET)
        alone = new(senior, team)
        if deed is not None:
            act(senior, alone, deed[0], **deed[1])
        assert read(senior, survivor)["severity"] == read(senior, alone)["severity"]
        verified(database)

    def test_the_second_merge_still_counts(self, senior: Caller, team: UUID, database: Database) -> None:
        survivor, source = new(senior, team), new(senior, team, **SAFEGUARD)
        other = new(senior, team, issues=[{"category": "PRV", "issue": "PRV.BREACH"}])
        merge(senior, source, survivor, **ASIDE)
        act(senior, survivor, "triage", impact=2, urgency=2)
        merge(senior, other, survivor, **ASIDE)
        unmerge(senior, source, **QUIET)
        assert read(senior, survivor)["severity"] == "S2"
        unmerge(senior, other, **QUIET)
        assert read(senior, survivor)["severity"] == "S4"
        verified(database)

    @pytest.mark.parametrize("level", ["S2", "S4"])
    def test_a_need_of_its_own_is_news_afterwards(
        self, senior: Caller, team: UUID, database: Database, level: str
    ) -> None:
        """Whoever set the severity had seen the rule hold of the duplicate, and of nothing else."""
        source, survivor = new(senior, team, **SAFEGUARD), new(senior, team)
        merge(senior, source, survivor, **ASIDE)
        act(senior, survivor, "set_severity", severity=level)
        unmerge(senior, source, **QUIET)
        assert (read(senior, survivor)["severity"], read(senior, survivor)["severity_reasons"]) == (level, [])
        answer = senior.post(f"{path_of(survivor)}/needs", SAFEGUARD["needs"][0])
        assert answer.status_code == 201, answer.text
        assert read(senior, survivor)["severity"] == "S1"
        verified(database)

    def test_what_was_passed_over_in_its_own_stays_passed_over(
        self, senior: Caller, team: UUID, database: Database
    ) -> None:
        source, survivor = new(senior, team, **SAFEGUARD), new(senior, team, **SAFEGUARD)
        merge(senior, source, survivor, **ASIDE)
        act(senior, survivor, "set_severity", severity="S4")
        unmerge(senior, source, **QUIET)
        senior.post(f"{path_of(survivor)}/needs", {"flag": "safeguarding_concern", "consent": True})
        assert read(senior, survivor)["severity"] == "S4"
        verified(database)


class TestOtherFacts:
    def test_what_was_changed_and_changed_back(self, senior: Caller, team: UUID, database: Database) -> None:
        source, survivor = new(senior, team, sector="banking"), new(senior, team)
        merge(senior, source, survivor, **ASIDE)
        for sector in ("insurance", "banking"):
            answer = senior.patch(path_of(survivor), {"sector": sector}, if_match="*")
            assert answer.status_code == 200, answer.text
        unmerge(senior, source, **QUIET)
        assert read(senior, survivor)["sector"] == "banking"
        verified(database)

    def test_an_answer_is_an_acknowledgement(self, senior: Caller, team: UUID, database: Database) -> None:
        """Of the survivor, although the duplicate had one before; it is acknowledged as a complaint then."""
        source, survivor, alone = (new(senior, team, record_type="inquiry") for _ in range(3))
        act(senior, source, "acknowledge")
        merge(senior, source, survivor, **ASIDE)
        before = read(senior, survivor)["acknowledged_at"]
        for complaint in (survivor, alone):
            act(senior, complaint, "answer")
            act(senior, complaint, "reopen")
        unmerge(senior, source, **QUIET)
        assert before < read(senior, survivor)["acknowledged_at"] < read(senior, alone)["acknowledged_at"]
        assert read(senior, source)["acknowledged_at"] == before
        for complaint in (survivor, alone):
            act(senior, complaint, "convert", record_type="complaint")
        assert _clocks(senior, survivor) == _clocks(senior, alone)
        assert not any(kind == "acknowledge" for kind, *_ in _clocks(senior, survivor))
        verified(database)

    def test_reopened_it_has_failed_twice(self, senior: Caller, team: UUID, database: Database) -> None:
        source, survivor = new(senior, team), new(senior, team)
        for complaint in (source, survivor):
            act(senior, complaint, "withdraw")
            act(senior, complaint, "reopen")
            if complaint is source:
                merge(senior, source, survivor, **ASIDE)
        unmerge(senior, source, **QUIET)
        assert read(senior, survivor)["double_deviation"] is True
        verified(database)


def _clocks(caller: Caller, complaint: Complaint) -> list[tuple[Any, ...]]:
    items = caller.get(f"{path_of(complaint)}/clocks").json["items"]
    return sorted((clock["kind"], clock["round"], clock["state"]) for clock in items)


class TestArithmetic:
    """`since` of a merge is what somebody made of a fact after it."""

    OWN = dict.fromkeys(COMBINED) | {"severity": "S3", "escalation_level": 0, "stage": "1", "double_deviation": False}
    WORST = OWN | {"severity": "S1", "judged": True, "acknowledged_at": "2026-03-02T10:00:00Z"}

    def test_it_goes_before_what_the_merge_had_found(self) -> None:
        first = combine(self.OWN, self.WORST)
        done = Combining(first.source, first.before, first.after, {"severity": "S1"})
        assert without([done], 0, first.after)[0]["severity"] == "S1"
        assert without([first], 0, first.after)[0]["severity"] == "S3"

    def test_the_next_merge_is_combined_with_it(self) -> None:
        first = combine(self.OWN, self.WORST)
        second = combine(first.after, self.WORST | {"severity": "S2"})
        done = Combining(first.source, first.before, first.after, {"severity": "S4"})
        left, rest = without([done, second], 0, second.after)
        assert left["severity"] == "S2"
        assert without(rest, 0, left)[0]["severity"] == "S4"

    def test_the_first_acknowledgement_is_the_one(self) -> None:
        early, late = {"acknowledged_at": "2026-03-02T09:00:00Z"}, {"acknowledged_at": "2026-03-02T11:00:00Z"}
        for own, expected in ((self.OWN, late), (self.OWN | early, early)):
            first = combine(own, self.WORST)
            done = Combining(first.source, first.before, first.after, late)
            assert without([done], 0, first.after)[0]["acknowledged_at"] == expected["acknowledged_at"]
