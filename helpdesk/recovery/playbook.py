"""What a playbook suggests for a case, with every factor shown. Pure.

`offer = proven loss + statutory + min(goodwill, cap)`. What was lost and what the law lays down is owed: no tier, no cap,
no factor and no rule of a playbook touches it. Goodwill is `band[severity] * fault * delay * repeat * vulnerability * tier`,
by the factors that rules add, and with the lines that rules add; the cap (`1.5 * price - refund`, not below zero) holds for
all of it and for nothing else. The refund is what was refunded before and the proven loss that this offer makes good (the
worked example: 1.5 * 200 - 60 = 240), all of it, also where a set-off leaves nothing of it to be paid. It is rounded down: nothing
is beyond it. Without a price there is no cap.

A tariff that is set off (`tariffs`) takes from the proven loss what it pays for the same loss, not below zero, and from
nothing else. Where a tariff is in another currency it is named and not added up: there is no exchange rate.

Decimal arithmetic; goodwill becomes money by its running sum, rounded half up, so that its lines add up to what the sum
rounds to. Bands and fixed lines are whole units of the complaint's own currency. Source: reference/formulas.md.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from helpdesk.kernel.money import MAX_MINOR, Money
from helpdesk.recovery.case_facts import plain
from helpdesk.recovery.counting import counted
from helpdesk.recovery.kinds import ISSUABLE
from helpdesk.recovery.playbook_spec import Alternative, Formula, Playbook, Rule, Tactic, with_changes

LINE_KINDS: Final = ("restitution", "statutory", "goodwill")
MOST_ALTERNATIVES: Final = 3
_ONE: Final = Decimal(1)
_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a suggestion depends on. `price` None: unknown, so that there is no cap. `weeks_overdue`: whole weeks.

    `loss` is what was lost and is still to be made good; `refunded` what was given back before. `tariffs`: what each lays
    down that is owed in this case. `lost_by_others`: what is owed to other complainants, whose cases are reckoned by themselves;
    no cap and no rule goes by it. `lost`: what kind of thing was lost; None: not known. `failed_in`: the earlier complaints that
    it is `repeated` by; none where that was stated. `delay_stated` False: `weeks_overdue` is what nobody has said otherwise.
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
    tariffs: tuple["Owed", ...] = ()
    lost_by_others: tuple["Lost", ...] = ()
    lost: str | None = None
    failed_in: tuple[UUID, ...] = ()
    delay_stated: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """What one tariff lays down in the case, and where that stands."""

    tariff: str
    version: int
    amount: Money
    set_off: bool
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Lost:
    """A proven loss that is to be made good."""

    amount: Money
    evidence: Mapping[str, Any] = field(default_factory=dict)


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
    """`issuable` False: it is the right thing, but cannot be drafted; nobody could issue it. `part`: words, kind (the thing
    itself once more), owed, goodwill.
    """

    kind: str
    amount: Money | None
    issuable: bool
    why: str
    part: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One of the alternatives that the customer may be given. `total`: its lines' sum; what is given in kind comes on top."""

    name: str
    title: str
    lines: tuple[Line, ...]
    remedies: tuple[Remedy, ...]
    owed: Money
    goodwill: Money
    total: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """`owed` is the floor (restitution and statutory), `goodwill` what comes on top after the cap, `offer` their sum.

    `cap` None: no price is known, so goodwill is not capped. `rules`: names of those that held, in their order.
    `alternatives`: up to three, each with all that is owed.
    """

    playbook: str
    version: str
    lines: tuple[Line, ...]
    owed: Money
    statutory: Money
    goodwill: Money
    cap: Money | None
    offer: Money
    tactics: tuple[Tactic, ...]
    remedies: tuple[Remedy, ...]
    rules: tuple[str, ...] = ()
    lost: str | None = None
    alternatives: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True)
