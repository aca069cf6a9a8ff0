"""What is owed after complaints were merged: to each complainant what they were owed before, and after undoing it what was.

How it can fail: a customer whom a merge has made known makes two complainants one; another one's loss is lost, or set off against
what somebody else is paid; of two complaints of one customer that counts which lays down less; what one complainant was paid
stands against what another one is owed; a floor says that facts are missing, and neither whose nor where to record them.
"""

from collections.abc import Callable
from typing import Any

import pytest

from helpdesk.kernel.unit_of_work import Database
from tests.complaints.merging import merge, new, read, unmerge, verified
from tests.conftest import Caller, Join, make_team
from tests.recovery.answers import codes, refused
from tests.recovery.drafting import FLIGHT, FLOOR, draft, foretold, recorded, step
from tests.recovery.helpers import accepted, act, eur, open_budget, violations
from tests.recovery.test_floor import BELOW, changed, elsewhere, gbp, priceless, suggestion

ANN: dict[str, Any] = {"name": "Ann"}
"""Nobody knows who she is."""
BOB = {"name": "Bob", "email": "bob@example.com"}
CID = {"name": "Cid", "email": "cid@example.com"}
QUIET: dict[str, Any] = {"silent": True}
ASIDE: dict[str, Any] = {"silent": True, "other_complainant": True}
EU = {**FLIGHT, "within_eu": True, "passengers": 1}
EU600 = {**FLIGHT, "distance_km": "5000", "passengers": 1}
"""400 and 600 are laid down."""
Complaint = dict[str, Any]


def case(caller: Caller, facts: dict[str, Any] | None = None, **more: Any) -> Complaint:
    said = {"jurisdiction": "DE"} | more
    complaint = priceless(caller, **{name: value for name, value in said.items() if value is not None})
    if facts:
        recorded(caller, complaint, **facts)
    return complaint


def owed(caller: Caller, complaint: Complaint) -> str:
    return str(suggestion(caller, complaint)["owed"]["amount"])


def lost(amount: str) -> dict[str, Any]:
    return {"loss": eur(amount)}


class TestOfSomebodyNobodyKnows:
    @pytest.mark.parametrize(
        ("one", "other"), [(ANN, BOB), (ANN, ANN), (BOB, ANN), (BOB, CID)], ids=["learned", "neither", "kept", "both"]
    )
    def test_each_is_owed_their_own(self, manager: Caller, one: dict[str, Any], other: dict[str, Any]) -> None:
        survivor, source = case(manager, EU, complainant=one), case(manager, EU600, complainant=other)
        merge(manager, source, survivor, **ASIDE)
        found = suggestion(manager, survivor)
        assert found["owed"] == eur("1000.00")
        assert sorted(item["other_complainant"] for item in found["tariffs"]) == [False, True]
        unmerge(manager, source, **QUIET)
        assert (owed(manager, survivor), owed(manager, source)) == ("400.00", "600.00")

    def test_by_the_standards_of_two_days(self, manager: Caller) -> None:
        old = {"jurisdiction": "GB", "complainant": ANN}
        survivor = case(manager, {"failed_standards": 1, "happened_on": "2024-12-31"}, **old)
        source = case(manager, {"failed_standards": 1}, **old)
        merge(manager, source, survivor, **ASIDE)
        assert owed(manager, survivor) == "70.00"

    def test_by_a_chain_each_is_owed_once(self, manager: Caller) -> None:
        """A customer that a merge brought is not whose complaint it is."""
        first, second = case(manager, EU, complainant=ANN), case(manager, EU600, complainant=ANN)
        third, again = case(manager, EU, complainant=BOB), case(manager, EU600, complainant=BOB)
        merge(manager, third, second, **ASIDE)
        merge(manager, second, first, **ASIDE)
        assert read(manager, first)["customer_id"] == read(manager, third)["customer_id"]
        assert owed(manager, first) == "1400.00"
        merge(manager, again, first, **QUIET)
        assert owed(manager, first) == "1600.00", "of one customer it is one matter"
        for source in (again, second):
            unmerge(manager, source, **QUIET)
        assert (owed(manager, first), owed(manager, second)) == ("400.00", "1000.00")


