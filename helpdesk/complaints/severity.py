"""How severe a complaint is: impact and urgency give a level by the matrix, and rules raise it, each for a stated reason.

Pure; `assessments` looks the facts up and keeps what came out. The matrix and the rules are data
(`taxonomy.terms.SeverityRules`), with versions that are kept with every assessment.

**How the rules go together.** A repeat raises by a level what was judged; then every rule that asks for a level at least
holds. So the order of the rules says nothing, and a repeat does not carry a complaint beyond what a regulator's channel
asks for. Many like it (a burst) is a flag, and raises nothing by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from helpdesk.complaints.taxonomy import SEVERITIES, worst
from helpdesk.taxonomy.terms import Burst, Floor, Repeat, SeverityRules, Taxonomy, label_in

MATRIX: Final = "matrix"
REPEAT: Final = "repeat"
BURST: Final = "burst"
PERSON: Final = "person"
"""Somebody set it, and said why."""

_OWN_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    MATRIX: {"en": "impact and urgency as they were judged", "zh": "按影响与紧急程度判定"},
    PERSON: {"en": "somebody set it, with a reason", "zh": "人工设定并说明理由"},
}


def words_of(rule: str, rules: SeverityRules, language: str) -> str:
    """What a rule says; its name where there is no such rule any more."""
    labels = {**_OWN_WORDS, **{floor.rule: floor.labels for floor in rules.floors}}
    labels |= {name: part.labels for name, part in ((REPEAT, rules.repeat), (BURST, rules.burst)) if part is not None}
    return label_in(labels[rule], language) if rule in labels else rule


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules ask for. `needs`: flag of each need with its id. `repeats`: earlier complaints of the customer of the
    same issue, newest first. `alike`: issue -> how many open complaints of it there are at the time, this one included.
    """

    channel: str
    issues: tuple[str, ...] = ()
    needs: tuple[tuple[str, UUID], ...] = ()
    repeats: tuple[UUID, ...] = ()
    alike: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reason:
    """One rule that holds. `severity`: the level it asks for, None where it asks for none. A need is named by its id: what
    it is may have to be forgotten.
    """

    rule: str
    severity: str | None
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def as_data(self) -> dict[str, Any]:
        return {"rule": self.rule, "severity": self.severity, "evidence": dict(self.evidence)}


@dataclass(frozen=True, slots=True)
class Judgement:
    """`severity` is None where nothing tells: nobody judged it, and no rule holds."""

    severity: str | None
    reasons: tuple[Reason, ...]
    rules_version: int = 0
    taxonomy_version: int = 0

    @property
    def systemic(self) -> bool:
        return any(reason.rule == BURST for reason in self.reasons)

    @property
    def rules(self) -> frozenset[str]:
        return frozenset(reason.rule for reason in self.reasons)


def judge(facts: Facts, impact: int | None, urgency: int | None, taxonomy: Taxonomy) -> Judgement:
    """By the matrix where impact and urgency are known, and by every rule that holds."""
    rules = taxonomy.severity
    reasons: list[Reason] = []
    base = None
    if impact is not None and urgency is not None:
        base = rules.severity_of(impact, urgency)
        reasons.append(Reason(MATRIX, base, {"impact": impact, "urgency": urgency}))
    reasons += filter(None, (_at_least(floor, facts) for floor in rules.floors))
    if rules.repeat is not None and facts.repeats:
        reasons.append(_repeated(rules.repeat, facts, base))
    levels = [reason.severity for reason in reasons if reason.severity is not None]
    if rules.burst is not None:
        reasons += _burst(rules.burst, facts)
    return Judgement(worst(*levels) if levels else None, tuple(reasons), rules.version, taxonomy.version)


def _at_least(floor: Floor, facts: Facts) -> Reason | None:
    issues = [issue for issue in facts.issues if issue in floor.issues]
    needs = [str(need_id) for flag, need_id in facts.needs if flag in floor.needs]
    channels = [channel for channel in (facts.channel,) if channel in floor.channels]
    if not (issues or needs or channels) or (floor.vulnerable and not facts.needs):
        return None
    found = {"issues": issues, "need_ids": needs, "channels": channels}
    return Reason(floor.rule, floor.at_least, {name: what for name, what in found.items() if what})


def _repeated(rule: Repeat, facts: Facts, base: str | None) -> Reason:
    """Without a judgement there is nothing to raise; the reason is told all the same."""
    level = None if base is None else SEVERITIES[max(SEVERITIES.index(base) - rule.levels, 0)]
    evidence = {
        "complaint_ids": [str(complaint_id) for complaint_id in facts.repeats],
        "count": len(facts.repeats),
        "days": rule.days,
    }
    return Reason(REPEAT, level, evidence)


def _burst(rule: Burst, facts: Facts) -> list[Reason]:
    many = {issue: count for issue, count in sorted(facts.alike.items()) if count >= rule.count}
    if not many:
        return []
    return [Reason(BURST, None, {"issues": list(many), "count": max(many.values()), "hours": rule.hours})]


def burst_window(rule: Burst, received_at: datetime, now: datetime) -> tuple[datetime, datetime]:
    """The hours in which others like it count: the last ones, or, of what came in earlier, those before its receipt."""
    end = now if now - received_at <= rule.within else received_at
    return end - rule.within, end