class _Factor:
    name: str
    value: Decimal
    because: str

    def as_data(self) -> dict[str, str]:
        return {"factor": self.name, "value": plain(self.value), "because": self.because}


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the goodwill before the cap."""

    rule: str
    amount: Decimal
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Goodwill:
    """`exact`: before the cap, to no decimal place rounded."""

    lines: tuple[Line, ...]
    exact: Decimal
    cap: Decimal | None
    currency: str
    sum: Money = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sum", self.at(_ONE))

    def at(self, factor: Decimal) -> Money:
        """All of it times a factor, under the cap, as money."""
        return _under(self.exact * factor, self.cap, self.currency)


def _under(exact: Decimal, cap: Decimal | None, currency: str) -> Money:
    """No more than the cap, nor than can be counted to the cent: factors multiply, and a playbook has room for many."""
    most = Money(MAX_MINOR, currency).decimal
    return Money.of(min(exact, most if cap is None else min(cap, most)), currency)


def suggest(facts: Facts, playbook: Playbook, rules: Iterable[Rule] = ()) -> Suggestion:
    """The itemised suggestion. `rules`: those of the playbook whose condition holds, in their order. All amounts of `facts`
    are in one currency; `MoneyError` when they are not.
    """
    held = tuple(rules)
    owed_lines = _owed_lines(facts, playbook.version)
    nothing = Money(0, facts.loss.currency)
    owed = sum((line.amount for line in owed_lines), nothing)
    statutory = sum((line.amount for line in owed_lines if line.kind == "statutory"), nothing)
    goodwill = _goodwill(facts, playbook, held)
    offer = owed + goodwill.sum
    sorry = _sorry(facts, held)
    alternatives = _alternatives(facts, playbook, held, owed_lines, goodwill)
    return Suggestion(
        playbook=playbook.name,
        version=playbook.version,
        lines=(*owed_lines, *goodwill.lines),
        owed=owed,
        statutory=statutory,
        goodwill=goodwill.sum,
        cap=None if goodwill.cap is None else Money.of(goodwill.cap, owed.currency),
        offer=offer,
        tactics=_tactics(facts, offer, playbook, held),
        remedies=_remedies(owed, goodwill.sum, price=facts.price, sorry=sorry) or _first_named(held, alternatives),
        rules=tuple(rule.name for rule in held),
        lost=facts.lost,
        alternatives=alternatives,
    )


def goodwill(facts: Facts, playbook: Playbook, rules: Iterable[Rule]) -> Money:
    """The goodwill of `suggest` alone."""
    return _goodwill(facts, playbook, tuple(rules)).sum


def _sorry(facts: Facts, rules: tuple[Rule, ...]) -> str | None:
    """Why we say sorry in writing; None: we do not."""
    if facts.fault != "none":
        return "Where the fault is ours, we say sorry."
    return _BY_RULE if any("apologise" in rule.tactics for rule in rules) else None


def _first_named(rules: tuple[Rule, ...], alternatives: tuple[Option, ...]) -> tuple[Remedy, ...]:
    named = any(rule.alternatives for rule in rules)
    return alternatives[0].remedies if named and alternatives else ()


def _goodwill(facts: Facts, playbook: Playbook, rules: tuple[Rule, ...]) -> _Goodwill:
    formula = with_changes(playbook.formula, [rule.changes for rule in rules])
    cap = _cap(facts, formula)
    first = _formula_part(facts, formula, rules, cap)
    added = (_added(facts, rule, line, first.amount) for rule in rules for line in rule.lines)
    parts = [first, *(part for part in added if part is not None)]
    lines, running, kept = [], _ZERO, Money(0, facts.loss.currency)
    most = Money(MAX_MINOR, kept.currency)
    for place, part in enumerate(parts):
        running += part.amount
        up_to = _under(running, cap, kept.currency)
        rule = f"{part.rule}.capped" if cap is not None and running > cap else part.rule
        if place == 0:
            rule = "goodwill.formula" if cap is None or running <= cap else "goodwill.capped"
        evidence = part.evidence
        if min(running, running if cap is None else cap) > most.decimal:
            rule = f"{part.rule}.cut"
            evidence = {**evidence, "cut": str(most), "because": "More than that cannot be counted to the last unit."}
        lines.append(Line("goodwill", up_to - kept, rule, playbook.version, evidence))
        kept = up_to
    return _Goodwill(tuple(lines), running, cap, kept.currency)


def _formula_part(facts: Facts, formula: Formula, rules: tuple[Rule, ...], cap: Decimal | None) -> _Part:
    factors = _factors(facts, formula, rules)
    exact = _ONE
    for factor in factors:
        exact *= factor.value
    evidence = {
        "factors": [factor.as_data() for factor in factors],
        "before_cap": plain(exact),
        "cap": None if cap is None else plain(cap),
    }
    return _Part("goodwill.formula", exact, evidence)


def _added(facts: Facts, rule: Rule, line: Any, formula: Decimal) -> _Part | None:
    """A line that a rule adds: so much, or a share of something that is known; None where that is not known."""
    if line.of is None:
        return _Part(
            f"rules.{rule.name}", line.value, {"rule": rule.name, "line": line.text, "fixed": plain(line.value)}
        )
    base = {
        "price": None if facts.price is None else facts.price.decimal,
        "loss": facts.loss.decimal,
        "goodwill": formula,
    }[line.of]
    if base is None:
        return None
    evidence = {"rule": rule.name, "line": line.text, "percent": plain(line.value), "of": line.of, "base": plain(base)}
    return _Part(f"rules.{rule.name}", base * line.value / 100, evidence)


def _factors(facts: Facts, formula: Formula, rules: tuple[Rule, ...]) -> tuple[_Factor, ...]:
    weeks = min(facts.weeks_overdue, formula.most_weeks)
    return (
        _Factor("band", formula.band[facts.severity], f"severity {facts.severity}"),
        _Factor("fault", formula.fault[facts.fault], f"fault: {facts.fault}"),
        _Factor("delay", _ONE + formula.delay_per_week * weeks, _delay(facts)),
        _Factor(
            "repeat",
            formula.repeat if facts.repeated else _ONE,
            _repeat(facts, formula.repeat_within_days),
        ),
        _Factor(
            "vulnerability",
            formula.vulnerability if facts.vulnerable else _ONE,
            "a vulnerability makes it worse" if facts.vulnerable else "no vulnerability makes it worse",
        ),
        _tier_factor(facts, formula),
        *(_Factor(f"rules.{rule.name}", rule.factor, f"rule {rule.name}") for rule in rules if rule.factor is not None),
    )


def _delay(facts: Facts) -> str:
    told = f"{counted(facts.weeks_overdue, 'week')} overdue"
    return told if facts.delay_stated else f"nobody has stated how late it is: taken as {told}"


def _repeat(facts: Facts, days: int) -> str:
    if not facts.repeated:
        return f"the same issue is not known to have failed before within {counted(days, 'day')}"
    found = len(facts.failed_in)
    where = f": {counted(found, 'complaint')}" if found else ", as it was stated"
    return f"the same issue failed before within {counted(days, 'day')}{where}"


def _tier_factor(facts: Facts, formula: Formula) -> _Factor:
    if facts.severity in formula.no_tier_at:
        return _Factor("tier", _ONE, f"at {facts.severity} no tier counts")
    return _Factor("tier", formula.tier.get(facts.tier, _ONE), f"tier {facts.tier}")


def _cap(facts: Facts, formula: Formula) -> Decimal | None:
    if facts.price is None or formula.cap_of_price is None:
        return None
    left = formula.cap_of_price * facts.price.decimal - facts.refunded.decimal - facts.loss.decimal
    return Money.up_to(max(left, _ZERO), facts.price.currency).decimal


_LOSS: Final = "restitution.proven_loss"


def _owed_lines(facts: Facts, version: str) -> tuple[Line, ...]:
    found = []
    off = _set_off(facts)
    if facts.loss.minor:
        evidence: dict[str, Any] = {"proven_loss": str(facts.loss)}
        if off.minor:
            evidence |= {"set_off": str(off), "because": "Paid by a tariff that may be deducted from it."}
        found.append(Line("restitution", facts.loss - off, _LOSS, version, evidence))
    found += [
        Line("restitution", lost.amount, _LOSS, version, lost.evidence)
        for lost in facts.lost_by_others
        if lost.amount.minor
    ]
    if facts.statutory.minor:
        evidence = {"tariff": str(facts.statutory)}
        found.append(Line("statutory", facts.statutory, "statutory.tariff", version, evidence))
    found += [
        Line("statutory", owed.amount, f"tariffs.{owed.tariff}", str(owed.version), owed.evidence)
        for owed in facts.tariffs
        if owed.amount.minor
    ]
    return tuple(found)


def _set_off(facts: Facts) -> Money:
    nothing = Money(0, facts.loss.currency)
    found = sum((owed.amount for owed in facts.tariffs if owed.set_off), nothing)
    return min(found, facts.loss)


def _tactics(facts: Facts, offer: Money, playbook: Playbook, rules: tuple[Rule, ...]) -> tuple[Tactic, ...]:
    """In the playbook's order; those that a rule names are there whatever else."""
    named = {act for rule in rules for act in rule.tactics}
    holds = {"always": True, "at_fault": facts.fault != "none", "money": offer.minor > 0, "named": False}
    return tuple(tactic for tactic in playbook.tactics if holds[tactic.when] or tactic.act in named)


