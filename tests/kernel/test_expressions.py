"""Conditions as data: read strictly, evaluated always, explained truly.

How it can fail: a nested, huge or ill-typed body that costs time or a 500; a typing slip that is read as "never" or
"always" and says nothing; a fact that is not there (or is of another type than it should be) that ends in an error or in
a rule for everybody; an operator that means one thing in one kind and another in the next; a condition that does not come
back as it went in; an explanation that does not fit the answer.
"""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpdesk.kernel.errors import ValidationFailed
from helpdesk.kernel.expressions import ALWAYS, MAX_DEPTH, MAX_PARTS, MAX_VALUES, read
from helpdesk.kernel.facts import (
    CODE,
    CODES,
    DAY,
    DECIMAL,
    FLAG,
    ID,
    MONEY,
    TEXT,
    TIME,
    WHOLE,
    Facts,
    Field,
)
from helpdesk.kernel.money import Money

ONE, OTHER = UUID(int=1), UUID(int=2)
NOON: Final = datetime(2026, 3, 2, 12, tzinfo=UTC)
VOCABULARY: Final = {
    "severity": Field(CODE, "", ("S1", "S2", "S3"), ordered=True),
    "language": Field(CODE, ""),
    "subject": Field(TEXT, ""),
    "tags": Field(CODES, ""),
    "team": Field(ID, ""),
    "level": Field(WHOLE, ""),
    "share": Field(DECIMAL, ""),
    "price": Field(MONEY, ""),
    "safety": Field(FLAG, ""),
    "at": Field(TIME, ""),
    "day": Field(DAY, ""),
}


def holds(condition: Any, _changes: Any = None, **values: Any) -> bool:
    return read(condition, VOCABULARY).holds(Facts(values, _changes or {}))


def leaf(field: str, operator: str, *value: Any) -> dict[str, Any]:
    return {"field": field, "operator": operator} | ({"value": value[0]} if value else {})


def problems(condition: Any) -> dict[str, str]:
    with pytest.raises(ValidationFailed) as refused:
        read(condition, VOCABULARY, "/condition")
    return {item["pointer"]: item["code"] for item in refused.value.errors}


@pytest.mark.parametrize(
    ("condition", "found", "answer"),
    [
        (leaf("severity", "is", "S2"), "S2", True),
        (leaf("severity", "is_not", "S2"), "S2", False),
        (leaf("severity", "in", ["S1", "S2"]), "S3", False),
        (leaf("severity", "not_in", ["S1", "S2"]), "S3", True),
        (leaf("severity", "le", "S2"), "S1", True),
        (leaf("severity", "lt", "S2"), "S2", False),
        (leaf("severity", "gt", "S2"), "S3", True),
        (leaf("severity", "ge", "S2"), "a word that has no place in the order", False),
        (leaf("language", "starts_with", "zh"), "zh-CN", True),
        (leaf("language", "starts_with", "ZH"), "zh-CN", False),
        (leaf("subject", "contains", "PARCEL"), "A parcel, late", True),
        (leaf("subject", "contains", "包裹"), "我的包裹迟到了", True),
        (leaf("subject", "starts_with", "straße"), "STRASSE gesperrt", True),
        (leaf("subject", "is", "Late"), "late", True),
        (leaf("subject", "in", ["LATE", "lost"]), "Late", True),
        (leaf("tags", "contains", "vip"), ["new", "vip"], True),
        (leaf("tags", "is", "vip"), ["new", "vip"], False),
        (leaf("tags", "is", "vip"), ["vip"], True),
        (leaf("tags", "in", ["vip", "press"]), ["new", "vip"], True),
        (leaf("tags", "not_in", ["vip", "press"]), ["new"], True),
        (leaf("tags", "not_in", ["vip", "press"]), [], True),
        (leaf("tags", "is_set"), [], False),
        (leaf("tags", "is_unset"), [], True),
        (leaf("team", "is", str(ONE)), ONE, True),
        (leaf("team", "is", str(ONE).upper()), str(ONE), True),
        (leaf("team", "in", [str(ONE), str(OTHER)]), ONE, True),
        (leaf("level", "ge", 2), 2, True),
        (leaf("level", "ge", 2.0), 2, True),
        (leaf("level", "lt", 2), 2, False),
        (leaf("share", "gt", 0.1), Decimal("0.10"), False),
        (leaf("share", "ge", "0.1"), Decimal("0.10"), True),
        (leaf("price", "gt", {"amount": "10.00", "currency": "EUR"}), Money(1001, "EUR"), True),
        (leaf("price", "gt", {"amount": "10.00", "currency": "EUR"}), Money(1001, "USD"), False),
        (leaf("price", "le", {"amount": "10.00", "currency": "EUR"}), Money(1001, "USD"), False),
        (leaf("price", "is", {"amount": "10.00", "currency": "EUR"}), Money(1000, "USD"), False),
        (leaf("safety", "is", True), True, True),
        (leaf("safety", "is_not", True), False, True),
        (leaf("at", "lt", "2026-03-02T14:00:00+01:00"), NOON, True),
        (leaf("at", "ge", "2026-03-02T13:00:00+01:00"), NOON, True),
        (leaf("at", "is_set"), NOON, True),
        (leaf("day", "is", "2026-03-02"), "2026-03-02", True),
        (leaf("day", "lt", "2026-03-02"), "2026-03-01", True),
        (leaf("day", "ge", "2026-03-02"), NOON.date(), True),
        (leaf("day", "ge", "2026-03-02"), NOON, False),
    ],
)
def test_each_comparison(condition: dict[str, Any], found: Any, answer: bool) -> None:
    assert holds(condition, **{condition["field"]: found}) is answer


