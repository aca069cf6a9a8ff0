"""What laws and schemes lay down, at every boundary that they have.

How it can fail: a boundary that counts on the wrong side; a fact that nobody stated taken for one that was; an amount of
one passenger for two; a rounding that gives away or keeps a cent; numbers that cannot be reckoned with, taken in.
"""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpdesk.kernel.money import Money
from helpdesk.recovery import tariff_methods, tariffs
from helpdesk.recovery.case_facts import FACTS, RANGES
from helpdesk.recovery.tariff_methods import Outcome, compute


def spec(key: str) -> dict[str, Any]:
    """One shipped version."""
    (found,) = [item for tariff in tariffs.shipped()["tariffs"] for item in tariff["versions"] if item["key"] == key]
    return dict(found)


def laid(key: str, **facts: Any) -> Outcome:
    version = spec(key)
    read = {name: FACTS[name].kind.read(value) for name, value in facts.items()}
    return compute(version["method"], version["numbers"], version["currency"], read)


def told(outcome: Outcome) -> tuple[str, str | None]:
    return outcome.code, None if outcome.amount is None else str(outcome.amount)


def usd(amount: str) -> Money:
    return Money.parse(amount, "USD")


LATE = {"cause": "delay", "extraordinary": False, "within_eu": False, "delay_hours": "5"}


class TestFlightDelay:
    @pytest.mark.parametrize(
        ("km", "within_eu", "amount"),
        [
            ("1", False, "250.00"),
            ("1500", False, "250.00"),
            ("1500.1", False, "400.00"),
            ("3500", False, "400.00"),
            ("3500.1", False, "600.00"),
            ("1500", True, "250.00"),
            ("1500.1", True, "400.00"),
            ("3500.1", True, "400.00"),
        ],
    )
    def test_distance(self, km: str, within_eu: bool, amount: str) -> None:
        assert told(laid("eu.261/2005.2", **LATE | {"distance_km": km, "within_eu": within_eu})) == ("owed", amount)

    @pytest.mark.parametrize(
        ("hours", "found"),
        [("2.99", ("not_late_enough", None)), ("3", ("owed", "250.00")), ("3.01", ("owed", "250.00"))],
    )
    def test_three_hours_or_more(self, hours: str, found: tuple[str, str | None]) -> None:
        assert told(laid("eu.261/2005.2", **LATE | {"distance_km": "900", "delay_hours": hours})) == found

    @pytest.mark.parametrize(("hours", "amount"), [("3", "300.00"), ("3.99", "300.00"), ("4", "600.00")])
    def test_a_long_flight_less_than_four_hours_late_is_halved(self, hours: str, amount: str) -> None:
        assert told(laid("eu.261/2005.2", **LATE | {"distance_km": "6000", "delay_hours": hours})) == ("owed", amount)

    def test_within_the_union_nothing_is_halved_for_a_delay(self) -> None:
        facts = LATE | {"distance_km": "4000", "within_eu": True, "delay_hours": "3"}
        assert told(laid("eu.261/2005.2", **facts)) == ("owed", "400.00")

    def test_extraordinary_circumstances_excuse_it(self) -> None:
        found = laid("eu.261/2005.2", **LATE | {"distance_km": "900", "extraordinary": True})
        assert (told(found), found.applies) == (("extraordinary", None), False)

    def test_for_each_passenger(self) -> None:
        found = laid("eu.261/2005.2", **LATE | {"distance_km": "900", "passengers": 3})
        assert told(found) == ("owed", "750.00")
        assert [step["step"] for step in found.steps] == ["distance", "halved", "passengers"]

    def test_what_nobody_stated_is_asked_for_and_not_guessed(self) -> None:
        found = laid("eu.261/2005.2", cause="delay", distance_km="6000")
        assert (found.code, found.applies, found.missing) == (
            "facts_missing",
            None,
            ("delay_hours", "extraordinary", "within_eu"),
        )
        assert laid("eu.261/2005.2").missing == ("cause", "distance_km")
        assert laid("eu.261/2005.2", cause="delay").missing == ("distance_km", "delay_hours", "extraordinary")
        # Where it makes no other amount, it is not asked for.
        assert "within_eu" not in laid("eu.261/2005.2", cause="delay", distance_km="900").missing


GONE = {"cause": "cancellation", "extraordinary": False, "within_eu": False, "distance_km": "2000"}


