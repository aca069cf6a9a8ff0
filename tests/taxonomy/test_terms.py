"""The taxonomy as a value.

How it can fail: a shipped code without a Chinese label, or written so that its kind's pattern refuses it; an issue that stays
in force without its category; a label asked for in a language that is there in part; a matrix that gets milder with impact.
"""

import pytest

from helpdesk.taxonomy.severities import milder_cells, worst
from helpdesk.taxonomy.terms import KINDS, TRAITS, Taxonomy, category_of, fits, label_in, shipped, shipped_terms
from helpdesk.taxonomy.views import offered, shown

SHIPPED = shipped()


def changed(**retired: str) -> Taxonomy:
    """The shipped one with one code of each of these kinds retired."""
    terms = [item | {"retired": retired.get(item["kind"]) == item["code"]} for item in shipped_terms()]
    return Taxonomy.of(7, {"terms": terms, "severity": SHIPPED.content["severity"]})


def test_everything_ships_in_both_languages() -> None:
    counts = {kind: len(SHIPPED.codes(kind)) for kind in KINDS}
    assert counts == {
        "category": 13,
        "issue": 58,
        "root_cause": 22,
        "outcome": 10,
        "remedy": 22,
        "channel": 21,
        "vulnerability": 25,
    }
    for item in shipped_terms():
        assert set(item["labels"]) == {"en", "zh"}, item
        assert all(item["labels"].values()), item
        assert fits(item["kind"], item["code"]), item
        assert set(item["traits"]) <= set(TRAITS[item["kind"]]), item
    assert all(category_of(code) in SHIPPED.codes("category") for code in SHIPPED.codes("issue"))


def test_what_the_program_asks_of_terms() -> None:
    assert SHIPPED.safety_issues == {"PRD.SAFETY"}
    assert SHIPPED.regulator_channels == {"REGULATOR", "OMBUDSMAN"}
    assert SHIPPED.languages == ("en", "zh")


def test_the_shipped_matrix_is_monotone_and_its_rules_name_what_there_is() -> None:
    rules = SHIPPED.severity
    assert list(milder_cells(rules.matrix)) == []
    for floor in rules.floors:
        assert floor.issues <= set(SHIPPED.codes("issue"))
        assert floor.needs <= set(SHIPPED.codes("vulnerability"))
        assert floor.channels <= set(SHIPPED.codes("channel"))


@pytest.mark.parametrize(
    ("matrix", "cells"),
    [
        ([["S5", "S4"], ["S4", "S3"]], []),
        ([["S3", "S3"], ["S3", "S3"]], []),
        ([["S4", "S5"], ["S4", "S3"]], [(0, 1)]),
        ([["S3", "S3"], ["S4", "S3"]], [(1, 0)]),
        ([["S3", "S2"], ["S4", "S4"]], [(1, 0), (1, 1)]),
    ],
)
def test_milder_cells(matrix: list[list[str]], cells: list[tuple[int, int]]) -> None:
    assert list(milder_cells(matrix)) == cells


def test_worst() -> None:
    assert worst("S3", "S1", "S5") == "S1"


def test_a_retired_category_takes_its_issues_along() -> None:
    found = changed(category="DEL")
    assert not [code for code in found.codes("issue") if code.startswith("DEL.")]
    assert "DEL.LATE" in found.known("issue")
    assert "COM.WAIT" in found.codes("issue")
    assert all(item["code"] != "DEL" for item in offered(found, "en"))
    assert all(item["code"] != "DEL" for item in shown(found, "en", retired=False)["categories"])
    told = next(item for item in shown(found, "en", retired=True)["categories"] if item["code"] == "DEL")
    assert told["retired"]
    assert {issue["retired"] for issue in told["issues"]} == {True}


def test_a_retired_safety_issue_still_says_so_of_old_complaints() -> None:
    found = changed(issue="PRD.SAFETY")
    assert not found.offers("issue", "PRD.SAFETY")
    assert "PRD.SAFETY" in found.safety_issues


@pytest.mark.parametrize(
    ("language", "label"),
    [("zh", "中文"), ("zh-CN", "中文"), ("ZH-hant-TW", "繁體"), ("en", "English"), ("fr", "English"), ("", "English")],
)
def test_labels_are_looked_up_from_the_narrowest(language: str, label: str) -> None:
    assert label_in({"en": "English", "zh": "中文", "zh-Hant": "繁體"}, language) == label