class TestLoss:
    @pytest.mark.parametrize(
        ("mine", "theirs", "both"),
        [
            ((None, "50.00"), (None, "90.00"), "140.00"),
            ((EU, None), (None, "90.00"), "490.00"),
            ((EU, "50.00"), (None, "90.00"), "490.00"),
            ((None, "50.00"), (EU, "500.00"), "550.00"),
            ((None, None), (EU, "500.00"), "500.00"),
        ],
    )
    def test_each_is_set_off_by_what_pays_for_it(
        self, manager: Caller, database: Database, mine: tuple[Any, Any], theirs: tuple[Any, Any], both: str
    ) -> None:
        survivor, source = (
            case(manager, facts, complainant=whose, **({} if amount is None else lost(amount)))
            for whose, (facts, amount) in ((BOB, mine), (CID, theirs))
        )
        before = owed(manager, survivor), owed(manager, source)
        merge(manager, source, survivor, **ASIDE)
        assert owed(manager, survivor) == both
        shown = read(manager, survivor)["loss"]
        assert shown == (None if mine[1] is None else eur(mine[1])), "what another one lost is theirs"
        unmerge(manager, source, **QUIET)
        assert (owed(manager, survivor), owed(manager, source)) == before
        verified(database)

    def test_each_is_told_by_itself(self, manager: Caller) -> None:
        survivor = case(manager, EU, complainant=BOB, **lost("50.00"))
        source = case(manager, EU, complainant=CID, **lost("500.00"))
        merge(manager, source, survivor, **ASIDE)
        lines = [line for line in suggestion(manager, survivor)["lines"] if line["kind"] != "goodwill"]
        assert [(line["rule"], line["amount"]["amount"]) for line in lines] == [
            ("restitution.proven_loss", "0.00"),
            ("restitution.proven_loss", "100.00"),
            ("tariffs.eu.261", "400.00"),
            ("tariffs.eu.261", "400.00"),
        ]
        assert lines[1]["evidence"]["other_complainant"] is True

    def test_what_they_were_paid_there_is_not_owed_again(self, manager: Caller) -> None:
        open_budget(manager)
        survivor, source = case(manager, complainant=BOB), case(manager, complainant=CID, **lost("90.00"))
        _paid(manager, source, "60.00")
        merge(manager, source, survivor, **ASIDE)
        assert owed(manager, survivor) == "30.00"

    def test_in_another_currency_it_is_told(self, manager: Caller) -> None:
        survivor = new(manager, complainant=BOB, price=eur("100.00"))
        source = priceless(manager, complainant=CID, loss=gbp("50.00"))
        merge(manager, source, survivor, **ASIDE)
        (told,) = suggestion(manager, survivor)["other_currencies"]
        assert (told["what"], told["amount"], told["other_complainant"]) == ("loss", gbp("50.00"), True)

    def test_of_one_customer_the_larger_counts(self, manager: Caller, database: Database) -> None:
        survivor, source = case(manager, **lost("50.00")), case(manager, **lost("90.00"))
        merge(manager, source, survivor, **QUIET)
        assert owed(manager, survivor) == "90.00"
        unmerge(manager, source, **QUIET)
        assert (owed(manager, survivor), owed(manager, source)) == ("50.00", "90.00")
        verified(database)

    def test_what_somebody_says_of_it_afterwards_is_said_of_both(self, manager: Caller) -> None:
        survivor, source = case(manager, **lost("50.00")), case(manager, **lost("90.00"))
        merge(manager, source, survivor, **QUIET)
        changed(manager, survivor, **lost("30.00"))
        assert owed(manager, survivor) == "30.00"


