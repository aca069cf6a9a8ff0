"""Two agents at one complaint in the same moment, with real threads and real locks.

How it can fail: both win, and one's work is gone; both lose; they wait for each other for ever; the loser learns nothing of
what happened; a message is written where nobody reads it any more; a complaint is closed twice, or is left between two
states; the chain forks. Whoever is behind the other is let go at a moment that the test chooses (`behind_lock`), so that
nothing is left to luck.
"""

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy import Engine

from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program
from tests.complaints.merging import merge, new, path_of, read, thread, unmerge, verified
from tests.complaints.steps import GOOD
from tests.conftest import Caller
from tests.racing import at_once, behind_lock

Complaint = dict[str, Any]
Call = Callable[[], Any]
ROUNDS: Final = 3
LOCK: Final = "SELECT id FROM complaint WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR UPDATE"


def together(engine: Engine, ids: list[str], *calls: Call) -> list[Any]:
    """All calls stand behind the same complaints' locks before any goes on."""
    return behind_lock(engine, LOCK, *calls, ids=ids)


def codes(answers: list[Any]) -> list[int]:
    return sorted(answer.status_code for answer in answers)


def loser(answers: list[Any]) -> Any:
    (found,) = (answer for answer in answers if answer.status_code >= 400)
    return found


def types(answer: Any) -> list[str]:
    return [item["type"] for item in answer.json["changes"]]


def told(answer: Any) -> list[str]:
    """Without what follows for the clocks."""
    return [kind for kind in types(answer) if not kind.startswith("sla.")]


@pytest.fixture
def two(senior: Caller, team: UUID) -> tuple[Complaint, Complaint]:
    return new(senior, team), new(senior, team)


class TestOne:
    """Two at one complaint."""

    def test_edit_and_edit(
        self, agent: Caller, senior: Caller, complaint: Complaint, engine: Engine, database: Database
    ) -> None:
        path = path_of(complaint)
        for number in range(ROUNDS):
            seen = agent.get(path).headers["ETag"]
            answers = together(
                engine,
                [complaint["id"]],
                lambda: agent.patch(path, {"subject": f"a{number}"}, if_match=seen),  # noqa: B023
                lambda: senior.patch(path, {"subject": f"b{number}"}, if_match=seen),  # noqa: B023
            )
            assert codes(answers) == [200, 412]
            (change,) = loser(answers).json["changes"]
            assert change["type"] == "complaint.edited"
            assert change["changes"]["subject"][1] == read(agent, complaint)["subject"]
        verified(database)

    def test_claim_and_claim(
        self, agent: Caller, senior: Caller, complaint: Complaint, engine: Engine, database: Database
    ) -> None:
        path = path_of(complaint)
        answers = together(
            engine, [complaint["id"]], lambda: agent.post(f"{path}/claim"), lambda: senior.post(f"{path}/claim")
        )
        assert codes(answers) == [200, 409]
        winner = read(agent, complaint)["assignee_id"]
        refused = loser(answers).json
        assert refused["code"] == "already_assigned"
        assert refused["changes"][-1]["changes"] == {"assignee_id": [None, winner]}
        assert refused["changes"][-1]["actor_id"] == winner
        verified(database)

    def test_resolve_and_resolve(
        self, agent: Caller, senior: Caller, complaint: Complaint, engine: Engine, database: Database
    ) -> None:
        path = f"{path_of(complaint)}/actions"
        assert agent.post(f"{path}/investigate", GOOD["investigate"]).status_code == 200
        answers = together(
            engine,
            [complaint["id"]],
            lambda: agent.post(f"{path}/resolve", GOOD["resolve"]),
            lambda: senior.post(f"{path}/resolve", GOOD["resolve"]),
        )
        assert codes(answers) == [200, 409]
        assert told(loser(answers))[-1] == "complaint.resolved"
        verified(database)

    def test_split_and_resolve(
        self, senior: Caller, manager: Caller, team: UUID, engine: Engine, database: Database
    ) -> None:
        """One is decided first: a part that goes after the decision is refused, or the decision lacks nothing after it."""
        complaint = new(senior, team, issues=[{"category": "DEL"}, {"category": "COM"}])
        path, issues = path_of(complaint), [issue["id"] for issue in complaint["issues"]]
        findings = [{"issue_id": issue, "finding": "x", "evidence": "y"} for issue in issues]
        answer = senior.post(f"{path}/actions/investigate", GOOD["investigate"] | {"findings": findings})
        assert answer.status_code == 200
        outcomes = {"outcomes": [{"issue_id": issue, "outcome": "upheld"} for issue in issues]}
        split, resolved = together(
            engine,
            [complaint["id"]],
            lambda: senior.post(f"{path}/split", {"issues": issues[1:], "reason": "x"}),
            lambda: manager.post(f"{path}/actions/resolve", GOOD["resolve"] | outcomes),
        )
        # Whose issue is gone is told by the body's check (422): it names an issue that is another complaint's by now.
        assert (split.status_code, resolved.status_code) in {(201, 422), (409, 200)}
        if split.status_code == 409:
            assert told(split)[-1] == "complaint.resolved"
        verified(database)

    def test_the_same_split_twice(
        self, senior: Caller, manager: Caller, team: UUID, engine: Engine, database: Database
    ) -> None:
        complaint = new(senior, team, issues=[{"category": "DEL"}, {"category": "COM"}, {"category": "PRD"}])
        body = {"issues": [complaint["issues"][1]["id"]], "reason": "x"}
        path = f"{path_of(complaint)}/split"
        answers = together(engine, [complaint["id"]], lambda: senior.post(path, body), lambda: manager.post(path, body))
        assert codes(answers) == [201, 422]
        verified(database)


