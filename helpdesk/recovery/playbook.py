"""What the playbook suggests for a complaint, with every factor shown.

`offer = proven loss + statutory tariff + min(goodwill, cap)`. What was lost and what the law lays down is owed: no tier,
no cap and no factor touches it. Goodwill is `band[severity] * fault * delay * repeat * vulnerability * tier`, and the
cap (`1.5 * price - refund`, not below zero) holds for goodwill only. The refund is what was refunded before and the
proven loss that this offer makes good (the worked example: 1.5 * 200 - 60 = 240). Without a price there is no cap.

Decimal arithmetic, rounded once, half up, when the goodwill becomes money. Bands are whole units of the complaint's own
currency; there is no exchange rate. Source: reference/formulas.md.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from importlib import resources
from typing import Any, Final

from helpdesk.kernel.money import Money
from helpdesk.recovery.kinds import ISSUABLE

LINE_KINDS: Final = ("restitution", "statutory", "goodwill")

_ONE: Final = Decimal(1)
_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a suggestion depends on. `price` None: unknown, so that there is no cap. `weeks_overdue`: whole weeks.

    `loss` is what was lost and is still to be made good; `refunded` what was given back before.
    """

    severity: str
    fault: str
    tier: str
    weeks_overdue: int
    repeated: bool
    vulnerable: bool
    loss: Money
    statutory: Money
    refunded: Money
    price: Money | None


