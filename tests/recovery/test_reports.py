"""Reports on remedies through HTTP.

How it can fail: who may not see a complaint sees its money in a sum; two currencies are added up; a letter counts as money; what
came back counts as cost; what is only set aside counts as spent; nothing at all divides by nothing; a cell that a spreadsheet
takes for a formula; a key of a field that is SQL; an end before the beginning.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from helpdesk.kernel.unit_of_work import Database
from helpdesk.wiring import Program
from tests.complaints.merging import merge
from tests.conftest import Caller, Join, complaint_body, make_team
from tests.recovery.answers import LETTER, codes, refused
from tests.recovery.helpers import accepted, act, delivered, draft, execute, issued, offered, open_budget, voucher

COSTS = "/reports/recovery-costs"
FAIRNESS = "/reports/fairness"
RETURN = "/reports/recovery-return?currency=EUR&value_per_customer=200.00"
RISK = (
    "/reports/value-at-risk?currency=EUR&value_per_customer=200&customers=10000&problems=0.05&complain=0.3&satisfied=0.6"
    "&lost_complaining=0.5&lost_silent=0.4"
)
REPORTS = (COSTS, FAIRNESS, RETURN, RISK)


def new(caller: Caller, team: UUID, number: int, **more: Any) -> dict[str, Any]:
    """A complaint of a customer of its own."""
    person = {"name": "Li Wei", "email": f"customer{number}@example.com", "language": "en"}
    answer = caller.post("/complaints", complaint_body(team_id=str(team), complainant=person, **more))
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


@dataclass(frozen=True)
class Firm:
    """Who works here, and what with."""

    program: Program
    database: Database
    agent: Caller
    manager: Caller
    team: UUID


@pytest.fixture
def firm(program: Program, database: Database, agent: Caller, manager: Caller, budget: str, team: UUID) -> Firm:
    return Firm(program, database, agent, manager, team)


def money(amount: str | None) -> dict[str, str] | None:
    return None if amount is None else {"amount": amount, "currency": "EUR"}


class TestWhoSeesThem:
    @pytest.mark.parametrize("path", REPORTS)
    def test_anonymous(self, anonymous: Caller, path: str) -> None:
        assert anonymous.get(path).status_code == 401

    @pytest.mark.parametrize("path", REPORTS)
    def test_wrong_role(self, senior: Caller, path: str) -> None:
        assert refused(senior.get(path)) == (403, "forbidden")

    @pytest.mark.parametrize("path", REPORTS)
    def test_with_nothing_there(self, auditor: Caller, path: str) -> None:
        assert auditor.get(path).status_code == 200


class TestCosts:
    def test_of_nothing(self, manager: Caller) -> None:
        found = manager.get(COSTS).json
        assert (found["items"], found["totals"], found["by"]) == ([], [], ["cause"])

    def test_spent_reserved_and_reversed_apart(self, firm: Firm) -> None:
        late, broken = new(firm.agent, firm.team, 1), new(firm.agent, firm.team, 2, issues=[{"category": "BIL"}])
        issued(firm.program, firm.agent, late, voucher("30.00"))
        gone = issued(firm.program, firm.agent, late, voucher("10.00"))
        issued(firm.program, firm.agent, broken, voucher("20.00"))
        issued(firm.program, firm.agent, broken, LETTER)
        accepted(firm.agent, broken, voucher("5.00"))
        act(firm.manager, gone, "reverse", reason="Sent twice.")
        execute(firm.database, "UPDATE complaint SET root_cause = 'PRO.DESIGN' WHERE id = :id", id=late["id"])
        found = firm.manager.get(f"{COSTS}?by=category,cause").json
        rows = {row["category"]: row for row in found["items"]}
        assert set(rows) == {"DEL", "BIL"}
        assert (rows["DEL"]["cause"], rows["BIL"]["cause"]) == ("PRO.DESIGN", None)
        assert rows["DEL"]["cost"] == rows["DEL"]["mean"] == money("30.00")
        assert (rows["DEL"]["committed"], rows["DEL"]["reversed"]) == (money("40.00"), money("10.00"))
        assert (rows["DEL"]["remedies"], rows["DEL"]["reversals"], rows["DEL"]["complaints"]) == (1, 1, 1)
        assert (rows["BIL"]["cost"], rows["BIL"]["reserved"]) == (money("20.00"), money("5.00"))
        assert (rows["BIL"]["reservations"], rows["BIL"]["remedies"]) == (1, 1)
        (total,) = found["totals"]
        assert (total["cost"], total["reserved"], total["mean"]) == (money("50.00"), money("5.00"), money("25.00"))

    def test_what_the_customer_left_is_not_set_aside(self, firm: Firm) -> None:
        """They took what costs less, or nothing: no more is reserved than that."""
        for number, option in ((1, 2), (2, 3)):
            options = [
                {"kind": "voucher", "amount": money("30.00")},
                {"kind": "voucher", "amount": money("20.00")},
                LETTER,
            ]
            several = {"options": options, "reason": "As you like.", "override_reason": "Agreed."}
            offer = offered(firm.agent, new(firm.agent, firm.team, number), several)
            act(firm.agent, offer, "accept", said_by="phone", option=option)
        found = firm.manager.get(f"{COSTS}?by=kind").json
        (row,), (total,) = found["items"], found["totals"]
        assert (row["kind"], row["reserved"], row["reservations"]) == ("voucher", money("20.00"), 1)
        assert (total["reserved"], total["reservations"]) == (money("20.00"), 1)

    def test_nothing_but_reservations_has_no_mean(self, firm: Firm) -> None:
        accepted(firm.agent, new(firm.agent, firm.team, 1), voucher("5.00"))
        (row,) = firm.manager.get(f"{COSTS}?by=kind").json["items"]
        assert (row["kind"], row["cost"], row["mean"]) == ("voucher", money("0.00"), None)

    def test_currencies_are_never_added_up(self, firm: Firm) -> None:
        open_budget(firm.manager, "9000", currency="JPY", name="Yen")
        issued(firm.program, firm.agent, new(firm.agent, firm.team, 1), voucher("30.00"))
        yen = {"amount": "50", "currency": "JPY"}
        issued(firm.program, firm.agent, new(firm.agent, firm.team, 2, price=yen), voucher() | {"amount": yen})
        totals = {row["currency"]: row["cost"]["amount"] for row in firm.manager.get(COSTS).json["totals"]}
        assert totals == {"EUR": "30.00", "JPY": "50"}
        assert [row["currency"] for row in firm.manager.get(f"{COSTS}?currency=JPY").json["items"]] == ["JPY"]

    def test_of_the_complaints_in_sight(self, firm: Firm, join: Join) -> None:
        issued(firm.program, firm.agent, new(firm.agent, firm.team, 1), voucher("30.00"))
        lead = _role(firm.manager, join, make_team(firm.database, "Elsewhere"))
        assert lead.get(COSTS).json["totals"] == []
        assert firm.manager.get(f"{COSTS}?team_id={firm.team}").json["totals"][0]["cost"] == money("30.00")

    def test_every_dimension_and_period(self, firm: Firm) -> None:
        issued(firm.program, firm.agent, new(firm.agent, firm.team, 1), voucher("30.00"))
        everything = "cause,category,issue,severity,team,kind,product,period"
        for period in ("day", "week", "month", "quarter", "year"):
            (row,) = firm.manager.get(f"{COSTS}?by={everything}&period={period}").json["items"]
            assert row["period"] is not None
            assert (row["issue"], row["team"], row["product"]) == ("DEL.LATE", "Complaints", None)

    def test_as_a_table_for_spreadsheets(self, firm: Firm) -> None:
        complaint = new(firm.agent, firm.team, 1)
        issued(firm.program, firm.agent, complaint, voucher("30.00"))
        execute(firm.database, "UPDATE complaint SET root_cause = '=cmd()' WHERE id = :id", id=complaint["id"])
        answer = firm.manager.get(f"{COSTS}?format=csv")
        assert answer.content_type == "text/csv; charset=utf-8"
        rows = list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))
        assert rows[0][:3] == ["cause", "currency", "cost"]
        assert rows[1][:3] == ["'=cmd()", "EUR", "30.00"]

    @pytest.mark.parametrize(
        ("query", "problem"),
        [
            ("by=weather", ("by", "choice")),
            ("product_field=a'b", ("product_field", "invalid")),
            ("period=decade", ("period", "choice")),
            ("currency=XXX", ("currency", "invalid")),
            ("since=2026-02-02T00:00:00Z&before=2026-01-01T00:00:00Z", ("since", "range")),
            ("since=2016-02-02T00:00:00Z&before=2026-01-01T00:00:00Z", ("since", "too_long")),
            ("since=yesterday", ("since", "invalid")),
            ("before=0001-01-01T00:00:00Z", ("since", "range")),
            ("format=xml", ("format", "choice")),
            ("weather=bad", ("weather", "unknown_parameter")),
        ],
    )
    def test_what_cannot_be(self, manager: Caller, query: str, problem: tuple[str, str]) -> None:
        answer = manager.get(f"{COSTS}?{query}")
        assert (answer.status_code, codes(answer)) == (422, [problem])


def _role(manager: Caller, join: Join, team: UUID) -> Caller:
    """Somebody of one team who may read reports: a role of the operator's own."""
    admin = join("admin")
    made = admin.post(
        "/roles",
        {
            "name": "lead",
            "description": "Leads a team.",
            "permissions": ["complaint:read", "offer:read", "recovery_report:read"],
            "scope": "teams",
            "authority": "none",
        },
    )
    assert made.status_code == 201, made.text
    return join("lead", team_ids=[team])


