"""What providers call back: before their answer, twice, late, out of order, against what is recorded, and by others.

How it can fail: somebody else's word counts; an old message counts again; two at once both count; a callback before the answer
makes the answer a second issuance; a late one is lost; what contradicts the books changes them, or is told to nobody.
"""

import time
from dataclasses import replace
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from helpdesk.app import create_app
from helpdesk.kernel import signatures
from helpdesk.wiring import Program
from tests.conftest import Caller, Join, make_team
from tests.racing import at_once
from tests.recovery.answers import codes, refused
from tests.recovery.helpers import accepted, act, ledger, money, open_budget, scalar, told, violations
from tests.recovery.providing import call_back, let_pass, order_of, refund, register, said, status, work
from tests.recovery.reference_provider import ReferenceProvider

ISSUED = {"outcome": "issued", "reason": "They did pay it."}
NOT_ISSUED = {"outcome": "not_issued", "reason": "They took it back."}
BESIDE = {"outcome": "issued_beside", "reason": "They paid it twice."}
NO_ID = "01a225f0-c198-7750-bd84-07b9c2022676"


pytestmark = pytest.mark.usefixtures("budget")


@pytest.fixture
def pending(
    program: Program, agent: Caller, complaint: dict[str, Any], registered: dict[str, Any], provider: ReferenceProvider
) -> dict[str, Any]:
    offer = accepted(agent, complaint, refund())
    provider.plan = ["pending"]
    work(program)
    return offer


@pytest.fixture
def failed(anonymous: Caller, registered: dict[str, Any], pending: dict[str, Any]) -> dict[str, Any]:
    assert call_back(anonymous, registered, said(pending, "failed")).json == {"state": "refused", "contradicts": False}
    return pending


@pytest.fixture
def contradicted(anonymous: Caller, registered: dict[str, Any], failed: dict[str, Any]) -> dict[str, Any]:
    """It failed, and was issued all the same, they say."""
    answer = call_back(anonymous, registered, said(failed), message_id="m2")
    assert answer.json == {"state": "refused", "contradicts": True}
    return failed


def settle(caller: Caller, offer: dict[str, Any], body: dict[str, str]) -> Any:
    return caller.pay(f"/recovery/dead-letters/{offer['id']}/settle", body)


class TestLimit:
    """Of an address, whoever calls from it: a busy provider uses up nothing of the public's, nor the public of the provider's."""

    def test_is_apart_from_the_public_s(
        self, program: Program, agent: Caller, registered: dict[str, Any], pending: dict[str, Any]
    ) -> None:
        settings = replace(program.settings, limits=True, limit_callback="3/hour", limit_public="2/hour")
        client = create_app(program=replace(program, settings=settings)).test_client()
        caller = Caller(client, None, None)
        assert [caller.get("/public/offers/x").status_code for _ in range(3)] == [404, 404, 429]
        assert [call_back(caller, registered, said(pending)).status_code for _ in range(2)] == [200, 200]
        unsigned = f"/public/recovery/callbacks/{registered['id']}"
        assert caller.post(unsigned, said(pending)).status_code == 401
        spent = call_back(caller, registered, said(pending))
        assert (refused(spent), spent.json["violated-policies"]) == ((429, "quota_exceeded"), ["callback"])
        assert caller.get("/public/offers/x").status_code == 429


