"""How long a budget lasts.

How it can fail: a forecast divides by nothing, or runs out of the calendar.
"""

from datetime import date, timedelta
from typing import Any

import pytest

from helpdesk.recovery.forecast import Forecast, Purse, forecast, window
from helpdesk.wiring import Program
from tests.conftest import Caller
from tests.recovery.answers import NO_ID, codes
from tests.recovery.budgeting import close
from tests.recovery.helpers import (
    act,
    eur,
    issued,
    offered,
    open_budget,
    voucher,
)


def purse(**more: Any) -> Purse:
    given = {
        "begins_on": date(2026, 1, 1),
        "ends_on": date(2026, 12, 31),
        "closed_on": None,
        "committed": 0,
        "remaining": 100_00,
    }
    return Purse(**(given | more))


TODAY = date(2026, 3, 10)


class TestForecast:
    def test_anonymous(self, anonymous: Caller) -> None:
        assert anonymous.get(f"/budgets/{NO_ID}/forecast").status_code == 401

    def test_wrong_role(self, agent: Caller, senior: Caller, budget: str) -> None:
        assert agent.get(f"/budgets/{budget}/forecast").status_code == 403
        assert senior.get(f"/budgets/{NO_ID}/forecast").status_code == 404
        assert senior.get(f"/budgets/{budget}/forecast").status_code == 200
        assert codes(senior.get(f"/budgets/{budget}/forecast?days=0")) == [("days", "range")]
        assert codes(senior.get(f"/budgets/{budget}/forecast?days=367")) == [("days", "range")]

    def test_no_data_is_null(self, manager: Caller, budget: str) -> None:
        found = manager.get(f"/budgets/{budget}/forecast").json
        unknown = {name: found[name] for name in ("rate_per_day", "exhausted_on", "lasts", "projected_total")}
        assert set(unknown.values()) == {None}
        assert found["rests_on"] == {"days": 1, "entries": 0}

    def test_from_the_ledger(
        self, program: Program, agent: Caller, manager: Caller, complaint: dict[str, Any], budget: str
    ) -> None:
        kept, undone = issued(program, manager, complaint), issued(program, manager, complaint, voucher("20.00"))
        offered(manager, complaint, voucher("7.00"))
        act(manager, undone, "reverse", reason="x")
        assert kept["status"] == "issued"
        found = manager.get(f"/budgets/{budget}/forecast?days=7").json
        assert found["rests_on"] == {"days": 1, "entries": 3}
        assert [item["spent"] for item in found["spent_by_day"]] == [eur("30.00")]
        assert (found["rate_per_day"], found["remaining"], found["committed"]) == (
            eur("30.00"),
            eur("970.00"),
            eur("30.00"),
        )
        today = date.fromisoformat(found["as_of"][:10])
        assert found["exhausted_on"] == (today + timedelta(days=33)).isoformat()  # 970 / 30, rounded up
        assert (found["lasts"], found["days_left"]) == (False, (date(2999, 12, 31) - today).days)

    @pytest.mark.parametrize(
        ("period", "day"),
        [
            ({"starts_on": "2999-01-01", "ends_on": "2999-12-31"}, 0),
            ({"starts_on": "0001-01-01", "ends_on": "0001-01-01"}, 0),
            ({"starts_on": "0001-01-01", "ends_on": "9999-12-31"}, 1),
        ],
    )
    def test_of_any_period(self, manager: Caller, period: dict[str, str], day: int) -> None:
        budget_id = open_budget(manager, **period)
        for days in (1, 366):
            found = manager.get(f"/budgets/{budget_id}/forecast?days={days}")
            assert (found.status_code, found.json["rests_on"]["days"]) == (200, day)

    def test_of_a_closed_one(
        self, program: Program, agent: Caller, manager: Caller, complaint: dict[str, Any], budget: str
    ) -> None:
        issued(program, agent, complaint)
        close(manager, budget)
        found = manager.get(f"/budgets/{budget}/forecast").json
        assert (found["projected_total"], found["days_left"], found["remaining"]) == (eur("30.00"), 0, eur("0.00"))

    def test_the_arithmetic(self) -> None:
        found = forecast(purse(committed=10_00), TODAY, 3, {TODAY: (1_00, 2), date(2026, 3, 8): (1_00, 1)})
        assert found == Forecast(
            spent=((date(2026, 3, 8), 1_00), (date(2026, 3, 9), 0), (TODAY, 1_00)),
            entries=3,
            days_left=296,
            rate=67,
            exhausted_on=date(2026, 8, 7),  # 100.00 at 2/3 a day: 150 days
            lasts=False,
            projected=10_00 + 197_33,
        )

    @pytest.mark.parametrize(
        ("days_to_come", "left"),
        [(-1, 18), (0, 19), (1, 20), (10, 20)],  # of twenty; on its first day it has begun
    )
    def test_days_left_of_one_that_has_not_begun_are_all_of_them(self, days_to_come: int, left: int) -> None:
        begins_on = TODAY + timedelta(days=days_to_come)
        found = forecast(purse(begins_on=begins_on, ends_on=begins_on + timedelta(days=19)), TODAY, 28, {})
        assert (found.days_left, found.rate) == (left, None)

    def test_it_lasts(self) -> None:
        found = forecast(purse(), TODAY, 10, {TODAY: (1, 1)})
        assert (found.exhausted_on, found.lasts, found.rate) == (None, True, 0)

    def test_more_came_back_than_was_spent(self) -> None:
        found = forecast(purse(committed=5), TODAY, 1, {TODAY: (-300, 2)})
        assert (found.rate, found.exhausted_on, found.lasts, found.projected) == (-300, None, True, 5)

    def test_nothing_remains(self) -> None:
        found = forecast(purse(remaining=0), TODAY, 1, {TODAY: (300, 2)})
        assert (found.exhausted_on, found.lasts) == (TODAY, False)

    def test_the_largest(self) -> None:
        found = forecast(purse(ends_on=date.max, committed=2**53), TODAY, 1, {TODAY: (2**53, 1)})
        assert found.exhausted_on == TODAY + timedelta(days=1)
        assert found.projected == 2**53 + 2**53 * (date.max - TODAY).days

    @pytest.mark.parametrize(
        ("more", "expected"),
        [
            ({}, (date(2026, 3, 4), TODAY)),
            ({"begins_on": date(2026, 3, 9)}, (date(2026, 3, 9), TODAY)),
            ({"ends_on": date(2026, 2, 1)}, (date(2026, 1, 26), date(2026, 2, 1))),
            ({"closed_on": date(2026, 2, 2)}, (date(2026, 1, 27), date(2026, 2, 2))),
            ({"begins_on": date(2027, 1, 1), "ends_on": date(2027, 2, 1)}, (date(2027, 1, 1), TODAY)),
            ({"begins_on": date.min, "ends_on": date.min}, (date.min, date.min)),
        ],
    )
    def test_the_window(self, more: dict[str, date], expected: tuple[date, date]) -> None:
        assert window(purse(**more), TODAY, 7) == expected
