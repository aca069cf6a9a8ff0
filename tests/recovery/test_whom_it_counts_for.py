"""For whom an offer counts after merges: those whose matters were in its complaint when it was drafted.

How it can fail: what was paid for two is owed again where both go on; what one was paid before another one came stands against
what is owed to that other one; a merge that was undone and made elsewhere is paid twice; goodwill of one is refused for what
another one was paid.
"""

from typing import Any

import pytest

from helpdesk.kernel.unit_of_work import Database
from tests.complaints.merging import merge, unmerge, verified
from tests.conftest import Caller
from tests.recovery.answers import codes, refused
from tests.recovery.drafting import FLOOR, draft, step
from tests.recovery.helpers import accepted, act, eur, open_budget
from tests.recovery.test_floor import BELOW, suggestion
from tests.recovery.test_owed_after_merges import ANN, ASIDE, BOB, CID, QUIET, Complaint, case, lost

EU = {"cause": "delay", "distance_km": "1000", "delay_hours": "4", "extraordinary": False, "passengers": 1}
"""250 are laid down."""
DAN = {"name": "Dan", "email": "dan@example.com"}


@pytest.fixture(autouse=True)
def _money(manager: Caller) -> None:
    open_budget(manager, "9000.00")


def pay(caller: Caller, complaint: Complaint, amount: str, kind: str = "partial_refund", **more: Any) -> None:
    why = {"reason": "It is owed.", "override_reason": "Agreed."}
    offer = accepted(caller, complaint, {"kind": kind, "amount": eur(amount), **why, **more})
    offer = act(caller, offer, "record_issued", reference=f"R-{offer['id']}")
    if not offer["delivered_at"]:
        act(caller, offer, "confirm_delivery", said_by="phone")


def left(caller: Caller, complaint: Complaint) -> tuple[str, str]:
    found = suggestion(caller, complaint)["remaining"]
    return found["owed"]["amount"], found["goodwill"]["amount"]


def still_owed(caller: Caller, complaint: Complaint) -> str:
    return left(caller, complaint)[0]


class TestChain:
    @pytest.mark.parametrize("middle", [CID, ANN], ids=["known", "unknown"])
    def test_what_was_paid_for_two_is_paid_where_both_go_on(
        self, manager: Caller, database: Database, middle: dict[str, Any]
    ) -> None:
        x, y, z = case(manager, EU, complainant=BOB), case(manager, complainant=middle), case(manager, complainant=DAN)
        merge(manager, x, y, **ASIDE)
        pay(manager, y, "250.00")
        assert still_owed(manager, y) == "0.00"
        merge(manager, y, z, **ASIDE)
        assert still_owed(manager, z) == "0.00"
        assert refused(draft(manager, z, "partial_refund", "250.00")) == (409, "already_compensated")
        assert draft(manager, z, "voucher", "5.00").status_code == 201
        unmerge(manager, y, **QUIET)
        assert still_owed(manager, y) == "0.00"
        verified(database)

    def test_each_shows_its_own_new_loss(self, manager: Caller) -> None:
        whose = (BOB, CID, DAN, {"name": "Eve", "email": "eve@example.com"})
        losses = ("11.00", "22.00", "44.00", "88.00")
        chain = [case(manager, complainant=one, **lost(loss)) for one, loss in zip(whose, losses, strict=True)]
        shown = ("33.00", "44.00", "88.00")
        for place, owed in enumerate(shown, start=1):
            merge(manager, chain[place - 1], chain[place], **ASIDE)
            assert still_owed(manager, chain[place]) == owed
            pay(manager, chain[place], owed)
            assert still_owed(manager, chain[place]) == "0.00"

    def test_or_that_of_all_that_came(self, manager: Caller) -> None:
        a, b, c = (case(manager, complainant=one, **lost(loss)) for one, loss in ((BOB, "11.00"), (CID, "22.00"), (DAN, "44.00")))  # fmt: skip
        merge(manager, a, b, **ASIDE)
        pay(manager, b, "30.00")
        assert still_owed(manager, b) == "3.00"
        merge(manager, b, c, **ASIDE)
        assert still_owed(manager, c) == "47.00"
        assert refused(draft(manager, c, "partial_refund", "47.01", override_reason="x")) == (
            409,
            "already_compensated",
        )
        assert draft(manager, c, "partial_refund", "47.00").status_code == 201


class TestThroughSomebodyElse:
    """A customer's complaint comes back to another one of theirs by way of somebody else's."""

    @pytest.mark.parametrize("after", [False, True])
    def test_what_they_were_paid_there_is_not_owed_here(self, manager: Caller, after: bool) -> None:
        x, y, z = case(manager, EU, complainant=BOB), case(manager, complainant=CID), case(manager, complainant=BOB)
        if not after:
            pay(manager, x, "250.00")
        merge(manager, x, y, **ASIDE)
        if after:
            pay(manager, y, "250.00")
        merge(manager, y, z, **ASIDE)
        assert still_owed(manager, z) == "0.00"
        assert refused(draft(manager, z, "partial_refund", "250.00")) == (409, "already_compensated")
        if after:
            assert draft(manager, z, "voucher", "5.00").status_code == 201


