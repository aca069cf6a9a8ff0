"""What of an offer's money is owed, and what is goodwill.

How it can fail: a sum is told as owed twice, by two offers, by two choices, after a merge, or on two complaints about one matter;
what may be owed is called goodwill, since a tariff lacks facts, lays it down in another currency, or nobody said what was lost; or
it is called owed though it was paid outside, or was made good in kind; a voucher is said to pay what is owed; what a tariff pays for
the same loss is told beside all of the loss; the parts are not the sum; a currency without cents, or with three places, is a hundred
times off; what was told when it was drafted does not hold when it is sent, or what was told once changes afterwards; a copy says what
the first one did; an offer that has ended goes on saying it, so that the next one cannot, or seems to take it with it; customers
read our rules, factors or codes; an offer of before this was kept breaks the page.
"""

import json
from functools import partial
from typing import Any, Final

import pytest
from hypothesis import given as of
from hypothesis import strategies as st

from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import breakdown, breakdown_words, tariffs, texts
from helpdesk.recovery.breakdown import Known, Line, Part, Said, parts, said
from helpdesk.recovery.kinds import KINDS, SETTLES
from helpdesk.recovery.models import LANGUAGES
from helpdesk.wiring import Program
from tests.complaints.merging import merge, new, unmerge
from tests.conftest import Caller
from tests.racing import at_once
from tests.recovery.drafting import FLIGHT, recorded
from tests.recovery.helpers import act, another, eur, execute, open_budget, scalar, token, violations

LAW: Final = "Regulation (EC) No 261/2004, article 7"
WHY: Final = {
    "override_reason": "Agreed with the team.",
    "allow_duplicate": True,
    "duplicate_reason": "It came late again.",
}
REASON: Final = {"reason": "Your flight came late."}


@pytest.fixture(autouse=True)
def _money(manager: Caller) -> None:
    open_budget(manager, "9000.00")


def complained(caller: Caller, loss: str | None = None, *, flight: dict[str, Any] | None = None, **more: Any) -> Any:
    """S3 and the firm's fault, with 250 laid down where it is a flight."""
    more |= {} if loss is None else {"loss": eur(loss)}
    complaint = new(caller, **{"jurisdiction": "DE"} | more)
    if flight is not None:
        recorded(caller, complaint, **FLIGHT | {"distance_km": "900"} | flight)
    return complaint


def flown(caller: Caller, loss: str | None = None, **more: Any) -> Any:
    return complained(caller, loss, flight={}, **more)


def drafted(caller: Caller, complaint: Any, kind: str, amount: str | None, **more: Any) -> Any:
    body: dict[str, Any] = {"kind": kind} | WHY | REASON
    if amount:
        body["amount"] = {"amount": amount, "currency": more.pop("currency", "EUR")}
    return _posted(caller, complaint, body | more)


def choice(caller: Caller, complaint: Any, *options: tuple[str, str | None], **more: Any) -> Any:
    given = [{"kind": kind} | ({} if amount is None else {"amount": eur(amount)}) for kind, amount in options]
    return _posted(caller, complaint, {"options": given} | WHY | REASON | more)


def _posted(caller: Caller, complaint: Any, body: dict[str, Any]) -> Any:
    answer = caller.post(f"/complaints/{complaint['reference']}/offers", body)
    assert answer.status_code == 201, answer.text
    return answer.json


def sent(caller: Caller, offer: Any, **given: Any) -> Any:
    act(caller, offer, "submit")
    return act(caller, offer, "offer", **given)


def seen(offer: Any, anonymous: Caller) -> Any:
    """As the customer sees it."""
    answer = anonymous.get(f"/public/offers/{token(offer)}")
    assert answer.status_code == 200, answer.text
    return answer.json


def told(found: Any) -> Any:
    """Owed, goodwill, and each line as basis and amount."""
    if found is None:
        return None
    lines = [(line["basis"], line["amount"]["amount"]) for line in found["lines"]]
    return found["owed"]["amount"], found["goodwill"] and found["goodwill"]["amount"], lines


