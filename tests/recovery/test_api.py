"""The routes. Each class begins with the anonymous caller, then the wrong role, then the good case."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text

from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import SYSTEM, complainant_actor
from helpdesk.kernel import links
from helpdesk.kernel.errors import ActionNotAllowed
from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import jobs, offers, queries
from helpdesk.wiring import Program
from tests.conftest import SIGNING_KEY, Caller, Join, complaint_body, make_team
from tests.racing import at_once, until
from tests.recovery.helpers import (
    accepted,
    act,
    another,
    draft,
    eur,
    execute,
    issued,
    offered,
    open_budget,
    perform,
    scalar,
    token,
    violations,
    voucher,
)

LETTER = {"kind": "apology_letter"}
NO_ID = UUID(int=0)


@pytest.fixture
def budget(manager: Caller) -> str:
    return open_budget(manager)


@pytest.fixture
def stranger(join: Join, database: Database) -> Caller:
    """An agent of another team, who sees none of this."""
    return join("agent", team_ids=[make_team(database, "Elsewhere")])


@pytest.fixture
def director(join: Join) -> Caller:
    return join("director")


@pytest.fixture
def auditor(join: Join) -> Caller:
    return join("auditor")


def codes(answer: Any) -> list[tuple[str, str]]:
    return [(item.get("pointer") or item["parameter"], item["code"]) for item in answer.json["errors"]]


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["code"]


class TestSuggestion:
    def path(self, complaint: dict[str, Any], query: str = "") -> str:
        return f"/complaints/{complaint['reference']}/suggestion{query}"

    def test_anonymous(self, anonymous: Caller, complaint: dict[str, Any]) -> None:
        assert anonymous.get(self.path(complaint)).status_code == 401

    def test_another_team_sees_nothing(self, stranger: Caller, complaint: dict[str, Any]) -> None:
        assert stranger.get(self.path(complaint)).status_code == 404

    def test_the_worked_example(self, database: Database, agent: Caller, complaint: dict[str, Any]) -> None:
        execute(database, "UPDATE customer SET tier = 'key'")
        execute(database, "UPDATE complaint SET severity = 'S3', fault = 'firm' WHERE id = :id", id=complaint["id"])
        found = agent.get(self.path(complaint, "?loss=60&weeks_overdue=2&repeat=true")).json
        assert found["goodwill"] == eur("108.00")
        assert found["cap"] == eur("240.00")
        assert found["offer"] == eur("168.00")
        assert found["assumed"] == ["statutory", "refunded"]

    def test_what_nobody_states_is_said_to_be_assumed(self, agent: Caller, complaint: dict[str, Any]) -> None:
        found = agent.get(self.path(complaint)).json
        assert found["assumed"] == ["fault", "weeks_overdue", "loss", "statutory", "refunded"]

    def test_the_same_issue_before_counts(
        self, database: Database, agent: Caller, complaint: dict[str, Any], team: UUID
    ) -> None:
        second = agent.post("/complaints", complaint_body(team_id=str(team))).json

        def repeat() -> str:
            lines = agent.get(self.path(second)).json["lines"]
            return str(next(item["value"] for item in lines[-1]["evidence"]["factors"] if item["factor"] == "repeat"))

        assert repeat() == "1.5"
        execute(
            database,
            "UPDATE complaint SET received_at = received_at - interval '181 days' WHERE id = :id",
            id=complaint["id"],
        )
        assert repeat() == "1"

    def test_bad_amounts_are_all_named(self, agent: Caller, complaint: dict[str, Any]) -> None:
        answer = agent.get(self.path(complaint, "?loss=1.234&price=0.001&colour=red"))
        assert answer.status_code == 422
        assert codes(answer) == [("colour", "unknown_parameter")]
        answer = agent.get(self.path(complaint, "?loss=1.234&price=0.001"))
        assert codes(answer) == [("loss", "invalid"), ("price", "invalid")]

    def test_without_a_currency_it_is_the_callers(self, agent: Caller, team: UUID) -> None:
        body = complaint_body(team_id=str(team))
        del body["price"]
        complaint = agent.post("/complaints", body).json
        assert agent.get(self.path(complaint)).json["offer"]["currency"] == "EUR"
        assert agent.get(self.path(complaint, "?currency=JPY&loss=500")).json["owed"] == {
            "amount": "500",
            "currency": "JPY",
        }


class TestDraft:
    def path(self, complaint: dict[str, Any]) -> str:
        return f"/complaints/{complaint['reference']}/offers"

    def test_anonymous(self, anonymous: Caller, complaint: dict[str, Any]) -> None:
        assert anonymous.post(self.path(complaint), voucher()).status_code == 401

    def test_not_told_of_what_one_may_not_see(self, stranger: Caller, complaint: dict[str, Any]) -> None:
        assert stranger.post(self.path(complaint), voucher()).status_code == 404

    def test_wrong_role(self, auditor: Caller, complaint: dict[str, Any]) -> None:
        assert refused(auditor.post(self.path(complaint), voucher())) == (403, "forbidden")

    def test_drafted(self, database: Database, agent: Caller, complaint: dict[str, Any]) -> None:
        answer = agent.post(self.path(complaint), voucher())
        assert answer.status_code == 201
        offer = answer.json
        assert answer.headers["Location"] == f"/api/v1/offers/{offer['id']}"
        assert (offer["status"], offer["amount"], offer["valid_until"]) == ("drafted", eur("30.00"), None)
        assert [item["action"] for item in offer["allowed_actions"]] == ["submit", "withdraw"]
        assert offer["suggestion"]["lines"][0]["kind"] == "goodwill"
        assert agent.get(f"/offers/{offer['id']}").json == offer
        shown = agent.get(f"/complaints/{complaint['reference']}").json
        assert shown["remedies_undelivered"] == 1
        assert violations(database) == []

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ({"kind": "voucher"}, [("/reason", "required")]),
            ({"kind": "voucher", "reason": "x"}, [("/amount", "required")]),
            (voucher(kind="refund"), [("/kind", "not_issuable")]),
            (voucher(kind="bribe"), [("/kind", "choice")]),
            (voucher(text="Dear Ana"), [("/text", "invalid")]),
            (voucher(valid_days=0), [("/valid_days", "range")]),
            (voucher("0.00"), [("/amount", "invalid")]),
            (voucher("1.234"), [("/amount", "invalid")]),
            (voucher() | {"amount": {"amount": "5.00", "currency": "USD"}}, [("/amount/currency", "currency")]),
            (LETTER | {"amount": eur("5.00")}, [("/amount", "not_paid")]),
            (voucher(colour="red"), [("/colour", "unknown_field")]),
        ],
    )
    def test_what_does_not_fit(
        self, agent: Caller, complaint: dict[str, Any], body: dict[str, Any], expected: list[tuple[str, str]]
    ) -> None:
        answer = agent.post(self.path(complaint), body)
        assert answer.status_code == 422
        assert codes(answer) == expected

    def test_the_price_can_still_be_entered_and_not_in_another_currency(
        self, agent: Caller, budget: str, team: UUID
    ) -> None:
        bare = {name: value for name, value in complaint_body(team_id=str(team)).items() if name != "price"}
        complaint = agent.post("/complaints", bare).json
        path = f"/complaints/{complaint['reference']}"
        for body in (LETTER, voucher()):
            draft(agent, complaint, body)
            assert agent.patch(path, {"price": eur("5.00")}, if_match="*").status_code == 200
        other = agent.patch(path, {"loss": {"amount": "5.00", "currency": "USD"}}, if_match="*")
        assert codes(other) == [("/loss/currency", "currency")]
        both = {name: {"amount": "5.00", "currency": "USD"} for name in ("price", "loss")}
        other = agent.patch(path, both, if_match="*")
        assert codes(other) == [("/price/currency", "offers_live"), ("/loss/currency", "offers_live")]

    def test_the_same_again_must_be_meant(self, agent: Caller, complaint: dict[str, Any]) -> None:
        first = draft(agent, complaint)
        again = agent.post(self.path(complaint), voucher())
        assert refused(again) == (409, "duplicate_offer")
        assert again.json["offer_id"] == first["id"]
        assert draft(agent, complaint, voucher(allow_duplicate=True))["id"] != first["id"]
        draft(agent, complaint, LETTER)
        assert refused(agent.post(self.path(complaint), LETTER)) == (409, "duplicate_offer")

    def test_an_ended_one_is_no_duplicate(self, agent: Caller, manager: Caller, complaint: dict[str, Any]) -> None:
        act(manager, draft(agent, complaint), "revoke", reason="x")
        draft(agent, complaint)

    def test_two_at_once_make_one(self, agent: Caller, complaint: dict[str, Any]) -> None:
        callers = [another(agent), another(agent)]
        answers = at_once(*(lambda who=who: who.post(self.path(complaint), voucher()) for who in callers))
        assert sorted(answer.status_code for answer in answers) == [201, 409]

    def test_not_on_a_closed_complaint(self, agent: Caller, complaint: dict[str, Any]) -> None:
        agent.post(f"/complaints/{complaint['reference']}/actions/withdraw", {"reason": "Settled elsewhere."})
        # 409 comes before 422: what is wrong with the body does not matter any more.
        assert refused(agent.post(self.path(complaint), {"kind": "x"})) == (409, "complaint_takes_no_offers")


class TestRead:
    def test_anonymous(self, anonymous: Caller, agent: Caller, complaint: dict[str, Any]) -> None:
        offer = draft(agent, complaint)
        for path in ("/offers", f"/offers/{offer['id']}", f"/complaints/{complaint['reference']}/offers"):
            assert anonymous.get(path).status_code == 401

    def test_another_team_sees_nothing(self, stranger: Caller, agent: Caller, complaint: dict[str, Any]) -> None:
        offer = draft(agent, complaint)
        assert stranger.get("/offers?count=true").json == {"items": [], "next_cursor": None, "total": 0}
        assert stranger.get(f"/offers/{offer['id']}").status_code == 404
        assert stranger.get(f"/complaints/{complaint['reference']}/offers").status_code == 404

    def test_lists_are_paged_newest_first(self, agent: Caller, complaint: dict[str, Any]) -> None:
        made = [draft(agent, complaint, voucher(f"{amount}.00"))["id"] for amount in range(1, 6)]
        for path in ("/offers?", f"/complaints/{complaint['reference']}/offers?"):
            page = agent.get(f"{path}limit=2&count=true").json
            seen = [item["id"] for item in page["items"]]
            while page["next_cursor"]:
                page = agent.get(f"{path}limit=2&count=true&cursor={page['next_cursor']}").json
                assert page["total"] == 5
                seen += [item["id"] for item in page["items"]]
            assert seen == made[::-1]

    def test_filters(self, agent: Caller, manager: Caller, budget: str, complaint: dict[str, Any]) -> None:
        first, letter = draft(agent, complaint), draft(agent, complaint, LETTER)
        act(agent, first, "submit")
        assert [item["id"] for item in agent.get("/offers?status=approved").json["items"]] == [first["id"]]
        assert [item["id"] for item in agent.get("/offers?kind=apology_letter").json["items"]] == [letter["id"]]
        assert agent.get("/offers?status=issued").json["items"] == []

    def test_unchanged_is_304(self, agent: Caller, complaint: dict[str, Any]) -> None:
        path = f"/offers/{draft(agent, complaint)['id']}"
        tag = agent.get(path).headers["ETag"]
        assert agent.get(path, if_none_match=tag).status_code == 304

    def test_secrets_are_for_who_hands_them_on(
        self, program: Program, agent: Caller, auditor: Caller, budget: str, complaint: dict[str, Any]
    ) -> None:
        offer = offered(agent, complaint)
        assert offer["link"].startswith("http://helpdesk.test/api/v1/public/offers/")
        assert auditor.get(f"/offers/{offer['id']}").json["link"] is None
        act(agent, offer, "accept", said_by="phone")
        perform(program)
        shown = agent.get(f"/offers/{offer['id']}").json
        assert (shown["link"], len(shown["issued_reference"])) == (None, 21)
        assert auditor.get(f"/offers/{offer['id']}").json["issued_reference"] is None


class TestActions:
    def test_anonymous(self, anonymous: Caller) -> None:
        for action in offers.ACTIONS:
            assert anonymous.pay(f"/offers/{NO_ID}/actions/{action}", {}).status_code == 401

    def test_another_team_sees_nothing(self, stranger: Caller, agent: Caller, complaint: dict[str, Any]) -> None:
        offer = draft(agent, complaint)
        for action in offers.ACTIONS:
            assert stranger.pay(f"/offers/{offer['id']}/actions/{action}", {}).status_code == 404

    @pytest.mark.parametrize("action", ["approve", "refuse", "retry", "revoke", "reverse"])
    def test_wrong_role(self, agent: Caller, complaint: dict[str, Any], action: str) -> None:
        # 403 before 409: that a drafted offer cannot be reversed is not said to who may not reverse any.
        assert refused(agent.pay(f"/offers/{draft(agent, complaint)['id']}/actions/{action}", {})) == (403, "forbidden")

    @pytest.mark.parametrize("action", ["endorse", "begin_issuing", "record_issued", "fail", "expire", "redeem"])
    def test_what_follows_by_itself_has_no_route(
        self, admin: Caller, agent: Caller, complaint: dict[str, Any], action: str
    ) -> None:
        assert admin.pay(f"/offers/{draft(agent, complaint)['id']}/actions/{action}", {}).status_code == 404

    def test_without_a_key(self, agent: Caller, complaint: dict[str, Any]) -> None:
        answer = agent.post(f"/offers/{draft(agent, complaint)['id']}/actions/submit", {})
        assert refused(answer) == (400, "idempotency_key_required")

    def test_repeated_with_the_same_key(self, agent: Caller, budget: str, complaint: dict[str, Any]) -> None:
        path = f"/offers/{draft(agent, complaint)['id']}/actions/submit"
        first = agent.pay(path, {}, idempotency_key="once")
        second = agent.pay(path, {}, idempotency_key="once")
        assert second.json == first.json
        assert second.headers["Idempotent-Replayed"] == "true"

    def test_if_match(self, agent: Caller, budget: str, complaint: dict[str, Any]) -> None:
        offer = draft(agent, complaint)
        act(agent, offer, "submit")
        stale = agent.pay(f"/offers/{offer['id']}/actions/offer", {}, if_match='"v1"')
        assert refused(stale) == (412, "precondition_failed")
        assert agent.pay(f"/offers/{offer['id']}/actions/offer", {}, if_match='"v3"').status_code == 200

    def test_from_the_wrong_state(self, agent: Caller, complaint: dict[str, Any]) -> None:
        answer = agent.pay(f"/offers/{draft(agent, complaint)['id']}/actions/accept", {"colour": "red"})
        assert refused(answer) == (409, "action_not_allowed")
        assert [item["action"] for item in answer.json["allowed_actions"]] == ["submit", "withdraw"]

    @pytest.mark.parametrize("body", [voucher(), LETTER])
    def test_a_draft_can_be_withdrawn_by_who_may_draft(
        self, database: Database, agent: Caller, complaint: dict[str, Any], body: dict[str, Any]
    ) -> None:
        offer = draft(agent, complaint, body)
        assert act(agent, offer, "withdraw", note="Drafted on the wrong complaint.")["status"] == "revoked"
        assert agent.get(f"/complaints/{complaint['reference']}").json["remedies_undelivered"] == 0
        assert violations(database) == []

    def test_money_is_moved_only_on_a_version_that_was_seen(
        self, agent: Caller, budget: str, complaint: dict[str, Any]
    ) -> None:
        path = f"/offers/{draft(agent, complaint)['id']}/actions/submit"
        assert refused(agent.post(path, {}, idempotency_key="unseen-0001")) == (428, "precondition_required")
        assert refused(agent.pay(path, {}, if_match='"v7"')) == (412, "precondition_failed")
        assert agent.pay(path, {}, if_match='"v1"').status_code == 200

    def test_who_may_not_approve_is_told_so_before_the_state(
        self, agent: Caller, manager: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = draft(manager, complaint)
        assert refused(manager.pay(f"/offers/{offer['id']}/actions/approve", {})) == (403, "own_approval")
        assert refused(agent.pay(f"/offers/{offer['id']}/actions/approve", {})) == (403, "forbidden")

    def test_the_whole_way(
        self, program: Program, agent: Caller, manager: Caller, budget: str, complaint: dict[str, Any]
    ) -> None:
        offer = draft(agent, complaint)
        approved = act(agent, offer, "submit")
        assert (approved["status"], approved["budget_id"]) == ("approved", budget)
        assert manager.get(f"/budgets/{budget}").json["reserved"] == eur("30.00")
        sent = act(agent, offer, "offer")
        assert (sent["status"], sent["valid_until"] is None) == ("offered", False)
        taken = act(agent, offer, "accept", said_by="phone", note="Glad to take it.")
        assert taken["status"] == "issuing"
        perform(program)
        done = agent.get(f"/offers/{offer['id']}").json
        assert done["status"] == "issued"
        spent = manager.get(f"/budgets/{budget}").json
        assert (spent["reserved"], spent["committed"], spent["available"]) == (eur("0.00"), eur("30.00"), eur("970.00"))
        assert agent.get(f"/complaints/{complaint['reference']}").json["remedies_undelivered"] == 0
        kinds = [item["type"] for item in agent.get(f"/complaints/{complaint['reference']}/timeline").json["items"]]
        assert [kind for kind in kinds if kind.startswith("offer.")] == [
            "offer.drafted",
            "offer.submitted",
            "offer.approved",
            "offer.sent",
            "offer.accepted",
            "offer.issuing",
            "offer.issued",
        ]
        assert violations(program.database) == []

    def test_reversed_gives_the_money_back(
        self, program: Program, agent: Caller, manager: Caller, budget: str, complaint: dict[str, Any]
    ) -> None:
        offer = issued(program, agent, complaint)
        act(manager, offer, "reverse", reason="Sent to the wrong person.")
        assert manager.get(f"/budgets/{budget}").json["available"] == eur("1000.00")
        used = manager.pay(f"/vouchers/{offer['issued_reference']}/redeem")
        assert (refused(used), used.json["voucher_status"]) == ((409, "voucher_not_valid"), "withdrawn")
        assert violations(program.database) == []

    def test_what_was_used_is_not_reversed(
        self, program: Program, agent: Caller, manager: Caller, budget: str, complaint: dict[str, Any]
    ) -> None:
        offer = issued(program, agent, complaint)
        manager.pay(f"/vouchers/{offer['issued_reference']}/redeem")
        answer = manager.pay(f"/offers/{offer['id']}/actions/reverse", {"reason": "x"})
        assert refused(answer) == (409, "action_not_allowed")

    def test_a_letter_is_not_reversed(
        self, program: Program, agent: Caller, manager: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = issued(program, agent, complaint, LETTER)
        answer = manager.pay(f"/offers/{offer['id']}/actions/reverse", {"reason": "x"})
        assert [need["code"] for need in answer.json["missing"]] == ["words_stay"]

    @pytest.mark.parametrize("action", ["withdraw", "dismiss"])
    def test_a_complaint_that_ends_takes_back_what_is_not_answered(
        self, program: Program, senior: Caller, budget: str, complaint: dict[str, Any], action: str
    ) -> None:
        open_, waiting = offered(senior, complaint), draft(senior, complaint, voucher("20.00"))
        owed = accepted(senior, complaint, voucher("10.00"))
        given = {"reason_code": "out_of_scope"} if action == "dismiss" else {"reason": "Settled elsewhere."}
        answer = senior.post(f"/complaints/{complaint['reference']}/actions/{action}", given)
        assert answer.status_code == 200, answer.text
        assert answer.json["remedies_undelivered"] == 1
        states = [senior.get(f"/offers/{offer['id']}").json["status"] for offer in (open_, waiting, owed)]
        assert states == ["revoked", "revoked", "issuing"]
        assert perform(program)["done"] == 1
        assert violations(program.database) == []


class TestApproval:
    def pending(self, agent: Caller, complaint: dict[str, Any], amount: str = "60.00") -> dict[str, Any]:
        offer = act(agent, draft(agent, complaint, voucher(amount)), "submit")
        assert offer["status"] == "pending_approval"
        return offer

    def test_anonymous(self, anonymous: Caller) -> None:
        assert anonymous.pay(f"/offers/{NO_ID}/actions/approve", {}).status_code == 401

    def test_wrong_role(self, agent: Caller, budget: str, complaint: dict[str, Any], join: Join) -> None:
        offer = self.pending(agent, complaint)
        assert refused(join("agent").pay(f"/offers/{offer['id']}/actions/approve", {})) == (403, "forbidden")

    def test_by_a_colleague_with_the_authority(
        self, database: Database, agent: Caller, senior: Caller, budget: str, complaint: dict[str, Any]
    ) -> None:
        offer = self.pending(agent, complaint)
        assert scalar(database, "SELECT count(*) FROM budget_entry WHERE kind = 'reserve'") == 0
        approved = act(senior, offer, "approve")
        assert (approved["status"], approved["approvals"][0]["agent_id"]) == ("approved", str(senior.id))
        assert violations(database) == []

    def test_reaching_a_limit_is_within_it(self, agent: Caller, budget: str, complaint: dict[str, Any]) -> None:
        assert act(agent, draft(agent, complaint, voucher("50.00")), "submit")["status"] == "approved"

    def test_splitting_does_not_help(self, agent: Caller, budget: str, complaint: dict[str, Any]) -> None:
        assert act(agent, draft(agent, complaint, voucher("30.00")), "submit")["status"] == "approved"
        assert act(agent, draft(agent, complaint, voucher("20.01")), "submit")["status"] == "pending_approval"

    def test_a_customer_in_a_year_over_all_their_complaints(
        self, database: Database, agent: Caller, budget: str, team: UUID
    ) -> None:
        states = []
        for _ in range(4):
            complaint = agent.post("/complaints", complaint_body(team_id=str(team))).json
            states.append(act(agent, draft(agent, complaint, voucher("50.00")), "submit")["status"])
        assert states == ["approved"] * 3 + ["pending_approval"]
        execute(database, "UPDATE offer SET granted_at = granted_at - interval '366 days'")
        execute(database, "UPDATE offer_transition SET at = at - interval '366 days'")
        complaint = agent.post("/complaints", complaint_body(team_id=str(team))).json
        assert act(agent, draft(agent, complaint, voucher("50.00")), "submit")["status"] == "approved"

    def test_what_came_to_nothing_does_not_count(
        self, agent: Caller, manager: Caller, budget: str, complaint: dict[str, Any]
    ) -> None:
        first = act(agent, draft(agent, complaint, voucher("50.00")), "submit")
        act(manager, first, "revoke", reason="x")
        assert act(agent, draft(agent, complaint, voucher("40.00")), "submit")["status"] == "approved"

    def test_nobody_approves_their_own(self, senior: Caller, budget: str, complaint: dict[str, Any]) -> None:
        offer = self.pending(senior, complaint, "200.01")
        shown = senior.get(f"/offers/{offer['id']}").json
        approve = next(item for item in shown["allowed_actions"] if item["action"] == "approve")
        assert [need["code"] for need in approve["missing"]] == ["own_approval"]
        assert refused(senior.pay(f"/offers/{offer['id']}/actions/approve", {})) == (403, "own_approval")

    def test_beyond_authority_names_each_limit(
        self, agent: Caller, senior: Caller, budget: str, complaint: dict[str, Any]
    ) -> None:
        offer = self.pending(agent, complaint, "400.01")
        answer = senior.pay(f"/offers/{offer['id']}/actions/approve", {})
        assert refused(answer) == (403, "beyond_authority")
        assert [item["limit"] for item in answer.json["limits"]] == ["case", "customer"]
        assert answer.json["limits"][0] == {"limit": "case", "allowed": eur("200.00"), "would_be": eur("400.01")}
        approve = senior.get(f"/offers/{offer['id']}").json["allowed_actions"][0]
        assert (approve["action"], approve["missing"][0]["code"]) == ("approve", "beyond_authority")

    def test_not_by_whom_it_is_about(
        self, agent: Caller, senior: Caller, budget: str, complaint: dict[str, Any]
    ) -> None:
        agent.post(f"/complaints/{complaint['reference']}/subjects", {"agent_id": str(senior.id)})
        offer = self.pending(agent, complaint)
        assert refused(senior.pay(f"/offers/{offer['id']}/actions/approve", {})) == (403, "conflict_of_interest")
        assert act(senior, draft(senior, complaint, voucher("1.00")), "submit")["status"] == "pending_approval"

    def test_given_back_with_the_reason(
        self, database: Database, agent: Caller, senior: Caller, budget: str, complaint: dict[str, Any]
    ) -> None:
        offer = self.pending(agent, complaint)
        back = act(senior, offer, "refuse", reason="Too much for a late parcel.")
        assert (back["status"], back["status_reason"]) == ("drafted", "Too much for a late parcel.")
        assert act(agent, offer, "submit")["status"] == "pending_approval"
        assert violations(database) == []

    def test_above_the_top_two_directors(
        self, database: Database, agent: Caller, manager: Caller, join: Join, complaint: dict[str, Any]
    ) -> None:
        open_budget(manager, "20000.00")
        offer = self.pending(agent, complaint, "10000.01")
        path = f"/offers/{offer['id']}/actions/approve"
        director, admin = join("director"), join("admin")
        first = director.pay(path, {})
        assert (first.json["status"], len(first.json["approvals"])) == ("pending_approval", 1)
        assert scalar(database, "SELECT count(*) FROM budget_entry WHERE kind = 'reserve'") == 0
        assert refused(director.pay(path, {})) == (403, "own_approval")
        assert refused(manager.pay(path, {})) == (403, "beyond_authority")
        second = admin.pay(path, {})
        assert (second.json["status"], len(second.json["approvals"])) == ("approved", 2)
        assert violations(database) == []

    def test_two_directors_at_once_are_two(
        self, database: Database, agent: Caller, manager: Caller, join: Join, complaint: dict[str, Any]
    ) -> None:
        open_budget(manager, "20000.00")
        path = f"/offers/{self.pending(agent, complaint, '10000.01')['id']}/actions/approve"
        answers = at_once(*(lambda who=who: who.pay(path, {}) for who in (join("director"), join("admin"))))
        assert sorted(answer.json["status"] for answer in answers) == ["approved", "pending_approval"]
        assert violations(database) == []


class TestPublic:
    @pytest.fixture
    def offer(self, agent: Caller, budget: str, complaint: dict[str, Any]) -> dict[str, Any]:
        return offered(agent, complaint)

    def test_without_a_link_of_ours(self, anonymous: Caller, offer: dict[str, Any], program: Program) -> None:
        forged = token(offer)[:-2] + "xx"
        elsewhere = links.sign(SIGNING_KEY, "survey", UUID(offer["id"]), program_now(program))
        for bad in (forged, elsewhere, "x"):
            assert anonymous.get(f"/public/offers/{bad}").status_code == 404
            assert anonymous.pay(f"/public/offers/{bad}/accept").status_code == 404
            assert anonymous.pay(f"/public/offers/{bad}/decline", {}).status_code == 404

    def test_a_link_past_its_time(self, anonymous: Caller, offer: dict[str, Any], program: Program) -> None:
        old = links.sign(SIGNING_KEY, "offer", UUID(offer["id"]), program_now(program).replace(year=2020))
        assert refused(anonymous.get(f"/public/offers/{old}")) == (410, "gone")
        assert refused(anonymous.pay(f"/public/offers/{old}/accept")) == (410, "gone")

    def test_not_before_it_is_sent(
        self, anonymous: Caller, agent: Caller, complaint: dict[str, Any], program: Program
    ) -> None:
        waiting = draft(agent, complaint)
        guess = offers.Links(SIGNING_KEY, "").of(UUID(waiting["id"]), program_now(program)).rsplit("/", 1)[1]
        assert anonymous.get(f"/public/offers/{guess}").status_code == 404
        assert anonymous.pay(f"/public/offers/{guess}/accept").status_code == 404

    def test_is_shown_what_is_theirs_and_no_more(self, anonymous: Caller, offer: dict[str, Any]) -> None:
        shown = anonymous.get(f"/public/offers/{token(offer)}").json
        assert shown == {
            "complaint_reference": offer["complaint_reference"],
            "kind": "voucher",
            "amount": eur("30.00"),
            "reason": offer["reason"],
            "status": "offered",
            "valid_until": offer["valid_until"],
            "voucher_code": None,
            "voucher_expires_at": None,
            "version": offer["version"],
        }

    def test_the_link_is_mailed(self, database: Database, offer: dict[str, Any]) -> None:
        with database.reader() as session:
            mail = session.execute(text("SELECT recipient, body FROM outbound_mail WHERE reason = 'offer'")).one()
        assert mail.recipient == "li.wei@example.com"
        assert offer["link"] in mail.body
        assert "a voucher for 30.00 EUR" in mail.body

    def test_accepts_and_gets_the_voucher(
        self, program: Program, anonymous: Caller, agent: Caller, offer: dict[str, Any], complaint: dict[str, Any]
    ) -> None:
        path = f"/public/offers/{token(offer)}"
        assert refused(anonymous.post(f"{path}/accept")) == (400, "idempotency_key_required")
        assert anonymous.pay(f"{path}/accept").json["status"] == "accepted"
        perform(program)
        shown = anonymous.get(path).json
        assert (shown["status"], len(shown["voucher_code"])) == ("issued", 21)
        assert (
            scalar(program.database, "SELECT body FROM outbound_mail WHERE reason = 'voucher'").count(
                shown["voucher_code"]
            )
            == 1
        )
        items = agent.get(f"/complaints/{complaint['reference']}/timeline").json["items"]
        accept = next(item for item in items if item["type"] == "offer.accepted")
        assert (accept["actor_kind"], accept["actor_id"]) == ("complainant", complaint["id"])
        assert violations(program.database) == []

    def test_declines_with_a_reason(
        self, database: Database, anonymous: Caller, agent: Caller, offer: dict[str, Any]
    ) -> None:
        answer = anonymous.pay(f"/public/offers/{token(offer)}/decline", {"reason": "I want my money back."})
        assert answer.json["status"] == "declined"
        assert agent.get(f"/offers/{offer['id']}").json["status_reason"] == "I want my money back."
        assert violations(database) == []

    def test_one_answer_only(self, anonymous: Caller, offer: dict[str, Any]) -> None:
        path = f"/public/offers/{token(offer)}"
        anonymous.pay(f"{path}/decline", {})
        assert refused(anonymous.pay(f"{path}/accept")) == (409, "action_not_allowed")
        assert refused(anonymous.pay(f"{path}/decline", {})) == (409, "action_not_allowed")

    def test_too_late_is_late_before_any_sweep(
        self, database: Database, anonymous: Caller, offer: dict[str, Any]
    ) -> None:
        execute(database, "UPDATE offer SET valid_until = now() WHERE id = :id", id=offer["id"])
        path = f"/public/offers/{token(offer)}"
        assert anonymous.get(path).json["status"] == "expired"
        answer = anonymous.pay(f"{path}/accept")
        assert refused(answer) == (409, "action_not_allowed")
        assert [need["code"] for need in answer.json["missing"]] == ["offer_expired"]

    def test_two_acceptances_at_once(
        self, program: Program, anonymous: Caller, agent: Caller, offer: dict[str, Any]
    ) -> None:
        path = f"/public/offers/{token(offer)}/accept"
        browsers = [Caller(anonymous.client.application.test_client(), None, None) for _ in range(3)]
        answers = at_once(
            *(lambda who=who: who.pay(path) for who in browsers),
            lambda: agent.pay(f"/offers/{offer['id']}/actions/accept", {"said_by": "phone"}),
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
        assert scalar(program.database, "SELECT count(*) FROM duty WHERE topic = 'recovery.issue'") == 1
        perform(program)
        assert scalar(program.database, "SELECT count(*) FROM voucher") == 1
        assert violations(program.database) == []

    @pytest.mark.parametrize("attempt", range(4))
    def test_accepted_and_expired_at_once(
        self, program: Program, agent: Caller, offer: dict[str, Any], attempt: int
    ) -> None:
        """The customer's transaction began in time; the offer ends while it waits, and the sweep comes."""
        database, offer_id = program.database, UUID(offer["id"])
        customer = complainant_actor(UUID(offer["complaint_id"]), frozenset({"offer:answer"}))

        def accept() -> bool:
            try:
                with database.unit_of_work(customer) as uow:
                    assert uow.now is not None  # the transaction's time is fixed here, before the offer ends
                    execute(database, "UPDATE offer SET valid_until = clock_timestamp() WHERE id = :id", id=offer_id)
                    gate.append(1)
                    held = queries.hold_any(uow.session, offer_id)
                    offers.act(uow, customer, held, "accept", {"said_by": "link"}, to=offers.Links(SIGNING_KEY, ""))
            except ActionNotAllowed:
                return False
            return True

        def expire() -> bool:
            until(lambda: bool(gate))
            return jobs.expire_offers(database) == 1

        gate: list[int] = []
        accepted_, expired = at_once(accept, expire)
        assert accepted_ is not expired
        status = agent.get(f"/offers/{offer['id']}").json["status"]
        assert status == ("issuing" if accepted_ else "expired")
        assert violations(database) == []