NOW_GB = {"failed_standards": 1}
IN_TIME = {"cause": "cancellation", "notice_days": 20}


class TestOfOneCustomer:
    """It is one matter: what one of its complaints lays down is not lost because another one goes on."""

    @pytest.mark.parametrize(
        ("mine", "theirs", "both"),
        [
            ((None, {"jurisdiction": "GB"}), (EU, {}), "400.00"),
            ((None, {"jurisdiction": "GB", "received_at": "2024-12-31T09:00:00Z"}), (NOW_GB, {"jurisdiction": "GB"}), "40.00"),
            ((NOW_GB, {"jurisdiction": "GB"}), ({"happened_on": "2024-12-31"}, {"jurisdiction": "GB"}), "40.00"),
            ((IN_TIME, {}), (EU, {}), "400.00"),
            ((EU, {}), (EU600, {}), "600.00"),
            ((EU600, {}), (EU, {}), "600.00"),
            (({"statutory": eur("10.00")}, {}), ({"statutory": eur("20.00")}, {}), "20.00"),
            (({"statutory": eur("20.00")}, {}), ({"statutory": eur("10.00")}, {}), "20.00"),
            ((None, {}), ({"statutory": eur("10.00")}, {}), "10.00"),
        ],
    )  # fmt: skip
    def test_the_larger_counts(
        self, manager: Caller, mine: tuple[Any, Any], theirs: tuple[Any, Any], both: str
    ) -> None:
        survivor, source = (case(manager, facts, **more) for facts, more in (mine, theirs))
        before = owed(manager, survivor), owed(manager, source)
        merge(manager, source, survivor, **QUIET)
        assert owed(manager, survivor) == both
        unmerge(manager, source, **QUIET)
        assert (owed(manager, survivor), owed(manager, source)) == before

    def test_what_one_of_them_lacks_the_other_tells(self, manager: Caller) -> None:
        known = dict(EU)
        hours = known.pop("delay_hours")
        survivor, source = case(manager, {"delay_hours": hours}), case(manager, known)
        assert codes(draft(manager, source, "voucher", "10.00")) == BELOW
        merge(manager, source, survivor, **QUIET)
        (told,) = suggestion(manager, survivor)["tariffs"]
        assert told["amount"] == eur("400.00")

    def test_what_cannot_be_told_stays_said(self, manager: Caller) -> None:
        open_budget(manager)
        survivor = case(manager, EU)
        source = case(manager, {"cause": "cancellation", "distance_km": "5000"})
        merge(manager, source, survivor, **QUIET)
        found = suggestion(manager, survivor)
        assert [item["code"] for item in found["tariffs"]] == ["owed", "facts_missing"]
        assert draft(manager, survivor, "partial_refund", "400.00").status_code == 422
        recorded(manager, survivor, statutory=eur("0.00"))
        assert draft(manager, survivor, "partial_refund", "400.00").status_code == 422, (
            "that is not about the other one"
        )
        recorded(manager, source, notice_days=30)
        assert draft(manager, survivor, "partial_refund", "400.00").status_code == 201

    def test_what_is_recorded_in_two_currencies_is_both(self, manager: Caller) -> None:
        survivor, source = case(manager, {"statutory": eur("10.00")}), case(manager, {"statutory": gbp("20.00")})
        merge(manager, source, survivor, **QUIET)
        found = suggestion(manager, survivor)
        assert (found["owed"], elsewhere(found)) == (eur("10.00"), [("statutory", gbp("20.00"))])

    def test_what_is_recorded_here_takes_nothing_away_and_what_is_asked_for_does(self, manager: Caller) -> None:
        survivor, source = case(manager), case(manager, EU)
        merge(manager, source, survivor, **QUIET)
        answer = draft(manager, survivor, "voucher", "10.00")
        assert f"by the facts of {source['reference']} (PATCH /complaints/{source['reference']}/" in answer.text
        recorded(manager, survivor, extraordinary=True)
        assert owed(manager, survivor) == "400.00", "it is put right where it was recorded"
        assert suggestion(manager, survivor, "?delay_hours=1")["owed"] == eur("0.00")
        assert suggestion(manager, survivor, "?extraordinary=true&statutory=7.00")["owed"] == eur("7.00")


