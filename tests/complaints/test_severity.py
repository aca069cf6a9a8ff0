"""The rules of severity, as a pure function.

How it can fail: a cell of the matrix read across the wrong way; a rule that does not hold of what it is for, or holds of
something else (a need without an outage, an outage without a need); two rules that depend on their order; a level better
than the one before; a flag that raises by itself.
"""

import json
from datetime import UTC, datetime, timedelta
from itertools import combinations, product
from typing import Any
from uuid import UUID

import pytest

from helpdesk.complaints import severity
from helpdesk.complaints.severity import Facts, Judgement, burst_window, words_of
from helpdesk.complaints.taxonomy import SEVERITIES
from helpdesk.taxonomy.terms import Burst, shipped

SHIPPED = shipped()
BURST = SHIPPED.severity.burst or Burst(0, 0, {})
BURST_OF = BURST.count
NEED = UUID(int=1)
EARLIER = UUID(int=2)


def judge(facts: Facts, impact: int | None, urgency: int | None) -> Judgement:
    """By what is shipped."""
    return severity.judge(facts, impact, urgency, SHIPPED)


MATRIX = {
    (1, 1): "S5",
    (1, 4): "S3",
    (2, 2): "S4",
    (3, 1): "S4",
    (3, 4): "S2",
    (4, 1): "S3",
    (5, 1): "S2",
    (5, 4): "S1",
}
"""Written down once more from the field's matrix: impact down, urgency across."""


@pytest.mark.parametrize(("judged", "level"), MATRIX.items())
def test_matrix(judged: tuple[int, int], level: str) -> None:
    found = judge(Facts("EMAIL"), *judged)
    assert found.severity == level
    assert [(reason.rule, dict(reason.evidence)) for reason in found.reasons] == [
        ("matrix", {"impact": judged[0], "urgency": judged[1]})
    ]


def test_nothing_tells() -> None:
    found = judge(Facts("EMAIL", ("DEL.LATE",)), None, None)
    assert (found.severity, found.reasons, found.systemic) == (None, (), False)


RULED: dict[str, tuple[dict[str, Any], str]] = {
    "safety": ({"issues": ("PRD.SAFETY",)}, "S1"),
    "safety of a person": ({"needs": (("safeguarding_concern", NEED),)}, "S1"),
    "essential_service": ({"issues": ("SVC.OUTAGE",), "needs": (("hearing", NEED),)}, "S2"),
    "essential_service at home": ({"needs": (("no_heat_or_power", NEED),)}, "S2"),
    "regulator": ({"channel": "REGULATOR"}, "S2"),
    "regulator's like": ({"channel": "OMBUDSMAN"}, "S2"),
    "regulator or above": ({"channel": "EXEC"}, "S2"),
    "breach": ({"issues": ("DEL.LATE", "PRV.BREACH")}, "S2"),
}


@pytest.mark.parametrize(("name", "facts", "level"), [(name, *what) for name, what in RULED.items()])
def test_rules(name: str, facts: dict[str, Any], level: str) -> None:
    rule = name.split(maxsplit=1)[0].removesuffix("'s")
    unjudged = judge(Facts(**({"channel": "EMAIL"} | facts)), None, None)
    assert (unjudged.severity, [reason.rule for reason in unjudged.reasons]) == (level, [rule])
    mild = judge(Facts(**({"channel": "EMAIL"} | facts)), 1, 1)
    assert (mild.severity, [reason.rule for reason in mild.reasons]) == (level, ["matrix", rule])
    worst = judge(Facts(**({"channel": "EMAIL"} | facts)), 5, 4)
    assert worst.severity == "S1"


@pytest.mark.parametrize(
    "facts",
    [
        {"issues": ("SVC.OUTAGE",)},
        {"needs": (("hearing", NEED),)},
        {"needs": (("dependent_on_service", NEED),)},
        {"channel": "SOCIAL_PUBLIC"},
        {"issues": ("PRV.FRAUD", "PRD.DEFECT")},
        {"alike": {"DEL.LATE": BURST_OF - 1}},
    ],
)
def test_what_no_rule_is_for(facts: dict[str, Any]) -> None:
    assert judge(Facts(**({"channel": "EMAIL"} | facts)), None, None).reasons == ()


def test_a_repeat_is_a_level_more_and_never_beyond_the_worst() -> None:
    again = Facts("EMAIL", ("DEL.LATE",), repeats=(EARLIER,))
    for impact, urgency in product(range(1, 6), range(1, 5)):
        base = judge(Facts("EMAIL"), impact, urgency).severity or ""
        raised = judge(again, impact, urgency).severity or ""
        assert SEVERITIES.index(raised) == max(SEVERITIES.index(base) - 1, 0)
    found = judge(again, None, None)
    assert (found.severity, [reason.rule for reason in found.reasons]) == (None, ["repeat"])


def test_a_repeat_raises_what_was_judged_and_not_what_a_rule_asks_for() -> None:
    facts = Facts("REGULATOR", ("DEL.LATE",), repeats=(EARLIER,))
    assert judge(facts, 1, 1).severity == "S2"
    assert judge(facts, 4, 3).severity == "S1"


def test_many_alike_are_a_flag_and_raise_nothing() -> None:
    found = judge(Facts("EMAIL", ("DEL.LATE", "DEL.LOST"), alike={"DEL.LATE": BURST_OF, "DEL.LOST": 1}), 1, 1)
    assert (found.severity, found.systemic) == ("S5", True)
    assert found.reasons[-1].as_data() == {
        "rule": "burst",
        "severity": None,
        "evidence": {"issues": ["DEL.LATE"], "count": BURST_OF, "hours": 24},
    }


def test_more_facts_never_make_it_milder() -> None:
    for one, other in combinations(RULED.values(), 2):
        both = {"channel": "EMAIL", **one[0], **{k: v for k, v in other[0].items() if k not in one[0]}}
        found = judge(Facts(**both), 2, 2).severity or ""
        assert SEVERITIES.index(found) <= SEVERITIES.index(one[1])


def test_what_is_said_of_a_need_can_be_forgotten() -> None:
    """Evidence outlives a need; it names its row and never what it was."""
    found = judge(Facts("EMAIL", needs=(("safeguarding_concern", NEED),)), None, None)
    written = json.dumps([reason.as_data() for reason in found.reasons])
    assert str(NEED) in written
    assert "safeguarding" not in written


def test_every_rule_says_what_it_is_in_both_languages() -> None:
    rules = SHIPPED.severity
    names = ["matrix", "repeat", "burst", "person", *(floor.rule for floor in rules.floors)]
    told = {name: (words_of(name, rules, "en"), words_of(name, rules, "zh-CN")) for name in names}
    assert len({text for pair in told.values() for text in pair}) == 2 * len(names), told
    assert words_of("gone", rules, "en") == "gone"


def test_the_window_of_a_burst() -> None:
    now = datetime(2026, 3, 2, 12, tzinfo=UTC)
    day = timedelta(hours=24)
    assert burst_window(BURST, now - timedelta(hours=1), now) == (now - day, now)
    assert burst_window(BURST, now - timedelta(days=9), now) == (now - timedelta(days=10), now - timedelta(days=9))
