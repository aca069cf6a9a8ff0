"""What customers are written when something is taken away or does not work, and what their letters say.

How it can fail: a code is dead at the till and nobody was told; they are told twice, or of what never was in their hands; what is
replaced reads as if it were withdrawn; the letter says less than the page; in another language than theirs.
"""

from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy import text

from helpdesk.kernel.money import Money
from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import asking, telling, texts
from helpdesk.recovery.models import LANGUAGES
from helpdesk.recovery.offers import Links
from helpdesk.wiring import Program
from tests.conftest import SIGNING_KEY, Caller, complaint_body
from tests.recovery.helpers import act, draft, eur, issued, offered, token, violations, voucher
from tests.recovery.providing import refund, status, work
from tests.recovery.reference_provider import ReferenceProvider
from tests.recovery.test_breakdown import complained, drafted, flown, sent

pytestmark = pytest.mark.usefixtures("budget")

GIFT = voucher("20.00", kind="gift")


def letters(database: Database, offer: dict[str, Any]) -> dict[str, str]:
    """By reason; each was written once."""
    statement = text("SELECT reason, subject || body AS said FROM outbound_mail WHERE subject_id = :id ORDER BY id")
    with database.reader() as session:
        rows = session.execute(statement, {"id": UUID(offer["id"])}).all()
    found = {row.reason: row.said for row in rows}
    assert len(found) == len(rows), [row.reason for row in rows]
    return found


