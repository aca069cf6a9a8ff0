"""Points of customers: earned by an offer, burnt at a shop, taken back, written off, withdrawn.

How they can fail: earned twice by two workers, or by an offer that failed; more is burnt than there is by two at once; a repeat
takes twice; what ends last is used first and the rest expires; a burn and the expiry take the same points; an offer is reversed
though its points were spent; what is taken back comes back on the wrong lot; a shop sees another customer's.
"""

import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from psycopg import errors as pg_errors
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from helpdesk.identity.actors import SYSTEM
from helpdesk.kernel.unit_of_work import Database
from helpdesk.recovery import issuance
from helpdesk.recovery.jobs import expire_points
from helpdesk.wiring import Program
from tests.conftest import Caller, complaint_body
from tests.racing import at_once
from tests.recovery.answers import NO_ID, codes, refused
from tests.recovery.helpers import (
    accepted,
    act,
    another,
    duties,
    eur,
    execute,
    found_by,
    issued,
    left_behind,
    perform,
    scalar,
    violations,
)
from tests.recovery.test_issuance import die_at

_numbers = itertools.count(1)


def given(amount: str = "30.00", **more: Any) -> dict[str, Any]:
    return {"kind": "points", "amount": eur(amount), "reason": "Your order came four days late."} | more


@pytest.fixture
def customer(manager: Caller) -> str:
    return str(manager.post("/customers", {"name": "Li Wei"}).json["id"])


@pytest.fixture
def theirs(manager: Caller, customer: str, team: Any, budget: str) -> dict[str, Any]:
    """A complaint of the customer's, and a budget to pay from."""
    answer = manager.post("/complaints", complaint_body(team_id=str(team), customer_id=customer))
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


@pytest.fixture
def shop(app: Flask, admin: Caller) -> Caller:
    body = {"name": "shop 12", "permissions": ["points:burn", "points:read"], "scope": "everything"}
    return Caller(app.test_client(), None, admin.post("/api-keys", body).json["key"])


def balance(caller: Caller, customer: str) -> str:
    items = caller.get(f"/customers/{customer}/points").json["items"]
    return str(items[0]["balance"]["amount"]) if items else "none"


def burn(caller: Caller, customer: str, amount: str, external_id: str | None = None) -> Any:
    body = {"amount": eur(amount), "external_id": external_id or f"receipt {next(_numbers)}"}
    return caller.pay(f"/customers/{customer}/points/burns", body)


def burning(caller: Caller, customer: str, amount: str, external_id: str | None = None) -> Callable[[], int]:
    who = another_key(caller)
    return lambda: int(burn(who, customer, amount, external_id).status_code)


def another_key(caller: Caller) -> Caller:
    return Caller(caller.client.application.test_client(), None, caller.token)


def kinds(caller: Caller, customer: str) -> list[tuple[str, str]]:
    items = caller.get(f"/customers/{customer}/points/entries").json["items"]
    return [(item["kind"], item["amount"]["amount"]) for item in items]


def past_their_time(database: Database, amount: int) -> None:
    execute(
        database, "UPDATE points_lot SET expires_at = now() - interval '1 second' WHERE amount_minor = :n", n=amount
    )


class TestDraft:
    def test_needs_a_customer(self, database: Database, manager: Caller, theirs: dict[str, Any]) -> None:
        nobodys = manager.post("/complaints", complaint_body()).json
        execute(database, "UPDATE complaint SET customer_id = NULL WHERE id = :id", id=nobodys["id"])
        path = f"/complaints/{nobodys['reference']}/offers"
        assert codes(manager.post(path, given())) == [("/kind", "no_customer")]
        answer = manager.post(f"/complaints/{theirs['reference']}/offers", given())
        assert (answer.status_code, answer.json["points_days"]) == (201, 365)

    def test_its_days(self, manager: Caller, theirs: dict[str, Any]) -> None:
        path = f"/complaints/{theirs['reference']}/offers"
        assert codes(manager.post(path, given(points_days=0))) == [("/points_days", "range")]
        voucher = given(kind="voucher", points_days=5)
        assert codes(manager.post(path, voucher)) == [("/points_days", "invalid")]
        assert manager.post(path, given(points_days=10)).json["points_days"] == 10