def program_now(program: Program) -> Any:
    with program.database.reader() as session:
        return session.execute(text("SELECT now()")).scalar_one()


class TestBudgets:
    BODY = {"name": "Goodwill", "currency": "EUR", "starts_on": "2026-01-01", "ends_on": "2026-12-31"}  # noqa: RUF012

    def test_anonymous(self, anonymous: Caller) -> None:
        assert anonymous.get("/budgets").status_code == 401
        assert anonymous.post("/budgets", self.BODY).status_code == 401
        assert anonymous.pay(f"/budgets/{NO_ID}/allocations", {"amount": eur("1.00")}).status_code == 401

    def test_wrong_role(self, agent: Caller, senior: Caller, budget: str) -> None:
        for path in ("/budgets", f"/budgets/{budget}", f"/budgets/{budget}/entries"):
            assert agent.get(path).status_code == 403
            assert senior.get(path).status_code == 200
        assert senior.post("/budgets", self.BODY).status_code == 403
        assert senior.pay(f"/budgets/{budget}/allocations", {"amount": eur("1.00")}).status_code == 403

    def test_opened_and_filled(self, manager: Caller, team: UUID) -> None:
        answer = manager.post("/budgets", self.BODY | {"team_id": str(team)})
        assert answer.status_code == 201
        path = f"/budgets/{answer.json['id']}"
        assert answer.headers["Location"] == f"/api/v1{path}"
        assert answer.json["available"] == eur("0.00")
        money = {"amount": eur("100.00"), "note": "First quarter"}
        assert refused(manager.post(f"{path}/allocations", money)) == (400, "idempotency_key_required")
        for _ in range(2):
            filled = manager.pay(f"{path}/allocations", money, idempotency_key="first-quarter")
            assert (filled.status_code, filled.json["available"]) == (201, eur("100.00"))
        (entry,) = manager.get(f"{path}/entries").json["items"]
        assert (entry["kind"], entry["amount"], entry["note"]) == ("allocate", eur("100.00"), "First quarter")

    def test_what_does_not_fit(self, manager: Caller, budget: str) -> None:
        answer = manager.post("/budgets", self.BODY | {"ends_on": "2025-12-31", "currency": "XXX"})
        assert answer.status_code == 422
        assert ("/currency", "invalid") in codes(answer)
        late = manager.post("/budgets", self.BODY | {"ends_on": "2025-12-31"})
        assert codes(late) == [("/ends_on", "invalid")]
        unknown = manager.post("/budgets", self.BODY | {"team_id": str(NO_ID)})
        assert codes(unknown) == [("/team_id", "unknown")]
        money = {"amount": {"amount": "5", "currency": "JPY"}}
        assert codes(manager.pay(f"/budgets/{budget}/allocations", money)) == [("/amount/currency", "currency")]
        assert manager.pay(f"/budgets/{NO_ID}/allocations", {"amount": eur("1.00")}).status_code == 404

    def test_the_same_again(self, manager: Caller) -> None:
        first = manager.post("/budgets", self.BODY)
        again = manager.post("/budgets", self.BODY)
        assert (refused(again), again.json["budget_id"]) == ((409, "budget_exists"), first.json["id"])

    def test_two_at_once_make_one(self, manager: Caller) -> None:
        callers = [another(manager), another(manager)]
        answers = at_once(*(lambda who=who: who.post("/budgets", self.BODY) for who in callers))
        assert sorted(answer.status_code for answer in answers) == [201, 409]

    def test_filters(self, manager: Caller, budget: str, team: UUID) -> None:
        own = open_budget(manager, team_id=str(team), currency="JPY", ends_on="2010-01-01", amount="5")

        def listed(query: str) -> list[str]:
            return [item["id"] for item in manager.get(f"/budgets?{query}").json["items"]]

        assert listed("") == [budget, own]
        assert listed(f"team_id={team}") == listed("currency=JPY") == [own]
        assert listed("on=2026-06-01") == [budget]
        assert manager.get("/budgets?limit=1&count=true").json["total"] == 2