def _paid(caller: Caller, complaint: Complaint, amount: str) -> None:
    paid = {"kind": "partial_refund", "amount": eur(amount), "reason": "It is owed."}
    offer = accepted(caller, complaint, paid)
    for action, said in (("record_issued", {"reference": "R-1"}), ("confirm_delivery", {"said_by": "phone"})):
        if not (action == "confirm_delivery" and offer["delivered_at"]):
            offer = act(caller, offer, action, **said)


class TestPaidBefore:
    """What one complainant was paid is not held against another one."""

    @pytest.fixture(autouse=True)
    def _money(self, manager: Caller) -> None:
        open_budget(manager, "9000.00")

    @pytest.mark.parametrize("paid", ["600.00", "650.00"])
    def test_the_other_one_is_paid_theirs(self, manager: Caller, paid: str) -> None:
        survivor, source = case(manager, EU, complainant=BOB), case(manager, EU600, complainant=CID)
        _paid(manager, source, paid)
        merge(manager, source, survivor, **ASIDE)
        found = suggestion(manager, survivor)
        assert (found["owed"], found["remaining"]["owed"]) == (eur("400.00"), eur("400.00"))
        answer = draft(manager, survivor, "partial_refund", "400.00")
        assert answer.status_code == 201, answer.text

    def test_more_than_that_is_compensation_for_the_same_matter(self, manager: Caller) -> None:
        survivor, source = case(manager, EU, complainant=BOB), case(manager, EU600, complainant=CID)
        _paid(manager, source, "600.00")
        merge(manager, source, survivor, **ASIDE)
        answer = draft(manager, survivor, "partial_refund", "401.00", override_reason="A day off.")
        assert refused(answer) == (409, "already_compensated")
        assert (answer.json["given"], answer.json["owed"]) == (eur("600.00"), eur("400.00"))

    def test_of_one_customer_it_is(self, manager: Caller, database: Database) -> None:
        survivor, source = case(manager, EU), case(manager, EU600)
        _paid(manager, source, "600.00")
        merge(manager, source, survivor, **QUIET)
        assert suggestion(manager, survivor)["remaining"]["owed"] == eur("0.00")
        assert refused(draft(manager, survivor, "partial_refund", "400.00")) == (409, "already_compensated")
        assert violations(database) == []


FAR = {"cause": "delay", "distance_km": "1000", "delay_hours": "4", "extraordinary": False}
"""250 are laid down in the EU."""
NOWHERE: dict[str, Any] = {"jurisdiction": None}


