"""Reviews of claims through HTTP.

How it can fail: what is owed is held up; somebody who came to be protected stays under review; whoever drafted settles; a settled
review opens again and again; an offer is approved past an open review; one is shown to who may not see it.
"""

from typing import Any
from uuid import UUID

import pytest

from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import guard_jobs, reviews
from helpdesk.wiring import Program
from tests.complaints.merging import merge
from tests.conftest import Caller, make_team
from tests.racing import at_once
from tests.recovery.answers import LETTER, NO_ID, codes, refused
from tests.recovery.helpers import (
    act,
    another,
    duties,
    eur,
    execute,
    new,
    offered,
    perform,
    scalar,
    violations,
    voucher,
)
from tests.recovery.reviewing import (
    NEED,
    SAFETY,
    WU,
    approve,
    only_review,
    refund,
    score,
    settle,
    submitted,
)


class TestReview:
    def test_anonymous(self, anonymous: Caller) -> None:
        assert anonymous.get("/claim-reviews").status_code == 401
        assert settle(anonymous, {"id": NO_ID}).status_code == 401

    def test_wrong_role(self, agent: Caller, senior: Caller, auditor: Caller, again: dict[str, Any]) -> None:
        submitted(agent, again)
        assert refused(agent.get("/claim-reviews")) == (403, "forbidden")
        review = only_review(senior)
        assert refused(settle(agent, review)) == (403, "forbidden")
        assert refused(settle(auditor, review)) == (403, "forbidden")

    def test_out_of_sight(self, agent: Caller, senior: Caller, stranger: Caller, again: dict[str, Any]) -> None:
        submitted(agent, again)
        assert settle(stranger, only_review(senior)).status_code == 404
        assert settle(senior, {"id": NO_ID}).status_code == 404

    def test_waits_for_a_word_and_goes_on(
        self, database: Database, agent: Caller, senior: Caller, again: dict[str, Any]
    ) -> None:
        offer = submitted(agent, again)
        assert (offer["status"], offer["under_review"]) == ("pending_approval", True)
        shown = senior.get(f"/offers/{offer['id']}").json
        missing = next(item["missing"] for item in shown["allowed_actions"] if item["action"] == "approve")
        assert [need["code"] for need in missing] == ["claim_under_review"]
        assert refused(approve(senior, offer)) == (409, "claim_under_review")
        review = only_review(senior)
        assert (review["score"], review["offer_id"], review["decision"]) == (20, offer["id"], None)
        done = settle(senior, review)
        assert (done.status_code, done.json["state"], done.json["settled_by"]) == (200, "settled", str(senior.id))
        assert approve(senior, offer).status_code == 200
        assert violations(database) == []

    def test_the_queue_of_approvals_says_that_it_waits_for_more(
        self, agent: Caller, senior: Caller, again: dict[str, Any]
    ) -> None:
        offer = submitted(agent, again)

        def told() -> list[tuple[str, bool]]:
            return [(item["offer_id"], item["review_open"]) for item in senior.get("/approvals").json["items"]]

        assert told() == [(offer["id"], True)]
        settle(senior, only_review(senior))
        assert told() == [(offer["id"], False)]

    def test_a_concern_refuses_nothing(self, agent: Caller, senior: Caller, again: dict[str, Any]) -> None:
        offer = submitted(agent, again)
        assert settle(senior, only_review(senior), "concern_noted").json["decision"] == "concern_noted"
        assert approve(senior, offer).status_code == 200

    def test_not_by_whoever_drafted(self, senior: Caller, manager: Caller, again: dict[str, Any]) -> None:
        submitted(senior, again)
        assert refused(settle(senior, only_review(senior))) == (403, "own_review")
        assert settle(manager, only_review(senior)).status_code == 200

    def test_once(self, agent: Caller, senior: Caller, again: dict[str, Any]) -> None:
        submitted(agent, again)
        review = only_review(senior)
        assert settle(senior, review, if_match='"v9"').status_code == 412
        beside = another(senior)
        answers = at_once(lambda: settle(senior, review), lambda: settle(beside, review))
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        assert refused(settle(senior, review)) == (409, "review_closed")

    @pytest.mark.parametrize(
        ("body", "problems"),
        [
            ({}, [("/decision", "required"), ("/reason", "required")]),
            ({"decision": "guilty", "reason": "x"}, [("/decision", "choice")]),
            ({"decision": "cleared", "reason": " "}, [("/reason", "length")]),
            ({"decision": "cleared", "reason": "x", "score": 1}, [("/score", "unknown_field")]),
        ],
    )
    def test_what_cannot_be(
        self, agent: Caller, senior: Caller, again: dict[str, Any], body: Any, problems: list[tuple[str, str]]
    ) -> None:
        submitted(agent, again)
        answer = senior.post(f"/claim-reviews/{only_review(senior)['id']}/settle", body, if_match="*")
        assert (answer.status_code, codes(answer)) == (422, problems)

    def test_what_is_owed_is_not_held_up(
        self, database: Database, agent: Caller, manager: Caller, again: dict[str, Any]
    ) -> None:
        execute(database, "UPDATE complaint SET loss_minor = 4000 WHERE id = :id", id=again["id"])
        assert submitted(agent, again, refund("40.00"))["status"] == "approved"
        assert manager.get("/claim-reviews").json["items"] == []
        over = submitted(agent, again, refund("0.01"))
        assert (over["status"], over["under_review"]) == ("pending_approval", True)

    def test_what_is_owed_is_not_held_up_by_what_it_replaces(
        self, database: Database, agent: Caller, again: dict[str, Any]
    ) -> None:
        execute(database, "UPDATE complaint SET loss_minor = 4000 WHERE id = :id", id=again["id"])
        offer = offered(agent, again, voucher("40.00", kind="goodwill_payment"))
        act(agent, offer, "counter", said_by="phone", words="My money back.")
        assert (
            submitted(agent, again, voucher("40.00", kind="refund", successor_of=offer["id"]))["status"] == "approved"
        )

    def test_a_voucher_is_nothing_that_is_owed_and_uses_up_nothing_of_it(
        self, database: Database, agent: Caller, senior: Caller, again: dict[str, Any]
    ) -> None:
        execute(database, "UPDATE complaint SET loss_minor = 4000 WHERE id = :id", id=again["id"])
        offer = submitted(agent, again, voucher("5.00"))
        assert (offer["status"], offer["under_review"]) == ("pending_approval", True)
        choice = {
            "options": [{"kind": "partial_refund", "amount": eur("3.00")}, {"kind": "voucher", "amount": eur("2.00")}]
        }
        assert submitted(agent, again, choice | {"reason": "x"})["status"] == "pending_approval"
        assert settle(senior, only_review(senior)).status_code == 200
        assert approve(senior, offer).status_code == 200
        execute(
            database,
            "UPDATE claim_review SET state = 'open', settled_at = NULL, settled_by = NULL, decision = NULL, reason = NULL",
        )
        owed = submitted(agent, again, refund("40.00"))
        assert (owed["status"], owed["under_review"]) == ("approved", False)

    def test_what_costs_nothing_is_not_held_up(self, agent: Caller, again: dict[str, Any]) -> None:
        submitted(agent, again)
        assert submitted(agent, again, LETTER)["status"] == "approved"

    def test_a_settled_one_is_not_opened_again_unless_the_score_rises(
        self, agent: Caller, senior: Caller, again: dict[str, Any], database: Database
    ) -> None:
        submitted(agent, again)
        settle(senior, only_review(senior))
        assert submitted(agent, again, voucher("1.00"))["status"] == "approved"
        execute(
            database,
            'UPDATE complaint SET custom_fields = \'{"purchase_date": "2999-01-01"}\' WHERE id = :id',
            id=again["id"],
        )
        assert submitted(agent, again, voucher("2.00"))["status"] == "pending_approval"
        assert only_review(senior)["score"] == 40

    def test_a_need_that_is_recorded_drops_it(
        self, database: Database, agent: Caller, senior: Caller, again: dict[str, Any]
    ) -> None:
        offer = submitted(agent, again)
        answer = senior.post(f"/complaints/{again['reference']}/needs", NEED, if_match="*")
        assert answer.status_code == 201, answer.text
        dropped = only_review(senior, "dropped")
        assert (dropped["score"], dropped["reasons"], dropped["state"]) == (None, [], "dropped")
        assert refused(settle(senior, dropped)) == (409, "review_closed")
        assert approve(senior, offer).status_code == 200
        assert violations(database) == []

    @pytest.mark.parametrize("where", ["at once", "later"])
    def test_a_need_that_is_recorded_on_another_complaint_of_theirs_drops_it(
        self, program: Program, agent: Caller, senior: Caller, manager: Caller, again: dict[str, Any], where: str
    ) -> None:
        """Which its reviewers do not see; and what was opened on another person's complaint stays open."""
        submitted(agent, again)
        _, stranger = [new(agent, UUID(again["team_id"]), complainant=WU) for _ in range(2)]
        submitted(agent, stranger)
        elsewhere = make_team(program.database, "Elsewhere")
        if where == "at once":
            new(manager, elsewhere, needs=[NEED])
        else:
            other = new(manager, elsewhere)
            assert manager.post(f"/complaints/{other['reference']}/needs", NEED, if_match="*").status_code == 201
        assert perform(program, reviews.LAPSE)["done"] == 1
        dropped = only_review(senior, "dropped")
        assert (dropped["complaint_id"], dropped["score"], dropped["reasons"]) == (again["id"], None, [])
        assert only_review(senior)["complaint_id"] == stranger["id"]
        assert violations(program.database) == []

    @pytest.mark.parametrize("found", ["triaged", "added", "changed"])
    def test_a_danger_that_is_found_drops_it_here_and_on_others_of_theirs(
        self, program: Program, agent: Caller, senior: Caller, again: dict[str, Any], found: str
    ) -> None:
        other = new(agent, UUID(again["team_id"]))
        for each in (again, other):
            submitted(agent, each)
        path = f"/complaints/{again['reference']}"
        if found == "triaged":
            body = {"impact": 1, "urgency": 1, "track": "investigate", **SAFETY}
            assert senior.post(f"{path}/actions/triage", body).status_code == 200
        elif found == "added":
            assert senior.post(f"{path}/issues", SAFETY, if_match="*").status_code == 201
        else:
            (issue,) = senior.get(path).json["issues"]
            assert senior.patch(f"{path}/issues/{issue['id']}", SAFETY, if_match="*").status_code == 200
        assert only_review(senior, "dropped")["complaint_id"] == again["id"]
        assert score(senior, other).json["why_not"] == "protected"
        assert perform(program, reviews.LAPSE)["done"] == 1
        assert senior.get("/claim-reviews?state=open").json["items"] == []
        assert violations(program.database) == []

    @pytest.mark.parametrize("more", [{"needs": [NEED]}, {"issues": [SAFETY]}], ids=["a need", "a danger"])
    def test_what_a_merge_brings_drops_it(
        self, program: Program, agent: Caller, senior: Caller, again: dict[str, Any], more: dict[str, Any]
    ) -> None:
        """Of another person's complaint, which protected nobody here before."""
        submitted(agent, again)
        wu = new(agent, UUID(again["team_id"]), complainant=WU, **more)
        assert perform(program, reviews.LAPSE)["done"] == 1
        assert only_review(senior)["complaint_id"] == again["id"]
        merge(senior, wu, again, other_complainant=True)
        assert only_review(senior, "dropped")["complaint_id"] == again["id"]
        assert violations(program.database) == []

    def test_whom_a_merge_brings_may_be_in_need_elsewhere(
        self, program: Program, agent: Caller, senior: Caller, again: dict[str, Any]
    ) -> None:
        submitted(agent, again)
        team = UUID(again["team_id"])
        new(agent, team, complainant=WU, needs=[NEED])
        perform(program, reviews.LAPSE)
        merge(senior, new(agent, team, complainant=WU), again, other_complainant=True)
        assert only_review(senior)["complaint_id"] == again["id"]
        perform(program, reviews.LAPSE)
        assert only_review(senior, "dropped")["complaint_id"] == again["id"]

    def test_who_turns_out_to_be_in_need_elsewhere(
        self, program: Program, agent: Caller, senior: Caller, again: dict[str, Any]
    ) -> None:
        """The address was mistaken."""
        submitted(agent, again)
        new(agent, UUID(again["team_id"]), complainant=WU, needs=[NEED])
        perform(program, reviews.LAPSE)
        path = f"/complaints/{again['reference']}"
        (person,) = senior.get(path).json["people"]
        assert senior.patch(f"{path}/people/{person['id']}", {"email": WU["email"]}, if_match="*").status_code == 200
        perform(program, reviews.LAPSE)
        assert only_review(senior, "dropped")["complaint_id"] == again["id"]

    @pytest.mark.parametrize("ending", ["withdraw", "dismiss", "merge"])
    def test_it_is_forgotten_with_a_complaint_that_ends_undecided(
        self, database: Database, agent: Caller, senior: Caller, again: dict[str, Any], ending: str
    ) -> None:
        """There is nothing left to approve, so nobody is asked; taken up again, it is looked at anew."""
        offer, path = submitted(agent, again), f"/complaints/{again['reference']}/actions"
        if ending == "merge":
            act(agent, offer, "withdraw")
            merge(senior, again, new(agent, UUID(again["team_id"])))
        else:
            given = {"withdraw": {"reason": "They changed their mind."}, "dismiss": {"reason_code": "spam"}}[ending]
            assert senior.post(f"{path}/{ending}", given).status_code == 200
        dropped = only_review(senior, "dropped")
        assert (dropped["offer_id"], dropped["score"], dropped["reasons"]) == (offer["id"], None, [])
        assert senior.get("/claim-reviews?state=open").json["items"] == []
        assert violations(database) == []
        if ending != "merge":
            assert senior.post(f"{path}/reopen", {"reason": "They wrote once more."}).status_code == 200
            assert submitted(agent, again)["status"] == "pending_approval"
            assert only_review(senior)["score"] == 20

    def test_a_duty_that_is_done_twice_drops_it_once(
        self, program: Program, agent: Caller, manager: Caller, again: dict[str, Any]
    ) -> None:
        submitted(agent, again)
        other = new(manager, make_team(program.database, "Elsewhere"), needs=[NEED])
        (duty,) = duties(program.database, reviews.LAPSE)
        for _ in range(2):
            guard_jobs.lapse_reviews(program.tools, duty, UUID(other["id"]))
        told = scalar(program.database, "SELECT count(*) FROM event WHERE type = 'guard.review_dropped'")
        assert (told, duties(program.database, reviews.LAPSE)) == (1, [])

    def test_it_stands_in_no_story_and_before_no_customer(
        self, database: Database, agent: Caller, senior: Caller, auditor: Caller, again: dict[str, Any]
    ) -> None:
        submitted(agent, again)
        settle(senior, only_review(senior))
        story = agent.get(f"/complaints/{again['reference']}/timeline?limit=200").text
        assert "review" not in story
        assert "score" not in story
        kinds = scalar(database, "SELECT array_agg(type) FROM event WHERE stream_id = :id", id=again["id"])
        assert not [kind for kind in kinds if kind.startswith("guard.")]
        acts = auditor.get("/audit-log?limit=200").text
        assert "guard.review_opened" in acts
        assert "guard.review_settled" in acts

    def test_verify_finds_what_was_forged(
        self, database: Database, agent: Caller, senior: Caller, again: dict[str, Any]
    ) -> None:
        offer = submitted(agent, again)
        execute(database, "UPDATE claim_review SET score = 3")
        assert any("recovery.claim_reviews" in line for line in violations(database))
        execute(database, "UPDATE claim_review SET score = 20")
        execute(database, "UPDATE complaint SET safety = true WHERE id = :id", id=again["id"])
        assert any("a need or a danger is recorded" in line for line in violations(database))
        execute(database, "UPDATE complaint SET safety = false")
        assert violations(database) == []
        settle(senior, only_review(senior))
        execute(database, "UPDATE claim_review SET settled_by = :who", who=agent.id)
        assert any("settled by whoever drafted" in line for line in violations(database))
        execute(
            database,
            "UPDATE claim_review SET state = 'open', settled_at = NULL, settled_by = NULL, decision = NULL, reason = NULL",
        )
        execute(database, "UPDATE offer SET granted_at = now() WHERE id = :id", id=offer["id"])
        assert not any("nothing_passed_review" in line for line in violations(database)), "not approved yet"
        for status in ("approved", "offered"):
            execute(
                database,
                "UPDATE offer SET status = :s, valid_until = now(), budget_id = (SELECT id FROM budget) WHERE id = :id",
                s=status,
                id=offer["id"],
            )
            assert any("nothing_passed_review" in line for line in violations(database)), status
