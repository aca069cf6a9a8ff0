"""What is offered already, and what that leaves of a suggestion.

How it can fail: goodwill in several parts is more than in one, without a reason and without a word in the report; what was
delivered, or came by a merge, is forgotten; what came to nothing, or is replaced, still counts; money that pays what is owed is
taken for goodwill; of what the customer may choose, the cheaper is counted; the suggestion offers what is refused then.
"""

from itertools import product
from typing import Any

import pytest
from hypothesis import given as of
from hypothesis import strategies as st

from helpdesk.kernel.money import Money
from helpdesk.recovery.kinds import PAYING, SETTLES
from helpdesk.recovery.remaining import OF_ITS_OWN_PRICE, Already
from tests.complaints.merging import merge
from tests.conftest import Caller
from tests.recovery.answers import codes
from tests.recovery.drafting import WHY, bought, draft, flown, step
from tests.recovery.helpers import eur, open_budget, perform

WANTED = [("/override_reason", "override_reason")]


def suggestion(caller: Caller, complaint: dict[str, Any]) -> Any:
    return caller.get(f"/complaints/{complaint['reference']}/suggestion").json


def remedies(found: Any) -> list[list[tuple[str, str | None]]]:
    return [
        [(item["kind"], item["amount"] and item["amount"]["amount"]) for item in option["remedies"]]
        for option in found["alternatives"]
    ]


class TestGoodwillInParts:
    """S3 and the firm's fault: no alternative has more than 40 in money, or than 50 as a voucher."""

    def test_needs_a_reason_where_all_of_it_would_and_is_reported(self, agent: Caller, auditor: Caller) -> None:
        complaint = bought(agent)
        assert draft(agent, complaint, "voucher", "30.00").json["override"] is None
        answer = draft(agent, complaint, "goodwill_payment", "39.00")
        assert (answer.status_code, codes(answer)) == (422, WANTED)
        assert answer.json["errors"][0]["detail"].startswith("No alternative has more than 10.00 EUR in money")
        assert draft(agent, complaint, "goodwill_payment", "10.00").json["override"] is None
        over = draft(agent, complaint, "voucher", "39.50", **WHY).json["override"]
        assert (over["direction"], over["suggested"], over["by"]) == ("over", eur("10.00"), eur("29.50"))
        assert codes(draft(agent, complaint, "points", "0.01")) == WANTED
        report = auditor.get("/reports/suggestion-overrides").json
        assert (report["offers"], report["overrides"]) == (3, 1)

    @pytest.mark.parametrize("first", ["voucher", "points", "gift", "goodwill_payment", "service_credit", "refund"])
    @pytest.mark.parametrize("second", ["voucher", "goodwill_payment"])
    def test_whatever_the_kind(self, agent: Caller, first: str, second: str) -> None:
        complaint = bought(agent)
        assert draft(agent, complaint, first, "40.00" if first in SETTLES else "50.00").status_code == 201
        more = "10.01" if first in SETTLES and second not in SETTLES else "0.01"
        assert codes(draft(agent, complaint, second, more)) == WANTED

    def test_what_the_customer_has_counts_as_before(self, agent: Caller, manager: Caller) -> None:
        open_budget(manager)
        complaint = bought(agent)
        offer = draft(agent, complaint, "voucher", "50.00").json
        step(agent, offer, "submit")
        step(agent, offer, "offer")
        assert codes(draft(agent, complaint, "voucher", "1.00")) == WANTED
        assert step(agent, offer, "accept", said_by="phone").status_code == 200
        assert codes(draft(agent, complaint, "voucher", "1.00")) == WANTED

    def test_what_came_to_nothing_does_not(self, agent: Caller) -> None:
        complaint = bought(agent)
        offer = draft(agent, complaint, "voucher", "50.00").json
        step(agent, offer, "withdraw")
        assert draft(agent, complaint, "voucher", "49.00").json["override"] is None

    def test_nor_what_it_replaces(self, agent: Caller, manager: Caller) -> None:
        open_budget(manager)
        complaint = bought(agent)
        offer = draft(agent, complaint, "voucher", "40.00").json
        step(agent, offer, "submit")
        step(agent, offer, "offer")
        step(agent, offer, "counter", said_by="phone", words="Money.")
        another = draft(agent, complaint, "goodwill_payment", "40.00", successor_of=offer["id"])
        assert another.json["override"] is None
        assert codes(draft(agent, complaint, "points", "10.01")) == WANTED

    def test_of_what_they_may_choose_the_most_does(self, agent: Caller) -> None:
        complaint = bought(agent)
        options = [{"kind": "voucher", "amount": eur("50.00")}, {"kind": "goodwill_payment", "amount": eur("20.00")}]
        body = {"options": options, "reason": "It came late."}
        assert agent.post(f"/complaints/{complaint['reference']}/offers", body).status_code == 201
        assert codes(draft(agent, complaint, "points", "0.01")) == WANTED

    def test_nor_is_the_thing_itself_given_twice(self, agent: Caller) -> None:
        complaint = bought(agent)
        assert draft(agent, complaint, "replacement", "150.00").status_code == 201
        answer = draft(agent, complaint, "replacement", "60.00")
        assert codes(answer) == WANTED
        assert "150.00 of it is offered already" in answer.json["errors"][0]["detail"]
        assert draft(agent, complaint, "voucher", "50.00").json["override"] is None, "it is no goodwill"


