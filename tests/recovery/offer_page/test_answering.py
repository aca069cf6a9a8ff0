"""What customers say of an offer on its page.

How it can fail: a field that is wrong loses what was typed; an amount is read as a hundredth of itself; a form of another kind or of any size is a fault of ours; the page does what the API would
refuse, or the books know another than the customer for it.
"""

import re
from dataclasses import replace
from typing import Any, Final

import pytest
from flask.testing import FlaskClient

from helpdesk.app import create_app
from helpdesk.kernel.unit_of_work import Database
from helpdesk.offer_page import MOST_BYTES
from helpdesk.wiring import Program, assemble
from tests.conftest import Caller
from tests.recovery.helpers import act, eur, execute, offered, perform, scalar, violations
from tests.recovery.offer_page.visiting import Visit, opened, path_of, steps

ASK: Final = "Ask for something else ..."
DECLINE: Final = "Decline the offer ..."
COME: Final = "It has come ..."
NOT_COME: Final = "It has not come ..."


class TestAccepting:
    def test_from_the_mail_to_the_voucher(
        self, program: Program, visit: Visit, agent: Caller, offer: dict[str, Any], complaint: dict[str, Any]
    ) -> None:
        page = visit.choose()
        assert page.title == "Accept this offer?"
        assert "a voucher for 30.00 EUR" in page.text
        assert agent.get(f"/offers/{offer['id']}").json["status"] == "offered"
        page = visit.send()
        assert (page.address, page.title) == (offer["link"], "You have accepted our offer")
        assert page.forms == []
        perform(program)
        code = agent.get(f"/offers/{offer['id']}").json["issued_reference"]
        assert code in visit.open().text
        items = agent.get(f"/complaints/{complaint['reference']}/timeline").json["items"]
        accept = next(item for item in items if item["type"] == "offer.accepted")
        assert (accept["actor_kind"], accept["actor_id"]) == ("complainant", complaint["id"])
        assert accept["payload"]["given"] == {"option": 1, "said_by": "link"}
        assert violations(program.database) == []

    def test_one_of_several(self, program: Program, choice: Visit) -> None:
        page = choice.choose(2)
        assert "a refund of 30.00 EUR" in page.text
        assert "voucher" not in page.text
        page = choice.send()
        assert "a refund of 30.00 EUR" in page.text
        assert "voucher for" not in page.text
        assert scalar(program.database, "SELECT chosen_option FROM offer") == 2
        assert violations(program.database) == []

    def test_without_saying_which(self, choice: Visit, database: Database) -> None:
        """Before anything was sent, and of a form that lost it."""
        page = choice.choose()
        assert page.forms[0].choices == {"option": ["1", "2", "3"]}
        assert page.alert is None
        page = choice.post(f"{choice.link}/accept", {"key": "lost"}, status=422)
        assert "Choose one of these." in (page.alert or "")
        assert page.forms[0].choices == {"option": ["1", "2", "3"]}
        assert "a refund" in choice.choose(2).text
        assert steps(database, "accept") == 0

    @pytest.mark.parametrize("wrong", ["0", "4", "9" * 400, "x", "<b>", "-1", "1.0", "\u0661", "", " "])
    def test_an_option_that_there_is_not(self, choice: Visit, database: Database, wrong: str) -> None:
        page = choice.post(f"{choice.link}/accept", {"key": "k", "option": wrong}, status=422)
        assert "Choose one of these." in (page.alert or "")
        assert "<b>" not in page.html
        answer = choice.client.get(path_of(f"{choice.link}/accept"), query_string={"option": wrong})
        assert (answer.status_code, "<b>" in answer.text) == (422, False)
        assert steps(database, "accept") == 0

    def test_the_only_one_by_another_number(self, visit: Visit, database: Database) -> None:
        page = visit.post(f"{visit.link}/accept", {"key": "k", "option": "2"}, status=422)
        assert "Choose one of these." in (page.alert or "")
        assert steps(database, "accept") == 0
        assert visit.send().title == "You have accepted our offer"


