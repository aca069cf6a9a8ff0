"""The model: multinomial naive Bayes over the words of a text, with additive smoothing.

For a text with the words w and a category c, the score is `log P(c) + s * sum(log P(w|c))`, where `P(w|c)` is the share
that w has of all words counted in c. Words of a text are not independent, so plain naive Bayes is sure of everything;
`s = min(1, sharpness / sqrt(number of words))` takes that back. The sharpness is the one whose probabilities fit best
the complaints that were held out (`evaluation`); it changes no more than the weight of the words against `P(c)`.

Source: Manning, Raghavan, Schuetze, Introduction to Information Retrieval (2008), chapter 13.
"""

import hashlib
import zlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from math import exp, log, sqrt
from typing import Any, Final

import orjson

from helpdesk.suggestions.counting import Counts, information

FORMAT: Final = 1
LEAST_COMPLAINTS: Final = 3
"""A word of fewer complaints is not kept: it may be a name."""
LEAST_EXAMPLES: Final = 5
"""A category with fewer is not suggested by the model."""
MOST_WORDS: Final = 50_000
SMOOTHING: Final = 0.5
SHARPNESS: Final = 100
"""In hundredths, until held-out complaints tell better."""
TELLING: Final = 1.2
"""So many times as frequent in a category as elsewhere, at least, is a word that speaks for it."""


class Damaged(Exception):
    """Bytes that are not a model, or not the one whose checksum they come with."""


@dataclass(frozen=True, slots=True)
class Judged:
    category: str
    probability: float


@dataclass(frozen=True, slots=True)
class Witness:
    """A word that speaks for a category. `weight`: what it adds to the score, in nats; `here`, `elsewhere`: in how many
    complaints of the category, and of the others, it stood.
    """

    word: str
    weight: float
    here: int
    elsewhere: int


@dataclass(frozen=True, slots=True)
class Classifier:
    """`words`: word -> place of a category -> in how many of its complaints; `examples` are in order of the code."""

    examples: Mapping[str, int]
    words: Mapping[str, Mapping[int, int]]
    sums: tuple[int, ...]
    sharpness: int = SHARPNESS

    @property
    def categories(self) -> tuple[str, ...]:
        return tuple(self.examples)

    def evidence_sums(self, words: Collection[str]) -> tuple[list[float], int]:
        """`sum(log P(w|c))` of each category, and how many of the words are known."""
        known = [self.words[word] for word in sorted(words) if word in self.words]
        rooms = [log(total + SMOOTHING * len(self.words)) for total in self.sums]
        sums = [sum(log(counts.get(place, 0) + SMOOTHING) for counts in known) for place in range(len(self.sums))]
        return [found - len(known) * room for found, room in zip(sums, rooms, strict=True)], len(known)

    def probabilities(self, sums: Iterable[float], known: int) -> list[float]:
        """Of each category, from its `evidence_sums`."""
        weight, total = self._weight(known), sum(self.examples.values())
        scores = [
            log(count / total) + weight * found for count, found in zip(self.examples.values(), sums, strict=True)
        ]
        highest = max(scores)
        shares = [exp(score - highest) for score in scores]
        return [share / sum(shares) for share in shares]

    def judge(self, words: Collection[str]) -> list[Judged]:
        """Every category, the likeliest first; equals by their code."""
        return self.ranked(*self.evidence_sums(words))

    def ranked(self, sums: Iterable[float], known: int) -> list[Judged]:
        """`judge`, from the `evidence_sums`."""
        found = zip(self.categories, self.probabilities(sums, known), strict=True)
        return sorted((Judged(*pair) for pair in found), key=lambda item: (-item.probability, item.category))

    def witnesses(self, category: str, words: Collection[str], most: int) -> list[Witness]:
        """Of these words those that speak for the category, the heaviest first."""
        place = self.categories.index(category)
        known = [word for word in words if word in self.words]
        weight, found = self._weight(len(known)), []
        for word in known:
            here, elsewhere = self._split(word, place)
            ratio = self._ratio(here, elsewhere, place)
            if ratio >= TELLING:
                found.append(Witness(word, weight * log(ratio), here, elsewhere))
        return sorted(found, key=lambda item: (-item.weight, item.word))[:most]

    def typical(self, most: int) -> dict[str, list[str]]:
        """Category -> the words that tell most of it: frequent in it, and more so than elsewhere."""
        found: dict[str, list[str]] = {}
        for place, category in enumerate(self.categories):
            told = []
            for word, counts in self.words.items():
                if place in counts:
                    here, elsewhere = self._split(word, place)
                    told.append((here * log(self._ratio(here, elsewhere, place)), word))
            told.sort(key=lambda item: (-item[0], item[1]))
            found[category] = [word for gain, word in told[:most] if gain > 0]
        return found

    def _weight(self, known: int) -> float:
        return min(1.0, self.sharpness / 100 / sqrt(known)) if known else 1.0

    def _split(self, word: str, place: int) -> tuple[int, int]:
        counts = self.words[word]
        here = counts.get(place, 0)
        return here, sum(counts.values()) - here

    def _ratio(self, here: int, elsewhere: int, place: int) -> float:
        """The word's share in the category over its share in all others."""
        room, inside, outside = SMOOTHING * len(self.words), self.sums[place], sum(self.sums) - self.sums[place]
        return (here + SMOOTHING) * (outside + room) / ((elsewhere + SMOOTHING) * (inside + room))

    def sharpened(self, sharpness: int) -> "Classifier":
        return replace(self, sharpness=sharpness)

    def without_words(self) -> "Classifier":
        """What is left for whoever has the `evidence_sums` already: little to hold in memory."""
        return replace(self, words={})

    @property
    def content(self) -> bytes:
        """What is kept. The same counts give the same bytes."""
        words = {word: [[place, counts[place]] for place in sorted(counts)] for word, counts in self.words.items()}
        body = {
            "format": FORMAT,
            "sharpness": self.sharpness,
            "examples": list(self.examples.items()),
            "sums": self.sums,
            "words": words,
        }
        return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


