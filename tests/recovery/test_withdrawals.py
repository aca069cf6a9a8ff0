"""Taking out of a budget what was allocated.

How it can fail: more goes than is free, or than was ever allocated there; offers that are promised lose their money; two at once, or
an offer and it, take the same money; a repeat takes it twice; a closed budget gives.
"""

from typing import Any

from helpdesk.kernel.unit_of_work import Database
from tests.conftest import Caller
from tests.racing import at_once
from tests.recovery.answers import NO_ID, codes, refused
from tests.recovery.budgeting import close, deciding, kinds, sums, transfer, withdraw
from tests.recovery.helpers import act, another, draft, eur, open_budget, violations, voucher

BODY = {"amount": eur("1.00"), "reason": "x"}


def test_who_may(anonymous: Caller, senior: Caller, budget: str) -> None:
    path = f"/budgets/{budget}/withdrawals"
    assert anonymous.pay(path, BODY).status_code == 401
    assert senior.pay(path, BODY).status_code == 403
    assert senior.pay(f"/budgets/{NO_ID}/withdrawals", BODY).status_code == 404


def test_taken_out_and_told(database: Database, manager: Caller, auditor: Caller, budget: str) -> None:
    answer = withdraw(manager, budget, "900.00")
    assert (answer.status_code, answer.headers["Location"]) == (201, f"/api/v1/budgets/{budget}")
    assert sums(manager, budget) == {"allocated": "100.00", "available": "100.00"}
    assert kinds(manager, budget) == [("allocate", "1000.00"), ("withdraw", "900.00")]
    told = auditor.get("/audit-log?limit=1").json["items"][0]
    assert (told["type"], told["payload"]["changes"], told["payload"]["reason"]) == (
        "budget.withdrawn", {"allocated_minor": [100000, 10000]}, "A zero too many.",
    )  # fmt: skip
    assert withdraw(manager, budget, "100.00").status_code == 201
    assert sums(manager, budget) == {}
    assert violations(database) == []


def test_repeated_is_once(manager: Caller, budget: str) -> None:
    etag = manager.get(f"/budgets/{budget}").headers["ETag"]
    for _ in range(2):
        assert withdraw(manager, budget, "10.00", idempotency_key="once", if_match=etag).status_code == 201
    assert sums(manager, budget)["allocated"] == "990.00"
    assert withdraw(manager, budget, "10.00", if_match=etag).status_code == 412


def test_what_it_asks_for(manager: Caller, budget: str) -> None:
    path = f"/budgets/{budget}/withdrawals"
    assert manager.post(path, BODY, idempotency_key="k").status_code == 428
    assert refused(manager.post(path, BODY, if_match="*"))[0] == 400
    assert sorted(codes(manager.pay(path, {}))) == [("/amount", "required"), ("/reason", "required")]
    dollars = manager.pay(path, BODY | {"amount": {"amount": "1.00", "currency": "USD"}})
    assert codes(dollars) == [("/amount/currency", "currency")]
    for amount in ("0.00", "-1.00"):
        assert [pointer for pointer, _ in codes(manager.pay(path, BODY | {"amount": eur(amount)}))] == ["/amount"], (
            amount
        )


def test_what_is_set_aside_stays(manager: Caller, agent: Caller, complaint: dict[str, Any], second: str) -> None:
    act(agent, draft(agent, complaint, voucher("40.00")), "submit")  # of the second, which ends first
    answer = withdraw(manager, second, "10.01")
    assert (refused(answer), answer.json["withdrawable"]) == ((409, "withdrawal_too_large"), eur("10.00"))
    assert withdraw(manager, second, "10.00").status_code == 201


def test_what_came_from_another_budget_goes_back_there(
    database: Database, manager: Caller, budget: str, second: str
) -> None:
    assert transfer(manager, budget, second, "500.00").status_code == 201
    answer = withdraw(manager, second, "50.01")
    assert (refused(answer), answer.json["withdrawable"]) == ((409, "withdrawal_too_large"), eur("50.00"))
    assert withdraw(manager, second, "50.00").status_code == 201
    assert sums(manager, second) == {"transferred": "500.00", "available": "500.00"}
    # What went elsewhere is no more here either.
    assert refused(withdraw(manager, budget, "500.01"))[1] == "withdrawal_too_large"
    assert violations(database) == []


def test_a_closed_one_gives_nothing(manager: Caller, budget: str) -> None:
    assert close(manager, budget).status_code == 200
    assert refused(withdraw(manager, budget, "1.00")) == (409, "budget_closed")


def test_never_more_than_there_is_at_once(database: Database, manager: Caller, second: str) -> None:
    whos = [another(manager) for _ in range(8)]
    answers = at_once(*(lambda who=who: withdraw(who, second, "15.00").status_code for who in whos))
    assert sorted(answers) == [201] * 3 + [409] * 5
    assert sums(manager, second) == {"allocated": "5.00", "available": "5.00"}
    assert violations(database) == []


def test_it_and_an_approval_at_once(
    database: Database, manager: Caller, agent: Caller, complaint: dict[str, Any]
) -> None:
    """Whichever comes first, the other finds what is left."""
    tight = open_budget(manager, "30.00", name="Tight", ends_on="2996-12-31")
    offer = draft(agent, complaint, voucher("20.00"))
    who = another(manager)
    taken, (submitted, why) = at_once(
        lambda: withdraw(who, tight, "20.00").status_code, deciding(agent, offer, "submit")
    )
    assert (taken, submitted) in {(201, 409), (409, 200)}, why
    assert violations(database) == []