class TestWhatIsOwedIsApart:
    def test_money_pays_it_first(self, agent: Caller) -> None:
        complaint = bought(agent, loss=eur("60.00"))
        assert draft(agent, complaint, "goodwill_payment", "40.00").json["override"] is None
        assert draft(agent, complaint, "voucher", "50.00").json["override"] is None
        assert draft(agent, complaint, "partial_refund", "20.00").json["override"] is None
        assert codes(draft(agent, complaint, "goodwill_payment", "0.01")) == WANTED

    def test_goodwill_above_the_suggestion_holds_up_nothing_that_is_owed(self, agent: Caller) -> None:
        complaint = bought(agent, loss=eur("60.00"))
        draft(agent, complaint, "voucher", "90.00", **WHY)
        assert draft(agent, complaint, "partial_refund", "60.00").json["override"] is None

    def test_it_is_paid_once(self, agent: Caller) -> None:
        complaint = bought(agent, loss=eur("60.00"))
        assert draft(agent, complaint, "partial_refund", "60.00").json["override"] is None
        assert draft(agent, complaint, "refund", "40.00").json["override"] is None, "goodwill, as money"
        assert codes(draft(agent, complaint, "goodwill_payment", "1.00")) == WANTED

    def test_a_choice_covers_a_floor_by_its_least(self, agent: Caller, manager: Caller) -> None:
        complaint = flown(agent)
        options = [{"kind": "partial_refund", "amount": eur("400.00")}, {"kind": "voucher", "amount": eur("390.00")}]
        body = {"options": options, "reason": "x", "floor_reason": "They ask for it.", **WHY}
        assert manager.post(f"/complaints/{complaint['reference']}/offers", body).status_code == 201
        answer = draft(agent, complaint, "points", "10.00", **WHY)
        assert codes(answer) == [("/amount", "below_floor")]