def learned(counts: Counts, sharpness: int = SHARPNESS) -> Classifier | None:
    """None where fewer than two categories have enough examples, or no word is in enough: there is nothing to tell apart."""
    wanted = sorted(category for category, count in counts.examples.items() if count >= LEAST_EXAMPLES)
    if len(wanted) < 2:
        return None
    words = {}
    for word in _kept(counts):
        found = {place: count for place, category in enumerate(wanted) if (count := counts.of(word, category))}
        if sum(found.values()) >= LEAST_COMPLAINTS:
            words[word] = found
    if not words:
        return None
    sums = tuple(sum(found.get(place, 0) for found in words.values()) for place in range(len(wanted)))
    return Classifier({category: counts.examples[category] for category in wanted}, words, sums, sharpness)


def _kept(counts: Counts) -> list[str]:
    """The words of enough complaints, in order; where they are too many, those that tell most."""
    enough = sorted(word for word, count in counts.words.items() if count >= LEAST_COMPLAINTS)
    if len(enough) <= MOST_WORDS:
        return enough
    return sorted(sorted(enough, key=lambda word: (-information(counts, word), word))[:MOST_WORDS])


def packed(content: bytes) -> tuple[bytes, bytes]:
    """Compressed, and the checksum of what was."""
    return zlib.compress(content, 6), hashlib.sha256(content).digest()


def unpacked(packet: bytes, checksum: bytes) -> Classifier:
    """Raises `Damaged`."""
    try:
        content = zlib.decompress(packet)
    except zlib.error as error:
        raise Damaged("it cannot be decompressed") from error
    if hashlib.sha256(content).digest() != checksum:
        raise Damaged("its checksum is another")
    body: dict[str, Any] = orjson.loads(content)
    if body["format"] != FORMAT:
        raise Damaged(f"it has the format {body['format']}")
    words = {word: dict(pairs) for word, pairs in body["words"].items()}
    return Classifier(dict(body["examples"]), words, tuple(body["sums"]), body["sharpness"])