class TestTakenAway:
    def test_an_issued_voucher(
        self, program: Program, agent: Caller, manager: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = issued(program, agent, complaint)
        act(manager, offer, "reverse", reason="It was somebody else's.")
        said = letters(program.database, offer)["offer_reversed"]
        assert "a voucher for 30.00 EUR" in said
        assert "cannot be used any more" in said
        assert "somebody else's" not in said, "why is for us"
        assert violations(program.database) == []

    def test_an_offer_in_their_hands(
        self, database: Database, agent: Caller, manager: Caller, complaint: dict[str, Any]
    ) -> None:
        options = [{"kind": "voucher", "amount": eur("20.00")}, {"kind": "refund", "amount": eur("10.00")}]
        body = {"options": options, "reason": "It came late.", "override_reason": "Agreed."}
        offer = offered(agent, complaint, body)
        act(manager, offer, "revoke", reason="x")
        said = letters(database, offer)["offer_revoked"]
        assert "1. a voucher for 20.00 EUR\n2. a refund of 10.00 EUR" in said

    def test_with_a_complaint_that_was_dismissed(
        self, database: Database, agent: Caller, manager: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = offered(agent, complaint)
        path = f"/complaints/{complaint['reference']}/actions/dismiss"
        answer = manager.post(path, {"reason_code": "out_of_scope"})
        assert answer.status_code == 200, answer.text
        assert "offer_revoked" in letters(database, offer)

    def test_not_what_they_never_had(
        self, database: Database, agent: Caller, manager: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = act(agent, draft(agent, complaint), "submit")
        act(manager, offer, "revoke", reason="x")
        assert letters(database, offer) == {}

    def test_in_their_language_and_only_where_there_is_an_address(
        self, program: Program, agent: Caller, manager: Caller, team: UUID
    ) -> None:
        theirs = {"name": "李伟", "email": "li@example.com", "language": "zh"}
        for person, told in ((theirs, "不能再使用"), ({"name": "Li"}, None)):
            complaint = agent.post("/complaints", complaint_body(team_id=str(team), complainant=person)).json
            offer = issued(program, agent, complaint)
            act(manager, offer, "reverse", reason="x")
            said = letters(program.database, offer).get("offer_reversed")
            assert (said is None) if told is None else (said is not None and told in said)


OTHERS: Final = {"zh": {"name": "李伟", "email": "li@example.com", "language": "zh"}}


def owing(manager: Caller, language: str = "en") -> dict[str, Any]:
    """An offer before the customer, of 300 of which 250 are laid down."""
    theirs = {"complainant": OTHERS[language]} if language in OTHERS else {}
    return dict(sent(manager, drafted(manager, flown(manager, "0.00", **theirs), "refund", "300.00")))


class TestOwed:
    """What is owed does not end with an offer, and whoever reads that it ended reads that too."""

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_where_it_is_revoked(self, database: Database, manager: Caller, language: str) -> None:
        offer = owing(manager, language)
        act(manager, offer, "revoke", reason="x")
        said = letters(database, offer)["offer_revoked"]
        assert (
            f"{texts.what(language, 'refund', Money(30000, 'EUR'))}\n\n{texts.stays_owed(language, over=True)}\n\n"
            in said
        )

    def test_not_where_nobody_said_that_anything_is(self, database: Database, manager: Caller) -> None:
        offer = sent(manager, drafted(manager, complained(manager), "refund", "20.00"))
        act(manager, offer, "revoke", reason="x")
        said = letters(database, offer)["offer_revoked"]
        assert "a refund of 20.00 EUR\n\nYour complaint and your rights" in said

    @pytest.mark.parametrize(("language", "told"), [("en", "what you accepted"), ("zh", "接受的以下方案")])
    def test_where_they_had_accepted(self, database: Database, manager: Caller, language: str, told: str) -> None:
        offer = owing(manager, language)
        act(manager, offer, "accept", said_by="phone")
        act(manager, offer, "fail", reason="x")
        act(manager, offer, "revoke", reason="x")
        said = letters(database, offer)["offer_revoked"]
        assert told in said
        assert "offer" not in said, "they have taken it"
        assert texts.stays_owed(language, over=True, taken=True) in said

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_where_the_money_came_back(self, program: Program, manager: Caller, language: str) -> None:
        offer = owing(manager, language)
        act(manager, offer, "accept", said_by="phone")
        act(manager, offer, "record_issued", reference="transfer 7")
        act(manager, offer, "reverse", reason="Their bank sent it back.")
        said = letters(program.database, offer)["offer_reversed"]
        assert texts.what(language, "refund", Money(30000, "EUR")) in said
        assert texts.stays_owed(language, over=True, taken=True) in said
        assert "bank" not in said, "why is for us"
        assert violations(program.database) == []

    def test_goods_that_came_back_they_have_sent_themselves(self, database: Database, manager: Caller) -> None:
        offer = sent(manager, drafted(manager, complained(manager), "replacement", "20.00"))
        act(manager, offer, "accept", said_by="phone")
        act(manager, offer, "record_issued", reference="parcel 7")
        act(manager, offer, "reverse", reason="x")
        assert "offer_reversed" not in letters(database, offer)


class TestDidNotWork:
    def test_it_is_said_once_and_on_the_page(
        self,
        database: Database,
        agent: Caller,
        senior: Caller,
        manager: Caller,
        anonymous: Caller,
        complaint: dict[str, Any],
    ) -> None:
        offer = offered(agent, complaint, GIFT)
        path = f"/public/offers/{token(offer)}"
        anonymous.pay(f"{path}/accept", {})
        assert (anonymous.get(path).json["delayed"], anonymous.get(path).json["delayed_because"]) == (False, None)
        act(senior, offer, "fail", reason="Out of stock.")
        shown = anonymous.get(path).json
        assert (shown["status"], shown["delayed"], shown["delayed_because"]) == ("accepted", True, "failed")
        page = anonymous.client.get(f"/offers/{path.rsplit('/', 1)[1]}").text
        assert "It did not work so far. We are on it" in page
        assert "We send it to you" not in page
        said = letters(database, offer)["offer_failed"]
        assert "a gift" in said
        assert "20.00" not in said, "what it costs us"
        act(senior, offer, "retry")
        act(senior, offer, "fail", reason="Still out of stock.")
        letters(database, offer)  # still one of each
        act(manager, offer, "revoke", reason="It is not made any more.")
        assert "offer_revoked" in letters(database, offer)
        assert violations(database) == []

    @pytest.mark.parametrize("answer", ["away", "wordless"])
    def test_it_is_not_said_when_nobody_knows_whether_it_did(
        self,
        program: Program,
        agent: Caller,
        senior: Caller,
        anonymous: Caller,
        complaint: dict[str, Any],
        provider: ReferenceProvider,
        answer: str,
    ) -> None:
        """Its provider is asked until it is given up, and a person is to find out: that may take weeks. It may have been paid."""
        provider.away = answer == "away"
        provider.plan, provider.faults = [answer] * 3 * asking.MOST_ATTEMPTS, frozenset({"lagging"})
        offer = offered(agent, complaint, refund())
        path = f"/public/offers/{token(offer)}"
        anonymous.pay(f"{path}/accept", {})
        work(program)
        assert anonymous.get(path).json["delayed"] is False, "it is asked again in a moment"
        assert "offer_doubted" not in letters(program.database, offer)
        work(program, asking.MOST_ATTEMPTS)
        assert status(agent, offer) == ("issuing", "unknown")
        shown = anonymous.get(path).json
        assert (shown["status"], shown["delayed"], shown["delayed_because"]) == ("accepted", True, "unknown")
        page = anonymous.client.get(f"/offers/{token(offer)}").text
        said = letters(program.database, offer)["offer_doubted"]
        for told in (page, said):
            assert "did not work" not in told
            assert "We are finding out, and write to you" in told
        act(senior, offer, "ask_again")
        work(program, asking.MOST_ATTEMPTS)
        assert status(agent, offer) == ("issuing", "unknown"), "once more"
        act(senior, offer, "fail", reason="They have nothing of it.")
        assert "offer_failed" not in letters(program.database, offer), "they are told once"
        assert violations(program.database) == []

    def test_nor_in_chinese(
        self, program: Program, agent: Caller, anonymous: Caller, team: UUID, provider: ReferenceProvider
    ) -> None:
        provider.away = True
        complaint = agent.post("/complaints", complaint_body(team_id=str(team), complainant=OTHERS["zh"])).json
        offer = offered(agent, complaint, refund())
        anonymous.pay(f"/public/offers/{token(offer)}/accept", {})
        work(program, asking.MOST_ATTEMPTS + 1)
        page = anonymous.client.get(f"/offers/{token(offer)}").text
        for told in (page, letters(program.database, offer)["offer_doubted"]):
            assert "未能办成" not in told
            assert "正在核实" in told


class TestLetters:
    def test_terms_and_what_else_they_can_say(
        self, database: Database, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = offered(agent, complaint, voucher("30.00", voucher_days=90, voucher_partial=True))
        said = letters(database, offer)["offer"]
        assert "a voucher for 30.00 EUR\n- Good for 90 days from when you get it. It can be used in parts." in said
        assert "or ask for something else, until" in said

    def test_a_successor_says_that_it_replaces(
        self, database: Database, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        first = offered(agent, complaint)
        act(agent, first, "counter", said_by="phone", words="I should like my money.")
        second = offered(agent, complaint, voucher("20.00", kind="refund", successor_of=first["id"]))
        assert "takes the place of the one that we made to you before" in letters(database, second)["offer"]
        assert "offer_revoked" not in letters(database, first), "the newer letter says it"

    def test_what_is_on_its_way_has_the_page(
        self, program: Program, agent: Caller, senior: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = offered(agent, complaint, GIFT)
        act(agent, offer, "accept", said_by="phone")
        act(senior, offer, "record_issued", reference="parcel 7")
        with program.database.reader() as session:
            completion = session.scalar(text("SELECT completion FROM outbound_mail WHERE reason = 'issued_gift'"))
            said = telling.where_to_say(session, UUID(offer["id"]), Links(SIGNING_KEY, "http://here/offers/").of)
        assert completion == telling.PAGE
        assert said.startswith("When it has come, or when it does not")
        assert said.endswith("/" + token(offer))