STATUTORY: Final = ("250.00", "40.00", [("statutory", "250.00"), ("goodwill", "40.00")])


class TestOneOffer:
    def test_what_a_law_lays_down_and_what_comes_on_top(self, manager: Caller, anonymous: Caller) -> None:
        offer = drafted(manager, flown(manager, "0.00"), "goodwill_payment", "290.00")
        assert told(offer["breakdown"]) == STATUTORY, "what they would be told"
        offer = sent(manager, offer)
        assert told(offer["breakdown"]) == STATUTORY
        line = offer["breakdown"]["lines"][0]
        assert (line["law"], line["tariff"], line["tariff_version"]) == (LAW, "eu.261", 1)
        assert line["source"].startswith("Regulation (EC) No 261/2004")
        public = seen(offer, anonymous)
        assert public["breakdown"] == public["options"][0]["breakdown"] == {
            "owed": eur("250.00"),
            "goodwill": eur("40.00"),
            "lines": [
                {"basis": "statutory", "amount": eur("250.00"), "law": LAW, "net_of_tariffs": False},
                {"basis": "goodwill", "amount": eur("40.00"), "law": None, "net_of_tariffs": False},
            ],
        }  # fmt: skip

    def test_customers_read_nothing_of_how_it_was_reckoned(self, manager: Caller, anonymous: Caller) -> None:
        offer = sent(manager, drafted(manager, flown(manager, "20.00"), "goodwill_payment", "290.00"))
        public = json.dumps(seen(offer, anonymous))
        for ours in (
            'tariff"',
            "tariff_version",
            "eu.261",
            "rule",
            "factor",
            "tier",
            'version": "',
            "source",
            "score",
            "owes",
        ):
            assert ours not in public, ours

    def test_what_was_lost(self, manager: Caller) -> None:
        complaint = complained(manager, "60.00")
        assert told(drafted(manager, complaint, "refund", "60.00")["breakdown"]) == (
            "60.00", "0.00", [("restitution", "60.00")],
        )  # fmt: skip
        assert told(drafted(manager, complained(manager, "60.00"), "refund", "60.01")["breakdown"]) == (
            "60.00", "0.01", [("restitution", "60.00"), ("goodwill", "0.01")],
        )  # fmt: skip

    def test_less_than_was_lost_is_all_owed(self, manager: Caller) -> None:
        offer = drafted(manager, complained(manager, "60.00"), "refund", "20.00")
        assert told(offer["breakdown"]) == ("20.00", "0.00", [("restitution", "20.00")])

    def test_nothing_was_lost_and_somebody_has_said_so(self, manager: Caller) -> None:
        offer = drafted(manager, complained(manager, "0.00"), "refund", "20.00")
        assert told(offer["breakdown"]) == ("0.00", "20.00", [("goodwill", "20.00")])

    @pytest.mark.parametrize("kind", ["refund", "goodwill_payment", "voucher", "service_credit"])
    def test_nobody_has_said_anything(self, manager: Caller, anonymous: Caller, kind: str) -> None:
        offer = sent(manager, drafted(manager, complained(manager), kind, "20.00"))
        assert (offer["breakdown"], seen(offer, anonymous)["breakdown"]) == (None, None)

    def test_what_a_refund_gives_beyond_it_is_not_called_goodwill_unless_the_loss_is_known(
        self, manager: Caller, anonymous: Caller
    ) -> None:
        """It may be the fare."""
        offer = sent(manager, drafted(manager, flown(manager), "refund", "290.00"))
        assert told(offer["breakdown"]) == ("250.00", None, [("statutory", "250.00")])
        assert seen(offer, anonymous)["breakdown"]["goodwill"] is None
        act(manager, offer, "decline", said_by="phone")
        known = drafted(manager, flown(manager, "0.00"), "refund", "290.00")
        assert told(known["breakdown"]) == STATUTORY

    def test_a_tariff_that_is_set_off(self, manager: Caller) -> None:
        """250 for a loss of 300: the other 50 are owed beside it, and no more."""
        offer = drafted(manager, flown(manager, "300.00"), "refund", "310.00")
        assert told(offer["breakdown"]) == (
            "300.00", "10.00", [("statutory", "250.00"), ("restitution", "50.00"), ("goodwill", "10.00")],
        )  # fmt: skip
        assert [line["net_of_tariffs"] for line in offer["breakdown"]["lines"]] == [False, True, False]
        less = drafted(manager, flown(manager, "100.00"), "refund", "250.00")
        assert told(less["breakdown"]) == ("250.00", "0.00", [("statutory", "250.00")]), "all of the loss is set off"

    def test_several_passengers(self, manager: Caller) -> None:
        complaint = complained(manager, "0.00", flight={"passengers": 3})
        offer = drafted(manager, complaint, "goodwill_payment", "760.00")
        assert told(offer["breakdown"])[:2] == ("750.00", "10.00")

    @pytest.mark.parametrize(
        ("currency", "loss", "gives", "rest"), [("JPY", "900", "1000", "100"), ("KWD", "9.001", "9.002", "0.001")]
    )
    def test_currencies_with_other_places(
        self, manager: Caller, currency: str, loss: str, gives: str, rest: str
    ) -> None:
        open_budget(manager, gives, currency=currency, name=currency)
        money = {"amount": loss, "currency": currency}
        complaint = new(manager, price=money, loss=money)
        offer = sent(manager, drafted(manager, complaint, "refund", gives, currency=currency))
        assert told(offer["breakdown"])[:2] == (loss, rest)

    def test_what_the_law_is_called_when_nobody_named_one(self, manager: Caller) -> None:
        complaint = complained(manager, "0.00")
        recorded(manager, complaint, statutory=eur("30.00"))
        (line,) = drafted(manager, complaint, "refund", "30.00")["breakdown"]["lines"]
        assert (line["basis"], line["law"], line["tariff"]) == ("statutory", None, None)


