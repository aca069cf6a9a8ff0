"""How it can fail: somebody is paid twice; a table that hangs on a complaint is forgotten."""

from typing import Any
from uuid import UUID

from helpdesk.complaints.merge_ledger import APART, WHOLE
from helpdesk.kernel.db import Base
from tests.complaints.merges.acting import NA, Complaint, same
from tests.complaints.merging import (
    merge,
    new,
    path_of,
    rows_of,
    unmerge,
    verified,
)
from tests.conftest import Caller
from tests.recovery import helpers


class TestRemedies:
    """Money never doubles."""

    def _delivered(self, program: Any, manager: Caller, complaint: Complaint, amount: str = "40.00") -> Complaint:
        offer = helpers.draft(manager, complaint, helpers.voucher(amount))
        for action in ("submit", "offer"):
            helpers.act(manager, offer, action)
        helpers.act(manager, offer, "accept", said_by="phone")
        helpers.perform(program)
        return helpers.act(manager, offer, "post_letter")

    def test_an_unsettled_offer_keeps_it(self, manager: Caller, two: tuple[Complaint, Complaint], program: Any) -> None:
        helpers.open_budget(manager)
        offer = helpers.draft(manager, two[0], helpers.voucher("40.00"))
        refused = merge(manager, *two, expect=409)
        assert [need["code"] for need in refused["missing"]] == ["remedies_unsettled"]
        helpers.act(manager, offer, "withdraw")
        merge(manager, *two)

    def test_a_delivered_one_counts_in_the_case_that_goes_on(
        self, manager: Caller, two: tuple[Complaint, Complaint], program: Any
    ) -> None:
        helpers.open_budget(manager)
        source, survivor = two
        offer = self._delivered(program, manager, source)
        before = rows_of(program.database, source["id"]), rows_of(program.database, survivor["id"])
        merge(manager, source, survivor, silent=True)
        assert [item["id"] for item in manager.get(f"{path_of(survivor)}/offers").json["items"]] == [offer["id"]]
        again = manager.pay(f"{path_of(survivor)}/offers", helpers.voucher("40.00"))
        assert (again.status_code, again.json["code"]) == (409, "duplicate_offer")
        verified(program.database)
        unmerge(manager, source, silent=True)
        assert rows_of(program.database, source["id"])["offer"] == before[0]["offer"]
        assert same(rows_of(program.database, survivor["id"]), before[1])
        verified(program.database)

    def test_what_happened_to_it_meanwhile_stays_so(
        self, manager: Caller, two: tuple[Complaint, Complaint], program: Any
    ) -> None:
        helpers.open_budget(manager)
        source, survivor = two
        offer = self._delivered(program, manager, source)
        merge(manager, source, survivor, silent=True)
        helpers.act(manager, offer, "reverse", reason="Never used.")
        unmerge(manager, source, silent=True)
        assert manager.get(f"/offers/{offer['id']}").json["status"] == "reversed"
        verified(program.database)

    def test_that_of_another_person_stays_with_them(self, manager: Caller, team: UUID, program: Any) -> None:
        helpers.open_budget(manager)
        source, survivor = new(manager, team, complainant=NA), new(manager, team)
        self._delivered(program, manager, source)
        merge(manager, source, survivor, other_complainant=True)
        assert manager.get(f"{path_of(survivor)}/offers").json["items"] == []
        verified(program.database)

    def test_in_another_currency(self, manager: Caller, team: UUID, program: Any) -> None:
        helpers.open_budget(manager)
        source = new(manager, team)
        survivor = new(manager, team, price={"amount": "10.00", "currency": "USD"})
        self._delivered(program, manager, source)
        assert merge(manager, source, survivor, expect=409)["code"] == "other_currency"


def test_every_table_that_hangs_on_a_complaint_has_its_fate() -> None:
    """Whoever adds a table says in `merge_ledger` what a merge does with its rows: WHOLE (all go to the survivor) or APART
    (with the words that say what else becomes of them).
    """
    hanging = {
        table.name
        for table in Base.metadata.sorted_tables
        if "complaint_id" in table.c or any(key.column.table.name == "complaint" for key in table.foreign_keys)
    }
    named = {model.__tablename__ for model in WHOLE} | set(APART)
    assert hanging == named
    assert all(len(why) > 10 for why in APART.values())