class TestDeclining:
    def test_with_a_reason(self, database: Database, visit: Visit, agent: Caller, offer: Any) -> None:
        page = visit.follow(DECLINE)
        assert page.title == "Decline our offer?"
        page = visit.send(reason="  I want\r\nmy money back. ")
        assert page.title == "You have declined our offer"
        assert agent.get(f"/offers/{offer['id']}").json["status_reason"] == "I want\nmy money back."
        assert violations(database) == []

    def test_without(self, visit: Visit, agent: Caller, offer: Any) -> None:
        visit.follow(DECLINE)
        visit.send()
        assert agent.get(f"/offers/{offer['id']}").json["status_reason"] is None

    @pytest.mark.parametrize(
        ("reason", "told"),
        [
            ("x" * 2001, "at most 2000"),
            ("a\x00b", "cannot read"),
            ("\u200b", "cannot read"),
            ("\x1b[1m", "cannot read"),
        ],
    )
    def test_with_what_cannot_be_kept(self, visit: Visit, database: Database, reason: str, told: str) -> None:
        visit.follow(DECLINE)
        page = visit.send(reason=reason, status=422)
        assert told in (page.alert or "")
        assert len(page.form.fields["reason"]) >= len(reason) - 1, "what was typed is not lost"
        assert page.links[next(name for name in page.links if told in name)].endswith("#reason")
        assert steps(database, "decline") == 0
        assert visit.send(reason="Well then.").title == "You have declined our offer"


class TestAsking:
    def test_for_something_else(self, database: Database, visit: Visit, agent: Caller, offer: Any) -> None:
        page = visit.follow(ASK)
        assert "refund" in page.form.choices["kind"]
        page = visit.send(words="I should like\r\nmy money back.", kind="refund", amount=" 40,00 ")
        assert page.title == "You asked for something else"
        assert "My money back" in page.text
        assert "Amount: 40.00 EUR" in page.text
        assert ([form.action for form in page.forms], set(page.links)) == (
            [],
            {"Take back what I asked for ...", DECLINE},
        )
        (counter,) = agent.get(f"/offers/{offer['id']}").json["counters"]
        assert (counter["words"], counter["kind"]) == ("I should like\nmy money back.", "refund")
        assert (counter["amount"], counter["said_by"]) == (eur("40.00"), "link")
        assert violations(database) == []

    @pytest.mark.parametrize(
        ("typed", "meant"),
        [
            ("\uff11\uff12", "12.00"),
            ("\u3000\uff14\uff10\uff0e\uff15\uff10", "40.50"),
            ("\uff14\uff10\uff0c\uff10\uff10", "40.00"),
        ],
    )
    def test_in_figures_as_a_chinese_keyboard_writes_them(
        self, visit: Visit, agent: Caller, offer: Any, typed: str, meant: str
    ) -> None:
        visit.follow(ASK)
        visit.send(words="Money.", amount=typed)
        (counter,) = agent.get(f"/offers/{offer['id']}").json["counters"]
        assert counter["amount"] == eur(meant)

    def test_and_taking_it_back(self, visit: Visit, database: Database) -> None:
        visit.follow(ASK)
        visit.send(words="Money.")
        visit.follow("Take back what I asked for ...")
        assert visit.page.title == "Take back what you asked for?"
        assert visit.send().title == "Our offer to you"
        visit.choose()
        assert visit.send().title == "You have accepted our offer"
        assert violations(database) == []

    def test_three_times_and_no_more(self, visit: Visit) -> None:
        form = visit.follow(ASK).form
        visit.open()
        for left in ("3 more times", "2 more times", "once more"):
            assert left in visit.follow(ASK).text
            visit.send(words="Money.")
            visit.follow("Take back what I asked for ...")
            visit.send()
        assert ASK not in visit.page.links
        page = visit.post(form.action, form.fields | {"key": "more", "words": "More."}, status=409)
        assert "as often as is possible" in (page.alert or "")
        assert visit.open(form.action, status=409).title == "Our offer to you"

    @pytest.mark.parametrize(
        "amount",
        [
            "1,000",
            "1.000,00",
            "40.005",
            "-1",
            "0",
            "x",
            "<b>",
            "1e3",
            "9" * 30,
            "\u0661\u0662",
            "1\u00b2",
            "\uff11\uff0c\uff10\uff10\uff10",
        ],
    )
    def test_an_amount_is_understood_or_refused(self, visit: Visit, database: Database, amount: str) -> None:
        visit.follow(ASK)
        page = visit.send(words="Money.", amount=amount, status=422)
        assert "Write the amount in figures, for example 40.00." in (page.alert or "")
        assert (page.form.fields["words"], page.form.fields["amount"]) == ("Money.", amount)
        assert "<b>" not in page.html
        assert steps(database, "counter") == 0

    def test_saying_nothing(self, visit: Visit, database: Database) -> None:
        visit.follow(ASK)
        page = visit.send(words=" \r\n ", kind="refund", status=422)
        assert "Say what you ask for." in (page.alert or "")
        assert page.form.fields["kind"] == "refund"
        assert steps(database, "counter") == 0

    def test_what_the_form_does_not_offer(self, visit: Visit, database: Database) -> None:
        visit.follow(ASK)
        wrong = {
            "words": "Money.",
            "kind": "gold",
            "amount": "1.00",
            "currency": "XXX",
            "said_by": "agent",
            "status": "issued",
        }
        page = visit.post(visit.page.form.action, visit.page.form.fields | wrong, status=422)
        assert "Choose one of the list." in (page.alert or "")
        assert "XXX" not in page.html
        assert steps(database, "counter") == 0