class TestUnknown:
    def test_a_tariff_that_lacks_facts(self, manager: Caller) -> None:
        complaint = complained(manager, "0.00")
        offer = drafted(manager, complaint, "goodwill_payment", "20.00")  # before anybody knew of a flight
        recorded(manager, complaint, **FLIGHT | {"distance_km": "900", "delay_hours": None})
        assert manager.get(f"/offers/{offer['id']}").json["breakdown"] is None
        recorded(manager, complaint, statutory=eur("10.00"))
        offer = drafted(manager, complaint, "goodwill_payment", "19.00")
        assert offer["breakdown"] is None, "what is recorded is laid down beside the tariffs"
        recorded(manager, complaint, delay_hours="1")
        assert told(drafted(manager, complaint, "goodwill_payment", "18.00")["breakdown"])[:2] == ("10.00", "8.00")

    def test_a_tariff_that_somebody_named_and_nobody_knows(self, manager: Caller) -> None:
        complaint = complained(manager, "0.00")
        recorded(manager, complaint, tariff="eu.261", happened_on="2001-01-01")
        assert drafted(manager, complaint, "goodwill_payment", "20.00")["breakdown"] is None
        recorded(manager, complaint, statutory=eur("10.00"))
        assert told(drafted(manager, complaint, "goodwill_payment", "18.00")["breakdown"])[:2] == ("10.00", "8.00")

    @pytest.mark.parametrize("recorded_too", [False, True])
    def test_what_is_laid_down_in_another_currency(self, manager: Caller, *, recorded_too: bool) -> None:
        open_budget(manager, "5000.00", currency="GBP", name="Pounds")
        pounds = {"amount": "100.00", "currency": "GBP"}
        complaint = new(manager, jurisdiction="DE", price=pounds, loss={"amount": "0.00", "currency": "GBP"})
        recorded(manager, complaint, **FLIGHT)
        if recorded_too:
            recorded(manager, complaint, statutory={"amount": "345.00", "currency": "GBP"})
        why = {"currency": "GBP", "floor_reason": "They took the cash at the counter."}
        offer = drafted(manager, complaint, "goodwill_payment", "350.00", **why)
        assert offer["breakdown"] is None

    def test_less_than_is_laid_down_since_it_was_paid_outside(self, manager: Caller, anonymous: Caller) -> None:
        paid = {"floor_reason": "Paid by the agency on 2 March."}
        complaint = flown(manager, "0.00")
        offer = drafted(manager, complaint, "goodwill_payment", "40.00", **paid)
        assert offer["breakdown"] is None
        act(manager, offer, "submit", **paid)
        offer = act(manager, offer, "offer", **paid)
        assert (offer["breakdown"], seen(offer, anonymous)["breakdown"]) == (None, None)

    @pytest.mark.parametrize("kind", ["replacement", "re_performance", "gift", "apology_letter", "voucher"])
    def test_what_is_no_money_says_nothing(self, manager: Caller, kind: str) -> None:
        complaint = complained(manager, "60.00")
        amount = None if kind == "apology_letter" else "60.00"
        assert drafted(manager, complaint, kind, amount)["breakdown"] is None

    def test_one_of_before_this_was_kept(self, program: Program, manager: Caller, anonymous: Caller) -> None:
        complaint = flown(manager, "0.00")
        offer = sent(manager, drafted(manager, complaint, "refund", "250.00"))
        execute(program.database, "UPDATE offer SET breakdown = NULL")
        public = seen(offer, anonymous)
        assert (public["breakdown"], public["options"][0]["breakdown"]) == (None, None)
        assert drafted(manager, complaint, "goodwill_payment", "40.00")["breakdown"] is None, (
            "the first may have paid it"
        )
        act(manager, offer, "revoke", reason="A mistake.")
        assert told(drafted(manager, complaint, "goodwill_payment", "290.00")["breakdown"]) == STATUTORY


