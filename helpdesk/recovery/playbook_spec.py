"""A version of a playbook, compiled from its data: numbers, tactics, rules and alternatives.

The data is JSON with decimals as strings (`data/playbook_default.json` is the shipped one). `compiled` reads what
`playbook_checks` has found nothing wrong with; a rule whose condition cannot be read any more (a field of the operator's
own is gone) is left out, which whoever keeps versions logs.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import lru_cache
from importlib import resources
from typing import Any, Final

from helpdesk.kernel.errors import ValidationFailed
from helpdesk.kernel.expressions import Expression, read
from helpdesk.kernel.facts import Facts, Vocabulary

ACTS: Final = ("acknowledge", "apologise", "explain", "fix", "compensate", "prevent", "follow_up")
"""What one does after a failure, in the order in which it is done."""
WHEN: Final = ("always", "at_fault", "money", "named")
"""When a tactic is part of the plan: always; where the fault is the firm's, wholly or partly; where anything is offered or
owed; only where a rule names it.
"""
SHARES: Final = ("price", "loss", "goodwill")
"""What a line of a rule may be a share of; `goodwill`: what the formula gives."""
IN_KIND: Final = ("replacement", "re_performance", "gift")
GOODWILL_KINDS: Final = ("voucher", "points", "service_credit", "goodwill_payment")
MOST_CHANGED: Final = 10
"""Complaints of each currency that a trial names."""
SHIPPED_VERSION: Final = "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula:
    """Factors are pure numbers, bands are whole units of currency. `cap_of_price` None: goodwill is not capped."""

    band: Mapping[str, Decimal]
    fault: Mapping[str, Decimal]
    delay_per_week: Decimal
    most_weeks: int
    repeat: Decimal
    repeat_within_days: int
    vulnerability: Decimal
    tier: Mapping[str, Decimal]
    no_tier_at: frozenset[str]
    cap_of_price: Decimal | None


@dataclass(frozen=True, slots=True)
class Tactic:
    """`act`: one of `ACTS`; `when`: one of `WHEN`."""

    act: str
    text: str
    when: str


@dataclass(frozen=True, slots=True)
class Added:
    """A line that a rule adds to the goodwill. `of` None: so much; else percent of one of `SHARES`."""

    text: str
    value: Decimal
    of: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`changes`: fields of the formula that it sets; `factor`: a further one; `stop`: no later rule is looked at."""

    name: str
    condition: Expression
    changes: Mapping[str, Any]
    factor: Decimal | None
    lines: tuple[Added, ...]
    tactics: tuple[str, ...]
    alternatives: tuple[str, ...]
    stop: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """`lost`: what it is for; empty: for anything. `in_kind`: one of `IN_KIND` beside the money; `goodwill`: as which kind."""

    name: str
    title: str
    lost: frozenset[str]
    in_kind: str | None
    goodwill: str
    factor: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Playbook:
    """One version. `lost`: category or issue -> what its failure takes from the customer."""

    name: str
    version: str
    formula: Formula
    tactics: tuple[Tactic, ...]
    rules: tuple[Rule, ...]
    alternatives: tuple[Alternative, ...]
    lost: Mapping[str, str]
    wanted: frozenset[str] = field(default=frozenset())
    """Facts that its rules ask for."""

    def holding(self, facts: Facts) -> tuple[Rule, ...]:
        """The rules whose condition holds, in their order, up to one that says stop."""
        found = []
        for rule in self.rules:
            if rule.condition.holds(facts):
                found.append(rule)
                if rule.stop:
                    break
        return tuple(found)

    def lost_in(self, values: Mapping[str, Any]) -> str | None:
        """What is stated (`lost`), or what the issue or its category takes from the customer; None: not known."""
        stated: str | None = values.get("lost")
        return stated or self.lost.get(values.get("issue") or "") or self.lost.get(values.get("category") or "")


