"""Budgets under concurrency: what is left is never below zero, and the sums are always those of the ledger."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from psycopg import errors as pg_errors
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from helpdesk.complaints.queries import complaint_by_id_for_update
from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.money import Money
from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import drafting, reservations
from helpdesk.recovery.errors import BudgetExhausted, NoBudget
from helpdesk.recovery.models import Offer
from tests.conftest import Caller, Join, complaint_body, make_team
from tests.racing import at_once
from tests.recovery.helpers import (
    WHY,
    act,
    another,
    draft,
    eur,
    execute,
    open_budget,
    scalar,
    violations,
    voucher,
)
from tests.recovery.lending import granted_by_day


def drafts(database: Database, complaint: dict[str, Any], count: int, amount: str = "10.00") -> list[UUID]:
    with database.unit_of_work(SYSTEM) as uow:
        row = complaint_by_id_for_update(uow.session, UUID(complaint["id"]))
        given = {"kind": "voucher", "amount": Money.parse(amount, "EUR"), "reason": "x", "allow_duplicate": True}
        return [drafting.draft(uow, SYSTEM, row, given) for _ in range(count)]


def reserving(database: Database, offer_id: UUID) -> Callable[[], bool]:
    def reserve() -> bool:
        try:
            with database.unit_of_work(SYSTEM) as uow:
                offer = uow.session.get_one(Offer, offer_id)
                reservations.reserve(uow, SYSTEM, offer, None)
        except BudgetExhausted:
            return False
        return True

    return reserve


def sums(database: Database, budget_id: str) -> tuple[int, int, int]:
    with database.reader() as session:
        row = session.execute(
            text("SELECT allocated_minor, reserved_minor, committed_minor FROM budget WHERE id = :id"),
            {"id": budget_id},
        ).one()
    return row[0], row[1], row[2]


class TestRaces:
    def test_forty_at_once_for_seventeen(self, database: Database, manager: Caller, complaint: dict[str, Any]) -> None:
        budget_id = open_budget(manager, "179.99")
        wanted = drafts(database, complaint, 40)
        outcomes = at_once(*(reserving(database, offer_id) for offer_id in wanted))
        assert outcomes.count(True) == 17
        assert sums(database, budget_id) == (179_99, 170_00, 0)
        assert scalar(database, "SELECT count(*) FROM budget_entry WHERE kind = 'reserve'") == 17
        assert not [line for line in violations(database) if "budget_sums" in line]

    def test_release_while_others_reserve(self, database: Database, manager: Caller, complaint: dict[str, Any]) -> None:
        budget_id = open_budget(manager, "100.00")
        first, second = drafts(database, complaint, 10), drafts(database, complaint, 10)
        assert all(at_once(*(reserving(database, offer_id) for offer_id in first)))

        def releasing(offer_id: UUID) -> Callable[[], bool]:
            def release() -> bool:
                with database.unit_of_work(SYSTEM) as uow:
                    reservations.release(uow, SYSTEM, uow.session.get_one(Offer, offer_id))
                return False

            return release

        calls = [reserving(database, offer_id) for offer_id in second]
        outcomes = at_once(*(releasing(offer_id) for offer_id in first), *calls)
        assert sums(database, budget_id) == (100_00, 10_00 * outcomes.count(True), 0)
        assert not [line for line in violations(database) if "budget_sums" in line]

    def test_two_approvals_at_once_for_the_last_money(
        self, database: Database, agent: Caller, manager: Caller, join: Join, team: UUID
    ) -> None:
        budget_id = open_budget(manager, "100.00")
        approvers = [join("senior"), join("senior")]
        waiting = []
        for _ in approvers:
            complaint = agent.post("/complaints", complaint_body(team_id=str(team))).json
            waiting.append(act(agent, draft(agent, complaint, voucher("60.00")), "submit"))
        pairs = list(zip(approvers, waiting, strict=True))
        answers = at_once(
            *(
                lambda who=who, offer=offer: who.pay(f"/offers/{offer['id']}/actions/approve", WHY)
                for who, offer in pairs
            )
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        assert {answer.json.get("code") for answer in answers} == {None, "budget_exhausted"}
        assert sums(database, budget_id) == (100_00, 60_00, 0)
        assert violations(database) == []

    def test_a_day_limit_holds_over_many_complaints_at_once(
        self, database: Database, agent: Caller, manager: Caller, team: UUID
    ) -> None:
        open_budget(manager)
        ready = []
        for _ in range(12):
            complaint = agent.post("/complaints", complaint_body(team_id=str(team), complainant={"name": "Li"})).json
            ready.append((another(agent), draft(agent, complaint, voucher("50.00"))))
        answers = at_once(
            *(lambda who=who, offer=offer: who.pay(f"/offers/{offer['id']}/actions/submit", {}) for who, offer in ready)
        )
        # 500 a day, 50 each: ten are within the agent's own authority, two wait for somebody with more. Where midnight UTC comes
        # between them there is another day's authority.
        by_day = granted_by_day(database, [offer for _, offer in ready])
        assert max(by_day) <= 10
        if len(by_day) == 1:
            assert sorted(answer.json["status"] for answer in answers) == ["approved"] * 10 + ["pending_approval"] * 2


class TestWhichPays:
    def test_the_teams_before_the_firms(
        self, database: Database, agent: Caller, manager: Caller, complaint: dict[str, Any], team: UUID
    ) -> None:
        open_budget(manager)
        own = open_budget(manager, team_id=str(team))
        open_budget(manager, team_id=str(make_team(database, "Another")), name="theirs")
        assert act(agent, draft(agent, complaint), "submit")["budget_id"] == own

    def test_an_empty_one_of_the_team_is_not_helped_by_the_firm(
        self, agent: Caller, manager: Caller, complaint: dict[str, Any], team: UUID
    ) -> None:
        open_budget(manager)
        open_budget(manager, "29.99", team_id=str(team))
        answer = agent.pay(f"/offers/{draft(agent, complaint)['id']}/actions/submit", {})
        assert (answer.status_code, answer.json["code"]) == (409, "budget_exhausted")

    def test_of_two_the_one_that_ends_first_and_has_room(
        self, agent: Caller, manager: Caller, complaint: dict[str, Any]
    ) -> None:
        later = open_budget(manager)
        sooner = open_budget(manager, "30.00", ends_on="2998-12-31")
        assert act(agent, draft(agent, complaint), "submit")["budget_id"] == sooner
        second = draft(agent, complaint, voucher("20.00"))
        assert act(agent, second, "submit")["budget_id"] == later

    @pytest.mark.parametrize(
        "more",
        [
            {"currency": "USD"},
            {"starts_on": "2000-01-01", "ends_on": "2000-12-31"},
            {"starts_on": "2999-01-01", "ends_on": "2999-12-31"},
        ],
    )
    def test_none_for_this_day_and_currency(
        self, agent: Caller, manager: Caller, complaint: dict[str, Any], more: dict[str, str]
    ) -> None:
        open_budget(manager, **more)
        offer = draft(agent, complaint)
        answer = agent.pay(f"/offers/{offer['id']}/actions/submit", {})
        assert (answer.status_code, answer.json["code"]) == (409, "no_budget")
        assert agent.get(f"/offers/{offer['id']}").json["status"] == "drafted"

    def test_nothing_covers_it(self, database: Database, complaint: dict[str, Any]) -> None:
        offer_id = drafts(database, complaint, 1)[0]
        with pytest.raises(NoBudget), database.unit_of_work(SYSTEM) as uow:
            reservations.reserve(uow, SYSTEM, uow.session.get_one(Offer, offer_id), None)


class TestPromisesOfTheTables:
    @pytest.fixture
    def reserved(self, database: Database, manager: Caller, complaint: dict[str, Any]) -> UUID:
        open_budget(manager)
        offer_id = drafts(database, complaint, 1)[0]
        reserving(database, offer_id)()
        return offer_id

    def _again(self, database: Database, offer_id: UUID, act_: Any) -> None:
        with database.unit_of_work(SYSTEM) as uow:
            act_(uow, SYSTEM, uow.session.get_one(Offer, offer_id))

    def test_a_reservation_is_made_once_per_round(self, database: Database, reserved: UUID) -> None:
        with pytest.raises(DBAPIError) as refused, database.unit_of_work(SYSTEM) as uow:
            reservations.reserve(uow, SYSTEM, uow.session.get_one(Offer, reserved), None)
        assert isinstance(refused.value.orig, pg_errors.UniqueViolation)

    @pytest.mark.parametrize(
        ("first", "second"), [(reservations.commit, reservations.release), (reservations.release, reservations.commit)]
    )
    def test_and_settled_once(self, database: Database, reserved: UUID, first: Any, second: Any) -> None:
        # Another offer's reservation stands beside it, so that the sums alone would allow the second settling.
        self._again(database, reserved, first)
        with pytest.raises(DBAPIError) as refused:
            self._again(database, reserved, second)
        assert isinstance(refused.value.orig, pg_errors.UniqueViolation | pg_errors.CheckViolation)

    @pytest.mark.parametrize(
        "statement",
        ["UPDATE budget_entry SET amount_minor = 1", "DELETE FROM budget_entry", "TRUNCATE budget_entry"],
    )
    def test_the_ledger_cannot_be_changed(self, database: Database, reserved: UUID, statement: str) -> None:
        with pytest.raises(DBAPIError) as refused, database.unit_of_work(SYSTEM) as uow:
            uow.session.execute(text(statement))
        assert isinstance(refused.value.orig, pg_errors.RestrictViolation)

    def test_steps_cannot_be_changed_but_what_was_given_can_be_erased(
        self, database: Database, agent: Caller, manager: Caller, complaint: dict[str, Any]
    ) -> None:
        open_budget(manager)
        act(agent, draft(agent, complaint), "submit")
        with pytest.raises(DBAPIError), database.unit_of_work(SYSTEM) as uow:
            uow.session.execute(text("UPDATE offer_transition SET action = 'refuse'"))
        with database.unit_of_work(SYSTEM) as uow:
            uow.session.execute(text("UPDATE offer_transition SET given = '{}'"))
        assert violations(database) == []

    @pytest.mark.parametrize("column", ["allocated_minor", "reserved_minor", "committed_minor"])
    def test_nothing_goes_below_zero_even_by_hand(self, database: Database, reserved: UUID, column: str) -> None:
        with pytest.raises(DBAPIError) as refused:
            execute(database, f"UPDATE budget SET {column} = -1")  # the column is ours
        assert isinstance(refused.value.orig, pg_errors.CheckViolation)


def test_the_ledger_tells_the_story(
    agent: Caller, manager: Caller, complaint: dict[str, Any], database: Database
) -> None:
    budget_id = open_budget(manager, "100.00")
    offer = draft(agent, complaint)
    act(agent, offer, "submit")
    act(manager, offer, "revoke", reason="Drafted on the wrong complaint.")
    entries = manager.get(f"/budgets/{budget_id}/entries").json["items"]
    assert [(entry["kind"], entry["amount"], entry["offer_id"]) for entry in entries] == [
        ("allocate", eur("100.00"), None),
        ("reserve", eur("30.00"), offer["id"]),
        ("release", eur("30.00"), offer["id"]),
    ]
    assert manager.get(f"/budgets/{budget_id}").json["available"] == eur("100.00")
    assert violations(database) == []