class TestChoices:
    def test_each_says_its_own(self, manager: Caller, anonymous: Caller) -> None:
        complaint = complained(manager, "60.00")
        options = (("voucher", "90.00"), ("refund", "70.00"), ("replacement", "150.00"))
        offer = sent(manager, choice(manager, complaint, *options))
        public = seen(offer, anonymous)
        refund = ("60.00", "10.00", [("restitution", "60.00"), ("goodwill", "10.00")])
        assert [told(option["breakdown"]) for option in public["options"]] == [None, refund, None]
        assert [told(option["breakdown"]) for option in offer["options"]] == [None, refund, None]
        assert (public["breakdown"], offer["breakdown"]) == (None, None), "the dearest is no money"
        act(manager, offer, "accept", said_by="phone", option=2)
        assert told(seen(offer, anonymous)["breakdown"]) == refund

    def test_what_they_did_not_choose_is_not_told_to_be_theirs(self, manager: Caller, anonymous: Caller) -> None:
        complaint = complained(manager, "60.00")
        offer = sent(manager, choice(manager, complaint, ("voucher", "90.00"), ("refund", "60.00")))
        act(manager, offer, "accept", said_by="phone", option=1)
        assert seen(offer, anonymous)["breakdown"] is None
        after = drafted(manager, complaint, "refund", "60.00")
        assert after["breakdown"] is None, "the voucher was in its place"

    def test_while_they_may_choose_nothing_is_said_twice(self, manager: Caller) -> None:
        complaint = complained(manager, "60.00")
        offer = sent(manager, choice(manager, complaint, ("refund", "60.00"), ("replacement", "150.00")))
        assert drafted(manager, complaint, "goodwill_payment", "40.00")["breakdown"] is None
        act(manager, offer, "accept", said_by="phone", option=1)
        after = drafted(manager, complaint, "goodwill_payment", "39.00")
        assert told(after["breakdown"]) == ("0.00", "39.00", [("goodwill", "39.00")])