class TestFairness:
    def decided(self, firm: Firm) -> Iterator[UUID]:
        """Two handlers, twelve complaints each, like ones: one gives 20 to 31, the other 40 to 51."""
        for who, base in ((firm.agent, 20), (firm.manager, 40)):
            for number in range(12):
                complaint = new(firm.agent, firm.team, base * 100 + number)
                offer = draft(who, complaint, voucher(f"{base + number}.00"))
                act(firm.manager if base + number > 50 else who, offer, "submit")
                execute(
                    firm.database,
                    "UPDATE complaint SET status = 'resolved', resolved_at = now(), fault = 'firm', assignee_id = :who "
                    "WHERE id = :id",
                    id=complaint["id"],
                    who=who.id,
                )
                yield who.id

    def test_of_nothing(self, manager: Caller) -> None:
        found = manager.get(FAIRNESS).json
        assert (found["items"], found["complaints"], found["tests"], found["currency"]) == ([], 0, 0, None)

    def test_two_handlers_who_differ(self, firm: Firm) -> None:
        assert len(set(self.decided(firm))) == 2
        found = firm.manager.get(f"{FAIRNESS}?by=agent,tier,channel,language").json
        assert (found["complaints"], found["currency"], found["other_currency"]) == (24, "EUR", 0)
        within = next(item for item in found["items"] if item["by"] == "agent" and item["like"])
        assert within["like"] == {"category": "DEL", "issue": None, "severity": "S3", "fault": "firm"}
        groups = {group["value"]: group for group in within["groups"]}
        assert groups[str(firm.agent.id)]["amounts"]["median"] == money("25.50")
        assert groups[str(firm.agent.id)]["amounts"]["lower"] == money("22.75")
        assert (groups[str(firm.agent.id)]["n"], groups[str(firm.agent.id)]["share"]) == (12, 1.0)
        assert groups[str(firm.agent.id)]["name"].startswith("Agent")
        assert groups[str(firm.agent.id)]["ratios"]["n"] == 12
        tests = {test["measure"]: test for test in within["tests"]}
        assert (tests["amount"]["verdict"], tests["amount"]["n"], tests["amount"]["method"]) == (
            "different", 24, "mann_whitney_exact",
        )  # fmt: skip
        assert tests["amount"]["p"] <= tests["amount"]["p_adjusted"] < 0.05
        assert tests["share"]["why_not"] == "all_alike"
        by_tier = next(item for item in found["items"] if item["by"] == "tier" and item["like"])
        assert {test["why_not"] for test in by_tier["tests"]} == {"too_few"}

    def test_ratio_is_to_what_was_suggested_in_that_currency(self, firm: Firm) -> None:
        """The first offer was drafted while the complaint was still reckoned in euros, and came to nothing."""
        open_budget(firm.manager, "9000.00", currency="USD", name="Dollars")
        for number in range(5):
            complaint = new(firm.agent, firm.team, number, loss=money("60.00"))
            act(firm.agent, draft(firm.agent, complaint, voucher("20.00")), "withdraw")
            dollars = {
                name: {"amount": amount, "currency": "USD"} for name, amount in (("loss", "0.00"), ("price", "200.00"))
            }
            path = f"/complaints/{complaint['reference']}"
            assert firm.agent.patch(path, dollars, if_match="*").status_code == 200
            given = voucher() | {"amount": {"amount": "20.00", "currency": "USD"}}
            act(firm.agent, draft(firm.agent, complaint, given), "submit")
            execute(
                firm.database,
                "UPDATE complaint SET status = 'resolved', resolved_at = now(), fault = 'firm' WHERE id = :id",
                id=complaint["id"],
            )
        found = firm.manager.get(f"{FAIRNESS}?by=tier&least=5").json
        (group,) = next(item for item in found["items"] if item["like"])["groups"]
        assert (group["amounts"]["median"]["currency"], group["ratios"]["median"]) == ("USD", 0.5)

    def test_no_verdict_below_the_stated_n(self, firm: Firm) -> None:
        list(self.decided(firm))
        found = firm.manager.get(f"{FAIRNESS}?by=agent&least=13").json
        assert {test["verdict"] for item in found["items"] for test in item["tests"]} == {None}
        assert found["tests"] == 0

    def test_of_the_complaints_in_sight(self, firm: Firm, join: Join) -> None:
        list(self.decided(firm))
        lead = _role(firm.manager, join, make_team(firm.database, "Elsewhere"))
        assert lead.get(FAIRNESS).json["complaints"] == 0

    @pytest.mark.parametrize(
        ("query", "problem"),
        [
            ("by=mood", ("by", "choice")),
            ("like=weather", ("like", "choice")),
            ("least=4", ("least", "range")),
            ("currency=EURO", ("currency", "invalid")),
        ],
    )
    def test_what_cannot_be(self, manager: Caller, query: str, problem: tuple[str, str]) -> None:
        answer = manager.get(f"{FAIRNESS}?{query}")
        assert (answer.status_code, codes(answer)) == (422, [problem])


