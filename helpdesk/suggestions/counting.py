"""In how many complaints of each category each word stood. All that the model learns.

It is the number of complaints and not of mentions, so that one long complaint does not outweigh ten short ones, and so
that a word of few complaints can be left out: it could be somebody's name.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import log
from typing import Final

MOST_COUNTED: Final = 100_000
"""Different words that are counted at once; above that the rarest are forgotten, so memory stays bounded."""


@dataclass(slots=True)
class Counts:
    """The same examples in the same order give the same counts."""

    examples: Counter[str] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)
    """In how many complaints altogether."""
    by_category: dict[str, Counter[str]] = field(default_factory=dict)
    most: int = MOST_COUNTED

    def add(self, category: str, words: Iterable[str]) -> None:
        """One complaint; `words` each once."""
        self.examples[category] += 1
        known = tuple(words)
        self.words.update(known)
        self.by_category.setdefault(category, Counter()).update(known)
        if len(self.words) > self.most:
            self._forget_rare()

    def _forget_rare(self) -> None:
        """The rarest, until half of the room is free. A word that comes again begins anew, so rare ones are undercounted."""
        seen = 0
        while len(self.words) > self.most // 2:
            seen += 1
            for word in [word for word, count in self.words.items() if count <= seen]:
                del self.words[word]
                for counted in self.by_category.values():
                    counted.pop(word, None)

    def copy(self) -> "Counts":
        """To be counted on in another way."""
        by_category = {category: counted.copy() for category, counted in self.by_category.items()}
        return Counts(self.examples.copy(), self.words.copy(), by_category, self.most)

    def of(self, word: str, category: str) -> int:
        return self.by_category[category][word] if category in self.by_category else 0


def information(counts: Counts, word: str) -> float:
    """How much the presence of a word tells of the category: their mutual information, in nats."""
    total, present = sum(counts.examples.values()), counts.words[word]
    found = 0.0
    for category, there in counts.examples.items():
        both = counts.of(word, category)
        for joint, marginal in ((both, present), (there - both, total - present)):
            if joint > 0 and marginal > 0:
                found += joint / total * log(joint * total / (marginal * there))
    return found