class TestIssuing:
    def test_on_the_account(
        self, program: Program, manager: Caller, theirs: dict[str, Any], customer: str, budget: str
    ) -> None:
        offer = issued(program, manager, theirs, given(points_days=10))
        assert offer["status"] == "issued"
        (item,) = manager.get(f"/customers/{customer}/points").json["items"]
        assert (item["balance"], item["expires_next"]) == (eur("30.00"), eur("30.00"))
        days = scalar(program.database, "SELECT round(extract(epoch FROM expires_at - now()) / 86400) FROM points_lot")
        assert days == 10
        body = scalar(program.database, "SELECT body FROM outbound_mail WHERE reason = 'points'")
        assert "30.00 EUR" in body
        assert kinds(manager, customer) == [("earn", "30.00")]
        assert manager.get(f"/budgets/{budget}").json["committed"] == eur("30.00")
        assert violations(program.database) == []

    @pytest.mark.parametrize("point", issuance.FAULT_POINTS)
    def test_a_crash_at_any_point_earns_once(
        self, program: Program, manager: Caller, theirs: dict[str, Any], customer: str, point: str
    ) -> None:
        accepted(manager, theirs, given())
        (duty,) = duties(program.database)
        die_at(point, program, duty)
        assert perform(program)["failed"] == 0
        assert balance(manager, customer) == "30.00"
        assert kinds(manager, customer) == [("earn", "30.00")]
        assert violations(program.database) == []

    def test_two_workers_at_once(
        self, program: Program, manager: Caller, theirs: dict[str, Any], customer: str, budget: str
    ) -> None:
        offer = accepted(manager, theirs, given())
        (duty,) = duties(program.database)
        at_once(*(lambda: issuance.issue(program.tools, duty, UUID(offer["id"])) for _ in range(4)))
        assert kinds(manager, customer) == [("earn", "30.00")]
        assert violations(program.database) == []

    def test_what_failed_is_worth_nothing(
        self, program: Program, manager: Caller, theirs: dict[str, Any], customer: str, budget: str
    ) -> None:
        offer = accepted(manager, theirs, given())
        (duty,) = duties(program.database)
        left_behind(program, offer)
        with program.database.unit_of_work(SYSTEM) as uow:
            issuance.give_up(uow, UUID(offer["id"]), "x")
        execute(program.database, "UPDATE duty SET dead_at = now() WHERE id = :id", id=duty)
        assert scalar(program.database, "SELECT count(*) FROM points_lot") == 1
        assert balance(manager, customer) == "0.00"
        assert refused(burn(manager, customer, "0.01")) == (409, "too_few_points")
        assert violations(program.database) == []


