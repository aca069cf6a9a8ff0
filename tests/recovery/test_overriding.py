"""An offer that is not what was suggested says why; what a law lays down is a floor; a report counts both.

How it can fail: a small goodwill that nobody wants a reason for is held up; an amount beyond every alternative goes through
without one; less than the law says is offered without a word, by who may not, or after the first refund covered it is still
held up; the program's own drafts stop; two drafts at once each see the other's refund missing; a report that counts what its
reader may not see, or divides by nothing.
"""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from helpdesk.complaints.queries import complaint_by_id_for_update
from helpdesk.identity.actors import SYSTEM, automation_actor
from helpdesk.kernel.ids import new_id
from helpdesk.kernel.money import Money
from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import drafting, floor, overriding
from helpdesk.recovery.evidence_queries import offers_as_evidence
from helpdesk.recovery.option_terms import Terms
from helpdesk.recovery.remaining import Already
from tests.conftest import Caller, Join, complaint_body, make_team
from tests.recovery.answers import codes, refused
from tests.recovery.drafting import FLIGHT, FLOOR, WHY, bought, draft, flown, foretold, recorded, step
from tests.recovery.helpers import act, eur, offered, open_budget, scalar, token, violations


class TestReason:
    @pytest.mark.parametrize(
        ("kind", "amount"),
        [
            ("apology_letter", None),
            ("voucher", "0.01"),
            ("voucher", "40.00"),
            ("voucher", "50.00"),
            ("goodwill_payment", "12.00"),
            ("service_credit", "40.00"),
            ("refund", "40.00"),
            ("replacement", "200.00"),
            ("replacement", "120.00"),
        ],
    )
    def test_not_for_what_was_suggested_or_less(self, agent: Caller, kind: str, amount: str | None) -> None:
        answer = draft(agent, bought(agent), kind, amount)
        assert (answer.status_code, answer.json["override"]) == (201, None)

    @pytest.mark.parametrize(
        ("kind", "amount", "direction", "suggested", "by"),
        [
            ("voucher", "50.01", "over", "50.00", "0.01"),
            ("goodwill_payment", "50.00", "over", "40.00", "10.00"),  # the larger voucher is no money
            ("service_credit", "40.01", "over", "40.00", "0.01"),
            ("refund", "200.00", "over", "40.00", "160.00"),
            ("replacement", "200.01", "over", "200.00", "0.01"),
            ("re_performance", "30.00", "kind", "30.00", "0.00"),
        ],
    )
    def test_for_anything_else(
        self, agent: Caller, kind: str, amount: str, direction: str, suggested: str, by: str
    ) -> None:
        complaint = bought(agent)
        without = draft(agent, complaint, kind, amount)
        assert (without.status_code, codes(without)) == (422, [("/override_reason", "override_reason")])
        assert scalar_of(agent, complaint) == 0
        offer = draft(agent, complaint, kind, amount, **WHY).json
        assert offer["override"] == {
            "direction": direction, "suggested": eur(suggested), "by": eur(by), "reason": WHY["override_reason"], "floor_reason": None,
        }  # fmt: skip
        assert agent.get(f"/offers/{offer['id']}").json["override"] == offer["override"]

    def test_less_than_is_owed(self, agent: Caller) -> None:
        complaint = bought(agent, loss=eur("60.00"))
        assert codes(draft(agent, complaint, "partial_refund", "59.99")) == [("/override_reason", "override_reason")]
        under = draft(agent, complaint, "partial_refund", "20.00", **WHY).json["override"]
        assert (under["direction"], under["suggested"], under["by"]) == ("under", eur("60.00"), eur("-40.00"))
        assert draft(agent, complaint, "partial_refund", "40.00").json["override"] is None  # the rest
        another = {"allow_duplicate": True, "duplicate_reason": "Another order."}
        assert (
            draft(agent, bought(agent, loss=eur("60.00")), "partial_refund", "60.00", **another).json["override"]
            is None
        )

    def test_a_reason_that_was_not_needed_is_no_override(self, agent: Caller) -> None:
        assert draft(agent, bought(agent), "voucher", "10.00", **WHY).json["override"] is None

    def test_the_customer_does_not_read_it(self, manager: Caller, anonymous: Caller, budget: str) -> None:
        offer = draft(manager, bought(manager), "voucher", "50.01", **WHY).json
        assert offer["override"]["reason"] == WHY["override_reason"]
        for action in ("submit", "offer"):
            offer = act(manager, offer, action)
        shown = anonymous.get(f"/public/offers/{token(offer)}")
        assert (shown.status_code, "day off" in shown.text) == (200, False)

    def test_the_program_s_own_drafts_go_on_and_say_so(self, database: Database, agent: Caller) -> None:
        complaint = bought(agent)
        for actor in (SYSTEM, automation_actor(new_id(), "A trigger", frozenset({"offer:draft"}))):
            with database.unit_of_work(actor) as uow:
                row = complaint_by_id_for_update(uow.session, complaint["id"])
                given = {"kind": "voucher", "amount": Money.parse("90", "EUR"), "reason": "x", "allow_duplicate": True}
                drafting.draft(uow, actor, row, given)
        with database.reader() as session:
            kept = session.execute(text("SELECT direction, reason FROM offer_override")).all()
        assert [tuple(row) for row in kept] == [("over", "The amount was set beforehand, by a rule.")] * 2

    def test_an_evidence_pack_tells_it(self, database: Database, agent: Caller) -> None:
        complaint = bought(agent)
        draft(agent, complaint, "voucher", "50.01", **WHY)
        with database.reader() as session:
            (told,) = offers_as_evidence(session, UUID(complaint["id"]))
        assert (told["override"]["direction"], told["override"]["reason"]) == ("over", WHY["override_reason"])

    def test_never_changed(self, database: Database, agent: Caller) -> None:
        draft(agent, bought(agent), "voucher", "50.01", **WHY)
        with pytest.raises(DBAPIError, match="never changed"), database.unit_of_work(SYSTEM) as uow:
            uow.session.execute(text("UPDATE offer_override SET reason = NULL"))