def closed(firm: Firm, complaint: dict[str, Any], action: str, **given: Any) -> None:
    answer = firm.manager.post(f"/complaints/{complaint['reference']}/actions/{action}", given)
    assert answer.status_code == 200, answer.text


def dismiss(firm: Firm, complaint: dict[str, Any], reason_code: str) -> None:
    closed(firm, complaint, "dismiss", reason_code=reason_code)


def take_up(firm: Firm, complaint: dict[str, Any]) -> None:
    """Once more, after it was closed."""
    closed(firm, complaint, "withdraw", reason="They say that it is settled.")
    closed(firm, complaint, "reopen", reason="It is not.")


class TestReturn:
    def test_null_for_no_cost(self, manager: Caller) -> None:
        found = manager.get(RETURN).json
        assert (found["return"], found["cost"], found["customers"]) == (None, money("0.00"), 0)
        assert found["assumed"] == ["retained_share"]

    def test_who_had_to_complain_again_is_not_retained(self, firm: Firm) -> None:
        delivered(firm.program, firm.agent, new(firm.agent, firm.team, 1), voucher("30.00"))
        delivered(firm.program, firm.agent, new(firm.agent, firm.team, 2), voucher("20.00"))
        found = firm.manager.get(f"{RETURN}&retained_share=0.8").json
        assert (found["customers"], found["complained_again"], found["assumed"]) == (2, 0, [])
        assert (found["retained"], found["cost"], found["return"]) == (money("320.00"), money("50.00"), 5.4)
        new(firm.agent, firm.team, 2, record_type="inquiry")
        assert firm.manager.get(RETURN).json["complained_again"] == 0, "whoever asks something complains of nothing"
        new(firm.agent, firm.team, 1)
        found = firm.manager.get(f"{RETURN}&retained_share=0.8").json
        assert (found["complained_again"], found["retained"]) == (1, money("160.00"))

    @pytest.mark.parametrize(
        ("again", "counted"),
        [
            (take_up, 1),
            (lambda firm, _: dismiss(firm, new(firm.agent, firm.team, 1), "spam"), 0),
            (lambda firm, _: dismiss(firm, new(firm.agent, firm.team, 1), "not_a_complaint"), 0),
            (lambda firm, first: merge(firm.manager, new(firm.agent, firm.team, 1), first), 0),
            (lambda firm, _: closed(firm, new(firm.agent, firm.team, 1), "withdraw", reason="They gave up."), 1),
        ],
        ids=["reopened", "spam", "not a complaint", "a duplicate", "withdrawn"],
    )
    def test_what_counts_as_complaining_again(self, firm: Firm, again: Any, counted: int) -> None:
        first = new(firm.agent, firm.team, 1)
        delivered(firm.program, firm.agent, first, voucher("30.00"))
        again(firm, first)
        assert firm.manager.get(RETURN).json["complained_again"] == counted

    def test_what_was_reopened_before_the_remedy_is_what_it_was_for(self, firm: Firm) -> None:
        """Also where somebody else had got theirs by then."""
        delivered(firm.program, firm.agent, new(firm.agent, firm.team, 2), voucher("30.00"))
        first = new(firm.agent, firm.team, 1)
        take_up(firm, first)
        delivered(firm.program, firm.agent, first, voucher("30.00"))
        assert firm.manager.get(RETURN).json["complained_again"] == 0

    def test_customers_are_those_whose_remedies_the_cost_is_of(self, firm: Firm) -> None:
        open_budget(firm.manager, "500.00", currency="BRL")
        delivered(firm.program, firm.agent, new(firm.agent, firm.team, 1), voucher("10.00"))
        brl = {"amount": "10.00", "currency": "BRL"}
        for number in (2, 3):
            complaint = new(firm.agent, firm.team, number, price={"amount": "200.00", "currency": "BRL"})
            delivered(firm.program, firm.agent, complaint, voucher("10.00") | {"amount": brl})
        letters = new(firm.agent, firm.team, 4, price={"amount": "200.00", "currency": "BRL"})
        letter = issued(firm.program, firm.agent, letters, LETTER)
        act(firm.agent, letter, "post_letter")
        for currency, customers, back in (("EUR", 1, 9.0), ("BRL", 3, 14.0), ("USD", 0, None)):
            query = f"currency={currency}&value_per_customer=100&retained_share=1"
            found = firm.manager.get(f"/reports/recovery-return?{query}").json
            assert (found["customers"], found["return"]) == (customers, back)

    @pytest.mark.parametrize(
        ("query", "problem"),
        [
            ("currency=EUR&value_per_customer=-1", ("value_per_customer", "invalid")),
            ("currency=EUR&value_per_customer=1.234", ("value_per_customer", "invalid")),
            ("currency=EUR&value_per_customer=1&retained_share=1.1", ("retained_share", "invalid")),
            ("value_per_customer=1", ("currency", "required")),
        ],
    )
    def test_what_cannot_be(self, manager: Caller, query: str, problem: tuple[str, str]) -> None:
        answer = manager.get(f"/reports/recovery-return?{query}")
        assert (answer.status_code, codes(answer)) == (422, [problem])

    def test_value_at_risk_as_worked_out(self, manager: Caller) -> None:
        assert manager.get(RISK).json == {"customers_lost": 170.0, "value_at_risk": money("34000.00")}
