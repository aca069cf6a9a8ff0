"""What a draft of a playbook is warned of: what is allowed, and can hardly be meant.

How it can fail: a rule that gives the vulnerable less, or whom it failed before, or more where the fault is nobody's, goes through since it is written in
another way than was thought of; or a warning that is none, so that nobody reads them any more.
"""

from typing import Any

import pytest

from tests.conftest import Caller
from tests.recovery.playbook_steps import default, made, rule, spec


def of(field: str, operator: str, value: Any) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


VULNERABLE = of("vulnerable", "is", True)
LATE = of("weeks_overdue", "ge", 1)
NOBODY = of("fault", "is", "none")
AGAIN = of("repeat", "is", True)


def warned(caller: Caller, *rules: dict[str, Any], **formula: Any) -> list[tuple[str, str]]:
    given = spec(rules=[each | {"name": f"rule-{place}"} for place, each in enumerate(rules)])
    given["formula"] |= formula
    return [(it["pointer"], it["code"]) for it in made(caller, default(caller), given)["warnings"]]


def line(amount: str) -> dict[str, Any]:
    return {"lines": [{"text": "More", "fixed": amount}]}


LESS = [("/spec/rules/0", "less_for_vulnerable")]
MORE = [("/spec/rules/0", "more_for_less_fault")]
LESS_AGAIN = [("/spec/rules/0", "less_for_repeat")]


def test_the_shipped_one_is_warned_of_nothing(manager: Caller) -> None:
    assert warned(manager) == []


@pytest.mark.parametrize(
    ("condition", "effect"),
    [
        (VULNERABLE, {"factor": "0.9"}),
        (of("vulnerable", "is_not", False), {"factor": "0.5"}),
        ({"not": of("vulnerable", "is", False)}, {"factor": "0"}),
        (VULNERABLE, {"set": {"band": {"S3": "10"}}}),
        (VULNERABLE, {"set": {"cap": {"of_price": "0.1"}}}),
        (VULNERABLE, {"set": {"delay": {"per_week": "0", "most_weeks": 4}}}),
        (of("vulnerable", "is", False), line("50")),
        (of("vulnerable", "is_not", True), {"factor": "1.5"}),
        ({"all": [VULNERABLE, LATE, of("category", "is", "DEL")]}, {"factor": "0.5"}),
        ({"all": [VULNERABLE, of("fault", "is", "shared")]}, {"factor": "0.5"}),
        ({"any": [VULNERABLE, LATE]}, {"factor": "0"}),
        ({"all": [VULNERABLE, of("severity", "is", "S1")]}, {"factor": "0.5"}),
    ],
)
def test_less_for_the_vulnerable(manager: Caller, condition: Any, effect: Any) -> None:
    assert warned(manager, rule(condition=condition, **effect)) == LESS


@pytest.mark.parametrize(
    ("condition", "effect"),
    [
        (NOBODY, line("50")),
        (of("fault", "in", ["none", "shared"]), line("50")),
        ({"not": of("fault", "is", "firm")}, line("50")),
        (of("fault", "is", "shared"), {"factor": "3"}),
        (of("fault", "is", "firm"), {"factor": "0.25"}),
        ({"all": [NOBODY, VULNERABLE]}, {"lines": [{"text": "More", "percent": "40", "of": "price"}]}),
    ],
)
def test_more_where_the_fault_is_nobody_s(manager: Caller, condition: Any, effect: Any) -> None:
    assert warned(manager, rule(condition=condition, **effect)) == MORE


@pytest.mark.parametrize(
    ("condition", "effect"),
    [
        (AGAIN, {"factor": "0.5"}),
        ({"not": of("repeat", "is", False)}, {"factor": "0.9"}),
        (AGAIN, {"set": {"cap": {"of_price": "0.1"}}}),
        (of("repeat", "is", False), line("50")),
        ({"all": [AGAIN, LATE, of("category", "is", "DEL")]}, {"factor": "0.5"}),
        ({"all": [AGAIN, of("fault", "is", "shared"), of("severity", "is", "S2")]}, {"factor": "0.5"}),
    ],
)
def test_less_where_it_failed_before(manager: Caller, condition: Any, effect: Any) -> None:
    """The formula's own factor for that makes up for no rule."""
    assert warned(manager, rule(condition=condition, **effect)) == LESS_AGAIN


@pytest.mark.parametrize(
    ("condition", "effect"),
    [
        (AGAIN, {"factor": "1.5"}),
        (AGAIN, {"set": {"repeat": {"factor": "1.2"}}}),
        (of("repeat", "is", False), {"factor": "0.5"}),
        (VULNERABLE, {"factor": "1.5"}),
        (VULNERABLE, line("10")),
        (VULNERABLE, {"alternatives": ["money"]}),
        (of("vulnerable", "is", False), {"factor": "0.5"}),
        ({"all": [of("vulnerable", "is", False), VULNERABLE, LATE]}, {"tactics": ["prevent"]}),
        (LATE, {"factor": "0.5"}),
        (LATE, {"set": {"cap": {"of_price": "0.1"}}}),
        (of("vulnerable", "is_set", None), {"factor": "0.5"}),
        (NOBODY, {"factor": "10"}),
        (NOBODY, line("5")),
        (NOBODY, {"tactics": ["apologise"]}),
        (of("fault", "is", "shared"), {"factor": "1.5"}),
        ({"all": [NOBODY, of("severity", "is", "S1")]}, line("50")),
    ],
)
def test_what_goes_the_right_way(manager: Caller, condition: Any, effect: Any) -> None:
    if condition.get("operator") == "is_set":
        condition = {"field": "vulnerable", "operator": "is_set"}
    found = warned(manager, rule(condition=condition, **effect))
    assert [item for item in found if item[1] != "never_holds"] == []


