"""What customers say of an offer on its page.

How it can fail: one form sent twice, by a double click, a reload or the back button, is two answers, or frightens with a
refusal; two tabs take two options; what was answered, has ended, was taken back or replaced since the page was opened is
answered all the same, or the customer is not told how it stands; a field that is wrong loses what was typed; an amount is
read as a hundredth of itself; a form of another kind or of any size is a fault of ours; the page does what the API would
refuse, or the books know another than the customer for it.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from flask.testing import FlaskClient

from helpdesk.app import create_app
from helpdesk.kernel import links
from helpdesk.kernel.unit_of_work import Database
from helpdesk.offer_page import MOST_BYTES
from helpdesk.wiring import Program, assemble
from tests.complaints.merging import merge, new
from tests.conftest import SIGNING_KEY, Caller
from tests.racing import at_once, behind_lock, until, waiting
from tests.recovery.helpers import act, draft, eur, execute, offered, perform, scalar, token, violations, voucher
from tests.recovery.test_options import several
from tests.recovery.visiting import Form, Visit, path_of

ASK: Final = "Ask for something else ..."
DECLINE: Final = "Decline the offer ..."
COME: Final = "It has come ..."
NOT_COME: Final = "It has not come ..."


@pytest.fixture(autouse=True)
def _money(budget: str) -> None:
    pass


@pytest.fixture
def client(anonymous: Caller) -> FlaskClient:
    return anonymous.client


@pytest.fixture
def offer(agent: Caller, complaint: dict[str, Any]) -> dict[str, Any]:
    return offered(agent, complaint)


@pytest.fixture
def visit(client: FlaskClient, offer: dict[str, Any]) -> Visit:
    return opened(client, offer)


@pytest.fixture
def choice(client: FlaskClient, agent: Caller, complaint: dict[str, Any]) -> Visit:
    return opened(client, offered(agent, complaint, several()))


def opened(client: FlaskClient, offer: dict[str, Any]) -> Visit:
    visit = Visit(client, offer["link"])
    visit.open()
    return visit


def another(visit: Visit) -> Visit:
    """The same link in a browser of its own."""
    found = Visit(visit.client.application.test_client(), visit.link)
    found.open()
    return found


def steps(database: Database, action: str) -> int:
    return int(scalar(database, "SELECT count(*) FROM offer_transition WHERE action = :action", action=action))


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


class TestTwice:
    def test_one_form_sent_again(self, program: Program, visit: Visit) -> None:
        """A reload, or the back button and the button once more: the answer of the first time."""
        form = visit.choose().form
        assert [visit.send(form=form).title for _ in range(3)] == ["You have accepted our offer"] * 3
        assert (steps(program.database, "accept"), steps(program.database, "begin_issuing")) == (1, 1)
        perform(program)
        assert "Code" in visit.send(form=form).text
        assert violations(program.database) == []

    def test_back_and_looked_at_anew(self, visit: Visit, database: Database) -> None:
        visit.choose()
        address = visit.page.address
        visit.send()
        page = visit.open(address, status=409)
        assert page.title == "You have accepted our offer"
        assert "That is not possible any more" in (page.alert or "")
        assert page.forms == []

    def test_two_tabs(self, visit: Visit, database: Database) -> None:
        first, second = (another(visit).choose().form for _ in range(2))
        assert first.fields["key"] != second.fields["key"]
        assert visit.send(form=first).title == "You have accepted our offer"
        page = visit.send(form=second, status=409)
        assert page.title == "You have accepted our offer"
        assert steps(database, "accept") == 1

    def test_two_tabs_with_two_options(self, choice: Visit, database: Database) -> None:
        other = another(choice)
        choice.choose(1)
        other.choose(2)
        choice.send()
        page = other.send(status=409)
        assert "a voucher for 20.00 EUR" in page.text
        assert "a refund of" not in page.text
        assert scalar(database, "SELECT chosen_option FROM offer") == 1
        assert violations(database) == []

    def test_a_form_changed_behind_the_back_button(self, choice: Visit, database: Database) -> None:
        form = choice.choose(1).form
        choice.send(form=form)
        changed = Form(form.method, form.action, form.fields | {"option": "2"})
        page = choice.send(form=changed, status=422)
        assert "You have sent this before, with other words" in (page.alert or "")
        assert "a voucher for 20.00 EUR" in page.text
        assert scalar(database, "SELECT chosen_option FROM offer") == 1

    @pytest.mark.parametrize("fields", [{"option": "1"}, *({"key": key} for key in ("", "x" * 256, "\u4f60", "a b"))])
    def test_a_key_that_is_none(self, visit: Visit, database: Database, fields: dict[str, str]) -> None:
        page = visit.post(f"{visit.link}/accept", fields, status=400)
        assert "Open the link in our letter once more" in page.text
        assert steps(database, "accept") == 0

    def test_a_key_of_the_api_is_another(self, visit: Visit, anonymous: Caller, offer: dict[str, Any]) -> None:
        anonymous.post(f"/public/offers/{token(offer)}/counter", {"words": "Money."}, idempotency_key="k")
        page = visit.post(f"{visit.link}/take-back", {"key": "k"})
        assert page.title == "Our offer to you"


class TestAtOnce:
    def test_acceptances_of_two_options_by_page_api_and_telephone(
        self, program: Program, choice: Visit, agent: Caller, anonymous: Caller
    ) -> None:
        tabs = [another(choice) for _ in range(3)]
        forms = [tab.choose(number).form for number, tab in enumerate(tabs, 1)]
        given = choice.link.rpartition("/")[2]
        offer_id = scalar(program.database, "SELECT id FROM offer")
        calls = [
            lambda tab=tab, form=form: tab.client.post(path_of(form.action), data=form.fields)
            for tab, form in zip(tabs, forms, strict=True)
        ]
        answers = behind_lock(
            program.engine,
            "SELECT 1 FROM complaint FOR UPDATE",
            *calls,
            lambda: anonymous.pay(f"/public/offers/{given}/accept", {"option": 1}),
            lambda: agent.pay(f"/offers/{offer_id}/actions/accept", {"said_by": "phone", "option": 2}),
        )
        done = [answer.status_code for answer in answers]
        assert sorted(done) in ([200, 409, 409, 409, 409], [303, 409, 409, 409, 409])
        assert steps(program.database, "accept") == 1
        taken = scalar(program.database, "SELECT chosen_option FROM offer")
        (winner,) = [place for place, code in enumerate(done) if code < 400]
        assert taken == (1, 2, 3, 1, 2)[winner]
        assert choice.open().title == "You have accepted our offer"
        perform(program)
        assert violations(program.database) == []

    def test_a_double_click(self, program: Program, visit: Visit) -> None:
        """The second may find the first at work, and then it is told so."""
        form = visit.choose().form
        tabs = [another(visit) for _ in range(4)]
        answers = at_once(*(lambda tab=tab: tab.client.post(path_of(form.action), data=form.fields) for tab in tabs))
        codes = {answer.status_code for answer in answers}
        assert 303 in codes
        assert codes <= {303, 409}
        for answer in answers:
            if answer.status_code == 409:
                assert "We have your answer" in answer.text
                assert answer.headers["Retry-After"] == "1"
        assert steps(program.database, "accept") == 1
        assert visit.send(form=form).title == "You have accepted our offer"
        assert violations(program.database) == []

    def test_a_form_that_finds_its_first_sending_at_work(self, program: Program, visit: Visit) -> None:
        """For certain: the first waits for the complaint, and holds the form's key meanwhile."""
        form = visit.choose().form
        tab = another(visit)
        with program.engine.connect() as holder, program.engine.connect() as watcher, ThreadPoolExecutor(1) as pool:
            holder.exec_driver_sql("SELECT 1 FROM complaint FOR UPDATE")
            first = pool.submit(visit.client.post, path_of(form.action), data=form.fields)
            try:
                until(lambda: waiting(watcher) >= 1)
                told = tab.client.post(path_of(form.action), data=form.fields)
            finally:
                holder.rollback()
            assert first.result().status_code == 303
        assert told.status_code == 409
        assert "We have your answer and are writing it down" in told.text
        assert steps(program.database, "accept") == 1