def scalar_of(caller: Caller, complaint: dict[str, Any]) -> int:
    return len(caller.get(f"/complaints/{complaint['reference']}/offers").json["items"])


class TestOptions:
    """The customer takes one, so that each counts by itself."""

    def options(self, caller: Caller, complaint: dict[str, Any], *items: tuple[str, str | None], **more: Any) -> Any:
        options = [{"kind": kind} | ({"amount": eur(amount)} if amount else {}) for kind, amount in items]
        body = {"options": options, "reason": "It came late."} | more
        return caller.post(f"/complaints/{complaint['reference']}/offers", body)

    def test_the_furthest_away_is_told(self, agent: Caller) -> None:
        complaint = bought(agent)
        fair = (("voucher", "50.00"), ("goodwill_payment", "40.00"))
        offer = self.options(agent, complaint, *fair).json
        assert offer["override"] is None
        step(agent, offer, "withdraw")
        far = (("voucher", "55.00"), ("goodwill_payment", "90.00"))
        assert codes(self.options(agent, complaint, *far)) == [("/override_reason", "override_reason")]
        assert self.options(agent, complaint, *far, **WHY).json["override"]["by"] == eur("50.00")

    def test_none_of_them_is_below_the_floor(self, agent: Caller) -> None:
        items = (("partial_refund", "400.00"), ("voucher", "450.00"), ("apology_letter", None))
        answer = self.options(agent, flown(agent), *items, **WHY)
        assert codes(answer) == [("/options/1/amount", "below_floor"), ("/options/2/amount", "below_floor")]


class TestFloor:
    def test_what_is_laid_down_comes_first(self, agent: Caller) -> None:
        complaint = flown(agent)
        for kind, amount in (("voucher", "10.00"), ("partial_refund", "399.99"), ("replacement", "10.00")):
            answer = draft(agent, complaint, kind, amount, **WHY)
            assert (answer.status_code, codes(answer)) == (422, [("/amount", "below_floor")])
            assert "tariffs.eu.261" in answer.json["errors"][0]["detail"]
        assert draft(agent, complaint, "apology_letter", None).status_code == 201
        assert draft(agent, complaint, "partial_refund", "400.00").json["override"] is None
        assert draft(agent, complaint, "voucher", "10.00").json["override"] is None

    def test_who_may_say_why_not(self, agent: Caller, manager: Caller) -> None:
        complaint = flown(agent)
        assert refused(draft(agent, complaint, "voucher", "10.00", **FLOOR)) == (403, "forbidden")
        offer = draft(manager, complaint, "voucher", "10.00", **FLOOR).json
        assert offer["override"] == {
            "direction": "below_floor",
            "suggested": eur("400.00"),
            "by": eur("-400.00"),
            "reason": None,
            "floor_reason": FLOOR["floor_reason"],
        }

    def test_a_refund_that_came_to_nothing_covers_nothing(self, agent: Caller) -> None:
        complaint = flown(agent)
        offer = draft(agent, complaint, "partial_refund", "400.00").json
        assert agent.pay(f"/offers/{offer['id']}/actions/withdraw", {}).status_code == 200
        assert codes(draft(agent, complaint, "voucher", "10.00")) == [("/amount", "below_floor")]

    def test_a_refund_that_is_to_be_replaced_covers_nothing(self, agent: Caller, manager: Caller, budget: str) -> None:
        """With the sending of the other it ends; all that is laid down would be gone with it."""
        complaint = flown(agent)
        refund = {"kind": "partial_refund", "amount": eur("400.00"), "reason": "It is laid down."}
        offer = offered(manager, complaint, refund)
        act(manager, offer, "counter", said_by="phone", words="Something else.")
        instead = {"successor_of": offer["id"]}
        assert codes(draft(agent, complaint, "voucher", "10.00", **instead)) == [("/amount", "below_floor")]
        assert codes(draft(agent, complaint, "partial_refund", "399.99", **instead)) == [("/amount", "below_floor")]
        assert draft(agent, complaint, "partial_refund", "405.00", **instead).json["override"] is None