@dataclass(frozen=True, slots=True)
class Tactic:
    """`when`: always, at_fault (the firm's, wholly or partly) or money (something is offered or owed)."""

    act: str
    text: str
    when: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Playbook:
    """The numbers of one version. Factors are pure numbers, bands are whole units of currency."""

    name: str
    version: str
    band: Mapping[str, Decimal]
    fault: Mapping[str, Decimal]
    delay_per_week: Decimal
    most_weeks: int
    repeat: Decimal
    repeat_within_days: int
    vulnerability: Decimal
    tier: Mapping[str, Decimal]
    no_tier_at: frozenset[str]
    cap_of_price: Decimal
    tactics: tuple[Tactic, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One item of a suggestion: how much, by which rule of which version, and what it was computed from."""

    kind: str
    amount: Money
    rule: str
    version: str
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Remedy:
    """`issuable` False: it is the right thing, but cannot be drafted; nobody could issue it."""

    kind: str
    amount: Money | None
    issuable: bool
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """`owed` is the floor (restitution and statutory), `goodwill` what comes on top after the cap, `offer` their sum.

    `cap` None: no price is known, so goodwill is not capped.
    """

    playbook: str
    version: str
    lines: tuple[Line, ...]
    owed: Money
    goodwill: Money
    cap: Money | None
    offer: Money
    tactics: tuple[Tactic, ...]
    remedies: tuple[Remedy, ...]


@dataclass(frozen=True, slots=True)
class _Factor:
    name: str
    value: Decimal
    because: str

    def as_data(self) -> dict[str, str]:
        return {"factor": self.name, "value": _plain(self.value), "because": self.because}


@lru_cache(maxsize=1)
def default_playbook() -> Playbook:
    text = resources.files("helpdesk.recovery").joinpath("data/playbook_default.toml").read_text(encoding="utf-8")
    return parse(text)


def parse(text: str) -> Playbook:
    """A playbook from TOML. Raises KeyError or ValueError for one that lacks a number."""
    data = tomllib.loads(text, parse_float=Decimal)
    return Playbook(
        name=data["name"],
        version=data["version"],
        band=_decimals(data["band"]),
        fault=_decimals(data["fault"]),
        delay_per_week=Decimal(data["delay"]["per_week"]),
        most_weeks=int(data["delay"]["most_weeks"]),
        repeat=Decimal(data["repeat"]["factor"]),
        repeat_within_days=int(data["repeat"]["within_days"]),
        vulnerability=Decimal(data["vulnerability"]["factor"]),
        tier=_decimals({name: value for name, value in data["tier"].items() if name != "not_at"}),
        no_tier_at=frozenset(data["tier"]["not_at"]),
        cap_of_price=Decimal(data["cap"]["of_price"]),
        tactics=tuple(Tactic(item["act"], item["text"], item["when"]) for item in data["tactics"]),
    )


def _decimals(values: Mapping[str, Any]) -> dict[str, Decimal]:
    return {name: Decimal(value) for name, value in values.items()}


def suggest(facts: Facts, playbook: Playbook) -> Suggestion:
    """The itemised suggestion. All amounts of `facts` are in one currency; `MoneyError` when they are not."""
    owed = facts.loss + facts.statutory
    factors = _factors(facts, playbook)
    exact = _ONE
    for factor in factors:
        exact *= factor.value
    cap = _cap(facts, playbook)
    goodwill = Money.of(exact if cap is None else min(exact, cap), owed.currency)
    lines = (
        *_owed_lines(facts, playbook),
        Line(
            "goodwill",
            goodwill,
            "goodwill.formula" if cap is None or exact <= cap else "goodwill.capped",
            playbook.version,
            {
                "factors": [factor.as_data() for factor in factors],
                "before_cap": _plain(exact),
                "cap": None if cap is None else _plain(cap),
            },
        ),
    )
    offer = owed + goodwill
    return Suggestion(
        playbook=playbook.name,
        version=playbook.version,
        lines=lines,
        owed=owed,
        goodwill=goodwill,
        cap=None if cap is None else Money.of(cap, owed.currency),
        offer=offer,
        tactics=_tactics(facts, offer, playbook),
        remedies=_remedies(facts, owed, goodwill),
    )


def _factors(facts: Facts, playbook: Playbook) -> tuple[_Factor, ...]:
    weeks = min(facts.weeks_overdue, playbook.most_weeks)
    return (
        _Factor("band", playbook.band[facts.severity], f"severity {facts.severity}"),
        _Factor("fault", playbook.fault[facts.fault], f"fault: {facts.fault}"),
        _Factor("delay", _ONE + playbook.delay_per_week * weeks, f"{facts.weeks_overdue} weeks overdue"),
        _Factor(
            "repeat",
            playbook.repeat if facts.repeated else _ONE,
            f"the same issue {'failed' if facts.repeated else 'did not fail'} before within "
            f"{playbook.repeat_within_days} days",
        ),
        _Factor(
            "vulnerability",
            playbook.vulnerability if facts.vulnerable else _ONE,
            "a vulnerability makes it worse" if facts.vulnerable else "no vulnerability makes it worse",
        ),
        _tier_factor(facts, playbook),
    )


def _tier_factor(facts: Facts, playbook: Playbook) -> _Factor:
    if facts.severity in playbook.no_tier_at:
        return _Factor("tier", _ONE, f"at {facts.severity} no tier counts")
    return _Factor("tier", playbook.tier.get(facts.tier, _ONE), f"tier {facts.tier}")


def _cap(facts: Facts, playbook: Playbook) -> Decimal | None:
    if facts.price is None:
        return None
    left = playbook.cap_of_price * facts.price.decimal - facts.refunded.decimal - facts.loss.decimal
    return max(left, _ZERO)


def _owed_lines(facts: Facts, playbook: Playbook) -> tuple[Line, ...]:
    found = []
    if facts.loss.minor:
        evidence = {"proven_loss": str(facts.loss)}
        found.append(Line("restitution", facts.loss, "restitution.proven_loss", playbook.version, evidence))
    if facts.statutory.minor:
        evidence = {"tariff": str(facts.statutory)}
        found.append(Line("statutory", facts.statutory, "statutory.tariff", playbook.version, evidence))
    return tuple(found)


def _tactics(facts: Facts, offer: Money, playbook: Playbook) -> tuple[Tactic, ...]:
    holds = {"always": True, "at_fault": facts.fault != "none", "money": offer.minor > 0}
    return tuple(tactic for tactic in playbook.tactics if holds[tactic.when])


def _remedies(facts: Facts, owed: Money, goodwill: Money) -> tuple[Remedy, ...]:
    """Money for money, words for the lack of attention; goodwill as a voucher."""
    found = []
    if facts.fault != "none":
        found.append(Remedy("apology_letter", None, True, "Where the fault is ours, we say sorry."))
    if owed.minor:
        whole = facts.price is not None and facts.price <= owed
        kind = "refund" if whole else "partial_refund"
        why = "What was lost is owed in money. A voucher does not settle it."
        found.append(Remedy(kind, owed, kind in ISSUABLE, why))
    if goodwill.minor:
        found.append(Remedy("voucher", goodwill, True, "Goodwill on top of what is owed."))
    return tuple(found)


def as_data(suggestion: Suggestion) -> dict[str, Any]:
    """JSON-safe, to be kept with an offer: what was suggested at the time, whatever the playbook says later."""
    return {
        "playbook": suggestion.playbook,
        "version": suggestion.version,
        "owed": _money(suggestion.owed),
        "goodwill": _money(suggestion.goodwill),
        "cap": None if suggestion.cap is None else _money(suggestion.cap),
        "offer": _money(suggestion.offer),
        "lines": [
            {
                "kind": line.kind,
                "amount": _money(line.amount),
                "rule": line.rule,
                "version": line.version,
                "evidence": dict(line.evidence),
            }
            for line in suggestion.lines
        ],
    }


def _money(money: Money) -> dict[str, str]:
    return {"amount": str(money), "currency": money.currency}


def _plain(value: Decimal) -> str:
    """`1.50` as `1.5` and `120` as `120`, never `1.2E+2`."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