def _remedies(
    owed: Money, goodwill: Money, kind: str = "voucher", *, price: Money | None, sorry: str | None
) -> tuple[Remedy, ...]:
    """Money for money, words for the lack of attention; goodwill as it is wanted."""
    found = []
    if sorry is not None:
        found.append(Remedy("apology_letter", None, True, sorry, "words"))
    if owed.minor:
        whole = price is not None and price <= owed
        back = "refund" if whole else "partial_refund"
        why = "What was lost is owed in money. A voucher does not settle it."
        found.append(Remedy(back, owed, back in ISSUABLE, why, "owed"))
    if goodwill.minor:
        found.append(Remedy(kind, goodwill, kind in ISSUABLE, "Goodwill on top of what is owed.", "goodwill"))
    return tuple(found)


_BY_RULE: Final = "A rule of the playbook asks for it."
_IN_KIND: Final = {
    "replacement": "What was lost is a product: another one takes its place.",
    "re_performance": "What was lost is a service: it is done again.",
    "gift": "Something of ours in its place.",
}


def _alternatives(
    facts: Facts, playbook: Playbook, rules: tuple[Rule, ...], owed: tuple[Line, ...], goodwill: _Goodwill
) -> tuple[Option, ...]:
    """Those that the rules name, whatever was lost and whosever fault it was, or those for what was lost; each different from
    those before it. One that is named and has nothing else to give has an apology.
    """
    sorry = _sorry(facts, rules)
    named = [name for rule in rules for name in rule.alternatives]
    by_name = {item.name: item for item in playbook.alternatives}
    fitting = [item for item in playbook.alternatives if not item.lost or facts.lost in item.lost]
    found: list[Option] = []
    for item in [*(by_name[name] for name in dict.fromkeys(named)), *([] if named else fitting)]:
        option = _option(facts, playbook.version, item, owed, goodwill, sorry=sorry, named=bool(named))
        if option.remedies and option.remedies not in [other.remedies for other in found]:
            found.append(option)
    return tuple(found[:MOST_ALTERNATIVES])