def _some_leaf_of(name: str) -> list[dict[str, Any]]:
    value = {
        "severity": "S1",
        "language": "en",
        "subject": "late",
        "tags": "vip",
        "team": str(ONE),
        "level": 1,
        "share": "0.5",
        "price": {"amount": "1.00", "currency": "EUR"},
        "safety": True,
        "at": "2026-03-02T12:00:00Z",
        "day": "2026-03-02",
    }[name]
    found = []
    for word in VOCABULARY[name].operators:
        if word in {"is_set", "is_unset", "changed"}:
            found.append(leaf(name, word))
        else:
            found.append(leaf(name, word, [value] if word in {"in", "not_in"} else value))
    return found


@pytest.mark.parametrize("name", list(VOCABULARY))
@pytest.mark.parametrize("missing", [{}, {"it": None}, {"it": object()}, {"it": float("nan")}])
def test_what_is_not_known_fits_nothing_but_the_question_for_it(name: str, missing: dict[str, Any]) -> None:
    """Also what is of another type than it should be: a rule must not take a complaint by mistake, nor stop at it."""
    values = {name: missing["it"]} if missing else {}
    for condition in _some_leaf_of(name):
        assert holds(condition, **values) is (condition["operator"] == "is_unset"), condition


def test_groups() -> None:
    late, vip = leaf("subject", "contains", "late"), leaf("tags", "contains", "vip")
    given: dict[str, Any] = {"subject": "late", "tags": []}
    assert holds(ALWAYS)
    assert not holds({"all": [late, vip]}, **given)
    assert holds({"any": [late, vip]}, **given)
    assert holds({"not": {"all": [late, vip]}}, **given)
    assert holds({"not": leaf("severity", "is", "S1")}), "not of an unknown fact is yes: two values, no third"


def test_changes() -> None:
    team = {"team": (None, str(ONE))}
    assert holds(leaf("team", "changed"), team)
    assert holds(leaf("team", "changed_to", str(ONE)), team)
    assert not holds(leaf("team", "changed_to", str(OTHER)), team)
    assert holds(leaf("team", "changed_from", None), team)
    assert not holds(leaf("team", "changed_to", None), team)
    assert not holds(leaf("team", "changed"), {"team": (str(ONE), ONE)}), "the same in two spellings"
    assert not holds(leaf("team", "changed"), {}, team=ONE)
    assert not holds(leaf("team", "changed_to", str(ONE)), {"team": (ONE, ONE)})
    tags = {"tags": (["a", "b"], ["b", "c"])}
    assert holds(leaf("tags", "changed_to", "c"), tags)
    assert holds(leaf("tags", "changed_from", "a"), tags)
    assert not holds(leaf("tags", "changed_to", "b"), tags)
    assert read(leaf("team", "changed"), VOCABULARY).asks_for_changes
    assert not read(leaf("team", "is_set"), VOCABULARY).asks_for_changes


