"""Every kind of remedy from draft to delivery, issued by hand where nobody else issues it.

How it can fail: a kind that is drafted and cannot be issued; a cost of ours that the customer reads; money spent or freed
twice when two people record it at once; something that is on its way counted as delivered.
"""

from typing import Any

import pytest
from sqlalchemy import text

from helpdesk.recovery import jobs, texts
from helpdesk.recovery.kinds import CONFIRMED, DELIVERED_AT_ONCE, ISSUABLE, KINDS, OUTSIDE, PAYING, TABLE, TOLD
from helpdesk.wiring import Program
from tests.complaints.steps import GOOD
from tests.conftest import Caller
from tests.racing import at_once
from tests.recovery.answers import LETTER, codes, refused
from tests.recovery.helpers import (
    accepted,
    act,
    another,
    draft,
    eur,
    issued,
    ledger,
    offered,
    scalar,
    token,
    violations,
    voucher,
)

REFERENCE = "bank transfer 17"


pytestmark = pytest.mark.usefixtures("budget")


def of(kind: str) -> dict[str, Any]:
    return LETTER if kind == "apology_letter" else voucher("20.00", kind=kind)


class TestTable:
    def test_only_words_costs_nothing(self) -> None:
        assert set(KINDS) - PAYING == {"apology_letter"}

    def test_what_costs_us_is_not_what_they_are_told(self) -> None:
        assert PAYING - TOLD == CONFIRMED == {"replacement", "re_performance", "gift"}

    def test_words_of_the_table(self) -> None:
        for kind in TABLE.values():
            assert kind.taken_back in {"voided", "returned", "never"}
            assert kind.delivered in {"issued", "handed_over", "confirmed"}

    @pytest.mark.parametrize("language", ["en", "zh"])
    @pytest.mark.parametrize("kind", KINDS)
    def test_every_kind_has_its_words(self, kind: str, language: str) -> None:
        assert texts.what(language, kind, None)
        if kind in OUTSIDE:
            values = {"name": "Li Wei", "reference": "R-1", "amount": "20.00 EUR", "called": REFERENCE}
            subject, body = texts.render(language, f"issued_{kind}", **values)
            assert "R-1" in subject
            assert REFERENCE in body
            assert ("20.00" in body) == (kind in TOLD)
            assert ("20.00" in texts.what(language, kind, None)) is False


@pytest.mark.parametrize("kind", ISSUABLE)
def test_from_draft_to_delivery(
    program: Program, agent: Caller, senior: Caller, complaint: dict[str, Any], kind: str
) -> None:
    """The complaint is not followed up before the customer has it."""
    ref = complaint["reference"]
    if kind not in OUTSIDE:
        offer = issued(program, agent, complaint, of(kind))
    else:
        waits = accepted(agent, complaint, of(kind))
        assert (waits["status"], waits["issuance"]) == ("issuing", "by_hand")
        assert jobs.fail_abandoned(program.database) == 0, "it waits for somebody, and is not abandoned"
        assert violations(program.database) == []
        offer = act(senior, waits, "record_issued", reference=REFERENCE, note="Paid by hand.")
        assert offer["issued_reference"] == REFERENCE
    assert (offer["status"], offer["issuance"]) == ("issued", None)
    assert (offer["delivered_at"] is None) == (kind not in DELIVERED_AT_ONCE)
    assert ledger(program.database) == (["reserve", "commit"] if kind in PAYING else [])
    for action, body in {"investigate": GOOD["investigate"], "resolve": GOOD["resolve"] | {"remedy": {}}}.items():
        assert agent.post(f"/complaints/{ref}/actions/{action}", body).status_code == 200
    if kind not in DELIVERED_AT_ONCE:
        early = agent.post(f"/complaints/{ref}/actions/follow_up", GOOD["follow_up"])
        assert (early.status_code, early.json["missing"][0]["code"]) == (409, "remedy_undelivered")
        came = {"confirm_delivery": {"said_by": "phone"}} if kind in CONFIRMED else {"post_letter": {}}
        for action, body in came.items():
            offer = act(agent, offer, action, **body)
        assert offer["delivered_at"] is not None
        assert violations(program.database) == []
    assert agent.post(f"/complaints/{ref}/actions/follow_up", GOOD["follow_up"]).status_code == 200
    assert violations(program.database) == []


