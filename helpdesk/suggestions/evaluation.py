"""How good a model is, on complaints that it has not learned from: beside the guess that everything is of the most
frequent category, and beside the lists of words that it replaces.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import log, sqrt
from typing import Any, Final, NamedTuple
from uuid import UUID

from helpdesk.suggestions.classifier import SHARPNESS, Classifier

SHARE: Final = 5
"""One in so many is held out."""
MOST: Final = 2_000
"""Held out at most; more would tell no more, and each is kept in memory."""
GRID: Final = (25, 50, 75, 100, 150, 200, 300, 500)
"""Values of the sharpness that are tried, in hundredths."""
ENOUGH: Final = 30
"""With fewer held out, the sharpness stays as it is shipped."""
PAIRS: Final = 10
_Z: Final = 1.959964
"""Of the standard normal distribution, for 95 %."""


class HeldOut(NamedTuple):
    """`by_rules`: what the lists of words would have said first."""

    category: str
    words: frozenset[str]
    by_rules: str | None


def is_held_out(complaint_id: UUID) -> bool:
    """By its id alone: the same complaint is on the same side each time."""
    return int.from_bytes(hashlib.blake2b(complaint_id.bytes, digest_size=4).digest()) % SHARE == 0


@dataclass(frozen=True, slots=True)
class Figures:
    """Of `count` held-out complaints: how many were `right` at first, `among` the first three; `baseline` and `by_rules`,
    how many the other two guesses were right about. `per_category`: actual, right, guessed. `confused`: actual, guessed.
    """

    count: int
    right: int
    among: int
    baseline: int
    by_rules: int
    per_category: dict[str, tuple[int, int, int]]
    confused: list[tuple[str, str, int]]

    @property
    def macro_f1(self) -> float | None:
        """The mean of F1 over the categories that were held out; None without any."""
        found = [2 * right / (actual + guessed) for actual, right, guessed in self.per_category.values() if actual]
        return sum(found) / len(found) if found else None

    @classmethod
    def none(cls) -> "Figures":
        """Nothing could be tried."""
        return cls(0, 0, 0, 0, 0, {}, [])

    def as_data(self) -> dict[str, Any]:
        low, high = interval(self.right, self.count)
        return {
            "held_out": self.count,
            "accuracy": self._share(self.right),
            "accuracy_low": low,
            "accuracy_high": high,
            "among_three": self._share(self.among),
            "baseline": self._share(self.baseline),
            "by_rules": self._share(self.by_rules),
            "macro_f1": _rounded(self.macro_f1),
            "per_category": {code: list(found) for code, found in sorted(self.per_category.items())},
            "confused": [list(pair) for pair in self.confused],
        }

    def _share(self, count: int) -> float | None:
        return _rounded(count / self.count) if self.count else None


def interval(right: int, count: int) -> tuple[float | None, float | None]:
    """Wilson's, of a share, with 95 % confidence; None without any."""
    if not count:
        return None, None
    share, room = right / count, _Z * _Z / count
    middle, reach = share + room / 2, _Z * sqrt(share * (1 - share) / count + room / count / 4)
    return _rounded(max((middle - reach) / (1 + room), 0.0)), _rounded(min((middle + reach) / (1 + room), 1.0))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def sharpest(model: Classifier, held_out: Sequence[HeldOut]) -> int:
    """The sharpness whose probabilities fit these complaints best (the least log loss)."""
    known = [(model.categories.index(one.category), model.evidence_sums(one.words)) for one in held_out
             if one.category in model.categories]  # fmt: skip
    if len(known) < ENOUGH:
        return SHARPNESS
    losses = {}
    for sharpness in GRID:
        tried = model.sharpened(sharpness)
        losses[sharpness] = -sum(log(max(tried.probabilities(*sums)[place], 1e-12)) for place, sums in known)
    return min(losses, key=lambda sharpness: (losses[sharpness], sharpness))


def evaluate(model: Classifier, held_out: Sequence[HeldOut]) -> Figures:
    usual = min(model.examples, key=lambda category: (-model.examples[category], category))
    actual, right, guessed, confused = Counter[str](), Counter[str](), Counter[str](), Counter[tuple[str, str]]()
    among = 0
    for one in held_out:
        order = [judged.category for judged in model.judge(one.words)]
        actual[one.category] += 1
        guessed[order[0]] += 1
        among += one.category in order[:3]
        if order[0] == one.category:
            right[one.category] += 1
        else:
            confused[one.category, order[0]] += 1
    return Figures(
        len(held_out),
        right.total(),
        among,
        actual[usual],
        sum(one.by_rules == one.category for one in held_out),
        {code: (actual[code], right[code], guessed[code]) for code in sorted({*actual, *guessed})},
        [(*pair, count) for pair, count in sorted(confused.items(), key=lambda item: (-item[1], item[0]))[:PAIRS]],
    )
