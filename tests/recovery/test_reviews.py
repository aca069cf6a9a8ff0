"""Scores and reviews of claims through HTTP, and the numbers they go by.

How it can fail: what is owed is held up; somebody vulnerable is scored, or their need shows by it; the score is read by who may
not, in a timeline, an event or a pack; it changes a suggestion; whoever drafted settles; a settled review opens again and again;
an offer is approved past an open review; a version of the numbers is changed, or one that cannot be is taken.
"""

from typing import Any
from uuid import UUID

import pytest

from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import guard_jobs, reviews
from helpdesk.recovery.guard_rules import LINES, SHIPPED
from helpdesk.wiring import Program
from tests.complaints.attachments.sending import sent
from tests.complaints.merging import merge
from tests.complaints.steps import do
from tests.conftest import Caller, make_team
from tests.racing import at_once
from tests.recovery.answers import LETTER, NO_ID, codes, refused
from tests.recovery.helpers import (
    act,
    another,
    draft,
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


def refund(amount: str) -> dict[str, Any]:
    return {"kind": "partial_refund", "amount": eur(amount), "reason": "It is owed."}


NEED = {"flag": "hearing", "consent": True}
SAFETY = {"category": "PRD", "issue": "PRD.SAFETY"}
WU = {"name": "Wu", "email": "wu@example.com"}
RULES = "/recovery-guards"


def set_rules(caller: Caller, **more: Any) -> Any:
    answer = caller.put(RULES, SHIPPED | {"reason": "To try it."} | more, if_match="*")
    assert answer.status_code == 200, answer.text
    return answer.json


@pytest.fixture
def again(agent: Caller, manager: Caller, budget: str, team: UUID) -> dict[str, Any]:
    """The second complaint in the same words, where a score of 20 is looked at."""
    set_rules(manager, threshold=20)
    new(agent, team)
    return new(agent, team)


def score(caller: Caller, complaint: dict[str, Any]) -> Any:
    return caller.get(f"/complaints/{complaint['reference']}/claim-score")


def submitted(caller: Caller, complaint: dict[str, Any], body: Any = None) -> dict[str, Any]:
    return act(caller, draft(caller, complaint, body or voucher("20.00")), "submit")


def approve(caller: Caller, offer: dict[str, Any]) -> Any:
    return caller.pay(f"/offers/{offer['id']}/actions/approve", {"reason": "Looked at."})


def only_review(caller: Caller, state: str = "open") -> dict[str, Any]:
    (found,) = caller.get(f"/claim-reviews?state={state}").json["items"]
    return dict(found)


def settle(caller: Caller, review: dict[str, Any], decision: str = "cleared", **headers: str) -> Any:
    body = {"decision": decision, "reason": "Two parcels came late."}
    return caller.post(f"/claim-reviews/{review['id']}/settle", body, **({"if_match": "*"} | headers))


class TestScore:
    def test_anonymous(self, anonymous: Caller, complaint: dict[str, Any]) -> None:
        assert score(anonymous, complaint).status_code == 401

    def test_wrong_role(self, agent: Caller, complaint: dict[str, Any]) -> None:
        assert refused(score(agent, complaint)) == (403, "forbidden")

    def test_with_its_reasons(self, senior: Caller, again: dict[str, Any]) -> None:
        found = score(senior, again).json
        assert (found["scored"], found["score"], found["threshold"], found["review"], found["rules"]) == (
            True, 20, 20, True, 2,
        )  # fmt: skip
        (reason,) = found["reasons"]
        assert (reason["code"], reason["points"], reason["evidence"]) == ("same_text", 20, {"likeness": 100})
        assert len(reason["complaints"]) == 1

    def test_complaints_out_of_sight_are_counted_and_not_told(
        self, database: Database, manager: Caller, senior: Caller, budget: str, team: UUID
    ) -> None:
        elsewhere = new(manager, make_team(database, "Elsewhere"))
        answer = score(senior, new(manager, team))
        assert [(item["complaints"], item["hidden"]) for item in answer.json["reasons"]] == [([], 1)]
        assert elsewhere["reference"] not in answer.text

    def test_what_speaks_for_it(self, database: Database, senior: Caller, again: dict[str, Any]) -> None:
        execute(database, "UPDATE complaint SET fault = 'firm' WHERE id = :id", id=again["id"])
        execute(database, "UPDATE customer SET created_at = created_at - interval '3 years'")
        found = score(senior, again).json
        assert found["score"] == 0
        assert {item["code"]: item["points"] for item in found["reasons"]} == {
            "same_text": 20, "long_standing": -15, "firm_at_fault": -40,
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("fault", "outcome", "speaks"),
        [("firm", None, True), ("none", None, False), ("none", "not_upheld", False), ("firm", "not_upheld", False),
         ("none", "partly_upheld", True)],
    )  # fmt: skip
    def test_evidence_that_refutes_it_does_not_speak_for_it(
        self, database: Database, senior: Caller, again: dict[str, Any], fault: str, outcome: str | None, speaks: bool
    ) -> None:
        complaint_id = UUID(again["id"])
        do(database, complaint_id, "investigate", fault=fault)
        if outcome is not None:
            do(database, complaint_id, "resolve", outcomes=[{"outcome": outcome}])
        assert ("documented" in {item["code"] for item in score(senior, again).json["reasons"]}) == speaks

    @pytest.mark.parametrize(("kind", "speaks"), [("inbound", True), ("internal_note", False), ("public_reply", False)])
    def test_files_that_they_sent_speak_for_it(
        self, database: Database, senior: Caller, again: dict[str, Any], kind: str, speaks: bool
    ) -> None:
        path = f"/complaints/{again['reference']}"
        file = sent(senior, again)
        body = {"kind": kind, "body": "Look.", "attachment_ids": [file["id"]]}
        answer = senior.post(f"{path}/messages", body)
        assert answer.status_code == 201, answer.text
        assert ("documented" in {item["code"] for item in score(senior, again).json["reasons"]}) == speaks

    def test_dates_and_prices_that_contradict(
        self, database: Database, senior: Caller, manager: Caller, complaint: dict[str, Any]
    ) -> None:
        fields = '{"purchase_date": "2999-01-01"}'
        execute(
            database,
            "UPDATE complaint SET custom_fields = CAST(:fields AS jsonb), loss_minor = 99999 WHERE id = :id",
            fields=fields,
            id=complaint["id"],
        )
        found = {item["code"] for item in score(senior, complaint).json["reasons"]}
        assert found == {"above_price", "contradiction"}
        execute(database, 'UPDATE complaint SET custom_fields = \'{"purchase_date": "soon"}\'')
        assert {item["code"] for item in score(senior, complaint).json["reasons"]} == {"above_price"}

    def test_a_day_that_has_begun_where_they_may_be_contradicts_nothing(
        self, database: Database, senior: Caller, complaint: dict[str, Any]
    ) -> None:
        execute(database, 'UPDATE complaint SET custom_fields = \'{"purchase_date": "2026-03-02"}\'')
        for received, later in (
            ("2026-03-02T00:00:00Z", False),
            ("2026-03-01T10:00:00Z", False),
            ("2026-03-01T09:59:59Z", True),
        ):
            execute(database, "UPDATE complaint SET received_at = CAST(:at AS timestamptz)", at=received)
            found = {item["code"] for item in score(senior, complaint).json["reasons"]}
            assert ("contradiction" in found) is later

    def test_nobody_vulnerable_is_scored_nor_told_of(
        self, database: Database, agent: Caller, senior: Caller, manager: Caller, again: dict[str, Any]
    ) -> None:
        """Recorded on a complaint of theirs that the reader does not see."""
        elsewhere = new(manager, make_team(database, "Elsewhere"), needs=[NEED])
        answer = score(senior, again)
        assert answer.json == {
            "scored": False, "why_not": "protected", "score": None, "threshold": None, "rules": None, "review": None,
            "reasons": [],
        }  # fmt: skip
        assert "hearing" not in answer.text
        assert elsewhere["reference"] not in answer.text
        assert submitted(agent, again)["status"] == "approved"

    def test_danger_is_as_much_of_a_reason(self, database: Database, senior: Caller, again: dict[str, Any]) -> None:
        execute(database, "UPDATE complaint SET safety = true WHERE id = :id", id=again["id"])
        assert score(senior, again).json["why_not"] == "protected"

    def test_no_part_of_the_suggestion(self, agent: Caller, manager: Caller, team: UUID) -> None:
        path = f"/complaints/{new(agent, team)['reference']}/suggestion"
        before = agent.get(path).json
        set_rules(manager, threshold=1, lines=[item | {"points": 100} for item in SHIPPED["lines"]])
        new(agent, team)
        assert agent.get(path).json == before


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


class TestRules:
    def body(self, **more: Any) -> dict[str, Any]:
        return SHIPPED | {"reason": "To try it."} | more

    def test_anonymous(self, anonymous: Caller) -> None:
        assert anonymous.get(RULES).status_code == 401
        assert anonymous.put(RULES, self.body()).status_code == 401

    def test_wrong_role(self, agent: Caller, senior: Caller) -> None:
        assert refused(agent.get(RULES)) == (403, "forbidden")
        assert refused(senior.put(RULES, self.body(), if_match="*")) == (403, "forbidden")

    def test_as_shipped(self, senior: Caller) -> None:
        found = senior.get(RULES).json
        assert {name: found[name] for name in SHIPPED} == SHIPPED
        assert (found["number"], found["version"]) == (1, 1)

    def test_a_new_version(self, database: Database, manager: Caller, auditor: Caller) -> None:
        before = manager.get(RULES)
        assert manager.put(RULES, self.body()).status_code == 428
        changed = manager.put(RULES, self.body(threshold=70), if_match=before.headers["ETag"])
        assert (changed.status_code, changed.json["number"], changed.json["threshold"]) == (200, 2, 70)
        assert manager.put(RULES, self.body(), if_match=before.headers["ETag"]).status_code == 412
        numbers = [item["number"] for item in auditor.get(f"{RULES}/versions").json["items"]]
        assert numbers == [2, 1]
        assert auditor.get(f"{RULES}/versions/1").json["threshold"] == SHIPPED["threshold"]
        assert auditor.get(f"{RULES}/versions/9").status_code == 404
        (act_,) = [item for item in auditor.get("/audit-log").json["items"] if item["type"] == "guard.rules_set"]
        assert act_["payload"]["changes"] == {"threshold": [60, 70]}
        with pytest.raises(Exception, match="never changed"), database.engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM guard_rules WHERE number = 2")
        execute(database, "DELETE FROM guard_rules WHERE number = 1")
        assert any("recovery.guard_rules" in line for line in violations(database))

    def test_two_at_once_make_one_version(self, manager: Caller) -> None:
        tag = manager.get(RULES).headers["ETag"]
        calls = [lambda by=by: by.put(RULES, self.body(), if_match=tag) for by in (manager, another(manager))]
        assert sorted(answer.status_code for answer in at_once(*calls)) == [200, 412]

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            ({"lines": SHIPPED["lines"][1:]}, ("/lines", "missing")),
            ({"lines": [*SHIPPED["lines"][1:], SHIPPED["lines"][1]]}, ("/lines/0/code", "duplicate")),
            ({"threshold": 0}, ("/threshold", "range")),
            ({"threshold": 101}, ("/threshold", "range")),
            ({"window_days": 29}, ("/window_days", "range")),
            ({"duplicate_days": -1}, ("/duplicate_days", "range")),
            ({"duplicate_days": 1.5}, ("/duplicate_days", "invalid")),
            ({"reference_fields": ["order_number"] * 2}, ("/reference_fields", "invalid")),
            ({"reference_fields": ["'; DROP"]}, ("/reference_fields/0", "invalid")),
            ({"purchase_date_field": "Bought"}, ("/purchase_date_field", "invalid")),
            ({"reference_fields": ["order_number", "order_nr"]}, ("/reference_fields/1", "unknown")),
            ({"purchase_date_field": "bought"}, ("/purchase_date_field", "unknown")),
            ({"mood": 1}, ("/mood", "unknown_field")),
        ],
    )
    def test_what_cannot_be(self, manager: Caller, change: dict[str, Any], problem: tuple[str, str]) -> None:
        answer = manager.put(RULES, self.body(**change), if_match="*")
        assert answer.status_code == 422
        assert problem in codes(answer)

    def test_a_field_that_is_there_or_stood_there_before(self, manager: Caller) -> None:
        """The shipped names are no fields of a fresh system; what was taken away is not put back without there being one."""
        made = manager.post("/custom-fields", {"key": "parcel", "label": "Parcel", "type": "text"})
        assert made.status_code == 201, made.text
        fields = {"reference_fields": ["parcel", "order_number"], "purchase_date_field": None}
        assert set_rules(manager, **fields)["reference_fields"] == ["parcel", "order_number"]
        answer = manager.put(RULES, self.body(reference_fields=["booking_number", "parcel"]), if_match="*")
        assert answer.status_code == 422
        assert codes(answer) == [("/reference_fields/0", "unknown"), ("/purchase_date_field", "unknown")]
        assert all("There are: parcel." in item["detail"] for item in answer.json["errors"])
        assert manager.get(RULES).json["number"] == 2

    def test_a_line_without_a_limit_takes_none(self, manager: Caller) -> None:
        place = list(LINES).index("regulator")
        lines = [item | ({"limit": 3} if item["code"] == "regulator" else {}) for item in SHIPPED["lines"]]
        answer = manager.put(RULES, self.body(lines=lines), if_match="*")
        assert (answer.status_code, codes(answer)) == (422, [(f"/lines/{place}/limit", "no_limit")])
