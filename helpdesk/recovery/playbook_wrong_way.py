"""Rules of a playbook that give less to whom a vulnerability makes it worse for, less where the same failed before, or less the
more the fault is the firm's.

Found by reckoning typical cases with the fact one way and the other, not by how a rule is written: a factor, a band, a cap, a
line and a `stop` can all do it, and a condition has many spellings. Each rule is looked at by itself, beside those that hold
whichever way the fact is. Of a condition, that fact, severity and fault are known in a case (and vulnerability, where it is by
fault); whatever else it asks for may be so or not, each by itself. So a rule that holds for dear things only is reckoned for
cheap ones too: a warning refuses nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import combinations, product
from typing import Any, Final

from helpdesk.complaints.taxonomy import FAULTS, SEVERITIES
from helpdesk.kernel.expressions import Expression, leaves, read
from helpdesk.kernel.facts import Facts as Known
from helpdesk.kernel.facts import Vocabulary
from helpdesk.kernel.money import Money
from helpdesk.recovery.playbook import Facts, goodwill
from helpdesk.recovery.playbook_spec import Playbook, Rule, compiled

_TYPICAL: Final = ((60, False), (200, False), (2000, True))
"""Price in whole units, and whether it is long overdue, failed before and is of a key customer."""
_LOSS: Final = Decimal(30)
_KNOWN: Final = frozenset({"severity", "fault", "vulnerable", "repeat"})
"""What is known in the cases of one fact or another."""
_Asked = Mapping[str, Expression]
"""Comparisons of a condition that are known in a case, by how they are written."""
_Way = tuple[bool, ...]
"""Whether a condition holds, by each value of the fact."""


@dataclass(frozen=True, slots=True)
class _Fact:
    """`values`: none of them is to get less than one before it."""

    name: str
    values: tuple[Any, ...]
    code: str
    told: str


_VULNERABLE: Final = _Fact(
    "vulnerable", (False, True), "less_for_vulnerable", "Less goodwill for whom a vulnerability makes it worse for"
)
_REPEAT: Final = _Fact("repeat", (False, True), "less_for_repeat", "Less goodwill where the same failed before")
_FAULT: Final = _Fact(
    "fault", ("none", "shared", "firm"), "more_for_less_fault", "Less goodwill the more the fault is the firm's"
)


@dataclass(frozen=True, slots=True)
class WrongWay:
    """`place`: of the rule. `detail`: with a case in which it is so."""

    place: int
    code: str
    detail: str


def found_in(spec: Mapping[str, Any], vocabulary: Vocabulary) -> Iterator[WrongWay]:
    """In a version whose conditions can all be read; of each rule once for each fact."""
    book, _ = compiled("", "", spec, vocabulary)
    conditions = [rule["condition"] for rule in spec["rules"]]
    asked = {repr(leaf): read(leaf, vocabulary, kept=True) for leaf in leaves(conditions) if leaf["field"] in _KNOWN}
    # The formula's own factor for a vulnerability, or for what failed before, makes up for no rule.
    without = replace(book, formula=replace(book.formula, vulnerability=Decimal(1)))
    yield from _of_fact(_VULNERABLE, without, conditions, asked, {"fault": FAULTS})
    without = replace(book, formula=replace(book.formula, repeat=Decimal(1)))
    yield from _of_fact(_REPEAT, without, conditions, asked, {"fault": FAULTS})
    yield from _of_fact(_FAULT, book, conditions, asked, {"vulnerable": (False, True)})


def _of_fact(
    fact: _Fact,
    book: Playbook,
    conditions: Sequence[Any],
    asked: _Asked,
    beside: Mapping[str, tuple[Any, ...]],
) -> Iterator[WrongWay]:
    # To whom the formula gives nothing, anything that a rule gives is more: a small token is no wrong way.
    severities = [severity for severity in SEVERITIES if book.formula.band[severity]]
    told = set[int]()
    for values in product(severities, *beside.values()):
        known = dict(zip(("severity", *beside), values, strict=True))
        given = [Known({**known, fact.name: value}) for value in fact.values]
        ways = [_ways(condition, given, asked) for condition in conditions]
        for place in range(len(ways)):
            example = None if place in told else next(_examples(fact, book, known, ways, place), None)
            if example is not None:
                told.add(place)
                yield WrongWay(place, fact.code, f"{fact.told}: for example {example}.")


def _ways(condition: Any, given: Sequence[Known], asked: _Asked) -> frozenset[_Way]:
    """Each way in which it may come out, whatever else of the case is so. `given`: what is known, by each value of the fact."""
    if "field" in condition:
        if condition["field"] not in given[0].values:
            return frozenset((so,) * len(given) for so in (False, True))
        return frozenset({tuple(map(asked[repr(condition)].holds, given))})
    if "not" in condition:
        return frozenset(tuple(not holds for holds in way) for way in _ways(condition["not"], given, asked))
    every = "all" in condition
    together: Callable[[Any], bool] = all if every else any
    found = {(every,) * len(given)}
    for part in condition["all" if every else "any"]:
        ways = _ways(part, given, asked)
        found = {tuple(map(together, zip(one, other, strict=True))) for one in found for other in ways}
    return frozenset(found)


def _examples(
    fact: _Fact, book: Playbook, known: Mapping[str, Any], ways: Sequence[frozenset[_Way]], place: int
) -> Iterator[str]:
    """What the rule gives, where that goes the wrong way and would not without it."""
    for way in sorted(ways[place]):
        if len(set(way)) == 1:
            continue
        with_it = [_holding(book, ways, place, holds=holds) for holds in way]
        without = _holding(book, ways, place, holds=False)
        for price, late in _TYPICAL:
            cases = [_case({**known, fact.name: value}, price, late=late) for value in fact.values]
            given = [goodwill(case, book, rules) for case, rules in zip(cases, with_it, strict=True)]
            for low, high in combinations(range(len(cases)), 2):
                if given[low] <= given[high]:
                    continue
                if goodwill(cases[low], book, without) <= goodwill(cases[high], book, without):
                    yield f"{given[high]} instead of {given[low]} at {known['severity']}, of a price of {price}"


def _holding(book: Playbook, ways: Sequence[frozenset[_Way]], place: int, *, holds: bool) -> list[Rule]:
    """Those that hold whichever way the fact is, and the rule that is looked at or not."""
    found = []
    for number, rule in enumerate(book.rules):
        if holds if number == place else all(map(all, ways[number])):
            found.append(rule)
            if rule.stop:
                break
    return found


def _case(known: Mapping[str, Any], price: int, *, late: bool) -> Facts:
    """In some currency: bands are whole units of any."""
    nothing = Money(0, "EUR")
    return Facts(
        severity=known["severity"],
        fault=known["fault"],
        vulnerable=known.get("vulnerable", False),
        tier="key" if late else "ordinary",
        weeks_overdue=4 if late else 0,
        repeated=known.get("repeat", late),
        loss=Money.of(_LOSS, "EUR"),
        price=Money.of(Decimal(price), "EUR"),
        statutory=nothing,
        refunded=nothing,
    )
