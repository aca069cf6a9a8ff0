"""What is owed is a floor, whatever currency it is in and whether or not anybody here can tell how much it is.

How it can fail: an amount that was recorded is gone as soon as the case is reckoned in another currency; a merge drops what
the duplicate's complainant is owed; goodwill goes out while nobody knows what is owed, or after it was said in a currency
that says nothing about it; or, the other way, a complaint to which no tariff applies is held up, and so is an apology.
"""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk.kernel.money import Money
from helpdesk.recovery import floor
from helpdesk.recovery.kinds import SETTLES
from helpdesk.recovery.matters import Stated
from helpdesk.recovery.option_terms import Terms
from helpdesk.recovery.playbook import suggest
from helpdesk.recovery.playbook_spec import default_playbook
from helpdesk.recovery.suggestions import Suggested
from helpdesk.recovery.tariff_methods import CODES, Outcome
from helpdesk.recovery.tariffs_in_force import Laid
from tests.complaints.merging import merge, new, unmerge
from tests.conftest import Caller, complaint_body
from tests.recovery.answers import codes, refused
from tests.recovery.drafting import FLIGHT, FLOOR, bought, draft, foretold, recorded, step
from tests.recovery.helpers import accepted, act, eur, offered, open_budget
from tests.recovery.test_playbook import facts

ANOTHER = {"allow_duplicate": True, "duplicate_reason": "Another order."}
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


NA = {"name": "Li Na", "email": "li.na@example.com"}


class TestMerged:
    def test_what_is_owed_in_another_currency_is_kept(self, manager: Caller) -> None:
        source = priceless(manager, loss=gbp("50.00"))
        recorded(manager, source, statutory=gbp("20.00"))
        survivor = new(manager, price=eur("100.00"))
        merge(manager, source, survivor, silent=True)
        found = suggestion(manager, survivor)
        assert (found["owed"], elsewhere(found)) == (eur("0.00"), [("loss", gbp("50.00")), ("statutory", gbp("20.00"))])
        assert codes(draft(manager, survivor, "goodwill_payment", "10.00")) == BELOW
        unmerge(manager, source, silent=True)
        assert suggestion(manager, survivor)["other_currencies"] == []
        assert suggestion(manager, source)["owed"] == gbp("70.00")
        assert draft(manager, survivor, "goodwill_payment", "10.00").status_code == 201

    def test_two_passengers_are_owed_each_their_own(self, manager: Caller) -> None:
        source, survivor = new(manager, complainant=NA, jurisdiction="DE"), bought(manager, jurisdiction="DE")
        recorded(manager, source, **FLIGHT)
        recorded(manager, survivor, **FLIGHT | {"distance_km": "900"})
        assert suggestion(manager, survivor)["statutory"] == eur("250.00")
        merge(manager, source, survivor, silent=True, other_complainant=True)
        found = suggestion(manager, survivor)
        assert found["statutory"] == eur("650.00")
        told = [(item["amount"]["amount"], item["other_complainant"], item["counted"]) for item in found["tariffs"]]
        assert told == [("250.00", False, True), ("400.00", True, True)]
        assert codes(draft(manager, survivor, "voucher", "10.00")) == BELOW
        assert draft(manager, survivor, "partial_refund", "650.00").status_code == 201
        assert draft(manager, survivor, "voucher", "10.00").status_code == 201
        recorded(manager, survivor, statutory=eur("0.00"), extraordinary=True)
        assert suggestion(manager, survivor)["statutory"] == eur("400.00"), "it says nothing of the other one's"

    def test_what_the_other_one_has_is_not_owed_again(self, manager: Caller) -> None:
        open_budget(manager)
        source, survivor = new(manager, complainant=NA, jurisdiction="DE"), bought(manager)
        recorded(manager, source, **FLIGHT)
        paid = {"kind": "partial_refund", "amount": eur("410.00"), "reason": "It is laid down."}
        offer = accepted(manager, source, paid)
        for action, said in (("record_issued", {"reference": "R-1"}), ("confirm_delivery", {"said_by": "phone"})):
            if not (action == "confirm_delivery" and offer["delivered_at"]):
                offer = act(manager, offer, action, **said)
        recorded(manager, source, statutory=eur("30.00"))
        merge(manager, source, survivor, silent=True, other_complainant=True)
        found = suggestion(manager, survivor)
        assert found["statutory"] == eur("20.00")
        assert [item["amount"]["amount"] for item in found["tariffs"]] == ["20.00"]

    def test_what_was_recorded_of_the_other_one_in_another_currency(self, manager: Caller) -> None:
        source, survivor = priceless(manager, complainant=NA), bought(manager)
        recorded(manager, source, statutory=gbp("20.00"))
        merge(manager, source, survivor, silent=True, other_complainant=True)
        (told,) = suggestion(manager, survivor)["other_currencies"]
        assert (told["what"], told["amount"], told["other_complainant"]) == ("statutory", gbp("20.00"), True)
        answer = draft(manager, survivor, "voucher", "10.00")
        assert codes(answer) == BELOW
        assert "of a complaint that was merged into this one" in answer.json["errors"][0]["detail"]