class TestWhatAnotherOneBrings:
    """The survivor's own matter stays what it was: where another complainant is, what they bought and what they were paid is theirs."""

    @pytest.mark.parametrize(("theirs", "both"), [(None, "0.00"), (FAR, "250.00")])
    def test_no_law_of_their_country(
        self, manager: Caller, database: Database, theirs: dict[str, Any] | None, both: str
    ) -> None:
        survivor, source = case(manager, FAR, complainant=BOB, **NOWHERE), case(manager, theirs, complainant=CID)
        before = owed(manager, survivor), owed(manager, source)
        merge(manager, source, survivor, **ASIDE)
        assert read(manager, survivor)["jurisdiction"] == "DE", "what is owed to their regulator is owed"
        assert (before[0], owed(manager, survivor)) == ("0.00", both)
        unmerge(manager, source, **QUIET)
        assert (owed(manager, survivor), owed(manager, source)) == before
        verified(database)

    def test_nor_holds_it_up_what_is_owed_to_them(self, manager: Caller) -> None:
        open_budget(manager, "9000.00")
        survivor = case(manager, {"cause": "delay", "distance_km": "1000"}, complainant=BOB, **NOWHERE)
        source = case(manager, complainant=CID, **lost("900.00"))
        merge(manager, source, survivor, **ASIDE)
        answer = draft(manager, survivor, "partial_refund", "900.00")
        assert answer.status_code == 201, answer.text

    def test_what_somebody_says_of_the_survivor_counts(self, manager: Caller) -> None:
        survivor, source = case(manager, FAR, complainant=BOB, **NOWHERE), case(manager, complainant=CID)
        merge(manager, source, survivor, **ASIDE)
        for country in ("FR", "DE"):
            changed(manager, survivor, jurisdiction=country)
            assert owed(manager, survivor) == "250.00"

    def test_nor_goes_it_on_to_a_third_one(self, manager: Caller) -> None:
        """Of the customer of the one that it came to by a merge."""
        last, survivor = (case(manager, FAR, complainant=BOB, **NOWHERE) for _ in range(2))
        source = case(manager, complainant=CID)
        merge(manager, source, survivor, **ASIDE)
        merge(manager, survivor, last, **QUIET)
        assert (read(manager, last)["jurisdiction"], owed(manager, last)) == ("DE", "0.00")
        third = case(manager, complainant=BOB)
        merge(manager, third, last, **QUIET)
        assert owed(manager, last) == "250.00", "one that is of the same customer says so"

    def test_no_price_and_no_currency(self, manager: Caller, database: Database) -> None:
        survivor = case(manager, complainant=BOB)
        source = new(manager, complainant=CID, price=gbp("10.00"))
        before = suggestion(manager, survivor)["goodwill"]
        merge(manager, source, survivor, **ASIDE)
        assert (suggestion(manager, survivor)["goodwill"], read(manager, survivor)["price"]) == (before, None)
        unmerge(manager, source, **QUIET)
        assert (suggestion(manager, survivor)["goodwill"], read(manager, source)["price"]) == (before, gbp("10.00"))
        verified(database)

    def test_but_the_currency_of_what_they_lost(self, manager: Caller) -> None:
        """Else it would be told, and not owed."""
        survivor, source = case(manager, complainant=BOB), case(manager, complainant=CID, loss=gbp("90.00"))
        merge(manager, source, survivor, **ASIDE)
        assert suggestion(manager, survivor)["owed"] == gbp("90.00")

    def test_nothing_that_they_were_paid(self, manager: Caller, database: Database) -> None:
        """Where the merge has made them known, whose the survivor is nobody knows yet."""
        open_budget(manager, "9000.00")
        survivor, source = case(manager, FAR, complainant=ANN), case(manager, complainant=BOB, **lost("900.00"))
        _paid(manager, source, "900.00")
        merge(manager, source, survivor, **ASIDE)
        assert suggestion(manager, survivor)["remaining"]["owed"] == eur("250.00")
        assert codes(draft(manager, survivor, "voucher", "5.00")) == BELOW
        unmerge(manager, source, **QUIET)
        assert suggestion(manager, source)["remaining"]["owed"] == eur("0.00")
        assert violations(database) == []


SOME = {"cause": "delay", "distance_km": "1840", "within_eu": True}