class TestMerges:
    def test_opposite_ways(
        self, senior: Caller, manager: Caller, team: UUID, engine: Engine, database: Database
    ) -> None:
        for _ in range(ROUNDS):
            one, other = new(senior, team), new(senior, team)
            answers = together(
                engine,
                [one["id"], other["id"]],
                lambda: senior.post(f"{path_of(one)}/merge", {"into": other["reference"], "reason": "x"}),  # noqa: B023
                lambda: manager.post(f"{path_of(other)}/merge", {"into": one["reference"], "reason": "x"}),  # noqa: B023
            )
            assert codes(answers) == [201, 409]
            refused = loser(answers)
            assert refused.json["code"] == "already_merged"
            assert {"complaint.merged", "complaint.duplicate_merged"} & set(types(refused))
            assert sorted(read(senior, each)["status"] for each in (one, other)) == ["dismissed", "received"]
        verified(database)

    def test_without_a_lock_in_the_way(self, senior: Caller, manager: Caller, team: UUID, database: Database) -> None:
        """The same, let go together: however they meet, they do not wait for each other."""
        for _ in range(ROUNDS):
            one, other = new(senior, team), new(senior, team)
            answers = at_once(
                lambda: senior.post(f"{path_of(one)}/merge", {"into": other["reference"], "reason": "x"}),  # noqa: B023
                lambda: manager.post(f"{path_of(other)}/merge", {"into": one["reference"], "reason": "x"}),  # noqa: B023
            )
            assert answers[0].status_code != answers[1].status_code, [answer.text for answer in answers]
            assert {answer.status_code for answer in answers} <= {201, 409}
            assert 201 in codes(answers)
        verified(database)

    def test_in_a_ring(self, senior: Caller, manager: Caller, team: UUID, database: Database) -> None:
        for _ in range(ROUNDS):
            a, b, c = (new(senior, team) for _ in range(3))
            pairs = ((a, b, senior), (b, c, manager), (c, a, senior))
            calls = [
                lambda one=one, other=other, caller=caller: caller.post(
                    f"{path_of(one)}/merge", {"into": other["reference"], "reason": "x"}
                )
                for one, other, caller in pairs
            ]
            answers = at_once(*calls)
            assert {answer.status_code for answer in answers} <= {201, 409}
            ended = [read(senior, each) for each in (a, b, c)]
            assert sum(item["status"] == "received" for item in ended) >= 1
            (last,) = {item["merged_into"]["reference"] for item in ended if item["merged_into"]} or {""}
            assert all(item["merged_into"] is None for item in ended if item["reference"] == last)
        verified(database)

    def test_the_same_one_twice(
        self, senior: Caller, manager: Caller, two: tuple[Complaint, Complaint], team: UUID, engine: Engine
    ) -> None:
        source, one = two
        other = new(senior, team)
        answers = together(
            engine,
            [source["id"]],
            lambda: senior.post(f"{path_of(source)}/merge", {"into": one["reference"], "reason": "x"}),
            lambda: manager.post(f"{path_of(source)}/merge", {"into": other["reference"], "reason": "x"}),
        )
        assert codes(answers) == [201, 409]
        assert told(loser(answers))[-1] == "complaint.merged"

    @pytest.mark.parametrize("whose", ["source", "survivor"])
    def test_merge_and_resolve(
        self, senior: Caller, manager: Caller, two: tuple[Complaint, Complaint], engine: Engine, whose: str
    ) -> None:
        source, survivor = two
        decided = source if whose == "source" else survivor
        path = f"{path_of(decided)}/actions"
        assert senior.post(f"{path}/investigate", GOOD["investigate"]).status_code == 200
        merged, resolved = together(
            engine,
            [source["id"], survivor["id"]],
            lambda: senior.post(f"{path_of(source)}/merge", {"into": survivor["reference"], "reason": "x"}),
            lambda: manager.post(f"{path}/resolve", GOOD["resolve"]),
        )
        if whose == "source":
            assert (merged.status_code, resolved.status_code) in {(201, 409), (409, 200)}
            refused = loser([merged, resolved])
            assert told(refused)[-1] in {"complaint.merged", "complaint.resolved", "complaint.message_added"}
        else:  # the duplicate's issue is the survivor's, so that both can be
            assert (merged.status_code, resolved.status_code) in {(201, 200), (409, 200)}
            if merged.status_code == 409:
                assert merged.json["code"] == "survivor_closed"

    def test_two_into_one(
        self, senior: Caller, manager: Caller, team: UUID, engine: Engine, database: Database
    ) -> None:
        one, other, survivor = (new(senior, team, subject=name) for name in ("one", "other", "survivor"))
        answers = together(
            engine,
            [survivor["id"]],
            lambda: senior.post(f"{path_of(one)}/merge", {"into": survivor["reference"], "reason": "x"}),
            lambda: manager.post(f"{path_of(other)}/merge", {"into": survivor["reference"], "reason": "x"}),
        )
        assert codes(answers) == [201, 201]
        assert len(thread(senior, survivor)) == 2
        verified(database)

    def test_into_one_that_is_just_merged_on(
        self, senior: Caller, manager: Caller, team: UUID, engine: Engine, database: Database
    ) -> None:
        """A goes into B while B goes into C: both happen, and A ends in C."""
        for _ in range(ROUNDS):
            a, b, c = (new(senior, team) for _ in range(3))
            answers = together(
                engine,
                [b["id"]],
                lambda: senior.post(f"{path_of(a)}/merge", {"into": b["reference"], "reason": "x"}),  # noqa: B023
                lambda: manager.post(f"{path_of(b)}/merge", {"into": c["reference"], "reason": "x"}),  # noqa: B023
            )
            assert codes(answers) == [201, 201]
            for each in (a, b):
                assert read(senior, each)["merged_into"]["reference"] == c["reference"]
        verified(database)