def bumped(caller: Caller, day: str) -> dict[str, Any]:
    """Denied boarding in the US."""
    complaint = priceless(caller, jurisdiction="US")
    fare = {"amount": "500.00", "currency": "USD"}
    known = {"cause": "denied_boarding", "fare": fare, "rerouted": False, "international": False}
    recorded(caller, complaint, **known, happened_on=day)
    return complaint


class TestNobodyCanTell:
    """What the law lays down is not known here, or not yet."""

    @pytest.fixture(autouse=True)
    def _money(self, manager: Caller) -> None:
        open_budget(manager, "9000.00")

    def test_until_the_facts_are_recorded(self, agent: Caller) -> None:
        complaint = bought(agent, jurisdiction="DE")
        recorded(agent, complaint, cause="delay", distance_km="2000", within_eu=True)
        for kind in ("voucher", "goodwill_payment"):
            answer = draft(agent, complaint, kind, "10.00")
            assert codes(answer) == BELOW
            told = answer.json["errors"][0]["detail"]
            assert "eu.261" in told
            assert "Record delay_hours, extraordinary (PATCH /complaints/{ref}/recovery-facts)." in told
            assert "(`statutory`, in EUR), and take that out once" in told
        assert draft(agent, complaint, "apology_letter", None).status_code == 201
        recorded(agent, complaint, delay_hours="2")
        assert draft(agent, complaint, "voucher", "10.00").status_code == 201
        recorded(agent, complaint, delay_hours="5", extraordinary=False)
        assert codes(draft(agent, complaint, "goodwill_payment", "10.00")) == BELOW

    def test_or_what_it_comes_to_in_its_own_currency(self, agent: Caller) -> None:
        complaint = priceless(agent, jurisdiction="DE")
        recorded(agent, complaint, cause="delay", distance_km="2000", statutory={"amount": "0", "currency": "JPY"})
        for currency in ("EUR", "JPY"):
            assert codes(draft(agent, complaint, "voucher", "10", currency=currency)) == BELOW
        recorded(agent, complaint, statutory=eur("0.00"))
        assert draft(agent, complaint, "voucher", "10.00").status_code == 201

    def test_between_two_versions(self, agent: Caller) -> None:
        complaint = priceless(agent, jurisdiction="GB")
        recorded(agent, complaint, missed_appointments=1, happened_on="2025-06-01")
        answer = draft(agent, complaint, "goodwill_payment", "10.00", currency="GBP")
        assert codes(answer) == BELOW
        assert "What it lays down then is not known here" in answer.json["errors"][0]["detail"]
        recorded(agent, complaint, statutory=gbp("31.00"))
        assert codes(draft(agent, complaint, "goodwill_payment", "10.00", currency="GBP")) == BELOW
        assert draft(agent, complaint, "partial_refund", "31.00", currency="GBP").status_code == 201

    def test_before_the_first_one_that_is_known(self, agent: Caller) -> None:
        complaint = bumped(agent, "2010-05-01")
        (told,) = suggestion(agent, complaint)["tariffs"]
        assert (told["tariff"], told["code"], told["applies"]) == ("us.denied_boarding", "not_known", None)
        assert "the next one begins on 2011-08-23" in told["because"]
        assert codes(draft(agent, complaint, "goodwill_payment", "10.00", currency="USD")) == BELOW
        assert suggestion(agent, bumped(agent, "2011-08-23"))["statutory"]["amount"] == "1300.00"

    def test_nothing_is_laid_down_before_it_began(self, agent: Caller) -> None:
        complaint = priceless(agent, jurisdiction="GB")
        recorded(agent, complaint, missed_appointments=1, happened_on="2018-06-01")
        assert suggestion(agent, complaint)["tariffs"] == []
        assert draft(agent, complaint, "goodwill_payment", "10.00", currency="GBP").status_code == 201

    def test_a_fare_in_another_currency(self, agent: Caller) -> None:
        complaint = bumped(agent, "2026-05-01")
        recorded(agent, complaint, fare=eur("500.00"))
        answer = draft(agent, complaint, "goodwill_payment", "10.00", currency="USD")
        assert codes(answer) == BELOW
        assert "The fare is in EUR" in answer.json["errors"][0]["detail"]

    def test_when_it_goes_on_and_who_may_says_why(self, agent: Caller, manager: Caller) -> None:
        complaint = bought(agent, jurisdiction="DE")
        offer = draft(agent, complaint, "voucher", "10.00").json
        recorded(agent, complaint, cause="delay", distance_km="2000")
        answer = step(agent, offer, "submit")
        assert (refused(answer), answer.json["missing"]) == ((409, "below_floor"), None)
        assert foretold(agent, offer, "submit") == [("below_floor", answer.json["detail"])]
        assert refused(step(agent, offer, "submit", **FLOOR)) == (403, "forbidden")
        done = step(manager, offer, "submit", **FLOOR).json
        assert (done["status"], done["override"]["floor_reason"]) == ("approved", FLOOR["floor_reason"])
        assert foretold(agent, offer, "offer") == [], "what was said once holds"
        recorded(agent, complaint, **FLIGHT)
        answer = step(agent, offer, "offer")
        assert (refused(answer), answer.json["missing"]) == ((409, "below_floor"), eur("400.00"))

    @pytest.mark.parametrize(
        ("place", "known"),
        [
            ("DE", {"cause": "denied_boarding"}),
            ("DE", {"cause": "delay", "delay_hours": "5", "extraordinary": False}),
            ("DE", {"distance_km": "2000", "delay_hours": "5"}),
            ("US", {"cause": "denied_boarding", "delay_hours": "5", "international": False, "rerouted": True}),
            ("US", {"fare": {"amount": "500.00", "currency": "USD"}}),
        ],
    )
    def test_whatever_is_missing_of_what_tells(self, agent: Caller, place: str, known: dict[str, Any]) -> None:
        """That less is known takes no floor away."""
        complaint = bought(agent, jurisdiction=place)
        recorded(agent, complaint, **known)
        (told,) = suggestion(agent, complaint)["tariffs"]
        assert told["applies"] is None
        assert set(told["missing"]) & {"cause", "distance_km", "fare"}
        assert codes(draft(agent, complaint, "voucher", "5.00")) == BELOW

    def test_payments_that_were_late_alone(self, agent: Caller) -> None:
        complaint = priceless(agent, jurisdiction="GB")
        recorded(agent, complaint, late_payments=2, happened_on="2026-03-02")
        assert suggestion(agent, complaint)["owed"] == gbp("80.00")

    def test_a_complaint_to_which_none_applies_is_free(self, agent: Caller) -> None:
        for complaint in (bought(agent), bought(agent, jurisdiction="DE"), bought(agent, jurisdiction="US")):
            recorded(agent, complaint, happened_on="2018-05-01", product="A kettle")
            assert draft(agent, complaint, "goodwill_payment", "10.00", **ANOTHER).status_code == 201


