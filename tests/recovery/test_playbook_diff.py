"""What differs between two versions, in words: of a rule, when it holds and what it does.

How it can fail: a rule is told by its name alone; a condition in other words than those in which it is written; an effect left
out; a line without an end.
"""

from typing import Any

import pytest

from helpdesk.recovery.playbook_diff import changes
from helpdesk.recovery.playbook_spec import shipped_spec

LATE = {"field": "weeks_overdue", "operator": "ge", "value": 2}
FLIGHT = {"field": "category", "operator": "in", "value": ["SVC", "DEL"]}
PRICED = {"field": "price", "operator": "is_set"}
ALWAYS: dict[str, Any] = {"all": []}


def words(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    spec = shipped_spec()
    return [change["words"] for change in changes(spec | before, spec | after)]


def added(**rule: Any) -> str:
    (found,) = words({"rules": []}, {"rules": [{"name": "late", "condition": ALWAYS} | rule]})
    return found


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"condition": LATE, "factor": "1.5"}, "where weeks_overdue ge 2; times 1.5"),
        ({"condition": {"all": [LATE, {"any": [FLIGHT, PRICED]}]}, "stop": True},
         "where weeks_overdue ge 2 and (category in SVC, DEL or price is_set); no later rule is looked at"),
        ({"condition": {"not": {"all": [LATE, PRICED]}}, "set": {"band": {"S3": "60"}}},
         "where not (weeks_overdue ge 2 and price is_set); sets band S3 60"),
        ({"lines": [{"text": "The second visit", "fixed": "10"}, {"text": "A tenth", "percent": "10", "of": "price"}]},
         "always; adds 10 (The second visit); adds 10 % of price (A tenth)"),
        ({"tactics": ["apologise", "fix"], "alternatives": ["larger_voucher"]},
         "always; tactics apologise, fix; alternatives larger_voucher"),
    ],
)  # fmt: skip
def test_a_rule_by_what_it_does(rule: dict[str, Any], told: str) -> None:
    assert added(**rule) == f"Rule late is new: {told}."


def test_what_is_gone_and_what_became_of_a_condition() -> None:
    rule = {"name": "late", "condition": LATE, "factor": "2"}
    assert words({"rules": [rule]}, {"rules": []}) == ["Rule late is gone; it was where weeks_overdue ge 2; times 2."]
    other = rule | {"condition": {"all": [LATE, PRICED]}}
    assert words({"rules": [rule]}, {"rules": [other]}) == [
        "Rule late condition: weeks_overdue ge 2 becomes weeks_overdue ge 2 and price is_set."
    ]


def test_an_alternative_with_what_it_is_for() -> None:
    goodwill = {"kind": "points", "factor": "1.5"}
    more = {"name": "more", "title": "Points", "lost": ["product"], "in_kind": "replacement", "goodwill": goodwill}
    (found,) = words({"alternatives": []}, {"alternatives": [more]})
    assert found == "Alternative more is new: Points; for product; replacement; goodwill as points, times 1.5."


def test_of_tactics_what_is_new_gone_changed_and_moved() -> None:
    tactics = shipped_spec()["tactics"]
    said = {item["act"]: item["text"] for item in tactics}
    changed = [tactics[0] | {"text": "Thank them."}, *tactics[1:]]
    assert words({}, {"tactics": changed}) == [
        f"Tactics: text of acknowledge: {said['acknowledge']} becomes Thank them."
    ]
    fewer = [item for item in tactics if item["act"] != "prevent"]
    assert words({}, {"tactics": fewer}) == ["Tactics: prevent is gone."]
    assert words(
        {"tactics": fewer}, {"tactics": [*fewer, {"act": "prevent", "text": "Mend it.", "when": "named"}]}
    ) == ["Tactics: prevent is new (act prevent, text Mend it., when named)."]
    first, second, *others = fewer
    (moved,) = words({"tactics": fewer}, {"tactics": [second, first, *others]})
    assert moved.startswith("Tactics: in another order: apologise, acknowledge, ")


def test_of_names_in_a_rule_what_is_new_and_gone() -> None:
    rule = {"name": "late", "condition": LATE, "tactics": ["apologise", "fix"]}
    assert words({"rules": [rule]}, {"rules": [rule | {"tactics": ["fix", "prevent"]}]}) == [
        "Rule late Tactics: prevent is new; apologise is gone."
    ]


def test_it_ends() -> None:
    found = added(condition={"all": [LATE] * 90})
    assert found.endswith("....")
    assert len(found) < 400
