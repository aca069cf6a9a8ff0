"""Answers on the offer's page that are sent again, at once, or after something else came between.

How it can fail: one form sent twice, by a double click, a reload or the back button, is two answers, or frightens with a refusal;
two tabs take two options; what was answered, has ended, was taken back or replaced since the page was opened is answered all the
same, or the customer is not told how it stands.
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from flask.testing import FlaskClient

from helpdesk.kernel import links
from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program
from tests.complaints.merging import merge, new
from tests.conftest import SIGNING_KEY, Caller
from tests.racing import at_once, behind_lock, until, waiting
from tests.recovery.helpers import act, draft, execute, offered, perform, scalar, token, violations, voucher
from tests.recovery.offer_page.visiting import Form, Visit, another, opened, path_of, steps

ASK: Final = "Ask for something else ..."
DECLINE: Final = "Decline the offer ..."
COME: Final = "It has come ..."
NOT_COME: Final = "It has not come ..."


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
        act(agent, offer, "post_letter")
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