def test_nobody_is_told_that_they_are_owed_what_another_one_is(manager: Caller) -> None:
    open_budget(manager)
    source, survivor = new(manager, complainant=NA, jurisdiction="DE"), bought(manager, jurisdiction="DE")
    for complaint in (source, survivor):
        recorded(manager, complaint, **FLIGHT)
    merge(manager, source, survivor, silent=True, other_complainant=True)
    refund = {"kind": "partial_refund", "amount": eur("800.00"), "reason": "It is laid down."}
    assert offered(manager, survivor, refund)["breakdown"] is None


_CURRENCIES = ("EUR", "GBP", "JPY")
_AMOUNTS = st.builds(Money, st.integers(0, 10**6), st.sampled_from(_CURRENCIES))
_OUTCOMES = st.one_of(
    _AMOUNTS.map(lambda amount: Outcome(code="owed", because="x", amount=amount)),
    st.sampled_from(CODES).filter("owed".__ne__).map(lambda code: Outcome(code=code, because="x", missing=("fare",))),
)
_LAID = st.builds(
    lambda outcome, currency, other, stated: Laid(
        "t",
        date(2026, 3, 1),
        None,
        outcome,
        outcome.amount.currency if outcome.amount else currency,
        other,
        stated=stated,
    ),
    _OUTCOMES,
    st.sampled_from(_CURRENCIES),
    st.booleans(),
    st.booleans(),
)
_MERGED = st.builds(lambda amount: Stated("statutory", amount, other_complainant=True), _AMOUNTS)


