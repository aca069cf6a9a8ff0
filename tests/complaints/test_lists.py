"""Lists of complaints: every order, spans of time, open and closed, overdue or not.

How it can fail: an order skips or repeats rows where many are alike, or where nothing is due; a span is cut at the wrong
end, or in an order in which all that is newer has to be gone through; an order or a filter that no index serves is taken
nevertheless; what is overdue is told by the time of the last look. Tags, custom fields and views have tests of their own,
and `test_plans` reads what PostgreSQL does.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from helpdesk.complaints.list_queries import SORTS
from helpdesk.kernel.unit_of_work import Database
from tests.complaints.calling import at, done, everything, new
from tests.complaints.test_tags import references
from tests.conftest import Caller
from tests.recovery.helpers import execute


def refused(caller: Caller, query: str) -> list[tuple[str, str]]:
    answer = caller.get(f"/complaints?{query}")
    assert answer.status_code == 422, answer.text
    return [(problem["parameter"], problem["code"]) for problem in answer.json["errors"]]


class TestOrders:
    @pytest.mark.parametrize("sort", SORTS)
    def test_whole_and_in_order(self, senior: Caller, sort: str) -> None:
        rows = [new(senior, impact=1 + number % 5, urgency=1 + number % 4) for number in range(7)]
        for row in rows[:3]:
            done(senior, row, "withdraw")  # nothing is due of these
        found = everything(senior, "/complaints", sort=sort, limit=2)
        assert {row["id"] for row in found} == {row["id"] for row in rows}
        name = sort.lstrip("-")
        keys = [(row[name] or "9999", row["received_at"] if name == "severity" else "", row["id"]) for row in found]
        assert keys == sorted(keys, reverse=sort.startswith("-"))

    def test_nothing_due_is_shown_as_nothing(self, senior: Caller) -> None:
        row = new(senior)
        assert row["next_due_at"] is not None
        assert senior.get("/complaints").json["items"][0]["next_due_at"] == row["next_due_at"]
        assert done(senior, row, "withdraw")["next_due_at"] is None
        assert senior.get("/complaints").json["items"][0]["next_due_at"] is None

    @pytest.mark.parametrize("sort", ["subject", "-next_due_at", "next_due", "", "--severity", "RECEIVED_AT"])
    def test_no_order_that_no_index_serves(self, agent: Caller, sort: str) -> None:
        assert refused(agent, f"sort={sort}") == [("sort", "choice")]


class TestSpans:
    def test_of_change(self, agent: Caller) -> None:
        one, other = new(agent), new(agent)
        agent.post(at(one, "tags"), {"tags": ["late"]})
        changed = agent.get(at(one)).json["updated_at"]
        assert references(agent, f"updated_from={changed}") == {one["reference"]}
        assert references(agent, f"updated_before={changed}") == {other["reference"]}
        listed = agent.get(f"/complaints?updated_from={other['updated_at']}").json["items"]
        assert [row["reference"] for row in listed] == [one["reference"], other["reference"]]  # the last change first

    def test_in_other_zones(self, agent: Caller) -> None:
        row = new(agent, received_at="2026-03-01T23:30:00Z")
        assert references(agent, "received_from=2026-03-02T00:30:00%2B01:00") == {row["reference"]}
        assert references(agent, "received_before=2026-03-01T18:30:00-05:00") == set()

    @pytest.mark.parametrize(
        ("query", "parameter"),
        [
            ("updated_from=2026-01-01T00:00:00Z&sort=-received_at", "sort"),
            ("updated_before=2026-01-01T00:00:00Z&sort=severity", "sort"),
            ("updated_before=2026-01-01T00:00:00Z&sort=next_due_at", "sort"),
            ("received_from=2026-01-01T00:00:00Z&sort=updated_at", "sort"),
            ("received_from=2026-01-01T00:00:00Z&updated_from=2026-01-01T00:00:00Z", "updated_from"),
        ],
    )
    def test_only_in_their_own_order(self, agent: Caller, query: str, parameter: str) -> None:
        assert refused(agent, query) == [(parameter, "invalid")]


class TestStates:
    def test_open_and_closed(self, senior: Caller) -> None:
        received, investigated, closed = new(senior), new(senior), new(senior)
        done(senior, investigated, "investigate")
        done(senior, closed, "withdraw")
        assert references(senior, "open=true") == {received["reference"], investigated["reference"]}
        assert references(senior, "open=false") == {closed["reference"]}
        assert references(senior, "open=false&status=received") == set()

    def test_overdue(self, agent: Caller, database: Database) -> None:
        late, early = new(agent), new(agent)
        past = datetime.now(UTC) - timedelta(minutes=1)
        execute(database, "UPDATE complaint SET next_due_at = :past WHERE id = :id", past=past, id=late["id"])
        assert references(agent, "overdue=true") == {late["reference"]}
        assert references(agent, "overdue=false") == {early["reference"]}
        first: dict[str, Any] = agent.get("/complaints?sort=next_due_at&limit=1").json["items"][0]
        assert first["reference"] == late["reference"]
        shown = agent.post("/views", {"name": "Late", "filters": {"overdue": True}, "sort": "next_due_at"}).json
        assert shown["complaints"] == 1