class TestCancellation:
    @pytest.mark.parametrize(
        ("days", "earlier", "later", "found"),
        [
            (14, None, None, ("told_in_time", None)),
            (13, "2", "3.99", ("rerouted_in_time", None)),
            (13, "2.01", "3.99", ("owed", "400.00")),
            (13, "2", "4", ("owed", "400.00")),
            (7, "2", "3.99", ("rerouted_in_time", None)),
            (6, "1", "1.99", ("rerouted_in_time", None)),
            (6, "1.01", "1.99", ("owed", "200.00")),
            (6, "1", "2", ("owed", "200.00")),
            (0, "0", "3", ("owed", "200.00")),
            (0, "0", "3.01", ("owed", "400.00")),
        ],
    )
    def test_notice_and_re_routing(
        self, days: int, earlier: str | None, later: str | None, found: tuple[str, str | None]
    ) -> None:
        other = {} if earlier is None else {"rerouted": True, "departs_earlier_hours": earlier, "delay_hours": later}
        assert told(laid("eu.261/2005.2", **GONE, notice_days=days, **other)) == found

    @pytest.mark.parametrize(
        ("km", "hours", "amount"),
        [
            ("1500", "2", "125.00"),
            ("1500", "2.01", "250.00"),
            ("1500.1", "3", "200.00"),
            ("1500.1", "3.01", "400.00"),
            ("3500.1", "4", "300.00"),
            ("3500.1", "4.01", "600.00"),
        ],
    )
    def test_halved_by_how_late_the_other_flight_is(self, km: str, hours: str, amount: str) -> None:
        facts = GONE | {"distance_km": km, "notice_days": 0, "rerouted": True, "departs_earlier_hours": "9"}
        assert told(laid("eu.261/2005.2", **facts, delay_hours=hours)) == ("owed", amount)

    def test_within_the_union_the_hours_are_those_of_its_band(self) -> None:
        facts = GONE | {"distance_km": "4000", "within_eu": True, "notice_days": 0, "rerouted": True}
        facts |= {"departs_earlier_hours": "9"}
        assert told(laid("eu.261/2005.2", **facts, delay_hours="3")) == ("owed", "200.00")
        assert told(laid("eu.261/2005.2", **facts, delay_hours="3.5")) == ("owed", "400.00")

    def test_without_other_transport_it_is_whole(self) -> None:
        assert told(laid("eu.261/2005.2", **GONE, notice_days=3, rerouted=False)) == ("owed", "400.00")
        assert laid("eu.261/2005.2", **GONE, notice_days=3).missing == ("rerouted",)
        late = {"cause": "cancellation", "notice_days": 3}
        assert laid("eu.261/2005.2", **late).missing == ("distance_km", "extraordinary", "rerouted")
        assert laid("eu.261/2005.2", **GONE, notice_days=3, rerouted=True).missing == (
            "departs_earlier_hours",
            "delay_hours",
        )

    def test_extraordinary_circumstances_excuse_it(self) -> None:
        assert laid("eu.261/2005.2", **GONE | {"extraordinary": True}, notice_days=0).code == "extraordinary"