class TestDelivery:
    @pytest.fixture
    def sent(self, program: Program, client: FlaskClient, agent: Caller, manager: Caller, complaint: Any) -> Visit:
        offer = offered(
            agent,
            complaint,
            {"kind": "gift", "amount": eur("5.00"), "reason": "Sorry."} | {"override_reason": "A regular guest."},
        )
        act(agent, offer, "accept", said_by="phone")
        act(manager, offer, "record_issued", reference="parcel 1")
        return opened(client, offer)

    def test_it_has_come(self, database: Database, sent: Visit) -> None:
        assert set(sent.page.links) == {COME, NOT_COME}
        sent.follow(COME)
        page = sent.send()
        assert "You have it since: 2" in page.text
        assert page.links == {}
        page = sent.post(f"{sent.link}/not-arrived", {"key": "k"}, status=409)
        assert "You have told us already that it came." in (page.alert or "")
        assert violations(database) == []

    def test_it_has_not(self, database: Database, sent: Visit, agent: Caller) -> None:
        sent.follow(NOT_COME)
        page = sent.send(note="Nobody rang.")
        assert "You have told us that it did not come." in page.text
        assert set(page.links) == {COME}
        page = sent.post(f"{sent.link}/not-arrived", {"key": "k"}, status=409)
        assert "You have told us already that it did not come." in (page.alert or "")
        assert scalar(database, "SELECT given->>'note' FROM offer_transition WHERE action = 'report_undelivered'") == (
            "Nobody rang."
        )
        sent.open()
        sent.follow(COME)
        assert "You have it since: 2" in sent.send().text

    def test_what_is_done_again_is_no_parcel(
        self, client: FlaskClient, agent: Caller, senior: Caller, complaint: dict[str, Any], database: Database
    ) -> None:
        body = {"kind": "re_performance", "amount": eur("5.00"), "reason": "Sorry.", "override_reason": "Agreed."}
        offer = offered(agent, complaint, body)
        act(agent, offer, "accept", said_by="phone")
        act(senior, offer, "record_issued", reference="appointment 7")
        visit = opened(client, offer)
        read = [visit.page.text]
        assert set(visit.page.links) == {"It has been done ...", "It has not been done ..."}
        page = visit.follow("It has not been done ...")
        read += [page.text, page.html]
        assert page.title == "Has it not been done?"
        read.append(visit.send().text)
        assert "You have told us that it has not been done." in visit.page.text
        read.append(visit.post(f"{visit.link}/not-arrived", {"key": "k"}, status=409).text)
        visit.open()
        page = visit.follow("It has been done ...")
        read += [page.text, page.html]
        read.append(visit.send().text)
        assert "Noted as done: 2" in visit.page.text
        read.append(visit.post(f"{visit.link}/arrived", {"key": "k"}, status=409).text)
        for said in read:
            assert not re.search(r"\b(come|came|have it|got)\b", said)
        page = opened(client, _in_chinese(database, offer)).page
        assert "记录为已完成的时间" in page.text
        assert "收到" not in page.text

    def test_of_what_comes_with_its_issuance_nothing_is_asked(
        self, program: Program, client: FlaskClient, agent: Caller, complaint: Any
    ) -> None:
        visit = opened(client, offered(agent, complaint))
        visit.choose()
        visit.send()
        perform(program)
        assert visit.open().links == {}
        for path in ("arrived", "not-arrived"):
            assert visit.open(f"{visit.link}/{path}", status=409).title == "You have accepted our offer"
            visit.post(f"{visit.link}/{path}", {"key": path}, status=409)