class TestVouchers:
    @pytest.fixture
    def code(self, program: Program, agent: Caller, budget: str, complaint: dict[str, Any]) -> str:
        return str(issued(program, agent, complaint)["issued_reference"])

    def test_anonymous(self, anonymous: Caller, code: str) -> None:
        assert anonymous.get(f"/vouchers/{code}").status_code == 401
        assert anonymous.pay(f"/vouchers/{code}/redeem").status_code == 401

    def test_wrong_role(self, senior: Caller, code: str) -> None:
        assert senior.get(f"/vouchers/{code}").status_code == 403
        assert senior.pay(f"/vouchers/{code}/redeem").status_code == 403

    def test_looked_up_as_it_is_typed(self, manager: Caller, code: str) -> None:
        shown = manager.get(f"/vouchers/{code.lower().replace('-', '')}").json
        assert set(shown) == {"code", "amount", "status", "expires_at", "redeemed_at"}
        assert (shown["code"], shown["status"]) == (code, "valid")
        for bad in ("x", code[:-1] + ("A" if code[-1] != "A" else "B")):
            assert manager.get(f"/vouchers/{bad}").status_code == 404
            assert manager.pay(f"/vouchers/{bad}/redeem").status_code == 404

    def test_used_once(self, database: Database, manager: Caller, agent: Caller, code: str) -> None:
        assert refused(manager.post(f"/vouchers/{code}/redeem")) == (400, "idempotency_key_required")
        used = manager.pay(f"/vouchers/{code}/redeem")
        assert (used.status_code, used.json["status"]) == (200, "redeemed")
        again = manager.pay(f"/vouchers/{code}/redeem")
        assert (refused(again), again.json["voucher_status"]) == ((409, "voucher_not_valid"), "redeemed")
        assert agent.get("/offers?status=redeemed&count=true").json["total"] == 1
        assert violations(database) == []

    def test_used_twice_at_once(self, database: Database, manager: Caller, code: str) -> None:
        tills = [another(manager) for _ in range(4)]
        answers = at_once(*(lambda till=till: till.pay(f"/vouchers/{code}/redeem") for till in tills))
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
        assert scalar(database, "SELECT count(*) FROM event WHERE type = 'offer.redeemed'") == 1
        assert violations(database) == []

    def test_past_its_time(self, database: Database, manager: Caller, code: str) -> None:
        execute(database, "UPDATE voucher SET expires_at = now()")
        answer = manager.pay(f"/vouchers/{code}/redeem")
        assert (refused(answer), answer.json["voucher_status"]) == ((409, "voucher_not_valid"), "expired")

    def test_used_and_reversed_at_once(
        self, database: Database, manager: Caller, director: Caller, agent: Caller, code: str
    ) -> None:
        offer = agent.get("/offers?status=issued").json["items"][0]
        answers = at_once(
            lambda: manager.pay(f"/vouchers/{code}/redeem"),
            lambda: director.pay(f"/offers/{offer['id']}/actions/reverse", {"reason": "x"}),
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        assert violations(database) == []


def test_a_locked_complaint_makes_sweeps_go_on(
    program: Program, agent: Caller, budget: str, complaint: dict[str, Any]
) -> None:
    """A sweep waits for nobody: what somebody is at work on is found in the next round."""
    offer = offered(agent, complaint)
    execute(program.database, "UPDATE offer SET valid_until = now() WHERE id = :id", id=offer["id"])
    with program.database.unit_of_work(SYSTEM) as uow:
        uow.session.execute(select(Complaint).where(Complaint.id == UUID(complaint["id"])).with_for_update())
        assert jobs.expire_offers(program.database) == 0
    assert jobs.expire_offers(program.database) == 1
