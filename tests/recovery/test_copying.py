"""An offer that came to nothing is drafted anew.

How it can fail: what is still in the customer's hands is copied, so that both are owed; a guard, authority or budget that the
first one passed is not asked again; terms are lost, or those that the customer did not choose come back; the copy is sent by
somebody else's authority; the first one changes.
"""

from typing import Any

import pytest

from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import jobs
from helpdesk.wiring import Program
from tests.conftest import Caller
from tests.racing import at_once
from tests.recovery.answers import codes, refused
from tests.recovery.helpers import act, draft, eur, execute, offered, perform, scalar, token, violations, voucher

AGAIN = {"allow_duplicate": True, "duplicate_reason": "The first one came to nothing.", "override_reason": "As agreed."}


pytestmark = pytest.mark.usefixtures("budget")


def copy(caller: Caller, offer: dict[str, Any], **given: Any) -> Any:
    return caller.post(f"/offers/{offer['id']}/copy", AGAIN | given)


@pytest.fixture
def declined(agent: Caller, complaint: dict[str, Any]) -> dict[str, Any]:
    return act(agent, offered(agent, complaint, voucher(voucher_days=90)), "decline", said_by="phone")


class TestWho:
    def test_may(
        self, anonymous: Caller, auditor: Caller, stranger: Caller, agent: Caller, declined: dict[str, Any]
    ) -> None:
        assert [copy(caller, declined).status_code for caller in (anonymous, stranger, auditor)] == [401, 404, 403]
        assert copy(agent, declined).status_code == 201


class TestWhatEnded:
    def test_is_a_draft_of_its_own(
        self, database: Database, agent: Caller, complaint: dict[str, Any], declined: dict[str, Any]
    ) -> None:
        answer = copy(agent, declined)
        new = answer.json
        assert answer.headers["Location"].endswith(new["id"])
        assert (new["status"], new["copied_from"], new["drafted_by"]) == ("drafted", declined["id"], str(agent.id))
        for name in ("kind", "amount", "reason", "voucher_days", "voucher_partial", "valid_days"):
            assert new[name] == declined[name], name
        assert (new["approvals"], new["valid_until"], new["budget_id"]) == ([], None, None)
        assert agent.get(f"/offers/{declined['id']}").json["status"] == "declined"
        told = agent.get(f"/complaints/{complaint['reference']}/timeline").json["items"]
        assert [item["payload"]["copied_from"] for item in told if item["type"] == "offer.drafted"] == [
            None,
            declined["id"],
        ]
        act(agent, new, "submit")
        sent = act(agent, new, "offer")
        assert token(sent) != token(offered(agent, complaint, voucher("1.00")))
        assert violations(database) == []

    def test_with_other_words_and_days(self, agent: Caller, declined: dict[str, Any]) -> None:
        new = copy(agent, declined, reason="Once more.", valid_days=9).json
        assert (new["reason"], new["valid_days"]) == ("Once more.", 9)

    def test_expired_and_revoked(self, program: Program, agent: Caller, complaint: dict[str, Any]) -> None:
        revoked = draft(agent, complaint, voucher("7.00"))
        act(agent, revoked, "withdraw")
        expired = offered(agent, complaint, voucher("8.00"))
        execute(program.database, "UPDATE offer SET valid_until = now() WHERE id = :id", id=expired["id"])
        assert jobs.expire_offers(program.database) == 1
        assert [copy(agent, offer).json["amount"] for offer in (revoked, expired)] == [eur("7.00"), eur("8.00")]

    def test_all_that_could_be_chosen_from(self, agent: Caller, complaint: dict[str, Any]) -> None:
        options = [
            {"kind": "voucher", "amount": eur("12.00"), "voucher_days": 30, "voucher_partial": True},
            {"kind": "goodwill_payment", "amount": eur("10.00")},
            {"kind": "apology_letter", "text": "Dear Li Wei, I am sorry."},
        ]
        first = draft(agent, complaint, {"options": options, "reason": "It came late.", "override_reason": "x"})
        act(agent, first, "withdraw")
        assert copy(agent, first).json["options"] == first["options"]