def _in_chinese(database: Database, offer: dict[str, Any]) -> dict[str, Any]:
    execute(database, "UPDATE offer SET language = 'zh' WHERE id = :id", id=offer["id"])
    return offer


class TestForms:
    @pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data; boundary=x", ""])
    def test_of_another_kind(self, visit: Visit, database: Database, kind: str) -> None:
        answer = visit.client.post(path_of(f"{visit.link}/accept"), data=b'{"key": "k"}', content_type=kind)
        assert answer.status_code == 415
        assert "Open the link in our letter once more" in answer.text
        assert steps(database, "accept") == 0

    def test_of_any_size(self, visit: Visit, database: Database) -> None:
        form = visit.follow(ASK).form
        for size in (MOST_BYTES, 900_000, 5_000_000):
            page = visit.send(form=form, words="x" * size, status=413)
            assert "make it shorter" in page.text
        visit.post(f"{visit.link}/decline", {f"field{number}": "" for number in range(9000)}, status=413)
        assert steps(database, "counter") == 0

    def test_the_longest_that_can_be_said_fits(self, visit: Visit, agent: Caller, offer: Any) -> None:
        visit.follow(ASK)
        words = "\U0001f4e6" * 2000
        assert visit.send(words=words).title == "You asked for something else"
        assert agent.get(f"/offers/{offer['id']}").json["counters"][0]["words"] == words

    def test_with_bytes_that_are_no_text(self, visit: Visit, database: Database) -> None:
        for body in (b"key=k&words=%ff%fe%00", b"key=k&words=\xff\xfe", b"%", b"&&&==", b"key=k&key=j&words=%ED%A0%80"):
            answer = visit.client.post(
                path_of(f"{visit.link}/counter"), data=body, content_type="application/x-www-form-urlencoded"
            )
            assert answer.status_code in {303, 400, 409, 422}, body
            assert "text/html" in answer.content_type

    def test_with_a_query_that_none_has(self, visit: Visit, database: Database) -> None:
        visit.choose()
        page = visit.post(f"{visit.link}/accept?x=%3Cb%3E", visit.page.form.fields, status=422)
        assert "Open the link in our letter once more" in page.text
        assert "<b>" not in page.html
        assert steps(database, "accept") == 0

    def test_by_another_method(self, visit: Visit) -> None:
        for method in ("PUT", "PATCH", "DELETE"):
            answer = visit.client.open(path_of(f"{visit.link}/accept"), method=method)
            assert answer.status_code == 405
        assert visit.client.post(path_of(visit.link), data={"key": "k"}).status_code == 405


def test_without_a_database_it_says_so(program: Program, offer: dict[str, Any], tmp_path: Any) -> None:
    away = assemble(replace(program.settings, database_url="postgresql://helpdesk@127.0.0.1:1/none", data_dir=tmp_path))
    visit = Visit(create_app(program=away).test_client(), offer["link"])
    page = visit.open(status=503)
    assert "We cannot be reached at the moment" in page.text
    assert page.answer.headers["Retry-After"]
    visit.post(f"{offer['link']}/accept", {"key": "k"}, status=503)
    away.engine.dispose()