class TestMovedWithItsComplaint:
    """Of one customer's complaints the offers go along: for whom they count is as it was where they were drafted."""

    def test_what_was_for_somebody_else_too_still_is(self, manager: Caller, database: Database) -> None:
        q, w, s = case(manager, EU, complainant=CID), case(manager, complainant=BOB), case(manager, complainant=BOB)
        merge(manager, q, w, **ASIDE)
        pay(manager, w, "250.00")
        merge(manager, w, s, **QUIET)
        assert still_owed(manager, s) == "0.00"
        assert refused(draft(manager, s, "partial_refund", "249.00", override_reason="x")) == (
            409,
            "already_compensated",
        )
        unmerge(manager, w, **QUIET)
        assert still_owed(manager, w) == "0.00"
        verified(database)

    def test_what_was_not_is_not(self, manager: Caller) -> None:
        w, s, d = case(manager, complainant=BOB), case(manager, complainant=BOB), case(manager, EU, complainant=CID)
        pay(manager, w, "40.00", "goodwill_payment")
        merge(manager, w, s, **QUIET)
        merge(manager, d, s, **ASIDE)
        assert left(manager, s) == ("250.00", "0.00")


class TestUndone:
    def test_what_was_for_both_is_not_paid_again_elsewhere(self, manager: Caller) -> None:
        x, y, z = case(manager, EU, complainant=BOB), case(manager, complainant=CID), case(manager, complainant=DAN)
        merge(manager, x, y, **ASIDE)
        pay(manager, y, "250.00")
        unmerge(manager, x, **QUIET)
        assert refused(draft(manager, x, "partial_refund", "250.00")) == (409, "already_compensated")
        merge(manager, x, z, **ASIDE)
        answer = draft(manager, z, "partial_refund", "250.00")
        assert refused(answer) == (409, "already_compensated")
        assert answer.json["sums"] == [eur("250.00")]

    def test_and_where_it_is_merged_again_it_counts(self, manager: Caller) -> None:
        x, y = case(manager, EU, complainant=BOB), case(manager, complainant=CID)
        merge(manager, x, y, **ASIDE)
        pay(manager, y, "250.00")
        unmerge(manager, x, **QUIET)
        merge(manager, x, y, **ASIDE)
        assert still_owed(manager, y) == "0.00"


class TestPaidBeforeAnotherCame:
    @pytest.mark.parametrize("turned", [False, True])
    def test_it_is_not_held_against_the_other_one(self, manager: Caller, turned: bool) -> None:
        s, d = case(manager, complainant=BOB), case(manager, EU, complainant=CID)
        pay(manager, s, "250.00", "goodwill_payment")
        source, survivor = (s, d) if turned else (d, s)
        merge(manager, source, survivor, **ASIDE)
        assert still_owed(manager, survivor) == "250.00"
        assert codes(draft(manager, survivor, "voucher", "10.00", override_reason="x")) == BELOW
        answer = draft(manager, survivor, "partial_refund", "250.00")
        assert answer.status_code == 201, answer.text
        assert still_owed(manager, survivor) == "0.00"

    def test_the_floor_wants_all_of_it(self, manager: Caller) -> None:
        s, d = case(manager, complainant=BOB, **lost("60.00")), case(manager, EU, complainant=CID)
        pay(manager, s, "60.00")
        merge(manager, d, s, **ASIDE)
        assert still_owed(manager, s) == "250.00"
        answer = draft(manager, s, "voucher", "10.00")
        assert "250.00 of it is not offered" in answer.text

    def test_nor_is_what_is_still_open(self, manager: Caller) -> None:
        s, d = case(manager, complainant=BOB), case(manager, EU, complainant=CID)
        why = {"override_reason": "Agreed."}
        offer = draft(manager, s, "goodwill_payment", "250.00", **why).json
        merge(manager, d, s, **ASIDE)
        assert still_owed(manager, s) == "250.00"
        answer = step(manager, offer, "submit")
        assert (refused(answer), answer.json["missing"]) == ((409, "below_floor"), eur("250.00"))
        paid = draft(manager, s, "partial_refund", "250.00")
        assert paid.status_code == 201, paid.text
        assert step(manager, offer, "submit").status_code == 200


class TestGoodwillBesideSomebodyElses:
    @pytest.mark.parametrize("paid", ["100.00", "250.00"])
    def test_it_is_given_within_the_suggestion(self, manager: Caller, paid: str) -> None:
        s, d = case(manager, complainant=BOB), case(manager, EU, complainant=CID)
        pay(manager, d, paid, **(FLOOR if paid != "250.00" else {}))
        merge(manager, d, s, **ASIDE)
        if paid != "250.00":
            assert still_owed(manager, s) == "150.00"
            answer = draft(manager, s, "partial_refund", "150.00")
            assert answer.status_code == 201, answer.text
        owed, goodwill = left(manager, s)
        assert (owed, goodwill) == ("0.00", "40.00")
        assert refused(draft(manager, s, "voucher", "40.01", override_reason="x")) == (409, "already_compensated")
        answer = draft(manager, s, "voucher", "40.00")
        assert answer.status_code == 201, answer.text
        assert refused(draft(manager, s, "partial_refund", "0.01", override_reason="x")) == (409, "already_compensated")
