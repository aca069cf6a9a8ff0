"""What the suggestion of categories is worth on real complaints, and what training costs beside reading the text.

The complaints are the CFPB's, where they lie beside the project: what people wrote, and the category that the shipped
mapping gives their product and issue. Each is held out once in each round (`evaluation`), which deals the parts anew. Guesses: always the most frequent
category; the lists of words; the model.
"""

import time
from collections.abc import Sequence
from statistics import mean, median
from typing import NamedTuple

import pytest

from helpdesk.suggestions import features
from helpdesk.suggestions.classifier import packed
from helpdesk.suggestions.evaluation import HeldOut
from tests.integrations.conftest import needs_data
from tests.suggestions import real
from tests.suggestions.test_real_file import lesson_of

pytestmark = [pytest.mark.bench, needs_data]

ROUNDS = 3


def test_beside_other_guesses(capsys: pytest.CaptureFixture[str]) -> None:
    """Asserts only that the model is the best of the three."""
    rows: dict[str, list[Score]] = {"most frequent": [], "lists of words": [], "model": []}
    among, ratios, sizes = [], [], []
    for deal in range(ROUNDS):
        examples = real.examples(deal)
        begun = time.perf_counter()
        for one in examples:
            features.words_of(one.description)
        read = time.perf_counter()
        lesson = lesson_of(deal)
        held = lesson.tried
        made = lesson.learn()
        ended = time.perf_counter()
        assert made is not None
        usual = max(sorted(made.examples), key=made.examples.__getitem__)
        rows["most frequent"].append(_scored(held, [usual] * len(held)))
        rows["lists of words"].append(_scored(held, [one.by_rules or usual for one in held]))
        rows["model"].append(Score(made.figures.right / made.figures.count, made.figures.macro_f1 or 0.0))
        among.append(made.figures.among / made.figures.count)
        ratios.append((ended - read) / (read - begun))
        sizes.append(len(packed(made.model.content)[0]))
    means = {name: Score(*map(mean, zip(*found, strict=True))) for name, found in rows.items()}
    with capsys.disabled():
        print(
            f"\n{len(real.examples())} complaints, {ROUNDS} rounds, in five parts, each held out once, and dealt anew in each round"
        )
        print(f"{'guess':18}{'accuracy':>10}{'macro-F1':>10}")
        for name, found in means.items():
            print(f"{name:18}{found.accuracy:10.3f}{found.macro_f1:10.3f}")
        print(f"among the model's first three: {mean(among):.3f}")
        print(f"training takes {median(ratios):.1f} x as long as cutting the text into words does")
        print(f"the model is kept in {max(sizes) / 1000:.0f} kB")
    for name in ("most frequent", "lists of words"):
        assert means["model"].accuracy > means[name].accuracy
        assert means["model"].macro_f1 > means[name].macro_f1


class Score(NamedTuple):
    accuracy: float
    macro_f1: float


def _scored(held: Sequence[HeldOut], guesses: Sequence[str]) -> Score:
    pairs = [(one.category, guess) for one, guess in zip(held, guesses, strict=True)]
    found = []
    for category in {actual for actual, _ in pairs}:
        right = pairs.count((category, category))
        found.append(2 * right / sum((actual == category) + (guess == category) for actual, guess in pairs))
    return Score(sum(actual == guess for actual, guess in pairs) / len(pairs), mean(found))