class TestMessages:
    """Whatever is written while complaints move is where somebody reads it, or is refused."""

    @pytest.mark.parametrize("kind", ["inbound", "public_reply", "internal_note"])
    def test_reply_and_merge(self, senior: Caller, manager: Caller, team: UUID, program: Program, kind: str) -> None:
        for number in range(ROUNDS):
            source, survivor = new(senior, team), new(senior, team)
            body = {"kind": kind, "body": f"message {number}"}
            written, merged = together(
                program.engine,
                [source["id"]],
                lambda: senior.post(f"{path_of(source)}/messages", body),  # noqa: B023
                lambda: manager.post(f"{path_of(source)}/merge", {"into": survivor["reference"], "reason": "x"}),  # noqa: B023
            )
            assert merged.status_code == 201, merged.text
            there = (kind, f"message {number}") in thread(senior, survivor)
            if written.status_code == 409:
                assert kind != "inbound"
                assert written.json["code"] == "complaint_merged"
                assert "complaint.merged" in types(written)
                assert not there
            else:
                assert written.status_code == 201, written.text
                assert there
        verified(program.database)

    def test_reply_and_unmerge(
        self, senior: Caller, manager: Caller, team: UUID, engine: Engine, database: Database
    ) -> None:
        """What is said to the old reference while it is taken apart is in one of the two threads."""
        for number in range(ROUNDS):
            source, survivor = new(senior, team), new(senior, team)
            merge(senior, source, survivor)
            said = {"kind": "inbound", "body": f"message {number}"}
            written, parted = together(
                engine,
                [source["id"], survivor["id"]],
                lambda: senior.post(f"{path_of(source)}/messages", said),  # noqa: B023
                lambda: manager.post(f"{path_of(source)}/unmerge", {"reason": "x"}),  # noqa: B023
            )
            assert (written.status_code, parted.status_code) == (201, 200), (written.text, parted.text)
            found = [("inbound", said["body"]) in thread(senior, each) for each in (source, survivor)]
            assert sorted(found) == [False, True]
            assert (written.json["id"] in parted.json["stayed"]["messages"]) == found[1]
        verified(database)

    def test_reply_to_the_survivor_and_unmerge(
        self, senior: Caller, manager: Caller, two: tuple[Complaint, Complaint], engine: Engine, database: Database
    ) -> None:
        source, survivor = two
        merge(senior, source, survivor)
        written, parted = together(
            engine,
            [source["id"], survivor["id"]],
            lambda: senior.post(f"{path_of(survivor)}/messages", {"kind": "public_reply", "body": "On Friday."}),
            lambda: manager.post(f"{path_of(source)}/unmerge", {"reason": "x"}),
        )
        assert (written.status_code, parted.status_code) == (201, 200)
        assert ("public_reply", "On Friday.") in thread(senior, survivor)
        verified(database)