class TestSigned:
    def test_by_nobody(self, anonymous: Caller, registered: dict[str, Any], pending: dict[str, Any]) -> None:
        answer = anonymous.post(f"/public/recovery/callbacks/{registered['id']}", said(pending))
        assert refused(answer) == (401, "callback_refused")

    @pytest.mark.parametrize(
        "headers",
        [
            {"webhook_signature": "v1,AAAA"},
            {"webhook_signature": ""},
            {"webhook_id": "msg_2"},
            {"webhook_id": ""},
            {"webhook_id": "a b"},
            {"webhook_timestamp": "soon"},
            {"webhook_timestamp": "1" * 13},
            {"webhook_timestamp": "-1"},
        ],
    )
    def test_wrongly(
        self, anonymous: Caller, registered: dict[str, Any], pending: dict[str, Any], headers: dict[str, Any]
    ) -> None:
        assert refused(call_back(anonymous, registered, said(pending), **headers)) == (401, "callback_refused")

    @pytest.mark.parametrize("off", [-signatures.TOLERANCE - 30, signatures.TOLERANCE + 30])
    def test_at_another_time(
        self, anonymous: Caller, registered: dict[str, Any], pending: dict[str, Any], off: int
    ) -> None:
        answer = call_back(anonymous, registered, said(pending), at=int(time.time()) + off)
        assert refused(answer) == (401, "callback_refused")

    def test_with_anothers_secret_or_for_nobody(
        self, anonymous: Caller, admin: Caller, registered: dict[str, Any], pending: dict[str, Any]
    ) -> None:
        other = register(admin, None, name="Others")
        wrong = call_back(anonymous, registered | {"secret": other["secret"]}, said(pending))
        nobody = call_back(anonymous, registered | {"id": NO_ID}, said(pending))
        assert refused(wrong) == refused(nobody) == (401, "callback_refused")
        assert wrong.json["detail"] == nobody.json["detail"]

    def test_of_one_whose_secret_no_key_opens(
        self, program: Program, registered: dict[str, Any], pending: dict[str, Any]
    ) -> None:
        """The installation's key was changed: nobody can tell any more who signed."""
        tools = replace(program.tools, signing_key="another-" + "k" * 40)
        client = create_app(program=replace(program, tools=tools)).test_client()
        assert refused(call_back(Caller(client, None, None), registered, said(pending))) == (401, "callback_refused")

    def test_of_what_another_was_asked(
        self, anonymous: Caller, admin: Caller, registered: dict[str, Any], pending: dict[str, Any]
    ) -> None:
        other = register(admin, None, name="Others")
        assert refused(call_back(anonymous, other, said(pending))) == (404, "not_found")
        assert refused(call_back(anonymous, registered, said(pending, round_=2))) == (404, "not_found")

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({"reference": None}, ("/reference", "null")),
            ({"reference": ""}, ("/reference", "length")),
            ({"reference": True}, ("/reference", "invalid")),
            ({"reference": 1.5}, ("/reference", "invalid")),
            ({"reference": 2.0}, ("/reference", "invalid")),
            ({"reference": [7]}, ("/reference", "invalid")),
            ({"id": False}, ("/id", "invalid")),
            ({"status": "done"}, ("/status", "choice")),
            ({"colour": "red"}, ("/colour", "unknown_field")),
            ({"idempotency_key": 7}, ("/idempotency_key", "invalid")),
            ({"status": "failed"}, ("/reason", "required")),
        ],
    )
    def test_what_does_not_fit(
        self,
        anonymous: Caller,
        registered: dict[str, Any],
        pending: dict[str, Any],
        change: dict[str, Any],
        expected: tuple[str, str],
    ) -> None:
        answer = call_back(anonymous, registered, said(pending) | change)
        assert answer.status_code == 422
        assert [pointer for pointer, _ in codes(answer)] == [expected[0]]

    def test_too_large_or_no_json(self, anonymous: Caller, registered: dict[str, Any]) -> None:
        assert refused(call_back(anonymous, registered, b"x" * 70_000)) == (413, "callback_too_large")
        assert refused(call_back(anonymous, registered, b"{")) == (400, "malformed_request")

    def test_with_the_secret_before_while_it_counts(
        self, anonymous: Caller, admin: Caller, registered: dict[str, Any], pending: dict[str, Any]
    ) -> None:
        path = f"/recovery/providers/{registered['id']}/rotate"
        assert admin.post(path, {"overlap_seconds": 3600}, if_match="*").status_code == 200
        assert call_back(anonymous, registered, said(pending, "pending")).status_code == 200
        assert admin.post(path, {"overlap_seconds": 0}, if_match="*").status_code == 200
        assert refused(call_back(anonymous, registered, said(pending), message_id="m2")) == (401, "callback_refused")


