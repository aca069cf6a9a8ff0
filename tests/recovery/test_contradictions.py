"""What a provider says against the books: kept, told, and settled by somebody.

How it can fail: it changes the books by itself; it is told to nobody; of two payments, of one round or of two, one hides the other;
what was paid twice is booked as once, under another's name, or one payment twice; what was booked is paid again; what is contradicted
is issued anew before somebody has looked.
"""

from typing import Any

import pytest

from helpdesk.wiring import Program
from tests.conftest import Caller, Join, make_team
from tests.recovery.answers import refused
from tests.recovery.helpers import act, ledger, money, open_budget, scalar, told, violations
from tests.recovery.providing import call_back, let_pass, said, status, work
from tests.recovery.reference_provider import ReferenceProvider

ISSUED = {"outcome": "issued", "reason": "They did pay it."}
NOT_ISSUED = {"outcome": "not_issued", "reason": "They took it back."}
BESIDE = {"outcome": "issued_beside", "reason": "They paid it twice."}


pytestmark = pytest.mark.usefixtures("budget")


@pytest.fixture
def contradicted(anonymous: Caller, registered: dict[str, Any], failed: dict[str, Any]) -> dict[str, Any]:
    """It failed, and was issued all the same, they say."""
    answer = call_back(anonymous, registered, said(failed), message_id="m2")
    assert answer.json == {"state": "refused", "contradicts": True}
    return failed


