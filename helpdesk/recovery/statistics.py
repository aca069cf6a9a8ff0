"""Tests of significance for small samples of money and of yes and no. Pure; the standard library alone.

Amounts are skewed and full of round numbers, so that ranks are compared and not means, with ties taken into account. Where the
samples are small the distribution of ranks is counted out and not approximated. Every p is two-sided. An answer of None says
that there is nothing to test: an empty group, or one value throughout.

Sources: W. H. Kruskal and W. A. Wallis (1952), "Use of ranks in one-criterion variance analysis"; H. B. Mann and D. R. Whitney
(1947); B. Streitberg and J. Roehmel (1986) for the exact distribution with ties; R. A. Fisher (1935) for the exact test;
W. G. Cochran (1954) for when chi-square may be used; S. Holm (1979) for many comparisons; R. J. Hyndman and Y. Fan (1996) for
quartiles (type 7, as spreadsheets have them).
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import Final

EXACT_UP_TO: Final = 30
"""Values in both samples together, up to which ranks are counted out."""
LEAST_EXPECTED: Final = 5
"""In a cell of a table, for chi-square: one in five may have less, none less than 1 (Cochran)."""
_TINY: Final = 1e-300
_ENOUGH: Final = 1e-15
_SLACK: Final = 1e-7
"""Relative: two tables are equally likely though the last digits of their probabilities differ."""


STATISTICS: Final = {
    "mann_whitney": "u",
    "mann_whitney_exact": "u",
    "kruskal_wallis": "h",
    "fisher_exact": "chi_square",
    "chi_square": "chi_square",
}
"""Method -> what its statistic is. Fisher's test needs none for its p: chi-square (Pearson's, without a correction) says how far
the table is from equal shares, and the effect is reckoned from it.
"""


@dataclass(frozen=True, slots=True)
class Tested:
    """`effect` is between 0 and 1, but for `mann_whitney`, where its sign says which group has more (-1 to 1). `dubious`: the
    method's own conditions do not hold, so that its p decides nothing. `odds_ratio`: of two groups by Fisher, the odds of the
    first by those of the second; None where it is not finite (a group that all or none of have it).
    """

    method: str
    statistic: float
    p: float
    effect: float
    n: int
    dubious: bool = False
    odds_ratio: float | None = None

    @property
    def statistic_is(self) -> str:
        return STATISTICS[self.method]


@dataclass(frozen=True, slots=True)
class Spread:
    """`n` 0: the rest is None."""

    n: int
    median: Decimal | None
    lower: Decimal | None
    upper: Decimal | None


def spread(values: Sequence[Decimal | int], places: int) -> Spread:
    """Median and quartiles, rounded once, half up, to so many decimal places."""
    ordered = sorted(Decimal(value) for value in values)
    if not ordered:
        return Spread(0, None, None, None)
    lower, median, upper = (_quantile(ordered, Decimal(part) / 4, places) for part in (1, 2, 3))
    return Spread(len(ordered), median, lower, upper)


def _quantile(ordered: Sequence[Decimal], share: Decimal, places: int) -> Decimal:
    """Linear between the two values that are next to it."""
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    exact = ordered[below] + (ordered[above] - ordered[below]) * (position - below)
    return exact.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def compare_amounts(groups: Sequence[Sequence[float]]) -> Tested | None:
    """Whether groups have the same spread: of two by Mann and Whitney, of more by Kruskal and Wallis."""
    if len(groups) == 2:
        return mann_whitney(groups[0], groups[1])
    return kruskal_wallis(groups)


def mann_whitney(one: Sequence[float], other: Sequence[float]) -> Tested | None:
    """U of the first sample. Exact up to `EXACT_UP_TO` values, ties or not; else normal, with the correction for ties and for
    continuity. The effect is the rank-biserial correlation: 1 where all of the first are above all of the second.
    """
    count, others = len(one), len(other)
    values = [*one, *other]
    if not count or not others or len(set(values)) == 1:
        return None
    doubled = _doubled_ranks(values)
    u = sum(doubled[:count]) / 2 - count * (count + 1) / 2
    effect = 2 * u / (count * others) - 1
    if len(values) <= EXACT_UP_TO:
        p = _exact_rank_sum(doubled, count)
        return Tested("mann_whitney_exact", u, p, effect, len(values))
    variance = count * others / 12 * ((len(values) + 1) - _ties(values) / (len(values) * (len(values) - 1)))
    distance = max(abs(u - count * others / 2) - 0.5, 0)
    p = math.erfc(distance / math.sqrt(2 * variance))
    return Tested("mann_whitney", u, p, effect, len(values))


def kruskal_wallis(groups: Sequence[Sequence[float]]) -> Tested | None:
    """H with the correction for ties; p by chi-square. The effect is epsilon squared, H / (n - 1)."""
    values = [value for group in groups for value in group]
    total = len(values)
    if len(groups) < 2 or not all(groups) or len(set(values)) == 1:
        return None
    ranks = [rank / 2 for rank in _doubled_ranks(values)]
    start, squares = 0, 0.0
    for group in groups:
        squares += sum(ranks[start : start + len(group)]) ** 2 / len(group)
        start += len(group)
    raw = 12 / (total * (total + 1)) * squares - 3 * (total + 1)
    h = max(raw / (1 - _ties(values) / (total**3 - total)), 0.0)
    return Tested("kruskal_wallis", h, chi_square_tail(h, len(groups) - 1), min(h / (total - 1), 1.0), total)


def compare_shares(table: Sequence[tuple[int, int]]) -> Tested | None:
    """Whether groups have the same share. `table`: of each group, how many have it and how many have not. Of two groups by
    Fisher's exact test, of more by chi-square. The effect is Cramer's V.
    """
    yes, no = sum(row[0] for row in table), sum(row[1] for row in table)
    if len(table) < 2 or not yes or not no or not all(sum(row) for row in table):
        return None
    total = yes + no
    expected = [(share * sum(row) / total, count) for row in table for share, count in ((yes, row[0]), (no, row[1]))]
    statistic = sum((count - wanted) ** 2 / wanted for wanted, count in expected)
    effect = min(math.sqrt(statistic / total), 1.0)
    if len(table) == 2:
        (a, b), (c, d) = table
        odds = a * d / (b * c) if b * c else None
        return Tested("fisher_exact", statistic, fisher(a, b, c, d), effect, total, odds_ratio=odds)
    few = sum(wanted < LEAST_EXPECTED for wanted, _ in expected)
    dubious = few > len(expected) / 5 or min(wanted for wanted, _ in expected) < 1
    return Tested("chi_square", statistic, chi_square_tail(statistic, len(table) - 1), effect, total, dubious)


def fisher(a: int, b: int, c: int, d: int) -> float:
    """Two-sided, of the table a b / c d: all tables with its margins that are no likelier than it."""
    row, column, total = a + b, a + c, a + b + c + d
    first, last = max(0, row + column - total), min(row, column)

    def chance(count: int) -> float:
        logs = _log_choose(column, count) + _log_choose(total - column, row - count) - _log_choose(total, row)
        return math.exp(logs)

    bound = chance(a) * (1 + _SLACK)
    return min(math.fsum(found for count in range(first, last + 1) if (found := chance(count)) <= bound), 1.0)


def holm(values: Sequence[float]) -> list[float]:
    """Adjusted p, in the order given: the chance of one false alarm among all of them is kept."""
    order = sorted(range(len(values)), key=values.__getitem__)
    adjusted, highest = [0.0] * len(values), 0.0
    for place, index in enumerate(order):
        highest = max(highest, min((len(values) - place) * values[index], 1.0))
        adjusted[index] = highest
    return adjusted


def chi_square_tail(statistic: float, freedom: int) -> float:
    """The chance of more than `statistic`: the regularised incomplete gamma function Q(freedom / 2, statistic / 2)."""
    a, x = freedom / 2, statistic / 2
    if x <= 0:
        return 1.0
    front = math.exp(a * math.log(x) - x - math.lgamma(a))
    return min(max(1 - front * _series(a, x) if x < a + 1 else front * _fraction(a, x), 0.0), 1.0)


def _series(a: float, x: float) -> float:
    term = total = 1 / a
    step = a
    while abs(term) > abs(total) * _ENOUGH:
        step += 1
        term *= x / step
        total += term
    return total


def _fraction(a: float, x: float) -> float:
    """Lentz's continued fraction (Abramowitz and Stegun 6.5.31)."""
    b = x + 1 - a
    c, d = 1 / _TINY, 1 / b
    found = d
    for number in range(1, 10_000):
        factor = -number * (number - a)
        b += 2
        d = factor * d + b
        c = b + factor / c
        d = 1 / (d if abs(d) > _TINY else _TINY)
        c = c if abs(c) > _TINY else _TINY
        found *= d * c
        if abs(d * c - 1) < _ENOUGH:
            break
    return found