class TestBurn:
    @pytest.fixture
    def filled(self, program: Program, manager: Caller, theirs: dict[str, Any], budget: str) -> None:
        issued(program, manager, theirs, given("20.00", points_days=100))
        issued(program, manager, theirs, given("10.00", points_days=10))

    def test_anonymous(self, anonymous: Caller) -> None:
        assert burn(anonymous, str(NO_ID), "1.00").status_code == 401
        assert anonymous.get(f"/customers/{NO_ID}/points").status_code == 401

    def test_wrong_role(self, agent: Caller, customer: str) -> None:
        assert burn(agent, customer, "1.00").status_code == 403
        assert burn(agent, str(NO_ID), "1.00").status_code == 404
        assert agent.get(f"/customers/{NO_ID}/points").status_code == 404
        assert agent.get(f"/customers/{customer}/points").json == {"items": []}

    def test_what_ends_first_is_taken_first(
        self, database: Database, shop: Caller, customer: str, filled: None
    ) -> None:
        answer = burn(shop, customer, "12.50")
        assert (answer.status_code, answer.json["balance"]) == (200, eur("17.50"))
        left = "SELECT balance_minor FROM points_lot WHERE amount_minor = :n"
        assert (scalar(database, left, n=1000), scalar(database, left, n=2000)) == (0, 1750)
        assert violations(database) == []

    def test_repeated_is_once(self, database: Database, shop: Caller, customer: str, filled: None) -> None:
        first = burn(shop, customer, "5.00", "receipt 1").json
        assert burn(shop, customer, "5.00", "receipt 1").json["id"] == first["id"]
        assert refused(burn(shop, customer, "6.00", "receipt 1")) == (409, "burn_differs")
        assert balance(shop, customer) == "25.00"
        answers = at_once(*(burning(shop, customer, "5.00", "receipt 2") for _ in range(4)))
        assert (set(answers), balance(shop, customer)) == ({200}, "20.00")
        assert violations(database) == []

    def test_what_does_not_fit(self, shop: Caller, customer: str, filled: None) -> None:
        answer = burn(shop, customer, "30.01")
        assert (refused(answer), answer.json["balance"]) == ((409, "too_few_points"), eur("30.00"))
        path = f"/customers/{customer}/points/burns"
        assert sorted(codes(shop.pay(path, {}))) == [("/amount", "required"), ("/external_id", "required")]
        assert codes(shop.pay(path, {"amount": eur("0.00"), "external_id": "x"})) == [("/amount", "invalid")]
        yen = {"amount": {"amount": "5", "currency": "JPY"}, "external_id": "x"}
        assert refused(shop.pay(path, yen)) == (409, "too_few_points")
        assert refused(shop.post(path, yen)) == (400, "idempotency_key_required")

    def test_never_more_than_there_is(self, database: Database, shop: Caller, customer: str, filled: None) -> None:
        answers = at_once(*(burning(shop, customer, "7.00") for _ in range(8)))
        assert Counter(answers) == {200: 4, 409: 4}
        assert balance(shop, customer) == "2.00"
        assert violations(database) == []

    def test_taken_back(self, database: Database, shop: Caller, customer: str, filled: None) -> None:
        made = burn(shop, customer, "12.50", "receipt 1").json
        path = f"/customers/{customer}/points/burns/{made['id']}/reverse"
        assert codes(shop.pay(path, {})) == [("/reason", "required")]
        answers = at_once(
            *(
                lambda who=who: who.pay(path, {"reason": "Typed for the wrong customer."}).status_code
                for who in (another_key(shop), another_key(shop))
            )
        )
        assert sorted(answers) == [200, 409]
        assert balance(shop, customer) == "30.00"
        assert scalar(database, "SELECT balance_minor FROM points_lot WHERE amount_minor = 1000") == 1000
        assert refused(burn(shop, customer, "12.50", "receipt 1")) == (409, "burn_reversed")
        assert violations(database) == []

    def test_not_by_another_shop(self, app: Flask, admin: Caller, shop: Caller, customer: str, filled: None) -> None:
        made = burn(shop, customer, "1.00").json
        path = f"/customers/{customer}/points/burns/{made['id']}/reverse"
        body = {"name": "shop 13", "permissions": ["points:burn"], "scope": "everything"}
        other = Caller(app.test_client(), None, admin.post("/api-keys", body).json["key"])
        assert other.pay(path, {"reason": "x"}).status_code == 404
        assert other.get(f"/customers/{customer}/points").status_code == 403
        assert shop.pay(path.replace(customer, str(NO_ID)), {"reason": "x"}).status_code == 404
        assert admin.pay(path, {"reason": "x"}).status_code == 200

    def test_the_ledger_cannot_be_changed(self, database: Database, customer: str, filled: None) -> None:
        for table in ("points_entry", "points_part"):
            for statement in (
                f"UPDATE {table} SET amount_minor = 1",
                f"DELETE FROM {table}",
                f"TRUNCATE {table} CASCADE",
            ):
                with pytest.raises(DBAPIError) as no, database.unit_of_work(SYSTEM) as uow:
                    uow.session.execute(text(statement))
                assert isinstance(no.value.orig, pg_errors.RestrictViolation)

    def test_time(self, database: Database, shop: Caller, manager: Caller, customer: str, filled: None) -> None:
        made = burn(shop, customer, "4.00").json  # of what ends first
        past_their_time(database, 1000)
        assert balance(shop, customer) == "20.00"
        assert refused(burn(shop, customer, "20.01")) == (409, "too_few_points")
        assert (expire_points(database), expire_points(database)) == (1, 0)
        assert violations(database) == []
        back = shop.pay(f"/customers/{customer}/points/burns/{made['id']}/reverse", {"reason": "x"})
        assert back.json["balance"] == eur("20.00")
        assert expire_points(database) == 1
        assert kinds(manager, customer)[-3:] == [("expire", "6.00"), ("reverse", "4.00"), ("expire", "4.00")]
        (owed,) = manager.get("/liabilities/points").json["items"]
        assert (owed["issued"], owed["outstanding"], owed["expired"], owed["open"]) == (
            eur("30.00"),
            eur("20.00"),
            eur("10.00"),
            1,
        )
        assert violations(database) == []

    def test_burnt_and_expired_at_once(self, database: Database, shop: Caller, customer: str, filled: None) -> None:
        past_their_time(database, 2000)
        answers = at_once(
            *(burning(shop, customer, "4.00") for _ in range(4)), *(lambda: expire_points(database) for _ in range(2))
        )
        assert Counter(answers[:4]) == {200: 2, 409: 2}
        assert expire_points(database) == 0 or sum(answers[4:]) == 0
        assert balance(shop, customer) == "2.00"
        assert violations(database) == []