def settle(caller: Caller, offer: dict[str, Any], body: dict[str, str]) -> Any:
    return caller.pay(f"/recovery/dead-letters/{offer['id']}/settle", body)


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

    @pytest.mark.parametrize("named", [{}, {"reference": "re_1"}])
    def test_what_was_issued_all_the_same_is_booked(
        self,
        program: Program,
        anonymous: Caller,
        senior: Caller,
        registered: dict[str, Any],
        contradicted: dict[str, Any],
        provider: ReferenceProvider,
        named: dict[str, str],
    ) -> None:
        answer = settle(senior, contradicted, ISSUED | named)
        assert (answer.status_code, answer.json["status"], answer.json["issued_reference"]) == (
            200,
            "issued",
            "re_1",
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


class TestOfTwoRounds:
    """What is open of an earlier round is neither hidden nor settled by what is said of a later one."""

    @pytest.fixture
    def twice(
        self,
        program: Program,
        anonymous: Caller,
        senior: Caller,
        registered: dict[str, Any],
        failed: dict[str, Any],
        provider: ReferenceProvider,
    ) -> dict[str, Any]:
        """It failed, was issued anew as B-902, and of each round the provider says something else."""
        act(senior, failed, "retry")
        provider.plan = ["pending"]
        work(program)
        call_back(anonymous, registered, said(failed, reference="A-901"), message_id="m2")
        act(senior, failed, "record_issued", reference="B-902")
        agreed = call_back(anonymous, registered, said(failed, round_=2, reference="B-902"), message_id="m3")
        assert not agreed.json["contradicts"]
        call_back(anonymous, registered, said(failed, round_=2, reference="C-903"), message_id="m4")
        return failed

    def left(self, caller: Caller) -> list[str]:
        return [item["last_error"] for item in caller.get("/recovery/dead-letters?why=contradicted").json["items"]]

    def settled(self, caller: Caller, offer: dict[str, Any]) -> list[tuple[int, str | None]]:
        story = caller.get(f"/complaints/{offer['complaint_id']}/timeline?limit=200").json["items"]
        found = [item["payload"] for item in story if item["type"] == "offer.contradiction_settled"]
        return sorted((item["round"], item["issued_reference"]) for item in found)

    def wrong(self, answer: Any) -> str:
        (error,) = answer.json["errors"]
        assert (answer.status_code, error["pointer"]) == (422, "/reference")
        return str(error["detail"])

    def test_all_is_shown_and_the_offer_counts_once(self, senior: Caller, agent: Caller, twice: dict[str, Any]) -> None:
        assert self.left(senior) == ["It was issued as A-901. It was issued as C-903."]
        assert "helpdesk_offers_contradicted 1.0" in agent.get("/metrics").text.splitlines()

    @pytest.mark.parametrize(
        ("first", "left", "then"),
        [
            ({"reference": "C-903"}, "A-901", {"reference": "A-901"}),
            ({"reference": "A-901"}, "C-903", {}),
            ({}, "C-903", {"reference": "C-903"}),
        ],
        ids=["the newer", "the older", "none is named"],
    )
    def test_each_is_booked_in_its_own_round(
        self,
        program: Program,
        senior: Caller,
        twice: dict[str, Any],
        budget: str,
        first: dict[str, str],
        left: str,
        then: dict[str, str],
    ) -> None:
        assert settle(senior, twice, BESIDE | first).status_code == 200
        assert self.left(senior) == [f"It was issued as {left}."]
        assert settle(senior, twice, BESIDE | then).status_code == 200
        assert self.left(senior) == []
        assert self.settled(senior, twice) == [(1, "A-901"), (2, "C-903")]
        entries = senior.get(f"/budgets/{budget}/entries").json["items"]
        notes = sorted(entry["note"] for entry in entries if entry["kind"] == "overpay")
        assert notes == [f"Paid once more, as {reference}: They paid it twice." for reference in ("A-901", "C-903")]
        assert refused(settle(senior, twice, BESIDE)) == (409, "nothing_contradicted")
        assert violations(program.database) == []

    def test_what_is_booked_is_not_booked_once_more(
        self,
        program: Program,
        anonymous: Caller,
        senior: Caller,
        registered: dict[str, Any],
        twice: dict[str, Any],
    ) -> None:
        """Neither what was recorded, nor what was booked beside it, even where the provider says that of another round."""
        recorded = self.wrong(settle(senior, twice, BESIDE | {"reference": "B-902"}))
        assert recorded.startswith("B-902 is booked already.")
        assert "A-901, C-903" in recorded
        assert settle(senior, twice, BESIDE | {"reference": "C-903"}).status_code == 200
        assert "C-903 is booked already." in self.wrong(settle(senior, twice, BESIDE | {"reference": "C-903"}))
        call_back(anonymous, registered, said(twice, reference="C-903"), message_id="m5")
        assert self.left(senior) == ["It was issued as A-901. It was issued as C-903."]
        assert "as `issued`" in self.wrong(settle(senior, twice, BESIDE | {"reference": "C-903"}))
        assert settle(senior, twice, ISSUED | {"reference": "C-903"}).status_code == 200
        assert self.left(senior) == ["It was issued as A-901."]
        assert ledger(program.database).count("overpay") == 1
        assert violations(program.database) == []

    def test_what_nobody_said_is_not_settled(self, senior: Caller, twice: dict[str, Any]) -> None:
        for body in (BESIDE, ISSUED):
            unsaid = self.wrong(settle(senior, twice, body | {"reference": "D-904"}))
            assert unsaid.endswith("Name one of what the provider said: A-901, C-903.")
        assert self.left(senior) == ["It was issued as A-901. It was issued as C-903."]

    def test_payments_of_a_later_round_come_before_failures(
        self,
        program: Program,
        anonymous: Caller,
        senior: Caller,
        registered: dict[str, Any],
        failed: dict[str, Any],
        provider: ReferenceProvider,
    ) -> None:
        act(senior, failed, "retry")
        provider.plan = ["refuse"]
        work(program)
        call_back(anonymous, registered, said(failed, reference="A-901"), message_id="m2")
        assert settle(senior, failed, ISSUED | {"reference": "A-901"}).json["issued_reference"] == "A-901"
        call_back(anonymous, registered, said(failed, "failed"), message_id="m3")
        assert settle(senior, failed, BESIDE | {"reference": "A-901"}).status_code == 422
        assert "name that" in self.wrong(settle(senior, failed, BESIDE))
        call_back(anonymous, registered, said(failed, round_=2, reference="C-903"), message_id="m4")
        assert self.left(senior) == ["It was issued as C-903. It failed: Account closed."]
        assert settle(senior, failed, BESIDE).status_code == 200
        assert self.left(senior) == ["It failed: Account closed."]
        assert settle(senior, failed, BESIDE | {"reference": "cheque 7"}).status_code == 200, "it gave no name"
        assert self.settled(senior, failed) == [(1, "A-901"), (1, "cheque 7"), (2, "C-903")]
        assert violations(program.database) == []
