"""What covers a floor is not taken back while goodwill that stands on it is promised or was given.

How it can fail: the refund goes after the voucher was accepted, or issued; money that is recorded as come back leaves a
voucher before the customer that they then accept; it is done by who may not, or seen in no report; or, the other way, a
refund stays for ever for the sake of an apology, of what came to nothing, or of money that is owed in any case.
"""

from typing import Any

import pytest

from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program
from tests.conftest import Caller, Join
from tests.racing import at_once
from tests.recovery.answers import refused
from tests.recovery.drafting import FLOOR, WHY, draft, flown, foretold, recorded, step
from tests.recovery.helpers import act, another, eur, open_budget, perform, violations

ANOTHER = {"allow_duplicate": True, "duplicate_reason": "Another order."}


class TestGoodwillIsNotLeftAlone:
    """Before the customer stands nothing on top of what is not offered any more."""

    @pytest.fixture(autouse=True)
    def _money(self, manager: Caller) -> None:
        open_budget(manager, "9000.00")

    def both(self, agent: Caller, manager: Caller, *, sent: bool | None = True) -> tuple[Any, Any]:
        """The refund that covers what is laid down, before the customer, and a voucher on top. `sent` False: it is approved; None:
        there is none.
        """
        complaint = flown(agent)
        refund = draft(agent, complaint, "partial_refund", "400.00", **ANOTHER).json
        self.approved(agent, manager, refund)
        act(agent, refund, "offer")
        if sent is None:
            return refund, None
        voucher = draft(agent, complaint, "voucher", "40.00", **ANOTHER).json
        self.approved(agent, manager, voucher)
        return refund, act(agent, voucher, "offer") if sent else voucher

    def complaint(self, agent: Caller, offer: Any) -> dict[str, Any]:
        return dict(agent.get(f"/complaints/{offer['complaint_id']}").json)

    def approved(self, agent: Caller, manager: Caller, offer: Any) -> None:
        if act(agent, offer, "submit")["status"] == "pending_approval":
            act(manager, offer, "approve")

    def test_its_ground_is_not_taken_back_before_it(self, database: Database, agent: Caller, manager: Caller) -> None:
        refund, voucher = self.both(agent, manager)
        answer = step(manager, refund, "revoke", reason="A mistake.")
        assert (refused(answer), answer.json["missing"]) == ((409, "below_floor"), eur("400.00"))
        assert answer.json["offers"] == [voucher["id"]]
        assert foretold(manager, refund, "revoke") == [("below_floor", answer.json["detail"])]
        assert manager.get(f"/offers/{refund['id']}").json["status"] == "offered"
        assert foretold(manager, voucher, "revoke") == []
        act(manager, voucher, "revoke", reason="First this.")
        assert foretold(manager, refund, "revoke") == []
        act(manager, refund, "revoke", reason="A mistake.")
        assert violations(database) == []

    @pytest.mark.parametrize("unsaid", ["cause", "distance_km", "delay_hours", "extraordinary"])
    def test_nor_by_taking_out_a_fact(self, agent: Caller, manager: Caller, unsaid: str) -> None:
        """Then nobody can tell what is laid down, and this may be just what covers it."""
        refund, voucher = self.both(agent, manager)
        recorded(agent, self.complaint(agent, refund), **{unsaid: None})
        answer = step(manager, refund, "revoke", reason="x")
        assert (refused(answer), answer.json["missing"]) == ((409, "below_floor"), None)
        assert "eu.261 may lay down, which cannot be told," in answer.json["detail"]
        assert foretold(manager, refund, "revoke") == [("below_floor", answer.json["detail"])]
        act(manager, voucher, "revoke", reason="First this.")
        act(manager, refund, "revoke", reason="x")

    def test_who_may_says_why(self, agent: Caller, manager: Caller, join: Join) -> None:
        refund, voucher = self.both(agent, manager)
        assert refused(step(join("senior"), refund, "revoke", reason="x", **FLOOR)) == (403, "forbidden")
        assert act(manager, refund, "revoke", reason="Paid by the agency.", **FLOOR)["status"] == "revoked"
        kept = manager.get(f"/offers/{voucher['id']}").json
        assert (kept["status"], kept["override"]["floor_reason"]) == ("offered", FLOOR["floor_reason"])
        assert act(agent, voucher, "accept", said_by="phone")["status"] == "issuing"

    def test_what_is_not_needed_is_taken_back(self, agent: Caller, manager: Caller) -> None:
        refund, _ = self.both(agent, manager)
        complaint = self.complaint(agent, refund)
        more = draft(agent, complaint, "goodwill_payment", "5.00", **WHY).json
        self.approved(agent, manager, more)
        act(agent, more, "offer")
        act(manager, more, "revoke", reason="Too much.")

    def test_nor_by_an_apology_instead(self, agent: Caller, manager: Caller) -> None:
        refund, _ = self.both(agent, manager)
        act(manager, refund, "counter", said_by="phone", words="Say sorry first.")
        complaint = self.complaint(agent, refund)
        letter = draft(agent, complaint, "apology_letter", None, successor_of=refund["id"]).json
        act(agent, letter, "submit")
        assert [code for code, _ in foretold(agent, letter, "offer")] == ["below_floor"]
        assert refused(step(agent, letter, "offer")) == (409, "below_floor")
        assert manager.get(f"/offers/{refund['id']}").json["status"] == "countered"

    def test_an_apology_that_stands_keeps_nothing_up(self, agent: Caller, manager: Caller) -> None:
        refund, voucher = self.both(agent, manager)
        letter = draft(agent, self.complaint(agent, refund), "apology_letter", None).json
        for action in ("submit", "offer"):
            act(agent, letter, action)
        act(manager, voucher, "revoke", reason="First this.")
        act(manager, refund, "revoke", reason="A mistake.")

    @pytest.mark.parametrize("first", ["approve", "revoke"])
    def test_of_taking_back_and_approving_at_once_one_wins(self, agent: Caller, manager: Caller, first: str) -> None:
        refund, _ = self.both(agent, manager, sent=None)
        voucher = draft(agent, self.complaint(agent, refund), "voucher", "90.00", **ANOTHER, **WHY).json
        assert act(agent, voucher, "submit")["status"] == "pending_approval"
        windows = another(manager), another(manager)
        calls = {
            "approve": lambda: step(windows[0], voucher, "approve", reason="x"),
            "revoke": lambda: step(windows[1], refund, "revoke", reason="A mistake."),
        }
        answers = at_once(*(calls[action] for action in sorted(calls, key=lambda action: action != first)))
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        (lost,) = [answer for answer in answers if answer.status_code == 409]
        assert lost.json["code"] == "below_floor"

    def test_nor_after_it_was_taken(self, program: Program, agent: Caller, manager: Caller, auditor: Caller) -> None:
        refund, voucher = self.both(agent, manager)
        act(agent, voucher, "accept", said_by="phone")
        for status in ("issuing", "issued"):
            if status == "issued":
                assert perform(program)["done"] == 1
            assert agent.get(f"/offers/{voucher['id']}").json["status"] == status
            answer = step(manager, refund, "revoke", reason="x")
            assert (refused(answer), answer.json["offers"]) == ((409, "below_floor"), [voucher["id"]])
            assert foretold(manager, refund, "revoke") == [("below_floor", answer.json["detail"])]
        assert act(manager, refund, "revoke", reason="x", **FLOOR)["status"] == "revoked"
        (told,) = auditor.get("/reports/suggestion-overrides/items").json["items"]
        assert (told["offer_id"], told["direction"], told["by"]) == (voucher["id"], "below_floor", eur("-400.00"))
        assert (told["floor_reason"], told["actor_id"]) == (FLOOR["floor_reason"], str(manager.id))

    def test_nor_before_it_is_sent(self, agent: Caller, manager: Caller) -> None:
        refund, voucher = self.both(agent, manager, sent=False)
        answer = step(manager, refund, "revoke", reason="x")
        assert (refused(answer), answer.json["offers"]) == ((409, "below_floor"), [voucher["id"]])
        act(manager, voucher, "revoke", reason="First this.")
        act(manager, refund, "revoke", reason="A mistake.")

    def test_nor_when_the_money_came_back(
        self, database: Database, agent: Caller, manager: Caller, join: Join, auditor: Caller
    ) -> None:
        refund, voucher = self.both(agent, manager)
        act(agent, refund, "accept", said_by="phone")
        act(manager, refund, "record_issued", reference="R-1")
        answer = step(manager, refund, "reverse", reason="It came back.")
        assert (refused(answer), answer.json["missing"]) == ((409, "below_floor"), eur("400.00"))
        assert foretold(manager, refund, "reverse") == [("below_floor", answer.json["detail"])]
        assert refused(step(join("senior"), refund, "reverse", reason="x", **FLOOR)) == (403, "forbidden")
        assert act(manager, refund, "reverse", reason="x", **FLOOR)["status"] == "reversed"
        (told,) = auditor.get("/reports/suggestion-overrides/items").json["items"]
        assert (told["offer_id"], told["floor_reason"]) == (voucher["id"], FLOOR["floor_reason"])
        assert violations(database) == []

    def test_what_was_chosen_instead_of_goodwill_keeps_nothing_up(
        self, program: Program, agent: Caller, manager: Caller
    ) -> None:
        refund, _ = self.both(agent, manager, sent=None)
        options = [{"kind": "voucher", "amount": eur("40.00")}, {"kind": "apology_letter"}]
        path = f"/complaints/{self.complaint(agent, refund)['reference']}/offers"
        choice = agent.post(path, {"options": options, "reason": "It came late."}).json
        self.approved(agent, manager, choice)
        act(agent, choice, "offer")
        assert [code for code, _ in foretold(manager, refund, "revoke")] == ["below_floor"]
        act(agent, choice, "accept", said_by="phone", option=2)
        assert perform(program)["done"] == 1
        act(manager, refund, "revoke", reason="A mistake.")

    def test_nor_does_what_came_to_nothing(self, program: Program, agent: Caller, manager: Caller) -> None:
        refund, voucher = self.both(agent, manager)
        act(agent, voucher, "accept", said_by="phone")
        assert perform(program)["done"] == 1
        assert foretold(manager, voucher, "reverse") == []
        act(manager, voucher, "reverse", reason="Twice.")
        act(manager, refund, "revoke", reason="A mistake.")