class TestFloorAgain:
    """What is owed becomes more after the draft, or what covered it comes to nothing."""

    @pytest.fixture(autouse=True)
    def _money(self, manager: Caller) -> None:
        open_budget(manager, "9000.00")

    def test_when_it_is_submitted(self, database: Database, agent: Caller, manager: Caller) -> None:
        complaint = bought(agent, jurisdiction="DE")
        offer = draft(agent, complaint, "voucher", "10.00").json
        recorded(agent, complaint, **FLIGHT)
        answer = step(agent, offer, "submit")
        assert (refused(answer), answer.json["missing"]) == ((409, "below_floor"), eur("400.00"))
        assert foretold(agent, offer, "submit") == [("below_floor", answer.json["detail"])]
        assert "tariffs.eu.261" in answer.json["detail"]
        assert agent.get(f"/offers/{offer['id']}").json["status"] == "drafted"
        assert refused(step(agent, offer, "submit", **FLOOR)) == (403, "forbidden")
        done = step(manager, offer, "submit", **FLOOR).json
        assert (done["status"], done["override"]["floor_reason"]) == ("approved", FLOOR["floor_reason"])
        assert step(agent, offer, "offer").json["status"] == "offered", "what was said once holds"
        assert violations(database) == []

    def test_when_it_is_approved_and_when_more_is_missing(self, agent: Caller, manager: Caller) -> None:
        complaint = bought(agent, jurisdiction="DE")
        offer = draft(agent, complaint, "voucher", "90.00", **WHY).json
        assert step(agent, offer, "submit").json["status"] == "pending_approval"
        recorded(agent, complaint, **FLIGHT)
        assert refused(step(manager, offer, "approve", reason="x")) == (409, "below_floor")
        assert [code for code, _ in foretold(manager, offer, "approve")] == ["below_floor"]
        assert step(manager, offer, "approve", reason="x", **FLOOR).json["status"] == "approved"
        assert foretold(manager, offer, "offer") == []
        recorded(agent, complaint, passengers=2)
        answer = step(manager, offer, "offer")
        assert (refused(answer), answer.json["missing"]) == ((409, "below_floor"), eur("800.00"))
        assert step(manager, offer, "offer", floor_reason="Paid to both.").json["status"] == "offered"

    def test_when_it_is_sent_only_what_was_approved_counts(self, agent: Caller, manager: Caller) -> None:
        complaint = flown(agent)
        refund = draft(agent, complaint, "partial_refund", "400.00").json
        voucher = draft(agent, complaint, "voucher", "10.00").json
        step(agent, voucher, "submit")
        assert refused(step(agent, voucher, "offer")) == (409, "below_floor")
        assert [code for code, _ in foretold(agent, voucher, "offer")] == ["below_floor"]
        step(agent, refund, "submit")
        step(manager, refund, "approve", reason="It is owed.")
        step(agent, refund, "offer")
        assert foretold(agent, voucher, "offer") == []
        assert step(agent, voucher, "offer").json["status"] == "offered"

    def test_when_what_covered_it_came_to_nothing(self, agent: Caller, manager: Caller) -> None:
        complaint = flown(agent)
        refund = draft(agent, complaint, "partial_refund", "400.00").json
        step(agent, refund, "submit")
        step(manager, refund, "approve", reason="It is owed.")
        voucher = draft(agent, complaint, "voucher", "10.00").json
        step(manager, voucher, "submit")
        step(manager, refund, "offer")
        step(manager, refund, "decline", said_by="phone")
        assert refused(step(agent, voucher, "offer")) == (409, "below_floor")

    def test_an_apology_goes_out_all_the_same(self, agent: Caller) -> None:
        complaint = flown(agent)
        letter = draft(agent, complaint, "apology_letter", None).json
        assert [step(agent, letter, action).status_code for action in ("submit", "offer")] == [200, 200]