def compiled(name: str, version: str, spec: Mapping[str, Any], vocabulary: Vocabulary) -> tuple[Playbook, list[str]]:
    """The playbook, and the names of rules that cannot be read any more."""
    rules, unread = [], []
    for written in spec["rules"]:
        try:
            condition = read(written["condition"], vocabulary, kept=True)
        except ValidationFailed:
            unread.append(written["name"])
        else:
            rules.append(_rule(written, condition))
    book = Playbook(
        name=name,
        version=version,
        formula=_formula(spec["formula"]),
        tactics=tuple(Tactic(item["act"], item["text"], item["when"]) for item in spec["tactics"]),
        rules=tuple(rules),
        alternatives=tuple(map(_alternative, spec["alternatives"])),
        lost=spec["lost"],
        wanted=frozenset(name for rule in rules for name in rule.condition.fields),
    )
    return book, unread


def _formula(written: Mapping[str, Any]) -> Formula:
    found = formula_changes(written)
    return Formula(**{"cap_of_price": None, **found})


def formula_changes(written: Mapping[str, Any]) -> dict[str, Any]:
    """What a formula, or the part of one that a rule sets, says of the fields of `Formula`."""
    found: dict[str, Any] = {}
    for name in ("band", "fault"):
        if name in written:
            found[name] = _decimals(written[name])
    for name, (field_, key, kind) in _SINGLE.items():
        part = written.get(field_)
        if part is not None and key in part:
            found[name] = kind(part[key])
    if written.get("tier") is not None:
        tier = written["tier"]
        found |= {"tier": _decimals(tier["factors"])} if "factors" in tier else {}
        found |= {"no_tier_at": frozenset(tier["not_at"])} if "not_at" in tier else {}
    return found


_SINGLE: Final[Mapping[str, tuple[str, str, Any]]] = {
    "delay_per_week": ("delay", "per_week", Decimal),
    "most_weeks": ("delay", "most_weeks", int),
    "repeat": ("repeat", "factor", Decimal),
    "repeat_within_days": ("repeat", "within_days", int),
    "vulnerability": ("vulnerability", "factor", Decimal),
    "cap_of_price": ("cap", "of_price", Decimal),
}
"""Field of `Formula` -> where it stands, and how it is read."""


def with_changes(formula: Formula, changes: Sequence[Mapping[str, Any]]) -> Formula:
    """Later ones go before earlier ones; of bands, faults and tiers only those that are named."""
    for change in changes:
        merged: dict[str, Any] = {
            name: {**getattr(formula, name), **value} if isinstance(value, dict) else value
            for name, value in change.items()
        }
        formula = replace(formula, **merged) if merged else formula
    return formula


def _rule(written: Mapping[str, Any], condition: Expression) -> Rule:
    factor = written.get("factor")
    return Rule(
        name=written["name"],
        condition=condition,
        changes=formula_changes(written.get("set") or {}),
        factor=None if factor is None else Decimal(factor),
        lines=tuple(_added(item) for item in written.get("lines") or ()),
        tactics=tuple(written.get("tactics") or ()),
        alternatives=tuple(written.get("alternatives") or ()),
        stop=written.get("stop", False),
    )


def _added(written: Mapping[str, Any]) -> Added:
    if written.get("fixed") is not None:
        return Added(written["text"], Decimal(written["fixed"]), None)
    return Added(written["text"], Decimal(written["percent"]), written["of"])


def _alternative(written: Mapping[str, Any]) -> Alternative:
    return Alternative(
        name=written["name"],
        title=written["title"],
        lost=frozenset(written["lost"]),
        in_kind=written["in_kind"],
        goodwill=written["goodwill"]["kind"],
        factor=Decimal(written["goodwill"]["factor"]),
    )


def _decimals(values: Mapping[str, Any]) -> dict[str, Decimal]:
    return {name: Decimal(value) for name, value in values.items()}


@lru_cache(maxsize=1)
def shipped_spec() -> dict[str, Any]:
    text = resources.files("helpdesk.recovery").joinpath("data/playbook_default.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


@lru_cache(maxsize=1)
def default_playbook() -> Playbook:
    """The shipped one: what counts where no playbook is in force."""
    return compiled("default", SHIPPED_VERSION, shipped_spec(), {})[0]