class TestTold:
    def test_issued(
        self, program: Program, anonymous: Caller, agent: Caller, registered: dict[str, Any], pending: dict[str, Any]
    ) -> None:
        answer = call_back(anonymous, registered, said(pending))
        assert answer.json == {"state": "issued", "contradicts": False}
        assert status(agent, pending) == ("issued", None)
        assert ledger(program.database) == ["reserve", "commit"]
        work(program)
        assert told(program.database, "offer.issued") == 1
        assert violations(program.database) == []

    @pytest.mark.parametrize("number", [0, 4711, 2**64 - 1, -7])
    def test_issued_as_a_whole_number(
        self,
        program: Program,
        anonymous: Caller,
        agent: Caller,
        registered: dict[str, Any],
        pending: dict[str, Any],
        number: int,
    ) -> None:
        """Number or text, it is one and the same reference."""
        answer = call_back(anonymous, registered, said(pending, reference=number, id=number))
        assert answer.json == {"state": "issued", "contradicts": False}
        assert agent.get(f"/offers/{pending['id']}").json["issued_reference"] == str(number)
        same = call_back(anonymous, registered, said(pending, reference=str(number), id=str(number)))
        assert same.json == {"state": "issued", "contradicts": False}
        late = call_back(anonymous, registered, said(pending, reference=number), message_id="m2")
        assert late.json == {"state": "issued", "contradicts": False}
        assert violations(program.database) == []

    def test_beyond_64_bits_it_is_no_whole_number(
        self, anonymous: Caller, registered: dict[str, Any], pending: dict[str, Any]
    ) -> None:
        """The reader of JSON has rounded it by then: another reference than the provider's would be kept."""
        body = orjson.dumps(said(pending, reference=7)).replace(b'"reference":7', b'"reference":18446744073709551616')
        answer = call_back(anonymous, registered, body)
        assert codes(answer) == [("/reference", "invalid")]

    def test_failed(self, program: Program, agent: Caller, failed: dict[str, Any]) -> None:
        assert "Account closed." in agent.get(f"/offers/{failed['id']}").json["status_reason"]
        assert ledger(program.database) == ["reserve", "release"]
        assert violations(program.database) == []

    def test_the_same_twice_and_by_four_at_once(
        self, program: Program, anonymous: Caller, registered: dict[str, Any], pending: dict[str, Any]
    ) -> None:
        windows = [Caller(anonymous.client.application.test_client(), None, None) for _ in range(4)]
        answers = at_once(*(lambda who=who: call_back(who, registered, said(pending)) for who in windows))
        answers.append(call_back(anonymous, registered, said(pending)))
        assert {answer.status_code for answer in answers} == {200}
        assert scalar(program.database, "SELECT count(*) FROM remedy_callback") == 1
        assert ledger(program.database) == ["reserve", "commit"]
        assert scalar(program.database, "SELECT count(*) FROM outbound_mail WHERE reason = 'issued_refund'") == 1
        assert violations(program.database) == []

    def test_the_same_id_with_another_body_is_refused(
        self, anonymous: Caller, registered: dict[str, Any], pending: dict[str, Any]
    ) -> None:
        assert call_back(anonymous, registered, said(pending, "pending")).status_code == 200
        assert refused(call_back(anonymous, registered, said(pending))) == (409, "callback_differs")

    def test_before_the_answer_to_our_request(
        self,
        program: Program,
        anonymous: Caller,
        agent: Caller,
        complaint: dict[str, Any],
        registered: dict[str, Any],
        provider: ReferenceProvider,
    ) -> None:
        offer = accepted(agent, complaint, refund())
        client = Caller(anonymous.client.application.test_client(), None, None)
        provider.before = lambda _key: call_back(client, registered, said(offer))
        work(program)
        assert status(agent, offer) == ("issued", None)
        assert told(program.database, "offer.issued") == 1
        assert ledger(program.database) == ["reserve", "commit"]
        assert order_of(program.database, offer).contradiction is None
        assert violations(program.database) == []

    def test_instead_of_an_answer(
        self,
        program: Program,
        anonymous: Caller,
        agent: Caller,
        complaint: dict[str, Any],
        registered: dict[str, Any],
        provider: ReferenceProvider,
    ) -> None:
        offer = accepted(agent, complaint, refund())
        provider.plan = ["silent"]
        work(program)
        assert call_back(anonymous, registered, said(offer)).json["state"] == "issued"
        work(program)
        assert status(agent, offer) == ("issued", None)
        assert [method for method, _ in provider.asked] == ["POST"]
        assert violations(program.database) == []

    def test_what_nobody_knew(
        self, program: Program, anonymous: Caller, agent: Caller, registered: dict[str, Any], pending: dict[str, Any]
    ) -> None:
        let_pass(program.database, pending, "8 days")
        work(program)
        assert status(agent, pending) == ("issuing", "unknown")
        call_back(anonymous, registered, said(pending))
        assert status(agent, pending) == ("issued", None)
        assert violations(program.database) == []