class TestUndone:
    def test_twice(
        self, senior: Caller, manager: Caller, two: tuple[Complaint, Complaint], engine: Engine, database: Database
    ) -> None:
        source, survivor = two
        merge(senior, source, survivor)
        path = f"{path_of(source)}/unmerge"
        answers = together(
            engine,
            [source["id"], survivor["id"]],
            lambda: senior.post(path, {"reason": "x"}),
            lambda: manager.post(path, {"reason": "x"}),
        )
        assert codes(answers) == [200, 409]
        assert told(loser(answers))[-1] in {"complaint.unmerged", "complaint.message_added"}
        verified(database)

    def test_while_the_survivor_is_decided(
        self, senior: Caller, manager: Caller, two: tuple[Complaint, Complaint], engine: Engine, database: Database
    ) -> None:
        source, survivor = two
        merge(senior, source, survivor)
        parted, closed = together(
            engine,
            [source["id"], survivor["id"]],
            lambda: senior.post(f"{path_of(source)}/unmerge", {"reason": "x"}),
            lambda: manager.post(f"{path_of(survivor)}/actions/withdraw", GOOD["withdraw"]),
        )
        assert closed.status_code == 200
        assert parted.status_code in {200, 409}
        if parted.status_code == 409:
            assert parted.json["code"] == "merge_final"
        verified(database)

    def test_while_the_survivor_is_merged_on(
        self, senior: Caller, manager: Caller, team: UUID, engine: Engine, database: Database
    ) -> None:
        for _ in range(ROUNDS):
            a, b, c = (new(senior, team) for _ in range(3))
            merge(senior, a, b)
            parted, merged = together(
                engine,
                [a["id"], b["id"]],
                lambda: senior.post(f"{path_of(a)}/unmerge", {"reason": "x"}),  # noqa: B023
                lambda: manager.post(f"{path_of(b)}/merge", {"into": c["reference"], "reason": "x"}),  # noqa: B023
            )
            assert merged.status_code == 201, merged.text
            assert parted.status_code in {200, 409}
            ends = read(senior, a)["merged_into"]
            assert (ends is None) if parted.status_code == 200 else (ends["reference"] == c["reference"])
            if parted.status_code == 409:
                unmerge(senior, b)
                unmerge(senior, a)
        verified(database)
