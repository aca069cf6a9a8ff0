"""What is odd about a tariff's version is told with its making, and hinders nothing.

How it can fail: the past changes in silence, or a change from now on is warned of; a copy of a tariff is not noticed, or one that
is for other cases or pays for something else is; a condition of any size keeps the answer waiting; a warning is no longer true in
another currency's name or for a gap.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from helpdesk.kernel.expressions import read
from helpdesk.recovery import tariff_warnings
from helpdesk.recovery.rule_facts import KEPT_OF_TARIFFS
from helpdesk.recovery.tariffs_in_force import Tariffs, Version
from tests.conftest import Caller
from tests.racing import at_once
from tests.recovery.helpers import another
from tests.recovery.test_tariffs import VERSION

TODAY = date(2026, 3, 2)
GB = {"field": "jurisdiction", "operator": "is", "value": "GB"}
MISSED = {"field": "missed_appointments", "operator": "is_set"}


def version(
    valid_from: str = "2026-03-02",
    until: str | None = None,
    *,
    tariff: str = "train.late",
    number: int = 1,
    **more: Any,
) -> Version:
    spec = {"method": "per_unit", "currency": "EUR", "set_off": False, "condition": MISSED, **VERSION} | more
    end = None if until is None else date.fromisoformat(until)
    condition = read(spec["condition"], KEPT_OF_TARIFFS, kept=True)
    return Version(tariff, number, date.fromisoformat(valid_from), end, spec, condition)


def told(new: Version, *there: Version) -> list[tuple[str, str]]:
    """Codes, and the days that they name."""
    versions: dict[str, tuple[Version, ...]] = {}
    for item in there:
        versions[item.tariff] = (*versions.get(item.tariff, ()), item)
    found = tariff_warnings.of_version(Tariffs(versions, frozenset()), new, TODAY)
    return [(item["code"], item["detail"].partition("(")[2].partition(")")[0]) for item in found]


MORE: dict[str, Any] = {"numbers": {"units": {"missed_appointments": "13.00"}}}


class TestPast:
    @pytest.mark.parametrize("day", ["2026-03-02", "2026-03-03", "2999-01-01"])
    def test_from_today_on_is_no_change_of_it(self, day: str) -> None:
        assert told(version(day, number=2, **MORE), version("2020-01-01")) == []
        assert told(version(day)) == []

    def test_yesterday_is_over(self) -> None:
        assert told(version("2026-03-01", number=2, **MORE), version("2020-01-01")) == [
            ("changes_past", "2026-03-01 to 2026-03-01")
        ]

    def test_only_while_it_holds_itself(self) -> None:
        there = version("2019-01-01"), version("2022-01-01", number=2)
        new = version("2019-07-01", "2021-06-30", number=3, **MORE)
        assert told(new, *there) == [("changes_past", "2019-07-01 to 2021-06-30")]
        assert told(version("2019-07-01", number=3, **MORE), *there) == [("changes_past", "2019-07-01 to 2021-12-31")]

    def test_a_better_source_changes_nothing(self) -> None:
        assert (
            told(version("2020-01-01", number=2, source="The law, as printed.", title="Trains"), version("2020-01-01"))
            == []
        )

    @pytest.mark.parametrize(
        "change", [MORE, {"currency": "GBP"}, {"set_off": True}, {"condition": {"all": [GB, MISSED]}}]
    )
    def test_whatever_makes_another_amount_does(self, change: dict[str, Any]) -> None:
        assert told(version("2020-01-01", number=2, **change), version("2020-01-01")) == [
            ("changes_past", "2020-01-01 to 2026-03-01")
        ]

    def test_a_new_one_that_held_already(self) -> None:
        assert told(version("2025-12-31")) == [("changes_past", "2025-12-31 to 2026-03-01")]

    def test_of_what_nobody_can_tell_any_more(self) -> None:
        """Whoever adds a version after a gap says with it that something held in between."""
        new = version("2024-01-01", number=2)
        assert told(new, version("2020-01-01", "2021-12-31")) == [
            ("past_not_known", "2022-01-01 to 2023-12-31"),
            ("changes_past", "2024-01-01 to 2026-03-01"),
        ]
        assert told(version("2024-01-01", held_before=True)) == [
            ("past_not_known", "up to 2023-12-31"),
            ("changes_past", "2024-01-01 to 2026-03-01"),
        ]

    def test_that_nothing_is_laid_down_any_more(self) -> None:
        there = version("2024-01-01", held_before=True)
        assert told(version("2024-01-01", number=2, held_before=False), there) == [("changes_past", "up to 2023-12-31")]

    @pytest.mark.parametrize(("first", "last"), [("0001-01-01", "9999-12-31"), ("0001-01-01", None)])
    def test_at_the_ends_of_the_calendar(self, first: str, last: str | None) -> None:
        assert told(version(first, last)) == [("changes_past", "up to 2026-03-01")]


class TestBeside:
    def test_a_copy_is_owed_beside_the_first(self) -> None:
        (found,) = tariff_warnings.of_version(
            Tariffs({"uk.telecom": (version(tariff="uk.telecom", condition={"all": [GB, MISSED]}),)}, frozenset()),
            version(condition={"all": [MISSED, {"not": {"field": "cause", "operator": "is", "value": "delay"}}]}),
            TODAY,
        )
        assert (found["pointer"], found["code"]) == ("/condition", "owed_beside")
        for words in ("jurisdiction GB", "missed_appointments 1", "POST /tariffs/uk.telecom/versions"):
            assert words in found["detail"]

    @pytest.mark.parametrize(
        "other",
        [
            {"condition": {"all": [MISSED, {"field": "jurisdiction", "operator": "in", "value": ["DE", "FR"]}]}},
            {"condition": {"all": [MISSED, {"not": GB}]}},
            {"condition": {"field": "missed_appointments", "operator": "is_unset"}},
            {"numbers": {"units": {"late_payments": "40"}}},
            {"method": "fare_multiple", "numbers": {}},
            {"until": "2026-03-01", "valid_from": "2020-01-01"},
        ],
        ids=["elsewhere", "not there", "of nothing missed", "for something else", "by another method", "over before"],
    )
    def test_what_is_for_other_cases_or_pays_for_something_else_is_not(self, other: dict[str, Any]) -> None:
        there = version(**{"tariff": "uk.telecom", "condition": {"all": [GB, MISSED]}} | other)
        new = version(condition={"all": [GB, MISSED]})
        assert told(new, there) == []

    @pytest.mark.parametrize(
        ("one", "two", "meet"),
        [
            ({"operator": "ge", "value": 3}, {"operator": "lt", "value": 3}, False),
            ({"operator": "ge", "value": 3}, {"operator": "le", "value": 3}, True),
            ({"operator": "gt", "value": 3}, {"operator": "le", "value": 4}, True),
            ({"operator": "is_not", "value": 3}, {"operator": "is_set"}, True),
            ({"operator": "not_in", "value": [1, 2]}, {"operator": "in", "value": [1, 2]}, False),
        ],
    )
    def test_numbers_that_meet(self, one: dict[str, Any], two: dict[str, Any], meet: bool) -> None:
        there, new = (
            version(tariff=tariff, condition={"field": "missed_appointments", **part})
            for tariff, part in (("uk.telecom", one), ("train.late", two))
        )
        assert bool(told(new, there)) is meet

    def test_sets_money_days_texts_and_flags(self) -> None:
        parts = [
            {"field": "categories", "operator": "contains", "value": "DEL"},
            {"field": "issues", "operator": "is_not", "value": "DEL.LATE"},
            {"field": "fare", "operator": "gt", "value": {"amount": "10.00", "currency": "GBP"}},
            {"field": "happened_on", "operator": "lt", "value": "2026-01-01"},
            {"field": "product", "operator": "starts_with", "value": "火车"},
            {"field": "within_eu", "operator": "is_not", "value": True},
        ]
        assert told(version(condition={"all": parts}), version(tariff="uk.telecom", condition={"all": []}))[0][0] == (
            "owed_beside"
        )

    def test_conditions_of_the_largest_size_end(self) -> None:
        """Nobody waits for all the cases that they could name."""
        names = ("jurisdiction", "channel", "sector", "source", "product", "category", "issue")
        words = [f"W{number}" for number in range(200)]
        several = [{"field": name, "operator": "not_in", "value": words} for name in names]
        never = {"all": [{"field": "cause", "operator": "is_set"}, {"field": "cause", "operator": "is_unset"}]}
        others = [version(tariff=f"t.{number}", condition={"all": [*several, never]}) for number in range(20)]
        assert told(version(condition={"all": several}), *others) == []

    def test_not_more_than_anybody_reads(self) -> None:
        others = [version(tariff=f"t.{number}") for number in range(30)]
        assert len(told(version(), *others)) == tariff_warnings.MOST


class TestApi:
    def test_a_copy_of_a_shipped_one(self, manager: Caller) -> None:
        shown = manager.get("/tariffs/uk.telecom").json["in_force"]
        body = {name: value for name, value in shown.items() if name in VERSION}
        today = str(datetime.now(UTC).date())
        made = manager.post("/tariffs", body | {"id": "our.broadband", "valid_from": today})
        assert made.status_code == 201, made.text
        assert [(item["pointer"], item["code"]) for item in made.json["warnings"]] == [("/condition", "owed_beside")]
        assert "uk.telecom" in made.json["warnings"][0]["detail"]
        assert "warnings" not in manager.get("/tariffs/our.broadband").json

    def test_another_version_of_a_shipped_one(self, manager: Caller) -> None:
        shown = manager.get("/tariffs/uk.energy").json
        body = {name: value for name, value in shown["in_force"].items() if name in VERSION}
        body["numbers"] = {"units": {"failed_standards": "41"}}
        path = "/tariffs/uk.energy/versions"
        tomorrow = str(datetime.now(UTC).date() + timedelta(days=1))
        later = manager.post(path, body | {"valid_from": tomorrow}, if_match="*")
        assert (later.status_code, later.json["warnings"]) == (201, [])
        past = manager.post(path, body | {"valid_from": "2025-06-01"}, if_match="*")
        assert [item["code"] for item in past.json["warnings"]] == ["changes_past"]
        assert "2025-06-01 to" in past.json["warnings"][0]["detail"]

    def test_the_shipped_ones_are_not_owed_beside_each_other(self, manager: Caller) -> None:
        for code in ("eu.261", "us.denied_boarding", "uk.telecom", "uk.energy"):
            shown = manager.get(f"/tariffs/{code}").json["in_force"]
            body = {name: value for name, value in shown.items() if name in VERSION}
            day = str(datetime.now(UTC).date())
            made = manager.post(f"/tariffs/{code}/versions", body | {"valid_from": day}, if_match="*")
            assert (made.status_code, made.json["warnings"]) == (201, []), code

    def test_of_two_made_at_once_the_second_is_told_of_the_first(self, manager: Caller) -> None:
        bodies = [VERSION | {"id": f"train.late{number}"} for number in range(2)]
        answers = at_once(*(lambda body=body: another(manager).post("/tariffs", body) for body in bodies))
        assert [answer.status_code for answer in answers] == [201, 201]
        told_of = [" ".join(item["detail"] for item in answer.json["warnings"]) for answer in answers]
        assert sorted("train.late" in words for words in told_of) == [False, True]