def _option(
    facts: Facts,
    version: str,
    item: Alternative,
    owed_lines: tuple[Line, ...],
    goodwill: _Goodwill,
    *,
    sorry: str | None,
    named: bool,
) -> Option:
    given = goodwill.at(item.factor)
    lines = [*owed_lines, *goodwill.lines]
    if given.minor != goodwill.sum.minor:
        evidence = {"factor": plain(item.factor), "goodwill": str(goodwill.sum)}
        lines.append(Line("goodwill", given - goodwill.sum, f"alternatives.{item.name}", version, evidence))
    owed = sum((line.amount for line in owed_lines), Money(0, given.currency))
    remedies = list(_remedies(owed, given, item.goodwill, price=facts.price, sorry=sorry))
    if item.in_kind is not None and (named or facts.fault != "none"):
        place = 1 if remedies and remedies[0].kind == "apology_letter" else 0
        in_kind = Remedy(item.in_kind, facts.price, item.in_kind in ISSUABLE, _IN_KIND[item.in_kind], "kind")
        remedies.insert(place, in_kind)
    if named and not remedies:
        remedies.append(Remedy("apology_letter", None, True, _BY_RULE, "words"))
    return Option(
        name=item.name,
        title=item.title,
        lines=tuple(lines),
        remedies=tuple(remedies),
        owed=owed,
        goodwill=given,
        total=owed + given,
    )


def as_data(suggestion: Suggestion) -> dict[str, Any]:
    """JSON-safe, to be kept with an offer: what was suggested at the time, whatever the playbook says later."""
    return {
        "playbook": suggestion.playbook,
        "version": suggestion.version,
        "owed": _money(suggestion.owed),
        "statutory": _money(suggestion.statutory),
        "goodwill": _money(suggestion.goodwill),
        "cap": None if suggestion.cap is None else _money(suggestion.cap),
        "offer": _money(suggestion.offer),
        "rules": list(suggestion.rules),
        "lost": suggestion.lost,
        "lines": [_line(line) for line in suggestion.lines],
        "alternatives": [
            {
                "name": option.name,
                "title": option.title,
                "owed": _money(option.owed),
                "goodwill": _money(option.goodwill),
                "total": _money(option.total),
                "remedies": [
                    {"kind": remedy.kind, "amount": None if remedy.amount is None else _money(remedy.amount)}
                    for remedy in option.remedies
                ],
            }
            for option in suggestion.alternatives
        ],
    }


def _line(line: Line) -> dict[str, Any]:
    return {
        "kind": line.kind,
        "amount": _money(line.amount),
        "rule": line.rule,
        "version": line.version,
        "evidence": dict(line.evidence),
    }


def _money(money: Money) -> dict[str, str]:
    return {"amount": str(money), "currency": money.currency}