class TestDeniedBoarding:
    def test_no_circumstance_excuses_it(self) -> None:
        facts = {"cause": "denied_boarding", "distance_km": "900", "rerouted": False, "extraordinary": True}
        assert told(laid("eu.261/2005.2", **facts)) == ("owed", "250.00")

    def test_halved_where_the_other_flight_is_soon(self) -> None:
        facts = {"cause": "denied_boarding", "distance_km": "900", "rerouted": True}
        assert told(laid("eu.261/2005.2", **facts, delay_hours="2")) == ("owed", "125.00")
        assert told(laid("eu.261/2005.2", **facts, delay_hours="2.1")) == ("owed", "250.00")

    @pytest.mark.parametrize(
        ("international", "hours", "found"),
        [
            (False, "1", ("rerouted_in_time", None)),
            (False, "1.01", ("owed", "600.00")),
            (False, "1.99", ("owed", "600.00")),
            (False, "2", ("owed", "1200.00")),
            (True, "1", ("rerouted_in_time", None)),
            (True, "3.99", ("owed", "600.00")),
            (True, "4", ("owed", "1200.00")),
        ],
    )
    def test_in_the_us_by_the_hours(self, international: bool, hours: str, found: tuple[str, str | None]) -> None:
        facts = {"cause": "denied_boarding", "rerouted": True, "fare": usd("300"), "international": international}
        assert told(laid("us.denied_boarding/2025.2", **facts, delay_hours=hours)) == found

    @pytest.mark.parametrize(
        ("key", "fare", "lower", "higher"),
        [
            ("us.denied_boarding/2025.2", "537.50", "1075.00", "2150.00"),
            ("us.denied_boarding/2025.2", "537.49", "1074.98", "2149.96"),
            ("us.denied_boarding/2025.2", "9000", "1075.00", "2150.00"),
            ("us.denied_boarding/2021.2", "9000", "775.00", "1550.00"),
            ("us.denied_boarding/2015", "9000", "675.00", "1350.00"),
            ("us.denied_boarding/2011", "9000", "650.00", "1300.00"),
        ],
    )
    def test_up_to_the_maximum(self, key: str, fare: str, lower: str, higher: str) -> None:
        facts = {"cause": "denied_boarding", "fare": usd(fare), "international": False}
        assert told(laid(key, **facts, rerouted=True, delay_hours="1.5")) == ("owed", lower)
        assert told(laid(key, **facts, rerouted=False)) == ("owed", higher)

    def test_a_fare_in_another_currency_is_not_reckoned_with(self) -> None:
        facts = {"cause": "denied_boarding", "rerouted": False, "fare": Money.parse("300", "EUR")}
        found = laid("us.denied_boarding/2025.2", **facts)
        assert (found.code, found.applies, found.missing) == ("other_currency", None, ("fare",))

    @pytest.mark.parametrize(
        ("facts", "code"),
        [
            ({"delay_hours": "4"}, "owed"),
            ({"delay_hours": "3.99"}, "facts_missing"),
            ({"delay_hours": "4", "rerouted": True}, "owed"),
            ({"delay_hours": "3.99", "rerouted": True}, "facts_missing"),
            ({"delay_hours": "2", "international": False}, "owed"),
            ({"delay_hours": "1.99", "international": False}, "facts_missing"),
            ({"delay_hours": "3.99", "international": True}, "facts_missing"),
        ],
    )
    def test_late_enough_whatever_else_was_so(self, facts: dict[str, Any], code: str) -> None:
        found = laid("us.denied_boarding/2025.2", cause="denied_boarding", fare=usd("300"), **facts)
        assert (found.code, found.amount and str(found.amount)) == (code, "1200.00" if code == "owed" else None)

    def test_in_the_us_a_delay_is_no_case(self) -> None:
        assert laid("us.denied_boarding/2025.2", cause="delay").code == "not_this_cause"


class TestNothingCanBeOwed:
    """Then nothing more is asked for."""

    @pytest.mark.parametrize(
        ("key", "facts", "code"),
        [
            ("eu.261/2005.2", {"cause": "cancellation", "notice_days": 14}, "told_in_time"),
            ("eu.261/2005.2", {"cause": "cancellation", "extraordinary": True}, "extraordinary"),
            ("eu.261/2005.2", {"cause": "delay", "delay_hours": "2.99"}, "not_late_enough"),
            ("eu.261/2005.2", {"cause": "delay", "extraordinary": True}, "extraordinary"),
            (
                "eu.261/2005.2",
                {
                    "cause": "cancellation",
                    "notice_days": 7,
                    "rerouted": True,
                    "departs_earlier_hours": "2",
                    "delay_hours": "3",
                },
                "rerouted_in_time",
            ),
            (
                "us.denied_boarding/2025.2",
                {"cause": "denied_boarding", "rerouted": True, "delay_hours": "1"},
                "rerouted_in_time",
            ),
        ],
    )
    def test_by_what_is_stated(self, key: str, facts: dict[str, Any], code: str) -> None:
        found = laid(key, **facts)
        assert (found.code, found.applies, found.missing) == (code, False, ())


class TestByThePiece:
    def test_telecom(self) -> None:
        facts = {"days_without_service": 3, "days_of_delayed_start": 2, "missed_appointments": 1}
        assert told(laid("uk.telecom/2026", **facts)) == ("owed", "76.25")
        assert told(laid("uk.telecom/2024", **facts)) == ("owed", "71.97")
        assert told(laid("uk.telecom/2019", **facts)) == ("owed", "59.00")
        assert told(laid("uk.telecom/2026", days_without_service=1)) == ("owed", "10.34")

    def test_energy_and_more_where_it_was_paid_late(self) -> None:
        assert told(laid("uk.energy/2025.2", failed_standards=1)) == ("owed", "40.00")
        assert told(laid("uk.energy/2025.2", failed_standards=1, late_payments=1)) == ("owed", "80.00")
        assert told(laid("uk.energy/2016.2", failed_standards=2, late_payments=1)) == ("owed", "90.00")

    def test_nothing_counted_is_not_the_same_as_nothing_stated(self) -> None:
        assert laid("uk.energy/2025.2", failed_standards=0).code == "nothing_counted"
        assert laid("uk.energy/2025.2").missing == ("failed_standards", "late_payments")


