"""How good a model is, on complaints that it has not learned from: beside the guess that everything is of the most
frequent category, and beside the lists of words that it replaces.

The newest complaints are dealt into five parts by their ids, and each part is held out once: a model that has learned from
all others is tried on it (cross-validation). So each is tried once, and none by a model that knows it.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log, sqrt
from typing import Any, Final, NamedTuple
from uuid import UUID

from helpdesk.suggestions.classifier import SHARPNESS, Classifier

FOLDS: Final = 5
MOST: Final = 2_000
"""Complaints that are tried; more would tell no more, and each is kept in memory."""
GRID: Final = (25, 50, 75, 100, 150, 200, 300, 500)
"""Values of the sharpness that are tried, in hundredths."""
ENOUGH: Final = 30
"""With fewer tried, the sharpness stays as it is shipped."""
PAIRS: Final = 10
_Z: Final = 1.959964
"""Of the standard normal distribution, for 95 %."""


class HeldOut(NamedTuple):
    """`fold`: its part; `by_rules`: what the lists of words would have said first."""

    fold: int
    category: str
    words: frozenset[str]
    by_rules: str | None


def fold_of(complaint_id: UUID) -> int:
    """By its id alone: the same complaint is in the same part each time."""
    return int.from_bytes(hashlib.blake2b(complaint_id.bytes, digest_size=4).digest()) % FOLDS


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


class Scored(NamedTuple):
    """`sums`, `known`: the model's `evidence_sums`."""

    one: HeldOut
    sums: list[float]
    known: int


class Trial(NamedTuple):
    """What a model, of which the words are not kept, says of complaints that it has not learned from."""

    model: Classifier
    scored: Sequence[Scored]


def trial(model: Classifier, held_out: Iterable[HeldOut]) -> Trial:
    return Trial(model.without_words(), [Scored(one, *model.evidence_sums(one.words)) for one in held_out])


def sharpest(trials: Sequence[Trial]) -> int:
    """The sharpness whose probabilities fit these complaints best (the least log loss)."""
    losses = dict.fromkeys(GRID, 0.0)
    count = 0
    for model, scored in trials:
        places = {category: place for place, category in enumerate(model.categories)}
        told = [(places[one.category], sums, known) for one, sums, known in scored if one.category in places]
        count += len(told)
        for sharpness in GRID:
            sharp = model.sharpened(sharpness)
            losses[sharpness] -= sum(
                log(max(sharp.probabilities(sums, known)[place], 1e-12)) for place, sums, known in told
            )
    return min(losses, key=lambda sharpness: (losses[sharpness], sharpness)) if count >= ENOUGH else SHARPNESS


def evaluate(trials: Sequence[Trial], sharpness: int) -> Figures:
    """All of them together."""
    actual, right, guessed, confused = Counter[str](), Counter[str](), Counter[str](), Counter[tuple[str, str]]()
    among = baseline = by_rules = 0
    for model, scored in trials:
        sharp = model.sharpened(sharpness)
        usual = min(model.examples, key=lambda category: (-model.examples[category], category))
        for one, sums, known in scored:
            order = [judged.category for judged in sharp.ranked(sums, known)]
            actual[one.category] += 1
            guessed[order[0]] += 1
            among += one.category in order[:3]
            baseline += one.category == usual
            by_rules += one.category == one.by_rules
            if order[0] == one.category:
                right[one.category] += 1
            else:
                confused[one.category, order[0]] += 1
    return Figures(
        actual.total(),
        right.total(),
        among,
        baseline,
        by_rules,
        {code: (actual[code], right[code], guessed[code]) for code in sorted({*actual, *guessed})},
        [(*pair, count) for pair, count in sorted(confused.items(), key=lambda item: (-item[1], item[0]))[:PAIRS]],
    )