class TestSeveralOffers:
    def test_owed_and_goodwill_apart(self, manager: Caller) -> None:
        complaint = flown(manager)
        money, extra = drafted(manager, complaint, "refund", "250.00"), drafted(manager, complaint, "voucher", "40.00")
        assert extra["breakdown"] is None, "the money is not told of yet"
        money = sent(manager, money)
        assert told(money["breakdown"]) == ("250.00", "0.00", [("statutory", "250.00")])
        extra = sent(manager, extra)
        assert told(extra["breakdown"]) == ("0.00", "40.00", [("goodwill", "40.00")])

    def test_in_parts_it_is_owed_once(self, manager: Caller) -> None:
        complaint = flown(manager, "300.00")
        offers = [
            sent(manager, drafted(manager, complaint, "refund", amount)) for amount in ("260.00", "30.00", "20.00")
        ]
        found = [told(offer["breakdown"]) for offer in offers]
        assert [item[2] for item in found] == [
            [("statutory", "250.00"), ("restitution", "10.00")],
            [("restitution", "30.00")],
            [("restitution", "10.00"), ("goodwill", "10.00")],
        ]

    def test_in_whatever_order_they_are_sent(self, manager: Caller) -> None:
        complaint = complained(manager, "60.00")
        first, second = drafted(manager, complaint, "refund", "60.00"), drafted(manager, complaint, "refund", "40.00")
        assert told(sent(manager, second)["breakdown"])[:2] == ("40.00", "0.00")
        assert told(sent(manager, first)["breakdown"])[:2] == ("20.00", "40.00")

    @pytest.mark.parametrize("ending", ["decline", "revoke", "expire"])
    def test_what_has_ended_says_no_more_and_the_next_one_does(
        self, program: Program, manager: Caller, anonymous: Caller, ending: str
    ) -> None:
        complaint = flown(manager, "0.00")
        offer = sent(manager, drafted(manager, complaint, "refund", "290.00"))
        if ending == "expire":
            execute(program.database, "UPDATE offer SET valid_until = now() - interval '1 second'")
        else:
            act(manager, offer, ending, **({"said_by": "phone"} if ending == "decline" else {"reason": "A mistake."}))
        public = seen(offer, anonymous)
        assert (public["breakdown"], public["options"][0]["breakdown"]) == (None, None)
        kept = manager.get(f"/offers/{offer['id']}").json["breakdown"]
        assert told(kept) == STATUTORY, "what they were told is known to us"
        assert told(sent(manager, drafted(manager, complaint, "refund", "290.00"))["breakdown"]) == STATUTORY

    def test_what_replaces_a_countered_one_says_it_in_its_place(self, manager: Caller, anonymous: Caller) -> None:
        complaint = flown(manager, "0.00")
        offer = sent(manager, drafted(manager, complaint, "refund", "250.00"))
        act(manager, offer, "counter", said_by="phone", words="More, please.")
        assert told(seen(offer, anonymous)["breakdown"])[0] == "250.00", "it stands meanwhile"
        other = drafted(manager, complaint, "refund", "290.00", successor_of=offer["id"])
        other = sent(manager, other)
        assert told(other["breakdown"]) == STATUTORY
        assert (seen(offer, anonymous)["breakdown"], seen(offer, anonymous)["replaced"]) == (None, True)

    def test_a_copy_says_what_holds_when_it_is_sent(self, manager: Caller) -> None:
        complaint = flown(manager, "0.00")
        offer = sent(manager, drafted(manager, complaint, "goodwill_payment", "290.00"))
        act(manager, offer, "decline", said_by="phone")
        other = sent(manager, drafted(manager, complaint, "refund", "250.00"))
        assert told(other["breakdown"])[0] == "250.00"
        copy = manager.post(f"/offers/{offer['id']}/copy", WHY).json
        assert told(copy["breakdown"]) == ("0.00", "290.00", [("goodwill", "290.00")])
        act(manager, other, "decline", said_by="phone")
        assert told(sent(manager, copy)["breakdown"]) == STATUTORY

    def test_what_was_made_good_in_kind(self, manager: Caller) -> None:
        complaint = complained(manager, "60.00")
        sent(manager, drafted(manager, complaint, "replacement", "100.00"))
        assert drafted(manager, complaint, "refund", "20.00")["breakdown"] is None

    def test_of_the_same_matter_on_another_complaint(self, manager: Caller) -> None:
        first, second = flown(manager, "0.00"), flown(manager, "0.00")
        offer = sent(manager, drafted(manager, first, "refund", "250.00"))
        twin = drafted(manager, second, "refund", "250.00")
        assert twin["breakdown"] is None
        twin = sent(manager, twin)
        assert twin["breakdown"] is None
        act(manager, offer, "decline", said_by="phone")
        assert twin["id"] != offer["id"]
        assert drafted(manager, first, "refund", "250.00", valid_days=3)["breakdown"] is None

    def test_of_two_that_are_sent_at_once_one_at_most_says_it(self, manager: Caller) -> None:
        for _ in range(4):
            offers = [drafted(manager, flown(manager, "0.00"), "refund", "250.00") for _ in range(2)]
            for offer in offers:
                act(manager, offer, "submit")
            done = at_once(*(partial(act, another(manager), offer, "offer") for offer in offers))
            assert [offer["breakdown"] for offer in done].count(None) >= 1
            for offer in offers:
                act(manager, offer, "revoke", reason="Once more.")


