"""What is owed is a floor, whatever currency it is in and whether or not anybody here can tell how much it is.

How it can fail: an amount that was recorded is gone as soon as the case is reckoned in another currency; a merge drops what
the duplicate's complainant is owed; goodwill goes out while nobody knows what is owed, or after it was said in a currency
that says nothing about it; or, the other way, a complaint to which no tariff applies is held up, and so is an apology.
"""

from typing import Any

import pytest

from tests.conftest import Caller, complaint_body
from tests.recovery.answers import codes
from tests.recovery.drafting import FLOOR, draft, recorded
from tests.recovery.helpers import eur

BELOW = [("/amount", "below_floor")]


def gbp(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "GBP"}


def priceless(caller: Caller, **more: Any) -> dict[str, Any]:
    """Reckoned in no currency yet."""
    body = complaint_body(**{"issues": [{"category": "PRD", "issue": "PRD.DEFECT"}]} | more)
    del body["price"]
    answer = caller.post("/complaints", body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def suggestion(caller: Caller, complaint: dict[str, Any], query: str = "") -> Any:
    answer = caller.get(f"/complaints/{complaint['reference']}/suggestion{query}")
    assert answer.status_code == 200, answer.text
    return answer.json


def elsewhere(found: Any) -> list[tuple[str, dict[str, str]]]:
    return [(item["what"], item["amount"]) for item in found["other_currencies"]]


def changed(caller: Caller, complaint: dict[str, Any], **more: Any) -> None:
    answer = caller.patch(f"/complaints/{complaint['reference']}", more, if_match="*")
    assert answer.status_code == 200, answer.text


class TestRecordedInAnotherCurrency:
    def test_a_price_in_another_currency_takes_nothing_away(self, agent: Caller) -> None:
        complaint = priceless(agent)
        recorded(agent, complaint, statutory=eur("300.00"), refunded=eur("5.00"))
        assert suggestion(agent, complaint)["owed"] == eur("300.00")
        assert codes(draft(agent, complaint, "goodwill_payment", "10.00")) == BELOW
        changed(agent, complaint, price=gbp("100.00"))
        found = suggestion(agent, complaint)
        assert (found["owed"], elsewhere(found)) == (
            gbp("0.00"),
            [("statutory", eur("300.00")), ("refunded", eur("5.00"))],
        )
        assert not {"statutory", "refunded"} & set(found["assumed"])
        answer = draft(agent, complaint, "goodwill_payment", "10.00", currency="GBP")
        assert codes(answer) == BELOW
        told = answer.json["errors"][0]["detail"]
        assert told.startswith("300.00 EUR is laid down (recorded), this is reckoned in GBP")
        assert draft(agent, complaint, "apology_letter", None).status_code == 201
        recorded(agent, complaint, statutory=gbp("260.00"))
        assert codes(draft(agent, complaint, "goodwill_payment", "10.00", currency="GBP")) == BELOW
        assert draft(agent, complaint, "partial_refund", "260.00", currency="GBP").status_code == 201
        assert draft(agent, complaint, "goodwill_payment", "10.00", currency="GBP").status_code == 201

    def test_nor_does_a_tariff_in_another_one(self, agent: Caller) -> None:
        complaint = priceless(agent, jurisdiction="GB")
        recorded(agent, complaint, statutory=eur("35.39"), failed_standards=2)
        found = suggestion(agent, complaint)
        assert (found["owed"], elsewhere(found)) == (gbp("80.00"), [("statutory", eur("35.39"))])
        assert codes(draft(agent, complaint, "partial_refund", "80.00", currency="GBP")) == BELOW
        assert codes(draft(agent, complaint, "partial_refund", "35.39")) == BELOW

    def test_without_a_price_it_is_reckoned_in_what_was_recorded(self, agent: Caller) -> None:
        complaint = priceless(agent)
        recorded(agent, complaint, statutory=gbp("20.00"))
        assert suggestion(agent, complaint)["owed"] == gbp("20.00")

    @pytest.mark.parametrize(
        ("asked", "owed"),
        [
            ("statutory=35.39", "155.39"),
            ("loss=10.00", "130.00"),
            ("statutory=35.39&currency=GBP", "155.39"),
        ],
    )
    def test_amounts_of_a_query_are_in_the_currency_that_it_is_reckoned_in(
        self, agent: Caller, asked: str, owed: str
    ) -> None:
        complaint = priceless(agent, jurisdiction="GB")
        found = suggestion(agent, complaint, f"?{asked}&failed_standards=2&late_payments=1")
        assert (found["owed"], found["other_currencies"]) == (gbp(owed), [])

    def test_who_may_says_why(self, agent: Caller, manager: Caller) -> None:
        complaint = priceless(agent)
        recorded(agent, complaint, statutory=eur("300.00"))
        changed(agent, complaint, price=gbp("100.00"))
        offer = draft(manager, complaint, "voucher", "10.00", currency="GBP", **FLOOR).json
        assert (offer["override"]["direction"], offer["override"]["by"]) == ("below_floor", eur("-300.00"))
        assert offer["suggestion"]["other_currencies"][0]["amount"] == eur("300.00")