class TestWhatTheCustomerReads:
    @pytest.mark.parametrize("kind", sorted(OUTSIDE))
    def test_no_cost_of_ours(
        self, program: Program, agent: Caller, senior: Caller, anonymous: Caller, complaint: dict[str, Any], kind: str
    ) -> None:
        offer = offered(agent, complaint, of(kind))
        path = f"/public/offers/{token(offer)}"
        assert anonymous.get(path).json["amount"] == (eur("20.00") if kind in TOLD else None)
        assert anonymous.pay(f"{path}/accept", if_match="*").json["status"] == "accepted"
        act(senior, offer, "record_issued", reference=REFERENCE)
        with program.database.reader() as session:
            mails = session.execute(
                text("SELECT reason, body FROM outbound_mail WHERE reason <> 'tracking' ORDER BY id")
            ).all()
        ours = [mail for mail in mails if mail.reason in {"offer", f"issued_{kind}"}]
        assert len(ours) == 2
        assert all(("20.00" in mail.body) == (kind in TOLD) for mail in ours)
        assert REFERENCE in ours[-1].body


class TestByHand:
    def path(self, offer: dict[str, Any], action: str = "record_issued") -> str:
        return f"/offers/{offer['id']}/actions/{action}"

    def test_anonymous(self, anonymous: Caller, agent: Caller, complaint: dict[str, Any]) -> None:
        offer = accepted(agent, complaint, of("refund"))
        assert anonymous.pay(self.path(offer), {"reference": "x"}).status_code == 401

    def test_another_team_sees_nothing(self, stranger: Caller, agent: Caller, complaint: dict[str, Any]) -> None:
        offer = accepted(agent, complaint, of("refund"))
        assert stranger.pay(self.path(offer), {"reference": "x"}).status_code == 404

    @pytest.mark.parametrize("action", ["record_issued", "fail"])
    def test_wrong_role(self, agent: Caller, complaint: dict[str, Any], action: str) -> None:
        offer = accepted(agent, complaint, of("refund"))
        assert refused(agent.pay(self.path(offer, action), {})) == (403, "forbidden")

    def test_what_it_needs(self, senior: Caller, agent: Caller, complaint: dict[str, Any]) -> None:
        offer = accepted(agent, complaint, of("refund"))
        path = self.path(offer)
        assert refused(senior.post(path, {"reference": "x"}, if_match="*")) == (400, "idempotency_key_required")
        assert refused(senior.post(path, {"reference": "x"}, idempotency_key="one")) == (428, "precondition_required")
        assert codes(senior.pay(path, {"colour": "red"})) == [("/reference", "required"), ("/colour", "unknown_field")]
        for bad in ("", " ", "x" * 201, None, 7, "\x00"):
            answer = senior.pay(path, {"reference": bad})
            assert answer.status_code == 422, bad
            assert [pointer for pointer, _ in codes(answer)] == ["/reference"]
        assert codes(senior.pay(self.path(offer, "fail"), {})) == [("/reason", "required")]

    def test_is_listed_as_work_to_do(self, senior: Caller, agent: Caller, complaint: dict[str, Any]) -> None:
        offer = accepted(agent, complaint, of("refund"))
        accepted(agent, complaint, voucher("1.00"))
        draft(agent, complaint, of("gift"))
        listed = senior.get("/offers?issuance=by_hand").json["items"]
        assert [(item["id"], item["issuance"]) for item in listed] == [(offer["id"], "by_hand")]
        machine = senior.get("/offers?issuance=automatic").json["items"]
        assert [item["kind"] for item in machine] == ["voucher"]
        allowed = [item["action"] for item in senior.get(f"/offers/{offer['id']}").json["allowed_actions"]]
        assert allowed == ["record_issued", "fail", "ask_again"]

    def test_what_we_issue_ourselves_is_not_a_persons_to_record(
        self, program: Program, senior: Caller, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = accepted(agent, complaint)
        for action, body in (("record_issued", {"reference": "x"}), ("fail", {"reason": "x"})):
            answer = senior.pay(self.path(offer, action), body)
            assert refused(answer) == (409, "action_not_allowed")
            assert answer.json["missing"][0]["code"] == "being_issued"
        assert violations(program.database) == []

    def test_failed_by_hand_frees_the_money_and_can_be_tried_again(
        self, program: Program, senior: Caller, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = accepted(agent, complaint, of("refund"))
        failed = act(senior, offer, "fail", reason="The account is closed.")
        assert (failed["status"], failed["status_reason"]) == ("failed", "The account is closed.")
        assert ledger(program.database) == ["reserve", "release"]
        again = act(senior, offer, "retry")
        assert (again["status"], again["issuance"], again["round"]) == ("issuing", "by_hand", 2)
        act(senior, offer, "record_issued", reference="second")
        assert ledger(program.database) == ["reserve", "release", "reserve", "commit"]
        assert violations(program.database) == []

    def test_two_people_at_once_spend_once(
        self, program: Program, senior: Caller, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = accepted(agent, complaint, of("refund"))
        callers = [another(senior) for _ in range(4)]
        answers = at_once(
            *(lambda who=who, n=n: who.pay(self.path(offer), {"reference": f"r{n}"}) for n, who in enumerate(callers))
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
        assert ledger(program.database) == ["reserve", "commit"]
        assert scalar(program.database, "SELECT count(*) FROM outbound_mail WHERE reason = 'issued_refund'") == 1
        assert violations(program.database) == []

    def test_issued_and_failed_at_once_is_one_of_them(
        self, program: Program, senior: Caller, agent: Caller, complaint: dict[str, Any]
    ) -> None:
        offer = accepted(agent, complaint, of("refund"))
        one, two = another(senior), another(senior)
        answers = at_once(
            lambda: one.pay(self.path(offer), {"reference": "r"}),
            lambda: two.pay(self.path(offer, "fail"), {"reason": "r"}),
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        assert violations(program.database) == []


class TestTakenBack:
    @pytest.mark.parametrize("kind", sorted(OUTSIDE - {"re_performance"}))
    def test_what_came_back_is_in_the_budget_again(
        self, program: Program, manager: Caller, agent: Caller, complaint: dict[str, Any], kind: str
    ) -> None:
        offer = accepted(agent, complaint, of(kind))
        act(manager, offer, "record_issued", reference="r")
        back = act(manager, offer, "reverse", reason="It came back.")
        assert back["status"] == "reversed"
        assert ledger(program.database) == ["reserve", "commit", "reverse"]
        assert manager.get(f"/complaints/{complaint['reference']}").json["remedies_undelivered"] == 0
        assert violations(program.database) == []

    def test_what_was_done_stays_done(self, manager: Caller, agent: Caller, complaint: dict[str, Any]) -> None:
        offer = accepted(agent, complaint, of("re_performance"))
        act(manager, offer, "record_issued", reference="r")
        answer = manager.pay(f"/offers/{offer['id']}/actions/reverse", {"reason": "x"})
        assert answer.json["missing"][0]["code"] == "stays_done"


class TestDelivery:
    def test_twice_is_refused(self, manager: Caller, agent: Caller, complaint: dict[str, Any]) -> None:
        offer = accepted(agent, complaint, of("gift"))
        path = f"/offers/{offer['id']}/actions/confirm_delivery"
        assert refused(agent.pay(path, {"said_by": "phone"})) == (409, "action_not_allowed")
        act(manager, offer, "record_issued", reference="parcel")
        act(agent, offer, "confirm_delivery", said_by="phone")
        again = agent.pay(path, {"said_by": "phone"})
        assert again.json["missing"][0]["code"] == "delivered_already"

    def test_is_told_in_the_timeline(self, manager: Caller, agent: Caller, complaint: dict[str, Any]) -> None:
        offer = accepted(agent, complaint, of("gift"))
        act(manager, offer, "record_issued", reference="parcel")
        act(agent, offer, "confirm_delivery", said_by="phone")
        lines = agent.get(f"/complaints/{complaint['reference']}/timeline?limit=100").json["items"]
        told = [item["type"] for item in lines if item["type"].startswith("offer.")]
        assert told[-2:] == ["offer.issued", "offer.delivered"]