class TestWhatWasTold:
    def test_holds_when_it_is_sent_not_when_it_was_drafted(self, manager: Caller, anonymous: Caller) -> None:
        complaint = complained(manager, "0.00")
        offer = drafted(manager, complaint, "refund", "290.00")
        assert told(offer["breakdown"])[:2] == ("0.00", "290.00")
        recorded(manager, complaint, **FLIGHT | {"distance_km": "900"})
        assert told(sent(manager, offer)["breakdown"]) == STATUTORY

    def test_stays_whatever_is_found_out_later(self, manager: Caller, anonymous: Caller) -> None:
        complaint = flown(manager, "0.00")
        offer = sent(manager, drafted(manager, complaint, "refund", "290.00"))
        recorded(manager, complaint, distance_km="1840")
        assert told(seen(offer, anonymous)["breakdown"]) == STATUTORY
        later = sent(manager, drafted(manager, complaint, "refund", "150.00"))
        assert told(later["breakdown"]) == ("150.00", "0.00", [("statutory", "150.00")])

    def test_stays_when_it_is_kept_though_they_asked(
        self, database: Database, admin: Caller, manager: Caller, anonymous: Caller
    ) -> None:
        offer = sent(manager, drafted(manager, flown(manager, "0.00"), "refund", "290.00"))
        act(manager, offer, "counter", said_by="phone", words="More, please.")
        body = {"number": 1, "reason": "A name.", "whole": True}
        answer = admin.post(f"/offers/{offer['id']}/counters/redact", body, if_match="*")
        assert answer.status_code == 200, answer.text
        act(manager, offer, "keep")
        assert told(seen(offer, anonymous)["breakdown"]) == STATUTORY
        body = scalar(database, "SELECT body FROM outbound_mail WHERE reason = 'offer_kept'")
        assert f"- 250.00 EUR of this is owed to you under {LAW}.\n" in body

    def test_goes_along_with_a_merge_and_back(self, program: Program, manager: Caller, anonymous: Caller) -> None:
        source, survivor = flown(manager, "0.00"), flown(manager, "0.00")
        offer = sent(manager, drafted(manager, source, "goodwill_payment", "290.00"))
        act(manager, offer, "accept", said_by="phone")
        act(manager, offer, "record_issued", reference="bank 1")
        merge(manager, source, survivor, silent=True)
        assert told(seen(offer, anonymous)["breakdown"]) == STATUTORY
        here = drafted(manager, survivor, "goodwill_payment", "30.00")
        assert told(here["breakdown"]) == ("0.00", "30.00", [("goodwill", "30.00")])
        act(manager, here, "withdraw")
        unmerge(manager, source)
        assert told(manager.get(f"/offers/{offer['id']}").json["breakdown"]) == STATUTORY
        assert violations(program.database) == []

    def test_is_in_the_letter(self, database: Database, manager: Caller) -> None:
        sent(manager, drafted(manager, flown(manager, "0.00"), "goodwill_payment", "290.00"))
        body = scalar(database, "SELECT body FROM outbound_mail WHERE reason = 'offer'")
        assert (
            "a payment of 290.00 EUR\n"
            f"- 250.00 EUR of this is owed to you under {LAW}.\n"
            "- 40.00 EUR of this is goodwill: we give it beyond what is owed to you.\n\n"
            "What is owed to you stays owed. You do not lose it by declining, by asking for something else, or by not answering.\n\n"
            "Your flight came late.\n"
        ) in body

    def test_is_in_a_letter_of_several(self, database: Database, manager: Caller) -> None:
        complaint = complained(manager, "60.00")
        sent(manager, choice(manager, complaint, ("voucher", "90.00"), ("refund", "60.00")))
        body = scalar(database, "SELECT body FROM outbound_mail WHERE reason = 'offer'")
        assert (
            "1. a voucher for 90.00 EUR\n"
            "   - Good for 365 days from when you get it. It is used in one.\n"
            "2. a refund of 60.00 EUR\n"
            "   - All of this is owed to you for what you lost.\n\n"
            "What is owed to you stays owed."
        ) in body

    def test_in_chinese(self, database: Database, manager: Caller, anonymous: Caller) -> None:
        person = {"name": "李伟", "email": "li.wei@example.com", "language": "zh-CN"}
        complaint = flown(manager, "300.00", complainant=person)
        offer = sent(manager, drafted(manager, complaint, "goodwill_payment", "310.00"))
        assert seen(offer, anonymous)["breakdown"]["lines"][0]["law"] == "欧盟第261/2004号条例第7条"
        body = scalar(database, "SELECT body FROM outbound_mail WHERE reason = 'offer'")
        assert "- 其中 250.00 EUR 是依照欧盟第261/2004号条例第7条应付给您的。\n" in body
        assert "- 其中 10.00 EUR 是我们在应付款项之外自愿给予的补偿。\n" in body
        assert texts.stays_owed("zh") in body

    def test_an_operators_tariff_is_called_as_they_call_it(self, manager: Caller, admin: Caller) -> None:
        shipped = admin.get("/tariffs/eu.261").json["in_force"]
        body = {name: shipped[name] for name in ("source", "method", "currency", "set_off", "condition", "numbers")}
        body |= {"title": "Our promise <b>", "valid_from": "2006-01-01"}
        assert admin.post("/tariffs/eu.261/versions", body, if_match="*").status_code == 201
        offer = drafted(manager, flown(manager, "0.00"), "refund", "250.00")
        assert offer["breakdown"]["lines"][0]["law"] == "Our promise <b>"