class TestFloorInAnotherCurrency:
    """Nobody here knows a rate."""

    def test_is_a_floor_whatever_is_recorded_beside_it(self, agent: Caller, manager: Caller) -> None:
        complaint = bought(agent, jurisdiction="DE", price={"amount": "200.00", "currency": "USD"})
        recorded(agent, complaint, **FLIGHT)
        for statutory in (None, "0.00", "430.00"):
            if statutory is not None:
                recorded(agent, complaint, statutory={"amount": statutory, "currency": "USD"})
            for kind in ("voucher", "partial_refund"):
                answer = draft(agent, complaint, kind, "430.00", currency="USD", **WHY)
                assert ("/amount", "below_floor") in codes(answer)
                told = answer.json["errors"][-1]["detail"]
                assert told.startswith("400.00 EUR is laid down (eu.261), this is reckoned in USD")
                assert "what it comes to in USD" in told
        assert draft(agent, complaint, "apology_letter", None).status_code == 201
        worth = {"floor_reason": "400 EUR are 430 USD by the rate of that day."}
        assert draft(manager, complaint, "partial_refund", "430.00", currency="USD", **worth).status_code == 201

    def test_nor_is_it_in_a_currency_that_nobody_reckons_in(self, agent: Caller) -> None:
        body = complaint_body(jurisdiction="DE")
        del body["price"]
        complaint = agent.post("/complaints", body).json
        recorded(agent, complaint, **FLIGHT, statutory={"amount": "0", "currency": "JPY"})
        answer = draft(agent, complaint, "goodwill_payment", "1000", currency="JPY", **WHY)
        assert codes(answer) == [("/amount", "below_floor")]
        assert "Offer it in EUR first." in answer.json["errors"][0]["detail"]

    def test_the_first_offer_does_not_get_around_it(self, agent: Caller) -> None:
        body = complaint_body(jurisdiction="DE")
        del body["price"]
        complaint = agent.post("/complaints", body).json
        recorded(agent, complaint, **FLIGHT)
        assert codes(draft(agent, complaint, "goodwill_payment", "900.00", currency="USD", **WHY)) == [
            ("/amount", "below_floor")
        ]
        assert draft(agent, complaint, "goodwill_payment", "400.00").status_code == 201

    def test_who_may_says_why(self, agent: Caller, manager: Caller) -> None:
        open_budget(manager, currency="USD")
        complaint = bought(agent, jurisdiction="DE", price={"amount": "200.00", "currency": "USD"})
        recorded(agent, complaint, **FLIGHT)
        offer = draft(manager, complaint, "voucher", "30.00", currency="USD", **FLOOR).json
        assert (offer["override"]["direction"], offer["override"]["by"]) == ("below_floor", eur("-400.00"))
        assert [step(manager, offer, action).status_code for action in ("submit", "offer")] == [200, 200]


def test_judging_is_pure_and_total() -> None:
    """By itself, with nothing suggested and everything settled."""
    from tests.recovery.test_playbook import suggestion as found  # its builder

    nothing, plenty, already = Money(0, "EUR"), Money.parse("500", "EUR"), Already("EUR")
    none, letter = found(fault="none"), Terms(kind="apology_letter")
    over = overriding.judge("voucher", Money(1, "EUR"), none, already)
    assert over is not None
    assert (over.direction, over.by) == ("over", Money(1, "EUR"))
    assert overriding.judge("apology_letter", None, none, already) is None
    assert floor.below_floor(Terms(kind="voucher", amount=Money(1, "EUR")), found(statutory=plenty), plenty) is None
    assert floor.below_floor(letter, found(statutory=plenty), nothing) is None
    assert floor.below_floor(letter, found(statutory=plenty), nothing, several=True) == plenty
    assert floor.below_floor(Terms(kind="refund", amount=plenty), found(statutory=plenty), nothing) is None


def agent_name(caller: Caller) -> str:
    return str(caller.get("/me").json["name"])


