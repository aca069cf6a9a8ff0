"""The taxonomy as a value: every term of one version, and the rules of severity that go with it. Pure."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property, lru_cache
from importlib import resources
from typing import Any, Final

from helpdesk.taxonomy.severities import Matrix

KINDS: Final = ("category", "issue", "root_cause", "outcome", "remedy", "channel", "vulnerability")
PATTERNS: Final[Mapping[str, str]] = {
    "category": "^[A-Z][A-Z0-9_]{0,19}$",
    "issue": r"^[A-Z][A-Z0-9_]{0,19}\.[A-Z0-9_]{1,40}$",
    "root_cause": r"^[A-Z][A-Z0-9_]{0,19}(\.[A-Z0-9_]{1,40})?$",
    "outcome": "^[A-Z][A-Z0-9_]{0,39}$",
    "remedy": "^[A-Z][A-Z0-9_]{0,39}$",
    "channel": "^[A-Z][A-Z0-9_]{0,39}$",
    "vulnerability": "^[a-z][a-z0-9_]{0,39}$",
}
"""An issue's code begins with its category's: `DEL.LATE` is of `DEL`."""

FLAG: Final = "flag"
WORD: Final = "word"
PERCENT: Final = "percent"
TRAITS: Final[Mapping[str, Mapping[str, str]]] = {
    "category": {},
    "issue": {"safety": FLAG},
    "root_cause": {"layer": WORD},
    "outcome": {"upheld_percent": PERCENT, "closes": FLAG},
    "remedy": {"justice": WORD, "resource": WORD},
    "channel": {"regulator": FLAG},
    "vulnerability": {"driver": WORD},
}
"""What else is known of a term, by its kind. `safety`: a complaint with such an issue is about safety; `regulator`: what comes
that way comes through a regulator or ombudsman. Neither is settled on the spot.
"""
REQUIRED_LANGUAGE: Final = "en"
"""What is shown where a label is not there in the language that was asked for."""

SHIPPED_VERSION: Final = 0


def category_of(issue: str) -> str:
    return issue.partition(".")[0]


def fits(kind: str, code: str) -> bool:
    return re.fullmatch(PATTERNS[kind].removeprefix("^").removesuffix("$"), code) is not None


def label_in(labels: Mapping[str, str], language: str) -> str:
    """By RFC 4647's look-up: `zh-CN` is content with `zh`; in English where there is none."""
    tag = language.lower()
    known = {name.lower(): text for name, text in labels.items()}
    while tag:
        if tag in known:
            return known[tag]
        tag = tag.rpartition("-")[0]
    return labels[REQUIRED_LANGUAGE]


@dataclass(frozen=True, slots=True)
class Term:
    """`in_force`: it may be given to something new."""

    kind: str
    code: str
    labels: Mapping[str, str]
    traits: Mapping[str, Any]
    in_force: bool = True


@dataclass(frozen=True, slots=True)
class Repeat:
    """The same issue of the same customer within so many days raises by so many levels what was judged."""

    levels: int
    days: int
    labels: Mapping[str, str]

    @property
    def within(self) -> timedelta:
        return timedelta(days=self.days)


@dataclass(frozen=True, slots=True)
class Burst:
    """So many open complaints of one issue within so many hours."""

    count: int
    hours: int
    labels: Mapping[str, str]

    @property
    def within(self) -> timedelta:
        return timedelta(hours=self.hours)


@dataclass(frozen=True, slots=True)
class Floor:
    """A rule that asks for a severity at least. `vulnerable`: only of somebody of whom a need is recorded."""

    rule: str
    at_least: str
    labels: Mapping[str, str]
    vulnerable: bool = False
    issues: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SeverityRules:
    version: int
    matrix: Matrix
    floors: Sequence[Floor]
    repeat: Repeat | None
    burst: Burst | None

    @classmethod
    def of(cls, version: int, spec: Mapping[str, Any]) -> "SeverityRules":
        """`spec` as `SeverityRulesIn` loads it."""
        return cls(
            version=version,
            matrix=tuple(tuple(row) for row in spec["matrix"]),
            floors=tuple(
                Floor(
                    rule["rule"],
                    rule["at_least"],
                    rule["labels"],
                    rule["vulnerable"],
                    frozenset(rule["issues"]),
                    frozenset(rule["needs"]),
                    frozenset(rule["channels"]),
                )
                for rule in spec["rules"]
            ),
            repeat=None if spec["repeat"] is None else Repeat(**spec["repeat"]),
            burst=None if spec["burst"] is None else Burst(**spec["burst"]),
        )

    def severity_of(self, impact: int, urgency: int) -> str:
        """`impact` 1 negligible to 5 critical, `urgency` 1 can wait to 4 now."""
        return self.matrix[impact - 1][urgency - 1]