class TestNumbers:
    def test_what_is_shipped_has_nothing_wrong(self) -> None:
        for tariff in tariffs.shipped()["tariffs"]:
            for item in tariff["versions"]:
                assert tariff_methods.problems(item["method"], item["numbers"], "/numbers") == [], item["key"]
                assert item["source"].strip()

    @pytest.mark.parametrize(
        ("method", "numbers", "wrong"),
        [
            ("per_unit", {}, {"/numbers/units"}),
            ("per_unit", {"units": {"moons": "1"}}, {"/numbers/units/moons"}),
            ("per_unit", {"units": {"late_payments": "-1"}}, {"/numbers/units/late_payments"}),
            ("per_unit", {"units": {"late_payments": 40}}, {"/numbers/units/late_payments"}),
            ("per_unit", {"units": {"late_payments": "9" * 16}}, {"/numbers/units/late_payments"}),
            ("per_unit", {"units": {"late_payments": "\u0664"}}, {"/numbers/units/late_payments"}),
            ("per_unit", {"units": {"late_payments": "1e5"}}, {"/numbers/units/late_payments"}),
            ("per_unit", [], {"/numbers"}),
            (
                "fare_multiple",
                {"lower": 3},
                {"/numbers/none_up_to_hours", "/numbers/lower", "/numbers/higher"},
            ),
            (
                "fare_multiple",
                {"none_up_to_hours": "1", "lower": {"percent": "200", "at_most": "1", "below_hours": {"domestic": "2"}},
                 "higher": {"percent": "400", "at_most": "2"}},
                {"/numbers/lower/below_hours/international"},
            ),
            ("air_passenger", {}, {"/numbers/delay_from_hours", "/numbers/bands", "/numbers/notice"}),
            (
                "air_passenger",
                spec("eu.261/2005.2")["numbers"] | {"bands": [{"up_to_km": "9", "amount": "1", "halved_up_to_hours": "1"}]},
                {"/numbers/bands/0/up_to_km", "/numbers/within_eu_at_most"},
            ),
            (
                "air_passenger",
                spec("eu.261/2005.2")["numbers"] | {"notice": [{"from_days": "7"}, {"from_days": "9"}]},
                {"/numbers/notice", "/numbers/notice/1/from_days"},
            ),
        ],
    )  # fmt: skip
    def test_every_bad_place_is_named(self, method: str, numbers: Any, wrong: set[str]) -> None:
        assert {item["pointer"] for item in tariff_methods.problems(method, numbers, "/numbers")} == wrong

    @given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda it: st.lists(it) | st.dictionaries(st.text(), it)))  # fmt: skip
    def test_nothing_breaks_the_check(self, numbers: Any) -> None:
        for method in tariff_methods.METHODS:
            for name in ("bands", "notice", "units", "lower"):
                tariff_methods.problems(method, {name: numbers}, "")
            tariff_methods.problems(method, numbers, "")


def stated(name: str) -> st.SearchStrategy[Any]:
    field = FACTS[name]
    if name in RANGES:
        bounds = RANGES[name]
        whole = st.integers(bounds.least, bounds.most)
        return whole if field.kind.name == "integer" else whole.map(Decimal)
    return {
        "flag": st.booleans(),
        "money": st.integers(0, 10**9).map(lambda minor: Money(minor, "USD")),
        "code": st.sampled_from(field.choices or ("x",)),
    }.get(field.kind.name, st.just(None))


@given(st.fixed_dictionaries({}, optional={name: stated(name) for name in FACTS}))
def test_any_facts_have_an_outcome(facts: dict[str, Any]) -> None:
    """An amount exactly where something is owed, missing facts exactly where it cannot be told, and never below zero."""
    for tariff in tariffs.shipped()["tariffs"]:
        version = tariff["versions"][-1]
        found = compute(version["method"], version["numbers"], version["currency"], facts)
        assert (found.amount is not None) == (found.code == "owed") == (found.applies is True)
        assert bool(found.missing) == (found.code == "facts_missing") == (found.applies is None)
        assert found.amount is None or (found.amount.minor >= 0 and found.amount.currency == version["currency"])
        assert found.because
        assert not set(found.missing) & {name for name, value in facts.items() if value is not None}


@given(st.decimals(0, 9000, places=1), st.booleans(), st.decimals(0, 30, places=1), st.decimals(0, 30, places=1))
def test_later_is_never_less(km: Decimal, within_eu: bool, one: Decimal, other: Decimal) -> None:
    less, more = sorted((one, other))
    amounts = [
        laid("eu.261/2005.2", **LATE | {"distance_km": km, "within_eu": within_eu, "delay_hours": hours}).amount
        for hours in (less, more)
    ]
    assert (amounts[0].minor if amounts[0] else 0) <= (amounts[1].minor if amounts[1] else 0)