def test_where_a_rule_stops_what_comes_after_counts(manager: Caller) -> None:
    twice = rule(factor="2")
    stops = rule(condition=VULNERABLE, tactics=["prevent"], stop=True)
    assert warned(manager, stops, twice) == LESS
    assert warned(manager, twice, stops) == []
    assert warned(manager, stops, rule(factor="0.5")) == []


def test_a_rule_is_not_blamed_for_the_formula(manager: Caller) -> None:
    upside_down = {"firm": "0.5", "shared": "1", "none": "0"}
    found = warned(manager, rule(condition=of("fault", "is", "shared"), factor="1.1"), fault=upside_down)
    assert found == [("/spec/formula/fault", "order")]


def test_it_says_in_which_case(manager: Caller) -> None:
    given = spec(rules=[rule(condition=VULNERABLE, set={"band": {"S3": "10"}})])
    (found,) = made(manager, default(manager), given)["warnings"]
    assert "at S3" in found["detail"]
    assert "10.00 instead of 40.00" in found["detail"]


def test_what_goes_the_wrong_way_is_told(manager: Caller) -> None:
    rules = [rule("two", condition=LATE, set={"fault": {"none": "2"}, "vulnerability": {"factor": "0.9"}})]
    given = spec(rules=rules)
    given["formula"] |= {
        "fault": {"firm": "0.5", "shared": "1", "none": "0"},
        "vulnerability": {"factor": "0.8"},
        "repeat": {"factor": "0.99", "within_days": 10},
        "tier": {"factors": {"small": "0", "key": "1.2"}, "not_at": []},
        "cap": {"of_price": "0"},
        "delay": {"per_week": "0.25", "most_weeks": 0},
        "band": dict.fromkeys(("S1", "S2", "S3", "S4", "S5"), "0"),
    }
    found = made(manager, default(manager), given)["warnings"]
    assert {(item["pointer"], item["code"]) for item in found} == {
        ("/spec/formula/fault", "order"),
        ("/spec/formula/vulnerability/factor", "below_one"),
        ("/spec/formula/repeat/factor", "below_one"),
        ("/spec/formula/tier/factors/small", "zero"),
        ("/spec/formula/cap/of_price", "zero"),
        ("/spec/formula/delay/most_weeks", "without_effect"),
        ("/spec/formula/band", "zero"),
        ("/spec/rules/0/set/fault", "order"),
        ("/spec/rules/0/set/vulnerability/factor", "below_one"),
    }
    assert made(manager, default(manager), spec())["warnings"] == []


NOTHING = dict.fromkeys(("none", "shared", "firm"), "0")


def test_what_never_counts_is_told(manager: Caller) -> None:
    never = [("/spec/formula/delay/per_week", "without_effect")]
    assert warned(manager, delay={"per_week": "0", "most_weeks": 4}) == never
    assert warned(manager, delay={"per_week": "0", "most_weeks": 0}) == never, "once"
    assert warned(manager, fault=NOTHING) == [("/spec/formula/fault", "zero")]
    assert warned(manager, rule(condition=LATE, set={"fault": NOTHING})) == [("/spec/rules/0/set/fault", "zero")]
    switched_off = rule(condition=of("category", "is", "DEL"), set={"delay": {"per_week": "0", "most_weeks": 0}})
    assert warned(manager, switched_off) == [], "it counts elsewhere"


def banding(**band: str) -> dict[str, Any]:
    return rule(condition=LATE, set={"band": band})


class TestBandsThatARuleSets:
    def test_less_for_a_worse_severity(self, manager: Caller) -> None:
        told = [("/spec/rules/0/set/band", "order")]
        assert warned(manager, banding(S1="1")) == told
        assert warned(manager, banding(S3="130")) == told
        assert warned(manager, banding(S1="130", S2="120")) == []
        assert warned(manager, banding(S2="300")) == [], "as much"

    def test_a_rule_is_not_blamed_for_the_formula(self, manager: Caller) -> None:
        upside_down = {"S1": "300", "S2": "120", "S3": "40", "S4": "10", "S5": "500"}
        own = [("/spec/formula/band", "order")]
        assert warned(manager, banding(S3="50"), band=upside_down) == own
        assert warned(manager, banding(S3="5"), band=upside_down) == [*own, ("/spec/rules/0/set/band", "order")]

    def test_it_goes_with_what_an_earlier_one_sets(self, manager: Caller) -> None:
        """For example bands of a currency of its own, one of which is another in some cases."""
        yen = {"S1": "48000", "S2": "19000", "S3": "6400", "S4": "1600", "S5": "0"}
        assert warned(manager, banding(**yen), banding(S3="8000")) == []
        assert warned(manager, banding(**yen), banding(S3="20000")) == [("/spec/rules/1/set/band", "order")]


def test_what_can_hardly_be_meant_is_told(manager: Caller) -> None:
    twice = {"all": [{"field": "severity", "operator": "is", "value": it} for it in ("S1", "S2")]}
    given = spec(rules=[rule("one", factor="2", condition=twice), rule("two", stop=True), rule("three")])
    given["formula"]["band"]["S5"] = "500"
    found = made(manager, default(manager), given)["warnings"]
    assert {(item["pointer"], item["code"]) for item in found} == {
        ("/spec/rules/0/condition", "never_holds"),
        ("/spec/rules/2", "unreachable"),
        ("/spec/rules/2", "without_effect"),
        ("/spec/formula/band", "order"),
    }