@dataclass(frozen=True)
class Taxonomy:
    """One version: `terms` by kind and code, in order."""

    version: int
    terms: Mapping[str, Mapping[str, Term]]
    severity: SeverityRules
    content: Mapping[str, Any] = field(repr=False, default_factory=dict)

    @classmethod
    def of(cls, version: int, content: Mapping[str, Any]) -> "Taxonomy":
        """`content`: as `taxonomy_version` keeps it."""
        terms: dict[str, dict[str, Term]] = {kind: {} for kind in KINDS}
        for item in content["terms"]:
            terms[item["kind"]][item["code"]] = Term(
                item["kind"], item["code"], item["labels"], item["traits"], not item["retired"]
            )
        issues = terms["issue"]
        for code, issue in issues.items():
            category = terms["category"].get(category_of(code))
            if issue.in_force and (category is None or not category.in_force):
                issues[code] = Term(issue.kind, code, issue.labels, issue.traits, in_force=False)
        spec = content["severity"]
        return cls(version, terms, SeverityRules.of(spec["version"], spec), content)

    @cached_property
    def _given(self) -> Mapping[str, tuple[str, ...]]:
        return {
            kind: tuple(code for code, term in terms.items() if term.in_force) for kind, terms in self.terms.items()
        }

    def codes(self, kind: str) -> tuple[str, ...]:
        """Those in force, in order."""
        return self._given[kind]

    def known(self, kind: str) -> Mapping[str, Term]:
        """Those in force and those that were."""
        return self.terms[kind]

    def offers(self, kind: str, code: str) -> bool:
        """Whether it may be given to something new."""
        term = self.terms[kind].get(code)
        return term is not None and term.in_force

    @cached_property
    def safety_issues(self) -> frozenset[str]:
        return self._with("issue", "safety")

    @cached_property
    def regulator_channels(self) -> frozenset[str]:
        return self._with("channel", "regulator")

    def _with(self, kind: str, flag: str) -> frozenset[str]:
        """Those that were in force too: what they say of an old complaint is still so."""
        return frozenset(code for code, term in self.terms[kind].items() if term.traits.get(flag))

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """That some label is there in, English first."""
        found = {tag for terms in self.terms.values() for term in terms.values() for tag in term.labels}
        return (REQUIRED_LANGUAGE, *sorted(found - {REQUIRED_LANGUAGE}))

    def issues_of(self, category: str) -> Iterator[Term]:
        return (term for code, term in self.terms["issue"].items() if category_of(code) == category)


def shipped_terms() -> Iterator[dict[str, Any]]:
    """What comes with the program: kind, code, labels and traits of each, in order."""
    shipped = _shipped()
    for kind in KINDS:
        items = (
            [issue for category in shipped["category"] for issue in category["issues"]]
            if kind == "issue"
            else shipped[kind]
        )
        for item in items:
            traits = dict(item.get("traits", {}))
            yield {"kind": kind, "code": item["code"], "labels": dict(item["labels"]), "traits": traits}


def shipped_severity() -> dict[str, Any]:
    return dict(_shipped()["severity"])


@lru_cache(maxsize=1)
def _shipped() -> dict[str, Any]:
    text = resources.files("helpdesk.taxonomy").joinpath("data/taxonomy.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


@lru_cache(maxsize=1)
def shipped() -> Taxonomy:
    """For whoever has no database at hand: the document, the check of a mapping file."""
    terms = [item | {"retired": False} for item in shipped_terms()]
    severity = shipped_severity() | {"version": SHIPPED_VERSION}
    return Taxonomy.of(SHIPPED_VERSION, {"terms": terms, "severity": severity})