class TestVerify:
    def test_what_was_told_adds_up(self, program: Program, manager: Caller) -> None:
        database, complaint = program.database, flown(manager, "0.00")
        sent(manager, drafted(manager, complaint, "goodwill_payment", "290.00"))
        extra = sent(manager, choice(manager, complaint, ("refund", "20.00"), ("voucher", "30.00")))
        drafted(manager, complaint, "voucher", "5.00")
        assert extra["breakdown"] is not None
        assert violations(database) == []

    @pytest.mark.parametrize(
        ("change", "told_of_it"),
        [
            ("amount_minor = 29001", "option 1: 25000 told as owed and 4000 as goodwill, of 29001"),
            ("breakdown = jsonb_set(breakdown, '{0,goodwill}', '3999')", "25000 told as owed and 3999 as goodwill"),
            (
                "breakdown = jsonb_set(jsonb_set(breakdown, '{0,goodwill}', 'null'), '{0,lines,0,minor}', '29001')",
                "29001 told as owed and None as goodwill",
            ),
            ("breakdown = jsonb_set(breakdown, '{0,number}', '2')", "option 2: of an option that there is not"),
            ("kind = 'replacement'", "replacement pays nothing that is owed"),
            ("status = 'approved'", "option 1: kept, though it is approved"),
        ],
    )
    def test_what_does_not_is_found(self, program: Program, manager: Caller, change: str, told_of_it: str) -> None:
        sent(manager, drafted(manager, flown(manager, "0.00"), "goodwill_payment", "290.00"))
        execute(program.database, f"UPDATE offer SET {change}")
        (found,) = [item for item in violations(program.database) if item.startswith("recovery.offer_breakdowns")]
        assert told_of_it in found


