"""The words complaints are sorted by: categories and issues, causes, outcomes, channels, vulnerability, severity.

Shipped as data (`data/taxonomy.json`), English and Chinese labels. Codes are stable; labels are not.
"""

import json
from functools import lru_cache
from importlib import resources
from typing import Any, Final

SEVERITIES: Final = ("S1", "S2", "S3", "S4", "S5")
"""S1 is the worst."""

TRACKS: Final = ("on_the_spot", "investigate")
FAULTS: Final = ("firm", "shared", "none")
ISSUE_OUTCOMES: Final = ("upheld", "partly_upheld", "not_upheld")
NO_COMPLAINT: Final = ("spam", "not_a_complaint", "out_of_scope")
"""Why somebody dismisses a complaint."""

DISMISSALS: Final = (*NO_COMPLAINT, "duplicate")
"""A duplicate ends through a merge, which names the surviving complaint."""

REGULATOR_CHANNELS: Final = frozenset({"REGULATOR", "OMBUDSMAN"})


@lru_cache(maxsize=1)
def taxonomy() -> dict[str, Any]:
    text = resources.files("helpdesk.complaints").joinpath("data/taxonomy.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def _codes(kind: str) -> tuple[str, ...]:
    return tuple(item["code"] for item in taxonomy()[kind])


CHANNELS: Final = _codes("channels")
CATEGORIES: Final = _codes("categories")
ROOT_CAUSES: Final = _codes("root_causes")
ISSUES: Final = tuple(issue["code"] for category in taxonomy()["categories"] for issue in category["issues"])
VULNERABILITIES: Final = tuple(flag for driver in taxonomy()["vulnerability"] for flag in driver["flags"])
SAFETY_ISSUES: Final = frozenset({"PRD.SAFETY"})


def labelled(kind: str) -> str:
    """`PHONE phone; EMAIL email ...`: the codes of one list with their English labels."""
    return "; ".join(f"`{item['code']}` {item['en']}" for item in taxonomy()[kind])


def offered(language: str) -> list[dict[str, Any]]:
    """Categories with their issues, each with a label in the language, or in English: for whoever has to choose one."""
    main = language.partition("-")[0].lower()

    def label(item: dict[str, Any]) -> str:
        return str(item.get(main) or item["en"])

    return [
        {
            "code": category["code"],
            "label": label(category),
            "issues": [{"code": issue["code"], "label": label(issue)} for issue in category["issues"]],
        }
        for category in taxonomy()["categories"]
    ]


def issues_labelled() -> str:
    issues = [issue for category in taxonomy()["categories"] for issue in category["issues"]]
    return "; ".join(f"`{issue['code']}` {issue['en']}" for issue in issues)


def severity_of(impact: int, urgency: int) -> str:
    """`impact` 1 negligible to 5 critical, `urgency` 1 can wait to 4 now; from the shipped matrix."""
    level: str = taxonomy()["severity_matrix"][impact - 1][urgency - 1]
    return level


def worst(*levels: str) -> str:
    """Of several severities; at least one."""
    return min(levels, key=SEVERITIES.index)


def case_outcome(outcomes: list[str]) -> str:
    """Derived from the issues': any upheld and any not makes partly."""
    kinds = set(outcomes)
    if kinds == {"upheld"}:
        return "upheld"
    if kinds == {"not_upheld"}:
        return "not_upheld"
    return "partly_upheld"