class TestMeanwhile:
    @pytest.fixture(params=["accept", "counter"])
    def form(self, request: pytest.FixtureRequest, visit: Visit) -> Form:
        form = visit.choose().form if request.param == "accept" else (visit.open(), visit.follow(ASK))[1].form
        form.fields |= {"words": "Money, please."} if request.param == "counter" else {}
        return form

    def refused(self, visit: Visit, form: Form, title: str) -> str:
        page = visit.send(form=form, status=409)
        assert page.title == title
        return page.alert or ""

    def test_its_time_ended(self, visit: Visit, form: Form, database: Database) -> None:
        execute(database, "UPDATE offer SET valid_until = now()")
        alert = self.refused(visit, form, "Our offer has ended")
        assert "The time to answer is over." in alert
        assert (steps(database, "accept"), steps(database, "counter")) == (0, 0)

    def test_it_was_declined_on_the_telephone(self, visit: Visit, form: Form, agent: Caller, offer: Any) -> None:
        act(agent, offer, "decline", said_by="phone")
        self.refused(visit, form, "You have declined our offer")

    def test_it_was_accepted_on_the_telephone(self, visit: Visit, form: Form, agent: Caller, offer: Any) -> None:
        act(agent, offer, "accept", said_by="phone")
        self.refused(visit, form, "You have accepted our offer")

    def test_it_was_taken_back(self, visit: Visit, form: Form, manager: Caller, offer: Any) -> None:
        act(manager, offer, "revoke", reason="canary")
        self.refused(visit, form, "Our offer does not stand any more")
        assert "canary" not in visit.page.html

    def test_it_was_replaced(self, visit: Visit, form: Form, agent: Caller, offer: Any, complaint: Any) -> None:
        act(agent, offer, "counter", said_by="phone", words="Money, please.")
        assert "take back first what you asked for" in visit.send(form=form, status=409).text
        other = draft(agent, complaint, voucher("40.00", successor_of=offer["id"]))
        for action in ("submit", "offer"):
            act(agent, other, action)
        self.refused(visit, form, "Our offer does not stand any more")
        assert "Another offer was made to you instead" in visit.page.text

    def test_the_link_expired(self, visit: Visit, form: Form, database: Database) -> None:
        execute(database, "UPDATE offer SET valid_until = now() - interval '91 days'")
        offer_id = scalar(database, "SELECT id FROM offer")
        old = links.sign(SIGNING_KEY, "offer", offer_id, datetime(2020, 1, 1, tzinfo=UTC))
        action = form.action.replace(visit.link.rpartition("/")[2], old)
        assert "expired" in visit.post(action, form.fields, status=410).text

    def test_declining_what_has_ended_ends_it_all_the_same(
        self, visit: Visit, anonymous: Caller, database: Database, offer: Any
    ) -> None:
        """As by the API: nobody is held to an offer because a sweep has not come by."""
        form = visit.follow(DECLINE).form
        execute(database, "UPDATE offer SET valid_until = now()")
        assert visit.send(form=form).title == "You have declined our offer"

    def test_its_complaint_was_merged(
        self, program: Program, client: FlaskClient, agent: Caller, manager: Caller, complaint: Any, team: Any
    ) -> None:
        """What was delivered goes along, and its link with it; nothing is said of it twice."""
        offer = offered(agent, complaint)
        visit = opened(client, offer)
        form = visit.choose().form
        act(agent, offer, "accept", said_by="phone")
        perform(program)
        survivor = new(agent, team)
        merge(manager, complaint, survivor, silent=True)
        page = visit.send(form=form, status=409)
        assert page.title == "You have accepted our offer"
        assert survivor["reference"] in page.text
        assert complaint["reference"] not in page.text
        assert "Code" in page.text

    def test_a_part_of_its_complaint_was_split_off(
        self, database: Database, client: FlaskClient, agent: Caller, manager: Caller, team: Any
    ) -> None:
        issues = [{"category": "DEL", "issue": "DEL.LATE"}, {"category": "DEL", "issue": "DEL.DAMAGED"}]
        complaint = new(agent, team, issues=issues)
        visit = opened(client, offered(agent, complaint))
        visit.choose()
        body = {"issues": [complaint["issues"][1]["id"]], "reason": "Another matter."}
        answer = manager.post(f"/complaints/{complaint['reference']}/split", body)
        assert answer.status_code == 201, answer.text
        page = visit.send()
        assert page.title == "You have accepted our offer"
        assert complaint["reference"] in page.text
        assert violations(database) == []


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
        "amount", ["1,000", "1.000,00", "40.005", "-1", "0", "x", "<b>", "1e3", "9" * 30, "\u0661\u0662"]
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