def _doubled_ranks(values: Sequence[float]) -> list[int]:
    """Twice the rank of each, so that the mean rank of what is tied is a whole number."""
    order = sorted(range(len(values)), key=values.__getitem__)
    starts = [0, *(i + 1 for i, (a, b) in enumerate(pairwise(order)) if values[a] != values[b]), len(values)]
    ranks = [0] * len(values)
    for start, end in pairwise(starts):
        for index in order[start:end]:
            ranks[index] = start + end + 1
    return ranks


def _ties(values: Sequence[float]) -> int:
    return sum(times**3 - times for times in Counter(values).values())


def _exact_rank_sum(doubled: Sequence[int], count: int) -> float:
    """The chance that so many values, drawn from all at random, have a rank sum at least as far from its mean."""
    ways: list[Counter[int]] = [Counter({0: 1}), *(Counter[int]() for _ in range(count))]
    for seen, rank in enumerate(doubled, start=1):
        for size in range(min(seen, count), 0, -1):
            for total, number in list(ways[size - 1].items()):
                ways[size][total + rank] += number
    # Four times the distance from the mean, which need not be whole.
    mean = count * sum(doubled)
    observed = abs(len(doubled) * sum(doubled[:count]) - mean)
    extreme = sum(number for total, number in ways[count].items() if abs(len(doubled) * total - mean) >= observed)
    return extreme / math.comb(len(doubled), count)


def _log_choose(total: int, some: int) -> float:
    return math.lgamma(total + 1) - math.lgamma(some + 1) - math.lgamma(total - some + 1)