class TestWhoseFactsAreMissing:
    @pytest.fixture(autouse=True)
    def _money(self, manager: Caller) -> None:
        open_budget(manager, "9000.00")

    @pytest.mark.parametrize("more", [QUIET, ASIDE], ids=["of one customer", "of another one"])
    def test_it_says_whose_and_they_are_recorded_there(self, manager: Caller, more: dict[str, Any]) -> None:
        whose = CID if more is ASIDE else BOB
        survivor, source = case(manager, complainant=BOB), case(manager, {**SOME, "cause": "delay"}, complainant=whose)
        offer = draft(manager, survivor, "voucher", "10.00").json
        merge(manager, source, survivor, **more)
        answer = draft(manager, survivor, "goodwill_payment", "10.00")
        assert codes(answer) == BELOW
        told = answer.json["errors"][0]["detail"]
        path = f"PATCH /complaints/{source['reference']}/recovery-facts"
        assert f"of {source['reference']}, which was merged into this one" in told
        assert f"Record delay_hours, extraordinary there ({path})." in told
        assert "Or record there what it comes to, which may be nothing (`statutory`, in EUR), and" in told
        assert (refused(step(manager, offer, "submit")), foretold(manager, offer, "submit")[0]) == (
            (409, "below_floor"),
            ("below_floor", told),
        )
        recorded(manager, source, delay_hours="1")
        assert draft(manager, survivor, "goodwill_payment", "10.00").status_code == 201
        recorded(manager, source, delay_hours="4", extraordinary=False)
        assert owed(manager, survivor) == "400.00"
        assert codes(draft(manager, survivor, "goodwill_payment", "11.00")) == BELOW
        unmerge(manager, source, **QUIET)
        assert (owed(manager, survivor), owed(manager, source)) == ("0.00", "400.00")

    def test_or_what_it_comes_to(self, manager: Caller) -> None:
        survivor, source = case(manager, complainant=BOB), case(manager, SOME, complainant=CID)
        merge(manager, source, survivor, **ASIDE)
        recorded(manager, survivor, statutory=eur("0.00"))
        assert codes(draft(manager, survivor, "goodwill_payment", "10.00")) == BELOW, "that is somebody else's"
        recorded(manager, source, statutory=eur("0.00"))
        assert draft(manager, survivor, "goodwill_payment", "10.00").status_code == 201

    def test_what_was_waived_of_one_is_not_waived_of_another(self, manager: Caller) -> None:
        survivor, source = case(manager, SOME, complainant=BOB), case(manager, SOME, complainant=CID)
        offer = draft(manager, survivor, "voucher", "10.00", **FLOOR).json
        merge(manager, source, survivor, **ASIDE)
        answer = step(manager, offer, "submit")
        assert refused(answer) == (409, "below_floor")
        assert source["reference"] in answer.json["detail"]
        act(manager, offer, "submit", **FLOOR)
        assert foretold(manager, offer, "offer") == []

    def test_who_does_not_see_it_is_not_told_which(self, manager: Caller, join: Join, database: Database) -> None:
        here, there = make_team(database, "Here"), make_team(database, "There")
        survivor = case(manager, complainant=BOB, team_id=str(here))
        source = case(manager, SOME, complainant=CID, team_id=str(there))
        merge(manager, source, survivor, **ASIDE)
        agent = join("agent", team_ids=[here])
        answer = draft(agent, survivor, "goodwill_payment", "10.00")
        assert codes(answer) == BELOW
        told = answer.json["errors"][0]["detail"]
        assert "of a complaint that you do not see, which was merged into this one" in told
        shown = agent.get(f"/complaints/{survivor['reference']}/suggestion")
        assert shown.json["tariffs"][0]["complaint_reference"] is None
        for text in (answer.text, shown.text):
            assert source["reference"] not in text
            assert source["id"] not in text
        shown = suggestion(manager, survivor)
        assert shown["tariffs"][0]["complaint_reference"] == source["reference"]


def test_what_nothing_was_merged_into_asks_no_more_for_it(manager: Caller, statements: Callable[[], Any]) -> None:
    survivor, source = case(manager, EU), case(manager, EU600)
    asked = []
    for _ in range(2):
        suggestion(manager, survivor)
        with statements() as seen:
            suggestion(manager, survivor)
        asked.append(list(seen.seen))
        if len(asked) == 1:
            merge(manager, source, survivor, **QUIET)
    alone, together = asked
    assert not any("complaint_merge" in statement for statement in alone)
    assert len(together) - len(alone) <= 3
