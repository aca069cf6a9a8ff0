"""What the offer page says of what is owed.

How it can fail: it says another than the API or the letter, or in another language; who declines, asks for something else or lets the
time pass reads that it is lost, or nothing; what has ended, or was replaced, still says that so much is owed; a title that an operator
wrote is read as markup; where nothing is known, there are empty parts.
"""

from typing import Any, Final

import pytest
from flask.testing import FlaskClient

from helpdesk.recovery import texts
from tests.conftest import Caller
from tests.recovery.helpers import act, execute, open_budget
from tests.recovery.offer_page.test_answering import ASK, DECLINE
from tests.recovery.offer_page.visiting import Visit, opened
from tests.recovery.test_breakdown import LAW, choice, complained, drafted, flown, sent

OWED: Final = f"250.00 EUR of this is owed to you under {LAW}."
GOODWILL: Final = "40.00 EUR of this is goodwill: we give it beyond what is owed to you."
STAYS: Final = texts.stays_owed("en")
STAYED: Final = texts.stays_owed("en", over=True)
UNDONE: Final = texts.stays_owed("en", over=True, taken=True)


@pytest.fixture(autouse=True)
def _enough(manager: Caller) -> None:
    open_budget(manager, "9000.00", name="For flights", ends_on="2999-12-30")


@pytest.fixture
def offer(manager: Caller) -> dict[str, Any]:
    return dict(sent(manager, drafted(manager, flown(manager, "0.00"), "goodwill_payment", "290.00")))


def test_stands_under_what_is_offered(visit: Visit) -> None:
    for part in ("a payment of 290.00 EUR", OWED, GOODWILL, STAYS):
        assert part in visit.page.text
    page = visit.choose()
    assert OWED in page.text
    assert GOODWILL in page.text
    page = visit.send()
    assert page.title == "You have accepted our offer"
    assert OWED in page.text
    assert STAYS not in page.text, "they have taken it"


def test_declining_loses_nothing(visit: Visit) -> None:
    assert STAYS in visit.follow(DECLINE).text
    page = visit.send()
    assert STAYED in page.text
    assert OWED not in page.text, "the next offer says how much"


def test_asking_for_something_else_loses_nothing(visit: Visit) -> None:
    assert STAYS in visit.follow(ASK).text
    page = visit.send(words="More, please.")
    for part in (OWED, GOODWILL, STAYS):
        assert part in page.text


def test_nor_does_letting_its_time_pass(visit: Visit, database: Any) -> None:
    execute(database, "UPDATE offer SET valid_until = now() - interval '1 second'")
    page = visit.open()
    assert page.title == "Our offer has ended"
    assert STAYED in page.text
    assert OWED not in page.text


def test_nor_does_money_that_comes_back(visit: Visit, manager: Caller, offer: Any) -> None:
    act(manager, offer, "accept", said_by="phone")
    act(manager, offer, "record_issued", reference="transfer 7")
    assert "owed to you stays owed" not in visit.open().text, "they have it"
    act(manager, offer, "reverse", reason="Their bank sent it back.")
    page = visit.open()
    assert page.title == "Our offer was taken back"
    assert UNDONE in page.text
    assert OWED not in page.text, "the next offer says how much"


def test_nor_does_what_they_accepted_and_could_not_be_done(visit: Visit, manager: Caller, offer: Any) -> None:
    act(manager, offer, "accept", said_by="phone")
    act(manager, offer, "fail", reason="x")
    act(manager, offer, "revoke", reason="x")
    page = visit.open()
    assert page.title == "What you accepted could not be done"
    assert "What you accepted a payment of 290.00 EUR" in page.text
    assert "What we offered" not in page.text
    assert UNDONE in page.text
    assert OWED not in page.text, "the next offer says how much"


def test_where_another_was_made_that_one_says_it(
    visit: Visit, client: FlaskClient, manager: Caller, offer: Any
) -> None:
    complaint = {"reference": offer["complaint_reference"]}
    act(manager, offer, "counter", said_by="phone", words="More, please.")
    other = sent(manager, drafted(manager, complaint, "refund", "250.00", successor_of=offer["id"]))
    page = visit.open()
    assert not [part for part in (OWED, STAYS, STAYED) if part in page.text]
    assert f"All of this is owed to you under {LAW}." in opened(client, other).page.text


def test_each_choice_says_its_own(client: FlaskClient, manager: Caller) -> None:
    complaint = complained(manager, "60.00")
    visit = opened(client, sent(manager, choice(manager, complaint, ("voucher", "90.00"), ("refund", "60.00"))))
    whole = "All of this is owed to you for what you lost."
    assert visit.page.text.count("owed to you for") == 1
    assert "a refund of 60.00 EUR " + whole in visit.page.text
    assert whole not in visit.choose(1).text
    visit.open()
    assert whole in visit.choose(2).text


def test_where_nothing_is_known_nothing_is_said(client: FlaskClient, manager: Caller) -> None:
    page = opened(client, sent(manager, drafted(manager, complained(manager), "refund", "20.00"))).page
    assert "owed" not in page.text
    assert "goodwill" not in page.text
    assert [tag for tag, _ in page.tags].count("ul") == 1, "the answers"


def test_in_chinese(client: FlaskClient, manager: Caller) -> None:
    person = {"name": "李伟", "email": "li.wei@example.com", "language": "zh-CN"}
    complaint = flown(manager, "0.00", complainant=person)
    page = opened(client, sent(manager, drafted(manager, complaint, "goodwill_payment", "290.00"))).page
    assert "其中 250.00 EUR 是依照欧盟第261/2004号条例第7条应付给您的。" in page.text
    assert texts.stays_owed("zh") in page.text


def test_an_operators_title_is_no_markup(client: FlaskClient, manager: Caller, admin: Caller) -> None:
    shipped = admin.get("/tariffs/eu.261").json["in_force"]
    body = {name: shipped[name] for name in ("source", "method", "currency", "set_off", "condition", "numbers")}
    body |= {"title": "<b>$law</b> {{ 7 * 7 }}", "valid_from": "2006-01-01"}
    assert admin.post("/tariffs/eu.261/versions", body, if_match="*").status_code == 201
    page = opened(client, sent(manager, drafted(manager, flown(manager, "0.00"), "refund", "250.00"))).page
    assert "All of this is owed to you under <b>$law</b> {{ 7 * 7 }}." in page.text
    assert "<b>" not in page.html