class TestWords:
    @pytest.mark.parametrize("language", LANGUAGES)
    def test_every_tariff_that_is_shipped_has_a_name(self, language: str) -> None:
        for tariff in tariffs.shipped()["tariffs"]:
            assert texts.law(language, tariff["id"]), tariff["id"]

    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize("law", [None, "$law ${x} {{ 1 }}"])
    def test_every_line_has_its_sentence(self, language: str, law: str | None) -> None:
        lines = (
            Line(basis="statutory", minor=1, tariff=None if law is None else "own", title=law),
            Line(basis="restitution", minor=2),
            Line(basis="restitution", minor=3, net=True),
        )
        found = breakdown_words.shown(Part(1, lines, 4), language, "EUR")
        said_of_it = breakdown_words.sentences(language, found, (10, "EUR"))
        assert len(set(said_of_it)) == 4
        assert law is None or law in said_of_it[0]
        (whole,) = breakdown_words.sentences(
            language, breakdown_words.shown(Part(1, lines[1:2], 0), language, "EUR"), (2, "EUR")
        )
        assert "0.02" not in whole


_LINES: Final = st.lists(
    st.tuples(st.sampled_from([("statutory", "a"), ("statutory", "b"), ("statutory", None), ("restitution", None)]), st.integers(1, 300)),
    max_size=4,
    unique_by=lambda item: item[0],
)  # fmt: skip
_OPTION: Final = st.tuples(st.sampled_from(KINDS), st.integers(0, 400))
_OFFERS: Final = st.lists(st.lists(_OPTION, min_size=1, max_size=3), min_size=1, max_size=5)


@of(_LINES, _OFFERS, st.booleans(), st.data())
def test_no_sum_is_owed_twice(lines: Any, offers: Any, stated: bool, data: Any) -> None:
    """Of offers that are put before the customer one after another, whatever is chosen of those before: what is told to be owed is no
    more than what is, by each of its lines; and of each option no more than it gives.
    """
    owed = Known(
        "EUR", tuple(Line(basis=key[0], tariff=key[1], minor=minor) for key, minor in sorted(lines, key=str)), stated
    )
    before: list[list[Said]] = []
    total: dict[breakdown.Key, int] = {}
    for options in offers:
        placed = [(number, kind, minor) for number, (kind, minor) in enumerate(options, 1)]
        found = {part.number: part for part in parts(placed, owed, before)}
        for number, kind, minor in placed:
            part = found.get(number)
            if part is None:
                continue
            assert part.owed + (part.goodwill or 0) <= minor
            assert part.goodwill is None or part.owed + part.goodwill == minor
            assert kind in SETTLES or not part.lines
            assert breakdown.read(breakdown.as_data([part])) == {number: part}
        several = len(placed) > 1
        chosen = data.draw(st.sampled_from(placed))
        for line in found[chosen[0]].lines if chosen[0] in found else ():
            total[line.key] = total.get(line.key, 0) + line.minor
        open_ = placed if data.draw(st.booleans()) else [chosen]
        before.append([said(kind, minor, found.get(number), several=several) for number, kind, minor in open_])
    for line in owed.lines:
        assert total.get(line.key, 0) <= line.minor