class TestReverseTheOffer:
    def test_unspent(
        self, program: Program, manager: Caller, theirs: dict[str, Any], customer: str, budget: str
    ) -> None:
        offer = issued(program, manager, theirs, given())
        act(manager, offer, "reverse", reason="The wrong customer.")
        assert balance(manager, customer) == "0.00"
        assert kinds(manager, customer) == [("earn", "30.00"), ("void", "30.00")]
        assert manager.get(f"/budgets/{budget}").json["committed"] == eur("0.00")
        (owed,) = manager.get("/liabilities/points").json["items"]
        assert (owed["withdrawn"], owed["outstanding"]) == (eur("30.00"), eur("0.00"))
        assert violations(program.database) == []

    def test_not_when_some_was_spent(
        self, program: Program, manager: Caller, theirs: dict[str, Any], customer: str, budget: str
    ) -> None:
        offer = issued(program, manager, theirs, given())
        made = burn(manager, customer, "30.00").json
        answer = manager.pay(f"/offers/{offer['id']}/actions/reverse", {"reason": "x"})
        assert refused(answer) == (409, "action_not_allowed")
        back = manager.pay(f"/customers/{customer}/points/burns/{made['id']}/reverse", {"reason": "x"})
        assert back.status_code == 200
        act(manager, offer, "reverse", reason="x")
        assert violations(program.database) == []

    def test_not_when_their_time_is_over(
        self, program: Program, manager: Caller, theirs: dict[str, Any], budget: str
    ) -> None:
        offer = issued(program, manager, theirs, given())
        past_their_time(program.database, 3000)
        answer = manager.pay(f"/offers/{offer['id']}/actions/reverse", {"reason": "x"})
        assert (refused(answer), answer.json["missing"][0]["code"]) == ((409, "action_not_allowed"), "has_ended")
        assert manager.get(f"/budgets/{budget}").json["committed"] == eur("30.00")

    def test_at_once_with_a_burn(
        self, program: Program, manager: Caller, theirs: dict[str, Any], customer: str, budget: str
    ) -> None:
        for _ in range(3):
            offer = issued(program, manager, theirs, given(allow_duplicate=True))
            outcomes = at_once(reversing(manager, offer), burning(manager, customer, "30.00"))
            assert sorted(outcomes) == [200, 409]
            assert balance(manager, customer) == "0.00"
            assert violations(program.database) == []


def reversing(caller: Caller, offer: dict[str, Any]) -> Callable[[], int]:
    who = another(caller)
    return lambda: int(who.pay(f"/offers/{offer['id']}/actions/reverse", {"reason": "x"}).status_code)


DAMAGE = (
    ("UPDATE points_account SET balance_minor = balance_minor + 1", "points_accounts"),
    ("UPDATE points_lot SET balance_minor = balance_minor - 1 WHERE amount_minor = 3000", "points_lots"),
    ("DELETE FROM points_part", "points_entries"),
    ("UPDATE points_entry SET amount_minor = amount_minor + 1 WHERE kind = 'reverse'", "points_entries"),
    ("UPDATE offer SET issued_reference = 'X' WHERE kind = 'points'", "issued_once"),
    ("UPDATE points_lot SET amount_minor = 9999", "issued_once"),
)


def test_every_damage_is_named(
    program: Program, manager: Caller, theirs: dict[str, Any], customer: str, budget: str
) -> None:
    issued(program, manager, theirs, given())
    made = burn(manager, customer, "1.00").json
    manager.pay(f"/customers/{customer}/points/burns/{made['id']}/reverse", {"reason": "x"})
    assert violations(program.database) == []
    for statement, check in DAMAGE:
        assert _found(program.database, statement, check), statement
    assert violations(program.database) == []


def _found(database: Database, statement: str, check: str) -> list[str]:
    """What this check finds after a hand on the console; nothing of it stays."""
    with database.engine.connect() as connection:
        for table in ("points_entry", "points_part"):
            connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        connection.exec_driver_sql(statement)
        found = found_by(Session(connection))
        connection.rollback()
    return [line for line in found if line.startswith(f"recovery.{check}:")]
