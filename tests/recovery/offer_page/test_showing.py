"""The page that customers see their offer on: what stands there, and to whom.

How it can fail: the mail leads elsewhere; looking at it, as mail scanners do with every link, accepts something; another
language, amount or time than in the letter; a page that says what our costs are; what somebody wrote, or what stands in the
address, is read as markup; the token reaches another site, a search engine, a cache or a log; a wrong, old or early link
shows something, or something else than the API says; a state of the offer for which there are no words; a field without a
label, a page that needs a script.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
import structlog
from flask.testing import FlaskClient
from sqlalchemy import text

from helpdesk import offer_view
from helpdesk.app import create_app
from helpdesk.kernel import links
from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import jobs
from helpdesk.recovery.customer_states import CUSTOMER_STATES, DELAYS
from helpdesk.recovery.kinds import KINDS
from helpdesk.recovery.lifecycle import LIFECYCLE
from helpdesk.recovery.offers import Links
from helpdesk.schedule import SWEEPS
from helpdesk.wiring import Program
from tests.conftest import SIGNING_KEY, Caller, complaint_body
from tests.recovery.helpers import act, draft, execute, offered, perform, scalar, token, voucher
from tests.recovery.offer_page.visiting import Visit
from tests.recovery.test_options import option, several

PAGES: Final = Path(offer_view.__file__).with_name("pages")
MARKUP: Final = '<script>alert(1)</script> & "it\'s" ${reference} {{ 7 * 7 }}'


@pytest.fixture
def visit(client: FlaskClient, offer: dict[str, Any]) -> Visit:
    return Visit(client, offer["link"])


def chinese(agent: Caller, team: UUID) -> dict[str, Any]:
    person = {"name": "李伟", "email": "li.wei@example.com", "language": "zh-CN"}
    answer = agent.post("/complaints", complaint_body(team_id=str(team), complainant=person))
    assert answer.status_code == 201
    return dict(answer.json)


class TestSeen:
    def test_is_where_the_mail_leads(self, database: Database, visit: Visit, offer: dict[str, Any]) -> None:
        body = scalar(database, "SELECT body FROM outbound_mail WHERE reason = 'offer'")
        assert re.findall(r"http://helpdesk\.test/offers/\S+", body) == [offer["link"]]
        page = visit.open()
        assert page.title == "Our offer to you"
        assert offer["complaint_reference"] in page.text
        assert "a voucher for 30.00 EUR" in page.text
        assert "Good for 365 days from when you get it. It is used in one." in page.text
        assert offer["reason"] in page.text

    def test_its_time_is_that_of_the_letter_with_its_zone(
        self, database: Database, visit: Visit, offer: dict[str, Any]
    ) -> None:
        body = scalar(database, "SELECT body FROM outbound_mail WHERE reason = 'offer'")
        (until,) = re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", body)
        page = visit.open()
        assert f"You can answer until: {until} If you do nothing" in page.text
        assert page.one("time")["datetime"] == offer["valid_until"]

    def test_looking_changes_nothing(
        self, database: Database, visit: Visit, offer: dict[str, Any], agent: Caller
    ) -> None:
        """Every address that the page has, as a scanner follows them, with GET and HEAD."""
        page = visit.open()
        steps = scalar(database, "SELECT count(*) FROM offer_transition")
        found = {*page.links.values(), *(form.action for form in page.forms)}
        assert {address.rpartition("/")[2] for address in found} == {"accept", "decline", "counter"}
        for address in [f"{offer['link']}/{path}" for path in offer_view.ANSWERS] + [
            f"{page.forms[0].action}?option=1"
        ]:
            for method in ("GET", "HEAD"):
                answer = visit.client.open(address.removeprefix("http://helpdesk.test"), method=method)
                assert answer.status_code in {200, 409}
        assert scalar(database, "SELECT count(*) FROM offer_transition") == steps
        assert agent.get(f"/offers/{offer['id']}").json["version"] == offer["version"]

    def test_in_the_language_of_the_letter(self, client: FlaskClient, agent: Caller, team: UUID) -> None:
        offer = offered(agent, chinese(agent, team))
        page = Visit(client, offer["link"]).open(likes="en")
        assert page.one("html")["lang"] == "zh-Hans"
        assert "一张价值 30.00 EUR 的代金券" in page.text
        assert not re.search(r"\b(you|offer|until)\b", page.text.replace(offer["reason"], ""))

    def test_all_that_they_can_choose_from(self, client: FlaskClient, agent: Caller, complaint: dict[str, Any]) -> None:
        offer = offered(agent, complaint, several())
        page = Visit(client, offer["link"]).open()
        for what in ("a voucher for 20.00 EUR", "a refund of 30.00 EUR", "a letter of apology"):
            assert what in page.text
        assert "Good for 90 days from when you get it. It can be used in parts." in page.text
        (form,) = page.forms
        assert form.choices == {"option": ["1", "2", "3"]}
        assert (form.fields, form.required) == ({}, {"option"}), "nothing is chosen for them"

    def test_our_costs_are_not_told(self, client: FlaskClient, agent: Caller, complaint: dict[str, Any]) -> None:
        gifts = [option("gift", "17.31"), option("points", "12.00", points_days=60)]
        offer = offered(agent, complaint, several(gifts))
        visit = Visit(client, offer["link"])
        page = visit.open()
        assert "12.00" in page.text
        assert "Good for 60 days from when you get them." in page.text
        assert "17.31" not in page.html
        assert "17.31" not in visit.choose(1).html

    def test_what_was_written_is_no_markup(self, client: FlaskClient, agent: Caller, team: UUID) -> None:
        person = {"name": MARKUP, "email": "li.wei@example.com", "language": "en"}
        complaint = agent.post("/complaints", complaint_body(team_id=str(team), complainant=person)).json
        offer = offered(agent, complaint, voucher(reason=MARKUP))
        visit = Visit(client, offer["link"])
        assert MARKUP in visit.open().text
        visit.follow("Ask for something else ...")
        visit.send(words=MARKUP)
        assert visit.page.text.count(MARKUP) == 2
        assert "<script" not in visit.page.html

    def test_a_message_of_another_script_has_its_own_direction(
        self, client: FlaskClient, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = offered(agent, complaint, voucher(reason="وصل طلبك متأخراً أربعة أيام."))
        page = Visit(client, offer["link"]).open()
        assert [given["dir"] for tag, given in page.tags if given.get("class") == "said"] == ["auto"]

    def test_any_language_would_know_its_direction(self) -> None:
        assert [offer_view.direction(tag) for tag in ("ar", "he", "fa", "en", "zh-Hans")] == [
            "rtl", "rtl", "rtl", "ltr", "ltr",
        ]  # fmt: skip

    def test_its_style_is_ours(self, visit: Visit) -> None:
        page = visit.open()
        assert page.one("link")["href"] == "page.css"
        answer = visit.client.get("/offers/page.css")
        assert (answer.status_code, answer.mimetype) == (200, "text/css")
        assert answer.text == (PAGES / "offer.css").read_text(encoding="utf-8")
        assert not re.search(r"url\(|@import|//", answer.text)
        again = visit.client.get("/offers/page.css", headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status_code == 304
        assert visit.choose().one("link")["href"] == "../page.css"

    def test_with_a_slash_it_is_the_same(self, visit: Visit, offer: dict[str, Any]) -> None:
        assert visit.open(f"{offer['link']}/").address == offer["link"]
        assert visit.open(f"{offer['link']}/decline/").address == f"{offer['link']}/decline"

    def test_what_mailers_put_behind_it_does_no_harm(self, visit: Visit, offer: dict[str, Any]) -> None:
        page = visit.open(f"{offer['link']}?utm_source=%3Cscript%3E")
        assert "utm_source" not in page.html


class TestWhoHasNoLink:
    PATHS: Final = ("", *(f"/{path}" for path in offer_view.ANSWERS))

    @pytest.mark.parametrize("path", PATHS)
    def test_of_ours(
        self, client: FlaskClient, offer: dict[str, Any], program: Program, agent: Caller, path: str
    ) -> None:
        forged = token(offer)[:-2] + "xx"
        elsewhere = links.sign(SIGNING_KEY, "survey", UUID(offer["id"]), now(program))
        for bad in (forged, elsewhere, "x", "%00", "%3Cscript%3E", "a" * 5000, "%ff%fe", "%0d%0aX-Evil:%201"):
            visit = Visit(client, f"http://helpdesk.test/offers/{bad}{path}")
            page = visit.open(status=404)
            assert "This link leads nowhere" in page.text
            assert page.links == {}
            assert "script" not in page.html
            if path:
                visit.post(visit.link, {"key": "k", "option": "1", "words": "x"}, status=404)
        assert agent.get(f"/offers/{offer['id']}").json["status"] == "offered"

    def test_before_it_is_sent(
        self, client: FlaskClient, agent: Caller, complaint: dict[str, Any], program: Program
    ) -> None:
        waiting = draft(agent, complaint)
        link = Links(SIGNING_KEY, "http://helpdesk.test/offers/").of(UUID(waiting["id"]), now(program))
        visit = Visit(client, link)
        visit.open(status=404)
        visit.post(f"{link}/accept", {"key": "k"}, status=404)

    def test_past_its_time(self, client: FlaskClient, offer: dict[str, Any], program: Program) -> None:
        old = links.sign(SIGNING_KEY, "offer", UUID(offer["id"]), now(program).replace(year=2020))
        execute(program.database, "UPDATE offer SET valid_until = now() - interval '91 days'")
        visit = Visit(client, f"http://helpdesk.test/offers/{old}")
        assert "This link has expired" in visit.open(status=410).text
        visit.post(f"{visit.link}/accept", {"key": "k"}, status=410)

    def test_is_told_in_a_language_that_they_read(self, client: FlaskClient) -> None:
        visit = Visit(client, "http://helpdesk.test/offers/x")
        assert visit.open(status=404, likes="zh-CN").one("html")["lang"] == "zh-Hans"
        assert visit.open(status=404, likes="fr").one("html")["lang"] == "en"

    def test_an_address_that_there_is_not(self, client: FlaskClient, offer: dict[str, Any]) -> None:
        for path in ("", "x/y/z", f"{token(offer)}/accept/more"):
            visit = Visit(client, f"http://helpdesk.test/offers/{path}")
            assert "This link leads nowhere" in visit.open(status=404).text

    def test_an_answer_that_there_is_not(self, visit: Visit, offer: dict[str, Any]) -> None:
        for path in ("issue", "redeem", "take_back_counter", "page.css", "%3Cb%3E"):
            assert "<b>" not in visit.open(f"{offer['link']}/{path}", status=404).html
            visit.post(f"{offer['link']}/{path}", {"key": "k"}, status=404)


class TestKeptClose:
    def test_the_token_is_in_no_log(self, visit: Visit, offer: dict[str, Any]) -> None:
        with structlog.testing.capture_logs() as logged:
            visit.open()
            visit.choose()
            visit.send()
        assert token(offer) not in str(logged)

    def test_nor_in_those_of_the_servers_before_us(self) -> None:
        deploy = PAGES.parents[1] / "deploy"
        assert "~^/offers/ 0;" in (deploy / "nginx.conf").read_text(encoding="utf-8")
        assert "/offers/*" in (deploy / "Caddyfile").read_text(encoding="utf-8")

    def test_an_agents_session_gives_nothing_more(self, agent: Caller) -> None:
        answer = agent.client.get("/offers/x", headers={"Authorization": f"Bearer {agent.token}"})
        assert answer.status_code == 404

    def test_too_many_requests(self, program: Program, offer: dict[str, Any]) -> None:
        settings = replace(program.settings, limits=True, limit_public="2/minute")
        visit = Visit(create_app(program=replace(program, settings=settings)).test_client(), offer["link"])
        visit.open()
        form = visit.choose().form
        page = visit.open(status=429)
        assert "Wait a little" in page.text
        assert int(page.answer.headers["Retry-After"]) > 0
        visit.send(form=form, status=429)
        assert scalar(program.database, "SELECT status FROM offer") == "offered"


class TestPageOfOnesOwn:
    URL: Final = "https://shop.example/our-offer"

    def test_the_links_lead_there_and_it_may_ask(
        self, program: Program, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        app = create_app(program=replace(program, settings=replace(program.settings, offer_url=self.URL)))
        here = Caller(app.test_client(), agent.actor, agent.token)
        link = offered(here, complaint)["link"]
        address, _, given = link.partition("#offer=")
        assert address == self.URL
        mailed = scalar(program.database, "SELECT body FROM outbound_mail WHERE reason = 'offer'")
        assert link in mailed
        nobody = Caller(app.test_client(), None, None)
        answer = nobody.get(f"/public/offers/{given}", origin="https://shop.example")
        assert answer.json["status"] == "offered"
        assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
        for other in ("https://evil.example", "://", "null"):
            assert "Access-Control-Allow-Origin" not in nobody.get(f"/public/offers/{given}", origin=other).headers

    def test_without_one_no_other_site_may(self, anonymous: Caller, offer: dict[str, Any]) -> None:
        for origin in ("https://shop.example", "://", "null"):
            answer = anonymous.get(f"/public/offers/{token(offer)}", origin=origin)
            assert answer.status_code == 200
            assert "Access-Control-Allow-Origin" not in answer.headers

    def test_a_reminder_leads_where_the_offer_did(self, program: Program, agent: Caller, complaint: Any) -> None:
        offered(agent, complaint)
        execute(
            program.database,
            "UPDATE offer SET told_at = now() - interval '20 days', valid_until = now() + interval '1 day'",
        )
        assert (
            SWEEPS["recovery.remind_offers"].work(
                replace(program, settings=replace(program.settings, offer_url=self.URL))
            )
            == 1
        )
        mailed = scalar(program.database, "SELECT body FROM outbound_mail WHERE reason = 'offer_reminder'")
        assert f"{self.URL}#offer=" in mailed


class TestStates:
    def test_expired(self, database: Database, visit: Visit, offer: dict[str, Any]) -> None:
        execute(database, "UPDATE offer SET valid_until = now() WHERE id = :id", id=offer["id"])
        page = visit.open()
        assert page.title == "Our offer has ended"
        assert (page.forms, page.links) == ([], {})
        assert jobs.expire_offers(database) == 1
        assert visit.open().text == page.text

    def test_revoked_and_replaced(
        self, client: FlaskClient, visit: Visit, agent: Caller, manager: Caller, offer: Any, complaint: Any
    ) -> None:
        act(agent, offer, "counter", said_by="phone", words="Money, please.")
        other = draft(agent, complaint, voucher("40.00", successor_of=offer["id"]))
        for action in ("submit", "offer"):
            other = act(agent, other, action)
        page = visit.open()
        assert page.title == "Our offer does not stand any more"
        assert "Another offer was made to you instead" in page.text
        assert page.forms == []
        assert Visit(client, other["link"]).open().title == "Our offer to you"
        act(manager, other, "revoke", reason="canary")
        gone = Visit(client, other["link"]).open()
        assert "We have taken it back" in gone.text
        assert "canary" not in gone.html, "a reason of ours is not for them"

    def test_kept_though_they_asked(self, visit: Visit, agent: Caller, offer: dict[str, Any]) -> None:
        act(agent, offer, "counter", said_by="phone", words="Money, please.")
        act(agent, offer, "keep")
        page = visit.open()
        assert "cannot do that. Our offer stands" in page.text
        assert "Money, please." in page.text
        assert page.title == "Our offer to you"

    def test_a_voucher_from_the_making_to_the_till(
        self, program: Program, visit: Visit, agent: Caller, manager: Caller, offer: dict[str, Any]
    ) -> None:
        act(agent, offer, "accept", said_by="phone")
        page = visit.open()
        assert (page.title, "Its code comes to you by e-mail" in page.text) == ("You have accepted our offer", True)
        assert perform(program)["done"] == 1
        code = visit.open().text.partition("Code ")[2].split()[0]
        assert code == agent.get(f"/offers/{offer['id']}").json["issued_reference"]
        assert "Left on it 30.00 EUR" in visit.page.text
        assert "UTC" in visit.page.text.partition("Good until")[2]
        assert manager.pay(f"/vouchers/{code}/redeem", {"external_id": "receipt 1"}).status_code == 200
        page = visit.open()
        assert (page.title, code in page.html) == ("Your voucher is used up", False)

    def test_taken_back(self, program: Program, visit: Visit, agent: Caller, manager: Caller, offer: Any) -> None:
        act(agent, offer, "accept", said_by="phone")
        perform(program)
        code = agent.get(f"/offers/{offer['id']}").json["issued_reference"]
        act(manager, offer, "reverse", reason="canary")
        page = visit.open()
        assert page.title == "Our offer was taken back"
        assert code not in page.html
        assert "canary" not in page.html

    def test_a_failure_is_ours_to_mend(self, visit: Visit, database: Database, agent: Caller, offer: Any) -> None:
        act(agent, offer, "accept", said_by="phone")
        execute(database, "UPDATE offer SET status = 'failed', issuance = NULL WHERE id = :id", id=offer["id"])
        page = visit.open()
        assert page.title == "You have accepted our offer"
        assert "fail" not in page.text.lower()


class TestWords:
    def test_are_all_there_in_every_language(self) -> None:
        words = offer_view.words()
        assert set(words["en"]) == set(words["zh"])
        for name, said in words["en"].items():
            assert placeholders(said) == placeholders(words["zh"][name]), name
        templates = "".join(path.read_text(encoding="utf-8") for path in PAGES.glob("offer*.html"))
        calls = re.findall(r"say\(([^()]*)\)", templates)
        named = {name for call in calls if "~" not in call for name in re.findall(r'"(\w+)"', call)}
        assert len(named) > 40
        assert named <= set(words["en"])

    @pytest.mark.parametrize("language", ["en", "zh"])
    def test_for_every_state_kind_and_answer(self, language: str) -> None:
        words: Mapping[str, str] = offer_view.words()[language]
        assert {f"title_{state}" for state in CUSTOMER_STATES} <= set(words)
        assert {f"delayed_{why}" for why in DELAYS} <= set(words)
        assert set(offer_view.ROADS) == set(KINDS)
        for kind in KINDS:
            assert {f"kind_{kind}", f"next_{offer_view.ROADS[kind]}", f"issued_{offer_view.ROADS[kind]}"} <= set(words)
        for path in offer_view.ANSWERS:
            name = path.replace("-", "_")
            assert {f"go_{name}", f"{name}_title", f"{name}_do"} <= set(words)

    def test_every_answer_that_a_customer_has_is_on_the_page(self) -> None:
        theirs = {step.action for step in LIFECYCLE.transitions if step.permission == "offer:answer"}
        assert set(offer_view.ANSWERS.values()) == theirs


def placeholders(said: str) -> set[str]:
    return set(re.findall(r"\$\{(\w+)\}", said))


def now(program: Program) -> Any:
    with program.database.reader() as session:
        return session.execute(text("SELECT now()")).scalar_one()
