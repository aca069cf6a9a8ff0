"""The routes of offers. Each class begins with the anonymous caller, then the wrong role, then the good case."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from helpdesk.complaints.models import Complaint
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import jobs, offers
from helpdesk.wiring import Program
from tests.complaints.steps import do
from tests.conftest import Caller, complaint_body
from tests.racing import at_once
from tests.recovery.answers import LETTER, NO_ID, codes, refused
from tests.recovery.helpers import (
    accepted,
    act,
    another,
    draft,
    eur,
    execute,
    issued,
    offered,
    perform,
    violations,
    voucher,
)


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
        do(database, UUID(complaint["id"]), "investigate")
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
        assert offer["link"].startswith("http://helpdesk.test/offers/")
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

    @pytest.mark.parametrize("action", ["endorse", "begin_issuing", "expire", "redeem", "unredeem"])
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
        act(agent, offer, "post_letter", note="Read out.")
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
            "offer.letter_posted",
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
        assert [need["code"] for need in answer.json["missing"]] == ["stays_done"]

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


def test_what_fails_again_and_again_keeps_a_sweep_from_nothing_behind_it(
    program: Program, agent: Caller, budget: str, team: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of which the next step's number is taken, found first each time, where a round has room for one."""
    monkeypatch.setattr(jobs, "BATCH", 1)
    bodies = [complaint_body(team_id=str(team), complainant={"name": name}) for name in ("Li", "Wu", "Ma")]
    first, second, behind = [offered(agent, agent.post("/complaints", body).json) for body in bodies]
    for hours, offer in enumerate((behind, second, first), 1):
        execute(
            program.database,
            "UPDATE offer SET valid_until = now() - make_interval(hours => :hours), steps = steps - :lost WHERE id = :id",
            hours=hours,
            lost=int(offer is not behind),
            id=offer["id"],
        )
    assert [jobs.expire_offers(program.database) for _ in range(2)] == [1, 0]
    states = [agent.get(f"/offers/{offer['id']}").json["status"] for offer in (first, second, behind)]
    assert states == ["offered", "offered", "expired"]


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