def news_of(caller: Caller) -> list[tuple[str, dict[str, Any]]]:
    return [(item["kind"], item["detail"]) for item in caller.get("/notifications").json["items"]]


class TestContradictions:
    def letters(self, caller: Caller, why: str = "contradicted") -> list[dict[str, Any]]:
        return list(caller.get(f"/recovery/dead-letters?why={why}").json["items"])

    def test_issued_after_it_failed_is_kept_and_told(
        self,
        program: Program,
        anonymous: Caller,
        agent: Caller,
        senior: Caller,
        manager: Caller,
        join: Join,
        registered: dict[str, Any],
        failed: dict[str, Any],
    ) -> None:
        outside = join("senior", team_ids=[make_team(program.database, "Elsewhere")])
        for message_id in ("m2", "m3"):
            assert call_back(anonymous, registered, said(failed), message_id=message_id).json["contradicts"]
        assert status(agent, failed) == ("failed", None), "what is recorded stays"
        assert ledger(program.database) == ["reserve", "release"]
        (letter,) = self.letters(senior)
        assert (letter["id"], letter["why"], letter["last_error"]) == (
            failed["id"],
            "contradicted",
            "It was issued as re_1.",
        )
        assert told(program.database, "offer.issuance_contradicted") == 1, "the same again is no news"
        assert news_of(senior) == [("issuance_contradicted", {"offer_id": failed["id"]})]
        for nobody in (agent, outside):
            assert news_of(nobody) == [], "who may not settle it, or does not see it"
        for action, body in {"retry": {}, "revoke": {"reason": "Never mind."}}.items():
            again = manager.pay(f"/offers/{failed['id']}/actions/{action}", body)
            assert (again.status_code, again.json["missing"][0]["code"]) == (409, "contradicted")

    def test_what_was_not_issued_is_tried_again(
        self, program: Program, agent: Caller, senior: Caller, contradicted: dict[str, Any]
    ) -> None:
        assert settle(senior, contradicted, NOT_ISSUED).status_code == 200
        assert refused(settle(senior, contradicted, NOT_ISSUED)) == (409, "nothing_contradicted")
        assert self.letters(senior) == []
        act(senior, contradicted, "retry")
        work(program)
        assert status(agent, contradicted) == ("issued", None)
        assert violations(program.database) == []

    @pytest.mark.parametrize(("named", "called"), [({}, "re_1"), ({"reference": "bank transfer 9"}, "bank transfer 9")])
    def test_what_was_issued_all_the_same_is_booked(
        self,
        program: Program,
        anonymous: Caller,
        senior: Caller,
        registered: dict[str, Any],
        contradicted: dict[str, Any],
        provider: ReferenceProvider,
        named: dict[str, str],
        called: str,
    ) -> None:
        answer = settle(senior, contradicted, ISSUED | named)
        assert (answer.status_code, answer.json["status"], answer.json["issued_reference"]) == (
            200,
            "issued",
            called,
        )
        assert answer.json["delivered_at"] is not None
        assert ledger(program.database) == ["reserve", "release", "reserve", "commit"]
        assert self.letters(senior) == []
        assert told(program.database, "offer.issued") == 1
        assert scalar(program.database, "SELECT count(*) FROM outbound_mail WHERE reason = 'issued_refund'") == 1
        asked = len(provider.asked)
        assert refused(senior.pay(f"/offers/{contradicted['id']}/actions/retry", {})) == (409, "action_not_allowed")
        work(program)
        assert len(provider.asked) == asked, "it is not paid again"
        again = call_back(anonymous, registered, said(contradicted), message_id="m3")
        assert again.json["state"] == "issued"
        assert self.letters(senior) == [], "the same again is no news"
        assert violations(program.database) == []

    def test_what_was_paid_and_fits_no_budget_any_more_waits_for_one(
        self,
        program: Program,
        agent: Caller,
        senior: Caller,
        manager: Caller,
        contradicted: dict[str, Any],
        budget: str,
    ) -> None:
        assert manager.pay(f"/budgets/{budget}/actions/close", {"reason": "The year is over."}).status_code == 200
        assert refused(settle(senior, contradicted, ISSUED)) == (409, "no_budget")
        assert status(agent, contradicted) == ("failed", None)
        assert [letter["why"] for letter in self.letters(senior)] == ["contradicted"], "it is still to be settled"
        small = open_budget(manager, "5.00", name="This year")
        assert refused(settle(senior, contradicted, ISSUED)) == (409, "budget_exhausted")
        money = {"amount": {"amount": "15.00", "currency": "EUR"}}
        assert manager.pay(f"/budgets/{small}/allocations", money).status_code == 201
        assert settle(senior, contradicted, ISSUED).json["budget_id"] == small
        assert violations(program.database) == []

    def test_failed_after_it_was_issued(
        self,
        program: Program,
        anonymous: Caller,
        agent: Caller,
        senior: Caller,
        manager: Caller,
        registered: dict[str, Any],
        pending: dict[str, Any],
    ) -> None:
        call_back(anonymous, registered, said(pending))
        assert call_back(anonymous, registered, said(pending, "failed"), message_id="m2").json["contradicts"]
        assert status(agent, pending) == ("issued", None)
        assert self.letters(agent)[0]["last_error"] == "It failed: Account closed."
        assert refused(settle(senior, pending, NOT_ISSUED)) == (409, "books_differ")
        act(manager, pending, "reverse", reason="It never came.")
        assert settle(senior, pending, NOT_ISSUED).status_code == 200
        assert violations(program.database) == []

    def test_issued_twice_with_two_references(
        self, anonymous: Caller, agent: Caller, registered: dict[str, Any], pending: dict[str, Any]
    ) -> None:
        call_back(anonymous, registered, said(pending))
        call_back(anonymous, registered, said(pending, reference="re_2"), message_id="m2")
        assert self.letters(agent)[0]["last_error"] == "It was issued as re_2."
        assert agent.get(f"/offers/{pending['id']}").json["issued_reference"] == "re_1"

    def test_paid_twice_and_then_failed_hides_nothing_and_is_booked(
        self,
        program: Program,
        anonymous: Caller,
        senior: Caller,
        registered: dict[str, Any],
        pending: dict[str, Any],
        budget: str,
    ) -> None:
        call_back(anonymous, registered, said(pending))
        call_back(anonymous, registered, said(pending, "failed"), message_id="m2")
        call_back(anonymous, registered, said(pending, reference="re_2"), message_id="m3")
        (letter,) = self.letters(senior)
        assert letter["last_error"] == "It was issued as re_2. It failed: Account closed."
        assert letter["allowed_actions"][0] == {"action": "settle", "supplies": ["outcome", "reason"], "missing": []}
        assert settle(senior, pending, BESIDE).status_code == 200
        assert refused(settle(senior, pending, BESIDE)) == (409, "nothing_contradicted")
        assert ledger(program.database) == ["reserve", "commit", "overpay"]
        assert money(program.database) == (0, 4000)
        entry = senior.get(f"/budgets/{budget}/entries").json["items"][-1]
        assert (entry["kind"], entry["amount"]["amount"]) == ("overpay", "20.00")
        assert entry["note"] == "Paid once more, as re_2: They paid it twice."
        assert self.letters(senior) == []
        call_back(anonymous, registered, said(pending, reference="re_2"), message_id="m4")
        assert self.letters(senior) == [], "the same again is no news"
        assert violations(program.database) == []

    def test_paid_three_times_is_booked_one_by_one(
        self,
        program: Program,
        anonymous: Caller,
        senior: Caller,
        registered: dict[str, Any],
        contradicted: dict[str, Any],
    ) -> None:
        """It is recorded as failed: the first is the one that the customer was to have."""
        for number in (2, 3):
            body = said(contradicted, reference=f"re_{number}")
            assert call_back(anonymous, registered, body, message_id=f"n{number}").json["contradicts"]
        assert refused(settle(senior, contradicted, BESIDE)) == (409, "books_differ")
        assert settle(senior, contradicted, ISSUED).json["issued_reference"] == "re_1"
        assert self.letters(senior)[0]["last_error"] == "It was issued as re_2. It was issued as re_3."
        assert settle(senior, contradicted, BESIDE | {"reference": "re_3"}).status_code == 200
        assert self.letters(senior)[0]["last_error"] == "It was issued as re_2."
        assert settle(senior, contradicted, ISSUED | {"reason": "They took that one back."}).status_code == 200
        assert self.letters(senior) == []
        assert ledger(program.database) == ["reserve", "release", "reserve", "commit", "overpay"]
        assert violations(program.database) == []

    def test_paid_twice_and_more_than_there_is(
        self,
        program: Program,
        anonymous: Caller,
        senior: Caller,
        manager: Caller,
        registered: dict[str, Any],
        pending: dict[str, Any],
        budget: str,
    ) -> None:
        call_back(anonymous, registered, said(pending))
        call_back(anonymous, registered, said(pending, reference="re_2"), message_id="m2")
        assert manager.pay(f"/budgets/{budget}/actions/close", {"reason": "The year is over."}).status_code == 200
        small = open_budget(manager, "5.00", name="This year")
        assert refused(settle(senior, pending, BESIDE)) == (409, "budget_exhausted")
        assert [letter["why"] for letter in self.letters(senior)] == ["contradicted"], "it is still to be settled"
        extra = {"amount": {"amount": "15.00", "currency": "EUR"}}
        assert manager.pay(f"/budgets/{small}/allocations", extra).status_code == 201
        settled = settle(senior, pending, BESIDE).json
        assert settled["budget_id"] == budget, "what pays for the offer itself stays"
        assert violations(program.database) == []

    def test_what_came_back_and_was_reversed_agrees(
        self,
        program: Program,
        anonymous: Caller,
        manager: Caller,
        registered: dict[str, Any],
        pending: dict[str, Any],
    ) -> None:
        call_back(anonymous, registered, said(pending))
        act(manager, pending, "reverse", reason="It bounced.")
        answer = call_back(anonymous, registered, said(pending, "failed", reason="bounced"), message_id="m2")
        assert answer.json == {"state": "issued", "contradicts": False}
        assert self.letters(manager) == []
        call_back(anonymous, registered, said(pending, reference="re_2"), message_id="m3")
        (letter,) = self.letters(manager)
        assert [item["action"] for item in letter["allowed_actions"]] == ["settle"]
        assert settle(manager, pending, BESIDE).status_code == 200
        assert ledger(program.database) == ["reserve", "commit", "reverse", "overpay"]
        assert violations(program.database) == []

    @pytest.mark.parametrize(("called", "contradicts"), [("re_1", False), ("bank transfer 9", True)])
    def test_after_somebody_did_it_by_hand(
        self,
        program: Program,
        anonymous: Caller,
        agent: Caller,
        senior: Caller,
        registered: dict[str, Any],
        pending: dict[str, Any],
        called: str,
        contradicts: bool,  # a case
    ) -> None:
        """The same issuance, found out by telephone; or a second one."""
        let_pass(program.database, pending, "8 days")
        work(program)
        act(senior, pending, "record_issued", reference=called)
        assert call_back(anonymous, registered, said(pending)).json["contradicts"] == contradicts
        assert violations(program.database) == []

    def is_not_asked_again(self, senior: Caller, registered: dict[str, Any], offer: dict[str, Any]) -> None:
        """Nobody pays a second time by a click."""
        (shown,) = self.letters(senior)
        (step,) = [item for item in shown["allowed_actions"] if item["action"] == "ask_again"]
        assert [need["code"] for need in step["missing"]] == ["contradicted"]
        assert refused(senior.pay(f"/offers/{offer['id']}/actions/ask_again", {})) == (409, "action_not_allowed")
        (tried,) = senior.pay(f"/recovery/providers/{registered['id']}/retry-dead-letters", {}).json["items"]
        assert (tried["action"], tried["code"]) == (None, "action_not_allowed")
        assert "says that it was issued" in tried["detail"]

    def test_once_it_is_settled_it_is_asked_again(
        self,
        program: Program,
        anonymous: Caller,
        senior: Caller,
        registered: dict[str, Any],
        failed: dict[str, Any],
        provider: ReferenceProvider,
    ) -> None:
        act(senior, failed, "retry")
        provider.plan = ["error"]
        work(program)
        call_back(anonymous, registered, said(failed), message_id="m2")
        assert settle(senior, failed, {"outcome": "not_issued", "reason": "They looked."}).status_code == 200
        act(senior, failed, "ask_again")
        work(program)
        assert status(senior, failed) == ("issued", None)
        posted = {key for method, key in provider.asked if method == "POST"}
        assert posted == {f"{failed['id']}-1", f"{failed['id']}-2"}
        assert violations(program.database) == []

    @pytest.mark.parametrize(
        ("asked", "issuance"), [(False, "by_hand"), (True, "unknown")], ids=["nobody asked", "the next was asked"]
    )
    def test_of_an_earlier_round_keeps_it_from_being_issued_twice(
        self,
        program: Program,
        anonymous: Caller,
        agent: Caller,
        senior: Caller,
        registered: dict[str, Any],
        failed: dict[str, Any],
        provider: ReferenceProvider,
        asked: bool,  # a case
        issuance: str,
    ) -> None:
        """It is being issued anew: from then on nobody asks any more, and a person finds out."""
        act(senior, failed, "retry")
        if asked:
            provider.plan = ["error"]
            work(program)
        assert call_back(anonymous, registered, said(failed), message_id="m2").json["contradicts"]
        assert status(agent, failed) == ("issuing", issuance)
        if asked:
            self.is_not_asked_again(senior, registered, failed)
        work(program)
        posted = [key for method, key in provider.asked if method == "POST"]
        assert posted == [f"{failed['id']}-{number}" for number in range(1, 3 if asked else 2)]
        (letter,) = [item for item in self.letters(agent) if item["why"] == "contradicted"]
        assert letter["last_error"] == "It was issued as re_1."
        assert violations(program.database) == []

    def test_of_an_earlier_round_is_settled_when_that_is_recorded(
        self,
        program: Program,
        anonymous: Caller,
        senior: Caller,
        registered: dict[str, Any],
        failed: dict[str, Any],
    ) -> None:
        act(senior, failed, "retry")
        call_back(anonymous, registered, said(failed), message_id="m2")
        assert refused(settle(senior, failed, ISSUED)) == (409, "books_differ"), "it is being issued anew"
        act(senior, failed, "record_issued", reference="re_1")
        assert settle(senior, failed, ISSUED).json["issued_reference"] == "re_1"
        assert ledger(program.database) == ["reserve", "release", "reserve", "commit"]
        assert violations(program.database) == []


def test_what_was_called_back_is_never_changed(
    program: Program, anonymous: Caller, registered: dict[str, Any], pending: dict[str, Any]
) -> None:
    call_back(anonymous, registered, said(pending))
    for statement in ("UPDATE remedy_callback SET says = 'failed'", "DELETE FROM remedy_callback"):
        with program.engine.connect() as connection, pytest.raises(Exception, match="never changed"):
            connection.execute(text(statement))