@pytest.mark.parametrize(
    ("condition", "pointer", "code"),
    [
        (None, "", "invalid"),
        ([], "", "invalid"),
        ("all", "", "invalid"),
        ({}, "/field", "required"),
        ({"all": {}}, "/all", "invalid"),
        ({"all": "abc"}, "/all", "invalid"),
        ({"any": []}, "/any", "length"),
        ({"all": [], "any": []}, "/any", "unknown_field"),
        ({"not": ALWAYS, "field": "severity"}, "/field", "unknown_field"),
        ({"all": [ALWAYS, {"nor": []}]}, "/all/1/nor", "unknown_field"),
        ({"a/b~c": 1}, "/a~1b~0c", "unknown_field"),
        (leaf("salary", "is", 1), "/field", "unknown"),
        (leaf("severity", "exec", "S1"), "/operator", "choice"),
        (leaf("severity", "contains", "S1"), "/operator", "choice"),
        (leaf("language", "lt", "en"), "/operator", "choice"),
        (leaf("severity", "is"), "/value", "required"),
        (leaf("severity", "is_set", "S1"), "/value", "unknown_field"),
        (leaf("severity", "is", "S9"), "/value", "choice"),
        (leaf("severity", "in", "S1"), "/value", "length"),
        (leaf("severity", "in", []), "/value", "length"),
        (leaf("severity", "in", ["S1", "S9"]), "/value/1", "choice"),
        (leaf("severity", "in", ["S1"] * (MAX_VALUES + 1)), "/value", "length"),
        (leaf("severity", "is", None), "/value", "invalid"),
        (leaf("tags", "changed_to", None), "/value", "invalid"),
        (leaf("subject", "contains", "a\x00b"), "/value", "invalid"),
        (leaf("subject", "contains", "\ud800"), "/value", "invalid"),
        (leaf("subject", "contains", "x" * 501), "/value", "invalid"),
        (leaf("level", "is", True), "/value", "invalid"),
        (leaf("level", "is", "3"), "/value", "invalid"),
        (leaf("level", "is", 1.5), "/value", "invalid"),
        (leaf("level", "is", float("inf")), "/value", "invalid"),
        (leaf("level", "is", 10**30), "/value", "invalid"),
        (leaf("share", "is", "1e400"), "/value", "invalid"),
        (leaf("share", "is", 1e300), "/value", "invalid"),
        (leaf("share", "is", "NaN"), "/value", "invalid"),
        (leaf("price", "is", "10.00"), "/value", "invalid"),
        (leaf("price", "is", {"amount": "10.001", "currency": "EUR"}), "/value", "invalid"),
        (leaf("price", "is", {"amount": 10, "currency": "EUR"}), "/value", "invalid"),
        (leaf("price", "is", {"amount": "1", "currency": "XXX"}), "/value", "invalid"),
        (leaf("safety", "is", 1), "/value", "invalid"),
        (leaf("team", "is", "somebody"), "/value", "invalid"),
        (leaf("team", "is", 12), "/value", "invalid"),
        (leaf("at", "lt", "2026-03-02"), "/value", "invalid"),
        (leaf("at", "lt", 5), "/value", "invalid"),
        (leaf("day", "lt", "2026-3-2"), "/value", "invalid"),
        (leaf("day", "lt", "2026-02-30"), "/value", "invalid"),
        (leaf("day", "lt", "2026-03-02T12:00:00Z"), "/value", "invalid"),
        ({"field": ["severity"], "operator": "is", "value": "S1"}, "/field", "unknown"),
        ({"field": "severity", "operator": {"is": 1}, "value": "S1"}, "/operator", "choice"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_its_place(condition: Any, pointer: str, code: str) -> None:
    assert problems(condition).get(f"/condition{pointer}") == code


def test_every_bad_place_is_named_at_once() -> None:
    condition = {"all": [leaf("severity", "is", "S9"), leaf("salary", "is", 1), leaf("level", "is", "x")]}
    assert len(problems(condition)) == 3


def test_depth_is_bounded() -> None:
    condition: dict[str, Any] = leaf("safety", "is", True)
    for _ in range(MAX_DEPTH - 1):
        condition = {"not": condition}
    assert holds(condition, safety=True) is (MAX_DEPTH % 2 == 1)
    assert "too_deep" in problems({"not": condition}).values()
    for _ in range(900):
        condition = {"not": condition}
    assert "too_deep" in problems(condition).values()


def test_size_is_bounded() -> None:
    part = leaf("safety", "is", True)
    assert holds({"all": [part] * (MAX_PARTS - 1)}, safety=True)
    assert problems({"all": [part] * MAX_PARTS}).popitem()[1] == "too_large"
    assert len(problems({"all": [{"all": [{}] * 100_000}] * 1000})) <= 2 * MAX_PARTS + 1


def test_a_kept_condition_outlives_the_choices_it_names() -> None:
    condition = leaf("severity", "in", ["S9", "S1"])
    expression = read(condition, VOCABULARY, kept=True)
    assert expression.holds(Facts({"severity": "S9"}))
    with pytest.raises(ValidationFailed):
        read(leaf("salary", "is", 1), VOCABULARY, kept=True)


def test_explained() -> None:
    condition = {"all": [leaf("severity", "le", "S2"), {"not": leaf("price", "is_set")}, leaf("team", "changed")]}
    facts = Facts({"severity": "S3", "price": Money(1000, "EUR")}, {"team": (None, ONE)})
    assert read(condition, VOCABULARY).explain(facts) == {
        "all": [
            {**leaf("severity", "le", "S2"), "found": "S3", "holds": False},
            {
                "not": {
                    **leaf("price", "is_set"),
                    "found": {"amount": "10.00", "currency": "EUR"},
                    "holds": True,
                },
                "holds": False,
            },
            {**leaf("team", "changed"), "found": [None, str(ONE)], "holds": True},
        ],
        "holds": False,
    }


# Against a second, plain evaluation of the same sentences: what hypothesis makes of the grammar, it must agree on.

_CODES = st.sampled_from(["S1", "S2", "S3"])
_WORDS = st.sampled_from(["vip", "press", "new"])
_NUMBERS = st.integers(-3, 3)
_LEAVES = st.one_of(
    st.builds(leaf, st.just("severity"), st.sampled_from(["is", "is_not", "lt", "le", "gt", "ge"]), _CODES),
    st.builds(leaf, st.just("severity"), st.sampled_from(["in", "not_in"]), st.lists(_CODES, min_size=1)),
    st.builds(leaf, st.just("level"), st.sampled_from(["is", "is_not", "lt", "le", "gt", "ge"]), _NUMBERS),
    st.builds(leaf, st.just("tags"), st.sampled_from(["is", "is_not", "contains"]), _WORDS),
    st.builds(leaf, st.just("tags"), st.sampled_from(["in", "not_in"]), st.lists(_WORDS, min_size=1)),
    st.builds(leaf, st.sampled_from(["severity", "level", "tags"]), st.sampled_from(["is_set", "is_unset", "changed"])),
    st.builds(leaf, st.just("level"), st.sampled_from(["changed_to", "changed_from"]), st.none() | _NUMBERS),
)
_TREES = st.recursive(
    _LEAVES,
    lambda parts: st.one_of(
        st.builds(lambda items: {"all": items}, st.lists(parts, max_size=3)),
        st.builds(lambda items: {"any": items}, st.lists(parts, min_size=1, max_size=3)),
        st.builds(lambda item: {"not": item}, parts),
    ),
    max_leaves=8,
)
_KNOWN = {
    "severity": st.none() | _CODES,
    "level": st.none() | _NUMBERS,
    "tags": st.none() | st.lists(_WORDS, unique=True),
}
_VALUES = st.fixed_dictionaries({}, optional=_KNOWN)
_CHANGES = st.fixed_dictionaries({}, optional={name: st.tuples(kind, kind) for name, kind in _KNOWN.items()})


def naive(condition: Any, values: dict[str, Any], changes: dict[str, Any]) -> bool:
    if "all" in condition:
        return False not in [naive(part, values, changes) for part in condition["all"]]
    if "any" in condition:
        return True in [naive(part, values, changes) for part in condition["any"]]
    if "not" in condition:
        return not naive(condition["not"], values, changes)
    name, word, wanted = condition["field"], condition["operator"], condition.get("value")
    if word.startswith("changed"):
        return _changed(name, word, wanted, changes)
    found = values.get(name)
    if word in {"is_set", "is_unset"}:
        return bool((found in (None, [])) == (word == "is_unset"))
    return found is not None and (_of_a_set if name == "tags" else _of_one)(word, found, wanted)


def _changed(name: str, word: str, wanted: Any, changes: dict[str, Any]) -> bool:
    old, new = changes.get(name, (None, None))
    if name == "tags":
        old, new = old if old is None else sorted(old), new if new is None else sorted(new)
    if old == new:
        return False
    return bool({"changed": True, "changed_to": new == wanted, "changed_from": old == wanted}[word])


def _of_a_set(word: str, found: list[Any], wanted: Any) -> bool:
    answers: dict[str, bool] = {
        "is": found == [wanted],
        "is_not": found != [wanted],
        "contains": wanted in found,
        "in": any(item in found for item in wanted),
        "not_in": all(item not in found for item in wanted),
    }
    return answers[word]


def _of_one(word: str, found: Any, wanted: Any) -> bool:
    if word in {"in", "not_in"}:
        return bool((found in wanted) == (word == "in"))
    compared = (found > wanted) - (found < wanted)
    answers: dict[str, bool] = {
        "is": compared == 0,
        "is_not": compared != 0,
        "lt": compared < 0,
        "le": compared <= 0,
        "gt": compared > 0,
        "ge": compared >= 0,
    }
    return answers[word]


@settings(max_examples=600)
@given(_TREES, _VALUES, _CHANGES)
def test_it_says_what_the_sentence_says(condition: Any, values: dict[str, Any], changes: dict[str, Any]) -> None:
    try:
        expression = read(condition, VOCABULARY)
    except ValidationFailed as refused:
        assert {item["code"] for item in refused.errors} <= {"too_deep", "too_large"}  # noqa: PT017
        return
    facts = Facts(values, changes)
    answer = naive(condition, values, changes)
    assert expression.holds(facts) is answer
    assert expression.explain(facts)["holds"] is answer
    again = read(json.loads(json.dumps(expression.as_json())), VOCABULARY)
    assert again == expression
    assert again.as_json() == expression.as_json()


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(sorted(VOCABULARY)),
    lambda parts: (
        st.lists(parts, max_size=4)
        | st.dictionaries(st.sampled_from(["all", "any", "not", "field", "operator", "value", "x"]), parts, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=400)
@given(_ANYTHING, st.dictionaries(st.sampled_from(sorted(VOCABULARY)), _ANYTHING))
def test_anything_is_read_or_refused_and_what_is_read_is_answered(condition: Any, values: dict[str, Any]) -> None:
    try:
        expression = read(condition, VOCABULARY)
    except ValidationFailed as refused:
        assert refused.errors  # noqa: PT017
        return
    changes = {name: (value, None) for name, value in values.items()}
    assert expression.holds(Facts(values, changes)) in {True, False}


@settings(max_examples=400)
@given(
    st.sampled_from([item for name in VOCABULARY for item in _some_leaf_of(name)]),
    _ANYTHING,
    st.datetimes(timezones=st.just(UTC), min_value=datetime(1990, 1, 1)) | st.timedeltas(timedelta(0)),  # noqa: DTZ001
)
def test_whatever_a_fact_turns_out_to_be(condition: dict[str, Any], found: Any, time: Any) -> None:
    for value in (found, time):
        facts = Facts({condition["field"]: value}, {condition["field"]: (value, found)})
        expression = read(condition, VOCABULARY)
        assert expression.explain(facts)["holds"] is expression.holds(facts)