class TestRefused:
    def test_what_stands(self, program: Program, agent: Caller, manager: Caller, complaint: dict[str, Any]) -> None:
        offer = draft(agent, complaint)
        answer = copy(agent, offer)
        assert (refused(answer), answer.json["state"]) == ((409, "offer_stands"), "drafted")
        for step in ("submit", "offer"):
            act(agent, offer, step)
            assert refused(copy(agent, offer)) == (409, "offer_stands")
        act(agent, offer, "accept", said_by="phone")
        perform(program)
        assert refused(copy(agent, offer)) == (409, "offer_stands")
        act(manager, offer, "reverse", reason="A mistake.")
        assert refused(copy(agent, offer)) == (409, "offer_stands")

    def test_on_a_closed_complaint(self, agent: Caller, complaint: dict[str, Any], declined: dict[str, Any]) -> None:
        path = f"/complaints/{complaint['reference']}/actions/withdraw"
        assert agent.post(path, {"reason": "Settled elsewhere."}).status_code == 200
        assert refused(copy(agent, declined)) == (409, "complaint_takes_no_offers")

    def test_a_second_one_of_the_same(self, agent: Caller, declined: dict[str, Any]) -> None:
        assert copy(agent, declined).status_code == 201
        assert refused(copy(agent, declined, allow_duplicate=False)) == (409, "duplicate_offer")

    @pytest.mark.parametrize(
        "body", [{"amount": eur("99.00")}, {"kind": "refund"}, {"valid_days": 0}, {"reason": 7}, {"successor_of": "x"}]
    )
    def test_bad_bodies(self, agent: Caller, declined: dict[str, Any], body: dict[str, Any]) -> None:
        answer = agent.post(f"/offers/{declined['id']}/copy", AGAIN | body)
        assert (answer.status_code, [pointer for pointer, _ in codes(answer)]) == (422, [f"/{name}" for name in body])

    def test_another_version(self, agent: Caller, declined: dict[str, Any]) -> None:
        answer = agent.post(f"/offers/{declined['id']}/copy", AGAIN, if_match='"1"')
        assert answer.status_code == 412

    def test_what_is_owed_by_now(self, database: Database, agent: Caller, complaint: dict[str, Any]) -> None:
        """Nothing was laid down when the first one was drafted."""
        first = act(agent, offered(agent, complaint), "decline", said_by="phone")
        facts = {
            "cause": "delay",
            "distance_km": "1840",
            "within_eu": False,
            "delay_hours": "4",
            "extraordinary": False,
        }
        edited = agent.patch(f"/complaints/{complaint['reference']}", {"jurisdiction": "DE"}, if_match="*")
        assert edited.status_code == 200, edited.text
        recorded = agent.patch(f"/complaints/{complaint['reference']}/recovery-facts", facts, if_match="*")
        assert recorded.status_code == 200, recorded.text
        before = scalar(database, "SELECT count(*) FROM offer")
        assert codes(copy(agent, first)) == [("/amount", "below_floor")]
        assert scalar(database, "SELECT count(*) FROM offer") == before


class TestAgain:
    def test_authority_and_budget_are_asked(
        self, database: Database, agent: Caller, manager: Caller, complaint: dict[str, Any], budget: str
    ) -> None:
        first = draft(agent, complaint, voucher("80.00"))
        act(agent, first, "submit")
        act(manager, first, "approve")
        sent = act(agent, first, "offer")
        act(agent, sent, "decline", said_by="phone")
        new = copy(agent, first).json
        assert act(agent, new, "submit")["status"] == "pending_approval", "the first approval was for the first one"
        act(manager, new, "approve")
        assert manager.get(f"/budgets/{budget}").json["available"] == eur("920.00")
        assert violations(database) == []

    @pytest.mark.parametrize("attempt", range(3))
    def test_two_at_once(self, database: Database, agent: Caller, declined: dict[str, Any], attempt: int) -> None:
        answers = at_once(*[lambda: copy(agent, declined, allow_duplicate=False)] * 2)
        assert sorted(answer.status_code for answer in answers) == [201, 409]
        assert violations(database) == []


def test_the_audit_finds_a_copy_of_what_stands(database: Database, agent: Caller, complaint: dict[str, Any]) -> None:
    one, other = draft(agent, complaint), draft(agent, complaint, voucher("2.00"))
    execute(database, "UPDATE offer SET copied_from = :one WHERE id = :other", one=one["id"], other=other["id"])
    assert [line for line in violations(database) if "offer_copies" in line] == [
        f"recovery.offer_copies: offer {other['id']}: is a copy of {one['id']}, which is drafted"
    ]