@given(
    st.sampled_from(_CURRENCIES),
    st.none() | _AMOUNTS,
    st.lists(_LAID, max_size=4),
    st.lists(_MERGED, max_size=2),
    st.sampled_from(["voucher", "goodwill_payment", "refund", "replacement"]),
    st.integers(1, 10**7),
)
def test_whatever_is_laid_down_is_never_lost_nor_passed_over(
    own: str, stated: Money | None, laid: list[Laid], merged: list[Stated], kind: str, minor: int
) -> None:
    """Of any currencies and any outcomes: each amount is owed or told elsewhere, and nothing but an apology is free before all of it
    is covered and known; where nothing is laid down, everything is.
    """
    nothing = Money(0, own)
    amounts = [*([stated] if stated else []), *(it.amount for it in merged), *(it.outcome.amount for it in laid)]
    there = [amount for amount in amounts if amount is not None]
    statutory = sum((it for it in there if it.currency == own), nothing)
    known = facts(loss=nothing, refunded=nothing, statutory=statutory, price=None)
    said = (*([Stated("statutory", stated)] if stated else []), *merged)
    made = Suggested(
        suggest(known, default_playbook()), known, (), None, {}, tuple(laid), stated=said, own_currency=None
    )
    told = sum(item.amount.minor for item in made.elsewhere)
    assert told + made.suggestion.statutory.minor == sum(amount.minor for amount in there)
    offered_ = Terms(kind=kind, amount=Money(minor, own))
    lacks = floor.missing_from(offered_, made, nothing)
    open_ = [it for it in laid if it.outcome.applies is None and not it.stated]
    paid = minor if kind in SETTLES else 0
    free = statutory.minor <= paid and not told and not open_
    assert (lacks == []) == free
    assert floor.missing_from(Terms(kind="apology_letter"), made, nothing) == []
    assert bool(lacks) == bool(floor.most_missing(lacks))