class TestSuggestion:
    def test_shows_what_is_offered_and_what_is_left(self, agent: Caller) -> None:
        complaint = bought(agent, loss=eur("60.00"))
        before = suggestion(agent, complaint)
        assert before["already_offered"] == {"owed": eur("0.00"), "goodwill": eur("0.00"), "in_kind": eur("0.00")}
        assert before["remaining"] == {"owed": eur("60.00"), "goodwill": eur("40.00"), "offer": eur("100.00")}
        assert "refunded" in before["assumed"]
        draft(agent, complaint, "partial_refund", "25.00", **WHY)
        draft(agent, complaint, "voucher", "45.00")
        found = suggestion(agent, complaint)
        assert (found["owed"], found["goodwill"], found["offer"]) == (eur("60.00"), eur("40.00"), eur("100.00"))
        assert found["already_offered"] == {"owed": eur("25.00"), "goodwill": eur("45.00"), "in_kind": eur("0.00")}
        assert found["remaining"] == {"owed": eur("35.00"), "goodwill": eur("0.00"), "offer": eur("35.00")}
        assert "refunded" not in found["assumed"]
        money = [("apology_letter", None), ("partial_refund", "35.00")]
        assert remedies(found) == [
            [("apology_letter", None), ("replacement", "200.00"), ("partial_refund", "35.00")],
            money,
            [*money, ("voucher", "5.00")],
        ]

    @pytest.mark.parametrize("loss", ["60.00", "200.00", None])
    def test_what_it_offers_is_taken_and_then_it_offers_nothing(self, agent: Caller, loss: str | None) -> None:
        complaint = bought(agent, **({} if loss is None else {"loss": eur(loss)}))
        for _ in range(9):
            left = [remedy for option in suggestion(agent, complaint)["alternatives"] for remedy in option["remedies"]]
            if not left:
                break
            amount = left[0]["amount"]
            answer = draft(agent, complaint, left[0]["kind"], amount and amount["amount"])
            assert (answer.status_code, answer.json.get("override")) == (201, None), answer.text
        found = suggestion(agent, complaint)
        assert (found["remedies"], remedies(found)) == ([], [[], [], []])
        assert found["remaining"]["offer"] == eur("0.00")

    def test_what_a_merge_brings_is_offered_here(self, program: Any, manager: Caller) -> None:
        open_budget(manager)
        source, survivor = bought(manager), bought(manager)
        offer = draft(manager, source, "voucher", "40.00").json
        for action, given in (("submit", {}), ("offer", {}), ("accept", {"said_by": "phone"})):
            assert step(manager, offer, action, **given).status_code == 200
        perform(program)
        assert step(manager, offer, "post_letter").status_code == 200
        merge(manager, source, survivor, silent=True)
        assert suggestion(manager, survivor)["already_offered"]["goodwill"] == eur("40.00")
        allowed = {"allow_duplicate": True, "duplicate_reason": "It came late again."}
        assert codes(draft(manager, survivor, "points", "10.01", **allowed)) == WANTED
        assert draft(manager, survivor, "points", "10.00", **allowed).json["override"] is None

    def test_it_is_kept_with_each_offer(self, agent: Caller) -> None:
        complaint = bought(agent)
        draft(agent, complaint, "voucher", "30.00")
        second = draft(agent, complaint, "points", "10.00").json
        assert agent.get(f"/offers/{second['id']}").json["suggestion"]["remaining"]["goodwill"] == eur("10.00")


_AMOUNT = st.integers(1, 300)
_GIVES = st.lists(st.tuples(st.sampled_from(sorted(PAYING)), _AMOUNT), min_size=1, max_size=3)


@of(st.lists(_GIVES, max_size=4), st.integers(0, 500))
def test_goodwill_is_the_most_of_all_choices(offers: list[list[tuple[str, int]]], owed: int) -> None:
    """Against every way in which the customer can choose, one after another."""
    already = Already("EUR", tuple(tuple(gives) for gives in offers))
    most = money = 0
    least = None
    for chosen in product(*offers):
        paid = sum(minor for kind, minor in chosen if kind in SETTLES)
        beside = sum(minor for kind, minor in chosen if kind not in SETTLES | OF_ITS_OWN_PRICE)
        most, money = max(most, beside + max(paid - owed, 0)), max(money, paid)
        least = paid if least is None else min(least, paid)
    assert already.goodwill(Money(owed, "EUR")) == Money(most, "EUR")
    assert (already.money, already.surely) == (Money(money, "EUR"), Money(least or 0, "EUR"))
