"""Whether like complaints are treated alike, pure: the spread of what was given, compared between groups.

Complaints are alike that have the same category, severity and fault (or whatever the caller names): a **stratum**. Within each,
groups are compared by one thing that should make no difference to what is right. Three things are compared: the share that got
any remedy, the amount where money was given, and its ratio to what was suggested. Over all strata together only the ratio is
compared: it alone means the same for unlike complaints.

A group takes part in a test from `least` complaints on, and below that nothing is said of it. Every p of a report is adjusted
for all of its tests together (Holm); where one stratum is all there is, its test and that of all strata are one, and counted
once. "Different" is no proof of unfairness, only a reason to look; "no difference shown" no proof of fairness.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from helpdesk.recovery import statistics
from helpdesk.recovery.statistics import Spread, Tested

MEASURES: Final = ("share", "amount", "ratio")
LEVEL: Final = 0.05
RATIO_PLACES: Final = 2


@dataclass(frozen=True, slots=True)
class Case:
    """One decided complaint. `stratum`: what makes it like others. `groups`: what it is compared by. `amount`: minor units that
    were granted, None for nothing (or another currency). `ratio`: of that to the suggestion, where there was one.
    """

    stratum: tuple[str | None, ...]
    groups: Mapping[str, Hashable]
    remedied: bool
    amount: int | None
    ratio: Decimal | None


@dataclass(frozen=True, slots=True)
class Group:
    """`value` None: complaints of which it is not known, or that have none."""

    value: Any
    n: int
    remedied: int
    amounts: Spread
    ratios: Spread


@dataclass(frozen=True, slots=True)
class Verdict:
    """`says`: different, no_difference_shown, or None, and then `why_not` tells: too_few, all_alike, dubious. `groups`: how
    many took part. `adjusted`: p for all tests of the report together.
    """

    groups: int
    tested: Tested | None
    adjusted: float | None
    says: str | None
    why_not: str | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """`stratum` None: all of them together."""

    by: str
    stratum: tuple[str | None, ...] | None
    groups: tuple[Group, ...]
    verdicts: Mapping[str, Verdict]


@dataclass(frozen=True, slots=True)
class Fairness:
    """`tests`: how many p were adjusted together. `small`: strata, and complaints in them, that are too small to be shown."""

    comparisons: tuple[Comparison, ...]
    tests: int
    small_strata: int
    small_cases: int


_Part = tuple[str, tuple[str | None, ...] | None, Sequence[Case], tuple[str, ...]]


def compare(cases: Sequence[Case], by: Sequence[str], least: int) -> Fairness:
    """`least`: complaints in a group to be tested, and in a stratum to be shown."""
    strata: dict[tuple[str | None, ...], list[Case]] = defaultdict(list)
    for case in cases:
        strata[case.stratum].append(case)
    shown = {key: strata[key] for key in sorted(strata, key=_known_first) if len(strata[key]) >= least}
    parts: list[_Part] = [(name, None, cases, ("ratio",)) for name in by if cases]
    parts += [(name, key, members, MEASURES) for name in by for key, members in shown.items()]
    looked_at = [(part, _grouped(part[2], part[0])) for part in parts]
    tested = [{measure: _tested(measure, groups, least) for measure in part[3]} for part, groups in looked_at]
    whole = next((key for key, members in shown.items() if len(members) == len(cases)), None)
    names = [(part[0], whole if part[1] is None else part[1]) for part, _ in looked_at]
    verdicts, tests = _adjusted(tested, names)
    return Fairness(
        comparisons=tuple(
            Comparison(part[0], part[1], tuple(_group(value, own) for value, own in groups.items()), verdict)
            for (part, groups), verdict in zip(looked_at, verdicts, strict=True)
        ),
        tests=tests,
        small_strata=len(strata) - len(shown),
        small_cases=sum(len(members) for key, members in strata.items() if key not in shown),
    )


def _known_first(value: Iterable[str | None]) -> list[tuple[bool, str]]:
    return [(part is None, part or "") for part in value]


def _grouped(cases: Sequence[Case], by: str) -> dict[Hashable, list[Case]]:
    """The largest group first; of equals by its name."""
    found: dict[Hashable, list[Case]] = defaultdict(list)
    for case in cases:
        found[case.groups[by]].append(case)
    return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0] is None, str(item[0]))))


def _group(value: Hashable, cases: Sequence[Case]) -> Group:
    return Group(
        value=value,
        n=len(cases),
        remedied=sum(case.remedied for case in cases),
        amounts=statistics.spread([case.amount for case in cases if case.amount is not None], 0),
        ratios=statistics.spread([case.ratio for case in cases if case.ratio is not None], RATIO_PLACES),
    )


def _tested(measure: str, groups: Mapping[Hashable, Sequence[Case]], least: int) -> Verdict:
    """Not adjusted yet. Complaints of which the group is not known are no group of their own."""
    known = [cases for value, cases in groups.items() if value is not None]
    tested: Tested | None
    if measure == "share":
        taking_part = [(sum(case.remedied for case in cases), len(cases)) for cases in known if len(cases) >= least]
        count = len(taking_part)
        tested = statistics.compare_shares([(yes, all_ - yes) for yes, all_ in taking_part]) if count > 1 else None
    else:
        found = [[float(value) for case in cases if (value := getattr(case, measure)) is not None] for cases in known]
        samples = [values for values in found if len(values) >= least]
        count = len(samples)
        tested = statistics.compare_amounts(samples) if count > 1 else None
    why_not = "too_few" if count < 2 else "all_alike" if tested is None else "dubious" if tested.dubious else None
    return Verdict(count, tested, None, None, why_not)


def _adjusted(tested: Sequence[Mapping[str, Verdict]], of: Sequence[Hashable]) -> tuple[list[dict[str, Verdict]], int]:
    """Verdicts with what Holm makes of their p; only those that decide anything are counted. `of`: what each is about; the same
    measure of the same thing is one test.
    """
    done = [dict(each) for each in tested]
    places: dict[Hashable, list[tuple[int, str]]] = defaultdict(list)
    for at, each in enumerate(tested):
        for name, verdict in each.items():
            if verdict.tested is not None and verdict.why_not is None:
                places[of[at], name].append((at, name))
    values = [found.p for (at, name), *_ in places.values() if (found := tested[at][name].tested) is not None]
    for same, adjusted in zip(places.values(), statistics.holm(values), strict=True):
        says = "different" if adjusted < LEVEL else "no_difference_shown"
        for at, name in same:
            raw = tested[at][name]
            done[at][name] = Verdict(raw.groups, raw.tested, adjusted, says, None)
    return done, len(places)