class TestReport:
    PATH = "/reports/suggestion-overrides"

    def test_who_may(self, anonymous: Caller, agent: Caller, auditor: Caller) -> None:
        assert anonymous.get(self.PATH).status_code == 401
        assert agent.get(self.PATH).status_code == 403
        empty = auditor.get(self.PATH).json
        assert empty == {"offers": 0, "overrides": 0, "share": None, "by_direction": [], "by_agent": []}

    def test_counts_by_agent_direction_and_size(self, agent: Caller, manager: Caller, auditor: Caller) -> None:
        complaint = bought(agent)
        draft(agent, complaint, "voucher", "20.00")
        for amount in ("40.00", "20.00", "100.00"):  # of which 20 are left in money the first time
            draft(agent, complaint, "goodwill_payment", amount, **WHY)
        draft(manager, complaint, "re_performance", "30.00", **WHY)
        found = auditor.get(self.PATH).json
        assert (found["offers"], found["overrides"], found["share"]) == (5, 4, 0.8)
        kind, over = found["by_direction"]
        assert (kind["direction"], kind["count"], kind["total"]) == ("kind", 1, eur("0.00"))
        assert (over["count"], over["total"], over["median"], over["p90"]) == (
            3, eur("140.00"), eur("20.00"), eur("100.00"),
        )  # fmt: skip
        assert [(row["agent_id"], row["offers"], row["overrides"], row["over"], row["kind"]) for row in found["by_agent"]] == [
            (str(agent.id), 4, 3, 3, 0), (str(manager.id), 1, 1, 0, 1),
        ]  # fmt: skip
        assert auditor.get(f"{self.PATH}?until=2000-01-01T00:00:00Z").json["offers"] == 0
        assert draft(agent, complaint, "goodwill_payment", "50.01", **WHY).status_code == 201  # 20, 20, 50.01 and 100
        assert auditor.get(self.PATH).json["by_direction"][1]["median"] == eur("35.01")

    def test_one_by_one_with_what_was_said(self, agent: Caller, manager: Caller, auditor: Caller) -> None:
        complaint = bought(agent)
        draft(agent, complaint, "voucher", "20.00")
        more = draft(agent, complaint, "voucher", "60.00", **WHY).json
        other = draft(manager, complaint, "re_performance", "30.00", override_reason="He wanted it cleaned.").json
        path = f"{self.PATH}/items"
        assert auditor.get(path).json["items"] == [
            {
                "offer_id": other["id"], "complaint_id": complaint["id"], "complaint_reference": complaint["reference"],
                "kind": "re_performance", "status": "drafted", "direction": "kind", "suggested": eur("30.00"),
                "given": eur("30.00"), "by": eur("0.00"), "reason": "He wanted it cleaned.", "floor_reason": None,
                "at": other["created_at"], "actor_kind": "agent", "actor_id": str(manager.id),
                "actor_name": agent_name(manager), "counts": True,
            },
            {
                "offer_id": more["id"], "complaint_id": complaint["id"], "complaint_reference": complaint["reference"],
                "kind": "voucher", "status": "drafted", "direction": "over", "suggested": eur("30.00"),
                "given": eur("60.00"), "by": eur("30.00"), "reason": WHY["override_reason"], "floor_reason": None,
                "at": more["created_at"], "actor_kind": "agent", "actor_id": str(agent.id),
                "actor_name": agent_name(agent), "counts": True,
            },
        ]  # fmt: skip
        first = auditor.get(f"{path}?limit=1").json
        second = auditor.get(f"{path}?limit=1&cursor={first['next_cursor']}").json
        assert [item["offer_id"] for item in (*first["items"], *second["items"])] == [other["id"], more["id"]]
        for query, found in (
            (f"agent_id={agent.id}", [more]),
            ("direction=kind", [other]),
            ("until=2000-01-01T00:00:00Z", []),
        ):
            listed = auditor.get(f"{path}?{query}").json["items"]
            assert [item["offer_id"] for item in listed] == [offer["id"] for offer in found]

    def test_of_what_one_sees(self, agent: Caller, join: Join, database: Database) -> None:
        draft(agent, bought(agent, team_id=str(agent.actor.team_ids[0])), "voucher", "60.00", **WHY)
        outside = join("senior", team_ids=[make_team(database, "Elsewhere")])
        assert outside.get(self.PATH).json["offers"] == 0
        assert join("senior").get(self.PATH).json["offers"] == 1
        assert scalar(database, "SELECT count(*) FROM offer_override") == 1
